//! Every operation, on every store.

use super::kit::{Stage, cache_of, memory};
use crate::support::Redis;
use serde::{Deserialize, Serialize};
use sqlx_cached::{Cache, Remaining};
use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Book {
    title: String,
    price: f64,
    pages: Option<u32>,
    tags: Vec<String>,
    more: BTreeMap<String, i64>,
}

fn book(title: &str) -> Book {
    let more = [("a".to_owned(), i64::MIN), (String::new(), i64::MAX)].into();
    Book { title: title.to_owned(), price: 0.1 + 0.2, pages: None, tags: vec![String::new(), "ü\0\n".repeat(40)], more }
}

#[tokio::test]
async fn every_operation_does_what_it_says_on_every_store() {
    for stage in Stage::all().await {
        let (name, cache) = (stage.name, &stage.cache);
        assert!(!cache.exists("k").await.unwrap(), "{name}");
        assert_eq!(cache.get::<Book>("k").await.unwrap(), None);
        assert!(cache.set("k", &book("one")).await.unwrap());
        assert_eq!(cache.get("k").await.unwrap(), Some(book("one")), "{name}");
        assert!(cache.exists("k").await.unwrap());
        assert!(matches!(cache.ttl_of("k").await.unwrap(), Some(Remaining::Left(left)) if left > 59 * MINUTE && left <= 60 * MINUTE));
        assert!(cache.expire("k", None).await.unwrap());
        assert_eq!(cache.ttl_of("k").await.unwrap(), Some(Remaining::Endless), "{name}");
        assert!(cache.expire("k", MINUTE).await.unwrap() && !cache.expire("none", MINUTE).await.unwrap());
        assert!(matches!(cache.ttl_of("k").await.unwrap(), Some(Remaining::Left(left)) if left <= MINUTE));
        assert!(cache.set_for("k", &book("two"), None).await.unwrap());
        assert_eq!(cache.ttl_of("k").await.unwrap(), Some(Remaining::Endless));
        assert!(cache.delete("k").await.unwrap() && !cache.delete("k").await.unwrap());
        assert_eq!((cache.ttl_of("k").await.unwrap(), cache.get::<Book>("k").await.unwrap()), (None, None), "{name}");

        let (one, two) = (("m:1", book("1")), ("m:2", book("2")));
        assert_eq!(cache.mset(&[one, two]).await.unwrap(), 2);
        assert_eq!(
            cache.mget::<Book>(&["m:2", "m:0", "m:1", "m:2"]).await.unwrap(),
            [Some(book("2")), None, Some(book("1")), Some(book("2"))]
        );
        assert_eq!(cache.delete_many(&["m:0", "m:1"]).await.unwrap(), 1);
        assert!(cache.mget::<Book>(&[] as &[&str]).await.unwrap().is_empty());
        assert_eq!((cache.mset::<Book>(&[] as &[(&str, Book)]).await.unwrap(), cache.delete_many(&[] as &[&str]).await.unwrap()), (0, 0));

        assert_eq!(cache.increment("n", 40).await.unwrap(), 40);
        assert_eq!(cache.increment_for("n", 2, MINUTE).await.unwrap(), 42);
        assert_eq!(cache.get::<u8>("n").await.unwrap(), Some(42));
        assert!(cache.increment("m:2", 1).await.unwrap_err().is_store());
        assert_eq!(cache.increment_for("per minute", 1, MINUTE).await.unwrap(), 1);
        assert!(matches!(cache.ttl_of("per minute").await.unwrap(), Some(Remaining::Left(left)) if left <= MINUTE));

        let loads = AtomicUsize::new(0);
        let load = async || {
            loads.fetch_add(1, SeqCst);
            Ok::<_, Infallible>(book("loaded"))
        };
        for _ in 0..3 {
            assert_eq!(cache.get_or_set("load", load).await.unwrap(), book("loaded"));
        }
        assert_eq!(loads.load(SeqCst), 1, "{name}");
        cache.refresh("load", load).await.unwrap();
        assert_eq!(loads.load(SeqCst), 2);
        assert_eq!(cache.get_or_set("err", async || Err::<Book, _>("no")).await, Err("no"));
        assert!(!cache.exists("err").await.unwrap(), "errors are not stored");
        assert_eq!(cache.write_through("load", async { Ok::<_, Infallible>(book("written")) }).await.unwrap(), book("written"));
        assert_eq!(cache.get("load").await.unwrap(), Some(book("written")), "{name}");
        assert_eq!(cache.write_through("load", async { Err::<Book, _>("no") }).await, Err("no"));
        assert_eq!(cache.get::<Book>("load").await.unwrap(), None, "{name}: a write that fails leaves none");

        cache.set("fresh", &7).await.unwrap();
        assert_eq!(cache.get_if("fresh", async |value: &i32| *value == 7).await.unwrap(), Some(7));
        assert_eq!(cache.get_if("fresh", async |value: &i32| *value == 8).await.unwrap(), None);
        assert!(!cache.exists("fresh").await.unwrap());

        let first = cache.versioned("book:7").await.unwrap();
        assert_eq!(cache.versioned("book:7").await.unwrap(), first, "{name}");
        cache.renew_version("book:7").await.unwrap();
        assert_ne!(cache.versioned("book:7").await.unwrap(), first);

        let info = cache.info().await.unwrap();
        assert!(info.keys > 0 && info.used_memory > 0, "{info:?}");
        let health = cache.health().await;
        assert!(health.is_healthy() && health.kept == 0, "{health:?}");
        assert_eq!(cache.redis("k").await.is_ok(), stage.redis.is_some());
    }
}

#[tokio::test]
async fn that_there_is_nothing_is_remembered_where_that_is_wished() {
    for stage in Stage::all().await {
        let loads = AtomicUsize::new(0);
        let nothing = async || {
            loads.fetch_add(1, SeqCst);
            Ok::<_, Infallible>(None::<Book>)
        };
        let name = stage.name;
        for _ in 0..3 {
            assert_eq!(stage.cache.get_or_set_optional("k", nothing).await.unwrap(), None);
        }
        assert_eq!(loads.swap(0, SeqCst), 3, "{name}: not by itself");
        let negative = stage.cache.negative(MINUTE);
        for _ in 0..3 {
            assert_eq!(negative.get_or_set_optional("k", nothing).await.unwrap(), None);
        }
        assert_eq!(loads.load(SeqCst), 1, "{name}");
        assert!(matches!(negative.ttl_of("k").await.unwrap(), Some(Remaining::Left(left)) if left <= MINUTE));
        negative.delete("k").await.unwrap();
        assert_eq!(negative.get_or_set_optional("k", async || Ok::<_, Infallible>(Some(book("x")))).await.unwrap(), Some(book("x")));
        assert_eq!(stage.cache.get("k").await.unwrap(), Some(book("x")));
        // There is something, and it is written as nothing is.
        for round in 0..2 {
            let there = async || Ok::<_, Infallible>(Some(()));
            assert_eq!(negative.get_or_set_optional("unit", there).await.unwrap(), Some(()), "{name} {round}");
            let there = async || Ok::<_, Infallible>(Some(None::<u8>));
            assert_eq!(negative.get_or_set_optional("nested", there).await.unwrap(), Some(None), "{name} {round}");
        }
    }
}

#[tokio::test]
async fn what_is_done_together_is_answered_together() {
    for stage in Stage::all().await {
        let cache = &stage.cache;
        cache.set("old", &1).await.unwrap();
        let steps = cache.pipeline().get("a").unwrap().set("a", &book("x")).unwrap().get("a").unwrap();
        let steps = steps.increment("n", 3).unwrap().expire("a", None).unwrap().expire("none", MINUTE).unwrap();
        let replies = steps.delete("old").unwrap().delete("old").unwrap().set_for("b", &2, MINUTE).unwrap().run().await.unwrap();
        assert_eq!((replies.len(), replies.is_empty()), (9, false));
        assert_eq!((replies.value::<Book>(0), replies.value(2)), (None, Some(book("x"))), "{}", stage.name);
        assert_eq!((replies.value::<u8>(2), replies.value::<u8>(3), replies.value::<u8>(99)), (None, None, None));
        assert_eq!((replies.number(3), replies.number(2)), (Some(3), None));
        let done: Vec<_> = [1, 4, 5, 6, 7, 8, 0].iter().map(|place| replies.done(*place)).collect();
        assert_eq!(done, [Some(true), Some(true), Some(false), Some(true), Some(false), Some(true), None], "{}", stage.name);
        assert_eq!(cache.ttl_of("a").await.unwrap(), Some(Remaining::Endless));
        assert!(cache.pipeline().run().await.unwrap().is_empty());
        assert!(cache.pipeline().increment("a", 1).unwrap().run().await.unwrap_err().is_store());
        assert!(cache.pipeline().get("").unwrap_err().is_key());
    }
}

#[tokio::test]
async fn scopes_and_prefixes_never_meet() {
    for stage in Stage::all().await {
        let root = &stage.cache;
        let scopes = ["", "a", "a:b", "a/b", "*", "a%3Ab", "ü", " ", "{x}", "\n"];
        let mut caches: Vec<Cache> = scopes.iter().map(|scope| root.scope(scope)).collect();
        caches.extend([root.clone(), root.scope("a").scope("b"), cache_of(&stage.store, |builder| builder.prefix("kv-2")).await]);
        let keys = ["k", "a:k", "a/b:k", "*", "kv:k", "/a:k"];
        for (number, cache) in caches.iter().enumerate() {
            for key in keys {
                cache.set(key, &(number, key)).await.unwrap();
            }
        }
        let names: HashSet<_> = caches.iter().flat_map(|cache| keys.map(|key| cache.name(key).unwrap())).collect();
        assert_eq!(names.len(), caches.len() * keys.len());
        for (number, cache) in caches.iter().enumerate() {
            for key in keys {
                assert_eq!(cache.get::<(usize, String)>(key).await.unwrap(), Some((number, key.to_owned())), "{} {number}", stage.name);
            }
            let found: HashSet<_> = cache.keys("*", 1000).await.unwrap().into_iter().collect();
            assert_eq!(found, keys.map(str::to_owned).into(), "{} {number}", stage.name);
            assert_eq!(cache.delete_pattern(&Cache::escape("*")).await.unwrap(), 1);
            assert_eq!(cache.delete_pattern("*k").await.unwrap(), 5);
        }
        // Clearing takes what lies within along, and nothing else.
        for cache in &caches {
            cache.set("k", &1).await.unwrap();
        }
        assert_eq!(root.scope("a").clear().await, 2);
        for (number, cache) in caches.iter().enumerate() {
            assert_eq!(cache.exists("k").await.unwrap(), number != 1 && number != 11, "{} {number}", stage.name);
        }
        assert_eq!(root.clear().await, 10);
        assert!(caches[12].exists("k").await.unwrap(), "another prefix");
    }
}

#[tokio::test]
async fn clearing_leaves_the_sql_entries_and_the_other_way_round() {
    for redis in [false, true] {
        let stage = Stage::executors(redis).await;
        let (executor, home) = stage.executor.as_ref().unwrap();
        let read = async || home.check(executor, crate::faults::kit::READ).await;
        read().await;
        stage.cache.set("k", &1).await.unwrap();
        stage.cache.clear().await;
        let hits = executor.stats().hits;
        read().await;
        assert_eq!(executor.stats().hits, hits + 1, "the entry is still there");
        stage.cache.set("k", &1).await.unwrap();
        executor.clear().await.unwrap();
        assert_eq!(stage.cache.get("k").await.unwrap(), Some(1));
    }
}

#[tokio::test(start_paused = true)]
async fn values_live_as_long_as_they_were_given() {
    let store = memory();
    let cache = cache_of(&store, |builder| builder.default_ttl(MINUTE)).await;
    cache.set("default", &1).await.unwrap();
    cache.set_for("own", &1, 2 * MINUTE).await.unwrap();
    cache.time_to_live(3 * MINUTE).set("clone", &1).await.unwrap();
    cache.time_to_live(None).set("endless", &1).await.unwrap();
    cache.time_to_live(4 * MINUTE).get_or_set("loaded", async || Ok::<_, Infallible>(1)).await.unwrap();
    cache.time_to_live(None).depends_on(["t"]).get_or_set("tied", async || Ok::<_, Infallible>(1)).await.unwrap();
    let steps = [("default", 1), ("own", 1), ("clone", 1), ("loaded", 1), ("tied", 24 * 60 - 4)];
    for (key, minutes) in steps {
        assert!(matches!(cache.ttl_of(key).await.unwrap(), Some(Remaining::Left(left)) if left == minutes * MINUTE), "{key}");
        tokio::time::advance((minutes * MINUTE).saturating_sub(Duration::from_millis(1))).await;
        assert_eq!(cache.get(key).await.unwrap(), Some(1), "{key}");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(cache.get::<u8>(key).await.unwrap(), None, "{key}");
    }
    tokio::time::advance(Duration::from_hours(24 * 365)).await;
    assert_eq!(cache.get("endless").await.unwrap(), Some(1));
}

#[tokio::test]
async fn counters_count_what_was_done() {
    for stage in [Stage::embedded().await, Stage::redis().await] {
        let cache = stage.cache.scope("s");
        assert_eq!(cache.stats().hit_ratio(), None);
        cache.get::<u8>("k").await.unwrap();
        cache.set("k", &1).await.unwrap();
        cache.get::<u8>("k").await.unwrap();
        cache.get::<String>("k").await.unwrap();
        cache.mset(&[("a", 1), ("b", 2)]).await.unwrap();
        cache.mget::<u8>(&["a", "b", "c"]).await.unwrap();
        cache.get_or_set("l", async || Ok::<_, Infallible>(1)).await.unwrap();
        cache.get_or_set("l", async || Ok::<_, Infallible>(1)).await.unwrap();
        cache.delete("k").await.unwrap();
        cache.delete_many(&["a", "b"]).await.unwrap();
        cache.delete_pattern("*").await.unwrap();
        let stats = stage.cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.sets), (4, 4, 4), "{stats:?}");
        assert_eq!((stats.deletes, stats.malformed, stats.not_stored, stats.store_errors), (4, 1, 0, 0), "{stats:?}");
        assert_eq!(stats.hit_ratio(), Some(0.5));
        cache.reset_stats();
        assert_eq!(stage.cache.stats().hits, 0);
    }
}

#[tokio::test]
async fn a_cache_that_is_switched_off_loads_and_keeps_nothing() {
    let cache = Cache::builder().enabled(false).build().await.unwrap();
    assert!(!cache.set("k", &1).await.unwrap() && !cache.exists("k").await.unwrap());
    assert_eq!(cache.get::<u8>("k").await.unwrap(), None);
    assert_eq!(cache.get_or_set("k", async || Ok::<_, Infallible>(7)).await.unwrap(), 7);
    assert_eq!(cache.depends_on(["t"]).get_or_set("k", async || Ok::<_, Infallible>(7)).await.unwrap(), 7);
    assert_eq!(cache.write_through("k", async { Ok::<_, Infallible>(7) }).await.unwrap(), 7);
    assert_eq!((cache.clear().await, cache.delete("k").await.unwrap()), (0, false));
    assert!(cache.increment("k", 1).await.unwrap_err().is_unsupported());
    assert!(cache.pipeline().set("k", &1).unwrap().run().await.unwrap_err().is_unsupported());
    assert!(cache.info().await.is_err() && cache.keys("*", 1).await.is_err() && cache.redis("k").await.is_err());
    assert!(!cache.health().await.is_healthy() && cache.health().await.store.is_none());
}

#[tokio::test]
async fn settings_that_can_not_be_used_are_named() {
    for prefix in ["", ":", "a:b", "a/b", "a*", "a b", "sql", "sql-fence", "sql-near", "ü", "a\n"] {
        let error = Cache::builder().prefix(prefix).build().await.unwrap_err();
        assert!(error.is_setting() && error.to_string().contains("prefix"), "{prefix:?}: {error}");
    }
    let cache = Cache::builder().prefix("shop:").build().await.unwrap();
    assert_eq!(cache.name("k").unwrap(), "shop:k");
    let error = Cache::builder().redis_url("http://nowhere").build().await.unwrap_err();
    assert!(error.is_setting() && error.to_string().contains("REDIS"), "{error}");
    // The generations of one namespace are another's values.
    let redis = Redis::start();
    let error = Cache::builder().redis_url(&redis.url()).namespace("kv").build().await.unwrap_err();
    assert!(error.is_setting(), "{error}");
}
