//! Metrics: what an executor publishes, and the same as text.
//!
//! With the crate's feature `metrics`, every executor publishes to whichever recorder the program has installed for the `metrics` facade, every two seconds: counters as increments, so
//! that several executors of a process add up, and gauges as they are. Install the recorder before the executor is built: what was counted before is not published, and names are described once.
//! One that panics is told nothing more, and harms no read. Without a recorder, [`render`] writes the same metrics in Prometheus' text format.
//!
//! | name | type | unit | further labels | what it says |
//! |---|---|---|---|---|
//! | `sqlx_cached_hits_total` | counter | | | Reads answered from the cache. |
//! | `sqlx_cached_near_hits_total` | counter | | | Those of them that the process answered without asking the store. |
//! | `sqlx_cached_misses_total` | counter | | | Reads that were looked up and went to the database. |
//! | `sqlx_cached_joined_total` | counter | | | Reads that were looked up in vain and got the answer of another one. |
//! | `sqlx_cached_bypasses_total` | counter | | `reason` | Reads that were not looked up. |
//! | `sqlx_cached_fills_total` | counter | | | Answers stored. |
//! | `sqlx_cached_not_stored_total` | counter | | `reason` | Answers that were not stored. |
//! | `sqlx_cached_refreshed_early_total` | counter | | | Answers read anew before they were too old. |
//! | `sqlx_cached_served_stale_total` | counter | | | Hits that were too old and served all the same, as allowed. |
//! | `sqlx_cached_writes_total` | counter | | | Writes. |
//! | `sqlx_cached_refused_writes_total` | counter | | | Writes that were not sent since their fence could not be set. |
//! | `sqlx_cached_invalidations_total` | counter | | | Tables invalidated. |
//! | `sqlx_cached_invalidations_of_everything_total` | counter | | | Times that everything was invalidated. |
//! | `sqlx_cached_undelivered_invalidations_total` | counter | | | Invalidations that could not be delivered at once and were kept. |
//! | `sqlx_cached_reclaimed_total` | counter | | | Dead entries unlinked. |
//! | `sqlx_cached_store_errors_total` | counter | | | Store operations that failed. |
//! | `sqlx_cached_replay_errors_total` | counter | | | Hits whose rows could not be replayed. |
//! | `sqlx_cached_malformed_entries_total` | counter | | | Entries whose bytes were no entry. |
//! | `sqlx_cached_undecryptable_entries_total` | counter | | | Entries that no key opens. |
//! | `sqlx_cached_breaker_openings_total` | counter | | | Times that the breaker opened. |
//! | `sqlx_cached_uncompressed_bytes_total` | counter | bytes | | Rows that were compressed, before that. |
//! | `sqlx_cached_compressed_bytes_total` | counter | bytes | | The same afterwards. |
//! | `sqlx_cached_freshness_checks_total` | counter | | `result` | Hits compared with the database: `right`, `stale` or `undecided`. |
//! | `sqlx_cached_near_evictions_total` | counter | | | Answers that the near cache gave up to make room, those that had grown too old among them. |
//! | `sqlx_cached_latency_seconds` | histogram | seconds | `outcome` | How long reads took: `near_hit` (one in 64), `hit`, `miss`, and `database`, the database's part of a miss. |
//! | `sqlx_cached_breaker_open` | gauge | | | 1 while the store is left alone, else 0. |
//! | `sqlx_cached_distrusted_tables` | gauge | | | Tables that wait for the delivery of an invalidation. |
//! | `sqlx_cached_near_entries` | gauge | | | Answers in the near cache. |
//! | `sqlx_cached_near_bytes` | gauge | bytes | | What they take. |
//! | `sqlx_cached_near_spare_bytes` | gauge | bytes | | What is made of them in advance, roughly. |
//! | `sqlx_cached_near_mirrored_tables` | gauge | | | Tables whose generations are mirrored from a store elsewhere. |
//! | `sqlx_cached_store_memory_bytes` | gauge | bytes | | Memory in use: of the embedded store, or of Redis where it is watched. |
//! | `sqlx_cached_store_memory_limit_bytes` | gauge | bytes | | How much there may be. |
//! | `sqlx_cached_store_memory_pressure` | gauge | | | 0 normal, 1 short, 2 full. |
//! | `sqlx_cached_store_evicted_keys` | gauge | | | Keys given up to make room: by the embedded store, or by Redis for whomever since its start, where it is watched. |
//! | `sqlx_cached_value_hits_total` | counter | | | Plain values that were there. |
//! | `sqlx_cached_value_misses_total` | counter | | | Plain values that weren't. |
//! | `sqlx_cached_value_joined_total` | counter | | | Misses that were given what another one loaded. |
//! | `sqlx_cached_value_sets_total` | counter | | | Plain values stored. |
//! | `sqlx_cached_value_store_errors_total` | counter | | | Operations on plain values that the store failed. |
//!
//! All of them wear the labels `backend` (`postgresql`, `mysql` or `sqlite`; `none` of a [`Cache`](crate::Cache) without an executor) and `cache`, a name of one's own ([`Builder::metrics_name`](crate::Builder::metrics_name),
//! `CACHE_METRICS_NAME`; the namespace if not set). Executors of one process that should be told apart need different names: of the gauges of those that are called alike the last one counts.
//!
//! The histogram is recorded as times are taken. Of near hits one in 64 is timed, so the number of its samples says nothing of how many hits there were: that is `sqlx_cached_near_hits_total`. [`render`] gives
//! a summary in its place, of all the time since the executor was built, or since `reset_stats`; the mean is exact to a hundredth.

#[cfg(feature = "metrics")]
mod publish;
mod render;
mod table;

#[cfg(feature = "metrics")]
pub(crate) use self::publish::{Publisher, shielded};
pub use self::render::{render, render_with};

use crate::executor::NearUse;
use crate::health::{Health, MemoryUse};

/// Those that a summary gives.
const LATENCY_QUANTILES: [&str; 3] = ["0.5", "0.9", "0.99"];

/// How things stand, as against what was counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Levels {
    pub(crate) breaker_open: bool,
    pub(crate) distrusted: usize,
    pub(crate) near: Option<NearUse>,
    pub(crate) memory: Option<MemoryUse>,
}

impl From<&Health> for Levels {
    fn from(health: &Health) -> Self {
        Self { breaker_open: health.breaker_open, distrusted: health.distrusted, near: health.near, memory: health.memory }
    }
}
