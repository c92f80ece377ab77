//! A statement that may write runs to its end on a task of its own: the caller only awaits it. Dropping the caller's future stops nothing, as little as it
//! stops the server, which goes on with the statement and may commit a minute later, once a lock clears.

use super::Shared;
use super::schema::Plan;
use crate::analysis::Dialect;
use crate::database::{Backend, Request, Step, Steps};
use crate::engine::{Engine, Span};
use crate::stats::count;
use crate::tag::Tag;
use futures_util::{FutureExt, StreamExt, future, stream};
use sqlx::Error;
use sqlx::pool::PoolConnection;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Rows that wait for a slow reader of `INSERT ... RETURNING` and the like.
const WAITING: usize = 64;

/// Whether an error tells what became of the statement. Otherwise the server may still be at work on it, and commit.
#[expect(clippy::match_same_arms, reason = "each for a reason of its own")]
pub(crate) fn outcome_is_known(error: &Error) -> bool {
    match error {
        // The server's own answer; unless it says that the connection, the session or (a pooler's word) the server behind it is gone.
        Error::Database(error) => {
            !error.code().is_some_and(|code| code.starts_with("08") || matches!(&*code, "40003" | "57P01" | "57P02" | "57P03" | "70100"))
        }
        // Nothing was sent.
        Error::PoolTimedOut | Error::PoolClosed | Error::Configuration(_) | Error::InvalidArgument(_) | Error::Encode(_) => true,
        // Everything was answered.
        Error::RowNotFound | Error::ColumnNotFound(_) | Error::ColumnIndexOutOfBounds { .. } | Error::ColumnDecode { .. } => true,
        _ => false,
    }
}

impl<DB: Backend> Shared<DB> {
    /// Runs a writing statement within its span. The stream ends (or fails) only after the span has ended, so whoever reads it to its end has an
    /// acknowledged write.
    pub(super) fn write(self: &Arc<Self>, engine: &Arc<Engine>, plan: Arc<Plan>, request: Request<DB>) -> Steps<'static, DB> {
        let (shared, engine) = (Arc::clone(self), Arc::clone(engine));
        // Nothing starts before the stream is polled, as with a pool.
        async move {
            // The connection first, and here: a fence should not stand while the pool is exhausted, and who gives up waiting for a connection wants nothing
            // to be written later.
            let connection = match shared.pool.acquire().await {
                Ok(connection) => connection,
                Err(error) => return stream::once(future::ready(Err(error))).left_stream(),
            };
            let (sender, receiver) = mpsc::channel(WAITING);
            let running = engine.finish(shared.run(Arc::clone(&engine), plan, request, connection, sender)).boxed();
            let steps = stream::unfold((receiver, Some(running)), |(mut receiver, mut running)| async move {
                if let Some(step) = receiver.recv().await {
                    return Some((step, (receiver, running)));
                }
                // The end of the rows, or of a task that panicked or whose runtime is gone: that must not pass for a success.
                running.take()?.await.is_none().then_some((Err(Error::WorkerCrashed), (receiver, None)))
            });
            steps.right_stream()
        }
        .flatten_stream()
        .boxed()
    }

    async fn run(
        self: Arc<Self>,
        engine: Arc<Engine>,
        plan: Arc<Plan>,
        request: Request<DB>,
        mut connection: PoolConnection<DB>,
        sender: mpsc::Sender<Result<Step<DB>, Error>>,
    ) {
        count(&self.counters.writes);
        let sql = request.sql.clone();
        let span = engine.begin(Arc::clone(&plan.writes)).await;
        let mut steps = DB::fetch_many(&mut connection, request);
        let (mut failure, mut finished) = (None, false);
        while let Some(step) = steps.next().await {
            match step {
                // A reader that went away does not stop the statement: it is drained to its last row, which is when the server has finished.
                Ok(step) => {
                    finished = step.is_left();
                    drop(sender.send(Ok(step)).await);
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        drop(steps);
        // Before the connection goes back to the pool.
        self.note_session_after(&plan, sql.as_str(), failure.as_ref());
        if failure.is_none() && !finished {
            // Rows that end without a summary broke off (SQLite's worker may panic): nobody knows what became of the statement.
            let broken = Error::WorkerCrashed;
            self.settle(&engine, Some(&mut connection), &plan, sql.as_str(), span, Some(&broken)).await;
            return;
        }
        self.settle(&engine, Some(&mut connection), &plan, sql.as_str(), span, failure.as_ref()).await;
        drop(connection);
        if let Some(error) = failure {
            let _ = sender.send(Err(error)).await;
        }
    }

    /// Takes note of what a statement did to its connection; nothing, if it was never understood. A typing error must not switch the cache off.
    pub(crate) fn note_session_after(&self, plan: &Plan, sql: &str, failure: Option<&Error>) {
        let single = !sql.trim_end().trim_end_matches(';').contains(';');
        let refused = |error: &Error| match error {
            Error::Database(error) => error.code().is_some_and(|code| match DB::DIALECT {
                // A SET is undone with the statement that failed.
                Dialect::Postgres => true,
                Dialect::MySql => code == "42000",
                Dialect::Sqlite => code == "1",
            }),
            _ => false,
        };
        if !(single && failure.is_some_and(refused)) {
            self.note_session(&plan.analysis.session);
        }
    }

    /// Closes a span, after what the statement did to the schema has been taken in, as seen by the connection; by none where that is not committed yet.
    pub(crate) async fn settle(
        self: &Arc<Self>,
        engine: &Arc<Engine>,
        mut connection: Option<&mut DB::Connection>,
        plan: &Plan,
        sql: &str,
        span: Span,
        failure: Option<&Error>,
    ) {
        if failure.is_some_and(|error| !outcome_is_known(error)) {
            // What it did to the schema shows only when it is over.
            let (shared, changes_schema) = (Arc::clone(self), plan.analysis.changes_schema);
            span.end_when_over(async move {
                if changes_schema {
                    shared.reload().await;
                }
            });
            return;
        }
        if plan.analysis.changes_schema {
            // On this connection: the pool may have no other.
            if let Some(connection) = &mut connection {
                self.reload_on(connection).await;
            }
        } else if failure.is_none() && !self.is_current(plan) {
            // The schema changed under the statement: it may have fired a trigger that the plan knew nothing of. Forget what it would mean now, too,
            // before it is acknowledged.
            let now = self.plan(sql);
            if now.writes != plan.writes {
                let _ = engine.invalidate(&now.writes).await;
            }
        }
        let stands = span.end().await;
        if !plan.analysis.changes_schema && Self::is_other_schema(stands, plan.epoch) {
            // Another process did, perhaps: before this write is acknowledged, find out what else it means.
            let understood = match connection {
                Some(connection) => self.refresh_on(connection, plan.version).await,
                None => false,
            };
            let now = if understood { Arc::clone(&self.plan(sql).writes) } else { [Tag::all()].into() };
            if now != plan.writes {
                let _ = engine.invalidate(&now).await;
            }
        }
    }
}
