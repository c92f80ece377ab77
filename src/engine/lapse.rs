//! Fences whose leases ran out. A lapsed lease is a suspicion, not a proof: a killed writer's blocked UPDATE may commit long after. Only when the database
//! shows that nothing which ran then runs any more is the fence cleared, and the table cached again.

use super::Engine;
use super::fence::fence_prefix;
use crate::database::Running;
use crate::store::{Creation, FenceId, Label};
use crate::tag::Tag;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How often, per tag, a reader who meets a fence looks whether it has lapsed.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Which fences are under suspicion.
#[derive(Debug, Default)]
pub(super) struct Lapses {
    looked: Mutex<HashMap<Tag, Instant>>,
    /// Held while the database is asked: one reader at a time.
    cases: tokio::sync::Mutex<HashMap<Tag, Case>>,
}

#[derive(Debug)]
struct Case {
    ids: BTreeSet<FenceId>,
    since: Instant,
    /// What ran when the case was opened and has been seen running ever since. Snapshots instead of ages: no two clocks have to agree.
    waiting: Option<BTreeSet<String>>,
}

impl Engine {
    /// A reader met a fence: find out, now and then and behind its back, whether only lapsed writes stand in it.
    pub(super) fn suspect(self: &Arc<Self>, tags: &[Tag], labels: &[Label]) {
        for (tag, label) in tags.iter().zip(labels) {
            if *label == Label::Fenced && self.lapses.due(tag) {
                let (engine, tag) = (Arc::clone(self), tag.clone());
                tokio::spawn(async move {
                    if let Ok(created) = engine.store.create(std::slice::from_ref(&tag)).await
                        && let Some(Creation::Lapsed(ids)) = created.into_iter().next()
                    {
                        engine.judge(tag, ids).await;
                    }
                });
            }
        }
    }

    pub(super) fn judge_later(self: &Arc<Self>, tag: Tag, ids: Vec<FenceId>) {
        if self.lapses.due(&tag) {
            tokio::spawn(Arc::clone(self).judge(tag, ids));
        }
    }

    /// Asks the database about the lapsed writes of a tag, and clears them when they are proven over.
    async fn judge(self: Arc<Self>, tag: Tag, ids: Vec<FenceId>) {
        let Ok(mut cases) = self.lapses.cases.try_lock() else { return };
        let Some(database) = self.database.get() else { return };
        // Only a process of the fence's own database can tell.
        let prefix = fence_prefix(database);
        let ids: BTreeSet<FenceId> = ids.into_iter().filter(|id| id.0.starts_with(&prefix)).collect();
        if ids.is_empty() {
            cases.remove(&tag);
            return;
        }
        // Asked after the fences were seen lapsed: what is not running now, and has not been sent by then, is over.
        let Some(running) = self.witness.running().await else { return };
        let case = cases.entry(tag.clone()).or_insert_with(|| Case { ids: ids.clone(), since: Instant::now(), waiting: None });
        if case.ids != ids {
            *case = Case { ids, since: Instant::now(), waiting: None };
        }
        let over = match running {
            Running::Transactions(running) => {
                let left = match &case.waiting {
                    Some(waiting) => waiting & &running,
                    None => running,
                };
                let over = left.is_empty();
                case.waiting = Some(left);
                over
            }
            Running::NotPermitted => case.since.elapsed() >= self.rules.fence_bound,
        };
        if over {
            let ids: Vec<FenceId> = case.ids.iter().cloned().collect();
            match self.store.clear_lapsed(&tag, &ids).await {
                Ok(()) => {
                    tracing::info!(%tag, writes = ids.len(), "lapsed writes are proven over");
                    cases.remove(&tag);
                }
                Err(error) => self.failed("clear_lapsed", &error),
            }
        }
    }
}

impl Lapses {
    fn due(&self, tag: &Tag) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match looked.get_mut(tag) {
            Some(last) if now.duration_since(*last) < LOOK_AGAIN => false,
            Some(last) => {
                *last = now;
                true
            }
            None => {
                looked.insert(tag.clone(), now);
                true
            }
        }
    }
}
