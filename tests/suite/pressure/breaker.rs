//! With the breaker open reads go straight to the database, and what is written meanwhile is delivered once it closes.

use crate::faults::kit::{Home, LEASE, READ, Server, WRITE, eventually};
use crate::support::Redis;
use sqlx::{Postgres, Sqlite};
use sqlx_cached::{CachingExecutor, Reason};
use std::time::{Duration, Instant};

async fn impatient<DB: Server>(home: &Home<DB>, redis: &Redis) -> CachingExecutor<DB> {
    home.build(|builder| builder.redis_url(&redis.url()).redis_timeout(Duration::from_millis(150)).near_bytes(0).fence_lease(LEASE)).await
}

/// Reads until the breaker is open; returns how many that took.
async fn opens<DB: Server>(home: &Home<DB>, executor: &CachingExecutor<DB>) -> u32 {
    let (since, mut reads) = (Instant::now(), 0);
    while !executor.health().await.breaker_open {
        home.check(executor, READ).await;
        reads += 1;
        assert!(reads < 100);
    }
    println!("open after {:?} and {reads} reads", since.elapsed());
    reads
}

async fn closes<DB: Server>(executor: &CachingExecutor<DB>) {
    eventually("the breaker closes", async || !executor.health().await.breaker_open).await;
}

/// How many reads the breaker kept from the store, and how many the store failed.
fn kept_away<DB: Server>(executor: &CachingExecutor<DB>) -> (u64, u64) {
    let stats = executor.stats();
    let reads = |reason| stats.not_stored.get(&reason).copied().unwrap_or_default();
    (reads(Reason::Open), reads(Reason::Store))
}

async fn hangs<DB: Server>() {
    let (home, redis) = (DB::home().await, Redis::start());
    let (executor, other) = (impatient(&home, &redis).await, impatient(&home, &redis).await);
    home.resumes(&executor, READ).await;
    home.resumes(&other, READ).await;
    for round in 1..=3 {
        redis.pause();
        opens(&home, &executor).await;
        assert_eq!(executor.stats().breaker_opened, round);
        let before = kept_away(&executor);
        for _ in 0..100 {
            home.check(&executor, READ).await;
        }
        assert_eq!(kept_away(&executor), (before.0 + 100, before.1), "not one asks the store");
        let health = executor.health().await;
        assert!(health.store.clone().is_some_and(|store| store.unwrap_err().contains("left alone")) && !health.is_caching(), "{health:?}");
        // Writes go on, and this process knows of them.
        DB::run(&executor, WRITE).await.unwrap();
        let mut transaction = executor.begin().await.unwrap();
        DB::run_in(&mut transaction, WRITE).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(executor.health().await.distrusted, 1);
        let value = home.check(&executor, READ).await;
        redis.resume();
        closes(&executor).await;
        eventually("what was kept is delivered", async || {
            home.check(&executor, READ).await;
            executor.health().await.distrusted == 0
        })
        .await;
        // So the others, too, know of it.
        closes(&other).await;
        assert_eq!(home.check(&other, READ).await, value);
        home.resumes(&executor, READ).await;
        home.resumes(&other, READ).await;
        let before = kept_away(&executor);
        home.check(&executor, READ).await;
        assert_eq!(kept_away(&executor), before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hangs_postgres() {
    hangs::<Postgres>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hangs_sqlite() {
    hangs::<Sqlite>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_gone_and_comes_back() {
    let (home, mut redis) = (Sqlite::home().await, Redis::start());
    let executor = impatient(&home, &redis).await;
    home.resumes(&executor, READ).await;
    redis.kill();
    assert!(opens(&home, &executor).await <= 5, "no connection is a failure at once");
    let old = home.direct(READ).await;
    Sqlite::run(&executor, WRITE).await.unwrap();
    redis.restart();
    closes(&executor).await;
    home.resumes(&executor, READ).await;
    assert_eq!(home.check(&executor, READ).await, old + 1);
}

/// What is near would be believed for long yet. But who can't reach the store can't be told either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_open_nothing_near_is_trusted() {
    let (home, redis) = (Sqlite::home().await, Redis::start());
    let executor = home
        .build(|builder| {
            let builder = builder.redis_url(&redis.url()).redis_timeout(Duration::from_millis(150)).fence_lease(LEASE);
            builder.near_bytes(1 << 20).near_staleness(Duration::from_secs(3600))
        })
        .await;
    let near = async || {
        let before = executor.stats().near_hits;
        home.check(&executor, READ).await;
        executor.stats().near_hits > before
    };
    eventually("it is near", near).await;
    redis.pause();
    assert!(near().await);
    while !executor.health().await.breaker_open {
        home.check(&executor, "SELECT v FROM others WHERE id = 1").await;
    }
    assert!(!near().await);
    redis.resume();
    closes(&executor).await;
    eventually("it is near", near).await;
}

/// A server that is busy for longer than a deadline, once, is not given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_slow_command_does_not_open_it() {
    let (home, redis) = (Sqlite::home().await, Redis::start());
    let executor = impatient(&home, &redis).await;
    home.resumes(&executor, READ).await;
    let busy = tokio::task::spawn_blocking(move || {
        redis.cli::<String>(&["DEBUG", "SLEEP", "0.2"]);
        redis
    });
    // Many at once, as in a server: all those under way fail together.
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(600) {
        futures_util::future::join_all((0..8).map(|_| home.check(&executor, READ))).await;
    }
    let stats = executor.stats();
    assert!(stats.store_errors > 0 && stats.breaker_opened == 0, "{stats}");
    drop(busy.await.unwrap());
}
