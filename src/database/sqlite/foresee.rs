//! What a statement would write, by the program that SQLite makes of it: triggers and cascades are a part of that.

use crate::catalog::{Catalog, Key};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Error, Row};
use std::collections::HashMap;

const ROOTS: &str = "SELECT rootpage, tbl_name FROM main.sqlite_schema WHERE rootpage > 0";

/// The tables of the main database that a statement opens for writing; `None` if it does anything else than change rows. (<https://sqlite.org/opcode.html>)
pub(super) async fn foresee(connection: &mut SqliteConnection, catalog: &Catalog, sql: &str) -> Result<Option<Vec<Key>>, Error> {
    let program = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN {sql}"))).fetch_all(&mut *connection).await?;
    let mut roots = HashMap::new();
    for row in sqlx::raw_sql(ROOTS).fetch_all(connection).await? {
        roots.insert(number(&row, "rootpage")?, row.try_get_unchecked::<String, _>("tbl_name")?);
    }
    let mut keys = Vec::new();
    for row in program {
        let opcode: String = row.try_get_unchecked("opcode")?;
        // The page, and the number of its database: 0 is the main one, 1 the temporary one.
        let (page, database) = match opcode.as_str() {
            "OpenWrite" => (number(&row, "p2")?, number(&row, "p3")?),
            "Clear" => (number(&row, "p1")?, number(&row, "p2")?),
            "Destroy" | "CreateBtree" | "ParseSchema" | "SetCookie" | "VUpdate" | "VCreate" | "VDestroy" | "VRename" | "DropTable"
            | "DropIndex" | "DropTrigger" | "JournalMode" | "Vacuum" | "AutoCommit" | "Savepoint" => return Ok(None),
            _ => continue,
        };
        match (database, roots.get(&page)) {
            // Counters and statistics, which no kept answer depends on.
            (0, Some(table)) if table.starts_with("sqlite_") => {}
            (0, Some(table)) => {
                let key = catalog.key("main", table);
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
            // Page 1 is the schema's own, and a page that nobody owns is of a table made a moment ago.
            _ => return Ok(None),
        }
    }
    Ok(Some(keys))
}

fn number(row: &SqliteRow, column: &str) -> Result<i64, Error> {
    row.try_get_unchecked(column)
}
