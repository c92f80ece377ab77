//! What a probe leaves alone.

use super::kit::{NEAR, found, probing, probing_with, read_until, store};
use crate::faults::kit::{Cache, Gates, Point, READ, Server, each, eventually};
use sqlx::{Postgres, Sqlite};
use sqlx_cached::{CachingExecutor, Freshness};
use std::sync::Arc;
use std::time::Duration;

each! {
    nothing_is_taken_from_others: Postgres MySql Sqlite;
    a_dropped_executor_ends_its_probe: Postgres MySql Sqlite;
}

/// Neither a connection of an exhausted pool, nor a count of hits and misses, nor an entry.
async fn nothing_is_taken_from_others<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    for near in NEAR {
        let executor = probing(&home, store(&cache, near), near).await;
        home.resumes(&executor, READ).await;
        let mut taken = Vec::new();
        while taken.len() < 8 {
            taken.push(executor.acquire().await.expect("a connection"));
        }
        // A probe that began before may have had one.
        executor.reset_stats();
        let before = found(&executor);
        for _ in 0..200 {
            DB::number(&executor, READ).await.expect("a number");
        }
        let stats = executor.stats();
        assert_eq!((stats.hits, stats.misses, stats.fills), (200, 0, 0), "{}", DB::NAME);
        assert!(stats.freshness.checked <= before.checked + 1, "{}: {}", DB::NAME, stats.freshness);
        drop(taken);
        let found = read_until(&executor, READ, "a probe", |found| found.checked > 3).await;
        assert_eq!(found.stale, 0);
        let stats = executor.stats();
        assert_eq!((stats.misses, stats.fills, stats.latency.miss.count, stats.latency.database.count), (0, 0, 0, 0), "{}", DB::NAME);
    }
}

/// A probe waits for the store, and is not waited for.
async fn a_dropped_executor_ends_its_probe<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let gates = Gates::over(store(&cache, 0));
    let executor = probing(&home, gates.clone(), 0).await;
    DB::number(&executor, READ).await.expect("a number");
    // The hit's own look-up, then that of its probe.
    let mut hit = gates.hold(Point::LookedUp);
    let reading = tokio::spawn(DB::number(&executor, READ));
    hit.reached().await;
    let mut probe = gates.hold(Point::LookedUp);
    hit.release();
    reading.await.expect("no panic").expect("a number");
    probe.reached().await;
    drop(executor);
    eventually("nobody has the store", async || Arc::strong_count(&gates) == 1).await;
    drop(probe);
}

/// Asks for hits, and says whether somebody else came to the store meanwhile.
async fn is_probed<DB: Server>(gates: &Gates, executor: &CachingExecutor<DB>, sql: &str) -> bool {
    DB::number(executor, sql).await.expect("a number");
    let before = gates.looked_up();
    for _ in 0..20 {
        DB::number(executor, sql).await.expect("a number");
        // Where a probe was begun, it comes to the store before this does.
        tokio::task::yield_now().await;
    }
    assert_eq!(executor.stats().misses, 1, "{sql} is answered from the store");
    gates.looked_up() != before + 20
}

/// One thread, so that who was begun first runs first.
#[tokio::test]
async fn what_cannot_be_read_again_is_not_probed() {
    const DEAR: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT (SELECT COUNT(*) FROM n) + v FROM counters WHERE id = 1";
    let home = Sqlite::home().await;
    let of_share = |share| {
        let home = &home;
        async move {
            let gates = Gates::over(Cache::memory().store());
            let executor = probing_with(home, gates.clone(), 0, |builder| builder.freshness_probe(share)).await;
            (gates, executor)
        }
    };
    let (gates, executor) = of_share(1.0).await;
    assert!(is_probed(&gates, &executor, READ).await, "the others would mean nothing");
    let (gates, executor) = of_share(0.0).await;
    assert!(!is_probed(&gates, &executor, READ).await, "the share is zero");
    let (gates, executor) = of_share(1.0).await;
    assert!(!is_probed(&gates, &executor.scope("tenant"), READ).await, "a scope");
    let (gates, executor) = of_share(1.0).await;
    assert!(!is_probed(&gates, &executor, "SELECT COUNT(*) FROM sqlite_master").await, "what the database says of itself");
    let (gates, executor) = of_share(1.0).await;
    assert!(!is_probed(&gates, &executor, DEAR).await, "a read that takes long");
}

/// A probe that waits for a lock gives its connection back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_hangs_is_given_up() {
    let home = Postgres::home().await;
    let executor = probing(&home, Cache::memory().store(), NEAR[0]).await;
    home.resumes(&executor, READ).await;
    let mut lock = home.plain.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE counters IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.expect("a lock");
    let before = found(&executor);
    let now = read_until(&executor, READ, "given up", |found| found.undecided > before.undecided).await;
    assert_eq!(now.stale, 0);
    lock.rollback().await.expect("the end");
    read_until(&executor, READ, "a probe", |found| found.checked > now.checked).await;
    // A pool that is being closed waits for nobody.
    tokio::time::timeout(Duration::from_secs(20), executor.close()).await.expect("closed");
}

#[tokio::test]
async fn a_share_that_is_none_is_refused_by_name() {
    for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let error = CachingExecutor::builder(Sqlite::home().await.pool().await).freshness_probe(share).build().await.unwrap_err();
        assert!(error.to_string().contains("freshness_probe"), "{error}");
    }
}

/// Who says nothing has no probe in the first minute, so nothing that is over by then has any.
#[tokio::test]
async fn nobody_is_probed_at_once_unless_he_asked() {
    let home = Sqlite::home().await;
    let executor = home.build(|builder| builder).await;
    home.resumes(&executor, READ).await;
    assert_eq!(found(&executor), Freshness::default());
}
