//! Answers within reach: ready-made rows, values that are shared, and what ends them.

use crate::faults::kit::{Home, READ, Server, WRITE, eventually};
use crate::support::Redis;
use crate::support::proxy::Proxy;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column, MySql, Postgres, Row, Sqlite};
use sqlx_cached::CachingExecutor;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Over the embedded store, and over Redis once pushes come.
async fn executors<DB: Server>(home: &Home<DB>, redis: &Redis) -> [CachingExecutor<DB>; 2] {
    let near = home.build(|builder| builder.redis_url(&redis.url()).redis_timeout(Duration::from_secs(5))).await;
    [home.build(|builder| builder).await, near]
}

/// Reads until that is answered within reach.
async fn within_reach<DB: Server>(home: &Home<DB>, db: &CachingExecutor<DB>, sql: &str) {
    eventually("it is within reach", async || {
        let before = db.stats().near_hits;
        home.check(db, sql).await;
        db.stats().near_hits > before
    })
    .await;
}

async fn every_hit_is_the_databases_row_and_none_outlives_a_write<DB: Server>() {
    let (home, redis) = (DB::home().await, Redis::start());
    for db in executors(&home, &redis).await {
        for _ in 0..4 {
            within_reach(&home, &db, READ).await;
            let before = db.stats();
            // Long enough for stocks to be emptied and filled again, at every size that they have.
            for _ in 0..100 {
                home.check(&db, READ).await;
            }
            let after = db.stats();
            assert!(after.near_hits - before.near_hits > 90 && after.hits - before.hits == 100, "{after}");
            let old = home.check(&db, READ).await;
            DB::run(&db, WRITE).await.unwrap();
            for _ in 0..3 {
                assert_eq!(home.check(&db, READ).await, old + 1, "ready-made rows outlived the write");
            }
        }
    }
}

#[tokio::test]
async fn every_hit_is_the_databases_row_and_none_outlives_a_write_on_any_database() {
    every_hit_is_the_databases_row_and_none_outlives_a_write::<Sqlite>().await;
    every_hit_is_the_databases_row_and_none_outlives_a_write::<Postgres>().await;
    every_hit_is_the_databases_row_and_none_outlives_a_write::<MySql>().await;
}

/// A file of its own, with what `counters` has not.
async fn shop() -> (crate::support::Scratch, sqlx::SqlitePool) {
    let directory = crate::support::Scratch::new();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.join("shop.db")).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql(
        "CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT, price REAL, picture BLOB);
         INSERT INTO product VALUES (1, 'one', 1.5, x'00ff'), (2, NULL, NULL, NULL), (3, '', -0.0, x'')",
    )
    .execute(&pool)
    .await
    .unwrap();
    (directory, pool)
}

#[tokio::test]
async fn copies_are_equal_in_columns_values_and_summaries() {
    use futures_util::TryStreamExt;
    type Values = (i64, Option<String>, Option<f64>, Option<Vec<u8>>);
    let (_directory, pool) = shop().await;
    let db = CachingExecutor::builder(pool).build().await.unwrap();
    for sql in ["SELECT * FROM product ORDER BY id", "SELECT * FROM product WHERE id = 1", "SELECT * FROM product WHERE id > 9"] {
        let read = async || {
            let rows = sqlx::query(sql).fetch_all(&db).await.unwrap();
            let columns: Vec<String> =
                rows.first().map(|row| row.columns().iter().map(|column| column.name().to_owned()).collect()).unwrap_or_default();
            let values: Vec<Values> = sqlx::query_as(sql).fetch_all(&db).await.unwrap();
            assert_eq!(rows.len(), values.len());
            let mut summaries = 0;
            #[expect(deprecated, reason = "to see the summary")]
            let mut steps = sqlx::query(sql).fetch_many(&db);
            while let Some(step) = steps.try_next().await.unwrap() {
                summaries += usize::from(step.is_left());
            }
            assert_eq!(summaries, 1);
            (columns, values)
        };
        let first = read().await;
        for _ in 0..60 {
            assert_eq!(read().await, first, "{sql}");
        }
    }
    assert!(db.stats().near_hits > 500, "{}", db.stats());
}

#[tokio::test]
async fn decoded_values_are_shared_by_whoever_asks_alike_and_by_nobody_else() {
    let (_directory, pool) = shop().await;
    let redis = Redis::start();
    let over_redis = CachingExecutor::builder(pool.clone()).redis_url(&redis.url()).redis_timeout(Duration::from_secs(5));
    for db in [CachingExecutor::builder(pool.clone()).build().await.unwrap(), over_redis.build().await.unwrap()] {
        let names = async |below: i64| -> Arc<[(i64, Option<String>)]> {
            db.fetch_all_shared(sqlx::query_as("SELECT id, name FROM product WHERE id < ? ORDER BY id").bind(below)).await.unwrap()
        };
        eventually("they are shared", async || Arc::ptr_eq(&names(3).await, &names(3).await)).await;
        let shared = names(3).await;
        assert_eq!(*shared, [(1, Some("one".to_owned())), (2, None)]);
        let other = names(4).await;
        assert!(other.len() == 3 && !Arc::ptr_eq(&shared, &other));

        // The same text, decoded in other ways.
        let sql = "SELECT id, name FROM product WHERE id < ? ORDER BY id";
        let ids: Arc<[i64]> = db.fetch_all_shared(sqlx::query_scalar(sql).bind(3)).await.unwrap();
        assert_eq!(*ids, [1, 2]);
        let mapped = async || db.fetch_all_shared(sqlx::query(sql).bind(3).map(|row: SqliteRow| row.get::<i64, _>(0) * 10)).await.unwrap();
        eventually("they are shared", async || Arc::ptr_eq(&mapped().await, &mapped().await)).await;
        assert_eq!(*mapped().await, [10, 20]);
        // What a closure captures may differ each time.
        for factor in [2, 3, 4] {
            let values =
                db.fetch_all_shared(sqlx::query(sql).bind(3).map(move |row: SqliteRow| row.get::<i64, _>(0) * factor)).await.unwrap();
            assert_eq!(*values, [factor, 2 * factor]);
        }
        assert!(Arc::ptr_eq(&shared, &names(3).await));

        let one = async |id: i64| {
            db.fetch_optional_shared(sqlx::query_scalar::<_, Option<f64>>("SELECT price FROM product WHERE id = ?").bind(id)).await
        };
        eventually("it is shared", async || Arc::ptr_eq(&one(1).await.unwrap().unwrap(), &one(1).await.unwrap().unwrap())).await;
        assert_eq!(one(1).await.unwrap().as_deref(), Some(&Some(1.5)));
        for _ in 0..4 {
            assert!(one(9).await.unwrap().is_none());
            let missing = db.fetch_one_shared(sqlx::query_scalar::<_, i64>("SELECT id FROM product WHERE id = ?").bind(9)).await;
            assert!(matches!(missing, Err(sqlx::Error::RowNotFound)));
            let undecodable = db.fetch_one_shared(sqlx::query_scalar::<_, i64>("SELECT name FROM product WHERE id = ?").bind(1)).await;
            assert!(matches!(undecodable, Err(sqlx::Error::ColumnDecode { .. })), "{undecodable:?}");
        }

        // A write ends them, also in what is decoded of a read that can't be cached.
        sqlx::query("UPDATE product SET name = name || '!' WHERE id = 1").execute(&db).await.unwrap();
        assert_eq!(names(3).await[0].1.as_deref(), Some("one!"));
        sqlx::query("UPDATE product SET name = 'one' WHERE id = 1").execute(&db).await.unwrap();
        assert_eq!(names(3).await[0].1.as_deref(), Some("one"));
        let random = async || *db.fetch_one_shared(sqlx::query_scalar::<_, i64>("SELECT random()")).await.unwrap();
        assert_ne!(random().await, random().await);
        let bypasses = |db: &CachingExecutor<Sqlite>| db.stats().bypasses.values().sum::<u64>();
        let before = bypasses(&db);
        random().await;
        assert_eq!(bypasses(&db), before + 1, "counted once");
    }
}

#[tokio::test]
async fn whoever_deletes_or_refreshes_by_hand_is_obeyed() {
    let (_directory, pool) = shop().await;
    let redis = Redis::start();
    let over_redis = CachingExecutor::builder(pool.clone()).redis_url(&redis.url()).redis_timeout(Duration::from_secs(5));
    for db in [CachingExecutor::builder(pool.clone()).build().await.unwrap(), over_redis.build().await.unwrap()] {
        let name = async |db: &CachingExecutor<Sqlite>| -> String {
            sqlx::query_scalar("SELECT name FROM product WHERE id = 1").fetch_one(db).await.unwrap()
        };
        let set = async |name: &str| {
            sqlx::query("UPDATE product SET name = ? WHERE id = 1").bind(name).execute(&pool).await.unwrap();
        };
        let reach = async || {
            eventually("it is within reach", async || {
                let before = db.stats().near_hits;
                name(&db).await;
                db.stats().near_hits > before
            })
            .await;
        };
        set("before").await;
        db.invalidate_table("product").await.unwrap();
        reach().await;
        // Behind the back of every executor.
        set("behind").await;
        assert_eq!(name(&db).await, "before", "nobody can know");
        assert_eq!(db.invalidate("sql:product:data:*").await.unwrap(), 1, "the entry, not the generation");
        assert_eq!(name(&db).await, "behind");
        reach().await;
        set("again").await;
        assert_eq!(name(&db.refresh()).await, "again");
        assert_eq!(name(&db).await, "again");
        reach().await;
        set("cleared").await;
        db.clear().await.unwrap();
        assert_eq!(name(&db).await, "cleared");
        assert_eq!(name(&db.scope("other")).await, "cleared");
        set("scoped").await;
        assert_eq!(name(&db.scope("third")).await, "scoped", "an answer of another scope was given");
        assert_eq!(name(&db.ttl(Duration::ZERO)).await, "scoped", "too old an answer was given");
    }
}

/// Read anew in the background, an answer has become too large to be kept: the old one is gone, also within reach.
#[tokio::test]
async fn an_old_answer_does_not_outlive_one_that_can_not_be_kept() {
    let (_directory, pool) = shop().await;
    let redis = Redis::start();
    let over_redis = CachingExecutor::builder(pool.clone()).redis_url(&redis.url()).redis_timeout(Duration::from_secs(5));
    for builder in [CachingExecutor::builder(pool.clone()), over_redis] {
        // Every hit sees to it that the answer is read anew.
        let db = builder.max_entry_bytes(500).early_refresh(1e9).build().await.unwrap();
        let length = async || -> i64 {
            let name: String = sqlx::query_scalar("SELECT name FROM product WHERE id = 1").fetch_one(&db).await.unwrap();
            i64::try_from(name.len()).unwrap()
        };
        sqlx::query("UPDATE product SET name = 'one' WHERE id = 1").execute(&pool).await.unwrap();
        eventually("it is within reach", async || {
            let before = db.stats().near_hits;
            assert_eq!(length().await, 3);
            db.stats().near_hits > before
        })
        .await;
        sqlx::query("UPDATE product SET name = hex(zeroblob(1000)) WHERE id = 1").execute(&pool).await.unwrap();
        eventually("the new answer is given", async || length().await == 2000).await;
        for _ in 0..5 {
            assert_eq!(length().await, 2000, "the old answer came back");
        }
    }
}

#[tokio::test]
async fn what_is_within_reach_is_bounded() {
    let (_directory, pool) = shop().await;
    let redis = Redis::start();
    let budget = 64 << 10;
    let over_redis = CachingExecutor::builder(pool.clone()).redis_url(&redis.url()).redis_timeout(Duration::from_secs(5));
    for builder in [CachingExecutor::builder(pool.clone()), over_redis] {
        let db = builder.near_bytes(budget).build().await.unwrap();
        for round in 0..3 {
            for id in 0..400_i64 {
                let _: Arc<[(i64, i64)]> =
                    db.fetch_all_shared(sqlx::query_as("SELECT id, ? FROM product ORDER BY id").bind(id)).await.unwrap();
                let rows = sqlx::query("SELECT id, ? FROM product ORDER BY id").bind(id).fetch_all(&db).await.unwrap();
                assert_eq!(rows.len(), 3);
            }
            let held = db.health().await.near.unwrap();
            assert!(held.entries > 50 && held.bytes <= budget && held.spare_bytes <= budget / 4, "round {round}: {held:?}");
        }
        db.clear().await.unwrap();
    }
    let without = CachingExecutor::builder(pool).near_bytes(0).build().await.unwrap();
    assert_eq!(without.health().await.near, None);
}

/// Reads that are asked for at once share their round trips: they go over one connection, none waits for another's answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_are_asked_for_at_once_take_one_round_trip() {
    let (home, redis) = (Sqlite::home().await, Redis::start());
    let proxy = Proxy::start(&redis.socket());
    let socket = proxy.socket().display().to_string();
    let db = home.build(|builder| builder.redis_socket(&socket).redis_timeout(Duration::from_secs(20)).near_bytes(0)).await;
    let names: Vec<String> = (0..20).map(|number| format!("SELECT v + {number} FROM counters WHERE id = 1")).collect();
    for sql in &names {
        home.check(&db, sql).await;
    }
    let delay = Duration::from_millis(50);
    proxy.delay(delay);
    let before = db.stats();
    let since = Instant::now();
    futures_util::future::join_all(names.iter().map(|sql| Sqlite::number(&db, sql))).await;
    let took = since.elapsed();
    assert_eq!(db.stats().hits - before.hits, 20, "{}", db.stats());
    // One after the other they would take at least a second.
    assert!(took >= delay && took < delay * 10, "{took:?}");
}
