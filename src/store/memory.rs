//! The embedded store: one process, bounded by bytes, no server needed.

mod values;

use super::bounded::Bounded;
use super::days::{DayBook, DayStore};
use super::{
    ALL_GENERATION, CacheStore, Changes, Creation, ENTRY_MAGIC, FenceId, Label, Lookup, Memory, Sight, StoreError, TABLE_GENERATION,
    ValueStore, Whereabouts, glob,
};
use super::{Lease, LeaseFate, Wish};
use crate::key::Keyspace;
use crate::tag::{Generation, ServerIdentity, Tag};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// Keeps entries in this process's memory, up to a number of bytes; what is used least leaves first.
///
/// Fences can't be lost here and die with the process that holds them, so their leases mean nothing: a fence stands until its `end`.
#[derive(Debug)]
pub struct MemoryStore {
    keyspace: Keyspace,
    entries: Bounded,
    /// Never held across an await, and never taken the other way round: a lock of `entries` may be held while this one is taken.
    tags: RwLock<HashMap<Tag, State>>,
    /// How often entries were deleted by their names.
    deletions: AtomicU64,
    /// Held by whoever changes a plain value, since that may depend on what is there.
    changing: Mutex<()>,
    days: DayBook,
}

#[derive(Debug, Default)]
struct State {
    generation: Option<Generation>,
    fence: HashSet<FenceId>,
    changes: Changes,
}

impl State {
    fn drop_generation(&mut self) {
        self.generation = None;
        self.changes.note();
    }

    fn label(&self) -> Label {
        match self.generation {
            _ if !self.fence.is_empty() => Label::Fenced,
            Some(generation) => Label::Standing(generation),
            None => Label::Absent,
        }
    }
}

impl MemoryStore {
    /// A store that keeps up to so many bytes of keys and entries. An entry that would take too large a part of them is not kept: at most a quarter of
    /// the budget, and 1 MiB at least from a budget of 4 MiB on.
    pub fn new(keyspace: Keyspace, budget: u64) -> Self {
        Self {
            keyspace,
            entries: Bounded::new(budget),
            tags: RwLock::default(),
            deletions: AtomicU64::new(0),
            changing: Mutex::default(),
            days: DayBook::default(),
        }
    }

    // Whoever panicked while holding the lock left no half-made state: every change is one insertion or removal.
    fn read(&self) -> RwLockReadGuard<'_, HashMap<Tag, State>> {
        self.tags.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Tag, State>> {
        self.tags.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn label(&self, tag: &Tag) -> Label {
        self.read().get(tag).map_or(Label::Absent, State::label)
    }
}

/// Whether these bytes are the answer that somebody wishes for.
fn grants(bytes: &[u8], wish: &Wish) -> bool {
    let rest = bytes.get(ALL_GENERATION.start..).and_then(|rest| rest.strip_prefix(&wish.head[..]));
    rest.is_some_and(|rest| wish.except.is_none_or(|except| !rest.starts_with(&except)))
}

/// Whether these bytes are an entry that was read under another generation than the one that stands.
fn is_dead(bytes: &[u8], tag: &Tag, standing: Label) -> bool {
    let place = if *tag == Tag::all() { ALL_GENERATION } else { TABLE_GENERATION };
    bytes.starts_with(ENTRY_MAGIC)
        && match standing {
            Label::Standing(generation) => bytes.get(place) != Some(&generation.0),
            Label::Absent | Label::Fenced => true,
        }
}

#[async_trait]
impl CacheStore for MemoryStore {
    async fn look_up(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        // First the entry, then the labels, all under one lock. The entry carries the generations that it was read under, so labels which are taken
        // later, and match, prove that it was valid at that later instant, after every invalidation acknowledged before this call. The other way
        // round, an entry refilled in between would meet labels older than itself: a needless miss, whose fill would be stored dead.
        let entry = self.entries.get(key);
        let states = self.read();
        let labels = tags.iter().map(|tag| states.get(tag).map_or(Label::Absent, State::label)).collect();
        Ok(Lookup { entry, labels })
    }

    async fn create(&self, tags: &[Tag]) -> Result<Vec<Creation>, StoreError> {
        let mut states = self.write();
        let create = |tag: &Tag| {
            let state = states.entry(tag.clone()).or_default();
            if state.fence.is_empty() {
                Creation::Standing(*state.generation.get_or_insert_with(|| Generation::fresh(ServerIdentity::default())))
            } else {
                Creation::Fenced
            }
        };
        Ok(tags.iter().map(create).collect())
    }

    async fn fill(&self, key: &str, _tags: &[Tag], entry: Bytes, ttl: Duration) -> Result<(), StoreError> {
        self.entries.insert(key, entry, ttl);
        Ok(())
    }

    /// One process: its own single flight does, so a lease is always granted.
    async fn lease(&self, key: &str, wish: &Wish, _time: Duration) -> Result<Lease, StoreError> {
        Ok(self.entries.get(key).filter(|bytes| grants(bytes, wish)).map_or(Lease::Granted, Lease::Entry))
    }

    async fn settle_lease(&self, _key: &str, _wish: &Wish, _fate: LeaseFate) -> Result<(), StoreError> {
        Ok(())
    }

    async fn discard(&self, key: &str) -> Result<(), StoreError> {
        self.entries.remove(key);
        Ok(())
    }

    async fn begin(&self, tags: &[Tag], id: &FenceId, _lease: Duration) -> Result<(), StoreError> {
        let mut states = self.write();
        for tag in tags {
            let state = states.entry(tag.clone()).or_default();
            state.fence.insert(id.clone());
            state.drop_generation();
        }
        Ok(())
    }

    async fn end(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError> {
        let mut states = self.write();
        for tag in tags {
            if let Some(state) = states.get_mut(tag) {
                state.fence.remove(id);
                if state.fence.is_empty() {
                    states.remove(tag);
                }
            }
        }
        Ok(states.get(&Tag::schema()).map_or(Label::Absent, State::label))
    }

    async fn clear_lapsed(&self, _tag: &Tag, _ids: &[FenceId]) -> Result<(), StoreError> {
        // Nothing ever lapses here: whoever ran the write lives in this process, and ends its fence.
        Ok(())
    }

    async fn invalidate(&self, tags: &[Tag]) -> Result<(), StoreError> {
        let mut states = self.write();
        for tag in tags {
            if let Some(state) = states.get_mut(tag) {
                state.drop_generation();
                if state.fence.is_empty() {
                    states.remove(tag);
                }
            }
        }
        Ok(())
    }

    async fn reclaim(&self, tag: &Tag) -> Result<u64, StoreError> {
        let pattern = self.keyspace.pattern(tag);
        let below = pattern.strip_suffix('*').unwrap_or(&pattern);
        let standing = self.label(tag);
        // An entry filled since `standing` was read carries a later generation: what looks dead is asked about again.
        let dead = |bytes: &[u8]| is_dead(bytes, tag, standing) && is_dead(bytes, tag, self.label(tag));
        Ok(self.entries.remove_where(|key, bytes| key.starts_with(below) && dead(bytes)))
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, StoreError> {
        let pattern = glob::within(&self.keyspace, pattern)?;
        let mut deleted = 0;
        // Generations first: from here on, whatever was read under them is dead, also what is filled before its turn comes.
        self.write().retain(|tag, state| {
            if glob::matches(&pattern, &self.keyspace.generation(tag)) {
                deleted += u64::from(state.label() != Label::Absent);
                state.drop_generation();
            }
            state.label() != Label::Absent
        });
        let removed = self.entries.remove_where(|key, _| glob::matches(&pattern, key));
        // Last, and whoever saw a generation before must look again: what executors keep of these entries is gone for them, too.
        let mut states = self.write();
        self.deletions.fetch_add(1, SeqCst);
        states.values_mut().for_each(|state| state.changes.note());
        Ok(deleted + removed)
    }

    async fn ping(&self) -> Result<ServerIdentity, StoreError> {
        Ok(ServerIdentity::default())
    }

    async fn memory(&self) -> Result<Option<Memory>, StoreError> {
        Ok(Some(Memory { used: self.entries.weight(), limit: Some(self.entries.budget()) }))
    }

    fn whereabouts(&self) -> Whereabouts {
        Whereabouts::Process
    }

    fn sight(&self, tags: &[Tag]) -> Option<Sight> {
        if tags.is_empty() {
            return None;
        }
        let states = self.read();
        let mut standing = Vec::with_capacity(tags.len());
        for tag in tags {
            let state = states.get(tag)?;
            let Label::Standing(generation) = state.label() else { return None };
            standing.push((generation, &state.changes));
        }
        Some(Sight::new(self.deletions.load(SeqCst), standing))
    }

    fn forget_near(&self, _tags: &[Tag]) {}

    fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    fn mirrored(&self) -> Option<usize> {
        None
    }

    fn plain(&self) -> &dyn ValueStore {
        self
    }

    fn days(&self) -> Option<&dyn DayStore> {
        Some(&self.days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const TTL: Duration = Duration::from_mins(1);

    fn store(budget: u64) -> MemoryStore {
        MemoryStore::new(Keyspace::new("sql"), budget)
    }

    async fn has(store: &MemoryStore, key: &str) -> bool {
        store.look_up(key, &[]).await.unwrap().entry.is_some()
    }

    #[tokio::test]
    async fn bytes_are_bounded_and_large_entries_are_not_kept() {
        for budget in [0, 1, 1000, 64 << 10, 5 * MIB, 64 * MIB] {
            let store = store(budget);
            let size = usize::try_from(budget / 50).unwrap();
            for index in 0..200 {
                let key = format!("sql:t:data:{index}");
                store.fill(&key, &[], Bytes::from(vec![0; size]), TTL).await.unwrap();
                assert!(store.entries.weight() <= budget, "{store:?}");
            }
            store.fill("large", &[], Bytes::from(vec![0; usize::try_from(budget).unwrap() / 4]), TTL).await.unwrap();
            assert!(!has(&store, "large").await);
        }
        let store = store(64 * MIB);
        store.fill("key", &[], Bytes::from(vec![0; 1 << 19]), TTL).await.unwrap();
        assert!(has(&store, "key").await);
    }

    #[tokio::test(start_paused = true)]
    async fn entries_expire() {
        let store = store(MIB);
        store.fill("short", &[], Bytes::from_static(b"x"), Duration::from_millis(10)).await.unwrap();
        store.fill("long", &[], Bytes::from_static(b"x"), Duration::from_secs(10)).await.unwrap();
        store.fill("endless", &[], Bytes::from_static(b"x"), Duration::MAX).await.unwrap();
        assert!(has(&store, "short").await);
        tokio::time::advance(Duration::from_millis(11)).await;
        assert!(!has(&store, "short").await && has(&store, "long").await && has(&store, "endless").await);
        assert_eq!(store.delete_matching("sql:*").await.unwrap(), 0, "a scan also clears what expired, and doesn't count it");
        assert_eq!(store.entries.len(), 2);
    }

    #[tokio::test]
    async fn bookkeeping_does_not_outlive_its_tags() {
        let store = store(MIB);
        let (tags, id) = ([Tag::all(), Tag::table("a")], FenceId("x".into()));
        store.create(&tags).await.unwrap();
        store.begin(&tags, &id, Duration::from_secs(1)).await.unwrap();
        store.end(&tags, &id).await.unwrap();
        assert!(store.read().is_empty());
        store.create(&tags).await.unwrap();
        store.invalidate(&tags).await.unwrap();
        assert!(store.read().is_empty());
    }
}
