//! SQLite's catalog.

use super::{Catalog, Reach, Reads, Relation};
use crate::analysis::Dialect;
use crate::tag::Tag;
use sqlx::sqlite::{SqliteColumn, SqliteConnection, SqliteRow};
use sqlx::{Column, Error, Row};
use std::collections::HashSet;

const TABLES: &str = "SELECT schema, name, type FROM pragma_table_list";

/// A temporary trigger may stand on a table of any schema, and its row doesn't say which: the name is enough to fail closed.
const TRIGGERS: &str = "
    SELECT tbl_name FROM main.sqlite_master WHERE type = 'trigger'
    UNION SELECT tbl_name FROM temp.sqlite_master WHERE type = 'trigger'";

/// The tables that others refer to so that a change follows. Whether foreign keys are enforced is a setting of each connection, so it is not asked.
const CASCADES: &str = r#"
    SELECT DISTINCT key."table" FROM pragma_table_list AS child, pragma_foreign_key_list(child.name, child.schema) AS key
    WHERE child.type = 'table'
      AND (upper(key.on_update) NOT IN ('NO ACTION', 'RESTRICT') OR upper(key.on_delete) NOT IN ('NO ACTION', 'RESTRICT'))"#;

const FUNCTIONS: &str = "SELECT DISTINCT name FROM pragma_function_list WHERE NOT builtin";

/// Reads the catalog.
pub async fn load(connection: &mut SqliteConnection) -> Result<Catalog, Error> {
    let schemas = strings(connection, "SELECT name FROM pragma_database_list ORDER BY seq").await?;
    let attached = schemas.into_iter().filter(|name| name != "main" && name != "temp");
    let path = ["temp", "main"].map(str::to_owned).into_iter().chain(attached).collect();
    let mut catalog = Catalog::new(Dialect::Sqlite, path, true);

    let tables = sqlx::raw_sql(TABLES).fetch_all(&mut *connection).await?;
    // After the tables: what was added in between is then seen here rather than missed.
    let mut reaching: HashSet<String> = HashSet::new();
    for query in [TRIGGERS, CASCADES] {
        reaching.extend(strings(connection, query).await?.into_iter().map(|name| name.to_ascii_lowercase()));
    }
    for row in tables {
        let (schema, name, kind) = (text(&row, 0)?, text(&row, 1)?, text(&row, 2)?);
        let relation = relation(&schema, &name, &kind, reaching.contains(&name.to_ascii_lowercase()));
        catalog.add(&schema, &name, None, relation);
    }
    // The table list gives only one of its names. Without a schema, either means the main database's.
    for name in ["sqlite_master", "sqlite_schema"] {
        catalog.add("main", name, None, Relation { tag: Tag::schema(), reads: Reads::Schema, writes: Reach::Unknown, rolls_back: true });
    }
    for name in ["sqlite_temp_master", "sqlite_temp_schema"] {
        catalog.add("temp", name, None, relation("temp", name, "table", false));
    }
    for name in strings(connection, FUNCTIONS).await? {
        catalog.add_function(&name);
    }
    Ok(catalog)
}

/// The tag of the table that a column comes from. The driver joins schema and table with a dot and leaves `main` out, so a dot may be read in two ways.
pub fn origin(catalog: &Catalog, column: &SqliteColumn) -> Option<Result<Tag, String>> {
    let origin = column.origin();
    let table = &origin.table_column()?.table;
    match (catalog.exactly("main", table), catalog.dotted(table)) {
        (Some(_), Some(_)) => None,
        (Some(relation), None) | (None, Some(relation)) => Some(Ok(relation.tag.clone())),
        (None, None) => Some(Err(table.to_string())),
    }
}

fn relation(schema: &str, name: &str, kind: &str, reaches: bool) -> Relation {
    // Tables called sqlite_... are SQLite's own (counters, statistics) and change on their own.
    let internal = name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sqlite_"));
    let base = schema == "main" && kind == "table" && !internal;
    Relation {
        tag: Tag::qualified((schema != "main").then_some(schema), name),
        reads: if base { Reads::Plain } else { Reads::Opaque },
        writes: if base && !reaches { Reach::Itself } else { Reach::Unknown },
        rolls_back: true,
    }
}

async fn strings(connection: &mut SqliteConnection, query: &'static str) -> Result<Vec<String>, Error> {
    sqlx::raw_sql(query).fetch_all(connection).await?.iter().map(|row| text(row, 0)).collect()
}

fn text(row: &SqliteRow, index: usize) -> Result<String, Error> {
    row.try_get_unchecked(index)
}

#[cfg(test)]
mod tests;
