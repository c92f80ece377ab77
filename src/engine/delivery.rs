//! Invalidations that could not be delivered: kept, repeated, and distrusted in this process until they are.
//!
//! With the store out of reach a write goes on, so other processes may be given old values until the delivery; no protocol can avoid that. This process
//! at least knows, and asks the database. What is kept is bounded: beyond [`KEPT_TAGS`] it becomes one invalidation of everything, and everything is distrusted.

use super::Engine;
use crate::stats::count;
use crate::store::{FenceId, StoreError};
use crate::tag::Tag;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Fences to be ended beyond this many are left to lapse: the database then proves them over.
const KEPT_FENCES: usize = 4096;

/// Invalidations of more tags than this are kept as one of everything.
const KEPT_TAGS: usize = 4096;

/// The first pause before a delivery, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// The pause while the breaker is open: then an attempt costs nothing, and once it closes others may be given what this process knows to be old.
const PAUSE_WHILE_OPEN: Duration = Duration::from_millis(20);

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
    /// How often tags were replaced by everything. What was under way to the store then tells nothing about what is kept now.
    gatherings: u64,
}

impl State {
    /// Keeps invalidations, which are distrusted already.
    fn keep(&mut self, tags: &[Tag]) {
        for tag in tags {
            *self.undelivered.entry(tag.clone()).or_default() += 1;
        }
        if self.undelivered.len() > KEPT_TAGS {
            self.gather();
        }
    }

    /// Replaces what is kept by everything. The schema stays: its epoch does not end with the rest.
    fn gather(&mut self) {
        let (all, schema) = (Tag::all(), Tag::schema());
        let gathered: Vec<_> = self.undelivered.extract_if(|tag, _| *tag != all && *tag != schema).collect();
        let mut times = 0;
        for (tag, kept) in gathered {
            self.trust(&tag, kept);
            times += kept;
        }
        *self.tags.entry(all.clone()).or_default() += times;
        *self.undelivered.entry(all).or_default() += times;
        self.gatherings += 1;
        tracing::warn!("too many invalidations can't be delivered: everything is distrusted until they are");
    }

    /// Takes back a distrust, so many times.
    fn trust(&mut self, tag: &Tag, times: usize) {
        if let Some(left) = self.tags.get_mut(tag) {
            *left = left.saturating_sub(times);
            if *left == 0 {
                self.tags.remove(tag);
            }
        }
    }

    /// These were delivered, as of so many gatherings. Whatever was added meanwhile stays for the next round.
    fn delivered(&mut self, delivered: &[(Tag, usize)], gatherings: u64) {
        if self.gatherings != gatherings {
            return;
        }
        for (tag, times) in delivered {
            if let Some(left) = self.undelivered.get_mut(tag) {
                *left -= times;
                if *left == 0 {
                    self.undelivered.remove(tag);
                }
            }
            self.trust(tag, *times);
        }
    }

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
            state.trust(tag, times);
        }
        self.size.store(state.tags.len(), SeqCst);
    }

    fn keep(&self, tags: &Arc<[Tag]>, fence: Option<FenceId>) {
        let mut state = self.state();
        state.keep(tags);
        self.size.store(state.tags.len(), SeqCst);
        drop(state);
        if let Some(fence) = fence {
            self.keep_fence(Arc::clone(tags), fence);
        }
    }

    fn keep_fence(&self, tags: Arc<[Tag]>, fence: FenceId) {
        let mut state = self.state();
        if state.fences.len() < KEPT_FENCES {
            state.fences.push_back((tags, fence));
        }
    }

    fn delivered(&self, delivered: &[(Tag, usize)], gatherings: u64) {
        let mut state = self.state();
        state.delivered(delivered, gatherings);
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
    pub(super) fn deliver_later(self: &Arc<Self>, tags: &Arc<[Tag]>, fence: Option<FenceId>) {
        count(&self.counters.undelivered);
        self.distrust.keep(tags, fence);
        self.deliver_on();
    }

    /// Ends a fence that may stand, of a write that is not sent, as soon as the store answers.
    pub(super) fn withdraw(self: &Arc<Self>, tags: Arc<[Tag]>, fence: FenceId) {
        self.distrust.keep_fence(tags, fence);
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
        let mut pause = PAUSES.0;
        loop {
            tokio::time::sleep(pause).await;
            let (undelivered, gatherings): (Vec<(Tag, usize)>, u64) = {
                let mut state = self.distrust.state();
                if state.is_done() {
                    state.delivering = false;
                    delivering.0 = None;
                    return;
                }
                (state.undelivered.iter().map(|(tag, times)| (tag.clone(), *times)).collect(), state.gatherings)
            };
            let tags: Vec<Tag> = undelivered.iter().map(|(tag, _)| tag.clone()).collect();
            if let Err(error) = self.deliver_now(&tags, &undelivered, gatherings).await {
                pause = match error {
                    StoreError::Open(_) => PAUSE_WHILE_OPEN,
                    _ => (pause * 2).min(PAUSES.1),
                };
                tracing::trace!(%error, "what is kept can't be delivered yet");
                continue;
            }
            pause = PAUSES.0;
        }
    }

    async fn deliver_now(&self, tags: &[Tag], undelivered: &[(Tag, usize)], gatherings: u64) -> Result<(), StoreError> {
        if !tags.is_empty() {
            self.store.invalidate(tags).await?;
            self.distrust.delivered(undelivered, gatherings);
            tracing::info!(tags = tags.len(), "kept invalidations were delivered");
        }
        loop {
            let Some((tags, fence)) = self.distrust.state().fences.front().cloned() else { return Ok(()) };
            // A fence that stands costs hits, never a stale row: on an error the next round goes on.
            self.store.end(&tags, &fence).await?;
            self.distrust.state().fences.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: usize) -> Tag {
        Tag::table(&number.to_string())
    }

    fn add(distrust: &Distrust, tags: &[Tag]) {
        distrust.add(tags);
        distrust.keep(&tags.into(), None);
    }

    fn kept(distrust: &Distrust) -> (Vec<(Tag, usize)>, u64) {
        let state = distrust.state();
        let mut kept: Vec<_> = state.undelivered.iter().map(|(tag, times)| (tag.clone(), *times)).collect();
        kept.sort();
        (kept, state.gatherings)
    }

    #[test]
    fn too_many_become_everything() {
        let distrust = Distrust::default();
        // A write under way, and DDL whose epoch has not ended.
        distrust.add(&[numbered(7)]);
        add(&distrust, &[Tag::schema()]);
        for number in 0..KEPT_TAGS {
            add(&distrust, &[numbered(number)]);
            assert!(distrust.touches(&[Tag::all(), numbered(number)]) && distrust.len() <= KEPT_TAGS + 2);
        }
        let (everything, gatherings) = kept(&distrust);
        assert_eq!(everything, [(Tag::all(), KEPT_TAGS), (Tag::schema(), 1)]);
        assert!(distrust.touches(&[Tag::all(), Tag::table("another")]));
        distrust.delivered(&everything, gatherings);
        assert!(kept(&distrust).0.is_empty());
        assert!(!distrust.touches(&[Tag::all(), numbered(8), Tag::schema()]));
        assert!(distrust.touches(&[numbered(7)]), "the write is still under way");
        distrust.remove([(&numbered(7), 1)]);
        assert_eq!(distrust.len(), 0);
    }

    /// What is on its way to the store when they are gathered delivers nothing of what is kept from then on.
    #[test]
    fn a_delivery_that_is_overtaken_ends_no_distrust() {
        let distrust = Distrust::default();
        add(&distrust, &[numbered(1)]);
        let (under_way, gatherings) = kept(&distrust);
        distrust.add(&[numbered(1)]);
        for number in 0..=KEPT_TAGS {
            add(&distrust, &[numbered(number + 1)]);
        }
        // Once more, after the request was sent.
        add(&distrust, &[numbered(1)]);
        distrust.delivered(&under_way, gatherings);
        assert!(kept(&distrust).0.contains(&(numbered(1), 1)));
        let (rest, gatherings) = kept(&distrust);
        distrust.delivered(&rest, gatherings);
        assert!(distrust.touches(&[numbered(1)]), "a write under way distrusts it");
        distrust.remove([(&numbered(1), 1)]);
        assert_eq!(distrust.len(), 0);
    }

    #[test]
    fn what_comes_meanwhile_waits_for_the_next_round() {
        let distrust = Distrust::default();
        add(&distrust, &[numbered(1), numbered(2)]);
        let (under_way, gatherings) = kept(&distrust);
        add(&distrust, &[numbered(1)]);
        distrust.delivered(&under_way, gatherings);
        assert_eq!(kept(&distrust).0, [(numbered(1), 1)]);
        assert!(distrust.touches(&[numbered(1)]) && !distrust.touches(&[numbered(2)]));
    }
}
