//! PostgreSQL's catalog.
//!
//! Everything is asked as text in the simple protocol: no statement stays prepared on the connection, and poolers in transaction mode pass it on.

mod effects;
mod routines;

use super::offline::POSTGRES_SCHEMA;
use super::{Catalog, Code, Key, Part, Reach, Reads, Relation};
use crate::analysis::{Dialect, query};
use crate::tag::Tag;
use sqlx::postgres::{PgColumn, PgConnection, PgRow};
use sqlx::{Error, Row};
use std::collections::HashMap;
use std::sync::Arc;

/// `pg_catalog` comes first unless the setting places it elsewhere, and the session's temporary schema before that if it has one.
const SEARCH_PATH: &str = "SELECT s.name::pg_catalog.text FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS s(name, place) ORDER BY s.place";

/// The names that mean an enumeration in whichever schema and however written: the catalog compares them without regard to case.
const ENUMS: &str = "
    SELECT pg_catalog.lower(t.typname::pg_catalog.text) FROM pg_catalog.pg_type t GROUP BY 1 HAVING pg_catalog.bool_and(t.typtype = 'e')";

/// PostgreSQL's own functions that are STABLE or IMMUTABLE, and so write nothing; except that some of XML's run a view of any name.
const QUIET: &str = "
    SELECT p.proname::pg_catalog.text FROM pg_catalog.pg_proc p WHERE p.oid < 16384 AND p.proname !~ 'xml'
    GROUP BY p.proname HAVING pg_catalog.bool_and(p.provolatile <> 'v')";

/// The server's own text of each query, every name in it qualified unless the search path finds it.
const VIEWS: &str = "
    SELECT c.oid::pg_catalog.text, pg_catalog.pg_get_viewdef(c.oid)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')";

/// What the server itself noted that each query names.
const NAMED_BY_VIEWS: &str = "
    SELECT DISTINCT r.ev_class::pg_catalog.text, d.refobjid::pg_catalog.text
    FROM pg_catalog.pg_rewrite r
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
     AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class
    WHERE r.rulename = '_RETURN' AND r.oid >= 16384";

const POLICIES: &str = "
    SELECT y.polrelid::pg_catalog.text, coalesce(pg_catalog.pg_get_expr(y.polqual, y.polrelid), 'true'),
           coalesce(pg_catalog.pg_get_expr(y.polwithcheck, y.polrelid), 'true')
    FROM pg_catalog.pg_policy y";

const COLUMNS: &str = "
    SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, a.attnum::pg_catalog.text, a.attname::pg_catalog.text
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')";

/// Reads the catalog.
pub async fn load(connection: &mut PgConnection) -> Result<Catalog, Error> {
    let path = sqlx::raw_sql(SEARCH_PATH).fetch_all(&mut *connection).await?;
    let path = path.iter().map(|row| text(row, 0)).collect::<Result<_, _>>()?;
    let mut catalog = Catalog::new(Dialect::Postgres, path, false);
    let (mut calls, mut operators, mut opaque_operators) = (Vec::new(), Vec::new(), false);
    for row in sqlx::raw_sql(include_str!("postgres/relations.sql")).fetch_all(&mut *connection).await? {
        let (schema, name, oid, reads) = (text(&row, 0)?, text(&row, 1)?, text(&row, 2)?, text(&row, 3)?);
        match (schema.as_str(), name.as_str()) {
            ("", "relation calls") => calls.push((oid, reads)),
            ("", "operators call") => operators.push(reads),
            ("", _) => opaque_operators = true,
            _ => catalog.add(&schema, &name, oid.parse().ok(), relation(&schema, &name, &reads, &text(&row, 4)?)),
        }
    }
    for row in sqlx::raw_sql(ENUMS).fetch_all(&mut *connection).await? {
        catalog.add_enum(&text(&row, 0)?);
    }
    if opaque_operators {
        catalog.set_opaque_operators();
    }
    for row in sqlx::raw_sql(QUIET).fetch_all(&mut *connection).await? {
        catalog.add_quiet(text(&row, 0)?);
    }
    routines::load(connection, &mut catalog).await?;
    // What operators call, any comparison may call.
    let code = Code { calls: operators.iter().map(|name| name.to_lowercase()).collect(), ..Code::default() };
    let called = catalog.close(&code);
    if called.everything.is_some() || called.bypass.is_some() || !called.writes.is_empty() || !called.reads.is_empty() {
        catalog.set_opaque_operators();
    }
    let queries = queries(connection, &catalog).await?;
    effects::load(connection, &mut catalog, &queries, &calls).await?;
    for (key, code) in queries {
        match catalog.relation_mut(&key) {
            Some(Relation { reads: Reads::View(query) | Reads::Secured(query), .. }) => *query = code,
            // A materialized one, however it reads.
            Some(_) => catalog.add_copy(key, code),
            None => {}
        }
    }
    Ok(catalog)
}

/// The queries of views and materialized views, and policies as if they were queries.
async fn queries(connection: &mut PgConnection, catalog: &Catalog) -> Result<HashMap<Key, Arc<Code>>, Error> {
    let mut queries: HashMap<Key, Code> = HashMap::new();
    for row in sqlx::raw_sql(VIEWS).fetch_all(&mut *connection).await? {
        let Some(key) = key(catalog, &row, 0)? else { continue };
        // A view that was dropped a moment ago has no text.
        let code = match row.try_get_unchecked::<Option<String>, _>(1)? {
            Some(definition) => query(Dialect::Postgres, &definition, catalog),
            None => Code::opaque("a view without a text", true),
        };
        queries.insert(key, code);
    }
    for row in sqlx::raw_sql(NAMED_BY_VIEWS).fetch_all(&mut *connection).await? {
        let (Some(view), named) = (key(catalog, &row, 0)?, key(catalog, &row, 1)?) else { continue };
        if let Some(code) = queries.get_mut(&view)
            && named.is_none_or(|named| !code.reads.contains(&named))
        {
            tracing::warn!(view = %view.1, "the text of a view does not name all that the server says it reads; it is not cached");
            code.refuse(crate::analysis::Bypass::Unparsed, "its text and the server's notes differ");
        }
    }
    for row in sqlx::raw_sql(POLICIES).fetch_all(&mut *connection).await? {
        let Some(key) = key(catalog, &row, 0)? else { continue };
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let sql = format!("SELECT 1 FROM {}.{} WHERE ({}) AND ({})", quoted(&key.0), quoted(&key.1), text(&row, 1)?, text(&row, 2)?);
        let code = query(Dialect::Postgres, &sql, catalog);
        queries.entry(key).or_default().add(code);
    }
    Ok(queries.into_iter().map(|(key, code)| (key, Arc::new(code))).collect())
}

/// The tag of the table that a column comes from: its object identifier leaves no doubt.
pub fn origin(catalog: &Catalog, column: &PgColumn) -> Option<Result<Tag, String>> {
    let oid = column.relation_id()?.0;
    (oid != 0).then(|| catalog.by_oid(oid).map(|relation| relation.tag.clone()).ok_or_else(|| format!("relation {oid}")))
}

/// Adds the columns of tables and views.
pub async fn add_columns(connection: &mut PgConnection, catalog: &mut Catalog) -> Result<(), Error> {
    for row in sqlx::raw_sql(COLUMNS).fetch_all(connection).await? {
        // What is no number is no column's that a result could tell of.
        catalog.add_column(&text(&row, 0)?, &text(&row, 1)?, text(&row, 2)?.parse().unwrap_or_default(), text(&row, 3)?);
    }
    Ok(())
}

/// A whole row's number is 0, and those of system columns are below.
pub fn part(column: &PgColumn) -> Option<Part> {
    column.relation_attribute_no().filter(|number| *number > 0).map(|number| Part::Numbered(number.into()))
}

fn relation(schema: &str, name: &str, reads: &str, writes: &str) -> Relation {
    if schema == "information_schema" && POSTGRES_SCHEMA.contains(&name) {
        return Relation::new(Tag::schema(), Reads::Schema, Reach::Unknown);
    }
    let reads = match reads {
        "plain" => Reads::Plain,
        "view" => Reads::View(Arc::new(Code::opaque("a view whose text is not known", true))),
        "secured" => Reads::Secured(Arc::default()),
        "hazard" => Reads::Hazard,
        _ => Reads::Opaque,
    };
    let writes = if writes == "itself" { Reach::Itself } else { Reach::Unknown };
    // `public`, whatever the session's search path says: two sessions must give one table one tag.
    let tag = Tag::qualified((schema != "public").then_some(schema), name);
    Relation::new(tag, reads, writes)
}

/// The key of the relation whose object identifier is in a column.
fn key(catalog: &Catalog, row: &PgRow, index: usize) -> Result<Option<Key>, Error> {
    Ok(text(row, index)?.parse().ok().and_then(|oid| catalog.key_of_oid(oid)).cloned())
}

fn text(row: &PgRow, index: usize) -> Result<String, Error> {
    row.try_get_unchecked(index)
}
