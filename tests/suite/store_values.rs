//! What every store must do with plain values: one suite, run over each of them.

mod batches;
mod claims;

use self::batches::batches;
use self::claims::{
    a_load_is_stored_while_its_claim_stands, a_write_and_a_load, claim, claims_run_out, fill, of_writers_that_overlap_none_stores, settle,
    value, write,
};
use crate::store_contract::{keyspace, redis_store, redis_store_at};
use crate::support::Redis;
use crate::support::redis_cluster::RedisCluster;
use bytes::Bytes;
use sqlx_cached::store::{
    CacheStore, Claimed, MemoryStore, Operation, Outcome, Peeked, RedisAddress, Settled, StoreError, TimeLeft, ValueStore,
};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(30);

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn get(store: &dyn ValueStore, key: &str) -> Option<Bytes> {
    store.values(&[key.to_owned()]).await.unwrap().remove(0)
}

async fn set(store: &dyn ValueStore, key: &str, value: &str) {
    assert_eq!(store.set_values(&[(key.to_owned(), text(value))], Some(MINUTE)).await.unwrap(), 1);
}

async fn delete(store: &dyn ValueStore, key: &str) -> bool {
    store.delete_values(&[key.to_owned()]).await.unwrap() == 1
}

async fn left(store: &dyn ValueStore, key: &str) -> Option<TimeLeft> {
    store.peek(key).await.unwrap().map(|peeked| peeked.left)
}

fn about(left: Option<TimeLeft>, time: Duration) -> bool {
    matches!(left, Some(TimeLeft::Left(left)) if left <= time && left > time / 2)
}

/// Everything that doesn't depend on where the store keeps it.
async fn contract(store: &dyn ValueStore) {
    values_are_bytes(store).await;
    many_at_once(store).await;
    times_to_live(store).await;
    numbers(store).await;
    batches(store).await;
    a_load_is_stored_while_its_claim_stands(store).await;
    of_writers_that_overlap_none_stores(store).await;
    a_write_and_a_load(store).await;
    claims_run_out(store).await;
    names_and_patterns(store).await;
    set(store, "info", "x").await;
    let info = store.info().await.unwrap();
    assert!(info.keys > 0 && info.used_memory > 0, "{info:?}");
}

async fn values_are_bytes(store: &dyn ValueStore) {
    let keys = ["v:1", "v: \n\r\0", "v:{x}%*?[a]\\", "v:ü", "v:$-1\r\n"];
    let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for value in [Bytes::new(), Bytes::from_static(b"\0\r\n\xff$-1\r\n"), all.into()] {
        for key in keys {
            assert_eq!(store.set_values(&[(key.to_owned(), value.clone())], None).await.unwrap(), 1);
            assert_eq!(get(store, key).await, Some(value.clone()), "{key:?}");
            let head = value.slice(..value.len().min(8));
            assert_eq!(store.peek(key).await.unwrap(), Some(Peeked { head, left: TimeLeft::Endless }), "{key:?}");
        }
    }
    for key in keys {
        assert!(delete(store, key).await, "{key:?}");
        assert!(!delete(store, key).await, "{key:?}");
        assert_eq!((get(store, key).await, store.peek(key).await.unwrap()), (None, None), "{key:?}");
    }
    assert_eq!(store.values(&[]).await.unwrap(), []);
    assert_eq!(store.set_values(&[], None).await.unwrap(), 0);
    assert_eq!(store.delete_values(&[]).await.unwrap(), 0);
}

async fn many_at_once(store: &dyn ValueStore) {
    let key = |index: usize| format!("many:{index}");
    let values: Vec<_> = (0..2000).map(|index| (key(index), text(&index.to_string()))).collect();
    assert_eq!(store.set_values(&values, Some(MINUTE)).await.unwrap(), 2000);
    // In the order asked for, what is missing in its place, and one of them twice.
    let keys: Vec<_> = (0..2100).rev().chain([7]).map(key).collect();
    let found = store.values(&keys).await.unwrap();
    assert_eq!(found.len(), 2101);
    for (key, value) in keys.iter().zip(&found) {
        let index: usize = key["many:".len()..].parse().unwrap();
        assert_eq!(value.as_deref(), (index < 2000).then(|| index.to_string()).as_deref().map(str::as_bytes), "{key}");
    }
    assert_eq!(store.delete_values(&keys[..2100]).await.unwrap(), 2000);
    assert!(store.values(&keys).await.unwrap().iter().all(Option::is_none));
}

async fn times_to_live(store: &dyn ValueStore) {
    for ttl in [Some(MINUTE), None] {
        assert!(!store.expire("ttl", ttl).await.unwrap(), "there is none");
    }
    set(store, "ttl", "x").await;
    assert!(about(left(store, "ttl").await, MINUTE));
    assert!(store.expire("ttl", Some(10 * MINUTE)).await.unwrap());
    assert!(about(left(store, "ttl").await, 10 * MINUTE));
    for _ in 0..2 {
        assert!(store.expire("ttl", None).await.unwrap(), "also where there is no end to take away");
        assert_eq!(left(store, "ttl").await, Some(TimeLeft::Endless));
    }
    assert!(store.expire("ttl", Some(Duration::MAX)).await.unwrap());
    assert_eq!(get(store, "ttl").await, Some(text("x")), "longer than clocks reach");
    for ttl in [Duration::ZERO, Duration::from_nanos(1), SHORT] {
        assert_eq!(store.set_values(&[("ttl".to_owned(), text("x"))], Some(ttl)).await.unwrap(), 1);
        tokio::time::sleep(ttl + Duration::from_millis(5)).await;
        assert_eq!((get(store, "ttl").await, left(store, "ttl").await), (None, None), "{ttl:?}");
        set(store, "ttl", "x").await;
        assert!(store.expire("ttl", Some(ttl)).await.unwrap());
        tokio::time::sleep(ttl + Duration::from_millis(5)).await;
        assert!(!delete(store, "ttl").await, "{ttl:?}");
    }
    assert_eq!(store.set_values(&[("ttl".to_owned(), text("x"))], Some(Duration::MAX)).await.unwrap(), 1);
    assert!(delete(store, "ttl").await);
}

async fn numbers(store: &dyn ValueStore) {
    assert_eq!(store.increment("n", 5, None).await.unwrap(), 5);
    assert_eq!(left(store, "n").await, Some(TimeLeft::Endless));
    assert_eq!(store.increment("n", -7, Some(MINUTE)).await.unwrap(), -2);
    assert_eq!(left(store, "n").await, Some(TimeLeft::Endless), "the time is for one that is created");
    assert_eq!(get(store, "n").await, Some(text("-2")));
    assert!(delete(store, "n").await);
    assert_eq!(store.increment("n", 1, Some(MINUTE)).await.unwrap(), 1);
    assert_eq!(store.increment("n", 1, Some(10 * MINUTE)).await.unwrap(), 2);
    assert_eq!(store.increment("n", 1, None).await.unwrap(), 3);
    assert!(about(left(store, "n").await, MINUTE), "kept when added to");

    for (value, by) in [(i64::MAX, 1), (i64::MIN, -1)] {
        set(store, "n", &value.to_string()).await;
        assert!(matches!(store.increment("n", by, None).await, Err(StoreError::Refused(_))), "{value} {by}");
        assert_eq!(get(store, "n").await, Some(text(&value.to_string())), "and nothing changed");
        assert_eq!(store.increment("n", -by, None).await.unwrap(), value - by);
    }
    for value in ["", "x", "1.0", " 1", "1 ", "\"1\"", "9223372036854775808"] {
        set(store, "n", value).await;
        let refused = store.increment("n", 1, Some(MINUTE)).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{value:?}: {refused:?}");
        assert_eq!(get(store, "n").await, Some(text(value)));
    }
    assert!(delete(store, "n").await);
    let sums = futures_util::future::join_all((0..100).map(|_| store.increment("n", 1, None))).await;
    let mut sums: Vec<_> = sums.into_iter().map(Result::unwrap).collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=100).collect::<Vec<_>>(), "each sum once");
}

async fn names_and_patterns(store: &dyn ValueStore) {
    let keys = ["p:a", "p:b", "p:*", "p:?", "p:[a]", "p:\\", "p:ü", "p:\n", "p:", "q:a", "{p}:a"];
    let patterns = [
        "p:*",
        "p:?",
        "p:\\*",
        "p:\\?",
        "p:[ab]",
        "p:[^a]",
        "p:\\[a\\]",
        "p:\\\\",
        "p:",
        "*a",
        "p:[",
        "p:[a",
        "p:\\",
        "[",
        "p:??",
        "p:**",
        "{p}*",
        "x*",
    ];
    let found = async |pattern: &str| {
        let mut names = store.names(pattern, 1000).await.unwrap();
        names.retain(|name| keys.contains(&name.as_str()));
        names.sort();
        names
    };
    // What the others left.
    store.delete_names("*").await.unwrap();
    for pattern in patterns {
        for key in keys {
            set(store, key, "x").await;
        }
        let names = found(pattern).await;
        assert_eq!(store.delete_names(pattern).await.unwrap(), names.len() as u64, "{pattern}");
        let left: Vec<_> = keys.iter().filter(|key| !names.iter().any(|name| name == **key)).collect();
        for key in keys {
            assert_eq!(get(store, key).await.is_some(), left.contains(&&key), "{pattern} {key}");
        }
    }
    for key in keys {
        set(store, key, "x").await;
    }
    assert_eq!(found("p:?").await, ["p:\n", "p:*", "p:?", "p:\\", "p:a", "p:b"]);
    assert_eq!((found("p:\\*").await, found("p:\\\\").await), (vec!["p:*".to_owned()], vec!["p:\\".to_owned()]));
    assert_eq!(store.names("p:*", 3).await.unwrap().len(), 3);
    assert!(store.names("p:*", 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    let store = MemoryStore::new(keyspace(), 64 << 20);
    contract(store.plain()).await;
}

#[tokio::test]
async fn what_is_too_large_for_memory_leaves_nothing_old_behind() {
    let store = MemoryStore::new(keyspace(), 1 << 20);
    let (store, large) = (store.plain(), Bytes::from(vec![b'x'; 1 << 20]));
    set(store, "k", "old").await;
    assert_eq!(store.set_values(&[("k".to_owned(), large.clone()), ("l".to_owned(), text("x"))], None).await.unwrap(), 1);
    assert_eq!((get(store, "k").await, get(store, "l").await), (None, Some(text("x"))));
    set(store, "k", "old").await;
    let outcomes = store.batch(&[Operation::Set("k".to_owned(), large.clone(), None), Operation::Get("k".to_owned())]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Done(false), Outcome::Value(None)]);
    for claim in [fill(), write()] {
        assert_eq!(store.claim("k", &claim, MINUTE).await.unwrap(), Claimed::Yes);
        assert!(!settle(store, "k", &claim, &Settled::Value(large.clone(), None)).await);
        assert_eq!(get(store, "k").await, None);
    }
}

#[tokio::test]
async fn redis_keeps_the_contract_over_a_socket() {
    contract(redis_store(&Redis::start()).plain()).await;
}

#[tokio::test]
async fn redis_keeps_the_contract_over_tcp_with_several_connections() {
    let redis = Redis::configured().tcp().password("secret").start();
    let address = RedisAddress::Host("127.0.0.1".into(), redis.port());
    let store = redis_store_at(address, |config| {
        config.password = Some("secret".into());
        config.db = Some(5);
        config.connections = 3;
    });
    contract(store.plain()).await;
    assert_eq!(redis.cli::<i64>(&["DBSIZE"]), 0, "nothing outside its database");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_the_contract_and_batches_within_a_slot() {
    let cluster = RedisCluster::start().await;
    let store = crate::topology::kit::store(&cluster);
    let store = store.plain();
    contract(store).await;
    let apart = store.batch(&[Operation::Set("a".to_owned(), text("1"), None), Operation::Set("b".to_owned(), text("2"), None)]).await;
    let Err(StoreError::Refused(reason)) = apart else { panic!("{apart:?}") };
    assert!(reason.to_string().contains("slot"), "{reason}");
    assert_eq!((get(store, "a").await, get(store, "b").await), (None, None), "nothing of it was done");
}

/// Whatever other programs put there.
#[tokio::test]
async fn values_of_other_types_are_none_and_are_replaced_or_refused() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let store = store.plain();
    let plant: [&[&str]; 5] =
        [&["HSET", "k", "a", "b"], &["RPUSH", "k", "x"], &["SADD", "k", "x"], &["ZADD", "k", "1", "x"], &["XADD", "k", "*", "a", "b"]];
    for command in plant {
        let again = || {
            redis.cli::<()>(&["DEL", "k"]);
            redis.cli::<redis::Value>(command);
        };
        again();
        assert_eq!(get(store, "k").await, None, "{command:?}");
        assert_eq!(store.peek("k").await.unwrap(), Some(Peeked { head: Bytes::new(), left: TimeLeft::Endless }));
        assert!(store.expire("k", Some(MINUTE)).await.unwrap());
        for ttl in [None, Some(MINUTE)] {
            assert!(matches!(store.increment("k", 1, ttl).await, Err(StoreError::Refused(_))), "{command:?}");
        }
        assert!(matches!(store.batch(&[Operation::Get("k".to_owned())]).await, Err(StoreError::Refused(_))), "{command:?}");
        assert!(!settle(store, "k", &fill(), &value("x")).await);
        assert_eq!(get(store, "k").await, None, "it is left alone");
        assert!(delete(store, "k").await);
        again();
        let load = fill();
        assert_eq!(claim(store, "k", &load).await, Claimed::Yes, "{command:?}");
        assert!(settle(store, "k", &load, &value("x")).await);
        again();
        set(store, "k", "x").await;
        assert_eq!(get(store, "k").await, Some(text("x")));
        assert_eq!(store.delete_names("k*").await.unwrap(), 1);
    }
}

/// By hand, a claim goes as any key does.
#[tokio::test]
async fn a_claim_that_is_deleted_by_hand_stores_nothing() {
    let redis = Redis::start();
    let store: Arc<dyn CacheStore> = Arc::new(redis_store(&redis));
    let store = store.plain();
    for command in [&["DEL", "k"][..], &["UNLINK", "k"], &["FLUSHALL"], &["RENAME", "k", "elsewhere"], &["SET", "k", "theirs"]] {
        let load = fill();
        assert_eq!(claim(store, "k", &load).await, Claimed::Yes);
        redis.cli::<redis::Value>(command);
        assert!(!settle(store, "k", &load, &value("stale")).await, "{command:?}");
        assert_ne!(get(store, "k").await, Some(text("stale")));
        delete(store, "k").await;
    }
}
