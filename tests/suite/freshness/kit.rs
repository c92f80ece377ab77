//! A store that can be made deaf, which is all it takes to break invalidation; and executors that probe every hit.

use crate::faults::kit::{Cache, Home, Server, redis_store};
use async_trait::async_trait;
use bytes::Bytes;
use sqlx_cached::store::{CacheStore, Creation, FenceId, Keyspace, Label, Lookup, ServerIdentity, Sight, StoreError, Tag};
use sqlx_cached::store::{Lease, LeaseFate, RedisAddress, RedisConfig, RedisStore, ValueStore, Whereabouts, Wish};
use sqlx_cached::{Builder, CachingExecutor, Freshness};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

/// A near cache's bytes, and none.
pub const NEAR: [u64; 2] = [1 << 20, 0];

/// The store of a cache, with Redis one that mirrors its generations where there is a near cache.
pub fn store(cache: &Cache, near: u64) -> Arc<dyn CacheStore> {
    match &cache.redis {
        Some(redis) if near > 0 => {
            let mut config = RedisConfig::new(RedisAddress::Socket(redis.socket()));
            config.near = true;
            config.timeout = Duration::from_secs(5);
            Arc::new(RedisStore::new(&config, Keyspace::new("sql")).expect("a socket's path"))
        }
        Some(redis) => redis_store(redis),
        None => cache.store(),
    }
}

/// An executor on this store of which every hit may be probed.
pub async fn probing<DB: Server>(home: &Home<DB>, store: Arc<dyn CacheStore>, near: u64) -> CachingExecutor<DB> {
    probing_with(home, store, near, |builder| builder).await
}

pub async fn probing_with<DB: Server>(
    home: &Home<DB>,
    store: Arc<dyn CacheStore>,
    near: u64,
    configure: impl FnOnce(Builder<DB>) -> Builder<DB>,
) -> CachingExecutor<DB> {
    home.build(|builder| configure(builder.store(store).near_bytes(near).freshness_probe(1.0))).await
}

pub fn found<DB: Server>(executor: &CachingExecutor<DB>) -> Freshness {
    executor.stats().freshness
}

/// Reads until the probe has found something.
pub async fn read_until<DB: Server>(executor: &CachingExecutor<DB>, sql: &str, what: &str, so: impl Fn(Freshness) -> bool) -> Freshness {
    crate::faults::kit::eventually(&format!("{}: {what}", DB::NAME), async || {
        DB::number(executor, sql).await.expect("a number");
        so(found(executor))
    })
    .await;
    found(executor)
}

/// Passes everything on; deaf, it takes what it is told of writes for granted and does nothing about it.
#[derive(Debug)]
pub struct Deaf {
    inner: Arc<dyn CacheStore>,
    deaf: AtomicBool,
}

impl Deaf {
    pub fn over(inner: Arc<dyn CacheStore>) -> Arc<Self> {
        Arc::new(Self { inner, deaf: AtomicBool::new(false) })
    }

    pub fn set(&self, deaf: bool) {
        self.deaf.store(deaf, SeqCst);
    }

    fn is_deaf(&self) -> bool {
        self.deaf.load(SeqCst)
    }
}

#[async_trait]
impl CacheStore for Deaf {
    async fn look_up(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        self.inner.look_up(key, tags).await
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
        if self.is_deaf() { Ok(()) } else { self.inner.begin(tags, id, lease).await }
    }

    async fn end(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError> {
        if self.is_deaf() {
            return Ok(self.inner.look_up("none", &[Tag::schema()]).await?.labels[0]);
        }
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
