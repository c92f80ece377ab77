//! Functions and procedures: what their bodies do, where they can be read.

use super::{Catalog, text};
use crate::analysis::body::{self, Language};
use crate::analysis::{Bypass, Dialect};
use crate::catalog::{Code, Routine};
use sqlx::Error;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;

/// Name, kind of body, volatility, body, settings, signature, what an aggregate calls, and whether the body is the server's own text.
///
/// Of a function in SQL's own syntax the server keeps no text but makes one, with names as this session would write them. What an extension brings in C
/// is trusted to write no table of its own accord where it is not volatile or takes nothing that could name one, or where the extension is known. Some
/// are there to write, over a connection of their own that nobody sees (`opaque`), or to run SQL that they are given (`told`).
const ROUTINES: &str = "
    SELECT p.proname::pg_catalog.text,
           CASE WHEN p.prokind = 'a' THEN 'aggregate'
                WHEN l.lanname IN ('sql', 'plpgsql') THEN l.lanname::pg_catalog.text
                WHEN l.lanname = 'internal' AND p.prosrc IN ('range_constructor2', 'range_constructor3', 'multirange_constructor0',
                                                             'multirange_constructor1', 'multirange_constructor2') THEN 'harmless'
                WHEN l.lanname NOT IN ('c', 'internal') OR x.extname IS NULL THEN CASE p.prokind WHEN 'p' THEN 'opaque' ELSE 'told' END
                WHEN x.extname IN ('dblink', 'pg_background', 'pg_cron', 'adminpack') THEN 'opaque'
                WHEN x.extname IN ('spi', 'refint', 'autoinc') OR p.proname IN ('crosstab', 'crosstab_hash', 'connectby', 'xpath_table')
                  OR p.proname ~ '^crosstab[0-9]+$' THEN 'told'
                WHEN p.provolatile <> 'v' OR (p.pronargs = 0 AND p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype)
                  OR x.extname ~ '^(postgis|address_standardizer|h3|btree_g|tsm_|pg_stat|pg_trgm|pg_hint_plan|pgrouting)' OR x.extname IN (
                        'pgcrypto', 'uuid-ossp', 'hstore', 'citext', 'ltree', 'cube', 'seg', 'isn', 'intarray', 'intagg', 'bloom', 'unaccent',
                        'fuzzystrmatch', 'earthdistance', 'dict_int', 'dict_xsyn', 'vector', 'tablefunc', 'xml2', 'amcheck', 'pageinspect',
                        'pg_buffercache', 'pg_freespacemap', 'pg_prewarm', 'pg_visibility', 'pg_walinspect', 'pgrowlocks', 'old_snapshot', 'sslinfo',
                        'tcn', 'moddatetime', 'insert_username', 'lo', 'file_fdw', 'postgres_fdw', 'hypopg', 'rum', 'pg_bigm') THEN 'harmless'
                ELSE 'told'
           END,
           p.provolatile::pg_catalog.text,
           CASE WHEN p.prokind <> 'a' AND p.prosrc = '' THEN pg_catalog.pg_get_functiondef(p.oid) ELSE p.prosrc END,
           coalesce(pg_catalog.array_to_string(p.proconfig, E'\\n'), ''),
           CASE p.prokind WHEN 'a' THEN '' ELSE pg_catalog.pg_get_function_arguments(p.oid) || ' ' || coalesce(pg_catalog.pg_get_function_result(p.oid), '') END,
           coalesce((SELECT pg_catalog.string_agg(f.proname::pg_catalog.text, E'\\n')
                     FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc f ON f.oid = d.refobjid
                     WHERE p.prokind = 'a' AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
                       AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass), ''),
           (p.prosrc = '')::pg_catalog.text
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    LEFT JOIN (pg_catalog.pg_depend e JOIN pg_catalog.pg_extension x ON x.oid = e.refobjid)
      ON e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND e.objid = p.oid AND e.deptype = 'e'
     AND e.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
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
    let setting = |row| Ok::<_, Error>(text(row, 4)?.lines().find_map(|setting| setting.strip_prefix("search_path=")).map(str::to_owned));
    let mut paths: HashMap<String, Catalog> = HashMap::new();
    for path in rows.iter().filter_map(|row| setting(row).transpose()) {
        let path = path?;
        paths.entry(path).or_insert_with_key(|path| names.with_search_path(schemas(path)));
    }
    for row in &rows {
        let (name, kind, volatility) = (text(row, 0)?, text(row, 1)?, text(row, 2)?);
        let (source, settings, signature) = (text(row, 3)?, text(row, 4)?, text(row, 5)?);
        // The server writes its own texts for this session.
        let own_text = text(row, 7)? == "true";
        let path = setting(row)?.filter(|_| !own_text);
        let resolving = path.as_ref().and_then(|path| paths.get(path)).unwrap_or(&names);
        let read = |language, source: &str| {
            let mut code = body::read(Dialect::Postgres, language, source, resolving);
            if path.is_none() && !own_text {
                // Called by one that has a search path of its own, its names mean what they mean there. What is unknown there is an error.
                for other in paths.values() {
                    let Code { reads, writes, .. } = body::read(Dialect::Postgres, language, source, other);
                    code.add(Code { reads, writes, ..Code::default() });
                }
            }
            code
        };
        let mut code = match kind.as_str() {
            "sql" => read(Language::Sql, without_create(&source)),
            "plpgsql" => read(Language::Procedural, &source),
            "aggregate" => Code { calls: text(row, 6)?.lines().map(str::to_lowercase).collect(), ..Code::default() },
            "harmless" => Code::default(),
            // A procedure may commit by itself, which it can't in a transaction that was begun to ask.
            kind => Code::opaque("a body in another language", kind == "told"),
        };
        if signature.contains(" DEFAULT ") {
            code.add(body::read(Dialect::Postgres, Language::Procedural, &signature, &names));
        }
        if path.is_some_and(|path| path.contains("$user")) {
            code.hide("a search path that depends on the user", true);
        }
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
