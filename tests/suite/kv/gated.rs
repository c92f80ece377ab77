//! A store whose plain values wait, or fail, where a test wants them to.

use super::kit::PATIENCE;
use async_trait::async_trait;
use bytes::Bytes;
use sqlx_cached::store::{
    CacheStore, Claim, Claimed, Creation, FenceId, Keyspace, Label, Lease, LeaseFate, Lookup, Operation, Outcome, Peeked, RedisStore,
    ServerIdentity, Settled, Sight, StoreError, StoreInfo, Tag, ValueStore, Whereabouts, Wish,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// A step at which a test can make plain values wait, or fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The values were read, and their asker has not got them yet.
    Got,
    BeforeSet,
    BeforeDelete,
    BeforeClaim,
    Claimed,
    BeforeSettle,
    Settled,
}

/// Tells the test that somebody came, and waits for its word.
type Gate = (oneshot::Sender<()>, oneshot::Receiver<()>);

/// One gate that will be closed once.
pub struct Held {
    reached: oneshot::Receiver<()>,
    release: oneshot::Sender<()>,
}

impl Held {
    pub async fn reached(&mut self) {
        tokio::time::timeout(PATIENCE, &mut self.reached).await.expect("somebody at the gate").expect("the gate");
    }

    pub fn release(self) {
        let _ = self.release.send(());
    }
}

/// A store whose plain values wait, or fail, where a test wants them to.
pub struct Gated {
    inner: Arc<dyn CacheStore>,
    held: Mutex<HashMap<Step, Gate>>,
    failing: AtomicBool,
}

impl std::fmt::Debug for Gated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gated")
    }
}

impl Gated {
    pub fn over(inner: &Arc<dyn CacheStore>) -> Arc<Self> {
        Arc::new(Self { inner: Arc::clone(inner), held: Mutex::default(), failing: AtomicBool::new(false) })
    }

    pub fn hold(&self, step: Step) -> Held {
        let (reached, reached_by) = oneshot::channel();
        let (release, released) = oneshot::channel();
        self.held.lock().expect("the gates").insert(step, (reached, released));
        Held { reached: reached_by, release }
    }

    /// From now on, whether what concerns plain values fails.
    pub fn fail(&self, fails: bool) {
        self.failing.store(fails, SeqCst);
    }

    async fn pass(&self, step: Step) {
        let held = self.held.lock().expect("the gates").remove(&step);
        if let Some((reached, released)) = held {
            let _ = reached.send(());
            let _ = released.await;
        }
    }

    fn check(&self) -> Result<&dyn ValueStore, StoreError> {
        if self.failing.load(SeqCst) { Err(StoreError::Backend("told to fail".into())) } else { Ok(self.inner.plain()) }
    }
}

#[async_trait]
impl ValueStore for Gated {
    async fn values(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let values = self.check()?.values(keys).await;
        self.pass(Step::Got).await;
        values
    }

    async fn set_values(&self, values: &[(String, Bytes)], ttl: Option<Duration>) -> Result<u64, StoreError> {
        self.pass(Step::BeforeSet).await;
        self.check()?.set_values(values, ttl).await
    }

    async fn delete_values(&self, keys: &[String]) -> Result<u64, StoreError> {
        self.pass(Step::BeforeDelete).await;
        self.check()?.delete_values(keys).await
    }

    async fn peek(&self, key: &str) -> Result<Option<Peeked>, StoreError> {
        self.check()?.peek(key).await
    }

    async fn expire(&self, key: &str, ttl: Option<Duration>) -> Result<bool, StoreError> {
        self.check()?.expire(key, ttl).await
    }

    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, StoreError> {
        self.check()?.increment(key, by, ttl).await
    }

    async fn batch(&self, operations: &[Operation]) -> Result<Vec<Outcome>, StoreError> {
        self.check()?.batch(operations).await
    }

    async fn claim(&self, key: &str, claim: &Claim, time: Duration) -> Result<Claimed, StoreError> {
        self.pass(Step::BeforeClaim).await;
        let claimed = self.check()?.claim(key, claim, time).await;
        self.pass(Step::Claimed).await;
        claimed
    }

    async fn settle_claim(&self, key: &str, claim: &Claim, settled: &Settled) -> Result<bool, StoreError> {
        if !matches!(settled, Settled::Renewed(_)) {
            self.pass(Step::BeforeSettle).await;
        }
        let done = self.check()?.settle_claim(key, claim, settled).await;
        if !matches!(settled, Settled::Renewed(_)) {
            self.pass(Step::Settled).await;
        }
        done
    }

    async fn names(&self, pattern: &str, most: usize) -> Result<Vec<String>, StoreError> {
        self.check()?.names(pattern, most).await
    }

    async fn delete_names(&self, pattern: &str) -> Result<u64, StoreError> {
        self.pass(Step::BeforeDelete).await;
        self.check()?.delete_names(pattern).await
    }

    async fn info(&self) -> Result<StoreInfo, StoreError> {
        self.check()?.info().await
    }

    fn redis(&self) -> Option<&RedisStore> {
        self.inner.plain().redis()
    }
}

#[async_trait]
impl CacheStore for Gated {
    async fn look_up(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        self.check()?;
        let found = self.inner.look_up(key, tags).await;
        self.pass(Step::Got).await;
        found
    }

    async fn create(&self, tags: &[Tag]) -> Result<Vec<Creation>, StoreError> {
        self.inner.create(tags).await
    }

    async fn fill(&self, key: &str, tags: &[Tag], entry: Bytes, ttl: Duration) -> Result<(), StoreError> {
        self.inner.fill(key, tags, entry, ttl).await
    }

    async fn lease(&self, key: &str, wish: &Wish, time: Duration) -> Result<Lease, StoreError> {
        self.inner.lease(key, wish, time).await
    }

    async fn settle_lease(&self, key: &str, wish: &Wish, fate: LeaseFate) -> Result<(), StoreError> {
        self.inner.settle_lease(key, wish, fate).await
    }

    async fn discard(&self, key: &str) -> Result<(), StoreError> {
        self.inner.discard(key).await
    }

    async fn begin(&self, tags: &[Tag], id: &FenceId, lease: Duration) -> Result<(), StoreError> {
        self.inner.begin(tags, id, lease).await
    }

    async fn end(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError> {
        self.inner.end(tags, id).await
    }

    async fn clear_lapsed(&self, tag: &Tag, ids: &[FenceId]) -> Result<(), StoreError> {
        self.inner.clear_lapsed(tag, ids).await
    }

    async fn invalidate(&self, tags: &[Tag]) -> Result<(), StoreError> {
        self.inner.invalidate(tags).await
    }

    async fn reclaim(&self, tag: &Tag) -> Result<u64, StoreError> {
        self.inner.reclaim(tag).await
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, StoreError> {
        self.inner.delete_matching(pattern).await
    }

    async fn ping(&self) -> Result<ServerIdentity, StoreError> {
        self.inner.ping().await
    }

    fn whereabouts(&self) -> Whereabouts {
        self.inner.whereabouts()
    }

    /// Never: every read is to come by the gates.
    fn sight(&self, _: &[Tag]) -> Option<Sight> {
        None
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
        self
    }
}
