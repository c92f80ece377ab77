//! A driver's connection and the end that answers it.

use super::learnt::Learnt;
use super::payload::Payload;
use crate::database::{Backend, Request};
use crate::rows::{Replayed, socket};
use either::Either;
use futures_util::{FutureExt, TryStreamExt};
use socket::End;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Error, Postgres, SqlSafeStr};
use std::collections::HashSet;
use std::io::IoSlice;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// How many statements a connection gets to know. Before the driver's own store of them is full, and it asks us to close one, the connection is given up; what it
/// holds of statements long forgotten goes with it.
const MOST_STATEMENTS: usize = 256;

/// The port only names the socket: `.s.PGSQL.<port>`.
const PORT: u16 = 1;
const SOCKET: &str = ".s.PGSQL.1";

/// The answer to a start-up: authenticated, a version, no key to cancel with, ready.
const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0015.0\0K\0\0\0\x0c\0\0\0\0\0\0\0\0Z\0\0\0\x05I";

/// The answer to Parse and Sync, and to Bind: parsed, ready; bound.
const PARSED_AND_BOUND: &[u8] = b"1\0\0\0\x04Z\0\0\0\x05I2\0\0\0\x04";

/// The answer to Bind alone, of a statement that the driver has kept.
const BOUND: &[u8] = b"2\0\0\0\x04";

/// The answer to Close and Sync: closed, ready.
const CLOSED: &[u8] = b"3\0\0\0\x04Z\0\0\0\x05I";

/// A start-up message longer than this is none. The server's own limit is 10,000.
const LONGEST_STARTUP: u32 = 64 << 10;

/// A connection of sqlx's driver to ourselves.
#[derive(Debug)]
pub struct Replayer {
    driver: PgConnection,
    end: End,
    /// The numbers of the statements that the driver keeps.
    known: HashSet<u64>,
}

impl Replayer {
    /// A new one. One whose driver is apart, which no reactor watches, is for answers that fit into a socket's buffer.
    pub async fn connect(apart: bool) -> Result<Self, Error> {
        if apart { socket::apart(Self::pair(true)).await } else { Self::pair(false).await }
    }

    async fn pair(apart: bool) -> Result<Self, Error> {
        let connect = |path: PathBuf| async move {
            // A program's PG* variables are not for this connection; those that the driver reads by itself and that matter are overwritten.
            let options = PgConnectOptions::new_without_pgpass()
                .socket(path.parent().unwrap_or(&path))
                .port(PORT)
                .username("replay")
                .password("")
                .database("replay")
                .ssl_mode(PgSslMode::Disable)
                .statement_cache_capacity(MOST_STATEMENTS + 1)
                .disable_statement_logging();
            options.connect().await
        };
        let (driver, end) = socket::pair(SOCKET, connect, greet).await?;
        Ok(Self { driver, end: End::new(end, apart)?, known: HashSet::new() })
    }

    /// Whether the connection has met as many statements as it may.
    pub fn is_worn(&self) -> bool {
        self.known.len() >= MOST_STATEMENTS
    }

    /// Lets the driver read the rows so many times, which the server's summary counted or did not.
    ///
    /// # Cancel safety
    ///
    /// Not: a replayer of which a replay was dropped, or failed, holds the rest of an answer and must be thrown away.
    pub async fn replay(
        &mut self,
        payload: &Payload<'_>,
        learnt: &Learnt,
        counted: bool,
        copies: usize,
    ) -> Result<Vec<Replayed<Postgres>>, Error> {
        let name = learnt.name();
        let is_new = name.is_none_or(|name| self.known.insert(name.number));
        let request = Request {
            sql: name.map_or_else(|| "".into_sql_str(), |name| name.text.clone()),
            statement: Some(learnt.statement().clone()),
            arguments: Some(PgArguments::default()),
            // Whether the driver is to keep it.
            persistent: name.is_some(),
        };
        let summary = summary(payload.rows(), counted);
        // The driver reads on after a summary, until it is told that all is ready: so one execution gives any number of answers.
        let mut answer = Vec::with_capacity(2 + 2 * copies);
        answer.push(IoSlice::new(if is_new { PARSED_AND_BOUND } else { BOUND }));
        for _ in 0..copies {
            answer.extend([IoSlice::new(payload.messages()), IoSlice::new(&summary)]);
        }
        answer.push(IoSlice::new(CLOSED));
        // A checked payload doesn't make the driver panic. Should it do so all the same, the program is not to pay for it.
        let driver = AssertUnwindSafe(collect(&mut self.driver, request, payload.rows(), copies)).catch_unwind();
        let driver = async { driver.await.unwrap_or_else(|_| Err(protocol("the driver panicked"))) };
        self.end.answer(&mut answer, driver).await
    }
}

/// Runs the request on the driver.
async fn collect(
    driver: &mut PgConnection,
    request: Request<Postgres>,
    rows: usize,
    copies: usize,
) -> Result<Vec<Replayed<Postgres>>, Error> {
    let mut collected = Vec::with_capacity(copies);
    let mut current = Vec::new();
    let mut stream = Postgres::fetch_many(driver, request);
    while let Some(item) = stream.try_next().await? {
        match item {
            Either::Left(result) => {
                if current.len() != rows {
                    return Err(protocol("the driver read other rows than were sent"));
                }
                collected.push(Replayed { rows: std::mem::take(&mut current), result });
            }
            Either::Right(row) => {
                if current.is_empty() {
                    current.reserve_exact(rows);
                }
                current.push(row);
            }
        }
    }
    if collected.len() == copies { Ok(collected) } else { Err(protocol("the driver read other answers than were sent")) }
}

/// Reads the driver's start-up message and answers it.
async fn greet(mut end: UnixStream) -> Result<UnixStream, Error> {
    let length = end.read_u32().await?;
    if !(8..=LONGEST_STARTUP).contains(&length) {
        return Err(protocol("the driver did not send a start-up message"));
    }
    // The length counts itself.
    let mut startup = vec![0; length as usize - 4];
    end.read_exact(&mut startup).await?;
    end.write_all(GREETING).await?;
    Ok(end)
}

/// What follows the rows.
fn summary(rows: usize, counted: bool) -> Vec<u8> {
    let tag = if counted { format!("SELECT {rows}\0") } else { "SHOW\0".into() };
    let length = u32::try_from(tag.len() + 4).unwrap_or_default();
    let mut summary = Vec::with_capacity(32);
    summary.push(b'C');
    summary.extend(length.to_be_bytes());
    summary.extend(tag.as_bytes());
    summary
}

fn protocol(message: &str) -> Error {
    Error::Protocol(message.into())
}
