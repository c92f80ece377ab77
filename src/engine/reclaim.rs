//! Dead entries are unlinked in the background: coalesced by table, one scan at a time, with pauses in proportion.

use super::Engine;
use crate::tag::Tag;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The least pause before a scan: writes that follow each other closely share one.
const COALESCE: Duration = Duration::from_millis(250);

/// A pause lasts so many times as long as the scan before it, up to the longest: a store that others use pauses within the scan, too.
const SHARE: u32 = 9;
const LONGEST: Duration = Duration::from_secs(10);

/// The tables whose dead entries wait to be unlinked.
#[derive(Debug, Default)]
pub(super) struct Reclaim(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    tags: BTreeSet<Tag>,
    running: bool,
}

/// The task that scans. Should its runtime end before it does, the next one may start.
struct Scanning(Option<Arc<Engine>>);

impl Drop for Scanning {
    fn drop(&mut self) {
        if let Some(engine) = &self.0 {
            engine.reclaim.0.lock().unwrap_or_else(PoisonError::into_inner).running = false;
        }
    }
}

impl Engine {
    pub(super) fn reclaim_later(self: &Arc<Self>, tags: &[Tag]) {
        {
            let mut waiting = self.reclaim.0.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.tags.extend(tags.iter().cloned());
            if waiting.running {
                return;
            }
            waiting.running = true;
        }
        // Without the lock: a runtime that is gone drops the task at once.
        self.spawn(Arc::clone(self).reclaim(Scanning(Some(Arc::clone(self)))));
    }

    async fn reclaim(self: Arc<Self>, mut scanning: Scanning) {
        let mut pause = COALESCE;
        loop {
            tokio::time::sleep(pause).await;
            let tag = {
                let mut waiting = self.reclaim.0.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(tag) = waiting.tags.pop_first() else {
                    waiting.running = false;
                    scanning.0 = None;
                    return;
                };
                if tag == Tag::all() {
                    // One scan of everything does for every table.
                    waiting.tags.clear();
                }
                tag
            };
            let since = Instant::now();
            match self.store.reclaim(&tag).await {
                Ok(unlinked) => {
                    self.counters.reclaimed.fetch_add(unlinked, Relaxed);
                }
                // They die of their TTL instead.
                Err(error) => self.failed("reclaim", &error),
            }
            pause = (since.elapsed() * SHARE).clamp(COALESCE, LONGEST);
        }
    }
}
