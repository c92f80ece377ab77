//! Carries what this process counts to the day that it belongs to.

use super::DayStats;
use super::numbers::Numbers;
use crate::store::days::{DayBatch, DayBook, DayStore, KEPT};
use crate::store::{CacheStore, StoreError};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::{Date, OffsetDateTime};

/// What time it is: a test has its own.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Reads the counters as they are now.
type Source = Box<dyn Fn() -> Numbers + Send + Sync>;

/// A store that refuses is asked again after so many pulses at most.
const LONGEST_PAUSE: u32 = 32;

/// How long the last delivery of all may take.
const LAST: Duration = Duration::from_secs(1);

pub(crate) fn system_clock() -> Clock {
    Arc::new(SystemTime::now)
}

/// The counters of this process on their way to the store.
pub(crate) struct Days {
    clock: Clock,
    source: Source,
    /// A random name, by which the store knows what has arrived already.
    writer: u64,
    state: Mutex<State>,
    /// Batches go one after another: a late one is told by its number.
    sending: tokio::sync::Mutex<()>,
    /// For a store that keeps no days.
    own: DayBook,
}

#[derive(Default)]
struct State {
    /// The counters when they were last looked at.
    last: Numbers,
    /// What is to be sent, by day.
    waiting: BTreeMap<String, Numbers>,
    /// What may have arrived. It is sent again as it is until that is certain, so that nothing counts twice.
    underway: Option<Arc<Batch>>,
    batches: u64,
    /// How many pulses to let pass, and how many after the next refusal.
    pause: (u32, u32),
    /// Whether a refusal has been told.
    told: bool,
}

struct Batch {
    day: String,
    number: u64,
    numbers: Numbers,
}

impl State {
    /// Files what was counted since the last look under a day.
    fn note(&mut self, now: Numbers, day: impl FnOnce() -> String) {
        let added = now.since(&self.last);
        self.last = now.at_least(std::mem::take(&mut self.last));
        if added.is_empty() {
            return;
        }
        self.waiting.entry(day()).or_default().add(&added);
        // Nobody would ask for what lies further back.
        while self.waiting.len() > KEPT {
            self.waiting.pop_first();
        }
    }

    fn next(&mut self) -> Option<Arc<Batch>> {
        if self.underway.is_none() {
            let (day, numbers) = self.waiting.pop_first()?;
            self.batches += 1;
            self.underway = Some(Arc::new(Batch { day, number: self.batches, numbers }));
        }
        self.underway.clone()
    }
}

impl Days {
    pub(crate) fn new(clock: Clock, source: impl Fn() -> Numbers + Send + Sync + 'static) -> Self {
        let (source, writer) = (Box::new(source), rand::random());
        Self { clock, source, writer, state: Mutex::default(), sending: tokio::sync::Mutex::default(), own: DayBook::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn today(&self) -> Date {
        let seconds = (self.clock)().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let time = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        time.unwrap_or(OffsetDateTime::UNIX_EPOCH).date()
    }

    /// The days that are kept, the newest first.
    fn kept(&self) -> Vec<String> {
        std::iter::successors(Some(self.today()), |date| date.previous_day()).take(KEPT).map(|date| date.to_string()).collect()
    }

    /// The counters are read under the lock: of two who look, neither sees less than the other has filed.
    fn note(&self) {
        let mut state = self.state();
        state.note((self.source)(), || self.today().to_string());
    }

    /// Resets counters; what they have counted is filed first.
    pub(crate) fn around_reset(days: Option<&Arc<Self>>, reset: impl FnOnce()) {
        let Some(days) = days else { return reset() };
        let mut state = days.state();
        state.note((days.source)(), || days.today().to_string());
        reset();
        state.last = (days.source)();
    }

    fn store_of<'a>(&'a self, store: &'a dyn CacheStore) -> &'a dyn DayStore {
        store.days().unwrap_or(&self.own)
    }

    /// Files what was counted and delivers it; does nothing where nothing was. What can't be delivered waits for another pulse.
    pub(crate) async fn pulse(&self, store: &dyn CacheStore) {
        self.note();
        {
            let mut state = self.state();
            if state.pause.0 > 0 {
                state.pause.0 -= 1;
                return;
            }
        }
        match self.deliver(store).await {
            Ok(()) => self.state().pause = (0, 0),
            Err(error) => self.failed(&error),
        }
    }

    /// The last pulse of all.
    pub(crate) async fn last_pulse(&self, store: &dyn CacheStore) {
        self.note();
        if let Err(error) = tokio::time::timeout(LAST, self.deliver(store)).await.unwrap_or(Err(StoreError::Deadline(LAST))) {
            tracing::debug!(%error, "what was counted last is lost");
        }
    }

    fn failed(&self, error: &StoreError) {
        let StoreError::Refused(_) = error else {
            tracing::debug!(%error, "what was counted waits for the store");
            return;
        };
        let mut state = self.state();
        let next = (state.pause.1 * 2).clamp(1, LONGEST_PAUSE);
        state.pause = (next, next);
        if !std::mem::replace(&mut state.told, true) {
            tracing::warn!(%error, "the store does not let this user count by the day (+hincrby +hlen +hexists +pexpire): the days lack what this process counts");
        }
    }

    async fn deliver(&self, store: &dyn CacheStore) -> Result<(), StoreError> {
        let _one_at_a_time = self.sending.lock().await;
        loop {
            let Some(batch) = self.state().next() else { return Ok(()) };
            let id = DayBatch { writer: self.writer, number: batch.number };
            self.store_of(store).add_to_day(&batch.day, batch.numbers.as_map(), id).await?;
            self.state().underway = None;
        }
    }

    /// The days of all who share the store, with what this process has counted so far.
    pub(crate) async fn read(&self, store: &dyn CacheStore) -> Result<Vec<DayStats>, StoreError> {
        self.note();
        if let Err(error) = self.deliver(store).await {
            self.failed(&error);
        }
        let days = self.kept();
        let numbers = self.store_of(store).numbers_of(&days).await?;
        let counted = days.into_iter().zip(numbers).filter(|(_, numbers)| !numbers.is_empty());
        Ok(counted.map(|(date, numbers)| DayStats::of(date, numbers)).collect())
    }

    pub(crate) async fn forget(&self, store: &dyn CacheStore) -> Result<(), StoreError> {
        let _nobody_sends = self.sending.lock().await;
        self.note();
        {
            let mut state = self.state();
            state.waiting.clear();
            state.underway = None;
        }
        self.store_of(store).forget_days(&self.kept()).await
    }
}

impl fmt::Debug for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Days")
    }
}
