//! A statement that may write runs to its end on a task of its own: the caller only awaits it. Dropping the caller's future stops nothing, as little as it
//! stops the server, which goes on with the statement and may commit a minute later, once a lock clears.

use super::Shared;
use super::refresh::is_aborted;
use super::schema::Plan;
use crate::analysis::Dialect;
use crate::database::{Backend, Request, Step, Steps};
use crate::engine::{Ended, Engine, Span};
use crate::error::InvalidationPending;
use crate::policy::UnclearWrites;
use crate::stats::count;
use crate::store::StoreError;
use crate::tag::Tag;
use futures_util::{FutureExt, StreamExt, future, stream};
use sqlx::pool::PoolConnection;
use sqlx::{Connection, Error};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
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
        if self.asks_at_commit(&plan) {
            return self.run_and_ask(engine, plan, request, sender, connection).await;
        }
        let written = self.foreseen(&plan, &mut connection, sql.as_str()).await;
        let span = match engine.begin(Arc::clone(&written)).await {
            Ok(span) => span,
            Err(refused) => return drop(sender.send(Err(refused)).await),
        };
        let mut drained = drain::<DB>(DB::fetch_many(&mut connection, request), &sender).await;
        // Before the connection goes back to the pool.
        self.note_session_after(&plan, sql.as_str(), drained.failure.as_ref());
        let outcome = drained.outcome();
        let write = Write { written: &written, ..Write::planned(&plan, sql.as_str()) };
        let settled = self.settle(&engine, Some(&mut connection), write, span, outcome.as_ref().err()).await;
        drop(connection);
        if let (Err(error), false) = (outcome.and(settled), drained.broken) {
            let _ = sender.send(Err(error)).await;
        }
    }

    /// Whether the database is to be asked before the commit what a statement wrote.
    pub(crate) fn asks_at_commit(&self, plan: &Plan) -> bool {
        plan.analysis.askable && self.may_ask_at_commit()
    }

    /// Whether it can be asked, and is to be.
    pub(crate) fn may_ask_at_commit(&self) -> bool {
        self.policy.unclear == UnclearWrites::Ask && DB::DIALECT == Dialect::Postgres
    }

    /// What a statement whose text does not tell writes, where that can be known beforehand.
    async fn foreseen(&self, plan: &Plan, connection: &mut DB::Connection, sql: &str) -> Arc<[Tag]> {
        if plan.analysis.askable && self.policy.unclear == UnclearWrites::Ask {
            let schema = self.schema.load_full();
            match DB::foresee(connection, &schema.catalog, sql).await.map(|keys| keys.and_then(|keys| schema.catalog.changed(&keys))) {
                Ok(Some(tags)) if !tags.is_empty() => {
                    count(&self.counters.asked);
                    return tags.into();
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the database does not tell what a statement would write"),
            }
        }
        self.covered(plan)
    }

    /// What a write's span covers. Once the session was changed through the pool (`SET search_path`, `USE`), names may mean other tables than the plan says: this
    /// executor caches nothing any more, but others do.
    pub(super) fn covered(&self, plan: &Plan) -> Arc<[Tag]> {
        if self.session_changed.load(SeqCst) && !plan.writes.contains(&Tag::all()) {
            return [Tag::all()].into();
        }
        Arc::clone(&plan.writes)
    }

    /// Runs a statement that may write anything in a transaction of its own, and asks what it wrote before that commits. Nobody sees anything until then, so
    /// the span begins only now.
    async fn run_and_ask(
        self: &Arc<Self>,
        engine: Arc<Engine>,
        plan: Arc<Plan>,
        request: Request<DB>,
        sender: mpsc::Sender<Result<Step<DB>, Error>>,
        mut connection: PoolConnection<DB>,
    ) {
        let sql = request.sql.clone();
        let outcome = async {
            let mut transaction = Connection::begin(&mut *connection).await?;
            let mut drained = drain::<DB>(DB::fetch_many(&mut transaction, request), &sender).await;
            self.note_session_after(&plan, sql.as_str(), drained.failure.as_ref());
            drained.outcome()?;
            let (written, changes_schema) = self.recalled(&mut transaction).await?;
            let span = engine.begin(Arc::clone(&written)).await?;
            let committed = transaction.commit().await;
            Ok((written, changes_schema, span, committed))
        };
        let failure = match outcome.await {
            Ok((written, changes_schema, span, committed)) => {
                let write = Write { plan: &plan, sql: sql.as_str(), written: &written, changes_schema };
                let settled = self.settle(&engine, Some(&mut connection), write, span, committed.as_ref().err()).await;
                committed.and(settled).err()
            }
            // Nothing was committed, nor will be.
            Err(error) => Some(error),
        };
        drop(connection);
        if let Some(error) = failure {
            let _ = sender.send(Err(error)).await;
        }
    }

    /// What the transaction on this connection wrote, asked for before its commit, and whether it changed the schema.
    ///
    /// # Errors
    ///
    /// What the commit would have failed with, or the connection's.
    pub(crate) async fn recalled(&self, connection: &mut DB::Connection) -> Result<(Arc<[Tag]>, bool), Error> {
        count(&self.counters.asked);
        let schema = self.schema.load_full();
        let keys = match DB::recall(connection, &schema.catalog).await {
            // Then its commit is a rollback, and no error.
            Err(error) if is_aborted(&error) => return Ok((Arc::default(), false)),
            keys => keys?,
        };
        if self.changed_schema_on(connection).await {
            return Ok(([Tag::all(), Tag::schema()].into(), true));
        }
        let tags = keys.and_then(|keys| schema.catalog.changed(&keys));
        Ok((tags.map_or_else(|| [Tag::all()].into(), Into::into), false))
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
    ///
    /// # Errors
    ///
    /// The write was committed, but must not be acknowledged as if everybody knew of it. Only where refusals were asked for.
    pub(crate) async fn settle(
        self: &Arc<Self>,
        engine: &Arc<Engine>,
        mut connection: Option<&mut DB::Connection>,
        write: Write<'_>,
        span: Span,
        failure: Option<&Error>,
    ) -> Result<(), Error> {
        let Write { plan, sql, written, changes_schema } = write;
        if failure.is_some_and(|error| !outcome_is_known(error)) {
            // What it did to the schema shows only when it is over.
            let shared = Arc::clone(self);
            span.end_when_over(async move {
                if changes_schema {
                    shared.reload().await;
                }
            });
            return Ok(());
        }
        let mut besides = Ok(());
        if changes_schema {
            // On this connection: the pool may have no other.
            if let Some(connection) = &mut connection {
                self.reload_on(connection).await;
            }
        } else if failure.is_none() && !self.is_current(plan) {
            // The schema changed under the statement: it may have fired a trigger that the plan knew nothing of. Forget what it would mean now, too,
            // before it is acknowledged.
            let now = self.plan(sql);
            if now.writes != *written {
                besides = engine.invalidate(&now.writes).await;
            }
        }
        if !changes_schema && written.contains(&Tag::all()) {
            // Code that may do anything may have changed the schema.
            besides = besides.and(self.look_after_anything(connection.as_deref_mut()).await);
        }
        let ended = span.end().await;
        if !changes_schema && Self::is_other_schema(ended.schema, plan.epoch) {
            // Another process did, perhaps: before this write is acknowledged, find out what else it means.
            let understood = match &mut connection {
                Some(connection) => self.refresh_on(connection, plan.version).await,
                None => false,
            };
            let now = if understood { Arc::clone(&self.plan(sql).writes) } else { [Tag::all()].into() };
            if now != *written {
                besides = besides.and(engine.invalidate(&now).await);
            }
        }
        if failure.is_some() {
            // Nothing was written.
            return Ok(());
        }
        self.acknowledge(engine, ended, besides, connection, changes_schema).await
    }

    /// Whether a write that was committed may be acknowledged: what its span covers was invalidated, or its fence still stood; so was what it changed besides.
    ///
    /// # Errors
    ///
    /// Not yet. Only where refusals were asked for.
    pub(crate) async fn acknowledge(
        &self,
        engine: &Engine,
        ended: Ended,
        besides: Result<(), StoreError>,
        connection: Option<&mut DB::Connection>,
        everything: bool,
    ) -> Result<(), Error> {
        if let (Err(error), true) = (besides, engine.refuses()) {
            return Err(InvalidationPending::because(error));
        }
        let Some(error) = ended.undelivered else { return Ok(()) };
        // The store did not say whether another process changed the schema, by which the write may have reached further than its span: so ask the database.
        if ended.covered && (everything || self.is_unchanged(connection).await) {
            return Ok(());
        }
        Err(InvalidationPending::because(error))
    }
}

/// A write whose span is to be closed.
pub(crate) struct Write<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) sql: &'a str,
    /// What its span covers.
    pub(crate) written: &'a Arc<[Tag]>,
    pub(crate) changes_schema: bool,
}

impl<'a> Write<'a> {
    /// A write of what its plan says.
    pub(crate) fn planned(plan: &'a Plan, sql: &'a str) -> Self {
        Self { plan, sql, written: &plan.writes, changes_schema: plan.analysis.changes_schema }
    }
}

/// How a statement came to its end.
struct Drained {
    failure: Option<Error>,
    /// Rows that end without a summary broke off (SQLite's worker may panic): nobody knows what became of the statement.
    broken: bool,
}

impl Drained {
    fn outcome(&mut self) -> Result<(), Error> {
        match self.failure.take() {
            Some(error) => Err(error),
            None if self.broken => Err(Error::WorkerCrashed),
            None => Ok(()),
        }
    }
}

/// Passes a statement's steps on to its end. A reader that went away does not stop the statement: it is drained to its last row, which is when the server has
/// finished.
async fn drain<DB: Backend>(mut steps: Steps<'_, DB>, sender: &mpsc::Sender<Result<Step<DB>, Error>>) -> Drained {
    let mut finished = false;
    while let Some(step) = steps.next().await {
        match step {
            Ok(step) => {
                finished = step.is_left();
                drop(sender.send(Ok(step)).await);
            }
            Err(error) => return Drained { failure: Some(error), broken: false },
        }
    }
    Drained { failure: None, broken: !finished }
}
