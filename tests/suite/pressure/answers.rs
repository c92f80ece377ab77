//! A Redis that answers, and refuses: no memory left, no snapshot written, a replica, one that is still loading. No error reaches a caller, nothing stale is served.

use crate::faults::kit::{Home, LEASE, READ, Server, WRITE, eventually};
use crate::support::Redis;
use sqlx::{Postgres, Sqlite};
use sqlx_cached::{CachingExecutor, UnfencedWrites, WriteRefused};
use std::time::Duration;

async fn executor<DB: Server>(home: &Home<DB>, redis: &Redis) -> CachingExecutor<DB> {
    home.build(|builder| builder.redis_url(&redis.url()).redis_timeout(Duration::from_secs(5)).near_bytes(0).fence_lease(LEASE)).await
}

/// Reads and writes go through, and no read is stale: in the writer's process, nor in another once everything is delivered.
async fn works<DB: Server>(home: &Home<DB>, executor: &CachingExecutor<DB>, other: &CachingExecutor<DB>) {
    for _ in 0..5 {
        let old = home.check(executor, READ).await;
        DB::run(executor, WRITE).await.unwrap();
        assert_eq!(home.check(executor, READ).await, old + 1);
        let mut transaction = executor.begin().await.unwrap();
        DB::run_in(&mut transaction, WRITE).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(home.check(executor, READ).await, old + 2);
    }
    // Removing takes no memory, and what can be delivered is.
    if executor.health().await.distrusted == 0 {
        home.check(other, READ).await;
    }
}

/// Refuses to write, and reads as before. Each is brought about, and ended, by these commands.
async fn refuses_to_write<DB: Server>(redis: Redis, begin: &[&[&str]], end: &[&[&str]], delivers: bool) {
    let home = DB::home().await;
    let (one, two) = (executor(&home, &redis).await, executor(&home, &redis).await);
    let others = "SELECT v FROM others WHERE id = 1";
    home.resumes(&one, READ).await;
    home.resumes(&two, READ).await;
    home.resumes(&one, others).await;
    for words in begin {
        redis.cli::<redis::Value>(words);
    }
    works(&home, &one, &two).await;
    let stats = one.stats();
    assert!(stats.store_errors > 0 && stats.breaker_opened == 0, "{stats}");
    // It still answers look-ups.
    home.check(&one, others).await;
    assert_eq!(one.stats().hits, stats.hits + 1, "{}", one.stats());
    if delivers {
        eventually("everything is delivered", async || one.health().await.distrusted == 0).await;
        home.check(&two, READ).await;
    }
    // Who asks for refusals has no write go through without its fence.
    let strict = home
        .build(|builder| {
            builder.redis_url(&redis.url()).redis_timeout(Duration::from_secs(5)).near_bytes(0).unfenced_writes(UnfencedWrites::Refuse)
        })
        .await;
    let refused = DB::run(&strict, WRITE).await.unwrap_err();
    assert!(WriteRefused::of(&refused).is_some(), "{refused}");
    for words in end {
        redis.cli::<redis::Value>(words);
    }
    eventually("everything is delivered", async || one.health().await.distrusted == 0).await;
    for executor in [&one, &two, &strict] {
        home.check(executor, READ).await;
        home.resumes(executor, READ).await;
    }
    DB::run(&strict, WRITE).await.unwrap();
    home.check(&two, READ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn out_of_memory() {
    let begin: &[&[&str]] = &[&["CONFIG", "SET", "maxmemory-policy", "noeviction"], &["CONFIG", "SET", "maxmemory", "1"]];
    let end: &[&[&str]] = &[&["CONFIG", "SET", "maxmemory", "0"]];
    refuses_to_write::<Sqlite>(Redis::start(), begin, end, true).await;
    refuses_to_write::<Postgres>(Redis::start(), begin, end, true).await;
}

/// A snapshot could not be written, so that it takes no writes (MISCONF).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_snapshot_can_be_written() {
    let redis = Redis::configured().arguments(&["--save", "3600 1000000", "--dbfilename", "taken"]).start();
    // Its name is that of a directory, once the server has looked for one to load.
    redis.cli::<String>(&["PING"]);
    std::fs::create_dir(redis.socket().with_file_name("taken")).unwrap();
    let home = Sqlite::home().await;
    let (one, two) = (executor(&home, &redis).await, executor(&home, &redis).await);
    home.resumes(&one, READ).await;
    home.resumes(&two, READ).await;
    redis.cli::<String>(&["BGSAVE"]);
    let persistence = || redis.cli::<String>(&["INFO", "persistence"]);
    eventually("the snapshot fails", async || persistence().contains("rdb_last_bgsave_status:err")).await;
    works(&home, &one, &two).await;
    let stats = one.stats();
    assert!(stats.store_errors > 0 && stats.undelivered_invalidations > 0 && stats.breaker_opened == 0, "{stats}");
    redis.cli::<String>(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]);
    eventually("everything is delivered", async || one.health().await.distrusted == 0).await;
    for executor in [&one, &two] {
        home.check(executor, READ).await;
        home.resumes(executor, READ).await;
    }
}

/// The primary became a replica of nobody who is there (READONLY): what it says may be old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn became_a_replica() {
    let (home, redis) = (Sqlite::home().await, Redis::start());
    let (one, two) = (executor(&home, &redis).await, executor(&home, &redis).await);
    home.resumes(&one, READ).await;
    home.resumes(&two, READ).await;
    redis.cli::<String>(&["REPLICAOF", "127.0.0.1", "1"]);
    works(&home, &one, &two).await;
    assert!(one.stats().store_errors > 0);
    redis.cli::<String>(&["REPLICAOF", "NO", "ONE"]);
    eventually("everything is delivered", async || one.health().await.distrusted == 0).await;
    for executor in [&one, &two] {
        home.check(executor, READ).await;
        home.resumes(executor, READ).await;
    }
}

/// It reads a snapshot, and says LOADING meanwhile. What it then knows is from before the writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_loading() {
    let home = Sqlite::home().await;
    let mut redis = Redis::configured().arguments(&["--loading-process-events-interval-bytes", "1024"]).start();
    let (one, two) = (executor(&home, &redis).await, executor(&home, &redis).await);
    home.resumes(&one, READ).await;
    home.resumes(&two, READ).await;
    // Enough keys that loading takes a while, since each is delayed.
    redis.cli::<String>(&["DEBUG", "POPULATE", "20000", "unrelated", "64"]);
    redis.cli::<String>(&["CONFIG", "SET", "key-load-delay", "100"]);
    redis.cli::<String>(&["SAVE"]);
    redis.kill();
    // The delay is a matter of the new process's configuration.
    redis.restart_with(&["--key-load-delay", "100"]);
    works(&home, &one, &two).await;
    let stats = one.stats();
    assert!(stats.store_errors > 0, "{stats}");
    redis.cli::<redis::Value>(&["CONFIG", "SET", "key-load-delay", "0"]);
    eventually("everything is delivered", async || one.health().await.distrusted == 0).await;
    for executor in [&one, &two] {
        home.check(executor, READ).await;
        home.resumes(executor, READ).await;
    }
}
