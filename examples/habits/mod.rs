//! What the examples of habits share: a database of their own, and a word about where values are kept.

#![allow(dead_code, reason = "each example takes what it needs")]

use sqlx::Sqlite;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx_cached::{Cache, CachingExecutor};
use tempfile::TempDir;

pub type Db = CachingExecutor<Sqlite>;
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// An executor by the environment's settings, over a new SQLite file with these tables. The file goes with the folder.
pub async fn database(tables: &'static str) -> Result<(Db, TempDir)> {
    let directory = tempfile::tempdir()?;
    let file = SqliteConnectOptions::new().filename(directory.path().join("example.db")).create_if_missing(true);
    let pool = SqlitePool::connect_with(file).await?;
    sqlx::raw_sql(tables).execute(&pool).await?;
    Ok((CachingExecutor::from_env(pool).await?, directory))
}

/// Says where values are kept, and whether they can be just now. Whatever the answer, an example must end well.
pub async fn caching(cache: &Cache) -> bool {
    let health = cache.health().await;
    match (&health.store, cache.info().await) {
        (Some(Ok(took)), Ok(info)) => {
            println!("Values are kept in {}, which answers in {took:.0?}.", info.server.as_deref().unwrap_or("this process's memory"));
        }
        (store, _) => println!("No cache at the moment ({store:?}): everything comes from the database."),
    }
    health.is_healthy()
}
