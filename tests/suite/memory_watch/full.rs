//! While nothing is filled: what is shared, what is near, what is too old, and what is warmed.

use super::kit::{documents, executor, memory, pressure, watch};
use crate::faults::kit::{Home, READ, Server, WRITE, eventually};
use crate::support::Redis;
use sqlx::Sqlite;
use sqlx_cached::{Builder, CachingExecutor, Pressure, Reason};
use std::time::Duration;

const OTHER: &str = "SELECT v + 0 FROM counters WHERE id = 1";

fn not_stored(db: &CachingExecutor<Sqlite>) -> u64 {
    db.stats().not_stored.get(&Reason::Memory).copied().unwrap_or_default()
}

/// An executor with room, and the Redis that can be made to have none. So much is in it that its connections, of which nobody knows how many there will be, make no
/// difference to how full it is; and what stands is not shortened to the time that a test may take.
async fn roomy(configure: impl FnOnce(Builder<Sqlite>) -> Builder<Sqlite>) -> (Home<Sqlite>, Redis, CachingExecutor<Sqlite>) {
    let (home, redis) = (Sqlite::home().await, Redis::configured().arguments(&["--maxmemory-policy", "noeviction"]).start());
    redis.cli::<()>(&["SETRANGE", "ballast", &(64 << 20).to_string(), "."]);
    let db =
        executor(&home, &redis, |builder| configure(builder.memory_watch(watch().limit(1 << 30)).default_ttl(Duration::from_hours(1))))
            .await;
    (home, redis, db)
}

/// From here on nine tenths of the memory are in use, and there is room for the rest.
async fn fill_up(redis: &Redis, db: &CachingExecutor<Sqlite>) {
    let info: String = redis.cli(&["INFO", "memory"]);
    let used: u64 = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().parse().unwrap();
    redis.cli::<()>(&["CONFIG", "SET", "maxmemory", &(used * 100 / 94).to_string()]);
    eventually("it is full", async || pressure(db).await == Pressure::Full).await;
}

/// Reads that miss at the same time still share one read of the database, and no lease is asked for: nobody would find what it is about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_flight_goes_on() {
    let (home, redis) = (documents().await, super::kit::small_redis());
    let db = executor(&home, &redis, |builder| builder.memory_watch(watch().thresholds(1, 2))).await;
    eventually("it is full from the start", async || pressure(&db).await == Pressure::Full).await;
    let slow = "SELECT max(length(a.body || b.body || c.v)) FROM documents a, documents b, counters c WHERE a.id < 40 AND b.id < 150";
    let direct = home.direct(slow).await;
    let asked = redis.monitor();
    let reads = (0..8).map(|_| tokio::spawn(Sqlite::number(&db, slow)));
    for read in futures_util::future::join_all(reads).await {
        assert_eq!(read.unwrap().unwrap(), direct);
    }
    let stats = db.stats();
    assert!(stats.joined > 0 && stats.fills == 0 && stats.joined + stats.misses == 8, "{stats}");
    let asked = asked.stop();
    assert!(asked.iter().any(|words| words[0] == "MGET") && !asked.iter().flatten().any(|word| word.ends_with(":lease")), "{asked:?}");
}

/// Who was given an answer that nobody keeps may have seen more than what is near, and must not be given that thereafter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_read_that_is_not_kept_nothing_near_is_believed_until_redis_was_asked() {
    let (home, redis, db) = roomy(|builder| builder.near_bytes(1 << 20).near_staleness(Duration::from_secs(3600))).await;
    let near = async || {
        let before = db.stats().near_hits;
        home.check(&db, READ).await;
        db.stats().near_hits > before
    };
    eventually("it is near", near).await;
    fill_up(&redis, &db).await;
    eventually("it is near", near).await;
    assert!(near().await);
    home.check(&db, OTHER).await;
    assert_eq!(not_stored(&db), 1);
    assert!(!near().await, "Redis is asked first");
    assert!(near().await, "once");
    // Nor is anything forgotten of how a write is followed.
    Sqlite::run(&db, WRITE).await.unwrap();
    assert_eq!((home.check(&db, READ).await, home.check(&db, OTHER).await), (1, 1));
}

/// To read anew what can't be kept would be in vain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_and_may_be_given_is_not_read_anew() {
    let (home, redis, db) = roomy(|builder| builder.near_bytes(0)).await;
    let db = db.ttl(Duration::from_millis(100)).stale_while_revalidate(Duration::from_secs(60));
    assert_eq!(Sqlite::number(&db, READ).await.unwrap(), 0);
    assert_eq!(db.stats().fills, 1);
    fill_up(&redis, &db).await;
    home.run(WRITE).await;
    eventually("it is too old", async || {
        assert_eq!(Sqlite::number(&db, READ).await.unwrap(), 0);
        db.stats().served_stale >= 10
    })
    .await;
    let stats = db.stats();
    assert_eq!((stats.misses, not_stored(&db)), (1, 0), "{stats}");
    // With room again, the next one is.
    redis.cli::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    eventually("there is room", async || pressure(&db).await == Pressure::Normal).await;
    eventually("it is read anew", async || Sqlite::number(&db, READ).await.unwrap() == 1).await;
}

/// Nothing is warmed in vain, and what was warmed is not taken away to be read anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_up_waits_for_room() {
    let (home, redis, db) = roomy(|builder| builder.near_bytes(0)).await;
    let soon = Duration::from_millis(20);
    let warm = || db.warm().query_one(sqlx::query(READ)).query_one(sqlx::query(OTHER));
    assert_eq!(db.warm().query_one(sqlx::query(READ)).run().await.filled, 1);
    fill_up(&redis, &db).await;
    let stats = db.stats();
    let warmed = warm().run().await;
    assert!(warmed.not_kept.iter().all(|(_, reason)| *reason == Reason::Memory) && warmed.total() == 2, "{warmed:?}");
    let anew = db.refresh().warm().query_one(sqlx::query(READ)).run().await;
    assert_eq!((anew.filled, anew.not_kept.len()), (0, 1));
    let mut keeper = warm().look_every(soon).refresh_every(soon).keep();
    let mut next = async || tokio::time::timeout(Duration::from_secs(60), keeper.next()).await.expect("a round").unwrap();
    assert_eq!(next().await.not_kept.len(), 2);
    assert_eq!(db.stats().misses, stats.misses, "the database was not asked");
    assert_eq!(home.check(&db, READ).await, 0);
    assert_eq!(db.stats().hits, stats.hits + 1, "what was there still is");
    redis.cli::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    let mut filled = 0;
    while filled == 0 {
        filled += next().await.filled;
    }
    assert!(memory(&db).await.unwrap().pressure == Pressure::Normal);
}
