//! A store that makes its caller wait once before and once after every operation, so that each is an await at which it can be dropped.

use async_trait::async_trait;
use bytes::Bytes;
use sqlx_cached::store::{
    CacheStore, Creation, FenceId, Keyspace, Label, Lease, LeaseFate, Lookup, ServerIdentity, Sight, StoreError, Tag, ValueStore,
    Whereabouts, Wish,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::yield_now;

#[derive(Debug)]
pub struct Pauses(Arc<dyn CacheStore>);

impl Pauses {
    pub fn over(inner: Arc<dyn CacheStore>) -> Arc<Self> {
        Arc::new(Self(inner))
    }
}

async fn around<T>(operation: impl Future<Output = T>) -> T {
    yield_now().await;
    let done = operation.await;
    yield_now().await;
    done
}

#[async_trait]
impl CacheStore for Pauses {
    async fn look_up(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        around(self.0.look_up(key, tags)).await
    }

    async fn create(&self, tags: &[Tag]) -> Result<Vec<Creation>, StoreError> {
        around(self.0.create(tags)).await
    }

    async fn fill(&self, key: &str, tags: &[Tag], entry: Bytes, ttl: Duration) -> Result<(), StoreError> {
        around(self.0.fill(key, tags, entry, ttl)).await
    }

    async fn lease(&self, key: &str, wish: &Wish, time: Duration) -> Result<Lease, StoreError> {
        around(self.0.lease(key, wish, time)).await
    }

    async fn settle_lease(&self, key: &str, wish: &Wish, fate: LeaseFate) -> Result<(), StoreError> {
        around(self.0.settle_lease(key, wish, fate)).await
    }

    async fn discard(&self, key: &str) -> Result<(), StoreError> {
        around(self.0.discard(key)).await
    }

    async fn begin(&self, tags: &[Tag], id: &FenceId, lease: Duration) -> Result<(), StoreError> {
        around(self.0.begin(tags, id, lease)).await
    }

    async fn end(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError> {
        around(self.0.end(tags, id)).await
    }

    async fn clear_lapsed(&self, tag: &Tag, ids: &[FenceId]) -> Result<(), StoreError> {
        around(self.0.clear_lapsed(tag, ids)).await
    }

    async fn invalidate(&self, tags: &[Tag]) -> Result<(), StoreError> {
        around(self.0.invalidate(tags)).await
    }

    async fn reclaim(&self, tag: &Tag) -> Result<u64, StoreError> {
        around(self.0.reclaim(tag)).await
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, StoreError> {
        around(self.0.delete_matching(pattern)).await
    }

    async fn ping(&self) -> Result<ServerIdentity, StoreError> {
        around(self.0.ping()).await
    }

    fn whereabouts(&self) -> Whereabouts {
        self.0.whereabouts()
    }

    fn sight(&self, tags: &[Tag]) -> Option<Sight> {
        self.0.sight(tags)
    }

    fn forget_near(&self, tags: &[Tag]) {
        self.0.forget_near(tags);
    }

    fn keyspace(&self) -> &Keyspace {
        self.0.keyspace()
    }

    fn mirrored(&self) -> Option<usize> {
        self.0.mirrored()
    }

    fn plain(&self) -> &dyn ValueStore {
        self.0.plain()
    }
}
