//! What is published of a cache, and of the executor that it belongs to.

use super::{CacheStats, State};
use crate::metrics::Levels;
use crate::stats::Stats;

impl State {
    pub(super) fn counted(&self) -> (Option<Stats>, CacheStats) {
        (self.counters.as_ref().map(|counters| counters.snapshot()), self.counts.snapshot())
    }

    /// Publishes what came since the last time.
    pub(crate) fn publish(&self, levels: Option<&Levels>) {
        if let Some(counters) = &self.counters {
            self.publisher.record(&counters.insight);
        }
        self.publisher.publish(levels, || self.counted());
    }
}
