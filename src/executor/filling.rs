//! An answer on its way from the database into the store: recorded row by row, checked at its end, and only then kept.

use super::CachingExecutor;
use super::lent::Lent;
use super::schema::Plan;
use super::shelf::Question;
use crate::analysis::Dialect;
use crate::database::{Backend, Request, Step};
use crate::engine::{Engine, Permit};
use crate::entry::Facts;
use crate::rows::{Recording, RowCodec};
use crate::stats::{Counters, Reason};
use bytes::Bytes;
use either::Either;
use futures_util::TryStreamExt;
use sqlx::{Column, Connection, Error, Row, SqlStr};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tokio::time::Instant;

/// A look-up that found nothing: what it takes to keep the answer when the database has given it.
pub(super) struct Miss<DB: Backend> {
    pub(super) executor: CachingExecutor<DB>,
    pub(super) engine: Arc<Engine>,
    pub(super) plan: Arc<Plan>,
    pub(super) question: Question,
    pub(super) key: Arc<str>,
    /// Whether one row is asked for, or all.
    pub(super) one: bool,
    pub(super) ttl: Duration,
    pub(super) stale: Duration,
    pub(super) permit: Permit,
    /// When it was looked up; none where nobody waits.
    pub(super) since: Option<Instant>,
}

/// Collects what the database answers. Does nothing where nothing may be stored.
pub(super) struct Filling<DB: Backend> {
    open: Option<Open<DB>>,
    /// What this process has mirrored of the tables read; none once it is forgotten. An answer that is not stored may be newer than that, and whoever has seen
    /// it must not be given older ones thereafter.
    near: Option<(Arc<Engine>, Arc<Plan>)>,
    clock: Option<Clock>,
}

/// What is timed.
struct Clock {
    counters: Arc<Counters>,
    plan: Arc<Plan>,
    /// When it was looked up; none where nobody waits.
    looked_up: Option<Instant>,
    asked: Instant,
}

struct Open<DB: Backend> {
    miss: Miss<DB>,
    recording: Box<dyn Recording<DB>>,
    checked: bool,
    /// Whether the end of the answer was seen. sqlx's SQLite worker may panic, and then the rows just stop coming, without an error.
    complete: bool,
    /// Whether a column came from a table that the plan does not name.
    astray: bool,
    since: Instant,
}

/// What an answer has come to at its end.
#[expect(clippy::large_enum_variant, reason = "taken apart where it is made")]
pub(super) enum Finished<DB: Backend> {
    /// It can be kept, and shared.
    Whole(Kept<DB>),
    /// It can't be, nor can the next one, probably.
    Unkept,
    /// It can't be this time.
    Refused,
}

/// An answer that can be stored.
pub(super) struct Kept<DB: Backend> {
    miss: Miss<DB>,
    pub(super) rows: Bytes,
    cost: Duration,
}

impl<DB: Backend> Filling<DB> {
    /// Of an answer that is not to be kept.
    pub(super) fn none(engine: Option<Arc<Engine>>, plan: &Arc<Plan>) -> Self {
        Self { open: None, near: engine.map(|engine| (engine, Arc::clone(plan))), clock: None }
    }

    /// Begins when the database is asked.
    pub(super) fn new(miss: Miss<DB>) -> Self {
        let shared = &miss.executor.shared;
        let recording = shared.codec.record(shared.policy.max_entry);
        let near = Some((Arc::clone(&miss.engine), Arc::clone(&miss.plan)));
        let asked = Instant::now();
        let clock = Clock { counters: Arc::clone(&shared.counters), plan: Arc::clone(&miss.plan), looked_up: miss.since, asked };
        Self {
            open: Some(Open { recording, miss, checked: false, complete: false, astray: false, since: asked }),
            near,
            clock: Some(clock),
        }
    }

    /// Whether the answer, or what has come of it, can't be kept.
    pub(super) fn is_given_up(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.astray)
    }

    /// A row has come, in its order.
    fn push(&mut self, row: &DB::Row) {
        let Some(open) = self.open.as_mut().filter(|open| !open.astray) else { return };
        if let Err(reason) = open.push(row) {
            open.miss.executor.note_not_stored(reason);
            open.miss.plan.experience.note_kept(false);
            if reason == Reason::Origin {
                open.astray = true;
            } else {
                self.open = None;
            }
        }
    }

    /// A step of the answer has come, in its order.
    pub(super) fn see(&mut self, step: &Step<DB>) {
        match step {
            Either::Right(row) => self.push(row),
            Either::Left(_) => self.complete(),
        }
        if self.is_given_up() {
            self.forget_near();
        }
    }

    /// Before the answer is given away.
    fn forget_near(&mut self) {
        if let Some((engine, plan)) = self.near.take() {
            // Where a statement is passed on for a while, its tables will do: with the schema and what stands for all of them, which every answer depends on, nothing
            // would be near any more as long as it is read.
            match (plan.worth.left(), &plan.analysis.read) {
                (Some(_), Ok(read)) => engine.forget_near(&read.tables),
                _ => engine.forget_near(&plan.reads),
            }
        }
    }

    /// The answer has come to its end.
    fn complete(&mut self) {
        if let Some(open) = &mut self.open {
            open.complete = true;
        }
    }

    /// Reads the first row, if any.
    pub(super) async fn read_one(&mut self, connection: &mut Lent<DB>, request: Request<DB>) -> Result<Option<DB::Row>, Error> {
        if DB::DIALECT == Dialect::Postgres {
            return self.read_to_the_end(connection, request).await;
        }
        let row = connection.fetch_optional(request).await?;
        match &row {
            Some(row) => {
                self.push(row);
                self.complete();
            }
            // Nothing else tells an answer without rows from a worker that crashed.
            None if DB::DIALECT == Dialect::Sqlite && connection.ping().await.is_err() => {}
            None => self.complete(),
        }
        Ok(row)
    }

    /// The same, as PostgreSQL's driver itself reads it: to the end of the answer. Which must be seen: on a connection that a failed COPY has left out of step (sqlx
    /// 0.9 does), an answer of no rows and no end is nobody's answer.
    async fn read_to_the_end(&mut self, connection: &mut DB::Connection, request: Request<DB>) -> Result<Option<DB::Row>, Error> {
        let mut first = None;
        let mut steps = DB::fetch_many(connection, request);
        while let Some(step) = steps.try_next().await? {
            match step {
                Either::Right(row) if first.is_none() => {
                    self.push(&row);
                    first = Some(row);
                }
                Either::Right(_) => {}
                Either::Left(_) => self.complete(),
            }
        }
        Ok(first)
    }

    /// Nothing more will come: see what it is worth. The connection that answered is given back.
    pub(super) async fn finish(mut self, sql: &SqlStr, connection: Lent<DB>) -> Finished<DB> {
        if let Some(clock) = &self.clock {
            clock.stop(sql.as_str());
        }
        let finished = self.close(sql, connection).await;
        if !matches!(finished, Finished::Whole(_)) {
            self.forget_near();
        }
        finished
    }

    async fn close(&mut self, sql: &SqlStr, mut connection: Lent<DB>) -> Finished<DB> {
        let Some(open) = self.open.take() else { return Finished::Unkept };
        let shared = Arc::clone(&open.miss.executor.shared);
        let cost = open.since.elapsed();
        open.miss.plan.experience.note_cost(cost);
        if open.astray {
            // Tables that swapped their names, perhaps: a connection that prepared the statement before tells of the old ones as long as it keeps it.
            if let Err(error) = connection.clear_cached_statements().await {
                tracing::debug!(%error, "a connection does not forget what it prepared");
            }
            return Finished::Unkept;
        }
        if !open.complete {
            open.miss.executor.note_not_stored(Reason::Unfinished);
            return Finished::Refused;
        }
        // What the statement means may have changed while the database answered: by a reload, a temporary table, a changed session.
        if !open.miss.still_holds(sql) {
            open.miss.executor.note_not_stored(Reason::Session);
            return Finished::Refused;
        }
        let Open { miss, recording, .. } = open;
        match recording.finish() {
            Ok(rows) => {
                miss.plan.experience.note_kept(true);
                shared.codec.learn(sql, &mut connection).await;
                Finished::Whole(Kept { miss, rows: rows.into(), cost })
            }
            Err(unreplayable) => {
                miss.plan.experience.note_kept(false);
                miss.executor.note_not_stored(unreplayable.into());
                Finished::Unkept
            }
        }
    }
}

impl Clock {
    /// The database's answer has come to its end.
    fn stop(&self, sql: &str) {
        let insight = &self.counters.insight;
        insight.database.note(self.asked.elapsed());
        if let Some(looked_up) = self.looked_up {
            let table = self.plan.analysis.read.as_ref().ok().and_then(|read| read.tables.first());
            insight.missed(sql, table.map(ToString::to_string).as_deref(), looked_up.elapsed());
        }
    }
}

/// Rows that stopped coming, because the caller or the database gave up, are not an answer.
impl<DB: Backend> Drop for Filling<DB> {
    fn drop(&mut self) {
        if let Some(open) = self.open.as_ref().filter(|open| !open.astray) {
            open.miss.executor.note_not_stored(Reason::Unfinished);
        }
    }
}

impl<DB: Backend> Clone for Miss<DB> {
    fn clone(&self) -> Self {
        Self {
            executor: self.executor.clone(),
            engine: Arc::clone(&self.engine),
            plan: Arc::clone(&self.plan),
            question: self.question.clone(),
            key: Arc::clone(&self.key),
            permit: self.permit.clone(),
            ..*self
        }
    }
}

impl<DB: Backend> Miss<DB> {
    /// Whether the statement still means what it meant when it was looked up.
    pub(super) fn still_holds(&self, sql: &SqlStr) -> bool {
        let shared = &self.executor.shared;
        shared.still_reads(&self.plan, sql.as_str()) && !shared.session_changed.load(SeqCst)
    }
}

impl<DB: Backend> Finished<DB> {
    /// Stores what can be.
    pub(super) async fn store(self) {
        if let Self::Whole(kept) = self {
            kept.store().await;
        }
    }
}

impl<DB: Backend> Kept<DB> {
    pub(super) async fn store(self) {
        let Self { miss, rows, cost } = self;
        let shared = &miss.executor.shared;
        let facts = Facts { fresh_for: shared.policy.jittered(miss.ttl), cost };
        match miss.engine.fill(&miss.key, &miss.plan.reads, &miss.permit, facts, &rows, miss.stale).await {
            Ok(answered) => {
                miss.executor.note_filled(&miss.plan.counters.fills);
                shared.shelve(&miss.engine, &miss.plan, miss.question, answered);
            }
            Err(reason) => miss.executor.note_not_stored(reason),
        }
    }
}

impl<DB: Backend> Open<DB> {
    fn push(&mut self, row: &DB::Row) -> Result<(), Reason> {
        if !self.checked {
            self.check_denied(row)?;
            self.check_origins(row)?;
            self.checked = true;
        }
        self.recording.push(row).map_err(Reason::from)
    }

    /// Nothing is kept that shows what must not be. Where a table with such columns was read, each column has to tell that it is another one.
    fn check_denied(&self, row: &DB::Row) -> Result<(), Reason> {
        let schema = self.miss.executor.shared.schema.load();
        let denied = schema.catalog.denied();
        if denied.is_empty() {
            return Ok(());
        }
        let Plan { analysis, reads, .. } = &*self.miss.plan;
        let guarded = analysis.read.as_ref().is_ok_and(|read| read.guarded);
        for column in row.columns() {
            let label = column.name().to_lowercase();
            let named = denied.is_label(&label)
                || guarded && reads.iter().filter_map(|tag| denied.columns_of(tag)).any(|columns| columns.contains(&label));
            let may_be_shown = match (DB::origin(&schema.catalog, column), DB::part(column)) {
                (Some(Ok(tag)), Some(part)) => denied.may_show(&tag, &part),
                _ => !guarded,
            };
            if named || !may_be_shown {
                return Err(Reason::Denied);
            }
        }
        Ok(())
    }

    /// The columns tell which tables they come from: one that the analysis did not name means that the analysis is wrong.
    fn check_origins(&self, row: &DB::Row) -> Result<(), Reason> {
        let Miss { executor, plan, key, .. } = &self.miss;
        if !executor.shared.closure {
            return Ok(());
        }
        let schema = executor.shared.schema.load();
        for column in row.columns() {
            match DB::origin(&schema.catalog, column) {
                None => {}
                Some(Ok(tag)) if plan.reads.contains(&tag) => {}
                Some(Ok(tag)) => {
                    tracing::error!(%key, table = %tag, "a column comes from a table that the analysis did not name; the answer is not kept");
                    return Err(Reason::Origin);
                }
                Some(Err(table)) => {
                    tracing::warn!(%key, %table, "a column comes from a table that the catalog does not know; the answer is not kept");
                    return Err(Reason::Origin);
                }
            }
        }
        Ok(())
    }
}
