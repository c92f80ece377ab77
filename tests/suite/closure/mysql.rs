//! MariaDB, which does not tell what a statement touches: its `performance_schema` misses cascades.

pub use crate::databases::mysql::*;

use super::world::Flavour;
use sqlx::{AssertSqlSafe, Pool, raw_sql};

pub const FLAVOUR: Flavour = Flavour::MariaDb;

pub const ERRORS_END_TRANSACTIONS: bool = false;

/// An empty database.
pub async fn emptied(home: Home) -> Home {
    let pool = home.pool().await;
    let name: String = sqlx::query_scalar("SELECT DATABASE()").fetch_one(&pool).await.expect("a database");
    raw_sql(AssertSqlSafe(format!("DROP DATABASE {name}; CREATE DATABASE {name}"))).execute(&pool).await.expect("an empty database");
    pool.close().await;
    home
}

/// Not to be had.
pub async fn written(_: &Pool<Db>, _: &str) -> Option<Vec<String>> {
    None
}

/// Not to be had.
pub async fn read(_: &Pool<Db>, _: &str) -> Option<Vec<String>> {
    None
}

#[path = "observe.rs"]
mod observe;
#[path = "run.rs"]
mod run;
