pub use crate::databases::mysql::*;

#[path = "behaviour.rs"]
mod behaviour;

/// MariaDB computes them when they are read, and lets them ask the clock.
#[tokio::test]
async fn tables_with_columns_that_change_by_themselves_are_not_kept() {
    let database = crate::support::mariadb().await.database().await;
    for sql in [
        "CREATE TABLE shifting (a INT, b DOUBLE AS (RAND()) VIRTUAL)",
        "CREATE TABLE ages (a DATE, b INT AS (TIMESTAMPDIFF(YEAR, a, CURDATE())) VIRTUAL)",
        "CREATE TABLE settled (a INT, b INT AS (a + 1) VIRTUAL, c VARCHAR(20) AS (CONCAT(a, 'now()')) VIRTUAL)",
        "CREATE TABLE stored (a INT, b INT AS (a + 1) STORED)",
    ] {
        sqlx::query(sql).execute(&database.pool).await.unwrap();
    }
    let executor = sqlx_cached::CachingExecutor::builder(database.pool.clone()).build().await.unwrap();
    for (table, kept) in [("shifting", false), ("ages", false), ("settled", true), ("stored", true)] {
        let explanation = executor.explain(&format!("SELECT a, b FROM {table}"));
        assert_eq!(explanation.read.is_ok(), kept, "{table}: {explanation}");
    }
}
