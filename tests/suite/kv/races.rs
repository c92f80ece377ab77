//! Loads, writes and deletions that meet at one key, each in the order that a test sets up.

use super::gated::{Gated, Step};
use super::kit::{Stage, cache_on, eventually};
use crate::faults::kit::redis_store;
use crate::support::Redis;
use sqlx_cached::Cache;
use sqlx_cached::store::CacheStore;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// A load that a test lets go on.
pub struct Load {
    begun: oneshot::Receiver<()>,
    give: oneshot::Sender<u64>,
    answer: JoinHandle<u64>,
}

impl Load {
    /// Starts one, and waits until it has begun.
    pub async fn begun(cache: &Cache, key: &'static str) -> Self {
        let mut load = Self::start(cache, key);
        tokio::time::timeout(super::kit::PATIENCE, &mut load.begun).await.expect("a load").expect("a load");
        load
    }

    pub fn start(cache: &Cache, key: &'static str) -> Self {
        let (begins, begun) = oneshot::channel();
        let (give, given) = oneshot::channel();
        let cache = cache.clone();
        let answer = tokio::spawn(async move {
            let load = async || {
                let _ = begins.send(());
                Ok::<_, Infallible>(given.await.expect("the test's word"))
            };
            cache.get_or_set(key, load).await.expect("no error")
        });
        Self { begun, give, answer }
    }

    pub async fn give(self, value: u64) -> u64 {
        self.give.send(value).expect("somebody who waits");
        self.answer.await.expect("an answer")
    }
}

pub async fn given(cache: &Cache, key: &str, value: u64) -> u64 {
    let load = async || Ok::<_, Infallible>(value);
    tokio::time::timeout(super::kit::PATIENCE, cache.get_or_set(key, load)).await.expect("nobody is stuck").expect("no error")
}

#[tokio::test]
async fn what_was_read_before_a_deletion_is_not_stored_after_it() {
    for stage in Stage::both().await {
        let cache = &stage.cache;
        for way in 0..7 {
            let load = Load::begun(cache, "k").await;
            match way {
                0 => assert!(cache.delete("k").await.unwrap()),
                1 => assert_eq!(cache.delete_many(&["j", "k"]).await.unwrap(), 1),
                2 => assert_eq!(cache.delete_pattern("k*").await.unwrap(), 1),
                3 => assert_eq!(cache.clear().await, 1),
                4 => assert_eq!(cache.pipeline().delete("k").unwrap().run().await.unwrap().done(0), Some(true)),
                5 => match &stage.redis {
                    Some(redis) => redis.cli::<()>(&["DEL", "kv:k"]),
                    None => assert!(stage.store.plain().delete_values(&["kv:k".to_owned()]).await.unwrap() == 1),
                },
                _ => assert!(cache.set("k", &2_u64).await.unwrap()),
            }
            // Whoever comes now is given nothing that was read before.
            assert_eq!(given(cache, "k", 2).await, 2, "{} {way}", stage.name);
            assert_eq!(load.give(1).await, 1, "its own caller is given what he loaded");
            assert_eq!(cache.get("k").await.unwrap(), Some(2_u64), "{} {way}", stage.name);
            cache.delete("k").await.unwrap();
        }
    }
}

#[tokio::test]
async fn many_misses_are_one_load() {
    for stage in Stage::both().await {
        let (loads, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let answers: Vec<_> = (0..100)
            .map(|_| {
                let (cache, loads, go) = (stage.cache.clone(), loads.clone(), go.clone());
                tokio::spawn(async move {
                    let load = async || {
                        let number = loads.fetch_add(1, SeqCst);
                        go.notified().await;
                        Ok::<_, Infallible>(number)
                    };
                    cache.get_or_set("k", load).await.unwrap()
                })
            })
            .collect();
        eventually("one loads", async || loads.load(SeqCst) > 0).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        go.notify_waiters();
        for answer in answers {
            let answer = tokio::time::timeout(super::kit::PATIENCE, answer).await.expect("nobody is stuck").unwrap();
            assert_eq!(answer, 0, "{}", stage.name);
        }
        assert_eq!(loads.load(SeqCst), 1, "{}", stage.name);
        let stats = stage.cache.stats();
        assert_eq!((stats.misses, stats.joined + stats.hits, stats.sets), (1, 99, 1), "{stats:?}");
    }
}

/// Two processes, as far as Redis can tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn misses_of_two_processes_are_one_load() {
    let redis = Redis::start();
    let caches = [cache_on(&redis_store(&redis)).await, cache_on(&redis_store(&redis)).await];
    for round in 0..20 {
        let loads = Arc::new(AtomicUsize::new(0));
        let answers: Vec<_> = (0..100)
            .map(|number| {
                let (cache, loads) = (caches[number % 2].clone(), loads.clone());
                tokio::spawn(async move {
                    let load = async || {
                        tokio::time::sleep(Duration::from_millis(60)).await;
                        Ok::<_, Infallible>(loads.fetch_add(1, SeqCst))
                    };
                    cache.get_or_set(&format!("k:{round}"), load).await.unwrap()
                })
            })
            .collect();
        for answer in answers {
            assert_eq!(answer.await.unwrap(), 0);
        }
        assert_eq!(loads.load(SeqCst), 1);
    }
}

#[tokio::test]
async fn a_load_that_is_dropped_or_panics_is_taken_over() {
    for stage in Stage::both().await {
        for panics in [false, true] {
            let first = Load::begun(&stage.cache, "k").await;
            let second = Load::start(&stage.cache, "k");
            tokio::time::sleep(Duration::from_millis(50)).await;
            let since = Instant::now();
            if panics {
                drop(first.give);
                assert!(first.answer.await.unwrap_err().is_panic());
            } else {
                first.answer.abort();
            }
            assert_eq!(second.give(2).await, 2, "{}", stage.name);
            assert!(since.elapsed() < Duration::from_secs(2), "{}: {:?}", stage.name, since.elapsed());
            assert_eq!(stage.cache.get("k").await.unwrap(), Some(2_u64), "{}", stage.name);
            stage.cache.delete("k").await.unwrap();
        }
    }
}

/// At each step of a load, its caller goes away: nobody waits for a load that nobody does.
#[tokio::test]
async fn a_look_up_that_is_dropped_at_any_step_leaves_no_claim() {
    for stage in Stage::both().await {
        for step in [Step::Got, Step::BeforeClaim, Step::Claimed, Step::BeforeSettle, Step::Settled] {
            let gated = Gated::over(&stage.store);
            let store: Arc<dyn CacheStore> = gated.clone();
            let cache = cache_on(&store).await;
            let mut held = gated.hold(step);
            let call = tokio::spawn({
                let cache = cache.clone();
                async move { given(&cache, "k", 1).await }
            });
            held.reached().await;
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
            drop(held);
            let since = Instant::now();
            let value = given(&cache, "k", 2).await;
            assert!(value == 2 || matches!(step, Step::BeforeSettle | Step::Settled), "{} {step:?}", stage.name);
            assert!(since.elapsed() < Duration::from_secs(2), "{} {step:?}: {:?}", stage.name, since.elapsed());
            cache.delete("k").await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_takes_longer_than_a_lease_is_stored_and_shared() {
    let stage = Stage::embedded().await;
    let slow = Load::begun(&stage.cache, "k").await;
    let joined = Load::start(&stage.cache, "k");
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(slow.give(1).await, 1);
    assert_eq!(joined.answer.await.unwrap(), 1);
    assert_eq!(stage.cache.get("k").await.unwrap(), Some(1_u64));
}

/// Loads that ask for what they load, or for each other's.
#[tokio::test(start_paused = true)]
async fn loads_that_wait_for_each_other_end() {
    let stage = Stage::embedded().await;
    let cache = &stage.cache;
    let inner = async || cache.get_or_set("k", async || Ok::<_, Infallible>(1)).await;
    assert_eq!(tokio::time::timeout(Duration::from_mins(5), cache.get_or_set("k", inner)).await.expect("an end").unwrap(), 1);
    let of = |this: &'static str, that: &'static str| {
        let cache = cache.clone();
        async move {
            let load = async || {
                tokio::time::sleep(Duration::from_secs(1)).await;
                cache.get_or_set(that, async || Ok::<_, Infallible>(2)).await
            };
            cache.get_or_set(this, load).await.unwrap()
        }
    };
    let both = async { tokio::join!(of("a", "b"), of("b", "a")) };
    assert_eq!(tokio::time::timeout(Duration::from_mins(5), both).await.expect("an end"), (2, 2));
}

/// Of refreshes that meet each gives what was read after its call.
#[tokio::test]
async fn refreshes_that_meet_give_nothing_old() {
    for stage in Stage::both().await {
        let (database, loads) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let refreshes = (0..50).map(|_| {
            let (cache, database, loads) = (stage.cache.clone(), database.clone(), loads.clone());
            tokio::spawn(async move {
                let before = database.fetch_add(1, SeqCst) + 1;
                let load = async || {
                    let value = database.load(SeqCst);
                    loads.fetch_add(1, SeqCst);
                    tokio::task::yield_now().await;
                    Ok::<_, Infallible>(value)
                };
                let value = cache.refresh("k", load).await.unwrap();
                assert!(value >= before, "{value} is older than {before}");
            })
        });
        for refresh in refreshes.collect::<Vec<_>>() {
            refresh.await.unwrap();
        }
        let last = database.load(SeqCst);
        assert!(stage.cache.get::<usize>("k").await.unwrap().is_none_or(|value| value == last), "{}", stage.name);
    }
}

/// The answer of a look-up is on its way while the key is deleted and claimed anew: both orders of everything else are tried elsewhere.
#[tokio::test]
async fn a_follower_that_was_slow_joins_nothing_from_before_a_deletion_it_came_after() {
    for stage in Stage::both().await {
        let gated = Gated::over(&stage.store);
        let store: Arc<dyn CacheStore> = gated.clone();
        let cache = cache_on(&store).await;
        let old = Load::begun(&cache, "k").await;
        assert!(cache.delete("k").await.unwrap());
        // It comes after the deletion, and finds nothing; before it claims, another one does.
        let mut held = gated.hold(Step::Got);
        let late = Load::start(&cache, "k");
        held.reached().await;
        let new = Load::begun(&cache, "k").await;
        held.release();
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(old.give(1).await, 1);
        assert_eq!(new.give(2).await, 2);
        assert_eq!(late.answer.await.unwrap(), 2, "{}", stage.name);
        assert_eq!(cache.get("k").await.unwrap(), Some(2_u64));
    }
}
