//! SQLite rows.
//!
//! SQLite has no wire whose other end could be ours. But any connection can be made to yield given rows: the values are bound to
//! `SELECT c AS "name", ... FROM shape WHERE 0 UNION ALL VALUES (?, ...), ...`. The first part gives the names and declared types (and no row),
//! the second the values, to which no affinity is applied: storage classes come back as they were bound. The connection is a private database
//! in memory.
//!
//! Exact: names, declared types as far as sqlx tells them apart, storage classes, values. Not kept: `origin()`, and the leftovers in the
//! [`SqliteQueryResult`], which tell of a connection's history.

mod payload;

use super::idle::Idle;
use super::{Recording, ReplayError, Replayed, RowCodec};
use bytes::Bytes;
use either::Either;
use futures_core::future::BoxFuture;
use futures_util::TryStreamExt;
use payload::{KINDS, Payload, Recorder};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteQueryResult, SqliteRow, SqliteStatement};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, SqlSafeStr, SqlStr, Sqlite};
use std::fmt::Write;
use std::time::Duration;

/// How long a replay may take, waiting for a connection included.
const DEADLINE: Duration = Duration::from_secs(5);

/// Each replay connection is a thread, made when it is first needed.
const MOST_CONNECTIONS: usize = 8;

/// The most values bound to one statement, unless a single row has more.
///
/// SQLite would take 32,766, but this bounds what a prepared statement keeps (about 100 bytes a value), and a further statement costs little.
const MOST_VALUES: usize = 1_024;

/// Captures and replays SQLite rows.
#[derive(Debug)]
pub struct Codec {
    connections: Idle<SqliteConnection>,
}

impl RowCodec<Sqlite> for Codec {
    const KEEPS_STATEMENTS: bool = false;

    fn new() -> Self {
        Self { connections: Idle::new(MOST_CONNECTIONS) }
    }

    fn record(&self, limit: usize) -> Box<dyn Recording<Sqlite>> {
        Box::new(Recorder::new(limit))
    }

    /// Nothing: the payload says all there is to know about the columns.
    fn learn<'a>(&'a self, _sql: &'a SqlStr, _connection: &'a mut SqliteConnection) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn replay<'a>(
        &'a self,
        _pool: &'a sqlx::Pool<Sqlite>,
        _sql: &'a SqlStr,
        _statement: Option<&'a SqliteStatement>,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Replayed<Sqlite>, ReplayError>> {
        Box::pin(async move {
            let payload = Payload::parse(&payload, MOST_VALUES).map_err(ReplayError::Malformed)?;
            if payload.chunks.is_empty() {
                return Ok(Replayed { rows: Vec::new(), result: SqliteQueryResult::default() });
            }
            let replayed = tokio::time::timeout(DEADLINE, self.run(payload)).await;
            replayed.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))).map_err(ReplayError::Driver)
        })
    }
}

impl Codec {
    async fn run(&self, payload: Payload) -> Result<Replayed<Sqlite>, sqlx::Error> {
        let (_leave, connection) = self.connections.take().await;
        let mut connection = match connection {
            Some(connection) => connection,
            None => connect().await?,
        };
        let mut rows = Vec::with_capacity(payload.chunks.iter().map(|(height, _)| height).sum());
        let mut result = SqliteQueryResult::default();
        let mut sql: Option<(usize, SqlStr)> = None;
        for (height, arguments) in payload.chunks {
            let text = match sql.take() {
                Some((same, text)) if same == height => text,
                _ => AssertSqlSafe(statement(&payload.columns, height)).into_sql_str(),
            };
            sql = Some((height, text.clone()));
            let before = rows.len();
            result = fetch(&mut connection, text, arguments, &mut rows).await?;
            if rows.len() - before != height {
                return Err(sqlx::Error::Protocol("the replay gave another number of rows".into()));
            }
        }
        self.connections.put(connection);
        Ok(Replayed { rows, result })
    }
}

async fn fetch(
    connection: &mut SqliteConnection,
    text: SqlStr,
    arguments: sqlx::sqlite::SqliteArguments,
    rows: &mut Vec<SqliteRow>,
) -> Result<SqliteQueryResult, sqlx::Error> {
    let mut stream = connection.fetch_many(sqlx::query_with(text, arguments));
    let mut result = SqliteQueryResult::default();
    // To the very end: a worker that still sends would answer the next replay's question.
    while let Some(item) = stream.try_next().await? {
        match item {
            Either::Left(done) => result = done,
            Either::Right(row) => rows.push(row),
        }
    }
    Ok(result)
}

/// A private database in memory with one empty table, whose columns are of every kind.
async fn connect() -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(":memory:")
        // Nothing is to be sorted or stored, but if something were, not on disk.
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(64)
        // A chunk never fills it: the worker doesn't wait for the reader.
        .row_buffer_size(MOST_VALUES + 1)
        .thread_name(|id| format!("sqlx-cached-rows-{id}"))
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let mut shape = String::from("CREATE TABLE shape (");
    for (number, kind) in KINDS.iter().enumerate() {
        let comma = if number == 0 { "" } else { ", " };
        let _ = write!(shape, "{comma}c{number} {}", kind.declared);
    }
    shape.push(')');
    connection.execute(AssertSqlSafe(shape)).await?;
    Ok(connection)
}

/// The statement that yields `height` rows of these columns.
fn statement(columns: &[(Box<str>, u8)], height: usize) -> String {
    let mut text =
        String::with_capacity(64 + columns.iter().map(|(name, _)| name.len() + 16).sum::<usize>() + height * (2 * columns.len() + 2));
    text.push_str("SELECT ");
    for (at, (name, kind)) in columns.iter().enumerate() {
        let _ = write!(text, "{}c{kind} AS \"", if at == 0 { "" } else { "," });
        for part in name.split_inclusive('"') {
            text.push_str(part);
            if part.ends_with('"') {
                text.push('"');
            }
        }
        text.push('"');
    }
    text.push_str(" FROM shape WHERE 0 UNION ALL VALUES ");
    let row = {
        let mut row = String::from("(");
        row.push_str(&"?,".repeat(columns.len()));
        row.pop();
        row.push(')');
        row
    };
    for at in 0..height {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&row);
    }
    text
}

/// Reads a payload, and leaves it at that.
#[cfg(any(fuzzing, test))]
pub(crate) fn check(bytes: &Bytes) {
    let _ = Payload::parse(bytes, MOST_VALUES);
}

#[cfg(test)]
mod tests;
