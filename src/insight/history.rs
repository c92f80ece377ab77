//! What happened of late, in steps.

use crate::stats::Stats;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// How long a step is.
const STEP: Duration = Duration::from_secs(10);

/// How many are kept: an hour.
const KEPT: usize = 360;

macro_rules! samples {
    ($($(#[$doc:meta])* $name:ident = $of:expr;)*) => {
        /// What happened in a step of about ten seconds.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
        #[non_exhaustive]
        pub struct Sample {
            /// When it ended: milliseconds since 1970.
            pub at_unix_ms: u64,
            /// How long it was, in seconds.
            pub seconds: f64,
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Clone, Copy, Debug, Default)]
        struct Totals {
            $($name: u64,)*
        }

        impl Totals {
            fn of(stats: &Stats) -> Self {
                Self { $($name: ($of)(stats),)* }
            }

            /// What came since the former ones. Counters that are less were reset in between: then it is what they show now.
            fn since(&self, former: &Self) -> Sample {
                Sample { at_unix_ms: 0, seconds: 0.0, $($name: if self.$name < former.$name { self.$name } else { self.$name - former.$name },)* }
            }
        }
    };
}

samples! {
    /// Reads that the cache answered.
    hits = |stats: &Stats| stats.hits;
    /// Those of them that this process answered without asking the store.
    near_hits = |stats: &Stats| stats.near_hits;
    /// Reads that got another's answer.
    joined = |stats: &Stats| stats.joined;
    /// Reads that were looked up and went to the database.
    misses = |stats: &Stats| stats.misses;
    /// Reads that were not looked up.
    bypasses = |stats: &Stats| stats.bypasses.values().sum();
    /// Writes.
    writes = |stats: &Stats| stats.writes;
    /// Tables that were invalidated.
    invalidations = |stats: &Stats| stats.invalidations + stats.invalidations_of_everything;
    /// Store operations that failed.
    store_errors = |stats: &Stats| stats.store_errors;
    /// Hits that the freshness probe found right.
    checked = |stats: &Stats| stats.freshness.checked;
    /// Hits that it found stale.
    stale = |stats: &Stats| stats.freshness.stale;
}

#[derive(Debug, Default)]
struct Kept {
    samples: VecDeque<Sample>,
    /// Where the step that is under way began.
    began: Option<(Instant, Totals)>,
}

#[derive(Debug, Default)]
pub(crate) struct History(Mutex<Kept>);

impl History {
    /// A look at the counters; a step ends with the first one after its time.
    pub(super) fn look(&self, stats: &Stats) {
        let (now, totals) = (Instant::now(), Totals::of(stats));
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((began, former)) = &kept.began else {
            // What was counted before belongs to the first step.
            kept.began = Some((now, Totals::default()));
            return;
        };
        let took = now - *began;
        if took < STEP {
            return;
        }
        let at_unix_ms =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let sample = Sample { at_unix_ms, seconds: took.as_secs_f64(), ..totals.since(former) };
        if kept.samples.len() >= KEPT {
            kept.samples.pop_front();
        }
        kept.samples.push_back(sample);
        kept.began = Some((now, totals));
    }

    /// The oldest first.
    pub(crate) fn snapshot(&self) -> Vec<Sample> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).samples.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Counters, count};

    #[tokio::test(start_paused = true)]
    async fn steps_are_what_came_between_looks() {
        let (history, counters) = (History::default(), Counters::default());
        for step in 0..KEPT as u64 + 5 {
            history.look(&counters.snapshot());
            if step % 2 == 0 {
                count(&counters.writes);
            }
            tokio::time::advance(STEP / 2).await;
            history.look(&counters.snapshot());
            tokio::time::advance(STEP / 2).await;
        }
        history.look(&counters.snapshot());
        let samples = history.snapshot();
        assert_eq!(samples.len(), KEPT);
        assert_eq!(samples.iter().map(|sample| sample.writes).sum::<u64>(), KEPT as u64 / 2);
        assert!(samples.iter().all(|sample| (sample.seconds - 10.0).abs() < 0.01 && sample.at_unix_ms > 0));
        counters.reset();
        count(&counters.writes);
        tokio::time::advance(STEP).await;
        history.look(&counters.snapshot());
        assert_eq!(history.snapshot()[KEPT - 1].writes, 1, "reset in between");
    }
}
