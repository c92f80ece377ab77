//! Invalidations that could not be delivered: kept, repeated, and distrusted in this process until they are.
//!
//! With the store out of reach a write goes on, so other processes may be given old values until the delivery; no protocol can avoid that. This process
//! at least knows, and asks the database.

use super::Engine;
use crate::stats::count;
use crate::store::FenceId;
use crate::tag::Tag;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Fences to be ended beyond this many are left to lapse: the database then proves them over.
const KEPT_FENCES: usize = 4096;

/// The tags whose generations in the store can't be trusted, and what is still to be delivered.
#[derive(Debug, Default)]
pub(super) struct Distrust {
    /// How many tags are distrusted: what the hot path reads.
    size: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many writes distrust each tag.
    tags: HashMap<Tag, usize>,
    /// How many of these wait for their delivery.
    undelivered: HashMap<Tag, usize>,
    fences: VecDeque<(Arc<[Tag]>, FenceId)>,
    delivering: bool,
}

impl State {
    fn is_done(&self) -> bool {
        self.undelivered.is_empty() && self.fences.is_empty()
    }
}

/// The task that delivers. Should its runtime end before it does, the next one may start.
struct Delivering(Option<Arc<Engine>>);

impl Drop for Delivering {
    fn drop(&mut self) {
        if let Some(engine) = &self.0 {
            engine.distrust.state().delivering = false;
        }
    }
}

impl Distrust {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one of these tags, or all of them, are distrusted.
    pub(super) fn touches(&self, tags: &[Tag]) -> bool {
        self.size.load(SeqCst) > 0 && {
            let state = self.state();
            tags.iter().any(|tag| state.tags.contains_key(tag))
        }
    }

    pub(super) fn add(&self, tags: &[Tag]) {
        let mut state = self.state();
        for tag in tags {
            *state.tags.entry(tag.clone()).or_default() += 1;
        }
        self.size.store(state.tags.len(), SeqCst);
    }

    pub(super) fn remove<'a>(&self, tags: impl IntoIterator<Item = (&'a Tag, usize)>) {
        let mut state = self.state();
        for (tag, times) in tags {
            if let Some(left) = state.tags.get_mut(tag) {
                *left = left.saturating_sub(times);
                if *left == 0 {
                    state.tags.remove(tag);
                }
            }
        }
        self.size.store(state.tags.len(), SeqCst);
    }

    /// How many tags are distrusted now.
    pub(super) fn len(&self) -> usize {
        self.size.load(SeqCst)
    }
}

impl Engine {
    /// How many tables wait for the delivery of an invalidation.
    pub(crate) fn distrusted(&self) -> usize {
        self.distrust.len()
    }

    /// Delivers the invalidation of these tags, which the caller has put under distrust, as soon as the store answers; then the distrust ends.
    pub(super) fn deliver_later(self: &Arc<Self>, tags: Arc<[Tag]>, fence: Option<FenceId>) {
        count(&self.counters.undelivered);
        let mut state = self.distrust.state();
        for tag in tags.iter() {
            *state.undelivered.entry(tag.clone()).or_default() += 1;
        }
        if let Some(fence) = fence.filter(|_| state.fences.len() < KEPT_FENCES) {
            state.fences.push_back((tags, fence));
        }
        drop(state);
        self.deliver_on();
    }

    /// Sees to it that what is to be delivered is being delivered, by a task of a runtime that still runs.
    pub(super) fn deliver_on(self: &Arc<Self>) {
        {
            let mut state = self.distrust.state();
            if state.delivering || state.is_done() {
                return;
            }
            state.delivering = true;
        }
        // Without the lock: a runtime that is gone drops the task at once.
        self.spawn(Arc::clone(self).deliver(Delivering(Some(Arc::clone(self)))));
    }

    async fn deliver(self: Arc<Self>, mut delivering: Delivering) {
        let mut pause = Duration::from_millis(50);
        loop {
            tokio::time::sleep(pause).await;
            let undelivered: Vec<(Tag, usize)> = {
                let mut state = self.distrust.state();
                if state.is_done() {
                    state.delivering = false;
                    delivering.0 = None;
                    return;
                }
                state.undelivered.iter().map(|(tag, times)| (tag.clone(), *times)).collect()
            };
            let tags: Vec<Tag> = undelivered.iter().map(|(tag, _)| tag.clone()).collect();
            if let Err(error) = self.store.invalidate(&tags).await {
                tracing::debug!(%error, "kept invalidations can't be delivered yet");
                pause = (pause * 2).min(Duration::from_secs(1));
                continue;
            }
            pause = Duration::from_millis(50);
            {
                let mut state = self.distrust.state();
                for (tag, times) in &undelivered {
                    // Whatever was added meanwhile stays for the next round.
                    if let Some(left) = state.undelivered.get_mut(tag) {
                        *left -= times;
                        if *left == 0 {
                            state.undelivered.remove(tag);
                        }
                    }
                }
            }
            self.distrust.remove(undelivered.iter().map(|(tag, times)| (tag, *times)));
            tracing::info!(?tags, "kept invalidations were delivered");
            loop {
                let Some((tags, fence)) = self.distrust.state().fences.front().cloned() else { break };
                // A fence that stands costs hits, never a stale row: on an error the next round goes on.
                if self.store.end(&tags, &fence).await.is_err() {
                    break;
                }
                self.distrust.state().fences.pop_front();
            }
        }
    }
}
