//! MySQL and MariaDB rows.
//!
//! A replay connection is sqlx's driver on a private Unix socket whose other end is ours. Our end has greeted it and answered the one statement
//! that it ever prepares; from then on every execution of that statement is answered by the cached column definitions and rows. sqlx reads the
//! columns anew with each result, so one statement serves all shapes.
//!
//! Exact: names, types with flags, collation and size, origins, raw values (a zero date's included). Rows in the text protocol (`raw_sql`) are
//! refused.

mod payload;
mod wire;

use super::socket::{self, End, Lines};
use super::{Recording, ReplayError, Replayed, RowCodec, Split, cut, empty, in_time, only};
use bytes::Bytes;
use either::Either;
use futures_core::future::BoxFuture;
use futures_util::TryStreamExt;
use payload::{Answer, Recorder};
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode, MySqlStatement};
use sqlx::{ConnectOptions, Error, Executor, MySql, SqlStr};
use std::io::IoSlice;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

/// The one statement of every replay connection. Nobody reads it.
const STATEMENT: &str = "SELECT";

/// Captures and replays MySQL and MariaDB rows.
#[derive(Debug)]
pub struct Codec {
    connections: Lines<Line>,
}

impl RowCodec<MySql> for Codec {
    const KEEPS_STATEMENTS: bool = false;

    fn new() -> Self {
        Self { connections: Lines::new() }
    }

    fn record(&self, limit: usize) -> Box<dyn Recording<MySql>> {
        Box::new(Recorder::new(limit))
    }

    fn split(payload: &[u8]) -> Option<Split<'_>> {
        payload::split(payload).ok()
    }

    /// Nothing: the payload says all there is to know about the columns.
    fn learn<'a>(&'a self, _sql: &'a SqlStr, _connection: &'a mut MySqlConnection) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn replay<'a>(
        &'a self,
        _pool: &'a sqlx::Pool<MySql>,
        _sql: &'a SqlStr,
        _statement: Option<&'a MySqlStatement>,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Replayed<MySql>, ReplayError>> {
        Box::pin(async move { only(self.run(Answer::parse(&payload), 1).await?) })
    }

    fn replay_copies<'a>(
        &'a self,
        _pool: &'a sqlx::Pool<MySql>,
        _sql: &'a SqlStr,
        payload: Bytes,
        copies: usize,
    ) -> BoxFuture<'a, Result<Vec<Replayed<MySql>>, ReplayError>> {
        Box::pin(async move { self.run(Answer::trust(&payload), copies).await })
    }
}

impl Codec {
    async fn run(&self, answer: Result<Answer, &'static str>, copies: usize) -> Result<Vec<Replayed<MySql>>, ReplayError> {
        let answer = answer.map_err(ReplayError::Malformed)?;
        if answer.rows == 0 || copies == 0 {
            return Ok(empty(copies));
        }
        in_time(self.play(&answer, copies)).await
    }

    async fn play(&self, answer: &Answer, copies: usize) -> Result<Vec<Replayed<MySql>>, Error> {
        let (idle, apart) = self.connections.of(answer.len().saturating_mul(copies));
        let (leave, line) = idle.take().await;
        let mut line = match line {
            Some(line) => line,
            // Seldom gone, and in a box, so that the way past it is short.
            None => Box::pin(Line::open(apart)).await?,
        };
        let rows = match line.answer(answer, copies).await {
            Err(error) if apart && self.connections.gives_up(&error) => return Box::pin(self.play(answer, copies)).await,
            rows => rows?,
        };
        leave.put(line);
        cut(rows, answer.rows, copies)
    }
}

/// A driver's connection and our end of it.
#[derive(Debug)]
struct Line {
    driver: MySqlConnection,
    end: End,
}

impl Line {
    /// A new one. One whose driver is apart, which no reactor watches, is for answers that fit into a socket's buffer.
    async fn open(apart: bool) -> Result<Self, Error> {
        if apart { socket::apart(Self::pair(true)).await } else { Self::pair(false).await }
    }

    async fn pair(apart: bool) -> Result<Self, Error> {
        let connect = |path| async move {
            let options = MySqlConnectOptions::new()
                .socket(path)
                .username("rows")
                .ssl_mode(MySqlSslMode::Disabled)
                // Nothing is said after the greeting: each of these would be a statement to answer.
                .pipes_as_concat(false)
                .no_engine_substitution(false)
                .timezone(None)
                .set_names(false)
                .disable_statement_logging();
            let mut driver = options.connect().await?;
            driver.prepare(sqlx::SqlSafeStr::into_sql_str(STATEMENT)).await?;
            Ok(driver)
        };
        let greet = |mut ours: UnixStream| async move {
            ours.write_all(&wire::welcome()).await?;
            Ok(ours)
        };
        let (driver, ours) = socket::pair("rows", connect, greet).await?;
        Ok(Self { driver, end: End::new(ours, apart)? })
    }

    /// Lets the driver ask, and read the answer's rows so many times, as rows of one result.
    async fn answer(&mut self, answer: &Answer, copies: usize) -> Result<Vec<MySqlRow>, Error> {
        let mut wire = Vec::with_capacity(2 + copies);
        wire.push(IoSlice::new(answer.columns()));
        wire.extend((0..copies).map(|_| IoSlice::new(answer.messages())));
        wire.push(IoSlice::new(answer.end()));
        self.end.answer(&mut wire, read(&mut self.driver, answer.rows.saturating_mul(copies))).await
    }
}

/// A connection whose other end is gone.
pub(crate) async fn dead_end() -> Result<MySqlConnection, Error> {
    Line::open(false).await.map(|line| line.driver)
}

async fn read(driver: &mut MySqlConnection, expected: usize) -> Result<Vec<MySqlRow>, Error> {
    let mut stream = driver.fetch_many(sqlx::query_with(STATEMENT, MySqlArguments::default()));
    // Checked against the payload's length: a row is at least a packet.
    let mut rows = Vec::with_capacity(expected);
    while let Some(item) = stream.try_next().await? {
        if let Either::Right(row) = item {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Reads a payload, and leaves it at that.
#[cfg(any(fuzzing, test))]
pub(crate) fn check(bytes: &Bytes) {
    let _ = Answer::parse(bytes);
}

#[cfg(test)]
mod tests;
