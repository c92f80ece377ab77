//! A read whose answer can be kept: from the store if it is there, else from the database and into the store.

use super::CachingExecutor;
use super::lent::Lent;
use super::schema::Plan;
use crate::analysis::Dialect;
use crate::database::{Backend, Request, Step};
use crate::engine::{Engine, Found, Permit};
use crate::rows::{Recording, ReplayError, Replayed, RowCodec};
use crate::stats::{Reason, count};
use either::Either;
use futures_util::{FutureExt, TryStreamExt};
use sqlx::{Connection, Error, Row};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;
use tokio::time::Instant;

/// What a look-up gave the caller to work with.
pub(super) enum Answer<DB: Backend> {
    Hit(Replayed<DB>),
    /// The database must answer; it may be told about the answer as it comes.
    Miss(Filling<DB>),
}

/// Collects what the database answers, and stores it when it is complete. Does nothing where nothing may be stored.
pub(super) struct Filling<DB: Backend>(Option<Open<DB>>);

struct Open<DB: Backend> {
    executor: CachingExecutor<DB>,
    engine: Arc<Engine>,
    plan: Arc<Plan>,
    key: String,
    ttl: Duration,
    permit: Permit,
    recording: Box<dyn Recording<DB>>,
    checked: bool,
    /// Whether the end of the answer was seen. sqlx's SQLite worker may panic, and then the rows just stop coming, without an error.
    complete: bool,
    /// Whether a column came from a table that the plan does not name.
    astray: bool,
    since: Instant,
}

impl<DB: Backend> CachingExecutor<DB> {
    /// Why this clone does not look this read up, though its text could be.
    fn refusal(&self, request: &Request<DB>) -> Option<Reason> {
        if request.arguments.is_none() {
            Some(Reason::RawSql)
        } else if !request.persistent && DB::Codec::KEEPS_STATEMENTS {
            Some(Reason::NotPersistent)
        } else {
            self.refusal_of_text()
        }
    }

    /// The same, for any arguments.
    pub(crate) fn refusal_of_text(&self) -> Option<Reason> {
        let shared = &self.shared;
        if self.options.uncached {
            Some(Reason::Uncached)
        } else if shared.engine.is_none() {
            Some(Reason::Off)
        } else if shared.session_changed.load(SeqCst) {
            Some(Reason::Session)
        } else if shared.prefix.get().is_none() {
            shared.load_later();
            Some(Reason::Starting)
        } else if !shared.replays.load(Relaxed) {
            Some(Reason::Rows)
        } else {
            None
        }
    }

    /// Why this clone does not look this plan up.
    pub(crate) fn refusal_of_plan(&self, plan: &Plan) -> Option<Reason> {
        let secured = plan.analysis.read.as_ref().is_ok_and(|read| read.secured);
        (secured && self.options.scope.is_none()).then_some(Reason::RowSecurity)
    }

    /// The key of a read with these arguments; `None` where they are too large to hash.
    pub(crate) fn key(&self, plan: &Plan, sql: &str, arguments: &DB::Arguments, one: bool) -> Option<String> {
        let prefix = self.shared.prefix.get()?;
        crate::key::key(prefix, &plan.stem, self.options.scope.as_deref(), sql, arguments, one)
    }

    /// How long this clone keeps an answer.
    pub(crate) fn time_to_live(&self, plan: &Plan) -> Duration {
        self.options.ttl.unwrap_or(plan.ttl)
    }

    /// Looks a read up; `one` tells a read of one row from a read of all, whose answers differ.
    pub(super) async fn look_up(&self, plan: &Arc<Plan>, request: &Request<DB>, one: bool) -> Answer<DB> {
        match self.look_up_by(plan, request, one).await {
            Some(answer) => answer,
            None => {
                // Somebody changed the schema, in another process perhaps: read the catalog, and understand the statement anew.
                let understood = match self.shared.lend().await {
                    Ok(mut connection) => connection.ask(|connection| self.shared.refresh_on(connection, plan.version).boxed()).await,
                    Err(_) => false,
                };
                let plan = if understood { self.shared.plan(request.sql.as_str()) } else { Arc::clone(plan) };
                let answer = if plan.analysis.read.is_ok() { self.look_up_by(&plan, request, one).await } else { None };
                answer.unwrap_or_else(|| {
                    self.shared.counters.bypass(Reason::Schema);
                    Answer::Miss(Filling(None))
                })
            }
        }
    }

    /// The same; nothing if the schema is not the one that the plan was made with.
    async fn look_up_by(&self, plan: &Arc<Plan>, request: &Request<DB>, one: bool) -> Option<Answer<DB>> {
        let shared = &self.shared;
        let Some(engine) = &shared.engine else { return Some(Answer::Miss(Filling(None))) };
        let refusal = self.refusal(request).or_else(|| self.refusal_of_plan(plan));
        let key = match (refusal, &request.arguments) {
            (None, Some(arguments)) => self.key(plan, request.sql.as_str(), arguments, one).ok_or(Reason::Arguments),
            (reason, _) => Err(reason.unwrap_or(Reason::RawSql)),
        };
        let key = match key {
            Ok(key) => key,
            Err(reason) => {
                shared.counters.bypass(reason);
                return Some(Answer::Miss(Filling(None)));
            }
        };
        let ttl = self.time_to_live(plan);
        let found = engine.look_up(&key, &plan.reads, plan.epoch, (!self.options.refresh).then_some(ttl)).await;
        let permit = match found {
            Found::Hit(rows) => match shared.codec.replay(&shared.pool, &request.sql, request.statement.as_ref(), rows).await {
                Ok(replayed) => {
                    count(&shared.counters.hits);
                    count(&plan.counters.hits);
                    tracing::debug!(%key, "hit");
                    return Some(Answer::Hit(replayed));
                }
                Err(error) => {
                    count(if matches!(error, ReplayError::Malformed(_)) {
                        &shared.counters.malformed
                    } else {
                        &shared.counters.replay_errors
                    });
                    tracing::warn!(%key, %error, "an entry can't be replayed; the database answers");
                    if !matches!(error, ReplayError::Driver(_)) {
                        engine.discard(&key).await;
                    }
                    None
                }
            },
            Found::OtherSchema => return None,
            Found::Miss(permit) => Some(permit),
            Found::Direct(reason) => {
                shared.counters.not_stored(reason);
                None
            }
        };
        count(&shared.counters.misses);
        count(&plan.counters.misses);
        tracing::debug!(%key, "miss");
        Some(Answer::Miss(Filling(permit.map(|permit| Open {
            executor: self.clone(),
            engine: Arc::clone(engine),
            plan: Arc::clone(plan),
            key,
            ttl,
            permit,
            recording: shared.codec.record(shared.policy.max_entry),
            checked: false,
            complete: false,
            astray: false,
            since: Instant::now(),
        }))))
    }

    /// All rows.
    pub(super) async fn read_all(&self, plan: &Arc<Plan>, request: Request<DB>) -> Result<Vec<DB::Row>, Error> {
        match self.look_up(plan, &request, false).await {
            Answer::Hit(replayed) => Ok(replayed.rows),
            Answer::Miss(mut filling) => {
                let sql = request.sql.clone();
                let mut connection = self.shared.lend().await?;
                let mut rows = Vec::new();
                let mut steps = connection.fetch_many(request);
                while let Some(step) = steps.try_next().await? {
                    filling.see(&step);
                    rows.extend(step.right());
                }
                drop(steps);
                filling.finish(&sql, connection).await;
                Ok(rows)
            }
        }
    }

    /// The first row, if any.
    pub(super) async fn read_one(&self, plan: &Arc<Plan>, request: Request<DB>) -> Result<Option<DB::Row>, Error> {
        match self.look_up(plan, &request, true).await {
            Answer::Hit(replayed) => Ok(replayed.rows.into_iter().next()),
            Answer::Miss(mut filling) => {
                let sql = request.sql.clone();
                let mut connection = self.shared.lend().await?;
                if DB::DIALECT == Dialect::Postgres {
                    let row = read_to_the_end::<DB>(&mut connection, request, &mut filling).await?;
                    filling.finish(&sql, connection).await;
                    return Ok(row);
                }
                let row = connection.fetch_optional(request).await?;
                match &row {
                    Some(row) => {
                        filling.push(row);
                        filling.complete();
                    }
                    // Nothing else tells an answer without rows from a worker that crashed.
                    None if DB::DIALECT == Dialect::Sqlite && connection.ping().await.is_err() => {}
                    None => filling.complete(),
                }
                filling.finish(&sql, connection).await;
                Ok(row)
            }
        }
    }
}

/// The first row, as PostgreSQL's driver itself reads it: to the end of the answer. Which must be seen: on a connection that a failed COPY has left out of step (sqlx
/// 0.9 does), an answer of no rows and no end is nobody's answer.
async fn read_to_the_end<DB: Backend>(
    connection: &mut DB::Connection,
    request: Request<DB>,
    filling: &mut Filling<DB>,
) -> Result<Option<DB::Row>, Error> {
    let mut first = None;
    let mut steps = DB::fetch_many(connection, request);
    while let Some(step) = steps.try_next().await? {
        match step {
            Either::Right(row) if first.is_none() => {
                filling.push(&row);
                first = Some(row);
            }
            Either::Right(_) => {}
            Either::Left(_) => filling.complete(),
        }
    }
    Ok(first)
}

impl<DB: Backend> Filling<DB> {
    /// A row has come, in its order.
    fn push(&mut self, row: &DB::Row) {
        let Some(open) = self.0.as_mut().filter(|open| !open.astray) else { return };
        if let Err(reason) = open.push(row) {
            open.executor.shared.counters.not_stored(reason);
            if reason == Reason::Origin {
                open.astray = true;
            } else {
                self.0 = None;
            }
        }
    }

    /// A step of the answer has come, in its order.
    pub(super) fn see(&mut self, step: &Step<DB>) {
        match step {
            Either::Right(row) => self.push(row),
            Either::Left(_) => self.complete(),
        }
    }

    /// The answer has come to its end.
    fn complete(&mut self) {
        if let Some(open) = &mut self.0 {
            open.complete = true;
        }
    }

    /// Nothing more will come: keep the answer if it is complete. The connection that answered is given back before the store is asked.
    pub(super) async fn finish(mut self, sql: &sqlx::SqlStr, mut connection: Lent<DB>) {
        let Some(open) = self.0.take() else { return };
        let shared = &open.executor.shared;
        let cost = open.since.elapsed();
        if open.astray {
            // Tables that swapped their names, perhaps: a connection that prepared the statement before tells of the old ones as long as it keeps it.
            if let Err(error) = connection.clear_cached_statements().await {
                tracing::debug!(%error, "a connection does not forget what it prepared");
            }
            return;
        }
        if !open.complete {
            shared.counters.not_stored(Reason::Unfinished);
            return;
        }
        // What the statement means may have changed while the database answered: by a reload, a temporary table, a changed session.
        if !shared.still_reads(&open.plan, sql.as_str()) || shared.session_changed.load(SeqCst) {
            shared.counters.not_stored(Reason::Session);
            return;
        }
        let payload = match open.recording.finish() {
            Ok(payload) => payload,
            Err(unreplayable) => {
                shared.counters.not_stored(unreplayable.into());
                return;
            }
        };
        shared.codec.learn(sql, &mut connection).await;
        drop(connection);
        let ttl = shared.policy.jittered(open.ttl);
        if open.engine.fill(&open.key, &open.plan.reads, &open.permit, cost, &payload, ttl).await {
            count(&shared.counters.fills);
            count(&open.plan.counters.fills);
        } else {
            shared.counters.not_stored(Reason::Store);
        }
    }
}

/// Rows that stopped coming, because the caller or the database gave up, are not an answer.
impl<DB: Backend> Drop for Filling<DB> {
    fn drop(&mut self) {
        if let Some(open) = self.0.as_ref().filter(|open| !open.astray) {
            open.executor.shared.counters.not_stored(Reason::Unfinished);
        }
    }
}

impl<DB: Backend> Open<DB> {
    fn push(&mut self, row: &DB::Row) -> Result<(), Reason> {
        if !self.checked {
            self.check_origins(row)?;
            self.checked = true;
        }
        self.recording.push(row).map_err(Reason::from)
    }

    /// The columns tell which tables they come from: one that the analysis did not name means that the analysis is wrong.
    fn check_origins(&self, row: &DB::Row) -> Result<(), Reason> {
        if !self.executor.shared.closure {
            return Ok(());
        }
        let schema = self.executor.shared.schema.load();
        for column in row.columns() {
            match DB::origin(&schema.catalog, column) {
                None => {}
                Some(Ok(tag)) if self.plan.reads.contains(&tag) => {}
                Some(Ok(tag)) => {
                    tracing::error!(key = %self.key, table = %tag, "a column comes from a table that the analysis did not name; the answer is not kept");
                    return Err(Reason::Origin);
                }
                Some(Err(table)) => {
                    tracing::warn!(key = %self.key, %table, "a column comes from a table that the catalog does not know; the answer is not kept");
                    return Err(Reason::Origin);
                }
            }
        }
        Ok(())
    }
}
