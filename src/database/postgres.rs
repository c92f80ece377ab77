mod fingerprint;
mod watch;

use super::{Backend, Identity, Request, Running, Steps, Watching, distinct};
use crate::analysis::Dialect;
use crate::catalog::{Catalog, Key, Part};
use crate::tag::Tag;
use futures_core::future::BoxFuture;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Error, Postgres, Row, SqlStr};
use std::collections::BTreeSet;

impl Backend for Postgres {
    const DIALECT: Dialect = Dialect::Postgres;
    const SELF_TEST: &str = "SELECT 1::int4 AS i, 'x'::text AS t, NULL::text AS n, ARRAY[1, 2]::int8[] AS a, true AS b, '\\x00ff'::bytea AS y, 1.5::numeric AS d";
    type Codec = crate::rows::postgres::Codec;

    passing_on!();

    fn identity(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Identity, Error>> {
        Box::pin(identity(connection))
    }

    fn catalog(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Catalog, Error>> {
        Box::pin(crate::catalog::postgres::load(connection))
    }

    fn fingerprint(connection: &mut Self::Connection) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(fingerprint::read(connection))
    }

    fn running(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Running, Error>> {
        Box::pin(running(connection))
    }

    fn watch(options: <Self::Connection as sqlx::Connection>::Options) -> BoxFuture<'static, Result<Watching, Error>> {
        Box::pin(watch::begin(options))
    }

    fn recall<'c>(connection: &'c mut Self::Connection, catalog: &'c Catalog) -> BoxFuture<'c, Result<Option<Vec<Key>>, Error>> {
        Box::pin(recall(connection, catalog))
    }

    fn origin(catalog: &Catalog, column: &Self::Column) -> Option<Result<Tag, String>> {
        crate::catalog::postgres::origin(catalog, column)
    }

    fn add_columns<'c>(connection: &'c mut Self::Connection, catalog: &'c mut Catalog) -> BoxFuture<'c, Result<(), Error>> {
        Box::pin(crate::catalog::postgres::add_columns(connection, catalog))
    }

    fn part(column: &Self::Column) -> Option<Part> {
        crate::catalog::postgres::part(column)
    }
}

/// Everyone may call `pg_control_system()` unless it was revoked; a query that names it would then fail as a whole, so the right is asked for first.
const MAY_READ_CONTROL: &str = "
    SELECT (pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
        AND pg_catalog.has_function_privilege('pg_catalog.pg_control_checkpoint()', 'EXECUTE'))::pg_catalog.text";

/// The database first, then the timeline: that a copy of the server's files shares the rest and has gone its own way shows only there. It is no
/// part of the database's name, because a promotion changes it, and those who come after must still be able to judge what those before left.
const CONTROL: &str = "
    SELECT s.system_identifier::pg_catalog.text, c.timeline_id::pg_catalog.text
    FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c";

const DATABASE: &str = "
    SELECT d.oid::pg_catalog.text, pg_catalog.current_setting('server_version'), pg_catalog.version()
    FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

/// What the text or the number of the rows that one statement gives may depend on. A standby lags behind, so its answers are its own.
const SESSION: &str = "
    SELECT 'current_user', current_user::pg_catalog.text
    UNION ALL SELECT 'session_user', session_user::pg_catalog.text
    UNION ALL SELECT 'current_schemas', pg_catalog.current_schemas(false)::pg_catalog.text
    UNION ALL SELECT 'in_recovery', pg_catalog.pg_is_in_recovery()::pg_catalog.text
    UNION ALL (
        SELECT s.name, s.setting FROM pg_catalog.pg_settings s
        WHERE s.name LIKE '%.%' OR pg_catalog.lower(s.name) IN (
            'search_path', 'role', 'timezone', 'timezone_abbreviations', 'datestyle', 'intervalstyle', 'bytea_output', 'extra_float_digits',
            'xmloption', 'xmlbinary', 'lc_messages', 'lc_monetary', 'lc_numeric', 'lc_time', 'default_text_search_config',
            'default_transaction_isolation', 'row_security', 'transform_null_equals', 'array_nulls', 'standard_conforming_strings',
            'backslash_quote', 'client_encoding', 'server_encoding', 'session_replication_role', 'quote_all_identifiers', 'gin_fuzzy_search_limit',
            'lo_compat_privileges')
        ORDER BY s.name
    )";

async fn identity(connection: &mut PgConnection) -> Result<Identity, Error> {
    let permitted = text(&sqlx::raw_sql(MAY_READ_CONTROL).fetch_one(&mut *connection).await?, 0)?.as_deref() == Some("true");
    let (cluster, timeline) = if permitted {
        let row = sqlx::raw_sql(CONTROL).fetch_one(&mut *connection).await?;
        (text(&row, 0)?, text(&row, 1)?)
    } else {
        tracing::warn!(
            "this role may not call pg_control_system() and pg_control_checkpoint(): nothing else names the database for certain, so its entries are shared with no other process"
        );
        (Some(super::random_id()), None)
    };
    let row = sqlx::raw_sql(DATABASE).fetch_one(&mut *connection).await?;
    let database = distinct([Some("postgres".to_owned()), cluster, text(&row, 0)?]);
    let mut session = vec![timeline, text(&row, 1)?, text(&row, 2)?];
    for row in sqlx::raw_sql(SESSION).fetch_all(&mut *connection).await? {
        session.extend([text(&row, 0)?, text(&row, 1)?]);
    }
    Ok(Identity { database, session: distinct(session) })
}

/// One row per name; a NULL name stands for a session about which this role is told nothing.
///
/// A session that is hidden shows neither its start nor its state. One with `track_activities` off says `disabled`. A transaction is named by when
/// it began, and a statement that runs by when it did, because a procedure ends its transactions and begins others; a statement that has
/// no transaction yet gives its own time to the first, so the name stays. The transaction's number follows it through PREPARE TRANSACTION.
/// Vacuuming changes no row.
const RUNNING: &str = "
    WITH session AS (
        SELECT a.pid::pg_catalog.text || '|' || (extract(epoch FROM a.backend_start) * 1000000)::pg_catalog.int8::pg_catalog.text AS name,
               a.backend_start, a.state, a.query_start, a.xact_start, a.backend_xid
        FROM pg_catalog.pg_stat_activity a
        WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()
          AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
    )
    SELECT NULL FROM session s WHERE s.backend_start IS NULL OR s.state = 'disabled'
    UNION ALL
    SELECT s.name || '|' || (extract(epoch FROM began.at) * 1000000)::pg_catalog.int8::pg_catalog.text
    FROM session s CROSS JOIN LATERAL (
        SELECT s.xact_start WHERE s.xact_start IS NOT NULL
        UNION ALL
        SELECT coalesce(s.query_start, s.backend_start) WHERE s.state NOT LIKE 'idle%' OR (s.xact_start IS NULL AND s.state <> 'idle')
    ) AS began(at)
    UNION ALL
    SELECT 'number ' || s.backend_xid::pg_catalog.text FROM session s WHERE s.backend_xid IS NOT NULL
    UNION ALL
    SELECT 'number ' || p.transaction::pg_catalog.text FROM pg_catalog.pg_prepared_xacts p WHERE p.database = pg_catalog.current_database()";

async fn running(connection: &mut PgConnection) -> Result<Running, Error> {
    let mut names = BTreeSet::new();
    for row in sqlx::raw_sql(RUNNING).fetch_all(&mut *connection).await? {
        match text(&row, 0)? {
            Some(name) => names.insert(name),
            None => return Ok(Running::NotPermitted),
        };
    }
    Ok(Running::Transactions(names))
}

fn text(row: &PgRow, index: usize) -> Result<Option<String>, Error> {
    row.try_get_unchecked(index)
}

/// The locks of the own transaction name what it wrote: in views, function bodies, partitions, cascades, triggers, rules, TRUNCATE. Reading and locking rows takes the
/// two that are left out. Whoever changes the schema is found out by its fingerprint.
const LOCKED: &str = "
    SELECT DISTINCT l.relation::pg_catalog.text
    FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation
    WHERE l.locktype = 'relation' AND l.pid = pg_catalog.pg_backend_pid() AND l.granted
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
      AND l.mode NOT IN ('AccessShareLock', 'RowShareLock') AND l.relation >= 16384
      AND (c.relkind IS NULL OR c.relkind NOT IN ('i', 'I', 'S', 't'))";

async fn recall(connection: &mut PgConnection, catalog: &Catalog) -> Result<Option<Vec<Key>>, Error> {
    // Deferred constraint triggers fire at the commit, when nobody could ask any more.
    sqlx::raw_sql("SET CONSTRAINTS ALL IMMEDIATE").execute(&mut *connection).await?;
    let mut keys = Vec::new();
    for row in sqlx::raw_sql(LOCKED).fetch_all(connection).await? {
        let oid = text(&row, 0)?.and_then(|oid| oid.parse().ok());
        match oid.and_then(|oid| catalog.key_of_oid(oid)) {
            Some(key) => keys.push(key.clone()),
            None => return Ok(None),
        }
    }
    Ok(Some(keys))
}
