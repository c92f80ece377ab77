//! How full the store's memory is, and what follows from it for fills: the engine's side of [`MemoryWatch`].

use super::Engine;
use crate::policy::{MemoryWatch, Pressure};
use crate::store::{Memory, StoreError, Whereabouts};
use crate::tag::Tag;
use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// Refused fills make it look at once, but no more often than this part of the interval.
const AT_ONCE: u32 = 10;

/// How far standing entries are relieved of their time.
enum Relief {
    /// Nobody is at it.
    Idle,
    Running(BoxFuture<'static, Result<u64, StoreError>>),
    /// The store doesn't do it for us.
    Refused,
}

/// What the watch saw last.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    pressure: AtomicU8,
    /// By how much times to live are divided; zero for not at all.
    factor: AtomicU32,
    seen: Mutex<Option<Memory>>,
    /// Somebody was refused for want of memory, perhaps.
    refused: Notify,
}

/// Ends with the watch: nobody is held back by what nobody looks at any more.
struct Watched<'a>(&'a Gauge);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.set(Pressure::Normal, None);
    }
}

impl Gauge {
    fn pressure(&self) -> Pressure {
        match self.pressure.load(Relaxed) {
            0 => Pressure::Normal,
            1 => Pressure::Short,
            _ => Pressure::Full,
        }
    }

    fn set(&self, pressure: Pressure, seen: Option<Memory>) {
        self.pressure.store(pressure as u8, Relaxed);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    /// The store refused a fill.
    pub(super) fn note_refusal(&self, error: &StoreError) {
        if matches!(error, StoreError::Refused(_)) {
            self.refused.notify_one();
        }
    }
}

impl Engine {
    /// How full the store's memory is.
    pub(crate) fn pressure(&self) -> Pressure {
        self.gauge.pressure()
    }

    /// For how long something that would be kept for `ttl` is to be kept now; `None` where it is not to be stored at all.
    pub(crate) fn time_to_keep(&self, ttl: Duration) -> Option<Duration> {
        match self.pressure() {
            Pressure::Normal => Some(ttl),
            Pressure::Short => Some(shortened(ttl, self.gauge.factor.load(Relaxed))),
            Pressure::Full => None,
        }
    }

    /// What the watch saw last; `None` where there is none.
    pub(crate) fn memory_seen(&self) -> Option<Memory> {
        *self.gauge.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches until it is dropped, or there turns out to be nothing to watch. `ttl` is the time to live whose part is what standing entries may keep.
    pub(crate) async fn watch_memory(self: Arc<Self>, watch: MemoryWatch, ttl: Duration) {
        if self.store.whereabouts() == Whereabouts::Process {
            tracing::info!("the store in this process makes room by itself: there is no memory to watch");
            return;
        }
        let _watched = Watched(&self.gauge);
        self.gauge.factor.store(watch.factor, Relaxed);
        let most = shortened(ttl, watch.factor);
        let mut unlimited = false;
        let mut relief = Relief::Idle;
        loop {
            match self.store.memory().await {
                Ok(Some(memory)) => {
                    let limit = memory.limit.into_iter().chain(watch.limit).min();
                    if limit.is_none() && !unlimited {
                        tracing::warn!("Redis has no maxmemory, and the memory watch no limit: there is nothing to compare with");
                    }
                    unlimited = limit.is_none();
                    self.judge_memory(&watch, Memory { limit, ..memory });
                }
                Ok(None) => {
                    tracing::warn!("Redis does not tell this user how much memory it takes (+info): the memory watch is off");
                    return;
                }
                // The last state stays: until it answers nothing can be filled anyway.
                Err(error) => self.failed("memory", &error),
            }
            match (self.pressure(), &relief) {
                (Pressure::Full, Relief::Idle) => {
                    let store = Arc::clone(&self.store);
                    relief = Relief::Running(async move { store.shorten(most).await }.boxed());
                }
                (Pressure::Full, Relief::Running(_) | Relief::Refused) => {}
                (Pressure::Normal | Pressure::Short, _) => relief = Relief::Idle,
            }
            self.wait(watch.interval, &mut relief).await;
        }
    }

    fn judge_memory(self: &Arc<Self>, watch: &MemoryWatch, memory: Memory) {
        let before = self.pressure();
        let now = memory.limit.map_or(Pressure::Normal, |limit| watch.next(before, memory.used, limit));
        self.gauge.set(now, Some(memory));
        let Memory { used, limit, .. } = memory;
        let limit = limit.unwrap_or_default();
        match now {
            _ if now == before => {}
            Pressure::Full => {
                tracing::warn!(used, limit, "the store's memory is nearly full: nothing is filled until there is room");
                self.reclaim_later(&[Tag::all()]);
            }
            Pressure::Short => tracing::info!(used, limit, "the store's memory fills up: what is filled is kept for shorter"),
            Pressure::Normal => tracing::info!(used, limit, "the store's memory has room again"),
        }
    }

    /// Waits for the next look; meanwhile standing entries are relieved.
    async fn wait(&self, interval: Duration, relief: &mut Relief) {
        let next = Instant::now() + interval;
        let refused = async {
            sleep(interval / AT_ONCE).await;
            self.gauge.refused.notified().await;
        };
        tokio::select! {
            () = sleep_until(next) => {}
            () = refused => {}
            () = self.go_on(relief) => {}
        }
    }

    /// Never returns: once over the entries is enough until the next look.
    async fn go_on(&self, relief: &mut Relief) {
        if let Relief::Running(relieving) = relief {
            *relief = match relieving.await {
                Ok(shortened) => {
                    tracing::debug!(shortened, "standing entries are kept for shorter");
                    Relief::Idle
                }
                Err(error) => {
                    self.failed("shorten", &error);
                    // A right that is lacking (+pttl, +pexpire) is said once.
                    if matches!(error, StoreError::Refused(_)) { Relief::Refused } else { Relief::Idle }
                }
            };
        }
        std::future::pending::<()>().await;
    }
}

fn shortened(ttl: Duration, factor: u32) -> Duration {
    (ttl / factor.max(1)).max(Duration::from_millis(1))
}
