//! `#[cached]` and `#[invalidates]`, on the embedded store, on Redis, and with Redis gone.

mod functions;
mod invalidates;
mod keys;
mod tables;

use crate::support::Redis;
use sqlx_cached::Cache;
use sqlx_cached::store::{RedisAddress, RedisConfig};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Counts how often a body ran.
#[derive(Debug, Default)]
pub struct Runs(AtomicUsize);

impl Runs {
    /// How often, this time included.
    pub fn again(&self) -> usize {
        self.0.fetch_add(1, SeqCst) + 1
    }

    pub fn so_far(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// The embedded store, then a Redis of its own, which lives as long as it is held.
pub async fn caches() -> [(Cache, Option<Redis>); 2] {
    let redis = Redis::start();
    let embedded = Cache::builder().build().await.unwrap();
    let mut config = RedisConfig::new(RedisAddress::Socket(redis.socket()));
    // What is said of hits is to be true on a busy machine, too.
    config.timeout = std::time::Duration::from_secs(5);
    let shared = Cache::builder().redis(config).build().await.unwrap();
    [(embedded, None), (shared, Some(redis))]
}

/// A cache whose Redis is gone.
pub async fn gone() -> Cache {
    let mut redis = Redis::start();
    let cache = Cache::builder().redis_url(&redis.url()).build().await.unwrap();
    redis.kill();
    cache
}
