//! Several processes, several days.

use crate::faults::kit::{Cache as Place, Home, READ, Server, WRITE, eventually, redis_store};
use crate::support::Redis;
use crate::support::redis_cluster::RedisCluster;
use crate::topology::kit;
use sqlx::Sqlite;
use sqlx_cached::store::{CacheStore, Keyspace, MemoryStore, RedisAddress};
use sqlx_cached::{Cache, CachingExecutor, DayStats};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, UNIX_EPOCH};

/// 2026-11-22, a second before midnight.
const EVENING: u64 = 1_795_391_999;

const DAY: u64 = 86_400;

async fn at(home: &Home<Sqlite>, store: Arc<dyn CacheStore>, clock: &Arc<AtomicU64>) -> CachingExecutor<Sqlite> {
    let clock = Arc::clone(clock);
    let now = move || UNIX_EPOCH + Duration::from_secs(clock.load(SeqCst));
    home.build(|builder| builder.store(store).near_bytes(0).clock(now)).await
}

fn dates(days: &[DayStats]) -> Vec<&str> {
    days.iter().map(|day| day.date.as_str()).collect()
}

/// Of all that an operation is counted for, nothing is lost or counted twice in the totals.
fn adds_up(day: &DayStats) {
    let sum = |of: fn(&sqlx_cached::OperationStats) -> u64| day.operations.values().map(of).sum::<u64>();
    assert_eq!((sum(|one| one.hits), sum(|one| one.misses), sum(|one| one.fills)), (day.hits, day.misses, day.fills), "{day:#?}");
}

/// Two executors with their caches, and a cache without one: all that they count is one day's.
async fn count_together(store: impl Fn() -> Arc<dyn CacheStore>) {
    let home = Sqlite::home().await;
    let (one, two) = (
        home.build(|builder| builder.store(store()).near_bytes(0)).await,
        home.build(|builder| builder.store(store()).near_bytes(0)).await,
    );
    let alone = Cache::builder().store(store()).build().await.unwrap();
    for db in [&one, &two] {
        for _ in 0..3 {
            home.check(db, READ).await;
        }
        Sqlite::run(db, WRITE).await.unwrap();
        db.uncached();
        home.check(&db.uncached(), READ).await;
        db.cache().get_or_set("hero:7", async || Ok::<_, sqlx::Error>(1)).await.unwrap();
        assert_eq!(db.days().await.unwrap().len(), 1);
    }
    alone.set("user:a-secret", &1).await.unwrap();
    alone.get::<i32>("user:a-secret").await.unwrap();
    alone.get::<i32>("secret").await.unwrap();
    for days in [alone.days().await, one.days().await, two.cache().days().await] {
        let day = &days.unwrap()[0];
        // The other one's write makes each first read a miss; the second cache finds the first one's hero.
        assert_eq!((day.hits, day.misses, day.fills, day.writes), (2 + 2 + 1 + 1, 1 + 1 + 1 + 1, 1 + 1 + 1 + 1, 2), "{day:#?}");
        assert_eq!(day.bypasses, [("uncached".to_owned(), 2)].into());
        assert!(day.invalidations >= 2 && day.latency.hit.count == 4 && day.latency.miss.mean().is_some(), "{day:#?}");
        let operation = |name: &str| (day.operations[name].hits, day.operations[name].misses, day.operations[name].fills);
        assert_eq!((operation("counters:data"), operation("hero"), operation("user")), ((4, 2, 2), (1, 1, 1), (1, 0, 1)));
        assert_eq!((operation("other"), day.operations.len()), ((0, 1, 0), 4), "a key without a colon is not told");
        assert_eq!((day.hit_ratio(), day.operations["hero"].hit_ratio()), (Some(0.6), Some(0.5)));
        adds_up(day);
        let json = serde_json::to_value(day).unwrap();
        assert_eq!(json["operations"]["hero"]["hits"], 1);
        assert!(json["latency"]["hit"]["total_seconds"].as_f64().unwrap() > 0.0, "{json}");
    }
    // The counters of a process are no business of the days', nor the other way round; what was counted outlives what was cached.
    one.reset_stats();
    one.cache().reset_stats();
    one.clear().await.unwrap();
    one.cache().clear().await;
    let before = one.days().await.unwrap();
    assert_eq!((before[0].hits, before[0].writes), (6, 2));
    home.check(&one, READ).await;
    assert_eq!(one.days().await.unwrap()[0].misses, before[0].misses + 1, "counted on from zero");
    home.check(&one, READ).await;
    one.reset_days().await.unwrap();
    assert_eq!((one.days().await.unwrap(), alone.days().await.unwrap()), (vec![], vec![]));
    home.check(&two, READ).await;
    assert_eq!(alone.days().await.unwrap(), [], "not yet delivered");
    assert_eq!(two.days().await.unwrap()[0].hits, 1);
}

#[tokio::test]
async fn processes_count_together_in_redis() {
    let place = Place::redis();
    count_together(|| place.store()).await;
    let keys: Vec<String> = place.server().cli(&["KEYS", "*-days:*"]);
    let ttl = |key: &str| place.server().cli::<i64>(&["TTL", key]);
    let day = keys.iter().find(|key| key.split(':').count() == 2).expect("the day's hash");
    assert!((7 * 86_400 - 600..=7 * 86_400).contains(&ttl(day)), "{day}: {}", ttl(day));
    assert!(keys.iter().filter(|key| *key != day).all(|key| (3000..=3600).contains(&ttl(key))), "{keys:?}");
}

#[tokio::test]
async fn executors_count_together_in_one_embedded_store() {
    let place = Place::memory();
    count_together(|| place.store()).await;
}

#[tokio::test]
async fn a_cluster_counts_with_a_key_for_each_day() {
    let cluster = RedisCluster::start().await;
    let home = kit::home().await;
    let address = || RedisAddress::Cluster(cluster.seeds());
    let (one, two) = (kit::executor(&home, address(), false).await, kit::executor(&home, address(), false).await);
    for db in [&one, &two] {
        for table in kit::TABLES {
            home.check(db, &kit::read(table)).await;
        }
        db.days().await.unwrap();
    }
    let day = &one.days().await.unwrap()[0];
    assert_eq!((day.hits, day.misses), (6, 6));
    adds_up(day);
    two.reset_days().await.unwrap();
    assert_eq!(one.days().await.unwrap(), []);
}

/// Seven days are told of, the newest first, and none that nothing was counted on.
async fn pass_midnight(store: impl Fn() -> Arc<dyn CacheStore>) {
    let home = Sqlite::home().await;
    let clock = Arc::new(AtomicU64::new(EVENING));
    let (one, two) = (at(&home, store(), &clock).await, at(&home, store(), &clock).await);
    home.check(&one, READ).await;
    assert_eq!(dates(&one.days().await.unwrap()), ["2026-11-22"]);
    clock.fetch_add(1, SeqCst);
    home.check(&two, READ).await;
    let days = two.days().await.unwrap();
    assert_eq!(dates(&days), ["2026-11-23", "2026-11-22"]);
    assert_eq!((days[0].hits, days[0].misses, days[1].hits, days[1].misses), (1, 0, 0, 1));
    // A day on which nothing happens.
    clock.fetch_add(2 * DAY, SeqCst);
    home.check(&one, READ).await;
    assert_eq!(dates(&one.days().await.unwrap()), ["2026-11-25", "2026-11-23", "2026-11-22"]);
    clock.fetch_add(3 * DAY, SeqCst);
    assert_eq!(dates(&two.days().await.unwrap()), ["2026-11-25", "2026-11-23", "2026-11-22"]);
    clock.fetch_add(DAY, SeqCst);
    assert_eq!(dates(&two.days().await.unwrap()), ["2026-11-25", "2026-11-23"], "the eighth day back is none of the seven");
    for _ in 0..8 {
        home.check(&one, READ).await;
        one.days().await.unwrap();
        clock.fetch_add(DAY, SeqCst);
    }
    assert_eq!(one.days().await.unwrap().len(), 6, "nothing happened today");
}

#[tokio::test]
async fn midnight_begins_another_day_in_redis() {
    let place = Place::redis();
    pass_midnight(|| place.store()).await;
}

#[tokio::test]
async fn midnight_begins_another_day_in_the_embedded_store() {
    let place = Place::memory();
    pass_midnight(|| place.store()).await;
}

/// Nobody asks: the pulse delivers, and sends nothing where nothing happened.
#[tokio::test]
async fn the_pulse_delivers_and_an_idle_process_sends_nothing() {
    let redis = Redis::start();
    let home = Sqlite::home().await;
    let (clock, then) = (Arc::new(AtomicU64::new(EVENING)), Arc::new(AtomicU64::new(0)));
    let (time, looked) = (Arc::clone(&clock), Arc::clone(&then));
    // Whoever looks at the clock has looked at the counters.
    let now = move || {
        looked.fetch_add(1, SeqCst);
        UNIX_EPOCH + Duration::from_secs(time.load(SeqCst))
    };
    let db = home.build(|builder| builder.store(redis_store(&redis)).near_bytes(0).clock(now)).await;
    let cache = Cache::builder().store(redis_store(&redis)).build().await.unwrap();
    home.check(&db, READ).await;
    home.check(&db, READ).await;
    cache.get::<i32>("user:7").await.unwrap();
    let field = |day: &str, field: &str| redis.cli::<Option<u64>>(&["HGET", &format!("sql-days:{day}"), field]);
    eventually("the executor's counts are delivered", async || field("2026-11-22", "hits@counters:data") == Some(1)).await;
    let keys = || redis.cli::<Vec<String>>(&["KEYS", "sql-days:*"]).iter().filter(|key| key.split(':').count() == 2).count();
    eventually("the cache's, too, on a day of its own", async || keys() == 2).await;
    // Time passes, and nothing else.
    let mut monitor = redis.monitor().with_days();
    tokio::time::pause();
    for _ in 0..20 {
        tokio::time::advance(Duration::from_secs(3)).await;
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
    let said = monitor.commands();
    assert!(said.iter().flatten().all(|word| !word.contains("-days:")), "{said:?}");
    assert_eq!(then.load(SeqCst), 1, "who has nothing to file does not ask for the day");
    clock.fetch_add(DAY, SeqCst);
    home.check(&db, READ).await;
    eventually("it is still at it", async || field("2026-11-23", "hits") == Some(1)).await;
    assert_eq!(field("2026-11-23", "misses"), None);
}

#[tokio::test]
async fn what_was_counted_last_is_delivered_at_the_end() {
    let place = Place::redis();
    let home = Sqlite::home().await;
    let (closed, dropped) = (home.executor(place.store()).await, home.executor(place.store()).await);
    let cache = Cache::builder().store(place.store()).build().await.unwrap();
    let observer = Cache::builder().store(place.store()).build().await.unwrap();
    home.check(&closed, READ).await;
    closed.close().await;
    assert_eq!(observer.days().await.unwrap()[0].misses, 1);
    home.check(&dropped, READ).await;
    drop(dropped);
    let day = async || observer.days().await.unwrap().remove(0);
    eventually("a dropped executor's", async || day().await.hits == 1).await;
    cache.get::<i32>("user:7").await.unwrap();
    drop(cache);
    eventually("a dropped cache's", async || day().await.misses == 2).await;
}

#[tokio::test]
async fn where_nothing_is_counted_there_are_no_days() {
    let redis = Redis::start();
    let home = Sqlite::home().await;
    let off = home.build(|builder| builder.store(redis_store(&redis)).daily_counters(false)).await;
    home.check(&off, READ).await;
    assert!(off.days().await.unwrap_err().is_unsupported() && off.reset_days().await.unwrap_err().is_unsupported());
    off.close().await;
    let off = Cache::builder().store(redis_store(&redis)).daily_counters(false).build().await.unwrap();
    off.set("user:7", &1).await.unwrap();
    assert!(off.days().await.unwrap_err().is_unsupported());
    assert!(redis.cli::<Vec<String>>(&["KEYS", "*days*"]).is_empty());
    let off = home.build(|builder| builder.enabled(false)).await;
    assert!(off.days().await.unwrap_err().is_unsupported());
    let own = home.build(|builder| builder.store(Arc::new(MemoryStore::new(Keyspace::new("sql"), 1 << 20)))).await;
    assert_eq!(own.days().await.unwrap(), []);
    home.check(&own, READ).await;
    assert_eq!(own.days().await.unwrap()[0].misses, 1);
}
