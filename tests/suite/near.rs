//! The near cache: what it answers, what it is told, and what becomes of it when nobody tells it anything.

use crate::store_contract::{LEASE, TTL, contract, id, redis_store_at, standing, table};
use crate::support::Redis;
use bytes::Bytes;
use sqlx_cached::store::{
    ALL_GENERATION, CacheStore, ENTRY_MAGIC, Generation, Label, Lookup, RedisAddress, RedisStore, TABLE_GENERATION, Tag,
};
use std::time::{Duration, Instant};

const KEY: &str = "sql:users:data:0";
const NEAR: u64 = 16 << 20;

fn near_store(redis: &Redis) -> RedisStore {
    near_store_with(redis, |_| ())
}

fn near_store_with(redis: &Redis, change: impl FnOnce(&mut sqlx_cached::store::RedisConfig)) -> RedisStore {
    redis_store_at(RedisAddress::Socket(redis.socket()), |config| {
        config.near_bytes = NEAR;
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

/// Looks up until that is answered near, or (`near` false) no longer is.
async fn until_near(store: &RedisStore, near: bool) -> Duration {
    let since = Instant::now();
    while store.look_up(KEY, &tags()).await.is_ok_and(|found| found.near) != near {
        assert!(since.elapsed() < Duration::from_secs(20), "not near {near} in time");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    since.elapsed()
}

async fn warm(store: &RedisStore) -> Bytes {
    let entry = fill(store).await;
    until_near(store, true).await;
    entry
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
            assert!(found.entry.is_some() && !found.near, "{missing:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn a_near_hit_asks_nobody_and_others_are_told() {
    let redis = Redis::start();
    let (here, there) = (near_store(&redis), near_store(&redis));
    let entry = warm(&here).await;
    let found = look_up(&there).await;
    assert_eq!((found.entry, found.near), (Some(entry.clone()), false), "one look-up brings it");
    until_near(&there, true).await;

    let monitor = redis.monitor();
    for _ in 0..100 {
        let found = look_up(&there).await;
        assert!(found.near && found.entry == Some(entry.clone()) && matches!(found.labels[..], [Label::Standing(_), Label::Standing(_)]));
    }
    let commands = monitor.stop();
    assert!(
        commands.iter().all(|command| format!("{command:?}").contains("sql-near:") || format!("{command:?}").contains("CLIENT")),
        "{commands:?}"
    );

    let writer = id("w");
    here.begin(&[table("users")], &writer, LEASE).await.unwrap();
    assert!(!look_up(&here).await.near, "the writer's own process knows at once");
    until_near(&there, false).await;
    assert_eq!(look_up(&there).await.labels[1], Label::Fenced);
    here.end(&[table("users")], &writer).await.unwrap();
    assert!(matches!(look_up(&there).await.labels[..], [Label::Standing(_), Label::Absent]));
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
    assert!(!there.look_up(other, &tags()).await.unwrap().near);
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
        warm(&store).await;
        match fault {
            "restart" => redis.restart(),
            _ => drop(redis.cli::<redis::Value>(&fault.split(' ').collect::<Vec<_>>())),
        }
        let took = until_near(&store, false).await;
        assert!(took < Duration::from_millis(250), "{fault}: {took:?}");
    }
    warm(&store).await;
    redis.kill();
    assert!(until_near(&store, false).await < Duration::from_millis(250));
    assert!(store.look_up(KEY, &tags()).await.is_err());
}

#[tokio::test]
async fn a_server_that_hangs_is_believed_no_longer_than_the_bound() {
    let redis = Redis::start();
    let store = near_store_with(&redis, |config| {
        config.near_staleness = Duration::from_millis(300);
        config.timeout = Duration::from_secs(5);
    });
    warm(&store).await;
    redis.pause();
    let since = Instant::now();
    let mut last = since;
    // The first look-up that isn't near waits for the server.
    while let Ok(found) = tokio::time::timeout(Duration::from_millis(50), store.look_up(KEY, &tags())).await {
        assert!(found.unwrap().near);
        last = Instant::now();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let believed = last - since;
    redis.resume();
    assert!(believed <= Duration::from_millis(310), "{believed:?}");
    until_near(&store, true).await;
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
    assert!(!look_up(&store).await.near, "nobody knows what happened meanwhile");
    until_near(&store, true).await;
}

#[tokio::test]
async fn a_fill_under_generations_that_fell_is_not_kept_near() {
    let redis = Redis::start();
    let (here, there) = (near_store(&redis), near_store(&redis));
    let entry = entry_of(standing(&here, &Tag::all()).await, standing(&here, &table("users")).await);
    there.invalidate(&[table("users")]).await.unwrap();
    here.fill(KEY, &tags(), entry, TTL).await.unwrap();
    for _ in 0..20 {
        assert!(!look_up(&here).await.near);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(here.near().unwrap().entries, 0);
}

#[tokio::test]
async fn bytes_are_bounded() {
    let redis = Redis::start();
    let store = near_store_with(&redis, |config| config.near_bytes = 64 << 10);
    let (all, users) = (standing(&store, &Tag::all()).await, standing(&store, &table("users")).await);
    for index in 0..1000 {
        store.fill(&format!("sql:users:data:{index}"), &tags(), entry_of(all, users), TTL).await.unwrap();
    }
    let held = store.near().unwrap();
    assert!(held.entries > 50 && held.bytes <= 64 << 10, "{held:?}");
}
