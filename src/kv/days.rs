//! Values counted by what their keys begin with, and by the day.

use super::counts::Counts;
use super::{Cache, State};
use crate::config::Config;
use crate::days::{DayStats, Days, MOST_OPERATIONS, Numbers, OTHER, Operations};
use crate::engine::Engine;
use crate::error::Error;
use crate::insight::PULSE;
use crate::stats::Counters;
use crate::store::CacheStore;
use arc_swap::ArcSwap;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::time::{MissedTickBehavior, interval};

/// Bytes of the longest beginning that is counted for itself.
const LONGEST: usize = 64;

/// Hits, misses and fills.
type Three = [AtomicU64; 3];

/// The counters of each beginning. There are a few, found once and looked up ever after.
#[derive(Debug, Default)]
pub(super) struct Beginnings(ArcSwap<HashMap<Box<str>, Arc<Three>>>);

/// What is counted of a beginning.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counted {
    Hit,
    Miss,
    Fill,
}

/// What a whole name is counted under: the part of its key up to the first colon. A key without one may be anything, such as somebody's token.
fn beginning(name: &str) -> &str {
    let key = name.split_once(':').map_or("", |(_, key)| key);
    key.split_once(':').map(|(beginning, _)| beginning).filter(|beginning| (1..=LONGEST).contains(&beginning.len())).unwrap_or(OTHER)
}

impl Beginnings {
    pub(super) fn count(&self, name: &str, counted: Counted) {
        let beginning = beginning(name);
        let known = self.0.load();
        if let Some(three) = known.get(beginning).or_else(|| if known.len() < MOST_OPERATIONS { None } else { known.get(OTHER) }) {
            three[counted as usize].fetch_add(1, Relaxed);
            return;
        }
        drop(known);
        self.0.rcu(|known| {
            let mut known = HashMap::clone(known);
            if known.len() < MOST_OPERATIONS {
                known.entry(beginning.into()).or_default();
            }
            // There is room for whatever comes last.
            known.entry(OTHER.into()).or_default();
            known
        });
        let known = self.0.load();
        if let Some(three) = known.get(beginning).or_else(|| known.get(OTHER)) {
            three[counted as usize].fetch_add(1, Relaxed);
        }
    }

    pub(super) fn snapshot(&self) -> Operations {
        let read = |three: &Three| [0, 1, 2].map(|counted: usize| three[counted].load(Relaxed));
        self.0.load().iter().map(|(beginning, three)| (beginning.to_string(), read(three))).collect()
    }

    pub(super) fn reset(&self) {
        for number in self.0.load().values().flat_map(|three| three.iter()) {
            number.store(0, Relaxed);
        }
    }
}

/// What carries an executor's counters, or none, and those of its caches to their day.
pub(super) fn of(config: &Config, counts: &Arc<Counts>, counters: Option<Arc<Counters>>) -> Days {
    let (counts, known) = (Arc::clone(counts), Mutex::new(BTreeSet::new()));
    Days::new(Arc::clone(&config.clock), move || {
        let stats = counters.as_ref().map(|counters| counters.snapshot());
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        Numbers::of(stats.as_ref(), &mut known, counts.snapshot(), counts.operations())
    })
}

impl State {
    /// Resets counters, of which nothing gets lost by that: neither to the day nor to whom metrics are published.
    pub(crate) fn around_reset(&self, reset: impl FnOnce()) {
        #[cfg(feature = "metrics")]
        let reset = || self.publisher.around_reset(|| self.counted(), reset);
        Days::around_reset(self.days.as_ref(), reset);
    }

    /// Tells what is counted now and then, until the last cache is gone: for caches without an executor.
    pub(super) fn feel_pulse(self: &Arc<Self>, engine: &Arc<Engine>) {
        let (state, engine, days, gone) = (Arc::downgrade(self), Arc::clone(engine), self.days.clone(), self.alive.gone());
        #[cfg(feature = "metrics")]
        self.publish(None);
        tokio::spawn(async move {
            tokio::select! {
                () = gone => {}
                () = tell_now_and_then(state, &engine) => {}
            }
            if let Some(days) = days {
                days.last_pulse(engine.store()).await;
            }
        });
    }
}

async fn tell_now_and_then(state: Weak<State>, engine: &Engine) {
    let mut ticks = interval(PULSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(state) = state.upgrade() else { return };
        #[cfg(feature = "metrics")]
        state.publish(None);
        let days = state.days.clone();
        // The store may take its time: the caches are not kept meanwhile.
        drop(state);
        if let Some(days) = days {
            days.pulse(engine.store()).await;
        }
    }
}

impl Cache {
    /// What was counted day by day, in UTC, by all processes that share the store and the namespace, executors included: see [`CachingExecutor::days`](crate::CachingExecutor::days).
    ///
    /// # Errors
    ///
    /// The store's; [`Error::is_unsupported`] where [nothing is counted by the day](crate::CacheBuilder::daily_counters), or the cache is switched off.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn days(&self) -> Result<Vec<DayStats>, Error> {
        let (days, store) = self.counted_by_day("days")?;
        days.read(store).await.map_err(|error| Error::store("days", error))
    }

    /// Forgets what was counted day by day, for all processes: see [`CachingExecutor::reset_days`](crate::CachingExecutor::reset_days).
    ///
    /// # Errors
    ///
    /// As [`days`](Self::days).
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it may have forgotten some of the days.
    pub async fn reset_days(&self) -> Result<(), Error> {
        let (days, store) = self.counted_by_day("reset_days")?;
        days.forget(store).await.map_err(|error| Error::store("reset_days", error))
    }

    fn counted_by_day(&self, operation: &'static str) -> Result<(&Days, &dyn CacheStore), Error> {
        let (engine, _) = self.plain(operation)?;
        let off = || Error::unsupported(operation, "can't be told: nothing is counted by the day (CACHE_DAILY_COUNTERS)");
        Ok((self.inner.state.days.as_ref().ok_or_else(off)?, engine.store()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_what_their_keys_do() {
        for (name, expected) in [
            ("kv:user:7", "user"),
            ("kv:user:7:a", "user"),
            ("kv/tenant:user:", "user"),
            ("kv:secret-token", OTHER),
            ("kv::7", OTHER),
            ("kv", OTHER),
            ("", OTHER),
        ] {
            assert_eq!(beginning(name), expected, "{name}");
        }
        assert_eq!(beginning(&format!("kv:{}:", "x".repeat(LONGEST + 1))), OTHER);
    }

    #[test]
    fn so_many_beginnings_are_counted_and_the_rest_together() {
        let beginnings = Beginnings::default();
        for round in 0..2 {
            for beginning in 0..2 * MOST_OPERATIONS {
                beginnings.count(&format!("kv:{beginning}:{round}"), Counted::Miss);
            }
        }
        beginnings.count("kv:0:a", Counted::Hit);
        let counted: HashMap<_, _> = beginnings.snapshot().into_iter().collect();
        assert!(counted.len() <= MOST_OPERATIONS + 1);
        assert_eq!(counted["0"], [1, 2, 0]);
        assert_eq!(counted.values().map(|three| three[1]).sum::<u64>(), 4 * MOST_OPERATIONS as u64);
        beginnings.reset();
        assert!(beginnings.snapshot().iter().all(|(_, three)| *three == [0; 3]));
    }
}
