//! A cache on either store, and handlers that tell what they were given.

use crate::support::Redis;
use sqlx_cached::store::{RedisAddress, RedisConfig};
use sqlx_cached::{Batch, Cache, WriteBehind, WriteBehindBuilder};
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long something may take on a machine that does other things besides.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A store of a test's own.
pub struct Home {
    pub cache: Cache,
    pub server: Option<Redis>,
}

impl Home {
    pub async fn memory() -> Self {
        Self { cache: Cache::builder().build().await.unwrap(), server: None }
    }

    pub async fn redis() -> Self {
        let server = Redis::start();
        Self { cache: cache(&server).await, server: Some(server) }
    }

    /// The same store as another process would see it, made within the runtime that calls.
    pub async fn another_cache(&self) -> Cache {
        match &self.server {
            Some(server) => cache(server).await,
            None => self.cache.clone(),
        }
    }
}

pub async fn cache(server: &Redis) -> Cache {
    cache_with(server, |_| {}).await
}

pub async fn cache_at(socket: &Path) -> Cache {
    let mut config = RedisConfig::new(RedisAddress::Socket(socket.to_owned()));
    config.timeout = Duration::from_secs(5);
    config.connect_timeout = Duration::from_secs(5);
    Cache::builder().redis(config).build().await.unwrap()
}

pub async fn cache_with(server: &Redis, change: impl FnOnce(&mut RedisConfig)) -> Cache {
    let mut config = RedisConfig::new(RedisAddress::Socket(server.socket()));
    config.timeout = Duration::from_secs(5);
    config.connect_timeout = Duration::from_secs(5);
    change(&mut config);
    Cache::builder().redis(config).build().await.unwrap()
}

/// Settings that tests need not wait for.
pub fn queue<T>(cache: &Cache) -> WriteBehindBuilder<T> {
    cache.write_behind("queue").linger(Duration::from_millis(5)).backoff(Duration::from_millis(2), Duration::from_millis(5))
}

/// What handlers were given.
pub struct Given<T>(Arc<Notes<T>>);

struct Notes<T> {
    batches: Mutex<Vec<Vec<T>>>,
    items: watch::Sender<usize>,
}

impl<T> Clone for Given<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Given<T> {
    pub fn new() -> Self {
        Self(Arc::new(Notes { batches: Mutex::default(), items: watch::Sender::new(0) }))
    }

    pub fn note(&self, batch: &Batch<T>) {
        self.0.batches.lock().unwrap().push(batch.items().to_vec());
        self.0.items.send_modify(|items| *items += batch.len());
    }

    pub fn batches(&self) -> Vec<Vec<T>> {
        self.0.batches.lock().unwrap().clone()
    }

    pub fn items(&self) -> Vec<T> {
        self.batches().concat()
    }

    /// Until so many items were given, in all.
    pub async fn until(&self, count: usize) {
        let mut items = self.0.items.subscribe();
        timeout(PATIENCE, items.wait_for(|items| *items >= count)).await.expect("items in time").unwrap();
    }

    /// A handler that is content with everything.
    pub fn handler(&self) -> impl Fn(Batch<T>) -> std::future::Ready<Result<(), Infallible>> + Send + Sync + 'static
    where
        T: Send + 'static,
    {
        let given = self.clone();
        move |batch| {
            given.note(&batch);
            std::future::ready(Ok(()))
        }
    }
}

pub async fn drained<T>(queue: &WriteBehind<T>) {
    timeout(PATIENCE, queue.drained()).await.expect("drained in time").unwrap();
    assert_eq!((queue.len().await.unwrap(), queue.pending().await.unwrap()), (0, 0));
}

/// These tests on either store.
macro_rules! on_both_stores {
    ($($test:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(&super::Home::memory().await).await;
            })*
        }

        mod in_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(&super::Home::redis().await).await;
            })*
        }
    };
}
pub(crate) use on_both_stores;
