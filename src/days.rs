//! What was counted day by day, by all who share the store.

mod keeper;
mod numbers;

pub(crate) use self::keeper::{Clock, Days, system_clock};
pub(crate) use self::numbers::{MOST_OPERATIONS, Numbers, OTHER, Operations};

use crate::database::Backend;
use crate::error::Error;
use crate::executor::CachingExecutor;
use crate::serial;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

macro_rules! totals {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What was counted on a day, in UTC, by all processes that share the store and the namespace: reads of SQL and of plain values alike.
        ///
        /// Each process adds what it counted every two seconds, so that what it counted around midnight may be filed under the day that followed. What it could not deliver it adds later, once. A
        /// process that is killed takes the counts of its last two seconds along.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
        #[non_exhaustive]
        pub struct DayStats {
            /// The day, such as `2026-11-22`.
            pub date: String,
            $($(#[$doc])* pub $name: u64,)*
            /// Reads that were not looked up, by [`Reason::name`](crate::Reason::name).
            pub bypasses: BTreeMap<String, u64>,
            /// How long reads took.
            pub latency: DayLatencies,
            /// By what was read: `users:data` is a table that entries are filed under and their category; a name without a colon is the beginning of plain values' keys up to their first colon, which is
            /// the name of a cached function or of a repository's entities. What there is no room for, and plain values with no colon in their key, is `other`.
            pub operations: BTreeMap<String, OperationStats>,
        }

        impl DayStats {
            fn total(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

totals! {
    /// Reads answered from the cache.
    hits,
    /// Those of them that a process answered without asking the store.
    near_hits,
    /// Reads that were looked up in vain and then got the answer of another one.
    joined,
    /// Reads that were looked up and went to the database, or loaded their value.
    misses,
    /// Answers and values stored.
    fills,
    /// Writes that went through executors.
    writes,
    /// Tables that were invalidated, each time counted.
    invalidations,
    /// Times that everything was invalidated, for want of knowing less.
    invalidations_of_everything,
    /// Store operations that failed or missed their deadline.
    store_errors,
    /// Hits that the freshness probe found right.
    checked,
    /// Hits that it found stale.
    stale,
}

/// The counters of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OperationStats {
    /// Reads answered from the cache.
    pub hits: u64,
    /// Reads that were looked up and went to the database, or loaded their value.
    pub misses: u64,
    /// Answers and values stored.
    pub fills: u64,
}

/// How long a day's reads took, by what answered them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DayLatencies {
    /// Hits that a process answered without asking the store. One in 64 is timed.
    pub near_hit: DayLatency,
    /// Hits in the store.
    pub hit: DayLatency,
    /// Misses.
    pub miss: DayLatency,
    /// What of them was the database's.
    pub database: DayLatency,
}

/// How long some reads took together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DayLatency {
    /// How many were measured.
    pub count: u64,
    /// All of them together.
    #[serde(rename = "total_seconds", serialize_with = "serial::seconds")]
    pub total: Duration,
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
fn ratio(part: u64, rest: u64) -> Option<f64> {
    (part > 0 || rest > 0).then(|| part as f64 / (part as f64 + rest as f64))
}

impl DayStats {
    /// The part of the look-ups that were answered without a read of their own, from 0 to 1; `None` before the first.
    pub fn hit_ratio(&self) -> Option<f64> {
        ratio(self.hits.saturating_add(self.joined), self.misses)
    }
}

impl OperationStats {
    /// The part of the look-ups that were answered from the cache, from 0 to 1; `None` before the first.
    pub fn hit_ratio(&self) -> Option<f64> {
        ratio(self.hits, self.misses)
    }
}

impl DayLatency {
    /// The mean; `None` where nothing was measured.
    pub fn mean(&self) -> Option<Duration> {
        (self.count > 0).then(|| Duration::try_from_secs_f64(self.total.as_secs_f64() / precise(self.count)).unwrap_or_default())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a mean for people to read")]
fn precise(count: u64) -> f64 {
    count as f64
}

impl<DB: Backend> CachingExecutor<DB> {
    /// What was counted day by day, in UTC, by all processes that share the store and the namespace: the newest day first, seven at most, none that nothing was counted on. This process's counts are
    /// added first. With the embedded store these are the days of its own process, as long as that runs. Neither [`clear`](Self::clear) nor [`reset_stats`](Self::reset_stats) changes them.
    ///
    /// # Errors
    ///
    /// The store's; [`Error::is_unsupported`] where [nothing is counted by the day](crate::Builder::daily_counters), or the cache is switched off.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn days(&self) -> Result<Vec<DayStats>, Error> {
        self.cache().days().await
    }

    /// Forgets what was counted day by day, for all processes. What others counted in the last two seconds they add afterwards.
    ///
    /// # Errors
    ///
    /// As [`days`](Self::days).
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it may have forgotten some of the days.
    pub async fn reset_days(&self) -> Result<(), Error> {
        self.cache().reset_days().await
    }
}
