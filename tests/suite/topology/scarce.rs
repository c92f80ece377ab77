//! A server that is full: entries and bookkeeping are evicted at will, or nothing can be stored any more.

use super::kit::{executor_with, home, read};
use crate::faults::kit::Server;
use crate::support::Redis;
use sqlx::Sqlite;
use sqlx_cached::store::RedisAddress;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

async fn under_load(policy: &str, near: bool) {
    let redis = Redis::configured().arguments(&["--maxmemory", "2mb", "--maxmemory-policy", policy]).start();
    let home = home().await;
    home.run("CREATE TABLE large (id BIGINT PRIMARY KEY, text TEXT NOT NULL)").await;
    home.run("INSERT INTO large SELECT value, hex(randomblob(4000)) FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 600) SELECT value FROM n)")
        .await;
    let connect = async || executor_with(&home, RedisAddress::Socket(redis.socket()), |config| config.near = near).await;
    let (one, other) = (connect().await, connect().await);
    let acknowledged = Arc::new(AtomicI64::new(0));
    let (stop, stale, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    {
        let (db, acknowledged, stop) = (one.clone(), Arc::clone(&acknowledged), Arc::clone(&stop));
        tasks.push(tokio::spawn(async move {
            while !stop.load(SeqCst) {
                Sqlite::run(&db, "UPDATE counters SET v = v + 1 WHERE id = 1").await.expect("no error because of Redis");
                acknowledged.fetch_add(1, SeqCst);
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
        }));
    }
    // Another process's reads need be new only where nothing is near, and nothing waits for delivery.
    let readers = if near { vec![one.clone()] } else { vec![one.clone(), other.clone()] };
    for db in readers {
        let (writer, acknowledged, stop, stale, reads) =
            (one.clone(), Arc::clone(&acknowledged), Arc::clone(&stop), Arc::clone(&stale), Arc::clone(&reads));
        tasks.push(tokio::spawn(async move {
            while !stop.load(SeqCst) {
                let delivered = writer.health().await.distrusted == 0;
                let least = acknowledged.load(SeqCst);
                let seen = Sqlite::number(&db, &read("counters")).await.expect("no error because of Redis");
                reads.fetch_add(1, SeqCst);
                if seen < least && delivered && writer.health().await.distrusted == 0 {
                    stale.fetch_add(1, SeqCst);
                }
                tokio::task::yield_now().await;
            }
        }));
    }
    for db in [one.clone(), other.clone()] {
        let stop = Arc::clone(&stop);
        tasks.push(tokio::spawn(async move {
            for id in (1..=600).cycle() {
                if stop.load(SeqCst) {
                    return;
                }
                Sqlite::number(&db, &format!("SELECT length(text) FROM large WHERE id = {id} AND text <> 'x'"))
                    .await
                    .expect("no error because of Redis");
                let sql = format!("SELECT text FROM large WHERE id = {id}");
                let text: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&db).await.expect("no error because of Redis");
                assert_eq!(text.len(), 8000);
            }
        }));
    }
    let evicted = || -> u64 {
        let stats: String = redis.cli(&["INFO", "stats"]);
        stats.lines().find_map(|line| line.strip_prefix("evicted_keys:")).unwrap().trim().parse().unwrap()
    };
    let since = Instant::now();
    let is_full = || if policy == "noeviction" { one.stats().store_errors > 20 } else { evicted() > 100 };
    while since.elapsed() < Duration::from_secs(3) || !is_full() || acknowledged.load(SeqCst) <= 20 {
        assert!(since.elapsed() < Duration::from_mins(2), "it was never full");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    let evicted = evicted();
    println!(
        "{policy}, near {near}: {} reads of a row written {} times, {} hits, {evicted} keys evicted, {} store errors, {} stale",
        reads.load(SeqCst),
        acknowledged.load(SeqCst),
        one.stats().hits + other.stats().hits,
        one.stats().store_errors + other.stats().store_errors,
        stale.load(SeqCst)
    );
    assert!(one.stats().hits + other.stats().hits > 0, "nothing was put to the test");
    assert_eq!(stale.load(SeqCst), 0);
    if policy == "noeviction" {
        // As soon as there is room again, everything is as before.
        redis.cli::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    }
    home.resumes(&one, &read("counters")).await;
    home.resumes(&other, &read("counters")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_evicted_is_a_miss() {
    under_load("allkeys-lru", false).await;
    under_load("allkeys-random", false).await;
    under_load("allkeys-lru", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_stored_is_not() {
    under_load("noeviction", false).await;
}
