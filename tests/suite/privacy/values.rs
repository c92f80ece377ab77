//! Plain values and queued items that are encrypted on their way to Redis.

use super::kit::MARKER;
use crate::faults::kit::eventually;
use crate::support::Redis;
use sqlx_cached::store::{RedisAddress, RedisConfig};
use sqlx_cached::{Batch, Cache};
use std::time::Duration;

const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

fn redis() -> Redis {
    Redis::configured().arguments(&["--rdbcompression", "no"]).start()
}

async fn cache(redis: &Redis, keys: &[[u8; 32]]) -> Cache {
    let mut config = RedisConfig::new(RedisAddress::Url(redis.url()));
    config.timeout = Duration::from_secs(5);
    let builder = Cache::builder().redis(config);
    if keys.is_empty() { builder } else { builder.encryption_keys(keys) }.build().await.unwrap()
}

/// Whether the marker is anywhere in a snapshot of Redis' memory.
fn is_in_snapshot(redis: &Redis) -> bool {
    redis.cli::<()>(&["SAVE"]);
    let directory: Vec<String> = redis.cli(&["CONFIG", "GET", "dir"]);
    let bytes = std::fs::read(format!("{}/dump.rdb", directory[1])).expect("a snapshot");
    assert!(bytes.starts_with(b"REDIS"));
    bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes())
}

/// Stores the marker in this way alone.
async fn store(way: usize, cache: &Cache) -> bool {
    let loaded = || async { Ok::<_, sqlx::Error>(MARKER.to_owned()) };
    match way {
        0 => assert!(cache.set("key", MARKER).await.unwrap()),
        1 => assert_eq!(cache.mset(&[("key", [MARKER])]).await.unwrap(), 1),
        2 => assert!(cache.set_bytes("key", MARKER).await.unwrap()),
        3 => _ = cache.get_or_set("key", loaded).await.unwrap(),
        4 => _ = cache.depends_on(["users"]).get_or_set("key", loaded).await.unwrap(),
        5 => assert!(cache.depends_on(["users"]).seen().await.set("key", MARKER).await.unwrap()),
        6 => _ = cache.write_through("key", loaded()).await.unwrap(),
        7 => _ = cache.pipeline().set("key", MARKER).unwrap().run().await.unwrap(),
        8 => _ = cache.write_behind("queue").build().unwrap().push(&MARKER.to_owned()).await.unwrap(),
        9 => {
            let queue = cache.write_behind::<String>("failing").retries(1).build().unwrap();
            queue.push(&MARKER.to_owned()).await.unwrap();
            let consumer = queue.consume(|_: Batch<String>| async { Err::<(), _>(format!("no place for {MARKER}")) });
            eventually("the item is dead", async || queue.dead().len().await.unwrap() == 1).await;
            consumer.stop().await;
        }
        _ => return false,
    }
    true
}

#[tokio::test]
async fn nothing_of_a_value_shows_however_it_was_stored() {
    let redis = redis();
    let (plain, keyed) = (cache(&redis, &[]).await, cache(&redis, &[OLD]).await);
    let mut way = 0;
    while store(way, &plain).await {
        assert!(is_in_snapshot(&redis), "way {way}: the search finds what is there");
        redis.cli::<()>(&["FLUSHALL"]);
        store(way, &keyed).await;
        assert_ne!(redis.cli::<u64>(&["DBSIZE"]), 0, "way {way}");
        assert!(!is_in_snapshot(&redis), "way {way}");
        if way < 8 {
            let bytes = keyed.get_bytes("key").await.unwrap().unwrap_or_else(|| panic!("way {way}"));
            assert!(bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes()));
        }
        redis.cli::<()>(&["FLUSHALL"]);
        way += 1;
    }
    assert_eq!(way, 10);
}

#[tokio::test]
async fn a_new_key_takes_over_and_another_one_misses() {
    let redis = redis();
    let (old, both, new) = (cache(&redis, &[OLD]).await, cache(&redis, &[NEW, OLD]).await, cache(&redis, &[NEW]).await);
    old.set("key", MARKER).await.unwrap();
    assert_eq!(both.get::<String>("key").await.unwrap().as_deref(), Some(MARKER));
    assert_eq!(new.get::<String>("key").await.unwrap(), None);
    assert_eq!(new.stats().undecryptable, 1);
    assert_eq!(old.get::<String>("key").await.unwrap().as_deref(), Some(MARKER), "what somebody can't read he leaves alone");
    both.set("key", MARKER).await.unwrap();
    assert_eq!((new.get::<String>("key").await.unwrap().as_deref(), old.get::<String>("key").await.unwrap()), (Some(MARKER), None));

    // Whoever loads says what belongs there.
    assert_eq!(old.get_or_set("key", || async { Ok::<_, ()>("other".to_owned()) }).await.unwrap(), "other");
    assert_eq!(old.get::<String>("key").await.unwrap().as_deref(), Some("other"));

    let queue = old.write_behind::<String>("queue").build().unwrap();
    queue.push(&MARKER.to_owned()).await.unwrap();
    let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
    let consumer = both.write_behind::<String>("queue").build().unwrap().consume(move |batch: Batch<String>| {
        let sent = sender.send(batch.items().to_vec());
        async move { sent.map_err(|error| error.to_string()) }
    });
    assert_eq!(received.recv().await.unwrap(), [MARKER]);
    consumer.stop().await;
}

#[tokio::test]
async fn what_somebody_else_wrote_is_a_miss() {
    let redis = redis();
    let keyed = cache(&redis, &[OLD]).await;
    keyed.set("one", MARKER).await.unwrap();
    // By hand, under another name; in the clear; cut; a digit changed.
    redis.cli::<()>(&["COPY", "kv:one", "kv:two"]);
    redis.cli::<()>(&["SET", "kv:clear", "\"planted\""]);
    let sealed: Vec<u8> = redis.cli(&["GET", "kv:one"]);
    redis.cli::<()>(&["EVAL", "redis.call('SET', 'kv:cut', string.sub(redis.call('GET', 'kv:one'), 1, -2))", "0"]);
    redis.cli::<()>(&["COPY", "kv:one", "kv:changed"]);
    redis.cli::<()>(&["SETRANGE", "kv:changed", &(sealed.len() - 10).to_string(), "?"]);
    for key in ["two", "clear", "cut", "changed"] {
        assert_eq!(keyed.get::<String>(key).await.unwrap(), None, "{key}");
    }
    let stats = keyed.stats();
    assert_eq!((stats.undecryptable, stats.malformed), (2, 2));
    assert_eq!(keyed.get::<String>("one").await.unwrap().as_deref(), Some(MARKER));

    // Redis adds up what it can read: a number, and nothing else, may stand in the clear.
    assert_eq!(keyed.increment("count", 41).await.unwrap() + keyed.increment("count", 1).await.unwrap(), 83);
    assert_eq!(keyed.get::<i64>("count").await.unwrap(), Some(42));
}
