//! PostgreSQL's catalog.
//!
//! Everything is asked as text in the simple protocol: no statement stays prepared on the connection, and poolers in transaction mode pass it on.

use super::{Catalog, Reach, Reads, Relation};
use crate::analysis::Dialect;
use crate::tag::Tag;
use sqlx::postgres::{PgColumn, PgConnection, PgRow};
use sqlx::{Error, Row};

/// `pg_catalog` comes first unless the setting places it elsewhere, and the session's temporary schema before that if it has one.
const SEARCH_PATH: &str = "SELECT s.name::pg_catalog.text FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS s(name, place) ORDER BY s.place";

const FUNCTIONS: &str = "
    SELECT p.proname::pg_catalog.text
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') OR p.oid >= 16384";

/// The names that mean an enumeration in whichever schema and however written: the catalog compares them without regard to case.
const ENUMS: &str = "
    SELECT pg_catalog.lower(t.typname::pg_catalog.text) FROM pg_catalog.pg_type t GROUP BY 1 HAVING pg_catalog.bool_and(t.typtype = 'e')";

/// The views of `information_schema` that depend on the schema and the role alone; the others show sequences, statistics or grants.
const SCHEMA_VIEWS: [&str; 8] = [
    "tables",
    "columns",
    "views",
    "key_column_usage",
    "table_constraints",
    "referential_constraints",
    "constraint_column_usage",
    "check_constraints",
];

/// Reads the catalog.
pub async fn load(connection: &mut PgConnection) -> Result<Catalog, Error> {
    let path = sqlx::raw_sql(SEARCH_PATH).fetch_all(&mut *connection).await?;
    let path = path.iter().map(|row| text(row, 0)).collect::<Result<_, _>>()?;
    let mut catalog = Catalog::new(Dialect::Postgres, path, false);
    for row in sqlx::raw_sql(include_str!("postgres/relations.sql")).fetch_all(&mut *connection).await? {
        let (schema, name, oid) = (text(&row, 0)?, text(&row, 1)?, text(&row, 2)?);
        if schema.is_empty() && name == "opaque operators" {
            catalog.set_opaque_operators();
            continue;
        }
        let relation = relation(&schema, &name, &text(&row, 3)?, &text(&row, 4)?);
        catalog.add(&schema, &name, oid.parse().ok(), relation);
    }
    for row in sqlx::raw_sql(FUNCTIONS).fetch_all(&mut *connection).await? {
        catalog.add_function(&text(&row, 0)?);
    }
    for row in sqlx::raw_sql(ENUMS).fetch_all(&mut *connection).await? {
        catalog.add_enum(&text(&row, 0)?);
    }
    Ok(catalog)
}

/// The tag of the table that a column comes from: its object identifier leaves no doubt.
pub fn origin(catalog: &Catalog, column: &PgColumn) -> Option<Result<Tag, String>> {
    let oid = column.relation_id()?.0;
    (oid != 0).then(|| catalog.by_oid(oid).map(|relation| relation.tag.clone()).ok_or_else(|| format!("relation {oid}")))
}

fn relation(schema: &str, name: &str, reads: &str, writes: &str) -> Relation {
    if schema == "information_schema" && SCHEMA_VIEWS.contains(&name) {
        return Relation { tag: Tag::schema(), reads: Reads::Schema, writes: Reach::Unknown, rolls_back: true };
    }
    let reads = match reads {
        "plain" => Reads::Plain,
        "hazard" => Reads::Hazard,
        _ => Reads::Opaque,
    };
    let writes = if writes == "itself" { Reach::Itself } else { Reach::Unknown };
    // `public`, whatever the session's search path says: two sessions must give one table one tag.
    let tag = Tag::qualified((schema != "public").then_some(schema), name);
    Relation { tag, reads, writes, rolls_back: true }
}

fn text(row: &PgRow, index: usize) -> Result<String, Error> {
    row.try_get_unchecked(index)
}
