//! What is kept for people who look: how long things take, what happened of late, which misses were slow, what became of one request.

mod freshness;
mod history;
mod latency;
mod pulse;
mod slow;
mod tally;

pub use freshness::Freshness;
pub use history::Sample;
pub use latency::{Latencies, Latency};
pub(crate) use pulse::PULSE;
pub use slow::SlowMiss;
pub use tally::{CacheStatus, Tally, tally};
pub(crate) use tally::{Outcome, note};

use history::History;
use latency::Timings;
use slow::SlowMisses;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// Of so many hits in this process's memory one is timed: to read the clock twice would take a part of what they take.
const ONE_IN: u32 = 64;

/// What an executor keeps of that.
#[derive(Debug, Default)]
pub(crate) struct Insight {
    pub(crate) near_hit: Timings,
    pub(crate) hit: Timings,
    pub(crate) miss: Timings,
    pub(crate) database: Timings,
    pub(crate) slow: SlowMisses,
    pub(crate) history: History,
    pub(crate) checked: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) undecided: AtomicU64,
}

impl Insight {
    /// The clock, if the hit that begins now is one of those that are timed.
    pub(crate) fn sampled() -> Option<Instant> {
        thread_local! {
            static LEFT: Cell<u32> = const { Cell::new(0) };
        }
        let due = LEFT.with(|left| {
            let due = left.get() == 0;
            left.set(if due { ONE_IN - 1 } else { left.get() - 1 });
            due
        });
        due.then(Instant::now)
    }

    /// A look-up found nothing: what it took until the database's answer was there.
    pub(crate) fn missed(&self, sql: &str, table: Option<&str>, took: Duration) {
        self.miss.note(took);
        self.slow.note(sql, table, took);
    }

    pub(crate) fn latencies(&self) -> Latencies {
        Latencies {
            near_hit: self.near_hit.snapshot(),
            hit: self.hit.snapshot(),
            miss: self.miss.snapshot(),
            database: self.database.snapshot(),
        }
    }

    pub(crate) fn freshness(&self) -> Freshness {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        Freshness { checked: read(&self.checked), stale: read(&self.stale), undecided: read(&self.undecided) }
    }

    pub(crate) fn reset(&self) {
        for timings in [&self.near_hit, &self.hit, &self.miss, &self.database] {
            timings.reset();
        }
        for counter in [&self.checked, &self.stale, &self.undecided] {
            counter.store(0, Relaxed);
        }
        self.slow.reset();
    }
}
