//! What becomes of queries that fail, that can't be kept, and of those that would write.

use crate::faults::kit::{Cache, LEASE, READ, Server, WRITE, eventually};
use crate::support::Redis;
use sqlx::Sqlite;
use sqlx_cached::{Progress, Reason};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

const ALL: &str = "SELECT id, v FROM counters";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_said_and_stops_nothing() {
    let (home, cache) = (Sqlite::home().await, Cache::memory());
    let db = home.executor(cache.store()).await;
    home.run("CREATE TABLE texts (id INTEGER PRIMARY KEY, t TEXT)").await;
    let seen = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let progress = Arc::clone(&seen);
    let warmed = db
        .warm()
        .query(sqlx::query("SELECT nowhere FROM counters"))
        .query_one(sqlx::query(READ))
        .query(sqlx::query("SELECT abs(v - 9223372036854775807 - 1) FROM counters"))
        .query(sqlx::query(ALL))
        .task("three", || async { Ok::<_, String>(()) })
        .task("four", || async { Err("out of order") })
        .task("five", || async { if true { panic!("on purpose") } else { Ok::<_, String>(()) } })
        .on_progress(move |now| progress.lock().unwrap().push(now))
        .run()
        .await;
    assert_eq!((warmed.filled, warmed.tasks, warmed.failed.len(), warmed.total()), (2, 1, 4, 7), "{warmed:?}");
    let mut failed: Vec<_> = warmed.failed.iter().map(|(name, error)| format!("{name}: {error}")).collect();
    failed.sort();
    assert!(failed[0].contains("abs") && failed[0].contains("overflow"), "{failed:?}");
    assert!(failed[1].contains("nowhere") && failed[1].contains("no such column"), "{failed:?}");
    assert_eq!(failed[2..], ["five: it panicked", "four: out of order"]);
    assert_eq!(warmed.to_string(), "2 filled, 0 there already, 1 tasks done, 0 not kept, 4 failed");

    let seen = seen.lock().unwrap();
    assert_eq!(seen.iter().map(|progress| progress.done).collect::<Vec<_>>(), (1..=7).collect::<Vec<_>>());
    assert!(seen.windows(2).all(|two| two[0].failed <= two[1].failed) && seen.iter().all(|progress| progress.total == 7));
    assert_eq!(seen.last().unwrap().failed, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_kept_is_not_read_and_nothing_is_written() {
    let (home, cache) = (Sqlite::home().await, Cache::memory());
    let db = home.build(|builder| builder.store(cache.store()).max_entry_bytes(1000).fence_lease(LEASE)).await;
    home.run("CREATE TABLE texts (id INTEGER PRIMARY KEY, t TEXT); INSERT INTO texts VALUES (1, hex(zeroblob(1000)))").await;
    eventually("the catalog knows the new table", async || db.explain("SELECT t FROM texts").read.is_ok()).await;
    let warm = |db: &sqlx_cached::CachingExecutor<Sqlite>| {
        let warm = db.warm().query(sqlx::query("SELECT v + random() FROM counters")).query(sqlx::query(WRITE));
        let warm = warm.query(sqlx::query("SELECT 1")).query(sqlx::raw_sql(ALL)).query(sqlx::query("CREATE TABLE more (id INTEGER)"));
        warm.query(sqlx::query("SELECT t FROM texts")).query(sqlx::query("PRAGMA cache_size = 100"))
    };
    let mut warmed = warm(&db).concurrency(1).run().await;
    assert_eq!(warmed.filled + warmed.already + warmed.failed.len(), 0, "{warmed:?}");
    warmed.not_kept.sort();
    let reasons = |text: &str| warmed.not_kept.iter().find(|(name, _)| name.contains(text)).map(|(_, reason)| *reason);
    for (text, reason) in [
        ("random", Reason::Function),
        ("UPDATE", Reason::Write),
        ("SELECT 1", Reason::NoTable),
        ("SELECT id, v", Reason::RawSql),
        ("CREATE", Reason::Write),
        ("texts", Reason::TooLarge),
    ] {
        assert_eq!(reasons(text), Some(reason), "{text}: {:?}", warmed.not_kept);
    }
    assert_eq!(home.direct(READ).await, 0, "nothing was written");
    assert_eq!(home.direct("SELECT COUNT(*) FROM sqlite_master WHERE name = 'more'").await, 0);
    // Nor does a statement that was not run change what is thought of the session.
    home.resumes(&db, READ).await;

    let uncached = warm(&db.uncached()).run().await;
    assert!(uncached.not_kept.iter().all(|(_, reason)| *reason == Reason::Uncached) && uncached.total() == 7, "{uncached:?}");
    let off = home.build(|builder| builder.enabled(false)).await;
    let off = off.warm().query(sqlx::query(ALL)).task("a task", || async { Ok::<_, String>(()) }).run().await;
    assert_eq!((off.not_kept, off.tasks), (vec![(ALL.to_owned(), Reason::Off)], 1));
}

/// Never more at once than was said, nor than half of the pool's connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_is_bounded() {
    let (home, cache) = (Sqlite::home().await, Cache::memory());
    let db = home.executor(cache.store()).await;
    assert_eq!(db.options().get_max_connections(), 8);
    for (asked, granted) in [(0, 1), (3, 3), (100, 4)] {
        let (running, most, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let mut warm = db.warm().concurrency(asked);
        for number in 0..20 {
            let (running, most, gate) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&gate));
            warm = warm.task(&number.to_string(), move || {
                let (running, most, gate) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&gate));
                async move {
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    gate.acquire().await.unwrap().forget();
                    running.fetch_sub(1, SeqCst);
                    Ok::<_, String>(())
                }
            });
        }
        let run = tokio::spawn(warm.run());
        eventually("as many as may are under way", async || running.load(SeqCst) == granted).await;
        gate.add_permits(20);
        assert_eq!(run.await.unwrap().tasks, 20);
        assert_eq!(most.load(SeqCst), granted, "{asked} asked for");
    }
}

/// With Redis out of reach the database is not read in vain, and nothing fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_nothing_is_read_and_nothing_fails() {
    let (home, mut redis) = (Sqlite::home().await, Redis::start());
    redis.kill();
    let db = home.build(|builder| builder.redis_url(&redis.url()).redis_timeout(Duration::from_millis(200))).await;
    let queries = (0..20_i64).map(|id| sqlx::query("SELECT v FROM counters WHERE id = ?").bind(id));
    let warmed = db.warm().queries(queries).run().await;
    assert_eq!(warmed.not_kept.len(), 20, "{warmed:?}");
    // Whoever asks meets the breaker, or a database that is not known yet for want of a store.
    let passing = [Reason::Store, Reason::Open, Reason::Starting];
    assert!(warmed.not_kept.iter().all(|(_, reason)| passing.contains(reason)), "{warmed:?}");
    assert_eq!(db.stats().fills, 0);
}

/// A query with other arguments is another answer, and a warm-up that is dropped stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_half_way_it_stops() {
    let (home, cache) = (Sqlite::home().await, Cache::memory());
    let db = home.executor(cache.store()).await;
    let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(1)));
    let (count, entry) = (Arc::clone(&begun), Arc::clone(&gate));
    let task = move || {
        let (count, entry) = (Arc::clone(&count), Arc::clone(&entry));
        async move {
            count.fetch_add(1, SeqCst);
            entry.acquire().await.unwrap().forget();
            Ok::<_, String>(())
        }
    };
    let warm = db.warm().concurrency(1).task("one", task.clone()).task("two", task.clone()).task("three", task);
    let run = tokio::spawn(warm.run());
    eventually("the second is under way", async || begun.load(SeqCst) == 2).await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    gate.add_permits(10);
    tokio::task::yield_now().await;
    assert_eq!(begun.load(SeqCst), 2, "the third was never begun");
}
