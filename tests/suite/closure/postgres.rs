//! PostgreSQL: its locks tell what a statement reads and writes.

pub use crate::databases::postgres::*;

use super::world::Flavour;
use sqlx::{AssertSqlSafe, Pool, raw_sql};

pub const FLAVOUR: Flavour = Flavour::Postgres;

/// After an error nothing more works until the transaction ends.
pub const ERRORS_END_TRANSACTIONS: bool = true;

/// The relations that the own session has locks on, and whether a lock is one of those that a write takes. Views hold no rows.
const LOCKS: &str = "
    SELECT c.relname::text, bool_or(l.mode NOT IN ('AccessShareLock', 'RowShareLock'))
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND l.granted AND c.relkind IN ('r', 'p', 'm') AND c.relnamespace = 'public'::regnamespace
    GROUP BY 1 ORDER BY 1";

/// An empty database.
pub async fn emptied(home: Home) -> Home {
    let pool = home.pool().await;
    raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(&pool).await.expect("an empty schema");
    // Deferred triggers that set each other off have no depth to be bounded by.
    let limit = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = ''10s''', current_database()); END $$";
    raw_sql(limit).execute(&pool).await.expect("a limit");
    pool.close().await;
    home
}

async fn locks(pool: &Pool<Db>, sql: &str) -> Result<Vec<(String, bool)>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *transaction).await?;
    // What is deferred happens now.
    raw_sql("SET CONSTRAINTS ALL IMMEDIATE").execute(&mut *transaction).await?;
    let locks = sqlx::query_as(LOCKS).fetch_all(&mut *transaction).await?;
    transaction.rollback().await?;
    Ok(locks)
}

/// What the database itself says that a statement writes, in a transaction that is rolled back; nothing where it is refused.
pub async fn written(pool: &Pool<Db>, sql: &str) -> Option<Vec<String>> {
    let locks = locks(pool, sql).await.ok()?;
    Some(locks.into_iter().filter(|(_, written)| *written).map(|(name, _)| name).collect())
}

/// What the database itself says that a statement reads.
pub async fn read(pool: &Pool<Db>, sql: &str) -> Option<Vec<String>> {
    Some(locks(pool, sql).await.ok()?.into_iter().map(|(name, _)| name).collect())
}

#[path = "observe.rs"]
mod observe;
#[path = "run.rs"]
mod run;
