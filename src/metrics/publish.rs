//! Metrics for the program's recorder.

use super::Levels;
use super::table::{LATENCY, METRICS, Read, Unit, View};
use crate::insight::Insight;
use crate::kv::CacheStats;
use crate::stats::Stats;
use ::metrics::Label;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Does something with the program's recorder, whose panic is to harm neither the read that is being timed nor the task that publishes. `None` after one: nothing more is told to that part of it.
pub(crate) fn shielded<T>(tells: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(tells))
        .inspect_err(|_| tracing::error!("the program's recorder of metrics panicked, and is not told of this any more"))
        .ok()
}

/// What an executor counted, if there is one, and its caches.
type Counted = (Option<Stats>, CacheStats);

fn view<'a>((stats, values): &'a Counted, levels: Option<&'a Levels>) -> View<'a> {
    View { stats: stats.as_ref(), levels, values: Some(values) }
}

/// What an executor, or a cache without one, has published.
#[derive(Debug)]
pub(crate) struct Publisher {
    labels: [Label; 2],
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    described: bool,
    /// Whether the recorder has panicked.
    broken: bool,
    /// The counters as they were published last, by name and label.
    last: HashMap<(&'static str, &'static str), u64>,
}

impl Publisher {
    pub(crate) fn new(backend: &str, cache: &str) -> Self {
        let labels = [Label::new("backend", backend.to_lowercase()), Label::new("cache", cache.to_owned())];
        Self { labels, state: Mutex::default() }
    }

    fn labels(&self, further: Option<(&'static str, &'static str)>) -> Vec<Label> {
        self.labels.iter().cloned().chain(further.map(|(name, value)| Label::from_static_parts(name, value))).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has times recorded from now on as they are taken, by the recorder that is installed now.
    pub(crate) fn record(&self, insight: &Insight) {
        let outcomes = [("near_hit", &insight.near_hit), ("hit", &insight.hit), ("miss", &insight.miss), ("database", &insight.database)];
        for (outcome, timings) in outcomes {
            if let Some(recorder) = shielded(|| ::metrics::histogram!(LATENCY, self.labels(Some(("outcome", outcome))))) {
                timings.record_to(recorder);
            }
        }
    }

    /// Publishes what came since the last time. The counters are read under the lock, so that of two who publish neither sees less than the other has published.
    pub(crate) fn publish(&self, levels: Option<&Levels>, read: impl FnOnce() -> Counted) {
        let mut state = self.state();
        self.publish_in(&mut state, view(&read(), levels));
    }

    /// Resets counters; what they have counted is published first.
    pub(crate) fn around_reset(&self, read: impl Fn() -> Counted, reset: impl FnOnce()) {
        let mut state = self.state();
        self.publish_in(&mut state, view(&read(), None));
        reset();
        state.last = counters(view(&read(), None)).collect();
    }

    fn publish_in(&self, state: &mut State, view: View<'_>) {
        if !state.broken && shielded(|| self.tell(state, view)).is_none() {
            state.broken = true;
        }
    }

    fn tell(&self, state: &mut State, view: View<'_>) {
        if !std::mem::replace(&mut state.described, true) {
            describe();
        }
        for ((name, value), number) in counters(view) {
            let last = state.last.entry((name, value)).or_default();
            let label = label_of(name).map(|label| (label, value));
            // Also where nothing came: a counter that is not there yet is no zero to whoever looks.
            ::metrics::counter!(name, self.labels(label)).increment(number.saturating_sub(*last));
            *last = number;
        }
        for metric in METRICS {
            if let (Read::Gauge(read), Some(levels)) = (&metric.read, view.levels)
                && let Some(level) = read(levels)
            {
                #[expect(clippy::cast_precision_loss, reason = "the facade's gauges are such")]
                ::metrics::gauge!(metric.name, self.labels(None)).set(level as f64);
            }
        }
    }
}

/// The name of a counter's further label.
fn label_of(name: &str) -> Option<&'static str> {
    METRICS.iter().find(|metric| metric.name == name).and_then(|metric| match metric.read {
        Read::Counters(label, _) => Some(label),
        _ => None,
    })
}

/// Each counter, by its name and its label's value.
fn counters(View { stats, values, .. }: View<'_>) -> impl Iterator<Item = ((&'static str, &'static str), u64)> {
    METRICS.iter().flat_map(move |metric| match (&metric.read, stats, values) {
        (Read::Counter(read), Some(stats), _) => vec![((metric.name, ""), read(stats))],
        (Read::Counters(_, read), Some(stats), _) => {
            read(stats).into_iter().map(|(value, number)| ((metric.name, value), number)).collect()
        }
        (Read::Values(read), _, Some(values)) => vec![((metric.name, ""), read(values))],
        _ => Vec::new(),
    })
}

fn describe() {
    for metric in METRICS {
        let unit = match metric.unit {
            Unit::None => ::metrics::Unit::Count,
            Unit::Bytes => ::metrics::Unit::Bytes,
            Unit::Seconds => ::metrics::Unit::Seconds,
        };
        match metric.read {
            Read::Counter(_) | Read::Counters(..) | Read::Values(_) => ::metrics::describe_counter!(metric.name, unit, metric.help),
            Read::Gauge(_) => ::metrics::describe_gauge!(metric.name, unit, metric.help),
            Read::Latencies(_) => ::metrics::describe_histogram!(metric.name, unit, metric.help),
        }
    }
}
