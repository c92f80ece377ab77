//! Fences whose leases ran out. A lapsed lease is a suspicion, not a proof: a killed writer's blocked UPDATE may commit long after. Only when the database
//! shows that nothing which ran then runs any more is the fence cleared, and the table cached again.

use super::Engine;
use super::fence::fence_prefix;
use crate::database::Running;
use crate::store::{Creation, FenceId, Label};
use crate::tag::Tag;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How often, per tag, a reader who meets a fence looks whether it has lapsed.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Which fences are under suspicion.
#[derive(Debug, Default)]
pub(super) struct Lapses {
    looked: Mutex<HashMap<Tag, Instant>>,
    /// The tags that are being looked into: one task each.
    pursued: Arc<Mutex<HashSet<Tag>>>,
}

/// Gives the tag free when its task ends, whichever way.
struct Pursued(Arc<Mutex<HashSet<Tag>>>, Tag);

impl Drop for Pursued {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

#[derive(Debug)]
struct Case {
    ids: BTreeSet<FenceId>,
    since: Instant,
    /// What ran when the case was opened and has been seen running ever since. Snapshots instead of ages: no two clocks have to agree.
    waiting: Option<BTreeSet<String>>,
}

impl Engine {
    /// A reader met fences: find out, now and then and behind its back, whether only lapsed writes stand in them.
    pub(super) fn suspect(self: &Arc<Self>, tags: &[Tag], labels: &[Label]) {
        for (tag, label) in tags.iter().zip(labels) {
            if *label == Label::Fenced {
                self.suspect_tag(tag);
            }
        }
    }

    pub(super) fn suspect_tag(self: &Arc<Self>, tag: &Tag) {
        if self.lapses.due(tag) {
            tokio::spawn(Arc::clone(self).pursue(tag.clone()));
        }
    }

    /// Follows a suspicion to its end, however few readers there are: a writer that was renewed in between must be seen alive, or what was learnt about its
    /// former statement would be held against the next one.
    async fn pursue(self: Arc<Self>, tag: Tag) {
        let Some(_one) = self.lapses.pursue(&tag) else { return };
        let mut case = None;
        while !self.witness.is_closed() {
            let seen = Instant::now();
            match self.store.create(std::slice::from_ref(&tag)).await.map(|created| created.into_iter().next()) {
                Ok(Some(Creation::Lapsed(ids))) => {
                    if self.judge(&tag, ids, &mut case).await {
                        return;
                    }
                }
                // Somebody renewed it, or it is over.
                Ok(_) => return,
                Err(_) => case = None,
            }
            tokio::time::sleep(self.look_again()).await;
            if seen.elapsed() >= self.rules.lease {
                // Long enough for a renewal to have come and gone unseen.
                case = None;
            }
        }
    }

    /// Often enough to see every renewal.
    fn look_again(&self) -> Duration {
        LOOK_AGAIN.min(self.rules.lease / 4)
    }

    /// Asks the database about the lapsed writes of a tag, and clears them when they are proven over. True when there is nothing more to find out here.
    async fn judge(&self, tag: &Tag, ids: Vec<FenceId>, case: &mut Option<Case>) -> bool {
        let Some(database) = self.database.get() else { return true };
        // Only a process of the fence's own database can tell.
        let prefix = fence_prefix(database);
        let ids: BTreeSet<FenceId> = ids.into_iter().filter(|id| id.0.starts_with(&prefix)).collect();
        if ids.is_empty() {
            return true;
        }
        // Asked after the fences were seen lapsed: what is not running now, and has not been sent by then, is over.
        let Some(running) = self.witness.running().await else { return false };
        let case = match case {
            Some(case) if case.ids == ids => case,
            _ => case.insert(Case { ids, since: Instant::now(), waiting: None }),
        };
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
        if !over {
            return false;
        }
        let ids: Vec<FenceId> = case.ids.iter().cloned().collect();
        match self.store.clear_lapsed(tag, &ids).await {
            Ok(()) => {
                tracing::info!(%tag, writes = ids.len(), "lapsed writes are proven over");
                true
            }
            Err(error) => {
                self.failed("clear_lapsed", &error);
                false
            }
        }
    }
}

impl Lapses {
    fn pursue(&self, tag: &Tag) -> Option<Pursued> {
        let new = self.pursued.lock().unwrap_or_else(PoisonError::into_inner).insert(tag.clone());
        new.then(|| Pursued(Arc::clone(&self.pursued), tag.clone()))
    }

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
