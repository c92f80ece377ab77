//! How long answers are kept, how large they may be, and how strictly writes are followed.

mod deny;
mod memory;

pub(crate) use self::deny::Deny;
pub use self::memory::{MemoryWatch, Pressure};

use crate::analysis::{Analysis, Category, Dialect};
use crate::tag::Tag;
use std::collections::BTreeMap;
use std::time::Duration;

/// How a write and the cache keep step (`CACHE_CONSISTENCY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consistency {
    /// A write is a span: nothing that it may change is served or stored from before it until its outcome is known. Two round trips a write.
    #[default]
    Fenced,
    /// What a write changed is forgotten after it, before it is acknowledged. One round trip a write; between commit and invalidation another
    /// reader may still be given the old value, and a process that dies there leaves it until its TTL.
    AfterCommit,
    /// Writes are not followed: entries age. No round trip.
    Ttl,
}

/// What becomes of dead entries (`CACHE_INVALIDATION`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalidation {
    /// They are invalid at once and unlinked in the background.
    #[default]
    Generation,
    /// Besides, they are gone from the store before the write returns: for those who share the keyspace and want to see it.
    Scan,
}

/// What to do about a write whose text does not tell what it changes, since it runs code that can't be seen into: dynamic SQL, a trigger in
/// another language (`CACHE_UNCLEAR_WRITES`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnclearWrites {
    /// Everything is forgotten, which costs nothing but hits.
    #[default]
    Forget,
    /// The database is asked. On PostgreSQL the statement runs in a transaction, whose locks tell before the commit what it wrote: four round trips
    /// more, one in a transaction of one's own. On SQLite EXPLAIN tells beforehand. On MySQL and MariaDB nothing would, so there everything is forgotten. What such code
    /// writes over a connection of its own (`dblink`) is not seen.
    Ask,
}

/// Which statements are worth looking up (`CACHE_ADMISSION`). One that is not is passed on to the database for a while, 2 s at first and a minute at most, then tried
/// again. [`explain`](crate::CachingExecutor::explain) says so, and [`Stats::bypasses`](crate::Stats::bypasses) counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// Passed on is what reads tables that are written so often that hits are rare ([`Reason::Churn`](crate::Reason::Churn)); and on SQLite what the database answers sooner than
    /// the cache ([`Reason::Cheap`](crate::Reason::Cheap)). Not so on a server: there a hit also spares the server, which all processes share, even where it takes as long as the server's
    /// answer. SQLite has no server to spare.
    #[default]
    Auto,
    /// Nothing: every answer that can be kept is.
    Always,
    /// As [`Auto`](Self::Auto), but what the database answers sooner than the cache is passed on whichever database it is: for the shortest time to an answer as long as the server has
    /// time to spare.
    Cost,
}

impl Admission {
    /// Whether what the database takes decides.
    pub(crate) fn by_cost(self, dialect: Dialect) -> bool {
        match self {
            Self::Auto => dialect == Dialect::Sqlite,
            Self::Always => false,
            Self::Cost => true,
        }
    }

    /// Whether the rate of writes decides.
    pub(crate) fn by_churn(self) -> bool {
        self != Self::Always
    }
}

/// Times of `stale_while_revalidate`, by category; none is zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StaleTimes {
    pub(crate) categories: BTreeMap<Category, Duration>,
    pub(crate) default: Duration,
}

/// From how many bytes on rows are compressed on their way to a store elsewhere (`CACHE_COMPRESSION_THRESHOLD`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Compression {
    /// As it pays where the store is.
    #[default]
    Usual,
    From(usize),
    Never,
}

/// What becomes of a write whose fence can't be set, since the store can't be reached or takes no writes, or the database is not known yet
/// (`CACHE_UNFENCED_WRITES`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnfencedWrites {
    /// It goes on. This process reads what it may have changed from the database until its invalidation has been delivered; others, if they can reach the store,
    /// may be given old values until then.
    #[default]
    Proceed,
    /// It is not sent to the database, and fails with [`WriteRefused`](crate::WriteRefused); a transaction fails at its commit, and is rolled back. A write that was
    /// fenced and committed, and whose invalidation could not be delivered before its fence may have lapsed, fails with
    /// [`InvalidationPending`](crate::InvalidationPending). Needs [`Consistency::Fenced`].
    Refuse,
}

/// Time to live, by category and table.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub(crate) data: Option<Duration>,
    pub(crate) schema: Option<Duration>,
    pub(crate) metadata: Option<Duration>,
    pub(crate) count: Option<Duration>,
    pub(crate) default: Option<Duration>,
    pub(crate) tables: BTreeMap<String, Duration>,
    /// How long an answer that is too old may be served while it is read anew.
    pub(crate) stale: StaleTimes,
    /// How eagerly answers are read anew before they are too old; zero for not at all.
    pub(crate) early: f64,
    /// The largest part of a TTL that is taken off at random, so that what was filled together doesn't expire together.
    pub(crate) jitter: f64,
    pub(crate) max_entry: usize,
    pub(crate) compression: Compression,
    pub(crate) unclear: UnclearWrites,
    pub(crate) admission: Admission,
    /// What is never kept.
    pub(crate) deny: Deny,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            data: None,
            schema: None,
            metadata: None,
            count: None,
            default: None,
            tables: BTreeMap::new(),
            stale: StaleTimes::default(),
            early: 1.0,
            jitter: 0.1,
            max_entry: 4 << 20,
            compression: Compression::default(),
            unclear: UnclearWrites::default(),
            admission: Admission::default(),
            deny: Deny::default(),
        }
    }
}

impl Policy {
    /// How long an answer may be served, before jitter: the comment in the text, else the shortest of its tables' own, else its category's, else the default.
    pub(crate) fn ttl(&self, analysis: &Analysis) -> Duration {
        let Ok(read) = &analysis.read else { return Duration::ZERO };
        analysis.hints.ttl.or_else(|| read.tables.iter().filter_map(|table| self.table(table)).min()).unwrap_or_else(|| {
            let (own, built_in) = match read.category {
                Category::Data => (self.data, 300),
                Category::Schema => (self.schema, 3600),
                Category::Metadata => (self.metadata, 7200),
                Category::Count => (self.count, 60),
            };
            own.or(self.default).unwrap_or(Duration::from_secs(built_in))
        })
    }

    /// How long answers of the category data are kept.
    pub(crate) fn ttl_of_data(&self) -> Duration {
        self.data.or(self.default).unwrap_or(Duration::from_secs(300))
    }

    /// How long after that it may be served all the same while it is read anew: the comment in the text, else its category's time, else the default.
    pub(crate) fn stale(&self, analysis: &Analysis) -> Duration {
        let Ok(read) = &analysis.read else { return Duration::ZERO };
        analysis.hints.stale.or_else(|| self.stale.categories.get(&read.category).copied()).unwrap_or(self.stale.default)
    }

    /// Names of tables in settings are compared without regard to case: environment variables are written in capitals.
    fn table(&self, table: &Tag) -> Option<Duration> {
        if self.tables.is_empty() { None } else { self.tables.get(&table.as_str().to_lowercase()).copied() }
    }

    /// A TTL with its jitter taken off; never under a millisecond, the least that stores can express.
    pub(crate) fn jittered(&self, ttl: Duration) -> Duration {
        let part = rand::random_range(0.0..=1.0) * self.jitter;
        // An endless one has nothing to take a part off: as a number it is too large for a `Duration`.
        Duration::try_from_secs_f64(ttl.as_secs_f64() * (1.0 - part)).unwrap_or(ttl).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_takes_a_part_off_any_time() {
        for ttl in [Duration::ZERO, Duration::from_secs(100), Duration::MAX] {
            for jitter in [0.0, 0.5, 1.0] {
                let policy = Policy { jitter, ..Policy::default() };
                for _ in 0..100 {
                    let jittered = policy.jittered(ttl);
                    assert!(jittered <= ttl.max(Duration::from_millis(1)), "{jittered:?} of {ttl:?}");
                    assert!(jittered >= Duration::from_millis(1) && jittered.as_secs_f64() >= ttl.as_secs_f64() * (1.0 - jitter) * 0.999);
                }
            }
        }
    }
}
