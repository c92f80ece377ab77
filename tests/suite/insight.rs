//! What an executor tells of itself: how long reads took, which were slow, what became of the reads of one piece of a program.

use crate::faults::kit::{READ, Server, WRITE, eventually};
use crate::support::Redis;
use serde_json::json;
use sqlx::{MySql, Postgres, Sqlite};
use sqlx_cached::{CacheStatus, CachingExecutor, Tally, tally};
use std::convert::Infallible;
use std::time::Duration;

async fn by(future: impl Future) -> (u64, u64, u64) {
    let (_, Tally { hits, misses, bypasses, .. }) = tally(future).await;
    (hits, misses, bypasses)
}

async fn status(future: impl Future) -> Option<CacheStatus> {
    tally(future).await.1.status()
}

/// Through each way of reading, and each layer.
async fn reads_are_tallied<DB: Server>(near: u64) {
    let (home, redis) = (DB::home().await, Redis::start());
    let executor = home.build(|builder| builder.redis_url(&redis.url()).near_bytes(near)).await;
    let db = &executor;
    assert_eq!(by(home.check(db, READ)).await, (0, 1, 0));
    assert_eq!(by(home.check(db, READ)).await, (1, 0, 0));
    assert_eq!(by(async { (home.check(db, READ).await, home.check(db, READ).await) }).await, (2, 0, 0));
    let all = || DB::number_slowly(db, READ, Box::pin(async {}));
    assert_eq!(status(all()).await, Some(CacheStatus::Miss), "of all rows it is another answer");
    assert_eq!(status(all()).await, Some(CacheStatus::Hit));
    assert_eq!(status(DB::run(db, WRITE)).await, None, "a write is no read");
    assert_eq!(status(home.check(db, READ)).await, Some(CacheStatus::Miss));
    assert_eq!(status(home.check(&db.uncached(), READ)).await, Some(CacheStatus::Bypass));
    assert_eq!(by(async { (home.check(&db.uncached(), READ).await, home.check(db, READ).await) }).await, (1, 0, 1));
    assert_eq!(status(home.check(&db.refresh(), READ)).await, Some(CacheStatus::Miss));
    let mut transaction = db.begin().await.unwrap();
    assert_eq!(status(DB::number_in(&mut transaction, READ)).await, Some(CacheStatus::Bypass));
    transaction.rollback().await.unwrap();
    assert_eq!(status(async {}).await, None);

    // Two at once: one reads, both wait for the database.
    DB::run(db, WRITE).await.unwrap();
    let (_, both) = tally(async { tokio::join!(DB::number(db, READ), DB::number(db, READ)) }).await;
    assert_eq!((both.hits + both.misses, both.misses > 0), (2, true), "{both:?}");

    // A plain value, and what is read to make it.
    let cache = executor.cache();
    let load = || cache.get_or_set("n", async || Ok::<_, Infallible>(DB::number(db, "SELECT v FROM others WHERE id = 1").await.unwrap()));
    assert_eq!(by(load()).await, (0, 2, 0));
    assert_eq!(by(load()).await, (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_are_tallied_on_sqlite() {
    reads_are_tallied::<Sqlite>(0).await;
    reads_are_tallied::<Sqlite>(1 << 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_are_tallied_on_postgres() {
    reads_are_tallied::<Postgres>(0).await;
    reads_are_tallied::<Postgres>(1 << 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_are_tallied_on_mariadb() {
    reads_are_tallied::<MySql>(0).await;
    reads_are_tallied::<MySql>(1 << 20).await;
}

#[tokio::test]
async fn what_takes_how_long() {
    let (home, redis) = (Sqlite::home().await, Redis::start());
    let far = home.build(|builder| builder.redis_url(&redis.url()).near_bytes(0).max_entry_bytes(1000)).await;
    for _ in 0..5 {
        home.check(&far, READ).await;
    }
    // Slow, and too large to be kept: it is asked for again and again.
    let slow = "SELECT v + length(x) * 0 FROM counters, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000)
                SELECT hex(zeroblob(1000)) AS x, max(i) FROM n) WHERE id = 1";
    let wide = format!("SELECT v, '{}' FROM counters WHERE id = 1", "x".repeat(2000));
    for sql in [slow, slow, &wide, &wide] {
        far_read(&far, sql).await;
    }
    let stats = far.stats();
    let latency = stats.latency;
    assert_eq!((latency.hit.count, latency.near_hit.count), (stats.hits, 0), "{stats}");
    assert_eq!((latency.miss.count, latency.database.count), (stats.misses, stats.misses), "{stats}");
    assert!(
        latency.hit.p50 > Duration::ZERO && latency.hit.p50 <= latency.hit.max && latency.database.p50 <= latency.miss.max,
        "{latency:?}"
    );
    let misses = far.slow_misses();
    assert_eq!(misses.iter().map(|miss| miss.count).sum::<u64>(), stats.misses, "{misses:?}");
    assert!(misses.iter().all(|miss| miss.table.as_deref() == Some("counters") && miss.mean <= miss.worst), "{misses:?}");
    assert_eq!(misses.iter().find(|miss| miss.sql == slow).map(|miss| miss.count), Some(1), "{misses:?}");
    assert_eq!(misses.iter().find(|miss| wide.starts_with(&miss.sql)).map(|miss| (miss.count, miss.sql.len())), Some((2, 2000)));
    assert!(misses.is_sorted_by(|one, other| one.worst >= other.worst), "{misses:?}");
    far.reset_stats();
    assert_eq!((far.stats().latency, far.slow_misses()), (Default::default(), vec![]));

    let near = home.build(|builder| builder).await;
    for _ in 0..200 {
        home.check(&near, READ).await;
    }
    let stats = near.stats();
    assert!((1..=10).contains(&stats.latency.near_hit.count), "a sample of {}: {:?}", stats.near_hits, stats.latency);
}

async fn far_read(db: &CachingExecutor<Sqlite>, sql: &str) {
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(db).await.unwrap();
}

#[tokio::test]
async fn the_last_hour_is_told_in_steps() {
    let home = Sqlite::home().await;
    let db = home.build(|builder| builder).await;
    assert_eq!(db.history(), []);
    for _ in 0..3 {
        home.check(&db, READ).await;
    }
    let mut steps = Vec::new();
    eventually("a step of history", async || {
        steps = db.history();
        !steps.is_empty()
    })
    .await;
    assert_eq!((steps[0].hits, steps[0].misses), (2, 1), "{steps:?}");
    assert!(steps[0].seconds >= 10.0 && steps[0].at_unix_ms > 1_600_000_000_000, "{steps:?}");
}

#[tokio::test]
async fn snapshots_can_be_written_as_json() {
    let home = Sqlite::home().await;
    let db = home.build(|builder| builder).await;
    home.check(&db, READ).await;
    home.check(&db, READ).await;
    home.check(&db.uncached(), READ).await;
    let stats = serde_json::to_value(db.stats()).unwrap();
    assert_eq!(stats["bypasses"], json!({ "uncached": 1 }));
    assert_eq!(stats["tables"], json!([{ "table": "counters", "category": "data", "hits": 1, "misses": 1, "fills": 1 }]));
    assert!(stats["latency"]["miss"]["p99_seconds"].as_f64().unwrap() > 0.0, "{stats}");
    assert_eq!(stats["freshness"], json!({ "checked": 0, "stale": 0, "undecided": 0 }));
    let health = serde_json::to_value(db.health().await).unwrap();
    assert!(health["database"]["seconds"].is_number() && health["store"]["seconds"].is_number(), "{health}");
    assert_eq!(health["memory"]["pressure"], "normal");
    let explained = |sql| serde_json::to_value(db.explain(sql)).unwrap();
    assert_eq!(explained(READ)["read"]["cached"]["tables"], json!(["counters"]));
    assert_eq!(explained(READ)["invalidates"], "nothing");
    assert_eq!(explained("SELECT random()")["read"], json!({ "not_cached": "function" }));
    assert_eq!(explained(WRITE)["invalidates"], json!({ "tables": ["counters"] }));
    home.plain.close().await;
    db.pool().close().await;
    let health = serde_json::to_value(db.health().await).unwrap();
    assert!(health["database"]["error"].is_string(), "{health}");
}
