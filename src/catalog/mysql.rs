//! The catalog of MySQL and MariaDB.
//!
//! Everything is asked as text in the text protocol and read without a check of its type: `information_schema` says VARBINARY where it means text.

mod effects;
mod privileges;

use super::offline::MYSQL_SCHEMA;
use super::{Catalog, Code, Key, Part, Reach, Reads, Relation, Routine};
use crate::analysis::body::{self, Language};
use crate::analysis::{Bypass, Dialect, analyse, query};
use crate::tag::Tag;
use sqlx::mysql::{MySqlColumn, MySqlConnection, MySqlRow};
use sqlx::{Column, Error, Row};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Once};

const SESSION: &str = "SELECT DATABASE(), @@lower_case_table_names";

const TABLES: &str = "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";

/// Names alone: asking for engines would open every table of the server.
const ELSEWHERE: &str =
    "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE DATABASE() IS NULL OR TABLE_SCHEMA <> DATABASE()";

const COLUMNS: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()";

const VIEWS: &str = "SELECT TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()";

const TIME_OF_DAY: &str = "SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND DATA_TYPE = 'time' LIMIT 1";

/// Columns that are computed when they are read. MariaDB lets them depend on the clock, on chance and on the user.
const COMPUTED: &str = "
    SELECT TABLE_NAME, GENERATION_EXPRESSION FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = DATABASE() AND GENERATION_EXPRESSION IS NOT NULL AND EXTRA LIKE '%VIRTUAL%'";

/// A name without a database means the current one, so those of others are not asked for.
const ROUTINES: &str = "
    SELECT ROUTINE_NAME, ROUTINE_TYPE, ROUTINE_DEFINITION, IS_DETERMINISTIC FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()";

const LOADABLE: &str = "SELECT name FROM mysql.func";

/// Reads the catalog.
pub async fn load(connection: &mut MySqlConnection) -> Result<Catalog, Error> {
    let row = sqlx::raw_sql(SESSION).fetch_one(&mut *connection).await?;
    let (database, folds_case) = (text(&row, 0)?, text(&row, 1)?.as_deref() != Some("0"));
    let mut catalog = Catalog::new(Dialect::MySql, database.clone().into_iter().collect(), folds_case);
    for name in MYSQL_SCHEMA {
        // In any case, whatever lower_case_table_names says of other names.
        for (schema, name) in [("information_schema", name.to_ascii_lowercase()), ("information_schema", name.to_owned())] {
            catalog.add(schema, &name, None, Relation::new(Tag::schema(), Reads::Schema, Reach::Unknown));
        }
    }
    for row in sqlx::raw_sql(ELSEWHERE).fetch_all(&mut *connection).await? {
        let (schema, name) = (string(&row, 0)?, string(&row, 1)?);
        if catalog.exactly(&schema, &name).is_none() {
            let tag = Tag::qualified(Some(&schema), &name);
            catalog.add(&schema, &name, None, Relation { rolls_back: false, ..Relation::new(tag, Reads::Opaque, Reach::Unknown) });
        }
    }
    // Mostly not permitted. Names that nobody knows are not cached anyway.
    if let Ok(rows) = sqlx::raw_sql(LOADABLE).fetch_all(&mut *connection).await {
        for row in rows {
            catalog.add_function(&string(&row, 0)?);
        }
    }
    if let Some(database) = database {
        let rest = own_tables(connection, &database, &mut catalog).await?;
        routines(connection, &mut catalog).await?;
        let views = queries(connection, &database, &catalog).await?;
        effects::load(connection, &database, &mut catalog, &views).await?;
        for (key, code) in views {
            if let Some(relation) = catalog.relation_mut(&key) {
                relation.reads = Reads::View(code);
                relation.writes = Reach::Itself;
            }
        }
        for key in rest {
            if let Some(relation) = catalog.relation_mut(&key) {
                relation.reads = Reads::Opaque;
            }
        }
    }
    Ok(catalog)
}

/// Functions and procedures: what their bodies do, where this user may read them.
async fn routines(connection: &mut MySqlConnection, catalog: &mut Catalog) -> Result<(), Error> {
    let rows = sqlx::raw_sql(ROUTINES).fetch_all(&mut *connection).await?;
    // A body is read with the names of all functions at hand: one that is not there yet would pass for a built-in one.
    let mut names = catalog.clone();
    for row in &rows {
        names.add_function(&string(row, 0)?);
    }
    for row in rows {
        let readable = matches!(string(&row, 1)?.as_str(), "FUNCTION" | "PROCEDURE");
        let code = match text(&row, 2)? {
            Some(text) if readable && !text.is_empty() => body::read(Dialect::MySql, Language::Procedural, &text, &names),
            _ => Code::opaque("a body that this user may not read", false),
        };
        catalog.add_routine(&string(&row, 0)?, Routine { code, stable: string(&row, 3)? == "YES" });
    }
    Ok(())
}

/// The queries of the views, as the server writes them: every name qualified and quoted.
async fn queries(connection: &mut MySqlConnection, database: &str, catalog: &Catalog) -> Result<HashMap<Key, Arc<Code>>, Error> {
    let mut views = HashMap::new();
    for row in sqlx::raw_sql(VIEWS).fetch_all(connection).await? {
        let definition = text(&row, 1)?.unwrap_or_default();
        let code = if definition.is_empty() {
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                tracing::warn!(
                    database,
                    "this user can't see what views do, so reading one counts as a write to everything: GRANT SHOW VIEW on the whole database"
                );
            });
            let mut code = Code::opaque("this user may not see what it does", false);
            code.refuse(Bypass::NotATable, "this user may not see what it does");
            code
        } else {
            query(Dialect::MySql, &definition, catalog)
        };
        views.insert(catalog.key(database, &string(&row, 0)?), Arc::new(code));
    }
    Ok(views)
}

/// Adds the tables of the current database, and returns those whose rows change by themselves.
async fn own_tables(connection: &mut MySqlConnection, database: &str, catalog: &mut Catalog) -> Result<HashSet<Key>, Error> {
    for row in sqlx::raw_sql(TABLES).fetch_all(&mut *connection).await? {
        let (name, kind, engine) = (string(&row, 0)?, string(&row, 1)?, text(&row, 2)?.unwrap_or_default());
        let base = matches!(kind.as_str(), "BASE TABLE" | "SYSTEM VERSIONED");
        let rolls_back = matches!(engine.as_str(), "InnoDB" | "ROCKSDB");
        // Engines that keep rows of their own in the database's files. What MEMORY keeps is lost at a restart, which is a write that nobody sees.
        let own_rows = rolls_back || matches!(engine.as_str(), "MyISAM" | "Aria" | "ARCHIVE" | "MEMORY");
        let reads = if base && own_rows && engine != "MEMORY" { Reads::Plain } else { Reads::Opaque };
        let writes = if base && own_rows { Reach::Itself } else { Reach::Unknown };
        catalog.add(database, &name, None, Relation { rolls_back, ..Relation::new(Tag::qualified(None, &name), reads, writes) });
    }
    if sqlx::raw_sql(TIME_OF_DAY).fetch_optional(&mut *connection).await?.is_none() {
        catalog.without_time_of_day();
    }
    let mut shifting = HashSet::new();
    for row in sqlx::raw_sql(COMPUTED).fetch_all(&mut *connection).await? {
        let (name, expression) = (string(&row, 0)?, text(&row, 1)?.unwrap_or_default());
        if !expression.is_empty() && !is_decided_by_its_row(&expression, catalog) {
            shifting.insert(catalog.key(database, &name));
        }
    }
    Ok(shifting)
}

/// Whether a generated column's expression is one that a read may be kept of.
fn is_decided_by_its_row(expression: &str, catalog: &Catalog) -> bool {
    let mut own = Catalog::new(Dialect::MySql, vec![String::new()], false);
    own.add("", "t", None, Relation::new(Tag::table("t"), Reads::Plain, Reach::Itself));
    if !catalog.has_time_of_day() {
        own.without_time_of_day();
    }
    analyse(Dialect::MySql, &format!("SELECT ({expression}) FROM t"), &own).read.is_ok()
}

/// The tag of the table that a column comes from, where the catalog knows a table of the name that the server gives. Other names prove nothing: MariaDB
/// calls the columns of a derived table or a common table expression by that one's name, as if it were a table of the current database.
pub fn origin(catalog: &Catalog, column: &MySqlColumn) -> Option<Result<Tag, String>> {
    let origin = column.origin();
    let table = &origin.table_column()?.table;
    catalog.dotted(table).map(|relation| Ok(relation.tag.clone()))
}

/// Adds the columns of tables and views.
pub async fn add_columns(connection: &mut MySqlConnection, catalog: &mut Catalog) -> Result<(), Error> {
    for row in sqlx::raw_sql(COLUMNS).fetch_all(connection).await? {
        catalog.add_column(&string(&row, 0)?, &string(&row, 1)?, 0, string(&row, 2)?);
    }
    Ok(())
}

/// The name that the table has for it, whatever the statement calls it.
pub fn part(column: &MySqlColumn) -> Option<Part> {
    let origin = column.origin();
    origin.table_column().map(|column| Part::Named(column.name.to_string())).filter(|part| *part != Part::Named(String::new()))
}

fn text(row: &MySqlRow, index: usize) -> Result<Option<String>, Error> {
    row.try_get_unchecked(index)
}

fn string(row: &MySqlRow, index: usize) -> Result<String, Error> {
    row.try_get_unchecked(index)
}
