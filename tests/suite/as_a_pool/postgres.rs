pub use crate::databases::postgres::*;

#[path = "behaviour.rs"]
mod behaviour;

use sqlx_cached::CachingExecutor;

/// Functions as users of sqlx write them.
async fn names<'e>(executor: impl sqlx::PgExecutor<'e>) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT name FROM t ORDER BY id").fetch_all(executor).await
}

#[tokio::test]
async fn functions_written_for_pg_executor_take_it() {
    let home = Home::new().await;
    let pool = home.pool().await;
    sqlx::raw_sql("CREATE TABLE t (id int8, name text); INSERT INTO t VALUES (1, 'one')").execute(&pool).await.expect("a table");
    let db = CachingExecutor::builder(pool.clone()).build().await.expect("an executor");
    for hits in 0..3 {
        assert_eq!(names(&db).await.expect("names"), names(&pool).await.expect("names"));
        assert_eq!(db.stats().hits, hits);
    }
    let mut transaction = db.begin().await.expect("a transaction");
    assert_eq!(names(&mut *transaction).await.expect("names"), ["one"]);
    assert_eq!(db.stats().hits, 2, "a transaction asks the database");
}

/// sqlx 0.9 does not know what a multirange is, and says so.
#[tokio::test]
async fn what_the_driver_refuses_is_refused_alike() {
    let home = Home::new().await;
    let pool = home.pool().await;
    sqlx::raw_sql("CREATE TABLE t (v int4multirange); INSERT INTO t VALUES ('{[1,3)}')").execute(&pool).await.expect("a table");
    let db = CachingExecutor::builder(pool.clone()).build().await.expect("an executor");
    for _ in 0..2 {
        let cached = sqlx::query("SELECT v FROM t").fetch_all(&db).await.expect_err("an error");
        let direct = sqlx::query("SELECT v FROM t").fetch_all(&pool).await.expect_err("an error");
        assert_eq!(format!("{cached:?}"), format!("{direct:?}"));
    }
}

/// Without a prepared statement left behind: a changed table would make it fail, and a pooler hands its connection to others.
#[tokio::test]
async fn a_statement_that_is_not_to_be_kept_prepared_is_not() {
    let home = Home::new().await;
    let pool = home.pool().await;
    sqlx::raw_sql("CREATE TABLE t (a int)").execute(&pool).await.expect("a table");
    let db = CachingExecutor::builder(pool.clone()).build().await.expect("an executor");
    for column in ["b text", "c int8", "d bool"] {
        for _ in 0..3 {
            let rows = sqlx::query("SELECT * FROM t").persistent(false).fetch_all(&db).await;
            rows.expect("rows");
        }
        sqlx::query(sqlx::AssertSqlSafe(format!("ALTER TABLE t ADD COLUMN {column}"))).execute(&db).await.expect("a column");
    }
}

/// The connection that has one lists it, the others don't.
#[tokio::test]
async fn a_temporary_table_ends_the_caching_of_lists_of_tables() {
    let database = crate::support::postgres().await.database().await;
    let executor = sqlx_cached::CachingExecutor::builder(database.pool.clone()).build().await.unwrap();
    let list = "SELECT table_name::text FROM information_schema.tables";
    assert!(executor.explain(list).read.is_ok());
    sqlx::query("CREATE TEMP TABLE passing (a int)").execute(&executor).await.unwrap();
    assert!(executor.explain(list).read.is_err());
}
