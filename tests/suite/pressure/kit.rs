//! A store that fails where a test wants it to.

use async_trait::async_trait;
use bytes::Bytes;
use sqlx_cached::store::{CacheStore, Creation, FenceId, Keyspace, Label, Lookup, ServerIdentity, Sight, StoreError, Tag};
use sqlx_cached::store::{Lease, LeaseFate, ValueStore, Whereabouts, Wish};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    Begin,
    End,
    Invalidate,
    Others,
}

pub const ALL: [Op; 4] = [Op::Begin, Op::End, Op::Invalidate, Op::Others];

/// Passes on what it is not told to refuse, and remembers what was invalidated.
#[derive(Debug)]
pub struct Failing {
    inner: Arc<dyn CacheStore>,
    fails: Mutex<BTreeSet<Op>>,
    invalidated: Mutex<Vec<Vec<Tag>>>,
    fences: Mutex<BTreeSet<FenceId>>,
}

impl Failing {
    pub fn over(inner: Arc<dyn CacheStore>) -> Arc<Self> {
        Arc::new(Self { inner, fails: Mutex::default(), invalidated: Mutex::default(), fences: Mutex::default() })
    }

    pub fn fail(&self, ops: &[Op]) {
        self.fails.lock().unwrap().extend(ops);
    }

    pub fn mend(&self) {
        self.fails.lock().unwrap().clear();
    }

    /// What was delivered by `invalidate` since the last call.
    pub fn invalidated(&self) -> Vec<Vec<Tag>> {
        std::mem::take(&mut self.invalidated.lock().unwrap())
    }

    /// How many writes stand in fences.
    pub fn fences(&self) -> usize {
        self.fences.lock().unwrap().len()
    }

    fn check(&self, op: Op) -> Result<(), StoreError> {
        if self.fails.lock().unwrap().contains(&op) { Err(StoreError::Backend(format!("told to fail: {op:?}").into())) } else { Ok(()) }
    }
}

#[async_trait]
impl CacheStore for Failing {
    async fn look_up(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        self.check(Op::Others)?;
        self.inner.look_up(key, tags).await
    }

    async fn create(&self, tags: &[Tag]) -> Result<Vec<Creation>, StoreError> {
        self.check(Op::Others)?;
        self.inner.create(tags).await
    }

    async fn fill(&self, key: &str, tags: &[Tag], entry: Bytes, ttl: Duration) -> Result<(), StoreError> {
        self.check(Op::Others)?;
        self.inner.fill(key, tags, entry, ttl).await
    }

    async fn lease(&self, key: &str, wish: &Wish, time: Duration) -> Result<Lease, StoreError> {
        self.check(Op::Others)?;
        self.inner.lease(key, wish, time).await
    }

    async fn settle_lease(&self, key: &str, wish: &Wish, fate: LeaseFate) -> Result<(), StoreError> {
        self.check(Op::Others)?;
        self.inner.settle_lease(key, wish, fate).await
    }

    async fn discard(&self, key: &str) -> Result<(), StoreError> {
        self.check(Op::Others)?;
        self.inner.discard(key).await
    }

    /// Where it fails, the fence stands all the same: an answer that was lost.
    async fn begin(&self, tags: &[Tag], id: &FenceId, lease: Duration) -> Result<(), StoreError> {
        self.inner.begin(tags, id, lease).await?;
        self.fences.lock().unwrap().insert(id.clone());
        self.check(Op::Begin)
    }

    async fn end(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError> {
        self.check(Op::End)?;
        let ended = self.inner.end(tags, id).await;
        self.fences.lock().unwrap().remove(id);
        ended
    }

    async fn clear_lapsed(&self, tag: &Tag, ids: &[FenceId]) -> Result<(), StoreError> {
        self.check(Op::Others)?;
        self.inner.clear_lapsed(tag, ids).await
    }

    async fn invalidate(&self, tags: &[Tag]) -> Result<(), StoreError> {
        self.check(Op::Invalidate)?;
        self.invalidated.lock().unwrap().push(tags.to_vec());
        self.inner.invalidate(tags).await
    }

    async fn reclaim(&self, tag: &Tag) -> Result<u64, StoreError> {
        self.check(Op::Others)?;
        self.inner.reclaim(tag).await
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, StoreError> {
        self.check(Op::Others)?;
        self.inner.delete_matching(pattern).await
    }

    async fn ping(&self) -> Result<ServerIdentity, StoreError> {
        self.check(Op::Others)?;
        self.inner.ping().await
    }

    fn whereabouts(&self) -> Whereabouts {
        self.inner.whereabouts()
    }

    fn sight(&self, tags: &[Tag]) -> Option<Sight> {
        self.inner.sight(tags)
    }

    fn forget_near(&self, tags: &[Tag]) {
        self.inner.forget_near(tags);
    }

    fn keyspace(&self) -> &Keyspace {
        self.inner.keyspace()
    }

    fn mirrored(&self) -> Option<usize> {
        self.inner.mirrored()
    }

    fn plain(&self) -> &dyn ValueStore {
        self.inner.plain()
    }
}
