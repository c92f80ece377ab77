//! Values that are written through, and who meets them.

use super::kit::{Stage, eventually};
use super::races::{Load, given};
use sqlx_cached::Cache;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

type Written = Result<u64, &'static str>;

/// A write that a test lets go on.
fn write(cache: &Cache, key: &'static str) -> (oneshot::Sender<Written>, JoinHandle<Written>) {
    let (give, given) = oneshot::channel();
    let cache = cache.clone();
    (give, tokio::spawn(async move { cache.write_through(key, async { given.await.expect("the test's word") }).await }))
}

async fn claimed(stage: &Stage, key: &str) {
    eventually("a claim", async || stage.raw(key).await.is_some_and(|bytes| bytes.starts_with(b"SQV1"))).await;
}

#[tokio::test]
async fn while_a_write_is_under_way_nothing_is_given_or_stored() {
    for stage in Stage::both().await {
        let cache = &stage.cache;
        for fails in [false, true] {
            cache.set("k", &0_u64).await.unwrap();
            let (commit, written) = write(cache, "k");
            claimed(&stage, "k").await;
            assert_eq!(cache.get::<u64>("k").await.unwrap(), None, "{}", stage.name);
            assert!(!cache.exists("k").await.unwrap());
            assert_eq!(given(cache, "k", 7).await, 7);
            assert_eq!(cache.get::<u64>("k").await.unwrap(), None);
            commit.send(if fails { Err("no") } else { Ok(1) }).unwrap();
            assert_eq!(written.await.unwrap(), if fails { Err("no") } else { Ok(1) });
            assert_eq!(cache.get("k").await.unwrap(), (!fails).then_some(1_u64), "{}", stage.name);
            cache.delete("k").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_load_that_began_before_a_write_is_not_stored_after_it() {
    for stage in Stage::both().await {
        let cache = &stage.cache;
        for load_ends_first in [false, true] {
            let mut load = Some(Load::begun(cache, "k").await);
            let (commit, written) = write(cache, "k");
            claimed(&stage, "k").await;
            eventually("it is the write's", async || stage.raw("k").await.is_some_and(|bytes| bytes[4] == 2)).await;
            if load_ends_first {
                assert_eq!(load.take().unwrap().give(0).await, 0);
            }
            commit.send(Ok(1)).unwrap();
            written.await.unwrap().unwrap();
            if let Some(load) = load {
                assert_eq!(given(cache, "k", 5).await, 1, "whoever comes after the write joins no load from before");
                assert_eq!(load.give(0).await, 0);
            }
            assert_eq!(cache.get("k").await.unwrap(), Some(1_u64), "{} {load_ends_first}", stage.name);
            cache.delete("k").await.unwrap();
        }
    }
}

#[tokio::test]
async fn of_writes_that_overlap_none_is_stored_whichever_ends_first() {
    for stage in Stage::both().await {
        let cache = &stage.cache;
        for first in [0, 1] {
            let mut writes = [Some(write(cache, "k")), None];
            claimed(&stage, "k").await;
            writes[1] = Some(write(cache, "k"));
            eventually("both claim", async || stage.raw("k").await.is_some_and(|bytes| bytes.ends_with(b"2"))).await;
            for place in [first, 1 - first] {
                let (commit, written) = writes[place].take().unwrap();
                commit.send(Ok(place as u64)).unwrap();
                written.await.unwrap().unwrap();
                assert_eq!(cache.get::<u64>("k").await.unwrap(), None, "{} {first}", stage.name);
            }
            assert_eq!(given(cache, "k", 9).await, 9, "the next one loads");
            assert_eq!(cache.get("k").await.unwrap(), Some(9_u64), "and stores: nothing is left of the writes");
            cache.delete("k").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_write_whose_claim_is_deleted_stores_nothing_and_takes_along_what_was_read_meanwhile() {
    for stage in Stage::both().await {
        let cache = &stage.cache;
        let (commit, written) = write(cache, "k");
        claimed(&stage, "k").await;
        assert!(cache.delete("k").await.unwrap());
        assert_eq!(given(cache, "k", 0).await, 0, "read before the commit, and stored");
        assert_eq!(cache.get("k").await.unwrap(), Some(0_u64));
        commit.send(Ok(1)).unwrap();
        written.await.unwrap().unwrap();
        assert_eq!(given(cache, "k", 1).await, 1, "{}", stage.name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_dropped_keeps_its_claim_for_half_a_minute_and_a_slow_one_to_its_end() {
    let stage = Stage::embedded().await;
    let cache = &stage.cache;
    cache.set("k", &0_u64).await.unwrap();
    let (commit, written) = write(cache, "k");
    claimed(&stage, "k").await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!((given(cache, "k", 8).await, cache.get::<u64>("k").await.unwrap()), (8, None), "it is still under way");
    written.abort();
    assert!(written.await.unwrap_err().is_cancelled() && commit.send(Ok(1)).is_err());
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!((given(cache, "k", 8).await, cache.get::<u64>("k").await.unwrap()), (8, None), "nobody knows what became of it");
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!((given(cache, "k", 9).await, cache.get::<u64>("k").await.unwrap()), (9, Some(9)));
}
