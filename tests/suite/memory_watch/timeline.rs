//! A Redis of 8 MB that evicts nothing, filled by reads until both thresholds are crossed, and back.

use super::kit::{DOCUMENTS, SHORT, TTL, Timeline, documents, executor, memory, read, small_redis, times_left};
use crate::faults::kit::{READ, Server, WRITE, eventually};
use sqlx::Sqlite;
use sqlx_cached::{Pressure, Reason};

async fn crosses_both_thresholds_and_comes_back(near: u64) {
    let (home, redis) = (documents().await, small_redis());
    let db = executor(&home, &redis, |builder| builder.near_bytes(near)).await;
    let mut timeline = Timeline::new();
    eventually("the watch has looked", async || memory(&db).await.is_some()).await;
    assert_eq!(memory(&db).await.unwrap().limit, Some(8 << 20));
    assert_eq!(timeline.note(&db, "it begins").await, Pressure::Normal);
    // What the program keeps under a key of its own, and somebody else's.
    let own = ["sql:documents:user:1", "sql:notes", "other"];
    for key in own {
        redis.cli::<()>(&["SET", key, "what somebody keeps", "EX", "1000"]);
    }

    let mut next = 1;
    while timeline.note(&db, "").await == Pressure::Normal {
        read(&home, &db, next).await;
        next += 1;
        assert!(next < DOCUMENTS, "{}", timeline.text);
    }
    timeline.note(&db, "the first threshold").await;
    assert!(times_left(&redis).iter().any(|left| *left > millis(SHORT)), "what stands keeps its time");

    // One answer more.
    let before: Vec<String> = redis.cli(&["KEYS", "sql:documents:data:*"]);
    while timeline.note(&db, "").await == Pressure::Short {
        read(&home, &db, next).await;
        next += 1;
        assert!(next < DOCUMENTS, "{}", timeline.text);
        let new: Vec<String> = redis.cli(&["KEYS", "sql:documents:data:*"]);
        for key in new.iter().filter(|key| !before.contains(key)) {
            let left: i64 = redis.cli(&["PTTL", key]);
            assert!(left <= millis(SHORT), "{key} is kept for {left} ms above the first threshold");
        }
    }
    timeline.note(&db, "the second threshold").await;

    // Nothing is filled, everybody is answered, and writes go on.
    let stats = db.stats();
    let not_stored = |stats: &sqlx_cached::Stats| stats.not_stored.get(&Reason::Memory).copied().unwrap_or_default();
    for id in next..next + 20 {
        read(&home, &db, id).await;
    }
    let now = db.stats();
    if timeline.note(&db, "twenty misses").await == Pressure::Full {
        assert_eq!((now.fills, not_stored(&now)), (stats.fills, not_stored(&stats) + 20), "{}", timeline.text);
    }
    let value = home.check(&db, READ).await;
    Sqlite::run(&db, WRITE).await.unwrap();
    assert_eq!(home.check(&db, READ).await, value + 1);
    home.run("UPDATE documents SET v = v + 1 WHERE id = 3").await;
    db.invalidate_table("documents").await.unwrap();
    read(&home, &db, 3).await;

    // What stands makes room, and nothing else does.
    eventually("what stands is kept for shorter", async || times_left(&redis).iter().all(|left| *left <= millis(SHORT))).await;
    for key in own {
        assert!(redis.cli::<i64>(&["PTTL", key]) > millis(TTL), "{key} is not ours");
    }
    eventually("there is room", async || timeline.note(&db, "").await == Pressure::Normal).await;
    timeline.note(&db, "there is room again").await;
    home.resumes(&db, READ).await;
    let fills = db.stats().fills;
    read(&home, &db, 5).await;
    assert_eq!(db.stats().fills, fills + 1);

    let stats = db.stats();
    let refused: String = redis.cli(&["INFO", "errorstats"]);
    assert!(stats.store_errors == 0 && !refused.contains("OOM"), "{stats}\n{refused}");
    println!("{}", timeline.text);
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_of_8_mb_crosses_both_thresholds_and_comes_back() {
    crosses_both_thresholds_and_comes_back(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_so_it_does_behind_a_near_cache() {
    crosses_both_thresholds_and_comes_back(64 << 20).await;
}

/// Where the use grows faster than anybody looks, Redis' own refusal is the sign.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_fill_is_a_reason_to_look_at_once() {
    let (home, redis) = (documents().await, small_redis());
    let watch = super::kit::watch().interval(std::time::Duration::from_secs(20));
    let db = executor(&home, &redis, |builder| builder.memory_watch(watch).near_bytes(0)).await;
    eventually("the watch has looked", async || memory(&db).await.is_some()).await;
    for id in 1..DOCUMENTS {
        read(&home, &db, id).await;
    }
    assert!(db.stats().store_errors > 0, "it was filled to the brim");
    let since = std::time::Instant::now();
    eventually("it has noticed", async || super::kit::pressure(&db).await == Pressure::Full).await;
    println!("noticed {:?} after the last fill", since.elapsed());
}
