//! Statements that return rows and write: sqlx hands out the first row before the server has finished.

use super::kit::{Cache, LEASE, Server, each};
use futures_util::TryStreamExt;
use sqlx::{MySql, Postgres, Sqlite};

const ROWS: i64 = 200_000;
const COUNT: &str = "SELECT count(*) FROM big";

/// A table of many rows.
trait Big: Server {
    const FILL: &'static str;
}

impl Big for Postgres {
    const FILL: &'static str = "INSERT INTO big SELECT n FROM generate_series(1, 200000) AS s(n)";
}

impl Big for MySql {
    const FILL: &'static str = "INSERT INTO big SELECT seq FROM seq_1_to_200000";
}

impl Big for Sqlite {
    const FILL: &'static str =
        "INSERT INTO big WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 200000) SELECT n FROM s";
}

each! {
    delete_returning_many_rows_with_fetch_one: Postgres MySql Sqlite;
}

async fn delete_returning_many_rows_with_fetch_one<DB: Big>(cache: Cache) {
    let home = DB::home().await;
    home.run("CREATE TABLE big (id BIGINT PRIMARY KEY)").await;
    home.run(DB::FILL).await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    for executor in [&one, &two] {
        home.resumes(executor, COUNT).await;
        assert_eq!(DB::number(executor, COUNT).await.unwrap(), ROWS);
    }
    // One row is asked for; the server deletes them all.
    let first = DB::number(&one, "DELETE FROM big RETURNING id").await.unwrap();
    assert!((1..=ROWS).contains(&first));
    for executor in [&one, &two] {
        assert_eq!(DB::number(executor, COUNT).await.unwrap(), 0, "acknowledged");
        home.resumes(executor, COUNT).await;
        assert_eq!(DB::number(executor, COUNT).await.unwrap(), 0);
    }
}

/// SQLite stops a statement whose rows nobody takes, and rolls it back; a pool's caller sees a part of nothing or everything. Either way: no stale read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_fetch_of_insert_returning_on_sqlite() {
    for cache in [Cache::memory(), Cache::redis()] {
        let home = Sqlite::home().await;
        home.run("CREATE TABLE big (id BIGINT PRIMARY KEY)").await;
        let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
        home.resumes(&one, COUNT).await;
        home.resumes(&two, COUNT).await;
        {
            let mut rows = sqlx::query_scalar::<_, i64>(
                "INSERT INTO big WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 200000) SELECT n FROM s RETURNING id",
            )
            .fetch(&one);
            assert_eq!(rows.try_next().await.unwrap(), Some(1));
        }
        // The statement goes on without its reader.
        loop {
            let checked = [home.check(&one, COUNT).await, home.check(&two, COUNT).await];
            if checked == [ROWS; 2] {
                break;
            }
        }
        let hits = [home.resumes(&one, COUNT).await, home.resumes(&two, COUNT).await];
        assert!(hits.iter().all(|after| *after < LEASE * 10), "{hits:?}");
        assert_eq!(Sqlite::number(&two, COUNT).await.unwrap(), ROWS);
    }
}
