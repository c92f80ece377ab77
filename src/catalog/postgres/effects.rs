//! What a change of a relation brings about: foreign keys, triggers, rules, partitions and children, views, functions in its own expressions.

use super::{Catalog, key, text};
use crate::analysis::Dialect;
use crate::analysis::body::{self, Language};
use crate::catalog::{Code, Does, Effect, Key, Ops, Reads};
use sqlx::Error;
use sqlx::postgres::PgConnection;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Both tables, what a delete and an update do, the columns referred to, and whether one of these is computed. Partitions have copies of their own.
const KEYS: &str = "
    SELECT k.confrelid::pg_catalog.text, k.conrelid::pg_catalog.text, k.confdeltype::pg_catalog.text, k.confupdtype::pg_catalog.text,
           pg_catalog.array_to_json(ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
                                          WHERE a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)))::pg_catalog.text,
           EXISTS (SELECT FROM pg_catalog.pg_attribute a
                   WHERE a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey) AND a.attgenerated <> '')::pg_catalog.text
    FROM pg_catalog.pg_constraint k WHERE k.contype = 'f'";

/// Table, name, kind, and each function that it runs: its own, and those that its condition calls.
///
/// A partition's copy of its parent's trigger counts as internal before version 15; it depends on the other, as copies of foreign keys do.
const TRIGGERS: &str = "
    SELECT t.tgrelid::pg_catalog.text, t.tgname::pg_catalog.text, t.tgtype::pg_catalog.text, p.proname::pg_catalog.text,
           (l.lanname NOT IN ('c', 'internal') OR p.oid <> t.tgfoid)::pg_catalog.text
    FROM pg_catalog.pg_trigger t
    JOIN (
        SELECT own.oid, own.tgfoid FROM pg_catalog.pg_trigger own
        UNION
        SELECT d.objid, d.refobjid FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    ) AS runs(trigger, function) ON runs.trigger = t.oid
    JOIN pg_catalog.pg_proc p ON p.oid = runs.function
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE t.tgenabled <> 'D' AND (NOT t.tgisinternal OR (p.oid >= 16384 AND EXISTS (
        SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND d.objid = t.oid
          AND d.refclassid = 'pg_catalog.pg_trigger'::pg_catalog.regclass)))";

/// Functions in C, of PostgreSQL itself and its own extensions, that change nothing but the row. Others may write: `versioning` of `temporal_tables` does.
const HARMLESS_TRIGGERS: [&str; 8] = [
    "tsvector_update_trigger",
    "tsvector_update_trigger_column",
    "suppress_redundant_updates_trigger",
    "moddatetime",
    "autoinc",
    "insert_username",
    "triggered_change_notification",
    "lo_manage",
];

const RULES: &str = "
    SELECT r.ev_class::pg_catalog.text, r.rulename::pg_catalog.text, r.ev_type::pg_catalog.text,
           (r.is_instead AND r.ev_qual::pg_catalog.text = '<>')::pg_catalog.text, pg_catalog.pg_get_ruledef(r.oid)
    FROM pg_catalog.pg_rewrite r WHERE r.rulename <> '_RETURN' AND r.ev_enabled <> 'D' AND r.oid >= 16384";

const PARTS: &str = "
    SELECT h.inhrelid::pg_catalog.text, h.inhparent::pg_catalog.text, c.relkind::pg_catalog.text
    FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhparent WHERE c.relkind IN ('r', 'p')";

/// Reads all of them. `queries` are those of views; `calls` the functions that relations' own expressions call.
pub(super) async fn load(
    connection: &mut PgConnection,
    catalog: &mut Catalog,
    queries: &HashMap<Key, Arc<Code>>,
    calls: &[(String, String)],
) -> Result<(), Error> {
    let mut keys = Keys::default();
    foreign_keys(connection, catalog, &mut keys).await?;
    let mut replaced: HashMap<Key, Ops> = HashMap::new();
    triggers(connection, catalog, &mut keys, &mut replaced).await?;
    rules(connection, catalog, &mut replaced).await?;
    parts(connection, catalog, &mut keys).await?;
    for (oid, function) in calls {
        if let Some(key) = oid.parse().ok().and_then(|oid| catalog.key_of_oid(oid)).cloned() {
            let because = format!("an expression of {} calls {function}()", key.1).into();
            catalog.add_effect(&key, Effect { on: Ops::ROWS, because, does: Does::Call(function.to_lowercase()) });
        }
    }
    for (key, code) in queries {
        let view = match catalog.relation_mut(key) {
            Some(relation) => matches!(relation.reads, Reads::View(_)),
            None => continue,
        };
        let on = Ops::ROWS & !replaced.get(key).copied().unwrap_or_default();
        for table in code.reads.iter().filter(|_| view) {
            let because = format!("view {} shows it", key.1).into();
            catalog.add_effect(key, Effect { on, because, does: Does::Same(table.clone()) });
        }
        if !view {
            // A materialized view is filled by its query; of a table with policies the closure knows.
            let because = format!("query of {}", key.1).into();
            catalog.add_effect(key, Effect { on: Ops::INSERT, because, does: Does::Run(Arc::clone(code)) });
        }
    }
    keys.settle(catalog);
    Ok(())
}

/// The columns that foreign keys refer to.
#[derive(Default)]
struct Keys {
    columns: HashMap<Key, Vec<String>>,
    /// Tables whose updates may change other columns than they name.
    unsure: HashSet<Key>,
    parts: Vec<(Key, Key)>,
}

impl Keys {
    /// Tells the catalog; a whole has the keys of its parts.
    fn settle(mut self, catalog: &mut Catalog) {
        let mut changed = true;
        while changed {
            changed = false;
            for (part, whole) in &self.parts {
                changed |= self.unsure.contains(part) && self.unsure.insert(whole.clone());
                for column in self.columns.get(part).cloned().unwrap_or_default() {
                    let known = self.columns.entry(whole.clone()).or_default();
                    if !known.contains(&column) {
                        known.push(column);
                        changed = true;
                    }
                }
            }
        }
        for (key, columns) in self.columns {
            if let Some(relation) = catalog.relation_mut(&key).filter(|_| !self.unsure.contains(&key)) {
                relation.keys = Some(columns);
            }
        }
    }
}

async fn foreign_keys(connection: &mut PgConnection, catalog: &mut Catalog, keys: &mut Keys) -> Result<(), Error> {
    for row in sqlx::raw_sql(KEYS).fetch_all(connection).await? {
        let (Some(parent), Some(child)) = (key(catalog, &row, 0)?, key(catalog, &row, 1)?) else { continue };
        let action = |code: &str| match code {
            "c" => "CASCADE",
            "n" => "SET NULL",
            "d" => "SET DEFAULT",
            _ => "NO ACTION",
        };
        catalog.add_foreign_key(&parent, &child, action(&text(&row, 3)?), action(&text(&row, 2)?), true);
        // Whatever the actions are.
        let because = format!("TRUNCATE ... CASCADE from {}", parent.1).into();
        let does = Does::Write(child, Ops::TRUNCATE | Ops::CASCADE);
        catalog.add_effect(&parent, Effect { on: Ops::CASCADE, because, does });
        keys.columns.entry(parent.clone()).or_default().extend(serde_json::from_str::<Vec<String>>(&text(&row, 4)?).unwrap_or_default());
        if text(&row, 5)? == "true" {
            keys.unsure.insert(parent);
        }
    }
    Ok(())
}

async fn triggers(
    connection: &mut PgConnection,
    catalog: &mut Catalog,
    keys: &mut Keys,
    replaced: &mut HashMap<Key, Ops>,
) -> Result<(), Error> {
    // `pg_trigger.h`: the bits of tgtype.
    const BEFORE: u16 = 2;
    const INSTEAD: u16 = 64;
    const EVENTS: [(u16, Ops); 4] = [(4, Ops::INSERT), (8, Ops::DELETE), (16, Ops::UPDATE), (32, Ops::TRUNCATE)];
    for row in sqlx::raw_sql(TRIGGERS).fetch_all(connection).await? {
        let Some(key) = key(catalog, &row, 0)? else { continue };
        let (name, kind, function) = (text(&row, 1)?, text(&row, 2)?.parse::<u16>().unwrap_or(u16::MAX), text(&row, 3)?);
        let on = EVENTS.into_iter().filter(|(bit, _)| kind & bit != 0).fold(Ops::NONE, |on, (_, op)| on | op);
        if kind & INSTEAD != 0 {
            *replaced.entry(key.clone()).or_default() |= on | if on.meets(Ops::UPDATE) { Ops::KEYS } else { Ops::NONE };
        }
        if kind & BEFORE != 0 {
            keys.unsure.insert(key.clone());
        }
        let because = format!("trigger {name} on {}", key.1).into();
        let does = match text(&row, 4)?.as_str() {
            "true" => Does::Call(function.to_lowercase()),
            _ if HARMLESS_TRIGGERS.contains(&function.as_str()) => continue,
            _ => Does::Run(Arc::new(Code::opaque(format!("runs {function}()"), true))),
        };
        catalog.add_effect(&key, Effect { on, because, does });
    }
    Ok(())
}

async fn rules(connection: &mut PgConnection, catalog: &mut Catalog, replaced: &mut HashMap<Key, Ops>) -> Result<(), Error> {
    for row in sqlx::raw_sql(RULES).fetch_all(connection).await? {
        let Some(key) = key(catalog, &row, 0)? else { continue };
        let (name, definition) = (text(&row, 1)?, text(&row, 4)?);
        let on = match text(&row, 2)?.as_str() {
            "2" => Ops::UPDATE | Ops::KEYS,
            "3" => Ops::INSERT,
            "4" => Ops::DELETE,
            _ => Ops::ROWS,
        };
        if text(&row, 3)? == "true" {
            *replaced.entry(key.clone()).or_default() |= on;
        }
        // The words before DO name events, which the body's reader tells from statements; CREATE would be one.
        let body = body::read(Dialect::Postgres, Language::Sql, definition.trim_start().trim_start_matches("CREATE"), catalog);
        let because = format!("rule {name} on {}", key.1).into();
        catalog.add_effect(&key, Effect { on, because, does: Does::Run(Arc::new(body)) });
    }
    Ok(())
}

async fn parts(connection: &mut PgConnection, catalog: &mut Catalog, keys: &mut Keys) -> Result<(), Error> {
    for row in sqlx::raw_sql(PARTS).fetch_all(connection).await? {
        let (part, whole) = (key(catalog, &row, 0)?, key(catalog, &row, 1)?);
        let (Some(part), Some(whole)) = (part, whole) else { continue };
        let partitioned = text(&row, 2)? == "p";
        let does = if partitioned { Does::Parts(part.clone()) } else { Does::Same(part.clone()) };
        let because = format!("a part of {}", whole.1).into();
        catalog.add_effect(&whole, Effect { on: Ops::ANY, because, does });
        catalog.add_part(&part, &whole);
        keys.parts.push((part, whole));
    }
    // What can't be cached of a part can't be cached of the whole.
    let mut parts = keys.parts.clone();
    while let Some(at) = parts.iter().position(|(part, whole)| {
        let reads = |key: &Key| catalog.relations.get(key).map(|relation| matches!(relation.reads, Reads::Plain | Reads::Secured(_)));
        reads(part) != Some(true) && reads(whole) == Some(true)
    }) {
        let (_, whole) = parts.swap_remove(at);
        if let Some(relation) = catalog.relation_mut(&whole) {
            relation.reads = Reads::Opaque;
        }
    }
    Ok(())
}
