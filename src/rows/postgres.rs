//! Postgres rows.
//!
//! A recording keeps the wire's `DataRow` messages. A replay hands them to sqlx's driver over a private socket, together with a real
//! `PgStatement`, from which the driver takes names and types: so custom enums, composites and arrays of them come out as from the server.
//!
//! Each statement that is learnt gets a name that no other ever has, and is replayed under it: so the driver keeps it, need not ask for a parse again, and a
//! replay is one write and one read. When a table's columns change the statement is learnt anew, under another name; none can go stale. A statement of the
//! caller's own is replayed without name or text, and not kept. Nothing else is left on a replay connection from which the next replay could differ.
//!
//! A row's `relation_id`, `relation_attribute_no` and `origin`, and the labels in its enum types' `kind`, are those of the statement last
//! learnt, not necessarily those of the connection that read the row; the same differs between the connections of one pool.

use super::socket::Lines;
use super::{Recording, ReplayError, Replayed, RowCodec, Split, empty, in_time, only};
use bytes::Bytes;
use futures_core::future::BoxFuture;
use sqlx::postgres::{PgConnection, PgStatement};
use sqlx::{PgPool, Postgres, SqlStr};

mod learnt;
mod payload;
#[cfg(any(fuzzing, test))]
pub(crate) mod rehearsal;
mod replayer;
mod shape;
mod statements;
#[cfg(test)]
mod tests;
mod value;

use learnt::Learnt;
use payload::{Payload, Recorder};
use replayer::Replayer;
use statements::Statements;

/// Connections that carried more than this aren't kept: their read buffers would stay as large as the largest message.
const LARGE: usize = 256 << 10;

/// Captures and replays Postgres rows.
#[derive(Debug)]
pub struct Codec {
    statements: Statements,
    replayers: Lines<Replayer>,
}

impl RowCodec<Postgres> for Codec {
    const KEEPS_STATEMENTS: bool = true;

    fn new() -> Self {
        Self { statements: Statements::new(), replayers: Lines::new() }
    }

    fn record(&self, limit: usize) -> Box<dyn Recording<Postgres>> {
        Box::new(Recorder::new(limit))
    }

    fn split(payload: &[u8]) -> Option<Split<'_>> {
        payload::split(payload).ok()
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
                return only(empty(1));
            };
            let learnt = self.statements.fitting(pool, sql, statement, &payload).await?;
            payload.check(&learnt).map_err(ReplayError::Malformed)?;
            only(in_time(self.play(&payload, &learnt, counts(sql.as_str()), 1)).await?)
        })
    }

    fn replay_copies<'a>(
        &'a self,
        pool: &'a PgPool,
        sql: &'a SqlStr,
        payload: Bytes,
        copies: usize,
    ) -> BoxFuture<'a, Result<Vec<Replayed<Postgres>>, ReplayError>> {
        Box::pin(async move {
            let Some(payload) = Payload::parse(&payload).map_err(ReplayError::Malformed)? else {
                return Ok(empty(copies));
            };
            let learnt = self.statements.fitting(pool, sql, None, &payload).await?;
            in_time(self.play(&payload, &learnt, counts(sql.as_str()), copies)).await
        })
    }
}

impl Codec {
    async fn play(
        &self,
        payload: &Payload<'_>,
        learnt: &Learnt,
        counted: bool,
        copies: usize,
    ) -> Result<Vec<Replayed<Postgres>>, sqlx::Error> {
        let (idle, apart) = self.replayers.of(payload.messages().len().saturating_mul(copies));
        let (leave, idle) = idle.take().await;
        let mut replayer = match idle {
            Some(replayer) => replayer,
            // Seldom gone, and in a box, so that the way past it is short.
            None => Box::pin(Replayer::connect(apart)).await?,
        };
        let answers = match replayer.replay(payload, learnt, counted, copies).await {
            Err(error) if apart && self.replayers.gives_up(&error) => return Box::pin(self.play(payload, learnt, counted, copies)).await,
            answers => answers?,
        };
        if payload.messages().len() <= LARGE && !replayer.is_worn() {
            leave.put(replayer);
        }
        Ok(answers)
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
    if let Ok(Some(payload)) = Payload::parse(bytes) {
        let _ = payload.check_form(&vec![value::Form::Any; payload.width()]);
    }
}

/// Where a payload has the fingerprint of its columns.
#[cfg(any(fuzzing, test))]
pub(crate) const FINGERPRINT: std::ops::Range<usize> = 10..42;

/// The fingerprint that a payload of this statement's columns has.
#[cfg(any(fuzzing, test))]
pub(crate) fn fingerprint(statement: &PgStatement) -> [u8; 32] {
    shape::fingerprint(sqlx::Statement::columns(statement)).unwrap_or_default()
}

#[cfg(any(fuzzing, test))]
impl Codec {
    /// Learns a statement of which no database was asked.
    pub(crate) fn teach(&self, sql: &SqlStr, statement: PgStatement) {
        self.statements.teach(sql, statement);
    }
}
