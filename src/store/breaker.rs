//! A store that keeps failing is left alone: reads go straight to the database instead of waiting for a deadline each, until a probe is answered.
//!
//! A near cache belongs behind it: while it is open nothing is looked up, near or far. What is near says nothing of the store.
//!
//! What counts is whether the store answers, not what. A deadline, a connection that can't be made or breaks, a server that says it is loading or no primary: these
//! are failures. A refusal (no memory left, no snapshot written, no permission) is an answer, and a quick one; a server that takes no writes still answers
//! look-ups, so hits go on. So are answers that can't be read, and requests that were never sent.
//!
//! Failures side by side count once: everything that is under way during one hiccup fails together. A failure counts if its operation began after the last one
//! that counted. [`IN_ROW`] of them without an answer in between open the breaker, or as many within [`WINDOW`] if at least one operation in [`SHARE`]
//! failed: a store that is merely too slow answers now and then.

mod days;
mod values;

use super::{
    CacheStore, Changes, Creation, DayStore, FenceId, Keyspace, Label, Lease, LeaseFate, Lookup, Memory, ServerIdentity, Sight, StoreError,
    Tag, ValueStore, Whereabouts, Wish,
};
use crate::stats::{Counters, count};
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// Three deadlines of 100 ms are what a reader waits at most. One hiccup that is longer than a deadline costs one, or two where it falls badly.
const IN_ROW: u32 = 3;

/// How long failures are held against a store that answers in between.
const WINDOW: Duration = Duration::from_secs(1);

/// One operation in so many may fail.
const SHARE: u32 = 5;

/// The pause before the first probe, and the longest. Kept invalidations wait for it, so it is short.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

/// A store that fails again sooner than this after a probe goes on with longer pauses: it answers pings, and nothing else in time.
const RECOVERED: Duration = Duration::from_secs(5);

/// Stands in front of a store.
pub(crate) struct Breaker(Arc<Core>);

struct Core {
    inner: Arc<dyn CacheStore>,
    counters: Arc<Counters>,
    /// Why it is open: the last failure in words.
    open: ArcSwapOption<Arc<str>>,
    openings: Changes,
    /// Whether there are failures that an answer makes up for: what the hot path reads.
    failing: AtomicBool,
    /// Whether somebody looks after the store.
    probing: AtomicBool,
    tally: Mutex<Tally>,
}

struct Tally {
    /// The beginning of the window, and what happened since.
    since: Instant,
    failures: u32,
    answers: u32,
    waves: u32,
    /// When the last failure that counted was noticed.
    last: Option<Instant>,
    /// How many of them there were since the last answer.
    in_row: u32,
    closed: Option<Instant>,
    pause: Duration,
}

/// Somebody who probes. Should its runtime end before it has finished, the next operation finds another.
struct Probing(Weak<Core>);

impl Drop for Probing {
    fn drop(&mut self) {
        if let Some(core) = self.0.upgrade() {
            core.probing.store(false, SeqCst);
        }
    }
}

impl Breaker {
    pub(crate) fn new(inner: Arc<dyn CacheStore>, counters: Arc<Counters>) -> Self {
        let tally =
            Tally { since: Instant::now(), failures: 0, answers: 0, waves: 0, last: None, in_row: 0, closed: None, pause: PAUSES.0 };
        Self(Arc::new(Core {
            inner,
            counters,
            open: ArcSwapOption::empty(),
            openings: Changes::default(),
            failing: AtomicBool::new(false),
            probing: AtomicBool::new(false),
            tally: Mutex::new(tally),
        }))
    }

    /// Passes an operation on and takes note of its outcome; refuses it at once while open.
    async fn pass<T, F: Future<Output = Result<T, StoreError>> + Send>(
        &self,
        operation: impl FnOnce() -> F + Send,
    ) -> Result<T, StoreError> {
        let core = &self.0;
        if let Some(cause) = core.open.load().as_deref() {
            core.look_after();
            return Err(StoreError::Open(Arc::clone(cause)));
        }
        let began = Instant::now();
        let outcome = operation().await;
        match &outcome {
            Err(error) if counts(error) => core.failed(began, error),
            _ => core.answered(),
        }
        outcome
    }
}

/// Whether an error says that the store is not there, or too slow.
fn counts(error: &StoreError) -> bool {
    matches!(error, StoreError::Deadline(_) | StoreError::Backend(_))
}

impl Core {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self) {
        if self.failing.load(Relaxed) {
            let mut tally = self.tally();
            tally.in_row = 0;
            tally.answers = tally.answers.saturating_add(1);
            if tally.since.elapsed() > WINDOW {
                self.failing.store(false, Relaxed);
            }
        }
    }

    fn failed(self: &Arc<Self>, began: Instant, error: &StoreError) {
        let mut tally = self.tally();
        // Another one was faster; or it tells of a time that a probe has ended.
        if self.open.load().is_some() || tally.closed.is_some_and(|closed| began < closed) {
            return;
        }
        if tally.fails(began) {
            self.open.store(Some(Arc::new(error.to_string().into())));
            self.openings.note();
            // Whatever is still under way belongs to the failures that opened it.
            tally.forgive();
            self.failing.store(false, Relaxed);
            drop(tally);
            count(&self.counters.breaker_opened);
            self.counters.breaker_open.store(true, Relaxed);
            tracing::warn!(%error, "the cache store keeps failing and is left alone until it answers a probe; the database answers");
            self.look_after();
        } else {
            self.failing.store(true, Relaxed);
        }
    }

    /// Sees to it that somebody probes.
    fn look_after(self: &Arc<Self>) {
        if !self.probing.swap(true, SeqCst) {
            let probing = Probing(Arc::downgrade(self));
            tokio::spawn(probe(probing));
        }
    }

    fn close(&self) {
        {
            let mut tally = self.tally();
            tally.closed = Some(Instant::now());
            // First: whoever opens it again must be able to find somebody who probes.
            self.probing.store(false, SeqCst);
            self.counters.breaker_open.store(false, Relaxed);
            self.open.store(None);
        }
        tracing::info!("the cache store answers again");
    }
}

impl Tally {
    /// Takes note of a failed operation; whether that opens the breaker.
    fn fails(&mut self, began: Instant) -> bool {
        let now = Instant::now();
        if now.duration_since(self.since) > WINDOW {
            (self.since, self.failures, self.answers, self.waves) = (now, 0, 0, 0);
        }
        self.failures = self.failures.saturating_add(1);
        if self.last.is_none_or(|last| began >= last) {
            self.last = Some(now);
            self.waves += 1;
            self.in_row += 1;
        }
        let often = self.waves >= IN_ROW && self.failures.saturating_mul(SHARE) >= self.failures.saturating_add(self.answers);
        if self.in_row < IN_ROW && !often {
            return false;
        }
        let again = self.closed.is_some_and(|closed| now.duration_since(closed) < RECOVERED);
        self.pause = if again { longer(self.pause) } else { PAUSES.0 };
        true
    }

    fn forgive(&mut self) {
        (self.failures, self.answers, self.waves, self.in_row, self.last) = (0, 0, 0, 0, None);
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(PAUSES.1)
}

/// Asks for a sign of life until there is one, or the store is gone.
async fn probe(mut probing: Probing) {
    loop {
        let Some(pause) = probing.0.upgrade().map(|core| core.tally().pause) else { return };
        tokio::time::sleep(pause).await;
        let Some(core) = probing.0.upgrade() else { return };
        match core.inner.ping().await {
            // A refusal is a sign of life, too.
            Err(error) if counts(&error) => {
                tracing::debug!(%error, "the cache store does not answer yet");
                core.tally().pause = longer(pause);
            }
            _ => {
                // `close` has seen to that.
                probing.0 = Weak::new();
                return core.close();
            }
        }
    }
}

#[async_trait]
impl CacheStore for Breaker {
    async fn look_up(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        self.pass(|| self.0.inner.look_up(key, tags)).await
    }

    async fn create(&self, tags: &[Tag]) -> Result<Vec<Creation>, StoreError> {
        self.pass(|| self.0.inner.create(tags)).await
    }

    async fn fill(&self, key: &str, tags: &[Tag], entry: Bytes, ttl: Duration) -> Result<(), StoreError> {
        let filled = self.pass(|| self.0.inner.fill(key, tags, entry, ttl)).await;
        if let Err(StoreError::Open(_)) = filled {
            // Its reader may have seen more than what is mirrored.
            self.0.inner.forget_near(tags);
        }
        filled
    }

    async fn lease(&self, key: &str, wish: &Wish, time: Duration) -> Result<Lease, StoreError> {
        self.pass(|| self.0.inner.lease(key, wish, time)).await
    }

    async fn settle_lease(&self, key: &str, wish: &Wish, fate: LeaseFate) -> Result<(), StoreError> {
        self.pass(|| self.0.inner.settle_lease(key, wish, fate)).await
    }

    async fn discard(&self, key: &str) -> Result<(), StoreError> {
        self.pass(|| self.0.inner.discard(key)).await
    }

    async fn begin(&self, tags: &[Tag], id: &FenceId, lease: Duration) -> Result<(), StoreError> {
        self.pass(|| self.0.inner.begin(tags, id, lease)).await
    }

    async fn end(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError> {
        self.pass(|| self.0.inner.end(tags, id)).await
    }

    async fn clear_lapsed(&self, tag: &Tag, ids: &[FenceId]) -> Result<(), StoreError> {
        self.pass(|| self.0.inner.clear_lapsed(tag, ids)).await
    }

    async fn invalidate(&self, tags: &[Tag]) -> Result<(), StoreError> {
        self.pass(|| self.0.inner.invalidate(tags)).await
    }

    async fn reclaim(&self, tag: &Tag) -> Result<u64, StoreError> {
        self.pass(|| self.0.inner.reclaim(tag)).await
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, StoreError> {
        self.pass(|| self.0.inner.delete_matching(pattern)).await
    }

    async fn ping(&self) -> Result<ServerIdentity, StoreError> {
        self.pass(|| self.0.inner.ping()).await
    }

    async fn memory(&self) -> Result<Option<Memory>, StoreError> {
        self.pass(|| self.0.inner.memory()).await
    }

    async fn shorten(&self, most: Duration) -> Result<u64, StoreError> {
        self.pass(|| self.0.inner.shorten(most)).await
    }

    fn whereabouts(&self) -> Whereabouts {
        self.0.inner.whereabouts()
    }

    fn sight(&self, tags: &[Tag]) -> Option<Sight> {
        let Core { open, openings, inner, .. } = &*self.0;
        let seen = openings.so_far();
        // Who can't reach the store can't be told either.
        if open.load().is_some() { None } else { inner.sight(tags).map(|sight| sight.and_while(openings, seen)) }
    }

    fn forget_near(&self, tags: &[Tag]) {
        self.0.inner.forget_near(tags);
    }

    fn keyspace(&self) -> &Keyspace {
        self.0.inner.keyspace()
    }

    fn mirrored(&self) -> Option<usize> {
        self.0.inner.mirrored()
    }

    fn plain(&self) -> &dyn ValueStore {
        self
    }

    fn days(&self) -> Option<&dyn DayStore> {
        self.0.inner.days().map(|_| self as &dyn DayStore)
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker").field("inner", &self.0.inner).field("open", &self.0.open.load().is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
