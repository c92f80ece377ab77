//! A driver's connection and the end that answers it.

use super::payload::Payload;
use crate::database::{Backend, Request};
use crate::rows::{Replayed, socket};
use either::Either;
use futures_util::{FutureExt, TryStreamExt};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgSslMode, PgStatement};
use sqlx::{ConnectOptions, Error, Postgres, SqlSafeStr};
use std::io::{ErrorKind, IoSlice};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// How many replays may leave their questions unread: each takes some 60 bytes, but as two messages a few kilobytes of the socket's buffer.
const DISCARD_EVERY: u32 = 16;

/// The port only names the socket: `.s.PGSQL.<port>`.
const PORT: u16 = 1;
const SOCKET: &str = ".s.PGSQL.1";

/// The answer to a start-up: authenticated, a version, no key to cancel with, ready.
const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0015.0\0K\0\0\0\x0c\0\0\0\0\0\0\0\0Z\0\0\0\x05I";

/// The answer to Parse and Sync, and to Bind: parsed, ready; bound.
const HEAD: &[u8] = b"1\0\0\0\x04Z\0\0\0\x05I2\0\0\0\x04";

/// The answer to Close and Sync: closed, ready.
const TAIL: &[u8] = b"3\0\0\0\x04Z\0\0\0\x05I";

/// A start-up message longer than this is none. The server's own limit is 10,000.
const LONGEST_STARTUP: u32 = 64 << 10;

/// A connection of sqlx's driver to ourselves.
#[derive(Debug)]
pub struct Replayer {
    driver: PgConnection,
    end: UnixStream,
    /// Replays whose questions lie unread at our end.
    unread: u32,
}

impl Replayer {
    pub async fn connect() -> Result<Self, Error> {
        let connect = |path: PathBuf| async move {
            // A program's PG* variables are not for this connection; those that the driver reads by itself and that matter are overwritten.
            let options = PgConnectOptions::new_without_pgpass()
                .socket(path.parent().unwrap_or(&path))
                .port(PORT)
                .username("replay")
                .password("")
                .database("replay")
                .ssl_mode(PgSslMode::Disable)
                .statement_cache_capacity(0)
                .disable_statement_logging();
            options.connect().await
        };
        let (driver, end) = socket::pair(SOCKET, connect, greet).await?;
        Ok(Self { driver, end, unread: 0 })
    }

    /// Lets the driver read the rows, which the server's summary counted or did not.
    ///
    /// # Cancel safety
    ///
    /// Not: a replayer of which a replay was dropped, or failed, holds the rest of an answer and must be thrown away.
    pub async fn replay(&mut self, payload: &Payload<'_>, statement: PgStatement, counted: bool) -> Result<Replayed<Postgres>, Error> {
        let request = Request {
            sql: "".into_sql_str(),
            statement: Some(statement),
            arguments: Some(PgArguments::default()),
            // Asks for nothing to be kept; see the module `postgres`.
            persistent: false,
        };
        let tail = tail(payload.rows(), counted);
        let mut slices = [IoSlice::new(HEAD), IoSlice::new(payload.messages()), IoSlice::new(&tail)];
        // As a rule all of it fits into the socket's buffer. Then the driver finds everything there, and no task is woken.
        let rest = send(&self.end, &mut slices)?;
        // A checked payload doesn't make the driver panic. Should it do so all the same, the program is not to pay for it.
        let driver = AssertUnwindSafe(collect(&mut self.driver, request, payload.rows())).catch_unwind();
        let driver = async { driver.await.unwrap_or_else(|_| Err(protocol("the driver panicked"))) };
        let replayed = if rest.is_empty() { driver.await? } else { tokio::try_join!(driver, send_rest(&self.end, rest))?.0 };
        self.unread += 1;
        if self.unread >= DISCARD_EVERY {
            discard(&self.end).await?;
            self.unread = 0;
        }
        Ok(replayed)
    }
}

/// Runs the request on the driver.
async fn collect(driver: &mut PgConnection, request: Request<Postgres>, rows: usize) -> Result<Replayed<Postgres>, Error> {
    let mut collected = Vec::with_capacity(rows);
    let mut result = None;
    let mut stream = Postgres::fetch_many(driver, request);
    while let Some(item) = stream.try_next().await? {
        match item {
            Either::Left(summary) => result = Some(summary),
            Either::Right(row) => collected.push(row),
        }
    }
    match result {
        Some(result) if collected.len() == rows => Ok(Replayed { rows: collected, result }),
        _ => Err(protocol("the driver read other rows than were sent")),
    }
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

/// What follows the rows: the summary, and the end.
fn tail(rows: usize, counted: bool) -> Vec<u8> {
    let tag = if counted { format!("SELECT {rows}\0") } else { "SHOW\0".into() };
    let length = u32::try_from(tag.len() + 4).unwrap_or_default();
    let mut tail = Vec::with_capacity(64);
    tail.push(b'C');
    tail.extend(length.to_be_bytes());
    tail.extend(tag.as_bytes());
    tail.extend(TAIL);
    tail
}

/// Sends as much as can be sent without waiting, and gives the rest.
fn send<'a, 'b>(end: &UnixStream, mut answer: &'a mut [IoSlice<'b>]) -> Result<&'a mut [IoSlice<'b>], Error> {
    while !answer.is_empty() {
        match end.try_write_vectored(answer) {
            Ok(sent) => IoSlice::advance_slices(&mut answer, sent),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(answer)
}

/// Sends the rest as the driver makes room for it.
async fn send_rest(end: &UnixStream, mut answer: &mut [IoSlice<'_>]) -> Result<(), Error> {
    while !answer.is_empty() {
        end.writable().await?;
        answer = send(end, answer)?;
    }
    Ok(())
}

/// Reads what the driver sent, and forgets it: left lying, it would fill the socket in the end.
///
/// Only called when the driver is done, so everything that it sent is there. A read that leaves room in the buffer has therefore taken the
/// last of it; to read once more, until the socket says that it is empty, would make the next replay wait for the reactor to say that it no
/// longer is.
async fn discard(end: &UnixStream) -> Result<(), Error> {
    let mut buffer = [0; 1024];
    loop {
        end.readable().await?;
        match end.try_read(&mut buffer) {
            Ok(0) => return Err(protocol("the driver hung up")),
            Ok(read) if read < buffer.len() => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn protocol(message: &str) -> Error {
    Error::Protocol(message.into())
}
