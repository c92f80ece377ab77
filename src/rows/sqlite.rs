//! SQLite rows.
//!
//! SQLite has no wire whose other end could be ours. But any connection can be made to yield given rows: the values are bound to
//! `SELECT c AS "name", ... FROM shape WHERE 0 UNION ALL SELECT * FROM (VALUES (?, ...), ...) LIMIT n`. The first part gives the names and declared types (and no row),
//! the second the values, to which no affinity is applied: storage classes come back as they were bound. The connection is a private database
//! in memory.
//!
//! Exact: names, declared types as far as sqlx tells them apart, storage classes, values. Not kept: `origin()`, and the leftovers in the
//! [`SqliteQueryResult`], which tell of a connection's history.

mod payload;

use super::idle::Idle;
use super::{Recording, ReplayError, Replayed, RowCodec, Split, cut, empty, in_time, only, polled};
use bytes::Bytes;
use either::Either;
use futures_core::future::BoxFuture;
use futures_util::{Stream, StreamExt};
use payload::{KINDS, Payload, Recorder};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteRow, SqliteStatement};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, SqlSafeStr, SqlStr, Sqlite};
use std::fmt::Write;
use std::task::Poll;

/// Each replay connection is a thread, made when it is first needed: so many, or one for each core where there are more of those. Nobody waits for one but where
/// more replays are under way than that, since each waits for its thread.
const MOST_CONNECTIONS: usize = 8;

/// How often the runtime is given a turn before a replay goes to sleep over its next row.
const TURNS: u32 = 32;

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

    fn split(payload: &[u8]) -> Option<Split<'_>> {
        payload::split(payload).ok()
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
        Box::pin(async move { only(self.run(&payload, 1).await?) })
    }

    /// Every value is looked at all the same, since each is bound.
    fn replay_copies<'a>(
        &'a self,
        _pool: &'a sqlx::Pool<Sqlite>,
        _sql: &'a SqlStr,
        payload: Bytes,
        copies: usize,
    ) -> BoxFuture<'a, Result<Vec<Replayed<Sqlite>>, ReplayError>> {
        Box::pin(async move { self.run(&payload, copies).await })
    }
}

impl Codec {
    async fn run(&self, payload: &[u8], copies: usize) -> Result<Vec<Replayed<Sqlite>>, ReplayError> {
        let payload = Payload::parse(payload, MOST_VALUES, copies).map_err(ReplayError::Malformed)?;
        if payload.chunks.is_empty() {
            return Ok(empty(copies));
        }
        in_time(self.play(payload, copies)).await
    }

    async fn play(&self, payload: Payload, copies: usize) -> Result<Vec<Replayed<Sqlite>>, sqlx::Error> {
        let (leave, connection) = self.connections.take().await;
        let mut connection = match connection {
            Some(connection) => connection,
            // Seldom gone, and in a box, so that the way past it is short.
            None => Box::pin(connect()).await?,
        };
        let mut rows = Vec::with_capacity(payload.rows.saturating_mul(copies));
        let mut sql: Option<(usize, SqlStr)> = None;
        for (height, arguments) in payload.chunks {
            let text = match sql.take() {
                Some((same, text)) if same == height => text,
                _ => AssertSqlSafe(statement(&payload.columns, height)).into_sql_str(),
            };
            sql = Some((height, text.clone()));
            fetch(&mut connection, text, arguments, &mut rows).await?;
        }
        leave.put(connection);
        cut(rows, payload.rows, copies)
    }
}

async fn fetch(
    connection: &mut SqliteConnection,
    text: SqlStr,
    arguments: SqliteArguments,
    rows: &mut Vec<SqliteRow>,
) -> Result<(), sqlx::Error> {
    let mut stream = connection.fetch_many(sqlx::query_with(text, arguments));
    // To the very end: a worker that still sends would answer the next replay's question.
    while let Some(item) = next(&mut stream).await {
        if let Either::Right(row) = item? {
            rows.push(row);
        }
    }
    Ok(())
}

/// The next of what the worker sends, row by row, each about a microsecond after the last. To fall asleep over every one of them and be woken up by the worker, by a
/// system call each, costs both of them many times that; so first everything else gets its turn.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    for _ in 0..TURNS {
        if let Poll::Ready(item) = polled(&mut stream.next()).await {
            return item;
        }
        tokio::task::yield_now().await;
    }
    stream.next().await
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

/// The statement that yields up to `height` rows of these columns: how many is its first argument.
fn statement(columns: &[(Box<str>, u8)], height: usize) -> String {
    let mut text =
        String::with_capacity(128 + columns.iter().map(|(name, _)| name.len() + 16).sum::<usize>() + height * (2 * columns.len() + 2));
    // First, so that its place doesn't depend on the height. (A numbered parameter's name is looked for in a list, for each of them.)
    text.push_str("WITH count(n) AS (SELECT ?) SELECT ");
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
    text.push_str(" FROM shape WHERE 0 UNION ALL SELECT * FROM (VALUES ");
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
    text.push_str(") LIMIT (SELECT n FROM count)");
    text
}

/// Reads a payload, and leaves it at that.
#[cfg(any(fuzzing, test))]
pub(crate) fn check(bytes: &Bytes) {
    let _ = Payload::parse(bytes, MOST_VALUES, 1);
}

#[cfg(test)]
mod tests;
