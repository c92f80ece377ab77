//! Counters by their names in the store: `hits`, `bypasses/open`, `latency_count/hit`, `hits@users:data`. Names stay as they are: processes of several versions may add to one day.

use super::{DayLatency, DayStats};
use crate::kv::CacheStats;
use crate::stats::Stats;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Of how many operations a process counts each for itself: as many tables and categories, and as many beginnings of plain values' keys.
pub(crate) const MOST_OPERATIONS: usize = 256;

/// What the others are counted under.
pub(crate) const OTHER: &str = "other";

/// Hits, misses and fills by operation.
pub(crate) type Operations = Vec<(String, [u64; 3])>;

const OF_OPERATIONS: [&str; 3] = ["hits", "misses", "fills"];

/// Counters; none that is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers(BTreeMap<String, u64>);

impl Numbers {
    /// What an executor and its caches have counted; `known` are the tables that are counted each for itself.
    pub(crate) fn of(stats: Option<&Stats>, known: &mut BTreeSet<String>, values: CacheStats, operations: Operations) -> Self {
        let mut numbers = Self::default();
        if let Some(stats) = stats {
            numbers.put_stats(stats, known);
        }
        let totals = [
            ("hits", values.hits),
            ("misses", values.misses),
            ("joined", values.joined),
            ("fills", values.sets),
            ("store_errors", if stats.is_none() { values.store_errors } else { 0 }),
        ];
        for (name, number) in totals {
            numbers.put(name, number);
        }
        numbers.put_operations(operations);
        numbers
    }

    fn put_stats(&mut self, stats: &Stats, known: &mut BTreeSet<String>) {
        let totals = [
            ("hits", stats.hits),
            ("near_hits", stats.near_hits),
            ("joined", stats.joined),
            ("misses", stats.misses),
            ("fills", stats.fills),
            ("writes", stats.writes),
            ("invalidations", stats.invalidations),
            ("invalidations_of_everything", stats.invalidations_of_everything),
            ("store_errors", stats.store_errors),
            ("checked", stats.freshness.checked),
            ("stale", stats.freshness.stale),
        ];
        for (name, number) in totals {
            self.put(name, number);
        }
        for (reason, number) in &stats.bypasses {
            self.put(&format!("bypasses/{}", reason.name()), *number);
        }
        let latency = &stats.latency;
        let latencies = [("near_hit", latency.near_hit), ("hit", latency.hit), ("miss", latency.miss), ("database", latency.database)];
        for (outcome, latency) in latencies {
            let mean = u64::try_from(latency.mean.as_nanos()).unwrap_or(u64::MAX);
            self.put(&format!("latency_count/{outcome}"), latency.count);
            self.put(&format!("latency_nanos/{outcome}"), mean.saturating_mul(latency.count));
        }
        self.put_operations(stats.tables.iter().map(|((table, category), stats)| {
            let name = format!("{table}:{}", category.as_str());
            let is_known = known.contains(&name) || known.len() < MOST_OPERATIONS && known.insert(name.clone());
            (if is_known { name } else { OTHER.to_owned() }, [stats.hits, stats.misses, stats.fills])
        }));
    }

    fn put_operations(&mut self, operations: impl IntoIterator<Item = (String, [u64; 3])>) {
        for (operation, numbers) in operations {
            for (what, number) in OF_OPERATIONS.into_iter().zip(numbers) {
                self.put(&format!("{what}@{operation}"), number);
            }
        }
    }

    fn put(&mut self, name: &str, number: u64) {
        if number > 0 {
            let sum = self.0.entry(name.to_owned()).or_default();
            *sum = sum.saturating_add(number);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (name, number) in &other.0 {
            self.put(name, *number);
        }
    }

    /// What was added since these.
    pub(super) fn since(&self, former: &Self) -> Self {
        let added = |(name, number): (&String, &u64)| {
            let added = number.saturating_sub(former.0.get(name).copied().unwrap_or_default());
            (added > 0).then(|| (name.clone(), added))
        };
        Self(self.0.iter().filter_map(added).collect())
    }

    /// Each as the greater of both: a sum that was computed from a mean may fall a little.
    pub(super) fn at_least(mut self, former: Self) -> Self {
        for (name, number) in former.0 {
            let now = self.0.entry(name).or_default();
            *now = number.max(*now);
        }
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_map(&self) -> &BTreeMap<String, u64> {
        &self.0
    }
}

impl DayStats {
    /// What another version counts besides is left out.
    pub(super) fn of(date: String, numbers: BTreeMap<String, u64>) -> Self {
        let mut day = Self { date, ..Self::default() };
        for (name, number) in numbers {
            if let Some((what, operation)) = name.split_once('@') {
                if OF_OPERATIONS.contains(&what) {
                    let stats = day.operations.entry(operation.to_owned()).or_default();
                    match what {
                        "hits" => stats.hits = number,
                        "misses" => stats.misses = number,
                        _ => stats.fills = number,
                    }
                }
            } else if let Some((what, which)) = name.split_once('/') {
                match (what, day.latency_of(which)) {
                    ("bypasses", _) => _ = day.bypasses.insert(which.to_owned(), number),
                    ("latency_count", Some(latency)) => latency.count = number,
                    ("latency_nanos", Some(latency)) => latency.total = Duration::from_nanos(number),
                    _ => {}
                }
            } else if let Some(total) = day.total(&name) {
                *total = number;
            }
        }
        day
    }

    fn latency_of(&mut self, outcome: &str) -> Option<&mut DayLatency> {
        match outcome {
            "near_hit" => Some(&mut self.latency.near_hit),
            "hit" => Some(&mut self.latency.hit),
            "miss" => Some(&mut self.latency.miss),
            "database" => Some(&mut self.latency.database),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Category;
    use crate::stats::{Counters, Reason, count};

    #[test]
    fn what_is_put_in_comes_out_and_what_nobody_knows_is_left_out() {
        let counters = Counters::default();
        let users = counters.table("users", Category::Data);
        (0..3).for_each(|_| count(&users.hits));
        count(&users.near_hits);
        count(&users.misses);
        count(&counters.invalidations);
        counters.bypass(Reason::Open);
        counters.insight.hit.note(Duration::from_millis(2));
        counters.insight.hit.note(Duration::from_millis(4));
        let operations = vec![("hero".to_owned(), [5, 2, 1]), ("a@b/c".to_owned(), [1, 0, 0])];
        let values = CacheStats { hits: 6, misses: 2, sets: 1, joined: 4, ..CacheStats::default() };
        let mut map = Numbers::of(Some(&counters.snapshot()), &mut BTreeSet::new(), values, operations).0;
        map.extend([("what", 1), ("ever/b", 1), ("latency_count/x", 1), ("x@y", 1)].map(|(name, number)| (name.to_owned(), number)));
        let day = DayStats::of("2026-11-22".to_owned(), map);
        assert_eq!((day.hits, day.near_hits, day.misses, day.joined, day.fills, day.invalidations), (10, 1, 3, 4, 1, 1));
        assert_eq!(day.bypasses, [("open".to_owned(), 1)].into());
        let operation = |name: &str| (day.operations[name].hits, day.operations[name].misses, day.operations[name].fills);
        assert_eq!((operation("users:data"), operation("hero"), operation("a@b/c")), ((4, 1, 0), (5, 2, 1), (1, 0, 0)));
        assert_eq!(day.operations.len(), 3);
        let mean = day.latency.hit.mean().unwrap().as_secs_f64();
        assert!(day.latency.hit.count == 2 && (mean - 0.003).abs() < 0.0001, "{mean}");
        assert_eq!((day.hit_ratio(), DayStats::default().hit_ratio()), (Some(14.0 / 17.0), None));
    }

    #[test]
    fn tables_beyond_the_bound_are_others_and_stay_so() {
        let counters = Counters::default();
        let mut known = BTreeSet::new();
        let mut of = |counters: &Counters| Numbers::of(Some(&counters.snapshot()), &mut known, CacheStats::default(), Vec::new()).0;
        for table in 0..MOST_OPERATIONS + 10 {
            count(&counters.table(&format!("t{table:03}"), Category::Data).misses);
        }
        let first = of(&counters);
        assert_eq!((first["misses@other"], first.len()), (10, MOST_OPERATIONS + 2));
        // It comes before all the others by its name.
        count(&counters.table("a", Category::Data).misses);
        assert_eq!(of(&counters)["misses@other"], 11);
    }

    #[test]
    fn what_falls_a_little_is_not_counted_twice() {
        let numbers = |sum| Numbers([("latency_nanos/hit".to_owned(), sum)].into());
        let mut last = Numbers::default();
        let mut all = 0;
        for sum in [100, 98, 99, 105] {
            let now = numbers(sum);
            all += now.since(&last).0.values().sum::<u64>();
            last = now.at_least(last);
        }
        assert_eq!(all, 105);
    }
}
