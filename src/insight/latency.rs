//! How long things take.

use crate::serial;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Longer times count as this.
const LONGEST: Duration = Duration::from_hours(1);

/// Distribution of a kind of times since the executor was built, or since `reset_stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// How many were timed.
    pub count: u64,
    /// Their mean.
    #[serde(rename = "mean_seconds", serialize_with = "serial::seconds")]
    pub mean: Duration,
    /// Half of them took no longer; to about a hundredth of itself, as the others.
    #[serde(rename = "p50_seconds", serialize_with = "serial::seconds")]
    pub p50: Duration,
    /// Nine in ten took no longer.
    #[serde(rename = "p90_seconds", serialize_with = "serial::seconds")]
    pub p90: Duration,
    /// 99 in a hundred took no longer.
    #[serde(rename = "p99_seconds", serialize_with = "serial::seconds")]
    pub p99: Duration,
    /// The longest.
    #[serde(rename = "max_seconds", serialize_with = "serial::seconds")]
    pub max: Duration,
}

/// How long reads take, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Latencies {
    /// Hits that this process answered without asking the store: until the rows were there. One in 64 is timed.
    pub near_hit: Latency,
    /// Hits in the store, from asking it until the rows were there.
    pub hit: Latency,
    /// Misses, from asking the store to the end of the database's answer. That comes row by row: the time of a caller who is slow to take them counts.
    pub miss: Latency,
    /// What of them was the database's, waiting for a connection not included; and of answers that were read anew in the background.
    pub database: Latency,
}

/// Times as they come.
pub(crate) struct Timings {
    times: Mutex<Histogram<u64>>,
    /// Where they are recorded besides.
    #[cfg(feature = "metrics")]
    recorder: arc_swap::ArcSwapOption<metrics::Histogram>,
}

impl Default for Timings {
    fn default() -> Self {
        let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        Self {
            times: Mutex::new(Histogram::new_with_bounds(1, longest, 2).expect("the bounds are right")),
            #[cfg(feature = "metrics")]
            recorder: arc_swap::ArcSwapOption::empty(),
        }
    }
}

impl Timings {
    pub(crate) fn note(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.times.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(nanos);
        #[cfg(feature = "metrics")]
        if let Some(recorder) = &*self.recorder.load()
            && crate::metrics::shielded(|| recorder.record(took)).is_none()
        {
            self.recorder.store(None);
        }
    }

    /// Has times recorded by this, too.
    #[cfg(feature = "metrics")]
    pub(crate) fn record_to(&self, recorder: metrics::Histogram) {
        self.recorder.store(Some(recorder.into()));
    }

    pub(super) fn snapshot(&self) -> Latency {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |quantile| Duration::from_nanos(times.value_at_quantile(quantile));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of such times, to the nanosecond")]
        let mean = Duration::from_nanos(times.mean() as u64);
        Latency { count: times.len(), mean, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0) }
    }

    pub(super) fn reset(&self) {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).reset();
    }
}

impl fmt::Debug for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timings").field(&self.snapshot()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_what_was_noted() {
        let timings = Timings::default();
        assert_eq!(timings.snapshot(), Latency::default());
        for micros in 1..=1000 {
            timings.note(Duration::from_micros(micros));
        }
        timings.note(Duration::MAX);
        timings.note(Duration::ZERO);
        let Latency { count, p50, p90, max, .. } = timings.snapshot();
        let near = |time: Duration, micros: f64| (time.as_secs_f64() * 1e6 / micros - 1.0).abs() < 0.02;
        assert_eq!(count, 1002);
        assert!(near(p50, 500.0) && near(p90, 900.0), "{p50:?} {p90:?}");
        assert!(near(max, 3.6e9), "{max:?}");
        timings.reset();
        assert_eq!(timings.snapshot(), Latency::default());
    }
}
