//! What the store has lost comes back by itself.

use crate::faults::kit::{Home, LEASE, Server, eventually};
use crate::support::Redis;
use sqlx::Sqlite;
use sqlx_cached::{CachingExecutor, WarmKeeper, Warmed};
use std::sync::Arc;
use std::time::Duration;

const BY_ID: &str = "SELECT v FROM counters WHERE id = ?";
const IDS: [i64; 3] = [1, 2, 101];

const SOON: Duration = Duration::from_millis(20);

async fn executor(home: &Home<Sqlite>, redis: &Redis) -> CachingExecutor<Sqlite> {
    let patient = Duration::from_millis(500);
    home.build(|builder| builder.redis_url(&redis.url()).redis_timeout(patient).near_bytes(0).fence_lease(LEASE)).await
}

fn keep(db: &CachingExecutor<Sqlite>) -> WarmKeeper {
    db.warm().queries(IDS.map(|id| sqlx::query(BY_ID).bind(id))).look_every(SOON).keep()
}

/// The next round; within the patience of a test.
async fn next(keeper: &mut WarmKeeper) -> Arc<Warmed> {
    tokio::time::timeout(Duration::from_secs(20), keeper.next()).await.expect("a round in time").expect("it is kept warm")
}

/// Rounds until everything is there again: while Redis comes back, some queries may have met it too early.
async fn until_warm(keeper: &mut WarmKeeper, redis: &Redis) {
    while redis.cli::<Vec<String>>(&["KEYS", "sql:counters:data:*"]).len() < IDS.len() {
        next(keeper).await;
    }
}

/// Every one of them is a hit.
async fn all_are_hits(db: &CachingExecutor<Sqlite>) {
    let before = db.stats();
    for id in IDS {
        sqlx::query(BY_ID).bind(id).fetch_all(db).await.unwrap();
    }
    let now = db.stats();
    assert_eq!((now.hits - before.hits, now.misses - before.misses), (3, 0), "{now}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_flushall() {
    let (home, redis) = (Sqlite::home().await, Redis::start());
    let db = executor(&home, &redis).await;
    let mut keeper = keep(&db);
    assert_eq!(next(&mut keeper).await.filled, 3);
    all_are_hits(&db).await;
    for _ in 0..2 {
        redis.cli::<()>(&["FLUSHALL"]);
        let warmed = next(&mut keeper).await;
        assert_eq!((warmed.filled, warmed.total()), (3, 3), "{warmed:?}");
        all_are_hits(&db).await;
    }
    // Whoever clears the cache has it warmed again, too.
    db.clear().await.unwrap();
    assert_eq!(next(&mut keeper).await.filled, 3);
    keeper.stop().await;
}

/// Values of the program's own come back by a task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_program_keeps_itself_is_a_task() {
    let (home, redis) = (Sqlite::home().await, Redis::start());
    let db = executor(&home, &redis).await;
    let cache = db.cache();
    let loaded = {
        let cache = cache.clone();
        move || {
            let cache = cache.clone();
            async move { cache.get_or_set("rates", || async { Ok::<_, sqlx::Error>(7_u64) }).await.map(drop) }
        }
    };
    let mut keeper = db.warm().task("rates", loaded).look_every(SOON).keep();
    for _ in 0..2 {
        let warmed = next(&mut keeper).await;
        assert_eq!((warmed.tasks, warmed.total()), (1, 1), "{warmed:?}");
        assert_eq!(cache.get::<u64>("rates").await.unwrap(), Some(7));
        redis.cli::<()>(&["FLUSHALL"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_and_a_restart_empty() {
    let (home, mut redis) = (Sqlite::home().await, Redis::start());
    let db = executor(&home, &redis).await;
    let mut keeper = keep(&db);
    next(&mut keeper).await;
    redis.kill();
    eventually("the breaker is open", async || {
        home.check(&db, "SELECT v FROM others WHERE id = 1").await;
        db.health().await.breaker_open
    })
    .await;
    redis.restart();
    until_warm(&mut keeper, &redis).await;
    all_are_hits(&db).await;
}

/// The entries are there, and none of them is valid: another run of the server might have lost a write's word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_from_a_snapshot() {
    let (home, mut redis) = (Sqlite::home().await, Redis::start());
    let db = executor(&home, &redis).await;
    let mut keeper = keep(&db);
    next(&mut keeper).await;
    redis.cli::<()>(&["SAVE"]);
    redis.restart();
    assert!(redis.cli::<i64>(&["DBSIZE"]) > 3, "it has its data");
    let mut filled = 0;
    while filled < 3 {
        filled += next(&mut keeper).await.filled;
    }
    all_are_hits(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_not_up_yet_is_waited_for() {
    let (home, mut redis) = (Sqlite::home().await, Redis::start());
    redis.kill();
    let db = executor(&home, &redis).await;
    let mut keeper = keep(&db);
    // Meanwhile the program goes on.
    for _ in 0..10 {
        home.check(&db, "SELECT v FROM others WHERE id = 1").await;
    }
    assert_eq!(db.stats().fills, 0);
    redis.restart();
    until_warm(&mut keeper, &redis).await;
    eventually("everything is there", async || {
        let before = db.stats().hits;
        for id in IDS {
            sqlx::query(BY_ID).bind(id).fetch_all(&db).await.unwrap();
        }
        db.stats().hits == before + 3
    })
    .await;
}
