//! SQLite: `EXPLAIN` lists the tables that a statement opens, those of its triggers and cascades included.

pub use crate::databases::sqlite::*;

use super::world::Flavour;
use sqlx::{AssertSqlSafe, Pool, Row as _};
use std::collections::{BTreeSet, HashMap};

pub const FLAVOUR: Flavour = Flavour::Sqlite;

pub const ERRORS_END_TRANSACTIONS: bool = false;

/// An empty database.
pub async fn emptied(_: Home) -> Home {
    Home::new().await
}

/// The tables whose root pages, or whose indexes' root pages, stand in instructions that `wanted` picks: it gets the opcode, P1 and P2, and gives the page.
async fn opened(pool: &Pool<Db>, sql: &str, wanted: fn(&str, i64, i64) -> Option<i64>) -> Option<Vec<String>> {
    let mut connection = pool.acquire().await.ok()?;
    let roots: HashMap<i64, String> = sqlx::query_as("SELECT rootpage, tbl_name FROM sqlite_schema WHERE rootpage > 0")
        .fetch_all(&mut *connection)
        .await
        .ok()?
        .into_iter()
        .collect();
    let mut tables = BTreeSet::new();
    for statement in sql.split("; ") {
        for row in sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN {statement}"))).fetch_all(&mut *connection).await.ok()? {
            let (opcode, one, two): (String, i64, i64) = (row.get_unchecked(1), row.get_unchecked(2), row.get_unchecked(3));
            tables.extend(wanted(&opcode, one, two).and_then(|page| roots.get(&page)).cloned());
        }
    }
    Some(tables.into_iter().collect())
}

/// What the database itself says that a statement may write.
pub async fn written(pool: &Pool<Db>, sql: &str) -> Option<Vec<String>> {
    opened(pool, sql, |opcode, one, two| match opcode {
        "OpenWrite" => Some(two),
        "Clear" | "Destroy" => Some(one),
        _ => None,
    })
    .await
}

/// What the database itself says that a statement reads.
pub async fn read(pool: &Pool<Db>, sql: &str) -> Option<Vec<String>> {
    opened(pool, sql, |opcode, _, two| matches!(opcode, "OpenRead" | "OpenWrite").then_some(two)).await
}

#[path = "observe.rs"]
mod observe;
#[path = "run.rs"]
mod run;
