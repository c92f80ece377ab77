//! Deletions that could not be delivered: kept, repeated, and believed in this process until they are.

use super::{Inner, State};
use crate::engine::Engine;
use crate::store::matches_glob;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// More than so many become one of everything.
const MOST_PATTERNS: usize = 4096;

/// The same of names, which take less time to look through. Everything is more than values that can be had again: it is counters, too.
const MOST_NAMES: usize = 1 << 16;

/// The first pause before a delivery, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

#[derive(Debug, Default)]
pub(super) struct Kept {
    /// How many there are: what every look-up reads.
    size: AtomicUsize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// With a number of its own each, since the same may be kept again while it is on its way.
    names: BTreeMap<String, u64>,
    patterns: BTreeMap<String, u64>,
    numbers: u64,
    delivering: bool,
}

/// The task that delivers. Should its runtime end before it does, whoever looks next starts another.
struct Delivering {
    state: Weak<State>,
    engine: Weak<Engine>,
}

impl Drop for Delivering {
    fn drop(&mut self) {
        if let Some(state) = self.state.upgrade() {
            state.kept.lock().delivering = false;
        }
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.size.load(SeqCst)
    }

    /// Whether what is stored at this name counts as deleted.
    pub(super) fn covers(&self, inner: &Inner, name: &str) -> bool {
        if self.len() == 0 {
            return false;
        }
        let waiting = self.lock();
        let covers = waiting.names.contains_key(name) || waiting.patterns.keys().any(|pattern| matches_glob(pattern, name));
        let stranded = !waiting.delivering;
        drop(waiting);
        if stranded {
            // The runtime of the task that delivered has ended.
            self.deliver_later(inner);
        }
        covers
    }

    /// What is stored at this name was overwritten. A pattern's deletion still takes it along: a miss.
    pub(super) fn forget(&self, name: &str) {
        if self.len() > 0 {
            self.change(|waiting| _ = waiting.names.remove(name));
        }
    }

    pub(super) fn keep_names(&self, inner: &Inner, names: impl IntoIterator<Item = String>) {
        self.keep(inner, |waiting| {
            for name in names {
                waiting.numbers += 1;
                waiting.names.insert(name, waiting.numbers);
            }
        });
    }

    pub(super) fn keep_pattern(&self, inner: &Inner, pattern: String) {
        self.keep(inner, |waiting| {
            waiting.numbers += 1;
            waiting.patterns.insert(pattern, waiting.numbers);
        });
    }

    fn keep(&self, inner: &Inner, keep: impl FnOnce(&mut Waiting)) {
        self.change(|waiting| {
            keep(waiting);
            if waiting.names.len() > MOST_NAMES || waiting.patterns.len() > MOST_PATTERNS {
                tracing::warn!("too many deletions can't be delivered: every value counts as deleted until they are");
                waiting.names.clear();
                waiting.patterns.clear();
                for pattern in inner.state.names.everything() {
                    waiting.numbers += 1;
                    waiting.patterns.insert(pattern, waiting.numbers);
                }
            }
        });
        self.deliver_later(inner);
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.lock();
        change(&mut waiting);
        self.size.store(waiting.names.len() + waiting.patterns.len(), SeqCst);
    }

    fn deliver_later(&self, inner: &Inner) {
        let Some(engine) = &inner.engine else { return };
        if !std::mem::replace(&mut self.lock().delivering, true) {
            let delivering = Delivering { state: Arc::downgrade(&inner.state), engine: Arc::downgrade(engine) };
            engine.spawn(deliver(delivering));
        }
    }
}

/// Repeats what is kept until nothing is left, or nobody uses the cache any more.
async fn deliver(delivering: Delivering) {
    let mut pause = PAUSES.0;
    loop {
        tokio::time::sleep(pause).await;
        let (Some(state), Some(engine)) = (delivering.state.upgrade(), delivering.engine.upgrade()) else { return };
        let store = engine.store().plain();
        let (names, patterns) = {
            let mut waiting = state.kept.lock();
            if waiting.names.is_empty() && waiting.patterns.is_empty() {
                // Under the lock: whoever keeps something from now on starts another task.
                waiting.delivering = false;
                return;
            }
            (waiting.names.clone(), waiting.patterns.clone())
        };
        let deleted = async {
            if !names.is_empty() {
                store.delete_values(&names.keys().cloned().collect::<Vec<_>>()).await?;
            }
            for pattern in patterns.keys() {
                store.delete_names(pattern).await?;
            }
            Ok::<_, crate::store::StoreError>(())
        };
        match deleted.await {
            Ok(()) => {
                state.kept.change(|waiting| {
                    waiting.names.retain(|name, number| names.get(name) != Some(number));
                    waiting.patterns.retain(|pattern, number| patterns.get(pattern) != Some(number));
                });
                pause = PAUSES.0;
            }
            Err(error) => {
                tracing::debug!(%error, "kept deletions can't be delivered yet");
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}
