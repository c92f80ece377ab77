//! Postgres rows.
//!
//! A recording keeps the wire's `DataRow` messages. A replay hands them to sqlx's driver over a private socket, together with a real
//! `PgStatement`, from which the driver takes names and types: so custom enums, composites and arrays of them come out as from the server.
//!
//! Each replay is of an unnamed, unprepared statement of no text. Nothing is left on a replay connection from which the next one could
//! differ: in particular the driver keeps no statement, so that none can go stale when a table's columns change. That the driver asks for a
//! parse each time costs about one microsecond.
//!
//! A row's `relation_id`, `relation_attribute_no` and `origin`, and the labels in its enum types' `kind`, are those of the statement last
//! learnt, not necessarily those of the connection that read the row; the same differs between the connections of one pool.

use super::idle::Idle;
use super::{Recording, ReplayError, Replayed, RowCodec};
use bytes::Bytes;
use futures_core::future::BoxFuture;
use sqlx::postgres::{PgConnection, PgQueryResult, PgStatement};
use sqlx::{PgPool, Postgres, SqlStr};
use std::time::Duration;

mod payload;
#[cfg(any(fuzzing, test))]
pub(crate) mod rehearsal;
mod replayer;
mod shape;
mod statements;
#[cfg(test)]
mod tests;
mod value;

use payload::{Payload, Recorder};
use replayer::Replayer;
use statements::Statements;

/// How long a replay, or a question to the database on its behalf, may take. A replay takes microseconds (50 MiB some 90 ms); this
/// only keeps a fault from holding up a read for ever.
const DEADLINE: Duration = Duration::from_secs(5);

/// Replays at once. One hardly ever waits for anything, so more are seldom under way than threads run them.
const MOST_REPLAYS: usize = 32;

/// Connections that carried more than this aren't kept: their read buffers would stay as large as the largest message.
const LARGE: usize = 256 << 10;

/// Captures and replays Postgres rows.
#[derive(Debug)]
pub struct Codec {
    statements: Statements,
    replayers: Idle<Replayer>,
}

impl RowCodec<Postgres> for Codec {
    const KEEPS_STATEMENTS: bool = true;

    fn new() -> Self {
        Self { statements: Statements::new(), replayers: Idle::new(MOST_REPLAYS) }
    }

    fn record(&self, limit: usize) -> Box<dyn Recording<Postgres>> {
        Box::new(Recorder::new(limit))
    }

    fn learn<'a>(&'a self, sql: &'a SqlStr, connection: &'a mut PgConnection) -> BoxFuture<'a, ()> {
        Box::pin(self.statements.learn(sql, connection))
    }

    fn replay<'a>(
        &'a self,
        pool: &'a PgPool,
        sql: &'a SqlStr,
        statement: Option<&'a PgStatement>,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Replayed<Postgres>, ReplayError>> {
        Box::pin(async move {
            let Some(payload) = Payload::parse(&payload).map_err(ReplayError::Malformed)? else {
                // What the driver makes of "SELECT 0".
                return Ok(Replayed { rows: Vec::new(), result: PgQueryResult::default() });
            };
            let statement = self.statements.fitting(pool, sql, statement, &payload).await?;
            if !payload.has_form_of(sqlx::Statement::columns(&statement)) {
                return Err(ReplayError::Malformed("a value is not of its column's type"));
            }
            let played = tokio::time::timeout(DEADLINE, self.play(&payload, statement, counts(sql.as_str()))).await;
            played.unwrap_or_else(|_| Err(sqlx::Error::Protocol("the replay missed its deadline".into()))).map_err(ReplayError::Driver)
        })
    }
}

impl Codec {
    async fn play(&self, payload: &Payload<'_>, statement: PgStatement, counted: bool) -> Result<Replayed<Postgres>, sqlx::Error> {
        let (_leave, idle) = self.replayers.take().await;
        let mut replayer = match idle {
            Some(replayer) => replayer,
            None => Replayer::connect().await?,
        };
        let answer = replayer.replay(payload, statement, counted).await?;
        if payload.messages().len() <= LARGE {
            self.replayers.put(replayer);
        }
        Ok(answer)
    }
}

/// Whether the server's summary counts the rows of this text: that of SHOW and of EXPLAIN does not, so that `rows_affected` is 0 for any
/// number.
fn counts(sql: &str) -> bool {
    let first = after_comments(sql);
    let word = first.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    !["show", "explain"].iter().any(|uncounted| word.eq_ignore_ascii_case(uncounted))
}

/// The text from its first word on. Block comments nest.
fn after_comments(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    let mut depth = 0;
    loop {
        if let Some(inside) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, inside);
        } else if depth > 0 {
            match rest.find("*/").into_iter().chain(rest.find("/*")).min() {
                Some(mark) if rest[mark..].starts_with("*/") => (depth, rest) = (depth - 1, rest[mark + 2..].trim_start()),
                Some(mark) => rest = &rest[mark..],
                None => return "",
            }
        } else if rest.starts_with("--") {
            rest = rest.find(['\n', '\r']).map_or("", |end| &rest[end..]).trim_start();
        } else {
            return rest;
        }
    }
}

/// Reads a payload, and leaves it at that.
#[cfg(any(fuzzing, test))]
pub(crate) fn check(bytes: &Bytes) {
    let _ = Payload::parse(bytes);
}

/// Where a payload has the fingerprint of its columns.
#[cfg(any(fuzzing, test))]
pub(crate) const FINGERPRINT: std::ops::Range<usize> = 10..42;

/// The fingerprint that a payload of this statement's columns has.
#[cfg(any(fuzzing, test))]
pub(crate) fn fingerprint(statement: &PgStatement) -> [u8; 32] {
    shape::fingerprint(sqlx::Statement::columns(statement)).unwrap_or_default()
}
