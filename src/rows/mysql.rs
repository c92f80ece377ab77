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

use super::idle::Idle;
use super::{Recording, ReplayError, Replayed, RowCodec, socket};
use bytes::Bytes;
use either::Either;
use futures_core::future::BoxFuture;
use futures_util::TryStreamExt;
use futures_util::future::{self, Either as First};
use payload::{Answer, Recorder};
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlQueryResult, MySqlRow, MySqlSslMode, MySqlStatement};
use sqlx::{ConnectOptions, Error, Executor, MySql, SqlStr};
use std::io::{self, ErrorKind, Read};
use std::pin::pin;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

/// How long a replay may take, waiting for a connection included.
const DEADLINE: Duration = Duration::from_secs(5);

/// Each replay connection holds two sockets, made when it is first needed.
const MOST_CONNECTIONS: usize = 32;

/// The one statement of every replay connection. Nobody reads it.
const STATEMENT: &str = "SELECT";

/// Captures and replays MySQL and MariaDB rows.
#[derive(Debug)]
pub struct Codec {
    connections: Idle<Line>,
}

impl RowCodec<MySql> for Codec {
    const KEEPS_STATEMENTS: bool = false;

    fn new() -> Self {
        Self { connections: Idle::new(MOST_CONNECTIONS) }
    }

    fn record(&self, limit: usize) -> Box<dyn Recording<MySql>> {
        Box::new(Recorder::new(limit))
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
        Box::pin(async move {
            let answer = Answer::parse(&payload).map_err(ReplayError::Malformed)?;
            if answer.rows == 0 {
                return Ok(Replayed { rows: Vec::new(), result: MySqlQueryResult::default() });
            }
            let replayed = tokio::time::timeout(DEADLINE, self.run(&answer)).await;
            replayed.unwrap_or_else(|_| Err(Error::Io(ErrorKind::TimedOut.into()))).map_err(ReplayError::Driver)
        })
    }
}

impl Codec {
    async fn run(&self, answer: &Answer) -> Result<Replayed<MySql>, Error> {
        let (_leave, line) = self.connections.take().await;
        let mut line = match line {
            Some(line) => line,
            None => Line::open().await?,
        };
        let replayed = line.answer(answer).await?;
        self.connections.put(line);
        Ok(replayed)
    }
}

/// A driver's connection and our end of it.
struct Line {
    driver: MySqlConnection,
    ours: UnixStream,
    /// Our end once more, to read at once. Tokio's own `try_read` says "nothing there" until its reactor has been told of the bytes; after some
    /// 280 replays between two turns of the reactor, unread questions fill the socket, and the driver waits for ever to ask the next.
    questions: std::os::unix::net::UnixStream,
}

impl Line {
    async fn open() -> Result<Self, Error> {
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
        let ours = ours.into_std()?;
        let questions = ours.try_clone()?;
        Ok(Self { driver, ours: UnixStream::from_std(ours)?, questions })
    }

    /// Lets the driver ask, and read the answer to its end.
    async fn answer(&mut self, answer: &Answer) -> Result<Replayed<MySql>, Error> {
        // The answer comes before the question, so that the driver finds it there and nobody need be woken.
        let mut rest = &answer.wire[..];
        while !rest.is_empty() {
            match self.ours.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        let replayed = if rest.is_empty() {
            read(&mut self.driver, answer.rows).await?
        } else {
            // What the socket doesn't take is written while the driver reads.
            let reading = pin!(read(&mut self.driver, answer.rows));
            let writing = pin!(self.ours.write_all(rest));
            match future::select(reading, writing).await {
                First::Left((replayed, _)) => {
                    replayed?;
                    return Err(Error::Protocol("the replay ended before its answer".into()));
                }
                First::Right((written, reading)) => {
                    written?;
                    reading.await?
                }
            }
        };
        self.forget_question()?;
        Ok(replayed)
    }

    /// Reads what the driver has sent. Whatever it asked came before what it read, so it is all there.
    fn forget_question(&self) -> io::Result<()> {
        let mut question = [0; 256];
        loop {
            match (&self.questions).read(&mut question) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) if read < question.len() => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A connection whose other end is gone.
pub(crate) async fn dead_end() -> Result<MySqlConnection, Error> {
    Line::open().await.map(|line| line.driver)
}

async fn read(driver: &mut MySqlConnection, expected: usize) -> Result<Replayed<MySql>, Error> {
    let mut stream = driver.fetch_many(sqlx::query_with(STATEMENT, MySqlArguments::default()));
    // Checked against the payload's length: a row is at least a packet.
    let mut rows: Vec<MySqlRow> = Vec::with_capacity(expected);
    let mut result = MySqlQueryResult::default();
    while let Some(item) = stream.try_next().await? {
        match item {
            Either::Left(done) => result = done,
            Either::Right(row) => rows.push(row),
        }
    }
    if rows.len() == expected {
        Ok(Replayed { rows, result })
    } else {
        Err(Error::Protocol("the replay gave another number of rows".into()))
    }
}

/// Reads a payload, and leaves it at that.
#[cfg(any(fuzzing, test))]
pub(crate) fn check(bytes: &Bytes) {
    let _ = Answer::parse(bytes);
}

#[cfg(test)]
mod tests;
