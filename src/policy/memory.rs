//! When the store's memory runs short: from where on, and what then.

use std::time::Duration;

/// Watches how full the store's memory is, and fills it more sparingly before it is full. It is for a Redis that must not evict (`maxmemory-policy noeviction`), or that others
/// share: there a full memory refuses everybody's writes, the fences of this library's own among them. A Redis that evicts is full as a rule, and the
/// embedded store makes room by itself: neither needs a watch, so there is none unless it is asked for.
///
/// Above the first threshold what is filled is kept for a part of its time ([`factor`](Self::factor)). Above the second nothing is filled, dead entries are
/// unlinked, and answers of queries that stand are kept for no longer than that part of the time to live of data, each by chance: so they leave room even where nothing is
/// evicted. (What the program itself put under a key of its own is left alone.) Each state ends when the use has fallen a twentieth below its threshold, below 76 % and 85.5 %
/// by default, so that it does not flap. Reads are answered all the while; those that miss at the same time still share one read of the database.
///
/// Every process watches for itself, by one `INFO memory` each [`interval`](Self::interval), and at once when Redis refuses a fill. While Redis does not answer, the last state
/// stays: nothing could be filled anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "settings do nothing by themselves"]
pub struct MemoryWatch {
    pub(crate) short: u8,
    pub(crate) full: u8,
    pub(crate) interval: Duration,
    pub(crate) limit: Option<u64>,
    pub(crate) factor: u32,
}

impl Default for MemoryWatch {
    fn default() -> Self {
        Self { short: 80, full: 90, interval: Duration::from_secs(5), limit: None, factor: 4 }
    }
}

impl MemoryWatch {
    /// A watch with the usual thresholds.
    pub fn new() -> Self {
        Self::default()
    }

    /// From how many percent of the memory on what is filled is kept for shorter, and from how many on nothing is filled. Defaults to 80 and 90.
    pub fn thresholds(self, short: u8, full: u8) -> Self {
        Self { short, full, ..self }
    }

    /// How often the store is asked. Defaults to 5 s.
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Bytes that count as all of the memory, of each server in a cluster: for a Redis without `maxmemory`, or where less than that is meant to be used. Defaults to Redis'
    /// `maxmemory`; without either there is nothing to compare with, which is said once in the log.
    pub fn limit(self, bytes: u64) -> Self {
        Self { limit: Some(bytes), ..self }
    }

    /// By how much times to live are divided above the first threshold. Defaults to 4.
    pub fn factor(self, factor: u32) -> Self {
        Self { factor, ..self }
    }

    /// What can't be used, and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        if self.short == 0 || self.short >= self.full || self.full > 100 {
            return Err(("memory_watch.thresholds", format!("{},{}", self.short, self.full), "are not two percentages, the lesser first"));
        }
        if self.interval < Duration::from_millis(10) {
            return Err(("memory_watch.interval", format!("{:?}", self.interval), "is shorter than 10 ms"));
        }
        if self.interval > Duration::from_hours(24 * 366) {
            return Err(("memory_watch.interval", format!("{:?}", self.interval), "is longer than a year"));
        }
        if self.limit == Some(0) {
            return Err(("memory_watch.limit", "0".to_owned(), "is no memory at all"));
        }
        if self.factor == 0 {
            return Err(("memory_watch.factor", "0".to_owned(), "is not a number from 1 on"));
        }
        Ok(())
    }

    /// The state that follows, with so much of so much in use.
    pub(crate) fn next(&self, state: Pressure, used: u64, limit: u64) -> Pressure {
        // In twentieths of a percent, exactly: a state is left a twentieth below where it is entered.
        let reached = |threshold: u8, stays: bool| {
            let twentieths = if stays { 19 } else { 20 };
            u128::from(used) * 2000 >= u128::from(limit) * u128::from(threshold) * twentieths
        };
        if reached(self.full, state == Pressure::Full) {
            Pressure::Full
        } else if reached(self.short, state != Pressure::Normal) {
            Pressure::Short
        } else {
            Pressure::Normal
        }
    }
}

/// How full the store's memory is, as a [`MemoryWatch`] judges it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Pressure {
    /// There is room, or nobody watches.
    #[default]
    Normal,
    /// Above the first threshold: what is filled is kept for a part of its time.
    Short,
    /// Above the second: nothing is filled.
    Full,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_left_a_twentieth_below_where_it_is_entered() {
        let watch = MemoryWatch::new();
        let mut state = Pressure::Normal;
        let mut course = Vec::new();
        for used in [799, 800, 799, 760, 759, 899, 900, 855, 854, 900, 100, 1500, 0] {
            state = watch.next(state, used, 1000);
            course.push(match state {
                Pressure::Normal => 'n',
                Pressure::Short => 's',
                Pressure::Full => 'f',
            });
        }
        assert_eq!(course.into_iter().collect::<String>(), "nsssnsffsfnfn");
        assert_eq!(watch.next(Pressure::Normal, u64::MAX, u64::MAX), Pressure::Full);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let watch = MemoryWatch::new;
        for (bad, name) in [
            (watch().thresholds(0, 90), "thresholds"),
            (watch().thresholds(90, 80), "thresholds"),
            (watch().thresholds(80, 101), "thresholds"),
            (watch().interval(Duration::ZERO), "interval"),
            (watch().interval(Duration::MAX), "interval"),
            (watch().limit(0), "limit"),
            (watch().factor(0), "factor"),
        ] {
            assert!(bad.check().is_err_and(|(setting, ..)| setting.ends_with(name)), "{bad:?}");
        }
        assert_eq!(watch().thresholds(99, 100).check(), Ok(()));
    }
}
