//! What a change of a table brings about: triggers, foreign keys, the tables under a view.

use super::{Catalog, Code, Key, privileges, string, text};
use crate::analysis::Dialect;
use crate::analysis::body::{self, Language};
use crate::catalog::{Does, Effect, Ops, Reads};
use sqlx::Error;
use sqlx::mysql::MySqlConnection;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Once};

const TRIGGERS: &str = "
    SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_STATEMENT
    FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE()";

/// The foreign keys that a change follows, as far as this user may see them: all that arrive from its own database.
const CASCADES: &str = "
    SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME, UPDATE_RULE, DELETE_RULE
    FROM information_schema.REFERENTIAL_CONSTRAINTS
    WHERE UPDATE_RULE NOT IN ('NO ACTION', 'RESTRICT') OR DELETE_RULE NOT IN ('NO ACTION', 'RESTRICT')";

/// The columns that foreign keys of this database refer to, and whether the server gives them their values.
const REFERRED: &str = "
    SELECT k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, c.EXTRA
    FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.COLUMNS c
      ON c.TABLE_SCHEMA = k.REFERENCED_TABLE_SCHEMA AND c.TABLE_NAME = k.REFERENCED_TABLE_NAME AND c.COLUMN_NAME = k.REFERENCED_COLUMN_NAME
    WHERE k.TABLE_SCHEMA = DATABASE() AND k.REFERENCED_TABLE_SCHEMA = DATABASE()";

/// The same of every database, for those who may read it. The low four bits of TYPE are CASCADE and SET NULL.
const ALL_CASCADES: [&str; 2] = [
    "SELECT FOR_NAME, REF_NAME FROM information_schema.INNODB_SYS_FOREIGN WHERE TYPE & 15",
    "SELECT FOR_NAME, REF_NAME FROM information_schema.INNODB_FOREIGN WHERE TYPE & 15",
];

/// Reads all of them. `views` are the views' queries.
pub(super) async fn load(
    connection: &mut MySqlConnection,
    database: &str,
    catalog: &mut Catalog,
    views: &HashMap<Key, Arc<Code>>,
) -> Result<(), Error> {
    let unsure = triggers(connection, database, catalog).await?;
    let further = foreign_keys(connection, database, catalog).await?;
    let sees_triggers = privileges::sees_triggers(connection, database, catalog).await?;
    if !sees_triggers {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            tracing::warn!(
                database,
                "this user can't see whether tables have triggers, so every write forgets everything: GRANT TRIGGER on the whole database"
            );
        });
    }
    for key in catalog.keys_of(database) {
        let mut hidden = |because: &str| {
            let code = Arc::new(Code::opaque("this user can't see what it changes", false));
            catalog.add_effect(&key, Effect { on: Ops::ANY, because: because.into(), does: Does::Run(code) });
        };
        if !sees_triggers {
            hidden("perhaps a trigger");
        }
        if further.leaves(&key.1) {
            hidden("a foreign key of another database");
        }
        if let Some(relation) = catalog.relation_mut(&key).filter(|_| further.arriving.contains(&key.1)) {
            relation.reads = Reads::Opaque;
        }
    }
    for (key, code) in views {
        for table in &code.reads {
            let because = format!("view {} shows it", key.1).into();
            catalog.add_effect(key, Effect { on: Ops::ROWS, because, does: Does::Same(table.clone()) });
        }
    }
    let mut columns: HashMap<Key, Vec<String>> = HashMap::new();
    let mut computed = HashSet::new();
    for row in sqlx::raw_sql(REFERRED).fetch_all(connection).await? {
        let key = catalog.key(database, &string(&row, 0)?);
        if text(&row, 2)?.is_some_and(|extra| !matches!(extra.to_ascii_lowercase().as_str(), "" | "auto_increment")) {
            computed.insert(key.clone());
        }
        columns.entry(key).or_default().push(string(&row, 1)?);
    }
    for (key, columns) in columns {
        if let Some(relation) = catalog.relation_mut(&key).filter(|_| !unsure.contains(&key) && !computed.contains(&key)) {
            relation.keys = Some(columns);
        }
    }
    Ok(())
}

/// Adds the triggers, and returns the tables whose updates may change other columns than they name.
async fn triggers(connection: &mut MySqlConnection, database: &str, catalog: &mut Catalog) -> Result<HashSet<Key>, Error> {
    let mut unsure = HashSet::new();
    for row in sqlx::raw_sql(TRIGGERS).fetch_all(connection).await? {
        let (name, table, event, timing) = (string(&row, 0)?, string(&row, 1)?, string(&row, 2)?, string(&row, 3)?);
        let key = catalog.key(database, &table);
        let on = match event.as_str() {
            "INSERT" => Ops::INSERT,
            "UPDATE" => Ops::UPDATE,
            "DELETE" => Ops::DELETE,
            _ => Ops::ANY,
        };
        if timing == "BEFORE" {
            unsure.insert(key.clone());
        }
        let body = match text(&row, 4)? {
            Some(text) if !text.is_empty() => body::read(Dialect::MySql, Language::Procedural, &text, catalog),
            _ => Code::opaque("a body that this user may not read", false),
        };
        let because = format!("trigger {name} on {table}").into();
        catalog.add_effect(&key, Effect { on, because, does: Does::Run(Arc::new(body)) });
    }
    Ok(unsure)
}

/// Adds the foreign keys within the database, and returns what is known of those that cross its border.
async fn foreign_keys(connection: &mut MySqlConnection, database: &str, catalog: &mut Catalog) -> Result<Further, Error> {
    let mut further = Further::default();
    let (mut inside, mut leaves_database) = (Vec::new(), false);
    for row in sqlx::raw_sql(CASCADES).fetch_all(&mut *connection).await? {
        let own = |schema: &str| catalog.is_home(schema);
        let (child_schema, child, parent_schema) = (string(&row, 0)?, catalog.key(database, &string(&row, 1)?), string(&row, 2)?);
        // Hidden where the user has no right to the other table.
        let parent = text(&row, 3)?.map(|name| catalog.key(database, &name));
        match (own(&child_schema), own(&parent_schema), parent) {
            (true, true, Some(parent)) => {
                let (on_update, on_delete) = (string(&row, 4)?, string(&row, 5)?);
                let follows = |action: &str| !matches!(action, "NO ACTION" | "RESTRICT");
                let mut add = |on, because: String, ops| {
                    catalog.add_effect(&parent, Effect { on, because: because.into(), does: Does::Quietly(child.clone(), ops) });
                };
                if follows(&on_delete) {
                    let ops = if on_delete == "CASCADE" { Ops::DELETE } else { Ops::UPDATE | Ops::KEYS };
                    add(Ops::DELETE, format!("ON DELETE {on_delete} from {}", parent.1), ops);
                }
                if follows(&on_update) {
                    add(Ops::KEYS, format!("ON UPDATE {on_update} from {}", parent.1), Ops::UPDATE | Ops::KEYS);
                }
                inside.push((parent.1, child.1));
            }
            (true, ..) => {
                leaves_database = true;
                further.arriving.insert(child.1);
            }
            (false, true, Some(parent)) => _ = further.leaving.insert(parent.1),
            (false, true, None) => further.unknown = true,
            (false, false, _) => {}
        }
    }
    // On along the chain, from children to theirs.
    while let Some(at) = inside.iter().position(|(parent, child)| further.arriving.contains(parent) && !further.arriving.contains(child)) {
        further.arriving.insert(inside.swap_remove(at).1);
    }
    further.all_cascades(connection, database, leaves_database, catalog).await;
    Ok(further)
}

/// What foreign keys carry over the border of the database.
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

    /// Foreign keys that arrive from other databases. Without the right to see them, a chain may still lead out of this database and back into
    /// it, but only if a key of this database refers to another's table; if none does, what is hidden can only change tables that are not ours,
    /// and those who cache these see the key from the other side.
    async fn all_cascades(&mut self, connection: &mut MySqlConnection, database: &str, leaves_database: bool, catalog: &Catalog) {
        let own = |schema: &str| catalog.fold(schema) == catalog.fold(database);
        for query in ALL_CASCADES {
            let Ok(rows) = sqlx::raw_sql(query).fetch_all(&mut *connection).await else { continue };
            for row in rows {
                let child = text(&row, 0).ok().flatten();
                if child
                    .as_deref()
                    .and_then(|name| name.split_once('/'))
                    .and_then(|(schema, _)| file_name(schema))
                    .is_some_and(|schema| own(&schema))
                {
                    // Within the database it is known by its rules.
                    continue;
                }
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
