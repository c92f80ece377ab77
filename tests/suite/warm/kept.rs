//! What is kept warm is read anew now and then, tried again where it failed, and left alone once nobody wants it any more.

use crate::faults::kit::{Cache, READ, Server, WRITE, eventually};
use sqlx::Sqlite;
use sqlx_cached::{CachingExecutor, WarmKeeper, Warmed};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(20);

async fn next(keeper: &mut WarmKeeper) -> Arc<Warmed> {
    tokio::time::timeout(Duration::from_secs(20), keeper.next()).await.expect("a round in time").expect("it is kept warm")
}

/// What somebody wrote whom nobody follows is seen by the next refresh, and thereafter by every hit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pinned_queries_are_read_anew() {
    for cache in [Cache::memory(), Cache::redis()] {
        let home = Sqlite::home().await;
        let db = home.executor(cache.store()).await;
        let mut keeper = db.warm().query_one(sqlx::query(READ)).look_every(SOON).refresh_every(SOON).keep();
        assert_eq!(next(&mut keeper).await.filled, 1);
        home.run(WRITE).await;
        // One that may have begun before, and one that did not.
        next(&mut keeper).await;
        assert_eq!(next(&mut keeper).await.filled, 1, "read anew, whatever was there");
        keeper.stop().await;
        let hits = db.stats().hits;
        assert_eq!(Sqlite::number(&db, READ).await.unwrap(), 1);
        assert_eq!(db.stats().hits, hits + 1);
    }
}

/// A write is no loss: the next reader brings the answer, and nobody reads for those who don't ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_write_invalidated_is_left_to_its_reader() {
    let (home, cache) = (Sqlite::home().await, Cache::redis());
    let db = home.executor(cache.store()).await;
    let mut keeper = db.warm().query_one(sqlx::query(READ)).look_every(SOON).keep();
    next(&mut keeper).await;
    let mut looks = cache.server().monitor();
    Sqlite::run(&db, WRITE).await.unwrap();
    let misses = db.stats().misses;
    let mut looked = 0;
    eventually("it has looked", async || {
        looked += looks.commands().iter().filter(|words| words.iter().any(|word| word.contains(":canary:"))).count();
        looked > 2
    })
    .await;
    assert_eq!(db.stats().misses, misses);
    assert_eq!(home.check(&db, READ).await, 1);
    assert_eq!(db.stats().misses, misses + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_is_tried_again() {
    let (home, cache) = (Sqlite::home().await, Cache::memory());
    let db = home.executor(cache.store()).await;
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let task = move || {
        let number = counted.fetch_add(1, SeqCst);
        async move { if number < 2 { Err("not yet") } else { Ok(()) } }
    };
    let mut keeper = db.warm().query(sqlx::query(READ)).task("a task", task).look_every(SOON).keep();
    let mut done = 0;
    let mut failed = 0;
    while done == 0 {
        let round = next(&mut keeper).await;
        done += round.tasks;
        failed += round.failed.len();
    }
    assert_eq!((tries.load(SeqCst), failed, db.stats().fills), (3, 2, 1), "and what succeeded is not");
}

/// Once it is stopped, or dropped, nothing is asked any more: neither the database nor the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_ends_it() {
    let (home, cache) = (Sqlite::home().await, Cache::redis());
    let db = home.executor(cache.store()).await;
    let running = Arc::new(());
    let begin = || {
        let held = Arc::clone(&running);
        let task = move || {
            let held = Arc::clone(&held);
            async move {
                drop(held);
                Ok::<_, String>(())
            }
        };
        db.warm().query(sqlx::query(READ)).task("a task", task).look_every(SOON).refresh_every(SOON).keep()
    };
    for stopped in [true, false] {
        let mut keeper = begin();
        next(&mut keeper).await;
        next(&mut keeper).await;
        if stopped {
            keeper.stop().await;
            assert_eq!(Arc::strong_count(&running), 1, "it is over");
        } else {
            drop(keeper);
        }
        eventually("it is over", async || Arc::strong_count(&running) == 1).await;
        let misses = db.stats().misses;
        let mut asked = cache.server().monitor();
        tokio::time::sleep(SOON * 10).await;
        assert_eq!((db.stats().misses, asked.commands()), (misses, Vec::new()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_with_the_executor_and_with_the_pool() {
    let (home, cache) = (Sqlite::home().await, Cache::memory());
    let begin = |db: &CachingExecutor<Sqlite>| db.warm().query(sqlx::query(READ)).look_every(SOON).keep();
    let db = home.executor(cache.store()).await;
    let mut keeper = begin(&db);
    next(&mut keeper).await;
    drop(db);
    assert!(tokio::time::timeout(Duration::from_secs(20), keeper.next()).await.expect("it ends in time").is_none());

    let db = home.executor(cache.store()).await;
    let mut keeper = begin(&db);
    next(&mut keeper).await;
    db.close().await;
    assert!(tokio::time::timeout(Duration::from_secs(20), keeper.next()).await.expect("it ends in time").is_none());
}

/// With the cache switched off there is nothing to keep: that is said, and nobody waits.
#[tokio::test]
async fn switched_off_there_is_one_round_and_no_more() {
    let home = Sqlite::home().await;
    let db = home.build(|builder| builder.enabled(false)).await;
    let mut keeper = db.warm().query(sqlx::query(READ)).keep();
    let round = next(&mut keeper).await;
    assert_eq!((round.not_kept.len(), round.total()), (1, 1));
    assert!(keeper.next().await.is_none());
}

#[tokio::test]
async fn pauses_without_an_end_and_a_report_that_panics_end_nothing() {
    let home = Sqlite::home().await;
    let db = home.executor(Cache::memory().store()).await;
    let warm = || db.warm().query(sqlx::query(READ)).look_every(Duration::MAX).refresh_every(Duration::MAX);
    let mut keeper = warm().on_progress(|_| panic!("a report")).keep();
    assert_eq!(next(&mut keeper).await.total(), 1);
    assert!(format!("{keeper:?}").contains("running: true"), "{keeper:?}");
    tokio::task::yield_now().await;
    let ended = tokio::time::timeout(Duration::from_millis(100), keeper.next()).await;
    assert!(ended.is_err(), "it waits: {ended:?}");
    keeper.stop().await;
}
