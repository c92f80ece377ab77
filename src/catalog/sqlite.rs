//! SQLite's catalog.

use super::{Catalog, Code, Does, Effect, Key, Ops, Part, Reach, Reads, Relation};
use crate::analysis::body::{self, Language};
use crate::analysis::{Dialect, query};
use crate::tag::Tag;
use sqlx::sqlite::{SqliteColumn, SqliteConnection, SqliteRow};
use sqlx::{Column, Error, Row};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

const TABLES: &str = "SELECT schema, name, type FROM pragma_table_list";

/// The texts that the database keeps. After the tables: what was added in between is then seen here rather than missed.
const TEXTS: &str = "SELECT type, name, tbl_name, sql FROM main.sqlite_master WHERE sql IS NOT NULL";

/// A temporary trigger may stand on a table of any schema, and its row doesn't say which: the name is enough to fail closed.
const TEMPORARY_TRIGGERS: &str = "SELECT tbl_name FROM temp.sqlite_master WHERE type = 'trigger'";

/// Whether foreign keys are enforced is a setting of each connection, so it is not asked. No column: the primary key.
const KEYS: &str = r#"
    SELECT child.name, key."table", coalesce(key."to", ''), upper(key.on_update), upper(key.on_delete)
    FROM pragma_table_list AS child, pragma_foreign_key_list(child.name, child.schema) AS key
    WHERE child.type = 'table' AND child.schema = 'main'"#;

const PRIMARY_KEYS: &str = "
    SELECT t.name, c.name FROM pragma_table_list AS t, pragma_table_info(t.name, t.schema) AS c WHERE t.schema = 'main' AND t.type = 'table' AND c.pk > 0";

/// A table's update may change a column that is computed, though it does not name it.
const COMPUTED: &str = "
    SELECT DISTINCT t.name FROM pragma_table_list AS t, pragma_table_xinfo(t.name, t.schema) AS c
    WHERE t.schema = 'main' AND t.type = 'table' AND c.hidden IN (2, 3)";

const COLUMNS: &str = "
    SELECT t.schema, t.name, c.name FROM pragma_table_list AS t, pragma_table_xinfo(t.name, t.schema) AS c WHERE t.type <> 'view'";

const VIEWS: &str = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'view'";

const COLUMNS_OF_A_VIEW: &str = "SELECT name FROM pragma_table_xinfo(?, 'main')";

const FUNCTIONS: &str = "SELECT DISTINCT name FROM pragma_function_list WHERE NOT builtin";

/// Virtual tables whose rows are all in tables of their own, in this database.
const SELF_CONTAINED: [&str; 5] = ["fts3", "fts4", "fts5", "rtree", "geopoly"];

/// Reads the catalog.
pub async fn load(connection: &mut SqliteConnection) -> Result<Catalog, Error> {
    let schemas = strings(connection, "SELECT name FROM pragma_database_list ORDER BY seq").await?;
    let attached = schemas.into_iter().filter(|name| name != "main" && name != "temp");
    let path = ["temp", "main"].map(str::to_owned).into_iter().chain(attached).collect();
    let mut catalog = Catalog::new(Dialect::Sqlite, path, true);

    for row in sqlx::raw_sql(TABLES).fetch_all(&mut *connection).await? {
        let (schema, name, kind) = (text(&row, 0)?, text(&row, 1)?, text(&row, 2)?);
        let relation = relation(&schema, &name, &kind);
        catalog.add(&schema, &name, None, relation);
    }
    // The table list gives only one of its names. Without a schema, either means the main database's.
    for name in ["sqlite_master", "sqlite_schema"] {
        catalog.add("main", name, None, Relation::new(Tag::schema(), Reads::Schema, Reach::Unknown));
    }
    for name in ["sqlite_temp_master", "sqlite_temp_schema"] {
        catalog.add("temp", name, None, relation("temp", name, "table"));
    }
    for name in strings(connection, FUNCTIONS).await? {
        catalog.add_function(&name);
    }
    texts(connection, &mut catalog).await?;
    foreign_keys(connection, &mut catalog).await?;
    for table in strings(connection, TEMPORARY_TRIGGERS).await? {
        let key = catalog.key("main", &table);
        let because = Arc::from("a temporary trigger");
        catalog.add_effect(
            &key,
            Effect { on: Ops::ANY, because, does: Does::Run(Arc::new(Code::opaque("it is another connection's", false))) },
        );
    }
    Ok(catalog)
}

/// Views, triggers, and what the texts of tables say about conflicts.
async fn texts(connection: &mut SqliteConnection, catalog: &mut Catalog) -> Result<(), Error> {
    let mut views = Vec::new();
    for row in sqlx::raw_sql(TEXTS).fetch_all(&mut *connection).await? {
        let (kind, name, table, sql) = (text(&row, 0)?, text(&row, 1)?, text(&row, 2)?, text(&row, 3)?);
        let key = catalog.key("main", &table);
        match kind.as_str() {
            "view" => views.push((key, query(Dialect::Sqlite, &sql, catalog))),
            "trigger" => {
                let (on, _) = body::event(&sql).unwrap_or((Ops::ANY, false));
                let body = body::read(Dialect::Sqlite, Language::Procedural, sql.trim_start().get(6..).unwrap_or_default(), catalog);
                let because = format!("trigger {name} on {table}").into();
                catalog.add_effect(&key, Effect { on, because, does: Does::Run(Arc::new(body)) });
            }
            "table" => {
                let sql = sql.to_ascii_lowercase();
                // A constraint may say that conflicting rows are to be replaced: then an insert deletes.
                if sql.contains("replace") {
                    let because = format!("ON CONFLICT REPLACE in {name}").into();
                    let on = Ops::INSERT | Ops::UPDATE;
                    catalog.add_effect(&key, Effect { on, because, does: Does::Write(key.clone(), Ops::DELETE) });
                }
                let module = sql.split_once(" using ").filter(|_| sql.starts_with("create virtual")).map(|(_, rest)| rest.trim_start());
                let contained = module
                    .is_some_and(|rest| SELF_CONTAINED.contains(&rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()));
                if let Some(relation) = catalog.relation_mut(&key).filter(|_| contained) {
                    relation.writes = Reach::Itself;
                }
            }
            _ => {}
        }
    }
    for (key, code) in views {
        if let Some(relation) = catalog.relation_mut(&key) {
            relation.reads = Reads::View(Arc::new(code));
            relation.writes = Reach::Itself;
        }
    }
    Ok(())
}

async fn foreign_keys(connection: &mut SqliteConnection, catalog: &mut Catalog) -> Result<(), Error> {
    let mut primary: HashMap<Key, Vec<String>> = HashMap::new();
    for row in sqlx::raw_sql(PRIMARY_KEYS).fetch_all(&mut *connection).await? {
        primary.entry(catalog.key("main", &text(&row, 0)?)).or_default().push(text(&row, 1)?);
    }
    let mut columns: HashMap<Key, HashSet<String>> = HashMap::new();
    let computed: HashSet<Key> = strings(connection, COMPUTED).await?.iter().map(|name| catalog.key("main", name)).collect();
    for row in sqlx::raw_sql(KEYS).fetch_all(connection).await? {
        let (child, parent) = (catalog.key("main", &text(&row, 0)?), catalog.key("main", &text(&row, 1)?));
        let (column, on_update, on_delete) = (text(&row, 2)?, text(&row, 3)?, text(&row, 4)?);
        catalog.add_foreign_key(&parent, &child, &on_update, &on_delete, true);
        let referred = columns.entry(parent.clone()).or_default();
        // An integer primary key has these names, too.
        referred.extend(["rowid", "oid", "_rowid_"].map(str::to_owned));
        if column.is_empty() {
            referred.extend(primary.get(&parent).into_iter().flatten().cloned());
        } else {
            referred.insert(column);
        }
    }
    for (key, columns) in columns {
        if let Some(relation) = catalog.relation_mut(&key).filter(|_| !computed.contains(&key)) {
            relation.keys = Some(columns.into_iter().collect());
        }
    }
    Ok(())
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

/// Adds the columns of tables and views.
pub async fn add_columns(connection: &mut SqliteConnection, catalog: &mut Catalog) -> Result<(), Error> {
    for row in sqlx::raw_sql(COLUMNS).fetch_all(&mut *connection).await? {
        catalog.add_column(&text(&row, 0)?, &text(&row, 1)?, 0, text(&row, 2)?);
    }
    for view in strings(connection, VIEWS).await? {
        match sqlx::query(COLUMNS_OF_A_VIEW).bind(&view).persistent(false).fetch_all(&mut *connection).await {
            Ok(rows) => {
                for row in rows {
                    catalog.add_column("main", &view, 0, text(&row, 0)?);
                }
            }
            // A view of what is no longer there, which nobody can read.
            Err(Error::Database(error)) if error.code().as_deref() == Some("1") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The name that the table has for it, whatever the statement calls it.
pub fn part(column: &SqliteColumn) -> Option<Part> {
    column.origin().table_column().map(|column| Part::Named(column.name.to_string()))
}

fn relation(schema: &str, name: &str, kind: &str) -> Relation {
    // Tables called sqlite_... are SQLite's own (counters, statistics) and change on their own.
    let internal = name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sqlite_"));
    let base = schema == "main" && kind == "table" && !internal;
    let (reads, writes) = if base { (Reads::Plain, Reach::Itself) } else { (Reads::Opaque, Reach::Unknown) };
    Relation::new(Tag::qualified((schema != "main").then_some(schema), name), reads, writes)
}

async fn strings(connection: &mut SqliteConnection, query: &'static str) -> Result<Vec<String>, Error> {
    sqlx::raw_sql(query).fetch_all(connection).await?.iter().map(|row| text(row, 0)).collect()
}

fn text(row: &SqliteRow, index: usize) -> Result<String, Error> {
    row.try_get_unchecked(index)
}

#[cfg(test)]
mod tests;
