//! Redis gone, slow, full, spoilt, and forbidding.

use crate::faults::kit::{Cache as Place, Home, READ, Server, eventually, redis_store};
use crate::support::Redis;
use crate::support::log::Log;
use sqlx::Sqlite;
use sqlx_cached::store::{DayBatch, RedisAddress, RedisConfig};
use sqlx_cached::{Cache, CachingExecutor};
use std::time::Duration;
use tracing::Level;

/// An executor as a program has it: behind its breaker. A busy machine keeps its deadline.
async fn executor(redis: &Redis, home: &Home<Sqlite>) -> CachingExecutor<Sqlite> {
    let socket = redis.socket();
    home.build(|builder| builder.redis_socket(socket.to_str().unwrap()).redis_timeout(Duration::from_secs(2)).near_bytes(0)).await
}

/// What a Redis that hangs was sent it may carry out later: it is counted once all the same.
#[tokio::test]
async fn what_arrives_late_is_counted_once() {
    let redis = Redis::start();
    let home = Sqlite::home().await;
    let db = executor(&redis, &home).await;
    // A batch that was on its way before.
    home.check(&db, READ).await;
    db.days().await.unwrap();
    let cache = db.cache();
    for _ in 0..5 {
        cache.set("user:7", &1).await.unwrap();
        cache.get::<i32>("user:7").await.unwrap();
    }
    redis.pause();
    for _ in 0..4 {
        // The first ones are sent, and not answered in time; then the breaker opens, and keeps it to itself.
        assert!(db.days().await.is_err());
    }
    redis.resume();
    eventually("Redis answers again", async || db.days().await.is_ok()).await;
    let day = &db.days().await.unwrap()[0];
    assert_eq!((day.hits, day.misses, day.fills), (5, 1, 1 + 5), "{day:#?}");
    let batches: Vec<String> = redis.cli(&["KEYS", "sql-days:*:*"]);
    assert_eq!(batches.len(), 1, "of one process");
}

/// What is counted while Redis is away is delivered when it is back; what it has lost it has lost.
#[tokio::test]
async fn what_is_counted_meanwhile_is_delivered_later() {
    let mut redis = Redis::start();
    let home = Sqlite::home().await;
    let db = executor(&redis, &home).await;
    home.check(&db, READ).await;
    db.days().await.unwrap();
    redis.cli::<()>(&["SAVE"]);
    redis.kill();
    for _ in 0..10 {
        home.check(&db, READ).await;
    }
    assert!(db.days().await.unwrap_err().is_store());
    redis.restart();
    let told = async || db.days().await.ok().and_then(|days| days.into_iter().next());
    eventually("it answers again", async || told().await.is_some()).await;
    let day = told().await.unwrap();
    assert_eq!((day.misses, day.operations["counters:data"].misses), (11, 11), "{day:#?}");
    assert!(day.store_errors > 0);
}

#[tokio::test]
async fn a_batch_is_added_once_whenever_it_comes() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let days = store.days().unwrap();
    let hits = async || days.numbers_of(&["2026-11-22".to_owned()]).await.unwrap()[0].get("hits").copied();
    let add = async |writer, number| {
        let numbers = [("hits".to_owned(), 1)].into();
        days.add_to_day("2026-11-22", &numbers, DayBatch { writer, number }).await.unwrap();
    };
    assert_eq!(hits().await, None);
    for number in [1, 1, 2, 1, 2, 9, 10, 9] {
        add(7, number).await;
    }
    assert_eq!(hits().await, Some(4), "1, 2, 9 and 10");
    add(8, 1).await;
    assert_eq!(hits().await, Some(5));
}

/// What somebody else has put there does not hold up the rest, and nothing is read out of it.
#[tokio::test]
async fn what_is_spoilt_is_passed_over() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let days = store.days().unwrap();
    let today = ["2026-11-22".to_owned()];
    redis.cli::<()>(&["HSET", "sql-days:2026-11-22", "hits", "many", "misses", "9223372036854775807", "writes", "-5", "x", "\u{1}"]);
    redis.cli::<()>(&["EVAL", "redis.call('HSET', KEYS[1], '\\255', 1, 'near_hits', '\\255')", "1", "sql-days:2026-11-22"]);
    let numbers = ["hits", "misses", "fills"].map(|name| (name.to_owned(), 2)).into();
    assert!(days.add_to_day(&today[0], &numbers, DayBatch { writer: 1, number: 1 }).await.is_err(), "it is told");
    days.add_to_day(&today[0], &numbers, DayBatch { writer: 1, number: 1 }).await.expect("and not tried again");
    assert_eq!(days.numbers_of(&today).await.unwrap(), [[("misses".to_owned(), i64::MAX as u64), ("fills".to_owned(), 2)].into()]);
    redis.cli::<()>(&["SET", "sql-days:2026-11-22", "text"]);
    assert!(days.numbers_of(&today).await.is_err());
    let many = (0..5000).map(|operation| (format!("hits@{operation:05}"), 1)).collect();
    for (day, writer) in [("2026-11-21", 1), ("2026-11-21", 2)] {
        days.add_to_day(day, &many, DayBatch { writer, number: 1 }).await.unwrap();
    }
    let more = (6000..7000).map(|operation| (format!("hits@{operation:05}"), 1)).chain([("hits".to_owned(), 3)]).collect();
    days.add_to_day("2026-11-21", &more, DayBatch { writer: 1, number: 2 }).await.unwrap();
    let numbers = &days.numbers_of(&["2026-11-21".to_owned()]).await.unwrap()[0];
    assert_eq!((numbers["hits@other"], numbers["hits@00001"], numbers["hits"]), (1000, 2, 3), "a day has room for so many");
}

/// The words after "For the counters by the day also" in the README.
fn documented() -> Vec<&'static str> {
    let readme = include_str!("../../../README.md");
    let words = |start: &str| -> Vec<&'static str> {
        let rest = readme.split_once(start).expect("the README names the rights").1;
        rest.split_once("```").expect("a block of code").0.split_whitespace().collect()
    };
    let mut rules = words("ACL SETUSER cache ");
    rules.extend(words("For the [counters by the day](#insight) also:\n\n```text\n"));
    rules
}

#[tokio::test]
async fn each_documented_right_is_needed_and_one_less_is_told_once() {
    let rules = documented();
    let redis = Redis::configured().user("cache", &rules).start();
    let home = Sqlite::home().await;
    for right in [None, Some("+hincrby"), Some("+hlen"), Some("+hexists"), Some("+pexpire"), Some("+hgetall"), Some("~sql-days:*")] {
        redis.cli::<()>(&["FLUSHALL"]);
        redis.cli::<()>(&["SCRIPT", "FLUSH"]);
        let rules: Vec<&str> = rules.iter().copied().filter(|rule| Some(*rule) != right).collect();
        redis.cli::<()>(&[&["ACL", "SETUSER", "cache", "reset"][..], &rules].concat());
        let (log, _guard) = Log::start(Level::INFO);
        let mut config = RedisConfig::new(RedisAddress::Socket(redis.socket()));
        (config.username, config.password) = (Some("cache".into()), Some("secret".into()));
        config.timeout = Duration::from_secs(5);
        let store = || {
            let store = sqlx_cached::store::RedisStore::new(&config, sqlx_cached::store::Keyspace::new("sql")).unwrap();
            std::sync::Arc::new(store)
        };
        // Full, so that every command of the script is run.
        redis.cli::<()>(&[
            "EVAL",
            "for i = 1, 4096 do redis.call('HSET', KEYS[1], 'hits@' .. i, 1) end",
            "1",
            &format!("sql-days:{}", today()),
        ]);
        let db = home.build(|builder| builder.store(store())).await;
        home.check(&db, READ).await;
        home.check(&db, READ).await;
        let told = db.days().await;
        match right {
            None => assert_eq!((told.unwrap()[0].hits, log.text().contains("WARN")), (1, false), "{}", log.text()),
            Some("+hgetall" | "~sql-days:*") => assert!(told.is_err(), "{right:?}"),
            // What others count can be seen.
            Some(right) => assert!(told.is_ok_and(|days| right == "+pexpire" || days[0].misses == 0), "{right}"),
        }
        if let Some(right) = right.filter(|right| *right != "+hgetall") {
            for _ in 0..3 {
                home.check(&db, READ).await;
                let _ = db.days().await;
            }
            let warnings: Vec<_> = log.text().lines().filter(|line| line.contains("WARN")).map(str::to_owned).collect();
            assert!(warnings.len() == 1 && warnings[0].contains("by the day"), "{right}: {warnings:?}");
            assert_eq!((db.stats().store_errors, db.stats().hits), (0, 4), "{right}: nothing else is amiss");
        }
    }
}

/// As Redis' own clock says it, which is the machine's.
fn today() -> String {
    let days = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    let date = chrono::DateTime::from_timestamp(i64::try_from(days * 86_400).unwrap(), 0).unwrap();
    date.format("%Y-%m-%d").to_string()
}

/// A Redis that is full refuses, and is told what it missed as soon as it has room.
#[tokio::test]
async fn a_full_redis_gets_it_later() {
    let redis = Redis::start();
    let home = Sqlite::home().await;
    let db = executor(&redis, &home).await;
    home.check(&db, READ).await;
    home.check(&db, READ).await;
    redis.cli::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(db.days().await.unwrap(), [], "it can be read");
    redis.cli::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    let day = &db.days().await.unwrap()[0];
    assert_eq!((day.hits, day.misses), (1, 1));
}

/// The names lie where nothing that this library deletes or takes for an entry lies.
#[tokio::test]
async fn nobody_else_takes_them_for_theirs() {
    let place = Place::redis();
    let home = Sqlite::home().await;
    let db = home.executor(place.store()).await;
    home.check(&db, READ).await;
    assert!(db.days().await.is_ok());
    assert!(Cache::builder().prefix("sql-days").build().await.unwrap_err().is_setting());
    let cache = Cache::builder().prefix("sql-day").store(place.store()).build().await.unwrap();
    assert_eq!(cache.keys("*", 100).await.unwrap(), Vec::<String>::new());
    assert!(db.invalidate("sql-days:*").await.is_err(), "outside the namespace");
    db.invalidate("sql:*").await.unwrap();
    cache.delete_pattern("*").await.unwrap();
    cache.clear().await;
    db.clear().await.unwrap();
    assert_eq!(db.days().await.unwrap()[0].misses, 1);
}
