//! Every way in which a program asks, on every database: what was warmed is a hit.

use crate::faults::kit::{Cache, Server};
use sqlx::{FromRow, Row};
use sqlx_cached::CachingExecutor;

#[derive(FromRow, Debug, PartialEq)]
struct Counter {
    id: i64,
    v: i64,
}

/// Misses and hits so far.
fn told<DB: Server>(db: &CachingExecutor<DB>) -> (u64, u64) {
    let stats = db.stats();
    (stats.misses, stats.hits)
}

macro_rules! ways {
    ($($name:ident: $Db:ident, $mark:literal;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            for cache in [Cache::memory(), Cache::redis()] {
                let home = sqlx::$Db::home().await;
                let db = home.executor(cache.store()).await;
                let by_id = concat!("SELECT id, v FROM counters WHERE id = ", $mark);
                let above = concat!("SELECT id, v FROM counters WHERE id > ", $mark, " ORDER BY id");
                let count = "SELECT COUNT(*) FROM counters";
                let warm = || {
                    db.warm()
                        .query_one(sqlx::query_as::<_, Counter>(by_id).bind(1_i64))
                        .query_one(sqlx::query_scalar::<_, i64>(count))
                        .query(sqlx::query(above).bind(1_i64).map(|row: <sqlx::$Db as sqlx::Database>::Row| row.get::<i64, _>(1)))
                        .queries((2..5_i64).map(|id| sqlx::query(above).bind(id)))
                        .query(sqlx::query(count))
                        .run()
                };
                let warmed = warm().await;
                assert_eq!((warmed.filled, warmed.already, warmed.total()), (7, 0, 7), "{warmed:?}");
                assert_eq!(told(&db), (7, 0));

                assert_eq!(sqlx::query_as::<_, Counter>(by_id).bind(1_i64).fetch_one(&db).await.unwrap(), Counter { id: 1, v: 0 });
                assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&db).await.unwrap(), 4);
                assert_eq!(sqlx::query(by_id).bind(1_i64).fetch_optional(&db).await.unwrap().unwrap().get::<i64, _>(0), 1);
                for id in 1..5_i64 {
                    let rows: Vec<Counter> = sqlx::query_as(above).bind(id).fetch_all(&db).await.unwrap();
                    assert_eq!(rows.len(), if id == 1 { 3 } else { 2 });
                }
                assert_eq!(sqlx::query(count).fetch_all(&db).await.unwrap().len(), 1);
                assert_eq!(told(&db), (7, 8), "all of them were there");

                let again = warm().await;
                assert_eq!((again.filled, again.already), (0, 7), "{again:?}");
                // As another clone reads, its own.
                let other = db.scope("tenant").warm().query(sqlx::query(count)).run().await;
                assert_eq!(other.filled, 1);
                let anew = db.refresh().warm().query(sqlx::query(count)).run().await;
                assert_eq!(anew.filled, 1);
            }
        }
    )*};
}

ways! {
    postgres: Postgres, "$1";
    mysql: MySql, "?";
    sqlite: Sqlite, "?";
}
