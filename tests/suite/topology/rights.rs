//! The rights that the README names, and no other. One less is told in the log, and harms nobody.

use super::kit::{executor_with, names, store_with};
use crate::faults::kit::{Home, READ, Server, WRITE};
use crate::store_contract::{contract, contract_of_many, create, id, redis_store_at, standing, table};
use crate::support::Redis;
use crate::support::log::Log;
use crate::support::redis_cluster::RedisCluster;
use futures_util::FutureExt;
use sqlx::Sqlite;
use sqlx_cached::store::{CacheStore, Creation, RedisAddress, RedisConfig};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tracing::Level;

/// The words after `ACL SETUSER cache` in the README, and those that a cluster adds.
fn documented() -> (Vec<&'static str>, Vec<&'static str>) {
    let readme = include_str!("../../../README.md");
    let words = |start: &str| -> Vec<&'static str> {
        let rest = readme.split_once(start).expect("the README names the rights").1;
        rest.split_once("```").expect("a block of code").0.split_whitespace().collect()
    };
    (words("ACL SETUSER cache "), words("In a cluster also:\n\n```text\n"))
}

fn login(config: &mut RedisConfig) {
    config.username = Some("cache".into());
    config.password = Some("secret".into());
}

/// What the contract leaves out: a lease that ran out.
async fn lapse(store: &dyn CacheStore) {
    let tag = table("lapsed");
    store.begin(std::slice::from_ref(&tag), &id("a"), Duration::from_millis(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(create(store, &tag).await, Creation::Lapsed(vec![id("a")]));
    store.clear_lapsed(&tag, &[id("a")]).await.unwrap();
}

/// A fence that is guarded against its loss.
async fn guard(redis: &Redis) {
    let store = redis_store_at(RedisAddress::Socket(redis.socket()), |config| {
        login(config);
        config.fence_guard = Some(Duration::from_millis(5));
    });
    let tag = table("guarded");
    assert_eq!(create(&store, &tag).await, Creation::Fenced);
    tokio::time::sleep(Duration::from_millis(10)).await;
    standing(&store, &tag).await;
}

#[tokio::test]
async fn the_documented_rights_are_enough_and_each_is_needed() {
    let (rules, _) = documented();
    let redis = Redis::configured().user("cache", &rules).start();
    let near = |config: &mut RedisConfig| {
        login(config);
        config.near = true;
    };
    let store = redis_store_at(RedisAddress::Socket(redis.socket()), near);
    contract(&store).await;
    lapse(&store).await;
    guard(&redis).await;
    let numbered = redis_store_at(RedisAddress::Socket(redis.socket()), |config| {
        login(config);
        config.db = Some(2);
    });
    assert!(numbered.ping().await.is_err(), "another database takes +select");
    redis.cli::<()>(&["ACL", "SETUSER", "cache", "+select"]);
    let numbered = redis_store_at(RedisAddress::Socket(redis.socket()), |config| {
        login(config);
        config.db = Some(2);
    });
    contract(&numbered).await;

    for right in rules.iter().filter_map(|rule| rule.strip_prefix('+')) {
        // These give up something, and the contract holds: below, and in the tests of the near cache.
        if matches!(right, "info" | "hello" | "client|tracking" | "client|caching") {
            continue;
        }
        redis.cli::<()>(&["FLUSHALL"]);
        redis.cli::<()>(&["SCRIPT", "FLUSH"]);
        redis.cli::<()>(&["ACL", "SETUSER", "cache", &format!("-{right}")]);
        let store = redis_store_at(RedisAddress::Socket(redis.socket()), login);
        let less = async {
            contract(&store).await;
            lapse(&store).await;
            guard(&redis).await;
        };
        assert!(AssertUnwindSafe(less).catch_unwind().await.is_err(), "it goes without +{right}");
        redis.cli::<()>(&["ACL", "SETUSER", "cache", &format!("+{right}")]);
    }
}

#[tokio::test]
async fn a_cluster_takes_two_more() {
    let (mut rules, more) = documented();
    rules.extend(&more);
    let cluster = RedisCluster::configured(|server| server.user("cache", &rules)).await;
    for near in [false, true] {
        let store = store_with(&cluster, |config| {
            login(config);
            config.near = near;
        });
        contract_of_many(&store, &names()).await;
        lapse(&store).await;
        // A key on its way to another server.
        let tag = [table("ta")];
        let generation = names().generation(&tag[0]);
        let from = cluster.owner(&generation);
        cluster.begin_migration(&generation, (from + 1) % 3);
        store.begin(&tag, &id("a"), Duration::from_secs(30)).await.unwrap();
        for (right, needed) in [("asking", "asking"), ("cluster|slots", "cluster|slots")] {
            for node in cluster.nodes() {
                node.cli::<()>(&["ACL", "SETUSER", "cache", &format!("-{right}")]);
            }
            let less = store_with(&cluster, login);
            let error = less.begin(&tag, &id("b"), Duration::from_secs(30)).await.unwrap_err().to_string();
            assert!(error.contains("permissions") && error.contains(needed), "{error}");
            for node in cluster.nodes() {
                node.cli::<()>(&["ACL", "SETUSER", "cache", &format!("+{right}")]);
            }
        }
        store.end(&tag, &id("a")).await.unwrap();
        cluster.end_migration(&generation, from, (from + 1) % 3);
        cluster.until_whole().await;
    }
}

/// Each right less is told in the log, and the program does not notice.
#[tokio::test]
async fn a_right_less_is_told_and_harms_nobody() {
    let (rules, _) = documented();
    let redis = Redis::configured().user("cache", &rules).start();
    let home = Sqlite::home().await;
    for right in ["mget", "set", "evalsha", "script|load", "info", "time", "zadd", "scan", "client|tracking"] {
        redis.cli::<()>(&["FLUSHALL"]);
        redis.cli::<()>(&["SCRIPT", "FLUSH"]);
        redis.cli::<()>(&["ACL", "SETUSER", "cache", &format!("-{right}")]);
        let (log, _guard) = Log::start(Level::INFO);
        let near = right == "client|tracking";
        let db = executor_with(&home, RedisAddress::Socket(redis.socket()), |config| {
            login(config);
            config.near = near;
        })
        .await;
        for _ in 0..3 {
            home.check(&db, READ).await;
            home.check(&db, READ).await;
            Sqlite::run(&db, WRITE).await.unwrap();
        }
        home.check(&db, READ).await;
        // The reclaim comes a moment after a write.
        let words = ["permission", "can't run this command", "rights", "+info"];
        // What can't be counted by the day is told besides.
        let is_told = |line: &str| line.contains("WARN") && !line.contains("by the day") && words.iter().any(|word| line.contains(word));
        let told = |text: &str| text.lines().any(is_told);
        let mut waited = 0;
        while !told(&log.text()) {
            waited += 1;
            assert!(waited < 400, "nobody says that +{right} is missing: {}", log.text());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!log.text().contains("secret"), "{}", log.text());
        let line = log.text().lines().find(|line| line.contains("WARN")).unwrap_or_default().to_owned();
        println!("-{right}: {line}");
        redis.cli::<()>(&["ACL", "SETUSER", "cache", &format!("+{right}")]);
    }
}

/// The administrator's password is not the cache's business, and a wrong one is told without being shown.
#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let redis = Redis::configured().user("cache", &["on", ">secret", "~*", "+@all"]).start();
    let home: Home<Sqlite> = Sqlite::home().await;
    let (log, _guard) = Log::start(Level::INFO);
    let db = executor_with(&home, RedisAddress::Socket(redis.socket()), |config| {
        config.username = Some("cache".into());
        config.password = Some("wr0ng".into());
    })
    .await;
    home.check(&db, READ).await;
    assert!(log.text().contains("WRONGPASS") || log.text().contains("uthentication"), "{}", log.text());
    assert!(!log.text().contains("wr0ng"), "{}", log.text());
}
