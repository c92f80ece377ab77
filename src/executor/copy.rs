//! PostgreSQL's COPY. What comes in is committed only at its end, so its span is no longer than [`CachingCopyIn::finish`]. What goes out is a read past the cache,
//! unless its query writes.

use super::schema::Plan;
use super::{CachingExecutor, Shared, Write};
use crate::analysis::Writes;
use crate::engine::Engine;
use crate::stats::count;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, Tokenizer};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgCopyIn, PgPoolCopyExt};
use sqlx::{Error, Postgres};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

/// Chunks that wait for a slow reader of a COPY that also writes.
const WAITING: usize = 16;

/// A `COPY ... FROM STDIN` under way; stands where `sqlx::postgres::PgCopyIn` stood. Dropped, it is aborted.
#[must_use = "nothing is copied before `finish`"]
pub struct CachingCopyIn {
    copy: PgCopyIn<PoolConnection<Postgres>>,
    shared: Arc<Shared<Postgres>>,
    statement: Arc<str>,
}

impl CachingExecutor<Postgres> {
    /// Begins a `COPY ... FROM STDIN`, on a connection of the pool. Until [`CachingCopyIn::finish`] nobody sees what is copied, and the cache answers as before.
    ///
    /// # Errors
    ///
    /// The database's. [`Error::Protocol`] for anything but one such statement: sqlx can't run it to its end, and the server might commit it all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way nothing is copied.
    pub async fn copy_in_raw(&self, statement: &str) -> Result<CachingCopyIn, Error> {
        if self.shared.engine.is_some() && !copies_from_stdin(statement) {
            return Err(Error::Protocol("copy_in_raw takes one statement, COPY ... FROM STDIN".into()));
        }
        let (shared, statement): (_, Arc<str>) = (Arc::clone(&self.shared), statement.into());
        // On a task of its own: sqlx keeps no count of what it asked for, and would give the pool a connection on which the server waits for data for ever.
        let beginning = tokio::spawn(async move {
            let copy = shared.pool.copy_in_raw(&statement).await?;
            Ok(CachingCopyIn { copy, shared, statement })
        });
        beginning.await.unwrap_or(Err(Error::WorkerCrashed))
    }

    /// Begins a `COPY ... TO STDOUT`, whose chunks come from the database. A query that writes (`COPY (DELETE ... RETURNING ...) TO STDOUT`) goes on to its end even
    /// if the stream is dropped, and has invalidated what it wrote when the stream ends.
    ///
    /// # Errors
    ///
    /// The database's.
    ///
    /// # Cancel safety
    ///
    /// A stream that is dropped half-way closes its connection.
    pub async fn copy_out_raw(&self, statement: &str) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let shared = Arc::clone(&self.shared);
        let Some(engine) = shared.engine.clone() else { return opened(copy_out(shared.pool.acquire().await?, statement)).await };
        let plan = shared.plan(statement);
        if plan.analysis.writes == Writes::Nothing && !plan.analysis.changes_schema {
            return opened(copy_out(shared.pool.acquire().await?, statement)).await;
        }
        if shared.prefix.get().is_none() {
            shared.load_later();
        }
        let (sender, receiver) = mpsc::channel(WAITING);
        // The connection first: a fence should not stand while the pool is exhausted.
        let connection = shared.pool.acquire().await?;
        let running = tokio::spawn(write_and_copy_out(shared, engine, plan, connection, statement.into(), sender));
        let chunks = stream::unfold((receiver, Some(running)), |(mut receiver, mut running)| async move {
            if let Some(chunk) = receiver.recv().await {
                return Some((chunk, (receiver, running)));
            }
            // The end, or that of a task that panicked: that must not pass for a success.
            running.take()?.await.is_err().then_some((Err(Error::WorkerCrashed), (receiver, None)))
        });
        opened(chunks.boxed()).await
    }
}

impl CachingCopyIn {
    /// Whether the server expects text or CSV.
    pub fn is_textual(&self) -> bool {
        self.copy.is_textual()
    }

    /// How many columns the server expects.
    pub fn num_columns(&self) -> usize {
        self.copy.num_columns()
    }

    /// Whether the server expects text for a column, counted from zero.
    ///
    /// # Panics
    ///
    /// Where there is no such column, as sqlx's own.
    pub fn column_is_textual(&self, column: usize) -> bool {
        self.copy.column_is_textual(column)
    }

    /// Sends a chunk; where it ends need not be the end of a row.
    ///
    /// # Errors
    ///
    /// The connection's.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way it may have sent a part of the chunk.
    pub async fn send(&mut self, data: impl Deref<Target = [u8]>) -> Result<&mut Self, Error> {
        self.copy.send(data).await?;
        Ok(self)
    }

    /// Sends all that a source has.
    ///
    /// # Errors
    ///
    /// The connection's or the source's.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way it has sent a part.
    pub async fn read_from(&mut self, source: impl AsyncRead + Unpin) -> Result<&mut Self, Error> {
        self.copy.read_from(source).await?;
        Ok(self)
    }

    /// Gives up; the message is for the server's log.
    ///
    /// # Errors
    ///
    /// The connection's.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it is given up all the same, on a task of its own.
    pub async fn abort(self, message: impl Into<String>) -> Result<(), Error> {
        let (copy, message) = (self.copy, message.into());
        // Half of it would leave an answer unread, for the connection's next statement to take for its own.
        tokio::spawn(async move { copy.abort(message).await }).await.unwrap_or(Err(Error::WorkerCrashed))
    }

    /// Copies what was sent, and returns how many rows. When this returns, nobody is served what was read before.
    ///
    /// # Errors
    ///
    /// The database's. After one that does not tell the outcome (the connection was lost), nothing that depends on the table is cached until the database shows
    /// that it is over.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way it goes on, on a task of its own.
    pub async fn finish(self) -> Result<u64, Error> {
        let Self { copy, shared, statement } = self;
        let Some(engine) = shared.engine.clone() else { return copy.finish().await };
        if shared.prefix.get().is_none() {
            shared.load_later();
        }
        let finishing = tokio::spawn(async move {
            count(&shared.counters.writes);
            // As the schema is now: much may have happened since it began.
            let plan = shared.plan(&statement);
            let span = match engine.begin(shared.covered(&plan)).await {
                Ok(span) => span,
                Err(refused) => {
                    let _ = copy.abort("its fence can't be set").await;
                    return Err(refused);
                }
            };
            let finished = copy.finish().await;
            let settled = shared.settle(&engine, None, Write::planned(&plan, &statement), span, finished.as_ref().err()).await;
            finished.and_then(|rows| settled.map(|()| rows))
        });
        finishing.await.unwrap_or(Err(Error::WorkerCrashed))
    }
}

impl fmt::Debug for CachingCopyIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachingCopyIn").field("statement", &self.statement).finish_non_exhaustive()
    }
}

/// Whether a text is one `COPY ... FROM STDIN` and nothing else: then nothing is committed before the data have come to their end.
fn copies_from_stdin(statement: &str) -> bool {
    let Ok(mut tokens) = Tokenizer::new(&PostgreSqlDialect {}, statement).tokenize() else { return false };
    tokens.retain(|token| !matches!(token, Token::Whitespace(_)));
    while tokens.last() == Some(&Token::SemiColon) {
        tokens.pop();
    }
    let is = |token: &Token, keyword: Keyword| matches!(token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none());
    let mut depth = 0_usize;
    let mut from_stdin = false;
    for pair in tokens.windows(2) {
        match &pair[0] {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            token => from_stdin |= depth == 0 && is(token, Keyword::FROM) && is(&pair[1], Keyword::STDIN),
        }
    }
    tokens.first().is_some_and(|token| is(token, Keyword::COPY)) && from_stdin && !tokens.contains(&Token::SemiColon)
}

/// A connection that is closed rather than given back, unless it is said to be in order. sqlx leaves the end of a failed or unfinished COPY unread, and the
/// connection's next statement would take it for its own.
struct Closing(PoolConnection<Postgres>, bool);

impl Drop for Closing {
    fn drop(&mut self) {
        if !self.1 {
            self.0.close_on_drop();
        }
    }
}

/// The chunks, after an empty one that says that it has begun.
fn copy_out(connection: PoolConnection<Postgres>, statement: &str) -> BoxStream<'static, Result<Bytes, Error>> {
    let statement = statement.to_owned();
    async_stream::try_stream! {
        let mut connection = Closing(connection, false);
        {
            let mut chunks = connection.0.copy_out_raw(&statement).await?;
            yield Bytes::new();
            while let Some(chunk) = chunks.try_next().await? {
                yield chunk;
            }
        }
        connection.1 = true;
    }
    .boxed()
}

/// The chunks once it has begun.
async fn opened(mut chunks: BoxStream<'static, Result<Bytes, Error>>) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
    match chunks.next().await {
        Some(Err(error)) => Err(error),
        Some(Ok(_)) | None => Ok(chunks),
    }
}

async fn write_and_copy_out(
    shared: Arc<Shared<Postgres>>,
    engine: Arc<Engine>,
    plan: Arc<Plan>,
    connection: PoolConnection<Postgres>,
    statement: Arc<str>,
    sender: mpsc::Sender<Result<Bytes, Error>>,
) {
    count(&shared.counters.writes);
    let span = match engine.begin(shared.covered(&plan)).await {
        Ok(span) => span,
        Err(refused) => return drop(sender.send(Err(refused)).await),
    };
    let mut chunks = copy_out(connection, &statement);
    let mut failure = None;
    // A reader that went away does not stop the statement.
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(chunk) => drop(sender.send(Ok(chunk)).await),
            Err(error) => failure = Some(error),
        }
    }
    drop(chunks);
    shared.note_session_after(&plan, &statement, failure.as_ref());
    let mut connection = if plan.analysis.changes_schema { shared.pool.acquire().await.ok() } else { None };
    let settled = shared.settle(&engine, connection.as_deref_mut(), Write::planned(&plan, &statement), span, failure.as_ref()).await;
    if let Some(error) = failure.or(settled.err()) {
        let _ = sender.send(Err(error)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::copies_from_stdin;

    #[test]
    fn one_copy_from_stdin_and_nothing_else() {
        for statement in [
            "COPY t FROM STDIN",
            "copy \"s\".t(a, b) from stdin;",
            "/* x */ COPY t FROM STDIN WITH (FORMAT csv, DELIMITER ';') -- y",
            "COPY t (a) FROM STDIN WHERE a > (1) ; ;",
            "COPY t FROM\n STDIN DELIMITER E'\\'; DROP'",
        ] {
            assert!(copies_from_stdin(statement), "{statement}");
        }
        for statement in [
            "",
            "COPY t FROM '/stdin'",
            "COPY stdin FROM '/x'",
            "COPY t FROM \"stdin\"",
            "COPY t FROM PROGRAM 'stdin'",
            "COPY t TO STDOUT",
            "COPY (SELECT a FROM stdin) TO '/x'",
            "COPY t FROM STDIN; DELETE FROM u",
            "DELETE FROM u; COPY t FROM STDIN",
            "INSERT INTO t SELECT a FROM stdin",
            "COPY t FROM 'x",
        ] {
            assert!(!copies_from_stdin(statement), "{statement}");
        }
    }
}
