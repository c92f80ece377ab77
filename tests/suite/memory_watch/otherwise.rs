//! A Redis without a limit, one that does not tell, one that dies, and the store that needs no watch.

use super::kit::{DOCUMENTS, documents, executor, memory, pressure, read, small_redis, watch};
use crate::faults::kit::{LEASE, READ, Server, eventually};
use crate::support::Redis;
use crate::support::log::Log;
use sqlx::Sqlite;
use sqlx_cached::Pressure;
use std::time::Duration;
use tracing::Level;

#[tokio::test]
async fn without_maxmemory_there_is_nothing_to_compare_with_which_is_said_once() {
    let (home, redis) = (Sqlite::home().await, Redis::start());
    let (log, _guard) = Log::start(Level::INFO);
    let db = executor(&home, &redis, |builder| builder).await;
    eventually("the watch has looked", async || memory(&db).await.is_some()).await;
    let first = memory(&db).await.unwrap();
    assert!(first.used > 0 && first.limit.is_none() && first.pressure == Pressure::Normal, "{first:?}");
    // Somebody sets one while it runs, and takes it away: the watch looks on.
    redis.cli::<()>(&["CONFIG", "SET", "maxmemory", "100mb"]);
    eventually("the limit is seen", async || memory(&db).await.unwrap().limit == Some(100 << 20)).await;
    redis.cli::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    eventually("it is gone", async || memory(&db).await.unwrap().limit.is_none()).await;
    home.resumes(&db, READ).await;
    assert_eq!(log.text().matches("has no maxmemory").count(), 2, "once each time: {}", log.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_ones_own_stands_in_for_maxmemory() {
    let (home, redis) = (documents().await, Redis::start());
    let db = executor(&home, &redis, |builder| builder.near_bytes(0).memory_watch(watch().limit(4 << 20))).await;
    eventually("the watch has looked", async || memory(&db).await.is_some_and(|memory| memory.limit == Some(4 << 20))).await;
    let mut next = 1;
    while pressure(&db).await != Pressure::Full {
        read(&home, &db, next).await;
        next += 1;
        assert!(next < DOCUMENTS);
    }
    let used = memory(&db).await.unwrap().used;
    assert!(used * 10 >= (4 << 20) * 9, "{used}");
    // Of the two limits the lesser counts.
    redis.cli::<()>(&["CONFIG", "SET", "maxmemory", "3900000"]);
    eventually("maxmemory is less", async || memory(&db).await.unwrap().limit == Some(3_900_000)).await;
}

#[tokio::test]
async fn a_user_who_may_not_ask_has_no_watch_which_is_said_once() {
    let home = Sqlite::home().await;
    let redis = Redis::configured().user("cache", &["on", ">secret", "~*", "+@all", "-info"]).start();
    let (log, _guard) = Log::start(Level::INFO);
    let url = format!("{}?user=cache&pass=secret", redis.url());
    let db = executor(&home, &redis, |builder| builder.redis_url(&url)).await;
    eventually("it is said", async || log.text().contains("the memory watch is off")).await;
    home.resumes(&db, READ).await;
    assert_eq!(memory(&db).await, None);
    assert_eq!((log.text().matches("memory watch").count(), db.stats().store_errors), (1, 0), "{}", log.text());
}

/// Who may not cut the time of what stands is told so once, and fills nothing all the same.
#[tokio::test]
async fn a_user_who_may_not_shorten_is_told_once() {
    let home = Sqlite::home().await;
    let redis = Redis::configured()
        .user("cache", &["on", ">secret", "~*", "+@all", "-pexpire"])
        .arguments(&["--maxmemory", "8mb", "--maxmemory-policy", "noeviction"])
        .start();
    let url = format!("{}?user=cache&pass=secret", redis.url());
    let plain = executor(&home, &redis, |builder| builder.near_bytes(0)).await;
    home.resumes(&plain, READ).await;
    let (log, _guard) = Log::start(Level::INFO);
    let db = executor(&home, &redis, |builder| builder.redis_url(&url).memory_watch(watch().thresholds(1, 2))).await;
    eventually("it is said", async || log.text().contains("operation=\"shorten\"")).await;
    let looks = redis.monitor();
    // The next looks find it full, too.
    eventually("some looks later", {
        let mut looks = looks;
        let mut seen = 0;
        async move || {
            seen += looks.commands().iter().filter(|words| words.iter().any(|word| word == "memory")).count();
            seen > 5
        }
    })
    .await;
    assert_eq!(pressure(&db).await, Pressure::Full);
    home.check(&db, READ).await;
    assert_eq!(log.text().matches("operation=\"shorten\"").count(), 1, "{}", log.text());
}

/// While it is away the last state stays, and whoever reads is answered; what comes back is empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_dies_full_comes_back_empty() {
    let (home, mut redis) = (documents().await, small_redis());
    let db = executor(&home, &redis, |builder| builder.redis_timeout(Duration::from_millis(300)).near_bytes(0)).await;
    let mut next = 1;
    while pressure(&db).await != Pressure::Full {
        read(&home, &db, next).await;
        next += 1;
        assert!(next < DOCUMENTS);
    }
    redis.kill();
    eventually("the breaker opens", async || {
        read(&home, &db, 1).await;
        db.health().await.breaker_open
    })
    .await;
    assert_eq!(pressure(&db).await, Pressure::Full, "nobody knows better");
    read(&home, &db, 2).await;
    redis.restart();
    eventually("there is room", async || pressure(&db).await == Pressure::Normal).await;
    home.resumes(&db, READ).await;
}

/// It makes room by itself, by what is used least.
#[tokio::test]
async fn the_embedded_store_needs_no_watch() {
    let home = documents().await;
    let (log, _guard) = Log::start(Level::INFO);
    let db =
        home.build(|builder| builder.memory_bytes(1 << 20).near_bytes(0).memory_watch(watch().thresholds(1, 2)).fence_lease(LEASE)).await;
    eventually("it is said", async || log.text().contains("there is no memory to watch")).await;
    for id in 1..=100 {
        read(&home, &db, id).await;
    }
    let seen = memory(&db).await.unwrap();
    assert!(seen.used > 0 && seen.used <= 1 << 20 && seen.limit == Some(1 << 20) && seen.pressure == Pressure::Normal, "{seen:?}");
    assert!(db.stats().fills >= 100);
}

/// The watch holds the store, and the store its connection: both go with the executor.
#[tokio::test]
async fn the_watch_ends_with_the_executor() {
    let (home, redis) = (Sqlite::home().await, small_redis());
    let clients = || redis.cli::<String>(&["CLIENT", "LIST", "TYPE", "normal"]).lines().count();
    let alone = clients();
    let db = executor(&home, &redis, |builder| builder.near_bytes(0)).await;
    eventually("the watch has looked", async || memory(&db).await.is_some()).await;
    assert!(clients() > alone);
    drop(db);
    eventually("nobody is connected any more", async || clients() == alone).await;
}

/// A setting that makes no sense is an error that names it.
#[tokio::test]
async fn a_bad_watch_is_refused_by_name() {
    let home = Sqlite::home().await;
    let pool = home.pool().await;
    let built = sqlx_cached::CachingExecutor::builder(pool).memory_watch(watch().thresholds(90, 80)).build().await;
    let error = built.map(|_| ()).unwrap_err();
    assert!(error.is_setting() && error.to_string().contains("memory_watch.thresholds") && error.to_string().contains("90,80"), "{error}");
}
