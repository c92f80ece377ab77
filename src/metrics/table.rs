//! Every metric, by which both ways out go.

use super::Levels;
use crate::insight::Latency;
use crate::kv::CacheStats;
use crate::stats::{Reason, Stats};
use std::collections::BTreeMap;

/// The one that is no number.
pub(super) const LATENCY: &str = "sqlx_cached_latency_seconds";

/// What is told of.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// `None` of a cache without an executor.
    pub(crate) stats: Option<&'a Stats>,
    pub(crate) levels: Option<&'a Levels>,
    pub(crate) values: Option<&'a CacheStats>,
}

#[cfg_attr(not(any(test, feature = "metrics")), allow(dead_code, reason = "text does not tell it"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    None,
    Bytes,
    Seconds,
}

/// Where the numbers come from.
pub(crate) enum Read {
    Counter(fn(&Stats) -> u64),
    /// By a label of this name.
    Counters(&'static str, fn(&Stats) -> Vec<(&'static str, u64)>),
    Values(fn(&CacheStats) -> u64),
    Gauge(fn(&Levels) -> Option<u64>),
    /// By the label `outcome`.
    Latencies(fn(&Stats) -> [(&'static str, Latency); 4]),
}

pub(crate) struct Metric {
    pub(crate) name: &'static str,
    #[cfg_attr(not(any(test, feature = "metrics")), allow(dead_code, reason = "text does not tell it"))]
    pub(crate) unit: Unit,
    pub(crate) help: &'static str,
    pub(crate) read: Read,
}

impl Metric {
    #[cfg(test)]
    fn kind(&self) -> &'static str {
        match self.read {
            Read::Counter(_) | Read::Counters(..) | Read::Values(_) => "counter",
            Read::Gauge(_) => "gauge",
            Read::Latencies(_) => "histogram",
        }
    }
}

fn by_reason(reasons: &BTreeMap<Reason, u64>) -> Vec<(&'static str, u64)> {
    reasons.iter().map(|(reason, number)| (reason.name(), *number)).collect()
}

const fn metric(name: &'static str, help: &'static str, read: Read) -> Metric {
    Metric { name, unit: Unit::None, help, read }
}

const fn bytes(name: &'static str, help: &'static str, read: Read) -> Metric {
    Metric { name, unit: Unit::Bytes, help, read }
}

use Read::{Counter, Counters, Gauge, Values};

pub(crate) static METRICS: &[Metric] = &[
    metric("sqlx_cached_hits_total", "Reads answered from the cache.", Counter(|stats| stats.hits)),
    metric(
        "sqlx_cached_near_hits_total",
        "Those of them that the process answered without asking the store.",
        Counter(|stats| stats.near_hits),
    ),
    metric("sqlx_cached_misses_total", "Reads that were looked up and went to the database.", Counter(|stats| stats.misses)),
    metric(
        "sqlx_cached_joined_total",
        "Reads that were looked up in vain and got the answer of another one.",
        Counter(|stats| stats.joined),
    ),
    metric("sqlx_cached_bypasses_total", "Reads that were not looked up.", Counters("reason", |stats| by_reason(&stats.bypasses))),
    metric("sqlx_cached_fills_total", "Answers stored.", Counter(|stats| stats.fills)),
    metric("sqlx_cached_not_stored_total", "Answers that were not stored.", Counters("reason", |stats| by_reason(&stats.not_stored))),
    metric("sqlx_cached_refreshed_early_total", "Answers read anew before they were too old.", Counter(|stats| stats.refreshed_early)),
    metric(
        "sqlx_cached_served_stale_total",
        "Hits that were too old and served all the same, as allowed.",
        Counter(|stats| stats.served_stale),
    ),
    metric("sqlx_cached_writes_total", "Writes.", Counter(|stats| stats.writes)),
    metric(
        "sqlx_cached_refused_writes_total",
        "Writes that were not sent since their fence could not be set.",
        Counter(|stats| stats.refused_writes),
    ),
    metric("sqlx_cached_invalidations_total", "Tables invalidated.", Counter(|stats| stats.invalidations)),
    metric(
        "sqlx_cached_invalidations_of_everything_total",
        "Times that everything was invalidated.",
        Counter(|stats| stats.invalidations_of_everything),
    ),
    metric(
        "sqlx_cached_undelivered_invalidations_total",
        "Invalidations that could not be delivered at once and were kept.",
        Counter(|stats| stats.undelivered_invalidations),
    ),
    metric("sqlx_cached_reclaimed_total", "Dead entries unlinked.", Counter(|stats| stats.reclaimed)),
    metric("sqlx_cached_store_errors_total", "Store operations that failed.", Counter(|stats| stats.store_errors)),
    metric("sqlx_cached_replay_errors_total", "Hits whose rows could not be replayed.", Counter(|stats| stats.replay_errors)),
    metric("sqlx_cached_malformed_entries_total", "Entries whose bytes were no entry.", Counter(|stats| stats.malformed_entries)),
    metric("sqlx_cached_undecryptable_entries_total", "Entries that no key opens.", Counter(|stats| stats.undecryptable_entries)),
    metric("sqlx_cached_breaker_openings_total", "Times that the breaker opened.", Counter(|stats| stats.breaker_opened)),
    bytes("sqlx_cached_uncompressed_bytes_total", "Rows that were compressed, before that.", Counter(|stats| stats.uncompressed_bytes)),
    bytes("sqlx_cached_compressed_bytes_total", "The same afterwards.", Counter(|stats| stats.compressed_bytes)),
    metric(
        "sqlx_cached_freshness_checks_total",
        "Hits compared with the database: `right`, `stale` or `undecided`.",
        Counters("result", |stats| {
            let freshness = &stats.freshness;
            vec![("right", freshness.checked), ("stale", freshness.stale), ("undecided", freshness.undecided)]
        }),
    ),
    Metric {
        name: LATENCY,
        unit: Unit::Seconds,
        help: "How long reads took: `near_hit` (one in 64), `hit`, `miss`, and `database`, the database's part of a miss.",
        read: Read::Latencies(|stats| {
            let latency = &stats.latency;
            [("near_hit", latency.near_hit), ("hit", latency.hit), ("miss", latency.miss), ("database", latency.database)]
        }),
    },
    metric("sqlx_cached_breaker_open", "1 while the store is left alone, else 0.", Gauge(|levels| Some(levels.breaker_open.into()))),
    metric(
        "sqlx_cached_distrusted_tables",
        "Tables that wait for the delivery of an invalidation.",
        Gauge(|levels| Some(levels.distrusted as u64)),
    ),
    metric("sqlx_cached_near_entries", "Answers in the near cache.", Gauge(|levels| Some(levels.near?.entries))),
    bytes("sqlx_cached_near_bytes", "What they take.", Gauge(|levels| Some(levels.near?.bytes))),
    bytes("sqlx_cached_near_spare_bytes", "What is made of them in advance, roughly.", Gauge(|levels| Some(levels.near?.spare_bytes))),
    metric(
        "sqlx_cached_near_mirrored_tables",
        "Tables whose generations are mirrored from a store elsewhere.",
        Gauge(|levels| Some(levels.near?.mirrored as u64)),
    ),
    bytes(
        "sqlx_cached_store_memory_bytes",
        "Memory in use: of the embedded store, or of Redis where it is watched.",
        Gauge(|levels| Some(levels.memory?.used)),
    ),
    bytes("sqlx_cached_store_memory_limit_bytes", "How much there may be.", Gauge(|levels| levels.memory?.limit)),
    metric("sqlx_cached_store_memory_pressure", "0 normal, 1 short, 2 full.", Gauge(|levels| Some(levels.memory?.pressure as u64))),
    metric("sqlx_cached_value_hits_total", "Plain values that were there.", Values(|values| values.hits)),
    metric("sqlx_cached_value_misses_total", "Plain values that weren't.", Values(|values| values.misses)),
    metric("sqlx_cached_value_joined_total", "Misses that were given what another one loaded.", Values(|values| values.joined)),
    metric("sqlx_cached_value_sets_total", "Plain values stored.", Values(|values| values.sets)),
    metric(
        "sqlx_cached_value_store_errors_total",
        "Operations on plain values that the store failed.",
        Values(|values| values.store_errors),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_documented_table_is_this_one() {
        let documented: Vec<Vec<&str>> = include_str!("../metrics.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `"))
            .map(|row| row.trim_end_matches(" |").split('|').map(|cell| cell.trim().trim_matches('`')).collect())
            .collect();
        let told: Vec<Vec<&str>> = METRICS
            .iter()
            .map(|metric| {
                let unit = match metric.unit {
                    Unit::None => "",
                    Unit::Bytes => "bytes",
                    Unit::Seconds => "seconds",
                };
                let label = match metric.read {
                    Read::Counters(label, _) => label,
                    Read::Latencies(_) => "outcome",
                    _ => "",
                };
                vec![metric.name, metric.kind(), unit, label, metric.help]
            })
            .collect();
        assert_eq!(documented, told);
        let names: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        assert!(METRICS.iter().all(|metric| (metric.kind() == "counter") == metric.name.ends_with("_total")));
    }
}
