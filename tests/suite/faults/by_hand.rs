//! Invalidation by hand: through the executor, and with raw commands from any other program.

use super::kit::{Cache, Home, LEASE, READ, Server, WRITE, each};
use super::late::{Blocking, LOCK_ROW, LONG, blocked};
use sqlx::{MySql, Postgres, Sqlite};
use sqlx_cached::CachingExecutor;

/// `others` is filed first, `counters` is the second table.
const JOIN: &str = "SELECT counters.v FROM others JOIN counters ON counters.id = others.id WHERE others.id = 1";

each! {
    by_the_executor: Postgres MySql Sqlite;
}

/// Both reads are hits, though the database moved on behind the cache's back.
async fn stale_on_purpose<DB: Server>(home: &Home<DB>, executor: &CachingExecutor<DB>) -> i64 {
    home.resumes(executor, READ).await;
    home.resumes(executor, JOIN).await;
    let old = home.direct(READ).await;
    home.run(WRITE).await;
    assert_eq!(DB::number(executor, READ).await.unwrap(), old, "a write past the executor is not seen: that is what the hand is for");
    assert_eq!(DB::number(executor, JOIN).await.unwrap(), old);
    old + 1
}

async fn both_are<DB: Server>(executor: &CachingExecutor<DB>, value: i64, what: &str) {
    assert_eq!(DB::number(executor, READ).await.unwrap(), value, "{what}");
    assert_eq!(DB::number(executor, JOIN).await.unwrap(), value, "{what}: the join");
}

async fn by_the_executor<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);

    let value = stale_on_purpose(&home, &one).await;
    two.invalidate_table("counters").await.unwrap();
    both_are(&one, value, "invalidate_table").await;

    let value = stale_on_purpose(&home, &one).await;
    let deleted = two.invalidate("sql:counters:*").await.unwrap();
    assert_eq!(deleted, 2, "the read's entry and the generation; the join is filed under the other table");
    both_are(&one, value, "invalidate").await;

    let value = stale_on_purpose(&home, &one).await;
    assert!(two.clear().await.unwrap() >= 4);
    both_are(&one, value, "clear").await;

    assert!(two.invalidate("other:*").await.is_err(), "not below the namespace");
    home.resumes(&one, READ).await;
    assert_eq!(two.invalidate("sql:nobody:*").await.unwrap(), 0);
    let hits = one.stats().hits;
    home.check(&one, READ).await;
    assert_eq!(one.stats().hits, hits + 1);
}

/// Whoever refreshes has been told that the answer is another. If that one is too large to be kept, the old one must not come back.
#[tokio::test]
async fn a_refresh_whose_answer_can_not_be_kept() {
    const TEXT: &str = "SELECT t FROM texts";
    let home = Sqlite::home().await;
    home.run("CREATE TABLE texts (t TEXT); INSERT INTO texts VALUES ('short')").await;
    let executor = home.build(|builder| builder.max_entry_bytes(1000)).await;
    let length = async |executor: &CachingExecutor<Sqlite>| sqlx::query_scalar::<_, String>(TEXT).fetch_one(executor).await.unwrap().len();
    assert_eq!((length(&executor).await, length(&executor).await, executor.stats().hits), (5, 5, 1));
    home.run("UPDATE texts SET t = hex(zeroblob(1000))").await;
    assert_eq!(length(&executor).await, 5, "a write past the executor is not seen");
    assert_eq!(length(&executor.refresh()).await, 2000);
    assert_eq!(length(&executor).await, 2000);
}

#[tokio::test]
async fn by_raw_commands() {
    let cache = Cache::redis();
    let home = Sqlite::home().await;
    let executor = home.executor(cache.store()).await;
    let redis = cache.server();

    let value = stale_on_purpose(&home, &executor).await;
    let (_, keys): (u64, Vec<String>) = redis.cli(&["SCAN", "0", "MATCH", "sql:counters:*", "COUNT", "1000"]);
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in &keys {
        assert_eq!(redis.cli::<i64>(&["DEL", key]), 1);
    }
    both_are(&executor, value, "SCAN and DEL").await;

    // The generation alone does it, too.
    let value = stale_on_purpose(&home, &executor).await;
    redis.cli::<i64>(&["DEL", "sql:counters:gen"]);
    both_are(&executor, value, "DEL of the generation").await;

    let value = stale_on_purpose(&home, &executor).await;
    redis.cli::<String>(&["FLUSHALL"]);
    both_are(&executor, value, "FLUSHALL").await;
}

/// A flush, or a SCAN and DEL, takes a running write's marks along: they are put back, and nothing that was read meanwhile outlives the write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushed_while_a_write_waits() {
    flushed::<Postgres>().await;
    flushed::<MySql>().await;
}

async fn flushed<DB: Blocking>() {
    for command in ["FLUSHALL", "SCAN"] {
        let cache = Cache::redis();
        let home = DB::home().await;
        let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
        home.resumes(&two, READ).await;
        let lock = DB::locked(&home, LOCK_ROW).await;
        let write = tokio::spawn(DB::run(&one, WRITE));
        blocked(&home).await;
        if command == "FLUSHALL" {
            cache.server().cli::<String>(&["FLUSHALL"]);
        } else {
            for key in cache.server().cli::<Vec<String>>(&["KEYS", "sql:counters:*"]) {
                cache.server().cli::<i64>(&["DEL", &key]);
            }
        }
        // The old value is still true, and may be stored until the renewal.
        home.check_until(&[&two], tokio::time::sleep(LEASE / 2)).await;
        super::kit::eventually("the fence is there again", async || cache.server().cli::<i64>(&["ZCARD", "sql-fence:counters"]) == 1).await;
        let hits = two.stats().hits;
        home.check_until(&[&two], tokio::time::sleep(LONG / 4)).await;
        assert_eq!(two.stats().hits, hits, "{command}: fenced again");
        DB::finish(lock, "SELECT 1").await;
        write.await.unwrap().unwrap();
        for executor in [&two, &one] {
            assert_eq!(home.check(executor, READ).await, 1);
            home.resumes(executor, READ).await;
        }
    }
}
