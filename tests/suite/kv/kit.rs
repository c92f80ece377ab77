//! What these tests share: caches on each store.

use crate::faults::kit::{Home, Server, redis_store};
use crate::store_contract::keyspace;
use crate::support::Redis;
use bytes::Bytes;
use sqlx::Sqlite;
use sqlx_cached::store::{CacheStore, MemoryStore, RedisAddress, RedisConfig, RedisStore};
use sqlx_cached::{Cache, CacheBuilder, CachingExecutor, Format};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a busy machine may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A cache under test, and its store to look into.
pub struct Stage {
    pub name: &'static str,
    pub cache: Cache,
    pub store: Arc<dyn CacheStore>,
    pub redis: Option<Redis>,
    pub executor: Option<(CachingExecutor<Sqlite>, Home<Sqlite>)>,
}

pub fn memory() -> Arc<dyn CacheStore> {
    Arc::new(MemoryStore::new(keyspace(), 64 << 20))
}

pub async fn cache_on(store: &Arc<dyn CacheStore>) -> Cache {
    cache_of(store, |builder| builder).await
}

pub async fn cache_of(store: &Arc<dyn CacheStore>, configure: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Cache {
    configure(Cache::builder().store(Arc::clone(store))).build().await.expect("a cache")
}

impl Stage {
    pub async fn embedded() -> Self {
        let store = memory();
        Self { name: "embedded", cache: cache_on(&store).await, store, redis: None, executor: None }
    }

    pub async fn redis() -> Self {
        let redis = Redis::start();
        let store = redis_store(&redis);
        Self { name: "Redis", cache: cache_on(&store).await, store, redis: Some(redis), executor: None }
    }

    /// Over TCP, everything compressed that becomes smaller.
    pub async fn compressed() -> Self {
        let redis = Redis::configured().tcp().start();
        let mut config = RedisConfig::new(RedisAddress::Host("127.0.0.1".into(), redis.port()));
        config.timeout = Duration::from_secs(5);
        let store: Arc<dyn CacheStore> = Arc::new(RedisStore::new(&config, keyspace()).expect("an address"));
        let cache = cache_of(&store, |builder| builder.compression_threshold(Some(1))).await;
        Self { name: "Redis, compressed", cache, store, redis: Some(redis), executor: None }
    }

    pub async fn message_pack() -> Self {
        let stage = Self::redis().await;
        Self { name: "MessagePack", cache: stage.cache.format(Format::MessagePack), ..stage }
    }

    /// The cache beside an executor's SQL entries.
    pub async fn executors(redis: bool) -> Self {
        let redis = redis.then(Redis::start);
        let store = redis.as_ref().map_or_else(memory, redis_store);
        let home = Sqlite::home().await;
        let executor = home.executor(Arc::clone(&store)).await;
        Self { name: "an executor's", cache: executor.cache(), store, redis, executor: Some((executor, home)) }
    }

    pub async fn all() -> Vec<Self> {
        vec![
            Self::embedded().await,
            Self::redis().await,
            Self::compressed().await,
            Self::message_pack().await,
            Self::executors(false).await,
            Self::executors(true).await,
        ]
    }

    /// The two that races are about.
    pub async fn both() -> [Self; 2] {
        [Self::embedded().await, Self::redis().await]
    }

    /// Puts bytes at a key behind the cache's back.
    pub async fn plant(&self, key: &str, bytes: &[u8]) {
        let name = self.cache.name(key).expect("a key");
        self.store.plain().set_values(&[(name, Bytes::copy_from_slice(bytes))], None).await.expect("a store");
    }

    /// What is at a key, as it is.
    pub async fn raw(&self, key: &str) -> Option<Bytes> {
        let name = self.cache.name(key).expect("a key");
        self.store.plain().values(&[name]).await.expect("a store").remove(0)
    }
}

/// Waits for something that is about to be true.
pub async fn eventually(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !so().await {
        assert!(since.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
