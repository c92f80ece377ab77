//! Functions and procedures: what their bodies do, where they can be read.

use super::{Catalog, text};
use crate::analysis::body::{self, Language};
use crate::analysis::{Bypass, Dialect};
use crate::catalog::{Code, Routine};
use sqlx::Error;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;

/// Name, kind of body, volatility, body, settings, signature, what an aggregate calls.
///
/// Of a function in SQL's own syntax the server keeps no text but makes one. What an extension brings in C is trusted to write no table of its own accord,
/// unless it is one of those that are there to do so over a connection of their own, which nobody sees.
const ROUTINES: &str = "
    SELECT p.proname::pg_catalog.text,
           CASE WHEN p.prokind = 'a' THEN 'aggregate'
                WHEN l.lanname IN ('sql', 'plpgsql') THEN l.lanname::pg_catalog.text
                WHEN l.lanname = 'internal' AND p.prosrc IN ('range_constructor2', 'range_constructor3', 'multirange_constructor0',
                                                             'multirange_constructor1', 'multirange_constructor2') THEN 'harmless'
                WHEN l.lanname IN ('c', 'internal') AND EXISTS (
                    SELECT FROM pg_catalog.pg_depend e JOIN pg_catalog.pg_extension x ON x.oid = e.refobjid
                    WHERE e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND e.objid = p.oid AND e.deptype = 'e'
                      AND e.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
                      AND x.extname NOT IN ('dblink', 'pg_background', 'pg_cron', 'adminpack', 'spi', 'refint', 'autoinc')) THEN 'harmless'
                WHEN p.prokind = 'p' THEN 'opaque procedure'
                ELSE 'opaque'
           END,
           p.provolatile::pg_catalog.text,
           CASE WHEN p.prokind <> 'a' AND p.prosrc = '' THEN pg_catalog.pg_get_functiondef(p.oid) ELSE p.prosrc END,
           coalesce(pg_catalog.array_to_string(p.proconfig, E'\\n'), ''),
           CASE p.prokind WHEN 'a' THEN '' ELSE pg_catalog.pg_get_function_arguments(p.oid) || ' ' || coalesce(pg_catalog.pg_get_function_result(p.oid), '') END,
           coalesce((SELECT pg_catalog.string_agg(f.proname::pg_catalog.text, E'\\n')
                     FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc f ON f.oid = d.refobjid
                     WHERE p.prokind = 'a' AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
                       AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass), '')
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') OR p.oid >= 16384";

/// Types that text becomes by the clock.
const MOMENTS: [&str; 8] = ["date", "time", "timestamp", "timestamptz", "timetz", "daterange", "tsrange", "tstzrange"];

/// Reads what functions there are, then what they do.
pub(super) async fn load(connection: &mut PgConnection, catalog: &mut Catalog) -> Result<(), Error> {
    let rows = sqlx::raw_sql(ROUTINES).fetch_all(&mut *connection).await?;
    // A body is read with the names of all functions at hand: one that is not there yet would pass for a built-in one.
    let mut names = catalog.clone();
    for row in &rows {
        names.add_function(&text(row, 0)?);
    }
    let mut paths: HashMap<String, Catalog> = HashMap::new();
    for row in &rows {
        let (name, kind, volatility) = (text(row, 0)?, text(row, 1)?, text(row, 2)?);
        let (source, settings, signature) = (text(row, 3)?, text(row, 4)?, text(row, 5)?);
        let resolving = match settings.lines().find_map(|setting| setting.strip_prefix("search_path=")) {
            Some(path) => &*paths.entry(path.to_owned()).or_insert_with(|| names.with_search_path(schemas(path))),
            None => &names,
        };
        let mut code = match kind.as_str() {
            "sql" => body::read(Dialect::Postgres, Language::Sql, without_create(&source), resolving),
            "plpgsql" => body::read(Dialect::Postgres, Language::Procedural, &source, resolving),
            "aggregate" => Code { calls: text(row, 6)?.lines().map(str::to_lowercase).collect(), ..Code::default() },
            "harmless" => Code::default(),
            // A procedure may commit, and to ask what it wrote would forbid it to.
            kind => Code { ends_transaction: kind == "opaque procedure", ..Code::opaque("a body in another language", true) },
        };
        let readable = matches!(kind.as_str(), "sql" | "plpgsql");
        if readable && signature.split(|c: char| !c.is_alphanumeric()).any(|word| MOMENTS.contains(&word)) {
            code.refuse(Bypass::Function, "it may make a date out of text");
        }
        if !settings.is_empty() {
            code.refuse(Bypass::Function, "it has settings of its own");
        }
        // A stable one of an extension may depend on the clock; a body shows whether it does.
        let stable = volatility == "i" || (volatility == "s" && readable);
        catalog.add_routine(&name, Routine { code, stable });
    }
    Ok(())
}

/// `CREATE OR REPLACE FUNCTION ...`, which the server makes of a body in SQL's own syntax, is not a statement of that body.
fn without_create(source: &str) -> &str {
    source.strip_prefix("CREATE OR REPLACE ").unwrap_or(source)
}

/// The schemas of a setting, as far as they are named. The session's own temporary one has nothing that the catalog knows.
fn schemas(path: &str) -> Vec<String> {
    let named = path.split(',').map(|schema| schema.trim().trim_matches('"')).filter(|schema| !schema.is_empty() && *schema != "$user");
    std::iter::once("pg_catalog").chain(named).map(str::to_owned).collect()
}
