mod fingerprint;

use super::{Backend, Identity, Request, Running, Steps, Watching, distinct};
use crate::analysis::Dialect;
use crate::catalog::{Catalog, Part};
use crate::tag::Tag;
use futures_core::future::BoxFuture;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{Error, MySql, Row, SqlStr};
use std::collections::{BTreeMap, BTreeSet};

impl Backend for MySql {
    const DIALECT: Dialect = Dialect::MySql;
    const SELF_TEST: &str =
        "SELECT 1 AS i, 'x' AS t, NULL AS n, CAST(1.5 AS DECIMAL(5, 2)) AS d, CAST('2020-01-02 03:04:05' AS DATETIME) AS m, X'00FF' AS y";
    type Codec = crate::rows::mysql::Codec;

    /// A Prepare that is dropped before its answer is not accounted for.
    const CANCEL_SAFE: bool = false;

    fn dead_end() -> BoxFuture<'static, Result<Self::Connection, Error>> {
        Box::pin(crate::rows::mysql::dead_end())
    }

    passing_on!();

    fn identity(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Identity, Error>> {
        Box::pin(identity(connection))
    }

    fn catalog(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Catalog, Error>> {
        Box::pin(crate::catalog::mysql::load(connection))
    }

    fn fingerprint(connection: &mut Self::Connection) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(fingerprint::read(connection))
    }

    fn running(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Running, Error>> {
        Box::pin(running(connection))
    }

    fn watch(_: <Self::Connection as sqlx::Connection>::Options) -> BoxFuture<'static, Result<Watching, Error>> {
        // Neither has anything that would call back: only its binary log tells, and that takes to be a replica.
        Box::pin(async { Ok(Watching::Impossible("MySQL and MariaDB have nothing that tells of writes")) })
    }

    fn origin(catalog: &Catalog, column: &Self::Column) -> Option<Result<Tag, String>> {
        crate::catalog::mysql::origin(catalog, column)
    }

    fn add_columns<'c>(connection: &'c mut Self::Connection, catalog: &'c mut Catalog) -> BoxFuture<'c, Result<(), Error>> {
        Box::pin(crate::catalog::mysql::add_columns(connection, catalog))
    }

    fn part(column: &Self::Column) -> Option<Part> {
        crate::catalog::mysql::part(column)
    }
}

/// SHOW gives those that this server has; to select one that it lacks would be an error, and the two families differ in many.
const VARIABLES: &str = "
    SHOW SESSION VARIABLES WHERE Variable_name LIKE 'character\\_set\\_%' OR Variable_name LIKE 'collation\\_%' OR Variable_name IN (
        'server_uuid', 'server_uid', 'server_id', 'hostname', 'datadir', 'port', 'version', 'version_comment',
        'sql_mode', 'time_zone', 'system_time_zone', 'tx_isolation', 'transaction_isolation', 'lc_time_names', 'group_concat_max_len',
        'div_precision_increment', 'sql_select_limit', 'sql_auto_is_null', 'max_sort_length', 'default_week_format', 'foreign_key_checks',
        'old_mode', 'old', 'lower_case_table_names', 'max_allowed_packet', 'system_versioning_asof', 'sql_safe_updates', 'sql_big_selects',
        'max_join_size', 'block_encryption_mode', 'big_tables', 'wsrep_sync_wait', 'wsrep_dirty_reads', 'sql_quote_show_create',
        'default_regex_flags', 'windowing_use_high_precision', 'regexp_time_limit', 'innodb_read_only', 'read_only')";

/// Those that name the server: MySQL's unique id, or for MariaDB, which has none that is surely unique, whatever tells servers apart.
const SERVER: [&str; 6] = ["server_uuid", "server_uid", "server_id", "hostname", "datadir", "port"];

async fn identity(connection: &mut MySqlConnection) -> Result<Identity, Error> {
    let mut variables = BTreeMap::new();
    for row in sqlx::raw_sql(VARIABLES).fetch_all(&mut *connection).await? {
        variables.insert(text(&row, 0)?.unwrap_or_default().to_ascii_lowercase(), text(&row, 1)?);
    }
    let row = sqlx::raw_sql("SELECT DATABASE(), VERSION(), CURRENT_USER(), CURRENT_ROLE()").fetch_one(&mut *connection).await?;
    let mut server: Vec<_> = SERVER.iter().map(|name| variables.remove(*name).flatten()).collect();
    if server[0].is_some() {
        // The unique id is enough; the rest may change while the data stay.
        server[1..].fill(None);
    }
    let database = [Some("mysql".to_owned()), text(&row, 0)?].into_iter().chain(server);
    let session = [text(&row, 0)?, text(&row, 1)?, text(&row, 2)?, text(&row, 3)?].into_iter();
    let session = session.chain(variables.into_iter().flat_map(|(name, value)| [Some(name), value]));
    Ok(Identity { database: distinct(database), session: distinct(session) })
}

/// The transactions, then the statements: one that waits for a metadata lock is no transaction yet and will be one when it has the lock.
///
/// A transaction's own number changes when it first writes, so it is named by its connection and its start; two that one connection starts within a
/// second share a name, which can only make the asker wait longer. For the same reason a statement is named by its connection alone:
/// the number and the text that the list shows change within a procedure or a string of several statements. Replication's threads are left out:
/// they run for ever, and what they bring was committed elsewhere.
const RUNNING: &str = "
    SELECT CASE WHEN trx_mysql_thread_id = 0 THEN CONCAT('detached ', trx_id)
                ELSE CONCAT('transaction ', trx_mysql_thread_id, ' ', trx_started) END
    FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id <> CONNECTION_ID()
    UNION ALL
    SELECT CONCAT('statement ', ID) FROM information_schema.PROCESSLIST
    WHERE ID <> CONNECTION_ID() AND USER NOT IN ('system user', 'event_scheduler')
      AND COMMAND NOT IN ('Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID', 'Slave_IO', 'Slave_SQL', 'Slave_worker')";

/// `ER_SPECIFIC_ACCESS_DENIED_ERROR`: both lists take the PROCESS privilege.
const ACCESS_DENIED: u16 = 1227;

async fn running(connection: &mut MySqlConnection) -> Result<Running, Error> {
    let rows = match sqlx::raw_sql(RUNNING).fetch_all(&mut *connection).await {
        Ok(rows) => rows,
        Err(Error::Database(error)) if code(&*error) == Some(ACCESS_DENIED) => return Ok(Running::NotPermitted),
        Err(error) => return Err(error),
    };
    let mut names = BTreeSet::new();
    for row in rows {
        names.extend(text(&row, 0)?);
    }
    Ok(Running::Transactions(names))
}

fn code(error: &dyn sqlx::error::DatabaseError) -> Option<u16> {
    error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(sqlx::mysql::MySqlDatabaseError::number)
}

fn text(row: &MySqlRow, index: usize) -> Result<Option<String>, Error> {
    row.try_get_unchecked(index)
}
