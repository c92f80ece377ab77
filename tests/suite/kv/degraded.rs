//! A store that is gone, hangs, is full or refuses: what each operation gives, and what becomes of deletions that could not be delivered.

use super::gated::Gated;
use super::kit::{Stage, cache_of, eventually, memory};
use crate::support::Redis;
use crate::support::proxy::Proxy;
use sqlx_cached::store::{CacheStore, RedisAddress, RedisConfig};
use sqlx_cached::{Cache, Error};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_mins(1);

fn at(address: RedisAddress) -> RedisConfig {
    let mut config = RedisConfig::new(address);
    (config.timeout, config.connect_timeout) = (Duration::from_millis(300), Duration::from_millis(300));
    config
}

async fn cache_at(config: RedisConfig) -> Cache {
    Cache::builder().redis(config).build().await.expect("a Redis that can't be reached yet is no error")
}

/// Each in its turn: the loader's value, whatever the store says.
async fn loads_give_what_was_loaded(cache: &Cache) {
    for round in 0..3 {
        let load = async || Ok::<_, Infallible>(round);
        assert_eq!(cache.get_or_set(&format!("load:{round}"), load).await.unwrap(), round);
        assert_eq!(
            cache.get_or_set_optional(&format!("optional:{round}"), async || Ok::<_, Infallible>(Some(round))).await.unwrap(),
            Some(round)
        );
        assert_eq!(cache.refresh("refresh", load).await.unwrap(), round, "an old one is no answer");
        assert_eq!(cache.write_through("write", async { Ok::<_, Infallible>(round) }).await.unwrap(), round);
        let seen = cache.get_or_set("write", async || Ok::<_, Infallible>(round)).await.unwrap();
        assert_eq!(seen, round, "nothing older than a write that was acknowledged");
        let tied = cache.depends_on(["t"]);
        assert_eq!(tied.get_or_set(&format!("tied:{round}"), load).await.unwrap(), round);
        assert_eq!(cache.get_or_set("error", async || Err::<u8, _>("no")).await, Err("no"));
    }
}

/// Nothing at all can be asked of the store.
async fn out_of_reach(cache: &Cache) {
    let since = Instant::now();
    loads_give_what_was_loaded(cache).await;
    assert_eq!((cache.get::<u8>("k").await.unwrap(), cache.get_bytes("k").await.unwrap()), (None, None));
    assert_eq!(cache.mget::<u8>(&["k", "l"]).await.unwrap(), [None, None]);
    assert_eq!(cache.get_if("k", async |_: &u8| true).await.unwrap(), None);
    assert!(!cache.set("k", &1).await.unwrap() && !cache.set_bytes("k", "x").await.unwrap());
    assert_eq!(cache.mset(&[("k", 1), ("l", 2)]).await.unwrap(), 0);
    assert!(!cache.exists("k").await.unwrap() && !cache.expire("k", None).await.unwrap());
    assert_eq!(cache.ttl_of("k").await.unwrap(), None);
    assert!(!cache.delete("k").await.unwrap());
    assert_eq!((cache.delete_many(&["k", "l"]).await.unwrap(), cache.delete_pattern("*").await.unwrap(), cache.clear().await), (0, 0, 0));
    assert!(!cache.depends_on(["t"]).seen().await.set("k", &1).await.unwrap());
    assert_ne!(cache.versioned("e").await.unwrap(), cache.versioned("e").await.unwrap(), "a version that can't be kept is nobody's");
    let errors: [Error; 5] = [
        cache.increment("k", 1).await.unwrap_err(),
        cache.pipeline().set("k", &1).unwrap().run().await.unwrap_err(),
        cache.keys("*", 1).await.unwrap_err(),
        cache.info().await.unwrap_err(),
        cache.redis("k").await.unwrap_err(),
    ];
    assert!(errors.iter().all(Error::is_store), "{errors:?}");
    assert!(cache.set("", &1).await.unwrap_err().is_key(), "the program's own mistakes are still told");
    let health = cache.health().await;
    assert!(!health.is_healthy() && health.kept > 0, "{health:?}");
    assert!(cache.stats().store_errors > 0);
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
}

#[tokio::test]
async fn without_a_server() {
    for address in
        [RedisAddress::Socket(PathBuf::from("/nowhere/at/all")), RedisAddress::Host("127.0.0.1".into(), crate::support::redis::free_port())]
    {
        out_of_reach(&cache_at(at(address)).await).await;
    }
}

#[tokio::test]
async fn with_a_wrong_password() {
    let redis = Redis::configured().password("right").start();
    let mut config = at(RedisAddress::Socket(redis.socket()));
    config.password = Some("wr0ng-s3cret".into());
    let cache = cache_at(config).await;
    out_of_reach(&cache).await;
    for error in [cache.info().await.unwrap_err(), cache.increment("k", 1).await.unwrap_err()] {
        assert!(!format!("{error} {error:?}").contains("wr0ng"), "{error}");
    }
    assert!(!format!("{cache:?} {:?}", cache.health().await).contains("wr0ng"));
}

#[tokio::test]
async fn killed_midway() {
    let mut redis = Redis::start();
    let cache = cache_at(at(RedisAddress::Socket(redis.socket()))).await;
    cache.set("k", &1).await.unwrap();
    redis.kill();
    out_of_reach(&cache).await;
    redis.restart();
    comes_back(&cache).await;
}

#[tokio::test]
async fn hanging() {
    let redis = Redis::start();
    let cache = cache_at(at(RedisAddress::Socket(redis.socket()))).await;
    cache.set("k", &1).await.unwrap();
    redis.pause();
    out_of_reach(&cache).await;
    redis.resume();
    comes_back(&cache).await;
}

/// What was deleted is delivered, and values are kept again.
async fn comes_back(cache: &Cache) {
    eventually("deletions are delivered", async || cache.health().await.kept == 0).await;
    assert!(cache.health().await.is_healthy());
    eventually("a value is kept", async || {
        cache.get_or_set("again", async || Ok::<_, Infallible>(7)).await.unwrap();
        cache.get("again").await.unwrap() == Some(7)
    })
    .await;
    assert_eq!(cache.increment("counter", 1).await.unwrap(), 1);
}

#[tokio::test]
async fn full() {
    let redis = Redis::configured().arguments(&["--maxmemory-policy", "noeviction"]).start();
    let cache = cache_at(at(RedisAddress::Socket(redis.socket()))).await;
    cache.mset(&[("k", 1), ("l", 1), ("m", 1)]).await.unwrap();
    redis.cli::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(cache.get("k").await.unwrap(), Some(1), "what is there is there");
    assert!(cache.exists("k").await.unwrap());
    assert!(!cache.set("k", &2).await.unwrap());
    assert_eq!(cache.get::<u8>("k").await.unwrap(), None, "the old one is no answer to whoever set another");
    loads_give_what_was_loaded(&cache).await;
    assert!(cache.increment("n", 1).await.unwrap_err().is_store());
    assert!(cache.pipeline().set("n", &1).unwrap().run().await.unwrap_err().is_store());
    assert!(cache.delete("l").await.unwrap() && cache.delete_pattern("m").await.unwrap() == 1);
    eventually("the old ones are gone", async || redis.cli::<i64>(&["EXISTS", "kv:k", "kv:write"]) == 0).await;
    redis.cli::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    comes_back(&cache).await;
}

#[tokio::test]
async fn with_a_user_that_may_only_read() {
    let rules =
        ["on", ">secret", "~*", "&*", "+@read", "+@connection", "+info", "+evalsha", "+script|load", "+time", "-@dangerous", "+info"];
    let redis = Redis::configured().user("reader", &rules).start();
    redis.cli::<()>(&["SET", "kv:k", "1"]);
    let mut config = at(RedisAddress::Socket(redis.socket()));
    (config.username, config.password) = (Some("reader".into()), Some("secret".into()));
    let cache = cache_at(config).await;
    assert_eq!((cache.get("k").await.unwrap(), cache.exists("k").await.unwrap()), (Some(1), true));
    assert_eq!(cache.keys("*", 10).await.unwrap(), ["k"]);
    assert_eq!(cache.get_or_set("k", async || Ok::<_, Infallible>(2)).await.unwrap(), 1);
    loads_give_what_was_loaded(&cache).await;
    assert!(!cache.set("l", &1).await.unwrap());
    assert!(cache.increment("n", 1).await.unwrap_err().is_store());
    assert!(!cache.delete("k").await.unwrap());
    assert_eq!(cache.get::<u8>("k").await.unwrap(), None, "for this process it is deleted");
    assert!(cache.health().await.is_healthy(), "it answers");
    assert_eq!(redis.cli::<i64>(&["DBSIZE"]), 1);
}

/// A deletion while the server is down, whose data outlive it.
#[tokio::test]
async fn what_was_deleted_while_the_server_was_down_never_comes_back() {
    let mut redis = Redis::start();
    let cache = cache_at(at(RedisAddress::Socket(redis.socket()))).await;
    let scope = cache.scope("s");
    cache.mset(&[("a", 1), ("b", 1), ("c", 1), ("p:1", 1), ("p:2", 1), ("stays", 1)]).await.unwrap();
    scope.set("a", &1).await.unwrap();
    redis.cli::<()>(&["SAVE"]);
    redis.kill();
    cache.delete("a").await.unwrap();
    cache.delete_many(&["b", "none"]).await.unwrap();
    cache.delete_pattern("p:?").await.unwrap();
    assert!(!cache.set("c", &2).await.unwrap());
    scope.clear().await;
    assert!(cache.health().await.kept > 0);
    redis.restart();
    // Its data are there again, as the one that stays shows, until the deletions are delivered.
    let gone = ["a", "b", "c", "p:1", "p:2"];
    let mut looks = 0;
    while cache.health().await.kept > 0 || looks < 50 {
        for key in gone {
            assert_eq!(cache.get::<u8>(key).await.unwrap(), None, "{key}");
            assert_eq!(cache.get_or_set(key, async || Err::<u8, _>("nothing")).await, Err("nothing"), "{key}");
            assert!(!cache.exists(key).await.unwrap());
        }
        assert_eq!(cache.mget::<u8>(&gone).await.unwrap(), [None; 5]);
        assert_eq!(scope.get::<u8>("a").await.unwrap(), None);
        looks += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let left: Vec<String> = redis.cli(&["KEYS", "*"]);
    assert_eq!(left, ["kv:stays"], "delivered");
    assert_eq!(cache.get("stays").await.unwrap(), Some(1));
}

#[tokio::test]
async fn too_many_deletions_become_one_of_everything() {
    for patterns in [false, true] {
        let store: Arc<dyn CacheStore> = memory();
        let gated = Gated::over(&store);
        let other = cache_of(&store, |builder| builder.prefix("other")).await;
        let store: Arc<dyn CacheStore> = gated.clone();
        let cache = cache_of(&store, |builder| builder).await;
        cache.mset(&[("k", 1), ("x:4999", 1), ("x:0", 1)]).await.unwrap();
        cache.scope("s").set("k", &1).await.unwrap();
        other.set("k", &1).await.unwrap();
        gated.fail(true);
        let names: Vec<_> = (0..70_000).map(|number| format!("x:{number}")).collect();
        if patterns {
            for pattern in &names[..5000] {
                cache.delete_pattern(pattern).await.unwrap();
            }
            assert!(cache.health().await.kept <= 4096, "{}", cache.health().await.kept);
        } else {
            cache.delete_many(&names[..60_000]).await.unwrap();
            assert_eq!(cache.health().await.kept, 60_000);
            cache.delete_many(&names).await.unwrap();
            assert_eq!(cache.health().await.kept, 2);
        }
        gated.fail(false);
        for key in ["k", "x:0", "x:4999"] {
            assert_eq!(cache.get::<u8>(key).await.unwrap(), None, "{key}");
        }
        assert_eq!(cache.scope("s").get::<u8>("k").await.unwrap(), None);
        eventually("delivered", async || cache.health().await.kept == 0).await;
        assert_eq!(other.get("k").await.unwrap(), Some(1));
        assert!(cache.set("k", &2).await.unwrap());
        assert_eq!(cache.get("k").await.unwrap(), Some(2));
    }
}

#[tokio::test]
async fn a_value_that_is_set_after_a_kept_deletion_stays() {
    let store = memory();
    let gated = Gated::over(&store);
    let store: Arc<dyn CacheStore> = gated.clone();
    let cache = cache_of(&store, |builder| builder).await;
    cache.set("k", &1).await.unwrap();
    gated.fail(true);
    cache.delete("k").await.unwrap();
    assert!(cache.increment("k", 1).await.is_err());
    gated.fail(false);
    assert!(cache.increment("k", 1).await.unwrap_err().is_store(), "nobody adds to what counts as deleted");
    assert!(cache.pipeline().get("k").unwrap().run().await.unwrap_err().is_store());
    assert!(cache.set("k", &2).await.unwrap());
    assert_eq!(cache.get("k").await.unwrap(), Some(2));
    eventually("delivered", async || cache.health().await.kept == 0).await;
    assert_eq!(cache.get("k").await.unwrap(), Some(2));
}

/// The task that delivers dies with its runtime; the next one takes over.
#[test]
fn deletions_outlive_the_runtime_that_kept_them() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let (cache, gated) = first.block_on(async {
        let gated = Gated::over(&memory());
        let store: Arc<dyn CacheStore> = gated.clone();
        let cache = cache_of(&store, |builder| builder).await;
        cache.set("k", &1).await.unwrap();
        gated.fail(true);
        cache.delete("k").await.unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
        (cache, gated)
    });
    drop(first);
    gated.fail(false);
    second.block_on(async {
        assert_eq!(cache.get::<u8>("k").await.unwrap(), None);
        eventually("delivered", async || cache.health().await.kept == 0).await;
        assert!(cache.set("k", &2).await.unwrap());
        assert_eq!(cache.get("k").await.unwrap(), Some(2));
    });
}

/// A write whose claim could not be made: dropped, nobody knows whether it took place.
#[tokio::test]
async fn a_write_without_a_claim_that_is_dropped_leaves_no_old_value() {
    let gated = Gated::over(&memory());
    let store: Arc<dyn CacheStore> = gated.clone();
    let cache = cache_of(&store, |builder| builder).await;
    cache.set("k", &1).await.unwrap();
    gated.fail(true);
    let mut write = Box::pin(cache.write_through("k", std::future::pending::<Result<i32, Infallible>>()));
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut write).await.is_err());
    gated.fail(false);
    eventually("the first deletion is delivered", async || cache.health().await.kept == 0).await;
    // Somebody read before the commit.
    assert_eq!(cache.get_or_set("k", async || Ok::<_, Infallible>(1)).await.unwrap(), 1);
    drop(write);
    assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
}

/// A request that is repeated since its answer was lost finds what it did itself: nobody waits for anybody, and the value is kept.
#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_its_claimants() {
    let redis = Redis::start();
    let proxy = Proxy::start(&redis.socket());
    let cache = cache_at(at(RedisAddress::Socket(proxy.socket()))).await;
    let tied = cache.depends_on(["t"]);
    let load = async || Ok::<_, Infallible>(1);
    // The server knows the scripts, so that the next one that it is sent does something.
    assert_eq!((cache.get_or_set("warm", load).await, tied.get_or_set("warm:tied", load).await), (Ok(1), Ok(1)));
    for round in 0..20 {
        let since = Instant::now();
        proxy.cut_after(b"EVALSHA");
        let key = format!("k:{round}");
        let loaded = if round % 2 == 0 { cache.get_or_set(&key, load).await } else { tied.get_or_set(&key, load).await };
        assert_eq!((loaded, cache.get(&key).await.unwrap()), (Ok(1), Some(1)), "{round}");
        assert!(since.elapsed() < Duration::from_secs(2), "{round}: {:?}", since.elapsed());
    }
}

/// Connections that break at any moment, as long as it lasts: a value that only grows never shrinks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_connections_that_break_no_value_is_older_than_its_deletion() {
    let redis = Redis::start();
    let proxy = Proxy::start(&redis.socket());
    let cache = cache_at(at(RedisAddress::Socket(proxy.socket()))).await;
    let mut acknowledged = 0;
    let until = Instant::now() + Duration::from_secs(3);
    let mut hits = 0;
    while Instant::now() < until {
        let cut = rand::random_range(0..8);
        if cut == 0 {
            proxy.cut();
        } else if cut == 1 {
            let words: [&'static [u8]; 4] = [b"UNLINK", b"EVALSHA", b"MGET", b"SET"];
            proxy.cut_after(words[rand::random_range(0..4)]);
        }
        acknowledged += 1;
        match rand::random_range(0..4) {
            0 => _ = cache.delete("k").await.unwrap(),
            1 => _ = cache.delete_pattern("k*").await.unwrap(),
            2 => _ = cache.set("k", &acknowledged).await.unwrap(),
            _ => _ = cache.write_through("k", async { Ok::<_, Infallible>(acknowledged) }).await.unwrap(),
        }
        for _ in 0..3 {
            if let Some(value) = cache.get::<u64>("k").await.unwrap() {
                assert_eq!(value, acknowledged);
                hits += 1;
            }
            assert_eq!(cache.get_or_set("k", async || Ok::<_, Infallible>(acknowledged)).await.unwrap(), acknowledged);
        }
    }
    assert!(hits > 0 && acknowledged > 5, "{hits} hits, {acknowledged} changes");
    eventually("it comes back", async || cache.health().await.kept == 0).await;
}

/// A cache's own store counts its failures and is left alone; the embedded one needs nobody.
#[tokio::test]
async fn the_embedded_store_needs_no_server() {
    let stage = Stage::embedded().await;
    loads_give_what_was_loaded(&stage.cache).await;
    assert_eq!(stage.cache.stats().store_errors, 0);
    assert!(stage.cache.redis("k").await.unwrap_err().is_unsupported());
    assert_eq!(stage.cache.increment_for("n", 1, MINUTE).await.unwrap(), 1);
}
