pub use crate::databases::sqlite::*;

#[path = "behaviour.rs"]
mod behaviour;

use sqlx_cached::CachingExecutor;

/// When another connection has added a column, sqlx's worker thread panics on `SELECT *` (its message on stderr is expected), and the rows stop coming
/// without an error. The pool answers so once; the cache must not go on answering so.
#[tokio::test]
async fn an_answer_that_broke_off_is_not_kept() {
    let home = Home::new().await;
    let (pool, other) = (home.pool().await, home.pool().await);
    sqlx::raw_sql("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)").execute(&pool).await.expect("a table");
    let db = CachingExecutor::builder(pool).build().await.expect("an executor");
    let (all, one) = ("SELECT * FROM t", "SELECT * FROM t WHERE a = 1");
    for column in ["b", "c", "d", "e"] {
        for text in [all, one] {
            let (mut broken, mut read) = (0, 0);
            while read < 3 {
                let hits = db.stats().hits;
                let found = if text == all {
                    sqlx::query(text).fetch_all(&db).await.map(|rows| rows.len())
                } else {
                    sqlx::query(text).fetch_optional(&db).await.map(|row| usize::from(row.is_some()))
                };
                match found {
                    Ok(1) => read += 1,
                    // Once for each of the pool's connections.
                    _ => broken += 1,
                }
                let served = db.stats().hits > hits;
                assert!(broken < 20 && (read > 0 || !served), "a broken answer is served again: {}", db.stats());
            }
        }
        sqlx::query(sqlx::AssertSqlSafe(format!("ALTER TABLE t ADD COLUMN {column} INT"))).execute(&other).await.expect("a column");
        db.invalidate_table("t").await.expect("an invalidation");
    }
}
