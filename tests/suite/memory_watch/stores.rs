//! What the watch asks of stores, each by itself.

use crate::store_contract::{TTL, entry_of, keyspace, redis_store, redis_store_at, standing, table};
use crate::support::Redis;
use crate::support::proxy::Proxy;
use crate::support::redis_cluster::RedisCluster;
use crate::topology::kit::{names, store};
use bytes::Bytes;
use sqlx_cached::store::{CacheStore, ENTRY_MAGIC, Keyspace, MemoryStore, RedisAddress, RedisStore, Tag};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_secs(5);

/// The key of an entry, as the engine names it.
fn key(keyspace: &Keyspace, table: &Tag, number: usize) -> String {
    let pattern = keyspace.pattern(table);
    format!("{}data:{number:064x}", pattern.strip_suffix('*').unwrap())
}

async fn fill(store: &RedisStore, keyspace: &Keyspace, tag: &Tag, numbers: std::ops::Range<usize>, ttl: Duration) -> Vec<String> {
    let entry = entry_of(standing(store, &Tag::all()).await, standing(store, tag).await);
    let mut keys = Vec::new();
    for number in numbers {
        keys.push(key(keyspace, tag, number));
        store.fill(&keys[keys.len() - 1], std::slice::from_ref(tag), entry.clone(), ttl).await.unwrap();
    }
    keys
}

fn left(redis: &Redis, key: &str) -> i64 {
    redis.cli(&["PTTL", key])
}

#[tokio::test]
async fn entries_of_queries_are_shortened_and_nothing_else() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let tag = table("users");
    let entries = fill(&store, &keyspace(), &tag, 0..700, TTL).await;
    let endless = fill(&store, &keyspace(), &tag, 700..701, Duration::MAX).await;
    redis.cli::<()>(&["PERSIST", &endless[0]]);
    let brief = fill(&store, &keyspace(), &tag, 701..702, SHORT / 2).await;
    // Values of other kinds, and an entry's bytes under names that no query's answer has.
    let others = [key(&keyspace(), &tag, 800), key(&keyspace(), &tag, 801)];
    redis.cli::<()>(&["SET", &others[0], "no entry"]);
    redis.cli::<()>(&["LPUSH", &others[1], "no string"]);
    let bytes = Bytes::from_static(ENTRY_MAGIC);
    let named = ["sql:users:kv:1".to_owned(), format!("{}:lease", entries[0]), format!("sql:users:kv:{:064x}", 1)];
    for name in &named {
        store.fill(name, &[], bytes.clone(), TTL).await.unwrap();
    }

    assert_eq!(store.shorten(SHORT).await.unwrap(), 701);
    for entry in entries.iter().chain(&endless) {
        assert!((1..=5000).contains(&left(&redis, entry)), "{entry}");
    }
    let times: std::collections::BTreeSet<i64> = entries.iter().map(|entry| left(&redis, entry) / 100).collect();
    assert!(times.len() > 20, "they don't end together: {times:?}");
    assert!(left(&redis, &brief[0]) <= 2500, "never longer than before");
    assert_eq!(others.map(|key| left(&redis, &key)), [-1, -1]);
    for name in named {
        assert!(left(&redis, &name) > 50_000, "{name}");
    }
    assert!(left(&redis, &keyspace().generation(&tag)) > 1_000_000);
    assert_eq!(store.shorten(SHORT).await.unwrap(), 0, "once is enough");

    // Somebody else is at it.
    redis.cli::<()>(&["SET", "sql-near::reclaim", "", "PX", "60000"]);
    assert_eq!(store.shorten(Duration::from_secs(1)).await.unwrap(), 0);
    redis.cli::<()>(&["DEL", "sql-near::reclaim"]);
    assert_eq!(store.shorten(Duration::from_millis(200)).await.unwrap(), 702);
    assert_eq!(redis.cli::<i64>(&["EXISTS", "sql-near::reclaim"]), 0, "the turn is given back");
}

/// The rights that the README names for it, beside those that everybody needs.
#[tokio::test]
async fn the_documented_rights_are_enough_and_each_is_needed() {
    let readme = include_str!("../../../README.md");
    let block = readme.split_once("ACL SETUSER cache ").expect("the README names the rights").1;
    let mut rules: Vec<&str> = block.split_once("```").expect("a block of code").0.split_whitespace().collect();
    assert!(include_str!("../../../src/manual/under_load.rs").contains("`+pttl +pexpire`"));
    rules.extend(["+pttl", "+pexpire"]);
    let redis = Redis::configured().user("cache", &rules).start();
    let store = redis_store_at(RedisAddress::Socket(redis.socket()), |config| {
        config.username = Some("cache".into());
        config.password = Some("secret".into());
    });
    let tag = table("users");
    for right in ["pttl", "pexpire", ""] {
        fill(&store, &keyspace(), &tag, 0..10, TTL).await;
        if right.is_empty() {
            assert_eq!(store.shorten(SHORT).await.unwrap(), 10);
        } else {
            redis.cli::<()>(&["ACL", "SETUSER", "cache", &format!("-{right}")]);
            assert!(store.shorten(SHORT).await.is_err(), "it goes without +{right}");
            redis.cli::<()>(&["ACL", "SETUSER", "cache", &format!("+{right}")]);
        }
    }
    assert!(store.memory().await.unwrap().is_some());
    redis.cli::<()>(&["ACL", "SETUSER", "cache", "-info"]);
    assert_eq!(store.memory().await.unwrap(), None);
}

/// A Redis that takes nothing any more still shortens and reclaims.
#[tokio::test]
async fn a_memory_that_is_full_can_be_relieved() {
    let redis = Redis::configured().arguments(&["--maxmemory-policy", "noeviction"]).start();
    let store = redis_store(&redis);
    let tag = table("users");
    let entries = fill(&store, &keyspace(), &tag, 0..50, TTL).await;
    redis.cli::<()>(&["SCRIPT", "FLUSH"]);
    redis.cli::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(store.fill(&entries[0], &[], Bytes::from_static(b"x"), TTL).await.is_err(), "it is full");
    assert_eq!(store.shorten(SHORT).await.unwrap(), 50);
    store.invalidate(&[Tag::all()]).await.unwrap();
    assert_eq!(store.reclaim(&Tag::all()).await.unwrap(), 50);
}

/// A walk that takes so long that its turn has to be taken anew, which a full memory refuses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_walk_over_a_full_memory_comes_to_its_end() {
    let redis = Redis::configured().arguments(&["--maxmemory-policy", "noeviction"]).start();
    let proxy = Proxy::start(&redis.socket());
    let store = redis_store_at(RedisAddress::Socket(proxy.socket()), |_| ());
    let tag = table("users");
    fill(&store, &keyspace(), &tag, 0..2500, TTL).await;
    redis.cli::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    proxy.delay(Duration::from_millis(15));
    let since = Instant::now();
    assert_eq!(store.shorten(SHORT).await.unwrap(), 2500);
    println!("{:?}", since.elapsed());
    assert!(since.elapsed() > Duration::from_millis(2500), "it was too quick to need another turn");
}

#[tokio::test]
async fn each_store_tells_how_full_it_is() {
    let redis = Redis::configured().arguments(&["--maxmemory", "9mb"]).start();
    let store = redis_store(&redis);
    let before = store.memory().await.unwrap().unwrap();
    assert_eq!(before.limit, Some(9 << 20));
    store.fill("sql:users:data:1", &[], Bytes::from(vec![1; 1 << 20]), TTL).await.unwrap();
    let grown = store.memory().await.unwrap().unwrap().used - before.used;
    assert!((1 << 20..8 << 20).contains(&grown), "{grown}");

    let memory = MemoryStore::new(keyspace(), 9 << 20);
    assert_eq!(memory.memory().await.unwrap().unwrap().used, 0);
    memory.fill("sql:users:data:1", &[], Bytes::from(vec![1; 1 << 18]), TTL).await.unwrap();
    let seen = memory.memory().await.unwrap().unwrap();
    assert!((1 << 18..1 << 19).contains(&seen.used) && seen.limit == Some(9 << 20), "{seen:?}");
    assert_eq!(memory.shorten(SHORT).await.unwrap(), 0);
}

#[tokio::test]
async fn a_cluster_is_as_full_as_its_fullest_server_and_all_of_it_is_relieved() {
    let cluster = RedisCluster::start().await;
    let store = store(&cluster);
    for (number, node) in cluster.nodes().iter().enumerate() {
        node.cli::<()>(&["CONFIG", "SET", "maxmemory", if number == 1 { "20mb" } else { "200mb" }]);
    }
    assert_eq!(store.memory().await.unwrap().unwrap().limit, Some(20 << 20));
    let mut entries = Vec::new();
    for name in ["counters", "others", "ta", "tb", "tc", "td"] {
        entries.extend(fill(&store, &names(), &table(name), 0..20, TTL).await);
    }
    let owners: std::collections::BTreeSet<usize> = entries.iter().map(|entry| cluster.owner(entry)).collect();
    assert_eq!(owners.len(), 3, "they are on all of them");
    assert_eq!(store.shorten(SHORT).await.unwrap(), 120);
    assert!(entries.iter().all(|entry| left(&cluster.nodes()[cluster.owner(entry)], entry) <= 5000));
}
