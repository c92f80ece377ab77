//! The catalog of MySQL and MariaDB.
//!
//! Everything is asked as text in the text protocol and read without a check of its type: `information_schema` says VARBINARY where it means text.

mod privileges;
mod views;

use super::{Catalog, Reach, Reads, Relation};
use crate::analysis::{Dialect, analyse};
use crate::tag::Tag;
use sqlx::mysql::{MySqlColumn, MySqlConnection, MySqlRow};
use sqlx::{Column, Error, Row};
use std::collections::{HashMap, HashSet};
use std::sync::Once;
use views::View;

const SESSION: &str = "SELECT DATABASE(), @@lower_case_table_names";

const TABLES: &str = "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";

/// Names alone: asking for engines would open every table of the server.
const ELSEWHERE: &str =
    "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE DATABASE() IS NULL OR TABLE_SCHEMA <> DATABASE()";

const VIEWS: &str = "SELECT TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()";

const TRIGGERS: &str = "SELECT EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE()";

/// The foreign keys that a change follows, as far as this user may see them: all that arrive from its own database.
const CASCADES: &str = "
    SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME
    FROM information_schema.REFERENTIAL_CONSTRAINTS
    WHERE UPDATE_RULE NOT IN ('NO ACTION', 'RESTRICT') OR DELETE_RULE NOT IN ('NO ACTION', 'RESTRICT')";

/// The same of every database, for those who may read it. The low four bits of TYPE are CASCADE and SET NULL.
const ALL_CASCADES: [&str; 2] = [
    "SELECT FOR_NAME, REF_NAME FROM information_schema.INNODB_SYS_FOREIGN WHERE TYPE & 15",
    "SELECT FOR_NAME, REF_NAME FROM information_schema.INNODB_FOREIGN WHERE TYPE & 15",
];

const TIME_OF_DAY: &str = "SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND DATA_TYPE = 'time' LIMIT 1";

/// Columns that are computed when they are read. MariaDB lets them depend on the clock, on chance and on the user.
const COMPUTED: &str = "
    SELECT TABLE_NAME, GENERATION_EXPRESSION FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = DATABASE() AND GENERATION_EXPRESSION IS NOT NULL AND EXTRA LIKE '%VIRTUAL%'";

const ROUTINES: &str = "SELECT DISTINCT ROUTINE_NAME FROM information_schema.ROUTINES";

const LOADABLE: &str = "SELECT name FROM mysql.func";

/// Those of `information_schema` that depend on the schema and the role alone. TABLES tells row counts and the time of the last write.
const SCHEMA_VIEWS: [&str; 7] =
    ["COLUMNS", "KEY_COLUMN_USAGE", "TABLE_CONSTRAINTS", "REFERENTIAL_CONSTRAINTS", "CHECK_CONSTRAINTS", "VIEWS", "SCHEMATA"];

/// Reads the catalog.
pub async fn load(connection: &mut MySqlConnection) -> Result<Catalog, Error> {
    let row = sqlx::raw_sql(SESSION).fetch_one(&mut *connection).await?;
    let (database, folds_case) = (text(&row, 0)?, text(&row, 1)?.as_deref() != Some("0"));
    let mut catalog = Catalog::new(Dialect::MySql, database.clone().into_iter().collect(), folds_case);
    for name in SCHEMA_VIEWS {
        // In any case, whatever lower_case_table_names says of other names.
        for (schema, name) in [("information_schema", name.to_ascii_lowercase()), ("information_schema", name.to_owned())] {
            catalog.add(
                schema,
                &name,
                None,
                Relation { tag: Tag::schema(), reads: Reads::Schema, writes: Reach::Unknown, rolls_back: true },
            );
        }
    }
    for row in sqlx::raw_sql(ELSEWHERE).fetch_all(&mut *connection).await? {
        let (schema, name) = (string(&row, 0)?, string(&row, 1)?);
        if catalog.exactly(&schema, &name).is_none() {
            let tag = Tag::qualified(Some(&schema), &name);
            catalog.add(&schema, &name, None, Relation { tag, reads: Reads::Opaque, writes: Reach::Unknown, rolls_back: false });
        }
    }
    if let Some(database) = database {
        own_tables(connection, &database, &mut catalog).await?;
    }
    for row in sqlx::raw_sql(ROUTINES).fetch_all(&mut *connection).await? {
        catalog.add_function(&string(&row, 0)?);
    }
    // Mostly not permitted. Names that nobody knows are not cached anyway.
    if let Ok(rows) = sqlx::raw_sql(LOADABLE).fetch_all(&mut *connection).await {
        for row in rows {
            catalog.add_function(&string(&row, 0)?);
        }
    }
    Ok(catalog)
}

async fn own_tables(connection: &mut MySqlConnection, database: &str, catalog: &mut Catalog) -> Result<(), Error> {
    let tables = sqlx::raw_sql(TABLES).fetch_all(&mut *connection).await?;
    let mut views = HashMap::new();
    for row in sqlx::raw_sql(VIEWS).fetch_all(&mut *connection).await? {
        let definition = text(&row, 1)?.unwrap_or_default();
        if definition.is_empty() {
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                tracing::warn!(
                    database,
                    "this user can't see what views do, so reading one counts as a write to everything: GRANT SHOW VIEW on the whole database"
                );
            });
        }
        views.insert(string(&row, 0)?, View::new(database, &definition));
    }
    let hazards = views::hazards(&views);
    if sqlx::raw_sql(TIME_OF_DAY).fetch_optional(&mut *connection).await?.is_none() {
        catalog.without_time_of_day();
    }
    let mut shifting = HashSet::new();
    for row in sqlx::raw_sql(COMPUTED).fetch_all(&mut *connection).await? {
        let (name, expression) = (string(&row, 0)?, text(&row, 1)?.unwrap_or_default());
        if !expression.is_empty() && !is_decided_by_its_row(&expression, catalog) {
            shifting.insert(catalog.fold(&name));
        }
    }
    // After the tables: what was added in between is then seen here rather than missed.
    let further = Further::load(connection, database, catalog).await?;
    for row in tables {
        let (name, kind, engine) = (string(&row, 0)?, string(&row, 1)?, text(&row, 2)?.unwrap_or_default());
        let key = catalog.fold(&name);
        let base = matches!(kind.as_str(), "BASE TABLE" | "SYSTEM VERSIONED");
        let rolls_back = matches!(engine.as_str(), "InnoDB" | "ROCKSDB");
        // Engines that keep rows of their own in the database's files. What MEMORY keeps is lost at a restart, which is a write that nobody sees.
        let own_rows = rolls_back || matches!(engine.as_str(), "MyISAM" | "Aria" | "ARCHIVE" | "MEMORY");
        let reads = match kind.as_str() {
            _ if base && own_rows && engine != "MEMORY" && !further.arriving.contains(&key) && !shifting.contains(&key) => Reads::Plain,
            "VIEW" if hazards.contains(&name) => Reads::Hazard,
            _ => Reads::Opaque,
        };
        let writes = if base && own_rows && !further.leaves(&key) { Reach::Itself } else { Reach::Unknown };
        catalog.add(database, &name, None, Relation { tag: Tag::qualified(None, &name), reads, writes, rolls_back });
    }
    Ok(())
}

/// Whether a generated column's expression is one that a read may be kept of.
fn is_decided_by_its_row(expression: &str, catalog: &Catalog) -> bool {
    let mut own = Catalog::new(Dialect::MySql, vec![String::new()], false);
    own.add("", "t", None, Relation { tag: Tag::table("t"), reads: Reads::Plain, writes: Reach::Itself, rolls_back: true });
    if !catalog.has_time_of_day() {
        own.without_time_of_day();
    }
    analyse(Dialect::MySql, &format!("SELECT ({expression}) FROM t"), &own).read.is_ok()
}

/// What carries a write to other tables.
#[derive(Default)]
struct Further {
    /// It can't be known, so it holds for every table.
    unknown: bool,
    /// Some table whose name is not plain ASCII, and which one can't be told.
    unreadable: bool,
    /// The tables whose writes go further.
    leaving: HashSet<String>,
    /// The tables that writes in another database change, by foreign keys that whoever writes there may be unable to see: not to be cached.
    arriving: HashSet<String>,
}

impl Further {
    fn leaves(&self, key: &str) -> bool {
        self.unknown || self.leaving.contains(key) || (self.unreadable && !key.is_ascii())
    }

    async fn load(connection: &mut MySqlConnection, database: &str, catalog: &Catalog) -> Result<Self, Error> {
        let mut further = Self::default();
        if !privileges::sees_triggers(connection, database, catalog).await? {
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                tracing::warn!(
                    database,
                    "this user can't see whether tables have triggers, so every write forgets everything: GRANT TRIGGER on the whole database"
                );
            });
            further.unknown = true;
        }
        for row in sqlx::raw_sql(TRIGGERS).fetch_all(&mut *connection).await? {
            further.leaving.insert(catalog.fold(&string(&row, 0)?));
        }
        let own = |schema: &str| catalog.fold(schema) == catalog.fold(database);
        let (mut inside, mut leaves_database) = (Vec::new(), false);
        for row in sqlx::raw_sql(CASCADES).fetch_all(&mut *connection).await? {
            let (child_schema, child, parent_schema) = (string(&row, 0)?, catalog.fold(&string(&row, 1)?), string(&row, 2)?);
            // Hidden where the user has no right to the other table.
            let parent = text(&row, 3)?.map(|name| catalog.fold(&name));
            match (own(&child_schema), own(&parent_schema), parent) {
                (true, true, Some(parent)) => {
                    further.leaving.insert(parent.clone());
                    inside.push((parent, child));
                }
                (true, ..) => {
                    leaves_database = true;
                    further.arriving.insert(child);
                }
                (false, true, Some(parent)) => {
                    further.leaving.insert(parent);
                }
                (false, true, None) => further.unknown = true,
                (false, false, _) => {}
            }
        }
        // On along the chain, from children to theirs.
        while let Some(at) =
            inside.iter().position(|(parent, child)| further.arriving.contains(parent) && !further.arriving.contains(child))
        {
            further.arriving.insert(inside.swap_remove(at).1);
        }
        further.all_cascades(connection, database, leaves_database, catalog).await;
        Ok(further)
    }

    /// Foreign keys that arrive from other databases. Without the right to see them, a chain may still lead out of this database and back into
    /// it, but only if a key of this database refers to another's table; if none does, what is hidden can only change tables that are not ours,
    /// and those who cache these see the key from the other side.
    async fn all_cascades(&mut self, connection: &mut MySqlConnection, database: &str, leaves_database: bool, catalog: &Catalog) {
        let own = |schema: &str| catalog.fold(schema) == catalog.fold(database);
        for query in ALL_CASCADES {
            let Ok(rows) = sqlx::raw_sql(query).fetch_all(&mut *connection).await else { continue };
            for row in rows {
                match text(&row, 1).ok().flatten().as_deref().and_then(|name| name.split_once('/')) {
                    // A schema that can't be read may be this one only if its name is of that kind.
                    Some((schema, table)) if file_name(schema).map_or(!database.is_ascii(), |schema| own(&schema)) => {
                        match file_name(table) {
                            Some(table) => _ = self.leaving.insert(catalog.fold(&table)),
                            None => self.unreadable = true,
                        }
                    }
                    Some(_) => {}
                    None => self.unknown = true,
                }
            }
            return;
        }
        if leaves_database {
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                tracing::warn!(
                    database,
                    "a foreign key that cascades refers to another database, and this user can't see those that lead back, so every write forgets everything: GRANT PROCESS"
                );
            });
            self.unknown = true;
        }
    }
}

/// A name out of InnoDB's `schema/table`, in which characters that don't suit file names are written `@0020`. There are shorter forms for the letters
/// of some alphabets, and for those it gives up.
fn file_name(text: &str) -> Option<String> {
    let mut pieces = text.split('@');
    let mut name = pieces.next()?.to_owned();
    for piece in pieces {
        let code = piece.get(..4).filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        name.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
        name.push_str(piece.get(4..)?);
    }
    Some(name)
}

/// The tag of the table that a column comes from, where the catalog knows a table of the name that the server gives. Other names prove nothing: MariaDB
/// calls the columns of a derived table or a common table expression by that one's name, as if it were a table of the current database.
pub fn origin(catalog: &Catalog, column: &MySqlColumn) -> Option<Result<Tag, String>> {
    let origin = column.origin();
    let table = &origin.table_column()?.table;
    catalog.dotted(table).map(|relation| Ok(relation.tag.clone()))
}

fn text(row: &MySqlRow, index: usize) -> Result<Option<String>, Error> {
    row.try_get_unchecked(index)
}

fn string(row: &MySqlRow, index: usize) -> Result<String, Error> {
    row.try_get_unchecked(index)
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_in_file_form() {
        assert_eq!(file_name("child").as_deref(), Some("child"));
        assert_eq!(file_name("h@002dx@0020y").as_deref(), Some("h-x y"));
        assert_eq!(file_name("h@002dx@0020@0p"), None);
        assert_eq!(file_name("@"), None);
        assert_eq!(file_name("@d800"), None);
    }
}
