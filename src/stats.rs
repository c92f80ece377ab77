//! What the cache did: private counters, public snapshots.

use crate::analysis::{Bypass, Category};
use crate::insight::{Freshness, Insight, Latencies};
use crate::rows::Unreplayable;
use crate::serial;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

macro_rules! reasons {
    ($($variant:ident $name:literal $text:literal,)*) => {
        /// Why a read went to the database without the cache, or why its answer was not kept.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[non_exhaustive]
        pub enum Reason {
            $(#[doc = $text] #[serde(rename = $name)] $variant,)*
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name, for machines: `not-a-table`. It stays as it is.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The reason in words.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

reasons! {
    Unparsed "unparsed" "the statement is not understood",
    NoTable "no-table" "reads no table",
    UnknownRelation "unknown-relation" "names a relation that the catalog does not know",
    NotATable "not-a-table" "names a foreign, virtual, temporary or other relation whose changes can't be followed",
    RowSecurity "row-security" "reads a table with row-level security, and the executor has no scope",
    Function "function" "calls a function that is volatile, or not known to be harmless",
    Variable "variable" "reads a session or system variable",
    Locking "locking" "locks what it reads",
    Volatile "volatile" "reads a system column",
    Write "write" "it writes",
    NotAQuery "not-a-query" "is no query",
    Denied "denied" "reads or shows what is not to be kept",
    Hint "hint" "a comment in the statement switches the cache off",
    RawSql "raw-sql" "runs unprepared: rows of the text protocol are not kept",
    NotPersistent "not-persistent" "is not to be kept prepared, as its replay would need",
    Execute "execute" "its rows are not asked for",
    Uncached "uncached" "the executor is an uncached one",
    Session "session" "the session was changed through the pool",
    Off "off" "the cache is switched off",
    Starting "starting" "the catalog has not been read yet",
    Arguments "arguments" "the arguments are too large to hash",
    Schema "schema" "somebody is changing the schema",
    Fenced "fenced" "a write is under way",
    Distrusted "distrusted" "an invalidation could not be delivered yet",
    Store "store" "the store failed",
    Open "open" "the store kept failing and is left alone",
    Memory "memory" "the store's memory is nearly full",
    Rows "rows" "the row cache failed its self-test",
    TextProtocol "text-protocol" "rows of the text protocol",
    Columns "columns" "columns that can't be described exactly",
    Value "value" "a value that can't be captured exactly",
    TooLarge "too-large" "more bytes than an entry may have",
    Origin "origin" "a column comes from a table that the analysis did not name",
    Unfinished "unfinished" "the caller stopped reading",
    Cheap "cheap" "takes the database less time than the cache",
    Churn "churn" "reads what is written so often that hits are rare",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Bypass> for Reason {
    fn from(bypass: Bypass) -> Self {
        match bypass {
            Bypass::Write => Self::Write,
            Bypass::NotAQuery => Self::NotAQuery,
            Bypass::Unparsed => Self::Unparsed,
            Bypass::NoTable => Self::NoTable,
            Bypass::UnknownRelation => Self::UnknownRelation,
            Bypass::NotATable => Self::NotATable,
            Bypass::Function => Self::Function,
            Bypass::Variable => Self::Variable,
            Bypass::Locking => Self::Locking,
            Bypass::Volatile => Self::Volatile,
            Bypass::Hint => Self::Hint,
            Bypass::Denied => Self::Denied,
        }
    }
}

impl From<Unreplayable> for Reason {
    fn from(unreplayable: Unreplayable) -> Self {
        match unreplayable {
            Unreplayable::TextProtocol => Self::TextProtocol,
            Unreplayable::MixedColumns | Unreplayable::ColumnType => Self::Columns,
            Unreplayable::Value => Self::Value,
            Unreplayable::TooLarge => Self::TooLarge,
        }
    }
}

/// The counters of one table and category.
#[derive(Debug, Default)]
pub(crate) struct TableCounters {
    /// Hits in the store.
    pub(crate) hits: AtomicU64,
    /// Hits in this process's memory in front of it.
    pub(crate) near_hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) fills: AtomicU64,
}

/// All counters of an executor and its clones.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) joined: AtomicU64,
    pub(crate) refreshed_early: AtomicU64,
    pub(crate) served_stale: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) invalidations: AtomicU64,
    pub(crate) invalidations_of_everything: AtomicU64,
    pub(crate) asked: AtomicU64,
    pub(crate) reclaimed: AtomicU64,
    pub(crate) store_errors: AtomicU64,
    pub(crate) replay_errors: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) undecryptable: AtomicU64,
    pub(crate) undelivered: AtomicU64,
    pub(crate) breaker_opened: AtomicU64,
    pub(crate) refused_writes: AtomicU64,
    /// The near cache counts them, too.
    pub(crate) near_evictions: Arc<AtomicU64>,
    pub(crate) uncompressed_bytes: AtomicU64,
    pub(crate) compressed_bytes: AtomicU64,
    /// No counter, but whether it is open now.
    pub(crate) breaker_open: AtomicBool,
    bypasses: Vec<AtomicU64>,
    not_stored: Vec<AtomicU64>,
    tables: Mutex<HashMap<(String, Category), Arc<TableCounters>>>,
    pub(crate) insight: Insight,
}

impl Default for Counters {
    fn default() -> Self {
        let zeros = || Reason::ALL.iter().map(|_| AtomicU64::new(0)).collect();
        Self {
            joined: AtomicU64::default(),
            refreshed_early: AtomicU64::default(),
            served_stale: AtomicU64::default(),
            writes: AtomicU64::default(),
            invalidations: AtomicU64::default(),
            invalidations_of_everything: AtomicU64::default(),
            asked: AtomicU64::default(),
            reclaimed: AtomicU64::default(),
            store_errors: AtomicU64::default(),
            replay_errors: AtomicU64::default(),
            malformed: AtomicU64::default(),
            undecryptable: AtomicU64::default(),
            undelivered: AtomicU64::default(),
            breaker_opened: AtomicU64::default(),
            refused_writes: AtomicU64::default(),
            near_evictions: Arc::default(),
            uncompressed_bytes: AtomicU64::default(),
            compressed_bytes: AtomicU64::default(),
            breaker_open: AtomicBool::default(),
            bypasses: zeros(),
            not_stored: zeros(),
            tables: Mutex::default(),
            insight: Insight::default(),
        }
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

pub(crate) fn add(counter: &AtomicU64, number: usize) {
    counter.fetch_add(number as u64, Relaxed);
}

impl Counters {
    pub(crate) fn bypass(&self, reason: Reason) {
        count(&self.bypasses[reason as usize]);
    }

    pub(crate) fn not_stored(&self, reason: Reason) {
        count(&self.not_stored[reason as usize]);
    }

    /// The counters of a table: looked up once per statement, not per read.
    pub(crate) fn table(&self, table: &str, category: Category) -> Arc<TableCounters> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tables.entry((table.to_owned(), category)).or_default())
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let by_reason = |counters: &[AtomicU64]| {
            Reason::ALL.iter().map(|reason| (*reason, read(&counters[*reason as usize]))).filter(|(_, count)| *count > 0).collect()
        };
        // A hit is counted once, by its table: what all reads count is what they wait for each other at.
        let (tables, near_hits): (BTreeMap<_, _>, Vec<u64>) = {
            let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
            let stats = |counters: &TableCounters| {
                let near = read(&counters.near_hits);
                (TableStats { hits: near + read(&counters.hits), misses: read(&counters.misses), fills: read(&counters.fills) }, near)
            };
            let all = tables.iter().map(|((table, category), counters)| ((table.clone(), *category), stats(counters)));
            all.map(|(name, (stats, near))| ((name, stats), near)).unzip()
        };
        let sum = |of: fn(&TableStats) -> u64| tables.values().map(of).sum();
        Stats {
            hits: sum(|stats| stats.hits),
            near_hits: near_hits.iter().sum(),
            misses: sum(|stats| stats.misses),
            fills: sum(|stats| stats.fills),
            joined: read(&self.joined),
            refreshed_early: read(&self.refreshed_early),
            served_stale: read(&self.served_stale),
            writes: read(&self.writes),
            invalidations: read(&self.invalidations),
            invalidations_of_everything: read(&self.invalidations_of_everything),
            asked: read(&self.asked),
            reclaimed: read(&self.reclaimed),
            store_errors: read(&self.store_errors),
            replay_errors: read(&self.replay_errors),
            malformed_entries: read(&self.malformed),
            undecryptable_entries: read(&self.undecryptable),
            undelivered_invalidations: read(&self.undelivered),
            breaker_opened: read(&self.breaker_opened),
            refused_writes: read(&self.refused_writes),
            near_evictions: read(&self.near_evictions),
            uncompressed_bytes: read(&self.uncompressed_bytes),
            compressed_bytes: read(&self.compressed_bytes),
            bypasses: by_reason(&self.bypasses),
            not_stored: by_reason(&self.not_stored),
            tables,
            latency: self.insight.latencies(),
            freshness: self.insight.freshness(),
        }
    }

    pub(crate) fn reset(&self) {
        let single = [
            &self.joined,
            &self.refreshed_early,
            &self.served_stale,
            &self.writes,
            &self.invalidations,
            &self.invalidations_of_everything,
            &self.asked,
            &self.reclaimed,
            &self.store_errors,
            &self.replay_errors,
            &self.malformed,
            &self.undecryptable,
            &self.undelivered,
            &self.breaker_opened,
            &self.refused_writes,
            &self.near_evictions,
            &self.uncompressed_bytes,
            &self.compressed_bytes,
        ];
        for counter in single.into_iter().chain(&self.bypasses).chain(&self.not_stored) {
            counter.store(0, Relaxed);
        }
        for counters in self.tables.lock().unwrap_or_else(PoisonError::into_inner).values() {
            for counter in [&counters.hits, &counters.near_hits, &counters.misses, &counters.fills] {
                counter.store(0, Relaxed);
            }
        }
        self.insight.reset();
    }
}

/// What the cache did since the executor was built, or since `reset_stats`; shared by its clones.
///
/// The counters are read one after another: under load they may be a few operations apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Reads answered from the store.
    pub hits: u64,
    /// Those of them that this process answered without asking the store: answers that it keeps in front of it.
    pub near_hits: u64,
    /// Reads that were looked up and went to the database.
    pub misses: u64,
    /// Answers stored.
    pub fills: u64,
    /// Reads that were looked up in vain and then got the answer of another read that was under way, here or in another process: neither hits nor misses.
    pub joined: u64,
    /// Answers read anew in the background before they were too old.
    pub refreshed_early: u64,
    /// Hits that were too old and served all the same, as `stale_while_revalidate` allows.
    pub served_stale: u64,
    /// Writes that went through the executor or its transactions.
    pub writes: u64,
    /// Tables that were invalidated, by writes and by hand, each time counted.
    pub invalidations: u64,
    /// Times that everything was invalidated, for want of knowing less.
    pub invalidations_of_everything: u64,
    /// Times that the database was asked what a write whose text does not tell has changed.
    pub asked: u64,
    /// Dead entries unlinked in the background.
    pub reclaimed: u64,
    /// Store operations that failed or missed their deadline. Those that were not tried while the breaker was open are none.
    pub store_errors: u64,
    /// Hits whose rows could not be replayed; they were read from the database.
    pub replay_errors: u64,
    /// Entries whose bytes were not an entry; they were deleted.
    pub malformed_entries: u64,
    /// Entries that none of the encryption keys opens, or that are encrypted where there is none, or not where there is one; they were left where they are.
    pub undecryptable_entries: u64,
    /// Invalidations that could not be delivered at once and were kept.
    pub undelivered_invalidations: u64,
    /// Times that the breaker opened since the store kept failing.
    pub breaker_opened: u64,
    /// Writes that were not sent to the database since their fence could not be set.
    pub refused_writes: u64,
    /// Answers that the near cache gave up to make room, those that had grown too old among them.
    pub near_evictions: u64,
    /// Bytes of rows that were compressed on their way to the store, before that. What was stored as it is counts in neither.
    pub uncompressed_bytes: u64,
    /// The same bytes afterwards.
    pub compressed_bytes: u64,
    /// Reads that were not looked up, by reason.
    pub bypasses: BTreeMap<Reason, u64>,
    /// Reads whose answer was not stored, by reason.
    pub not_stored: BTreeMap<Reason, u64>,
    /// By the table that an entry is filed under, and category.
    #[serde(serialize_with = "serial::tables")]
    pub tables: BTreeMap<(String, Category), TableStats>,
    /// How long reads took.
    pub latency: Latencies,
    /// What the freshness probe found.
    pub freshness: Freshness,
}

/// The counters of one table and category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TableStats {
    /// Reads answered from the store.
    pub hits: u64,
    /// Reads that were looked up and went to the database.
    pub misses: u64,
    /// Answers stored.
    pub fills: u64,
}

impl Stats {
    /// The part of the look-ups that were answered without a read of their own from the database, from 0 to 1; `None` before the first.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
    pub fn hit_ratio(&self) -> Option<f64> {
        let spared = self.hits + self.joined;
        let looked_up = spared + self.misses;
        (looked_up > 0).then(|| spared as f64 / looked_up as f64)
    }
}

/// A table for people to read.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28} {:<9} {:>9} {:>9} {:>9}", "table", "category", "hits", "misses", "fills")?;
        for ((table, category), stats) in &self.tables {
            writeln!(f, "{table:<28} {:<9} {:>9} {:>9} {:>9}", category.as_str(), stats.hits, stats.misses, stats.fills)?;
        }
        writeln!(f, "{:<28} {:<9} {:>9} {:>9} {:>9}", "total", "", self.hits, self.misses, self.fills)?;
        writeln!(
            f,
            "{} of the hits near; {} joined another's read, {} refreshed early, {} served stale\n{} writes, {} tables invalidated, everything {} times, {} dead entries reclaimed; {} store errors",
            self.near_hits,
            self.joined,
            self.refreshed_early,
            self.served_stale,
            self.writes,
            self.invalidations,
            self.invalidations_of_everything,
            self.reclaimed,
            self.store_errors
        )?;
        if self.uncompressed_bytes > 0 {
            writeln!(f, "{} bytes of rows compressed to {}", self.uncompressed_bytes, self.compressed_bytes)?;
        }
        if self.freshness != Freshness::default() {
            writeln!(f, "{}", self.freshness)?;
        }
        for (title, reasons) in [("not looked up", &self.bypasses), ("not stored", &self.not_stored)] {
            for (reason, count) in reasons {
                writeln!(f, "{title}: {count:>6} x {reason}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_leaves_nothing_and_reasons_stay_apart() {
        let counters = Counters::default();
        for reason in Reason::ALL {
            counters.bypass(*reason);
        }
        counters.not_stored(Reason::TooLarge);
        count(&counters.table("users", Category::Data).hits);
        let stats = counters.snapshot();
        assert_eq!(stats.bypasses.len(), Reason::ALL.len());
        assert_eq!(stats.not_stored, [(Reason::TooLarge, 1)].into());
        assert_eq!(stats.tables[&("users".to_owned(), Category::Data)].hits, 1);
        counters.reset();
        let stats = counters.snapshot();
        assert!(stats.bypasses.is_empty() && stats.not_stored.is_empty());
        assert_eq!(stats.tables[&("users".to_owned(), Category::Data)], TableStats::default());
    }
}
