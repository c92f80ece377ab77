//! Transactions: reads pass through, writes are noted, the commit invalidates.
//!
//! A transaction needs its fence only around COMMIT: until then nobody else sees what it wrote, and what it reads itself comes from the database and is
//! never stored. So `commit` raises the fence over every table that was written, commits, and lowers it. A rollback leaves everything as it was.

mod held;
mod notes;

use held::Held;
use notes::Notes;

use crate::analysis::{Dialect, Session, Writes};
use crate::database::{Backend, Request, Steps};
use crate::engine::Engine;
use crate::executor::{CachingExecutor, Plan, Shared, Write, outcome_is_known};
use crate::insight::{Outcome, note};
use crate::stats::count;
use crate::tag::Tag;
use futures_core::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, future, stream};
use sqlx::{Connection, Describe, Error, Execute, Executor, SqlStr};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// A transaction of a [`CachingExecutor`]; stands where `sqlx::Transaction` stood.
///
/// `&mut *tx` is an executor, and by deref also a `&mut PgConnection` (or the like): what is done through that one is not observed, so the transaction then
/// counts as having written anything. Dropped, it is rolled back.
///
/// # Cancel safety
///
/// A statement of it that is dropped half-way leaves the transaction usable, and what it did unknown, as with sqlx's. On MySQL and MariaDB one that is dropped
/// before the server has begun to answer ends the transaction: sqlx's driver can't tell that answer from the next one's. It can only be rolled back then, and its
/// connection is closed.
#[must_use = "a transaction that is dropped is rolled back"]
pub struct CachingTransaction<'c, DB: Backend> {
    connection: CachingConnection<'c, DB>,
}

/// The connection of a [`CachingTransaction`], by deref.
pub struct CachingConnection<'c, DB: Backend> {
    executor: CachingExecutor<DB>,
    level: Level<'c, DB>,
}

enum Level<'c, DB: Backend> {
    Top { transaction: Held<DB>, notes: Notes<DB> },
    Savepoint { transaction: sqlx::Transaction<'c, DB>, notes: &'c mut Notes<DB> },
}

impl<DB: Backend> CachingTransaction<'static, DB> {
    pub(crate) fn new(executor: CachingExecutor<DB>, transaction: sqlx::Transaction<'static, DB>) -> Self {
        let notes = Notes::new(executor.shared.session_changed.load(SeqCst));
        let transaction = Held::new(transaction, notes.unanswered.clone(), executor.shared.engine.clone());
        Self { connection: CachingConnection { executor, level: Level::Top { transaction, notes } } }
    }
}

impl<DB: Backend> CachingTransaction<'_, DB> {
    /// Commits. When this returns, nobody is served what was read before the commit. A savepoint is released, and its writes count with its parent's.
    ///
    /// # Errors
    ///
    /// The database's. After one that does not tell the outcome (the connection was lost), nothing that was written is cached until the database shows that the
    /// transaction is over. With [`UnfencedWrites::Refuse`](crate::UnfencedWrites::Refuse) also [`WriteRefused`](crate::WriteRefused), after a rollback, and
    /// [`InvalidationPending`](crate::InvalidationPending), after the commit.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way the commit goes on, on a task of its own.
    pub async fn commit(self) -> Result<(), Error> {
        let CachingConnection { executor, level } = self.connection;
        let (transaction, mut notes) = match level {
            Level::Savepoint { transaction, .. } => return transaction.commit().await,
            Level::Top { transaction, notes } => (transaction, notes),
        };
        // First: where it fails, the notes see to what is unobserved.
        let mut transaction = transaction.into_inner()?;
        let unobserved = notes.unobserved.take();
        let wrote = !notes.tags.is_empty() || notes.changes_schema || notes.unclear;
        let Some(engine) = executor.shared.engine.clone().filter(|_| wrote) else {
            return transaction.commit().await;
        };
        let committing = Arc::clone(&engine).finish(async move {
            let shared = &executor.shared;
            if notes.unclear && notes.over {
                // Its locks are gone with the transaction that somebody ended by hand.
                notes.tags.insert(Tag::all());
            }
            if notes.unclear && !notes.tags.contains(&Tag::all()) {
                // An error is the commit's: of a deferred constraint, say. Dropped, the transaction is rolled back.
                let (tags, changes_schema) = shared.recalled(&mut transaction).await?;
                notes.tags.extend(tags.iter().cloned());
                notes.changes_schema |= changes_schema;
            } else if notes.tags.contains(&Tag::all()) && !notes.changes_schema {
                notes.changes_schema = shared.changed_schema_on(&mut transaction).await;
            }
            let span = match engine.begin(notes.tags()).await {
                Ok(span) => span,
                Err(refused) => {
                    if let Err(error) = transaction.rollback().await {
                        tracing::debug!(%error, "a transaction whose commit was refused can't be rolled back by a command");
                    }
                    if let Some(shared) = unobserved {
                        // Whatever the connection has committed by itself.
                        shared.forget_everything().await;
                    }
                    return Err(refused);
                }
            };
            let committed = transaction.commit().await;
            let mut besides = Ok(());
            if notes.changes_schema {
                executor.shared.reload_soon().await;
            } else if notes.schema.is_some_and(|(version, _)| !executor.shared.is_version(version)) {
                // The schema changed under the transaction: its writes may have fired triggers that their plans knew nothing of.
                besides = engine.invalidate(&[Tag::all()]).await;
            }
            match &committed {
                Err(error) if !outcome_is_known(error) => span.end_when_over(async move {
                    // Once more: what the commit does to the schema shows only now.
                    if notes.changes_schema {
                        executor.shared.reload().await;
                    }
                }),
                _ => {
                    let ended = span.end().await;
                    let epoch = notes.schema.and_then(|(_, epoch)| epoch);
                    if !notes.changes_schema && Shared::<DB>::is_other_schema(ended.schema, epoch) {
                        // Another process did, perhaps, and the writes may have fired its triggers.
                        besides = besides.and(engine.invalidate(&[Tag::all()]).await);
                        executor.shared.reload_soon().await;
                    }
                    if committed.is_ok() {
                        let everything = notes.changes_schema || notes.tags.contains(&Tag::all());
                        executor.shared.acknowledge(&engine, ended, besides, None, everything).await?;
                    }
                }
            }
            committed
        });
        committing.await.unwrap_or(Err(Error::WorkerCrashed))
    }

    /// Rolls back. Nothing is forgotten, since nothing changed; except where the connection was handed out, which may have committed by itself.
    ///
    /// # Errors
    ///
    /// The database's.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it is rolled back all the same.
    pub async fn rollback(self) -> Result<(), Error> {
        match self.connection.level {
            Level::Savepoint { transaction, .. } => transaction.rollback().await,
            Level::Top { transaction, mut notes } => {
                // Its connection is closed otherwise, which is a rollback too.
                let Ok(transaction) = transaction.into_inner() else { return Ok(()) };
                let Some(shared) = notes.unobserved.take() else { return transaction.rollback().await };
                // On a task of its own: what the connection has committed must be forgotten, whether or not somebody waits for it.
                let Some(engine) = shared.engine.clone() else { return transaction.rollback().await };
                let undoing = engine.finish(async move {
                    let rolled_back = transaction.rollback().await;
                    shared.forget_everything().await;
                    rolled_back
                });
                undoing.await.unwrap_or(Err(Error::WorkerCrashed))
            }
        }
    }

    /// Begins a savepoint.
    ///
    /// # Errors
    ///
    /// The database's.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, sqlx may have rolled back the whole transaction; what is written in it after that is invalidated at once, since it commits at once.
    pub async fn begin(&mut self) -> Result<CachingTransaction<'_, DB>, Error> {
        self.connection.begin().await
    }
}

impl<DB: Backend> CachingConnection<'_, DB> {
    /// Begins a savepoint.
    ///
    /// # Errors
    ///
    /// The database's.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, sqlx may have rolled back the whole transaction; what is written in it after that is invalidated at once, since it commits at once.
    pub async fn begin(&mut self) -> Result<CachingTransaction<'_, DB>, Error> {
        let (connection, notes): (&mut DB::Connection, _) = match &mut self.level {
            Level::Top { transaction, notes } => (&mut **transaction, notes),
            Level::Savepoint { transaction, notes } => (&mut *transaction, &mut **notes),
        };
        // Where it fails, or is dropped half-way, sqlx may roll back the whole transaction, and what follows then commits by itself.
        let over = std::mem::replace(&mut notes.over, true);
        let transaction = connection.begin().await?;
        notes.over = over;
        Ok(CachingTransaction {
            connection: CachingConnection { executor: self.executor.clone(), level: Level::Savepoint { transaction, notes } },
        })
    }

    /// The connection and the notes, apart; without a mark, for those who observe what they do.
    fn parts(&mut self) -> (&mut DB::Connection, &mut Notes<DB>) {
        match &mut self.level {
            Level::Top { transaction, notes } => (&mut **transaction, notes),
            Level::Savepoint { transaction, notes } => (&mut *transaction, &mut **notes),
        }
    }

    /// Runs a statement, and notes what it may write. One that commits by itself is fenced and invalidated at once, together with what was noted so far.
    fn run(&mut self, request: Request<DB>) -> Steps<'_, DB> {
        let executor = self.executor.clone();
        let Some(engine) = executor.shared.engine.clone() else { return DB::fetch_many(self.parts().0, request) };
        let plan = executor.shared.plan(request.sql.as_str());
        let (connection, notes) = self.parts();
        let analysis = &plan.analysis;
        // A COMMIT or ROLLBACK as text among them: what follows may commit by itself.
        notes.over |= analysis.session == Session::Changed;
        // The plans that follow are made with the names of the pool's sessions.
        notes.renamed |= matches!(analysis.session, Session::Changed | Session::LocalNames);
        let writes = analysis.writes != Writes::Nothing || analysis.changes_schema;
        if !writes && !analysis.commits {
            executor.shared.note_session(&analysis.session);
            let steps = notes.unanswered.fetch_many::<DB>(connection, request);
            note(Outcome::Bypass);
            return if analysis.read.is_ok() { read_past::<DB>(&engine, &plan, steps) } else { steps };
        }
        if writes {
            count(&executor.shared.counters.writes);
        }
        notes.schema.get_or_insert((plan.version, plan.epoch));
        let asks = executor.shared.asks_at_commit(&plan) || (notes.renamed && executor.shared.may_ask_at_commit());
        if writes && asks && !notes.over {
            notes.unclear = true;
        } else if writes {
            notes.tags.extend(plan.writes.iter().cloned());
            notes.changes_schema |= analysis.changes_schema;
            if notes.renamed {
                notes.tags.insert(Tag::all());
            }
        }
        // What can do anything can commit, where a procedure may.
        let everything = analysis.writes == Writes::Everything && DB::DIALECT == Dialect::MySql;
        notes.over |= everything || analysis.commits;
        if !notes.over {
            executor.shared.note_session(&analysis.session);
            return notes.unanswered.fetch_many::<DB>(connection, request);
        }
        let tags = notes.tags();
        async move {
            let sql = request.sql.clone();
            let span = match engine.begin(tags).await {
                Ok(span) => span,
                Err(refused) => return stream::iter(vec![Err(refused)]),
            };
            let mut steps = Vec::new();
            let mut failure = None;
            let mut running = notes.unanswered.fetch_many::<DB>(&mut *connection, request);
            while let Some(step) = running.next().await {
                match step {
                    Ok(step) => steps.push(Ok(step)),
                    Err(error) => failure = Some(error),
                }
            }
            drop(running);
            executor.shared.note_session_after(&plan, sql.as_str(), failure.as_ref());
            // Elsewhere than in MySQL the schema is not committed yet: the commit reads the catalog.
            let committed = (DB::DIALECT == Dialect::MySql).then_some(connection);
            let settled = executor.shared.settle(&engine, committed, Write::planned(&plan, sql.as_str()), span, failure.as_ref()).await;
            steps.extend(failure.or(settled.err()).map(Err));
            stream::iter(steps)
        }
        .flatten_stream()
        .boxed()
    }
}

impl<'c, DB: Backend> Deref for CachingTransaction<'c, DB> {
    type Target = CachingConnection<'c, DB>;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<DB: Backend> DerefMut for CachingTransaction<'_, DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

impl<DB: Backend> Deref for CachingConnection<'_, DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        match &self.level {
            Level::Top { transaction, .. } => transaction,
            Level::Savepoint { transaction, .. } => transaction,
        }
    }
}

/// Hands the connection out. What is done with it is not observed, so from here on the transaction counts as having written anything, however it ends. (What a
/// script commits in its middle is forgotten at that end, not before.)
impl<DB: Backend> DerefMut for CachingConnection<'_, DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        let shared = Arc::clone(&self.executor.shared);
        let (connection, notes) = self.parts();
        notes.unobserved = Some(shared);
        notes.changes_schema = true;
        notes.tags.insert(Tag::all());
        connection
    }
}

impl<DB: Backend> fmt::Debug for CachingTransaction<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachingTransaction").finish_non_exhaustive()
    }
}

impl<DB: Backend> fmt::Debug for CachingConnection<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachingConnection").finish_non_exhaustive()
    }
}

/// The `Executor` of a transaction's connection, once per database: a generic one overflows the trait solver.
macro_rules! executor_for_connection {
    ($database:ty) => {
        impl<'t> Executor<'t> for &'t mut CachingConnection<'_, $database> {
            type Database = $database;

            fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Steps<'e, $database>
            where
                't: 'e,
                E: 'q + Execute<'q, $database>,
            {
                match Request::new(query) {
                    Ok(request) => self.run(request),
                    Err(error) => stream::once(future::ready(Err(error))).boxed(),
                }
            }

            fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<<$database as sqlx::Database>::Row>, Error>>
            where
                't: 'e,
                E: 'q + Execute<'q, $database>,
            {
                // To its end: the driver may give the first row before the server has finished.
                self.fetch_many(query).try_fold(None, |first, step| future::ready(Ok(first.or_else(|| step.right())))).boxed()
            }

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [<$database as sqlx::Database>::TypeInfo],
            ) -> BoxFuture<'e, Result<<$database as sqlx::Database>::Statement, Error>>
            where
                't: 'e,
            {
                let (connection, notes) = self.parts();
                let asking = <$database as Backend>::prepare_with(connection, sql, parameters);
                notes.unanswered.until(<$database as Backend>::CANCEL_SAFE, asking).boxed()
            }

            fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<$database>, Error>>
            where
                't: 'e,
            {
                let (connection, notes) = self.parts();
                let asking = <$database as Backend>::describe(connection, sql);
                notes.unanswered.until(<$database as Backend>::CANCEL_SAFE, asking).boxed()
            }
        }
    };
}

/// What a transaction reads may be newer than what is near: nobody here is given the older thereafter. It is forgotten when the first row comes, since by then the
/// database has read.
fn read_past<'a, DB: Backend>(engine: &Arc<Engine>, plan: &Arc<Plan>, steps: Steps<'a, DB>) -> Steps<'a, DB> {
    let mut unread = Some((Arc::clone(engine), Arc::clone(plan)));
    let forget = move |_: &_| {
        if let Some((engine, plan)) = unread.take() {
            engine.store().forget_near(&plan.reads);
        }
    };
    steps.inspect(forget).boxed()
}

#[cfg(feature = "mysql")]
executor_for_connection!(sqlx::MySql);
#[cfg(feature = "postgres")]
executor_for_connection!(sqlx::Postgres);
#[cfg(feature = "sqlite")]
executor_for_connection!(sqlx::Sqlite);
