//! What becomes of answers that grow old: read anew before that, or served beyond it while they are.

use std::time::Duration;

/// How old an answer may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ages {
    /// Older than this, or than its entry says, it is stale.
    pub(crate) ttl: Duration,
    /// For so long it is served all the same, and read anew.
    pub(crate) stale: Duration,
    /// How eagerly it is read anew before that.
    pub(crate) early: f64,
}

/// What an answer is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Fresh,
    /// Fresh, and to be read anew.
    Early,
    /// Too old, and to be served while it is read anew.
    Stale,
    TooOld,
}

impl Ages {
    /// What an answer of this age is good for that is fresh for so long and took the database so long.
    pub(crate) fn judge(&self, age: Duration, fresh_for: Duration, cost: Duration) -> Use {
        let life = self.ttl.min(fresh_for);
        match life.checked_sub(age) {
            Some(left) if self.is_early(cost, left) => Use::Early,
            Some(_) => Use::Fresh,
            None if age <= life.saturating_add(self.stale) => Use::Stale,
            None => Use::TooOld,
        }
    }

    /// Whether it is time to read an answer anew that will be too old after `left`: XFetch (Vattani, Chierichetti, Lowenstein, 2015). The longer the
    /// database takes, the sooner; by chance, so that one of many readers is the first.
    fn is_early(&self, cost: Duration, left: Duration) -> bool {
        let lead = cost.as_secs_f64() * self.early;
        let left = left.as_secs_f64();
        // No logarithm where no chance could do: that of the least positive number is below 40.
        lead * 40.0 > left && lead * -(1.0 - rand::random::<f64>()).ln() >= left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many of so many answers with so much time left are read anew.
    fn early(early: f64, cost: Duration, left: Duration) -> usize {
        let ages = Ages { ttl: SECOND * 100, stale: Duration::ZERO, early };
        (0..10_000).filter(|_| ages.judge(SECOND * 50, SECOND * 50 + left, cost) == Use::Early).count()
    }

    #[test]
    fn the_dearer_and_the_older_the_sooner() {
        // By the exponential distribution: one in e with as much left as it costs.
        let same = early(1.0, SECOND, SECOND);
        assert!((3400..4000).contains(&same), "{same}");
        let (twice, half) = (early(2.0, SECOND, SECOND), early(1.0, SECOND / 2, SECOND));
        assert!((5700..6500).contains(&twice) && (1100..1650).contains(&half), "{twice} {half}");
        assert_eq!(early(1.0, Duration::from_micros(100), SECOND), 0);
        assert_eq!(early(0.0, SECOND, SECOND / 1000), 0);
        assert_eq!(early(1.0, SECOND, Duration::ZERO), 10_000);
    }

    #[test]
    fn the_shorter_life_counts_and_then_the_stale_time() {
        let ages = Ages { ttl: SECOND * 10, stale: SECOND * 5, early: 0.0 };
        let judge = |age: u32, fresh_for: u32| ages.judge(SECOND * age, SECOND * fresh_for, SECOND);
        assert_eq!([judge(10, 60), judge(11, 60), judge(15, 60), judge(16, 60)], [Use::Fresh, Use::Stale, Use::Stale, Use::TooOld]);
        assert_eq!([judge(3, 3), judge(4, 3), judge(8, 3), judge(9, 3)], [Use::Fresh, Use::Stale, Use::Stale, Use::TooOld]);
        let endless = Ages { ttl: Duration::MAX, stale: Duration::MAX, early: 1.0 };
        assert_eq!(endless.judge(Duration::MAX, Duration::MAX, Duration::ZERO), Use::Fresh);
    }
}
