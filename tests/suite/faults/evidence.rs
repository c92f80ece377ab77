//! What Redis is asked, word by word.

use super::kit::{Cache, Home, READ, Server, WRITE, redis_store};
use crate::support::monitor::Monitor;
use sqlx::Sqlite;
use sqlx_cached::{CachingExecutor, Consistency, Invalidation};
use std::collections::BTreeSet;
use std::time::Duration;

const JOIN: &str = "SELECT counters.v FROM counters JOIN others ON others.id = counters.id WHERE counters.id = 1";

/// A read that was stored, and a monitor that starts after it.
async fn warm(cache: &Cache, home: &Home<Sqlite>, executor: &CachingExecutor<Sqlite>) -> Monitor {
    home.resumes(executor, READ).await;
    // Whatever the background still had to do after the start.
    tokio::time::sleep(Duration::from_millis(50)).await;
    cache.server().monitor()
}

fn names(commands: &[Vec<String>]) -> Vec<String> {
    commands.iter().map(|words| words[0].to_uppercase()).collect()
}

/// Deletes keys and reads, until that takes these commands: how long a busy machine takes to find a read cheap is its own affair.
async fn cheaply(
    cache: &Cache,
    home: &Home<Sqlite>,
    executor: &CachingExecutor<Sqlite>,
    monitor: &mut Monitor,
    (sql, keys, commands): (&str, &[&str], &[&str]),
) {
    for _ in 0..100 {
        let _: i64 = cache.server().cli(&[&["DEL"], keys].concat());
        monitor.commands();
        home.check(executor, sql).await;
        if names(&monitor.commands()) == commands {
            return;
        }
    }
    panic!("{sql} takes more than {commands:?}");
}

#[tokio::test]
async fn a_hit_is_one_round_trip_and_a_miss_few() {
    let cache = Cache::redis();
    let home = Sqlite::home().await;
    let executor = home.executor(cache.store()).await;
    let mut monitor = warm(&cache, &home, &executor).await;

    home.check(&executor, READ).await;
    let hit = monitor.commands();
    assert_eq!(names(&hit), ["MGET"], "{hit:?}");
    assert_eq!(hit[0].len(), 5, "the entry, _all, the table and the schema: {hit:?}");

    // Another text of the same table: its generations stand. What it costs the database nobody knows yet, so a lease is asked for, and given back.
    let second = "SELECT v FROM counters WHERE id = 2";
    home.check(&executor, second).await;
    let miss = monitor.commands();
    assert_eq!(names(&miss), ["MGET", "EVALSHA", "SET", "EVALSHA"], "{miss:?}");
    let lease = format!("{}:lease", miss[0][1]);
    assert!(miss[1].contains(&lease) && miss[3].contains(&lease), "{miss:?}");
    assert!(cache.server().cli::<Vec<String>>(&["KEYS", "*:lease"]).is_empty(), "given back when the read returns");

    // Not once it is known to be cheap. A busy machine may have to read twice to know.
    cheaply(&cache, &home, &executor, &mut monitor, (second, &[&miss[0][1]], &["MGET", "SET"])).await;

    // The first read of a table creates its generation.
    let others = "SELECT v FROM others WHERE id = 1";
    home.check(&executor, others).await;
    let first = monitor.commands();
    assert_eq!(names(&first), ["MGET", "EVALSHA", "EVALSHA", "SET", "EVALSHA"], "{first:?}");
    let again = (others, &[&first[0][1], "sql:others:gen"][..], &["MGET", "EVALSHA", "SET"][..]);
    cheaply(&cache, &home, &executor, &mut monitor, again).await;
}

#[tokio::test]
async fn a_write_is_two_round_trips_and_so_is_a_commit() {
    let cache = Cache::redis();
    let home = Sqlite::home().await;
    home.run("CREATE TABLE third (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await;
    let executor = home.executor(cache.store()).await;
    // The scripts are loaded by the first write.
    Sqlite::run(&executor, WRITE).await.unwrap();
    let mut monitor = warm(&cache, &home, &executor).await;

    Sqlite::run(&executor, WRITE).await.unwrap();
    let write = monitor.commands();
    assert_eq!(names(&write), ["EVALSHA", "EVALSHA"], "{write:?}");
    assert_ne!(write[0][1], write[1][1], "begin and end");
    for command in &write {
        assert!(command.contains(&"sql:counters:gen".to_owned()) && command.contains(&"sql-fence:counters".to_owned()), "{command:?}");
    }

    let mut transaction = executor.begin().await.unwrap();
    for table in ["counters", "others", "third"] {
        Sqlite::run_in(&mut transaction, &format!("UPDATE {table} SET v = v + 1")).await.unwrap();
    }
    let before: Vec<_> = monitor.commands().into_iter().filter(|words| !matches!(words[0].as_str(), "SCAN" | "UNLINK")).collect();
    assert_eq!(before.iter().filter(|words| words[1] == write[0][1] || words[1] == write[1][1]).count(), 0, "{before:?}");
    transaction.commit().await.unwrap();
    let commit = monitor.commands();
    let protocol: Vec<_> = commit.iter().filter(|words| words[1] == write[0][1] || words[1] == write[1][1]).collect();
    assert_eq!(protocol.len(), 2, "{commit:?}");
    for table in ["counters", "others", "third"] {
        assert!(protocol.iter().all(|command| command.contains(&format!("sql-fence:{table}"))), "{protocol:?}");
    }
}

/// In the default mode a write returns at once and dead entries go later; with `scan` they are gone when it returns.
#[tokio::test]
async fn a_scan_comes_after_the_write_or_before_it_returns_as_configured() {
    let cache = Cache::redis();
    let home = Sqlite::home().await;
    let entries = || -> Vec<String> { cache.server().cli(&["KEYS", "sql:counters:*"]) };
    let executor = home.executor(cache.store()).await;
    Sqlite::run(&executor, WRITE).await.unwrap();
    let mut monitor = warm(&cache, &home, &executor).await;
    Sqlite::run(&executor, WRITE).await.unwrap();
    assert!(!names(&monitor.commands()).contains(&"SCAN".to_owned()));
    assert!(entries().iter().any(|key| key.contains(":data:")), "it is dead, and still there");
    super::kit::eventually("dead entries are unlinked", async || entries().is_empty()).await;
    assert!(names(&monitor.commands()).contains(&"SCAN".to_owned()));

    let scanning = home.build(|builder| builder.store(redis_store(cache.server())).invalidation(Invalidation::Scan)).await;
    home.resumes(&scanning, READ).await;
    home.resumes(&scanning, JOIN).await;
    assert!(entries().len() >= 3);
    let mut monitor = cache.server().monitor();
    Sqlite::run(&scanning, WRITE).await.unwrap();
    let left = entries();
    assert!(left.iter().all(|key| !key.contains(":data:")), "gone when the write returns: {left:?}");
    assert!(names(&monitor.commands()).contains(&"SCAN".to_owned()));
    home.resumes(&scanning, READ).await;
}

#[tokio::test]
async fn keys_are_as_promised() {
    let cache = Cache::redis();
    let home = Sqlite::home().await;
    let executor = home.executor(cache.store()).await;
    for sql in [READ, JOIN, "SELECT count(*) FROM others", "SELECT count(*) FROM sqlite_master"] {
        home.check(&executor, sql).await;
    }
    let gates = super::kit::Gates::over(cache.store());
    let writer = home.executor(gates.clone()).await;
    let mut held = gates.hold(super::kit::Point::BeforeEnd);
    let write = tokio::spawn(Sqlite::run(&writer, WRITE));
    held.reached().await;
    let keys: Vec<String> = cache.server().cli(&["KEYS", "*"]);
    held.release();
    write.await.unwrap().unwrap();
    let mut kinds = BTreeSet::new();
    for key in &keys {
        // Counted by the day, if two seconds have passed.
        if key.starts_with("sql-days:") {
            continue;
        }
        if let Some(table) = key.strip_prefix("sql-fence:") {
            assert_eq!(table, "counters");
            kinds.insert("fence".to_owned());
            continue;
        }
        let parts: Vec<_> = key.split(':').collect();
        match parts[..] {
            ["sql", _, "gen"] => drop(kinds.insert("gen".to_owned())),
            ["sql", _, kind @ ("data" | "count" | "schema" | "metadata" | "fingerprint"), hash] => {
                assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)), "{key}");
                kinds.insert(kind.to_owned());
            }
            _ => panic!("{key}"),
        }
    }
    for kind in ["fence", "gen", "data", "count", "fingerprint"] {
        assert!(kinds.contains(kind), "{kind}: {keys:?}");
    }
}

/// `after_commit` is one round trip a write; `ttl` none, and the old value stands until it is too old.
#[tokio::test]
async fn the_weaker_modes_do_what_they_say() {
    let cache = Cache::redis();
    let home = Sqlite::home().await;
    let after = home.build(|builder| builder.store(cache.store()).consistency(Consistency::AfterCommit)).await;
    Sqlite::run(&after, WRITE).await.unwrap();
    let mut monitor = warm(&cache, &home, &after).await;
    Sqlite::run(&after, WRITE).await.unwrap();
    let write = monitor.commands();
    assert_eq!(write.len(), 1, "{write:?}");
    home.check(&after, READ).await;
    home.resumes(&after, READ).await;
    assert!(cache.server().cli::<Vec<String>>(&["KEYS", "sql-fence:*"]).is_empty());

    let cache = Cache::redis();
    let ttl = Duration::from_millis(700);
    let aging = home.build(|builder| builder.store(cache.store()).consistency(Consistency::Ttl).default_ttl(ttl).ttl_jitter(0.0)).await;
    let old = home.direct(READ).await;
    let mut monitor = warm(&cache, &home, &aging).await;
    Sqlite::run(&aging, WRITE).await.unwrap();
    assert_eq!(monitor.commands(), Vec::<Vec<String>>::new(), "no round trip");
    assert_eq!(Sqlite::number(&aging, READ).await.unwrap(), old, "stale, as it says");
    super::kit::eventually("it is too old", async || Sqlite::number(&aging, READ).await.unwrap() == old + 1).await;
}
