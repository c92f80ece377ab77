//! The near cache: what it answers, what it is told, and what becomes of it when nobody tells it anything.

use crate::store_contract::{LEASE, TTL, contract, id, redis_store_at, standing, table};
use crate::support::Redis;
use bytes::Bytes;
use sqlx_cached::store::{
    ALL_GENERATION, CacheStore, ENTRY_MAGIC, Generation, Label, Lookup, RedisAddress, RedisStore, Sight, TABLE_GENERATION, Tag,
};
use std::time::{Duration, Instant};

const KEY: &str = "sql:users:data:0";

fn near_store(redis: &Redis) -> RedisStore {
    near_store_with(redis, |_| ())
}

fn near_store_with(redis: &Redis, change: impl FnOnce(&mut sqlx_cached::store::RedisConfig)) -> RedisStore {
    redis_store_at(RedisAddress::Socket(redis.socket()), |config| {
        config.near = true;
        change(config);
    })
}

fn tags() -> [Tag; 2] {
    [Tag::all(), table("users")]
}

/// An entry of one table, as the engine writes it: the near cache looks at its generations.
fn entry_of(all: Generation, table: Generation) -> Bytes {
    let mut bytes = vec![0xAB; 100];
    bytes[..4].copy_from_slice(ENTRY_MAGIC);
    bytes[ALL_GENERATION].copy_from_slice(&all.0);
    bytes[TABLE_GENERATION].copy_from_slice(&table.0);
    bytes[TABLE_GENERATION.end..][..2].copy_from_slice(&1_u16.to_le_bytes());
    bytes.into()
}

async fn look_up(store: &RedisStore) -> Lookup {
    store.look_up(KEY, &tags()).await.unwrap()
}

/// Creates the generations and fills the entry.
async fn fill(store: &RedisStore) -> Bytes {
    let entry = entry_of(standing(store, &Tag::all()).await, standing(store, &table("users")).await);
    store.fill(KEY, &tags(), entry.clone(), TTL).await.unwrap();
    entry
}

fn sees(store: &RedisStore) -> bool {
    store.sight(&tags()).is_some_and(|sight| sight.holds())
}

/// Looks up until the generations are in sight.
async fn until_seen(store: &RedisStore) -> Sight {
    let since = Instant::now();
    loop {
        if let Some(sight) = store.sight(&tags()) {
            return sight;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "not in sight in time");
        let _ = store.look_up(KEY, &tags()).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until a sight no longer holds.
async fn until_lost(sight: &Sight) -> Duration {
    let since = Instant::now();
    while sight.holds() {
        assert!(since.elapsed() < Duration::from_secs(20), "in sight all the time");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    since.elapsed()
}

async fn warm(store: &RedisStore) -> Sight {
    fill(store).await;
    until_seen(store).await
}

#[tokio::test]
async fn a_store_with_a_near_cache_keeps_the_contract() {
    contract(&near_store(&Redis::start())).await;
    contract(&near_store_with(&Redis::start(), |config| config.connections = 3)).await;
}

/// The commands and keys that `src/store/redis.rs` names, and no other.
#[tokio::test]
async fn a_restricted_user_has_a_near_cache_too() {
    const COMMANDS: &str = "+mget +get +set +del +unlink +scan +info +evalsha +script|load +time +getrange +zcount +zadd +zrem +zscore +zrangebyscore +zremrangebyscore +zrevrange +hello +client|tracking +client|caching";
    let mut rules = vec!["on", ">secret", "~sql:*", "~sql-fence:*", "~sql-near:*", "-@all"];
    rules.extend(COMMANDS.split(' '));
    let redis = Redis::configured().user("cache", &rules).start();
    let login = |config: &mut sqlx_cached::store::RedisConfig| {
        config.username = Some("cache".into());
        config.password = Some("secret".into());
    };
    let store = near_store_with(&redis, login);
    contract(&store).await;
    warm(&store).await;

    // One right less, and everything goes on without it.
    for missing in [&["ACL", "SETUSER", "cache", "-client|caching"][..], &["ACL", "SETUSER", "cache", "-client|tracking"]] {
        redis.cli::<()>(missing);
        let store = near_store_with(&redis, login);
        fill(&store).await;
        for _ in 0..20 {
            let found = look_up(&store).await;
            assert!(found.entry.is_some() && !sees(&store), "{missing:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn to_look_asks_nobody_and_others_are_told() {
    let redis = Redis::start();
    let (here, there) = (near_store(&redis), near_store(&redis));
    let mine = warm(&here).await;
    let found = look_up(&there).await;
    let seen = until_seen(&there).await;
    let generations: Vec<_> = seen.generations().iter().copied().map(Label::Standing).collect();
    assert!(generations == found.labels && seen.generations() == mine.generations());

    let monitor = redis.monitor();
    for _ in 0..100 {
        assert!(seen.holds() && sees(&there));
    }
    let commands = monitor.stop();
    assert!(
        commands.iter().all(|command| format!("{command:?}").contains("sql-near:") || format!("{command:?}").contains("CLIENT")),
        "{commands:?}"
    );

    let writer = id("w");
    here.begin(&[table("users")], &writer, LEASE).await.unwrap();
    assert!(!mine.holds() && !sees(&here), "the writer's own process knows at once");
    until_lost(&seen).await;
    assert_eq!(look_up(&there).await.labels[1], Label::Fenced);
    assert!(!sees(&there));
    here.end(&[table("users")], &writer).await.unwrap();
    assert!(matches!(look_up(&there).await.labels[..], [Label::Standing(_), Label::Absent]));
    assert!(!sees(&there));
}

#[tokio::test]
async fn a_hit_in_redis_is_one_round_trip_tracked_or_not() {
    let redis = Redis::start();
    let (here, there) = (near_store(&redis), near_store(&redis));
    warm(&here).await;
    look_up(&there).await;
    let other = "sql:users:data:1";
    let entry = look_up(&here).await.entry.unwrap();
    here.fill(other, &tags(), entry, TTL).await.unwrap();
    let monitor = redis.monitor();
    there.look_up(other, &tags()).await.unwrap();
    let commands: Vec<String> = monitor
        .stop()
        .iter()
        .map(|command| format!("{command:?}"))
        .filter(|command| !command.contains("sql-near:") && !command.contains("CLIENT"))
        .collect();
    assert!(commands.len() == 1 && commands[0].contains("MGET"), "{commands:?}");
}

#[tokio::test]
async fn whatever_happens_to_redis_ends_near_hits() {
    let mut redis = Redis::start();
    let store = near_store(&redis);
    for fault in ["FLUSHALL", "CLIENT KILL TYPE normal", "DEL sql:users:gen", "SET sql:_all:gen x", "FLUSHDB SYNC", "restart"] {
        let sight = warm(&store).await;
        match fault {
            "restart" => redis.restart(),
            _ => drop(redis.cli::<redis::Value>(&fault.split(' ').collect::<Vec<_>>())),
        }
        let took = until_lost(&sight).await;
        assert!(took < Duration::from_millis(250), "{fault}: {took:?}");
    }
    let sight = warm(&store).await;
    redis.kill();
    assert!(until_lost(&sight).await < Duration::from_millis(250));
    assert!(store.look_up(KEY, &tags()).await.is_err());
}

#[tokio::test]
async fn a_server_that_hangs_is_believed_no_longer_than_the_bound() {
    let redis = Redis::start();
    let store = near_store_with(&redis, |config| {
        config.near_staleness = Duration::from_millis(300);
        config.timeout = Duration::from_secs(5);
    });
    let sight = warm(&store).await;
    redis.pause();
    let believed = until_lost(&sight).await;
    redis.resume();
    assert!(believed <= Duration::from_millis(310), "{believed:?}");
    until_seen(&store).await;
}

#[tokio::test]
async fn an_idle_process_sends_nothing_and_starts_again() {
    let redis = Redis::start();
    let store = near_store(&redis);
    warm(&store).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let monitor = redis.monitor();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(monitor.stop().len(), 0);
    assert!(!sees(&store), "nobody knows what happened meanwhile");
    until_seen(&store).await;
}

#[tokio::test]
async fn a_fill_tells_what_stands_by_now() {
    let redis = Redis::start();
    let (here, there) = (near_store(&redis), near_store(&redis));
    let entry = entry_of(standing(&here, &Tag::all()).await, standing(&here, &table("users")).await);
    there.invalidate(&[table("users")]).await.unwrap();
    here.fill(KEY, &tags(), entry, TTL).await.unwrap();
    for _ in 0..20 {
        assert!(!sees(&here));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(here.mirrored(), Some(1), "that of _all");
}
