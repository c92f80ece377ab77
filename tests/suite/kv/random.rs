//! Many tasks over a few keys, on one store: no answer is older than what was acknowledged before it was asked for.

use super::kit::{cache_on, memory};
use crate::faults::kit::{Server, redis_store};
use crate::support::Redis;
use crate::support::proxy::Proxy;
use sqlx::Sqlite;
use sqlx_cached::store::{CacheStore, RedisAddress, RedisConfig};
use sqlx_cached::{Cache, CachingExecutor};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

const KEYS: usize = 4;

/// What the program would lose without its cache, and what it was told of it.
#[derive(Default)]
struct Database {
    value: AtomicU64,
    acknowledged: AtomicU64,
}

#[derive(Default)]
struct Tally {
    answers: AtomicU64,
    loads: AtomicU64,
    writes: AtomicU64,
}

/// For how long; `KV_SECONDS` for longer, by hand.
fn long() -> Duration {
    Duration::from_secs(std::env::var("KV_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(2))
}

async fn pause() {
    match rand::random_range(0..4) {
        0 => {}
        1 => tokio::task::yield_now().await,
        _ => tokio::time::sleep(Duration::from_micros(rand::random_range(0..1500))).await,
    }
}

/// Changes the database, as a transaction would: at some moment before the answer.
async fn commit(database: &Database) -> u64 {
    pause().await;
    let value = database.value.fetch_add(1, SeqCst) + 1;
    pause().await;
    value
}

async fn read(database: &Database, tally: &Tally) -> u64 {
    pause().await;
    let value = database.value.load(SeqCst);
    tally.loads.fetch_add(1, SeqCst);
    pause().await;
    value
}

async fn step(cache: &Cache, key: usize, databases: &[Database], tally: &Tally) {
    let database = &databases[key];
    let name = format!("k:{key}");
    let before = database.acknowledged.load(SeqCst);
    let check = |value: u64, what: &str| {
        tally.answers.fetch_add(1, SeqCst);
        assert!(value >= before, "{what} gave {value}, and {before} was acknowledged before");
        assert!(value <= database.value.load(SeqCst));
    };
    match rand::random_range(0..40) {
        0 => {
            let value = commit(database).await;
            cache.delete(&name).await.unwrap();
            acknowledge(database, tally, value);
        }
        1 => {
            let value = commit(database).await;
            cache.delete_pattern(&format!("*:{key}")).await.unwrap();
            acknowledge(database, tally, value);
        }
        2 => {
            let value = cache.write_through(&name, async { Ok::<_, Infallible>(commit(database).await) }).await.unwrap();
            acknowledge(database, tally, value);
        }
        3 => {
            // Fails after it was committed, or is dropped, and then deleted.
            let write = cache.write_through(&name, async {
                commit(database).await;
                Err::<u64, _>("no")
            });
            let _ = tokio::time::timeout(Duration::from_micros(rand::random_range(0..3000)), write).await;
            cache.delete(&name).await.unwrap();
        }
        4 => check(cache.refresh(&name, async || Ok::<_, Infallible>(read(database, tally).await)).await.unwrap(), "refresh"),
        5 => {
            // Somebody who has no patience.
            let load = cache.get_or_set(&name, async || Ok::<_, Infallible>(read(database, tally).await));
            if let Ok(value) = tokio::time::timeout(Duration::from_micros(rand::random_range(0..1500)), load).await {
                check(value.unwrap(), "an impatient get_or_set");
            }
        }
        6..12 => {
            if let Some(value) = cache.get(&name).await.unwrap() {
                check(value, "get");
            }
        }
        _ => check(cache.get_or_set(&name, async || Ok::<_, Infallible>(read(database, tally).await)).await.unwrap(), "get_or_set"),
    }
}

fn acknowledge(database: &Database, tally: &Tally, value: u64) {
    database.acknowledged.fetch_max(value, SeqCst);
    tally.writes.fetch_add(1, SeqCst);
}

async fn plain(caches: Vec<Cache>, what: &str) {
    let databases: Arc<[Database]> = (0..KEYS).map(|_| Database::default()).collect();
    let (tally, until) = (Arc::new(Tally::default()), Instant::now() + long());
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let (cache, databases, tally) = (caches[number % caches.len()].clone(), databases.clone(), tally.clone());
            tokio::spawn(async move {
                while Instant::now() < until {
                    step(&cache, rand::random_range(0..KEYS), &databases, &tally).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    report(what, &tally);
}

fn report(what: &str, tally: &Tally) {
    let [answers, loads, writes] = [&tally.answers, &tally.loads, &tally.writes].map(|count| count.load(SeqCst));
    println!("{what}: {answers} answers, {loads} loads, {writes} writes");
    assert!(answers > 100 && writes > 10 && loads < answers, "{what}: {answers} answers, {loads} loads, {writes} writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_is_older_than_what_was_acknowledged_in_memory() {
    let store = memory();
    plain(vec![cache_on(&store).await], "embedded").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_is_older_than_what_was_acknowledged_in_redis() {
    let redis = Redis::start();
    plain(vec![cache_on(&redis_store(&redis)).await, cache_on(&redis_store(&redis)).await], "two on one Redis").await;
}

/// Requests whose answers are lost are repeated, or not, while others write, delete and load.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_is_older_than_what_was_acknowledged_where_connections_break() {
    let redis = Redis::start();
    let proxy = Proxy::start(&redis.socket());
    // One process: what it could not delete itself it remembers for itself alone.
    let cache = Cache::builder().redis(RedisConfig::new(RedisAddress::Socket(proxy.socket()))).build().await.unwrap();
    let breaking = async {
        loop {
            tokio::time::sleep(Duration::from_micros(rand::random_range(0..200_000))).await;
            match rand::random_range(0..3) {
                0 => proxy.cut(),
                1 => proxy.cut_after(b"EVALSHA"),
                _ => proxy.cut_after(b"UNLINK"),
            }
        }
    };
    tokio::select! {
        () = plain(vec![cache], "Redis behind connections that break") => {}
        () = breaking => {}
    }
}

/// The same with tables: writes by SQL, of two executors, and values that depend on what they wrote.
async fn tied(stores: [Arc<dyn CacheStore>; 2], what: &str) {
    let home = Sqlite::home().await;
    let mut executors: Vec<CachingExecutor<Sqlite>> = Vec::new();
    for store in stores {
        executors.push(home.executor(store).await);
    }
    let (tally, acknowledged, until) = (Arc::new(Tally::default()), Arc::new(AtomicU64::new(0)), Instant::now() + long());
    let tasks: Vec<_> = (0..12)
        .map(|number| {
            let (executor, plain) = (executors[number % 2].clone(), home.plain.clone());
            let (tally, acknowledged) = (tally.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let counters = executor.cache().depends_on(["counters"]);
                while Instant::now() < until {
                    let before = acknowledged.load(SeqCst);
                    if rand::random_range(0..30) == 0 {
                        Sqlite::run(&executor, crate::faults::kit::WRITE).await.unwrap();
                        acknowledged.fetch_add(1, SeqCst);
                        tally.writes.fetch_add(1, SeqCst);
                        continue;
                    }
                    let load = async || {
                        let value = Sqlite::direct(&plain, crate::faults::kit::READ).await;
                        tally.loads.fetch_add(1, SeqCst);
                        pause().await;
                        value
                    };
                    let value = if rand::random_range(0..10) == 0 {
                        let Some(value) = counters.get::<i64>("k").await.unwrap() else { continue };
                        value
                    } else {
                        counters.get_or_set("k", load).await.unwrap()
                    };
                    tally.answers.fetch_add(1, SeqCst);
                    // As many writes as were acknowledged have each added one.
                    assert!(u64::try_from(value).unwrap() >= before, "{value}, and {before} writes were acknowledged before");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    report(what, &tally);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_value_is_older_than_a_write_to_its_table_in_memory() {
    let store = memory();
    tied([store.clone(), store], "tied, embedded").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_value_is_older_than_a_write_to_its_table_in_redis() {
    let redis = Redis::start();
    tied([redis_store(&redis), redis_store(&redis)], "tied, two on one Redis").await;
}
