//! The executor's face to sqlx: every method, by what the statement means.

use super::CachingExecutor;
use super::reading::Reading;
use super::recall::Recall;
use super::schema::Plan;
use crate::analysis::{Session, Writes};
use crate::database::{Backend, Request, Steps};
use crate::engine::Engine;
use crate::stats::Reason;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, TryFutureExt, TryStreamExt, future, stream};
use sqlx::{Describe, Error, Execute, Executor, SqlStr};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// Which way a statement goes.
pub(super) enum Route<'a> {
    /// Past the cache.
    Direct,
    /// It may be answered from the cache.
    Read(Arc<Plan>),
    /// It may write, or commit what was written before.
    Write(&'a Arc<Engine>, Arc<Plan>),
}

impl<DB: Backend> CachingExecutor<DB> {
    pub(super) fn route(&self, sql: &str) -> Route<'_> {
        let Some(engine) = &self.shared.engine else { return Route::Direct };
        let plan = self.shared.plan(sql);
        let commits = plan.analysis.commits && (plan.analysis.session == Session::Changed || self.shared.session_changed.load(SeqCst));
        if plan.analysis.writes != Writes::Nothing || plan.analysis.changes_schema || commits {
            if self.shared.prefix.get().is_none() {
                // A process that only writes must get to know its database, too: until then it can set no fence.
                self.shared.load_later();
            }
            return Route::Write(engine, plan);
        }
        self.shared.note_session(&plan.analysis.session);
        match plan.analysis.read {
            Ok(_) => Route::Read(plan),
            Err(bypass) => {
                self.note_bypass(bypass.into());
                Route::Direct
            }
        }
    }

    /// Every step, this way.
    pub(super) fn many<'a>(&'a self, route: Route<'a>, request: Request<DB>) -> Steps<'a, DB> {
        match route {
            Route::Direct => self.direct(request),
            Route::Read(plan) => Reading::Asked(Some((self, plan, request))).boxed(),
            Route::Write(engine, plan) => self.shared.write(engine, plan, request),
        }
    }

    /// The first row, if any, this way.
    pub(super) fn optional<'a>(&'a self, route: Route<'a>, request: Request<DB>) -> BoxFuture<'a, Result<Option<DB::Row>, Error>> {
        match route {
            Route::Read(plan) => async move {
                match self.recall(&plan, &request, true, None) {
                    Recall::Ready(replayed) => Ok(replayed.rows.into_iter().next()),
                    recalled => Box::pin(self.read_one(&plan, request, recalled)).await,
                }
            }
            .boxed(),
            Route::Direct => async move {
                let mut connection = self.shared.lend().await?;
                connection.fetch_optional(request).await
            }
            .boxed(),
            Route::Write(engine, plan) => {
                // To its end: a driver may give the first row before the server has finished.
                let steps = self.shared.write(engine, plan, request);
                steps.try_fold(None, |first: Option<DB::Row>, step| future::ready(Ok(first.or_else(|| step.right())))).boxed()
            }
        }
    }

    fn direct(&self, request: Request<DB>) -> Steps<'_, DB> {
        async_stream::try_stream! {
            let mut connection = self.shared.lend().await?;
            let mut steps = connection.fetch_many(request);
            while let Some(step) = steps.try_next().await? {
                yield step;
            }
        }
        .boxed()
    }
}

impl<'c, DB: Backend> Executor<'c> for &'c CachingExecutor<DB> {
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Steps<'e, DB>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let request = match Request::new(query) {
            Ok(request) => request,
            Err(error) => return stream::once(future::ready(Err(error))).boxed(),
        };
        self.many(self.route(request.sql.as_str()), request)
    }

    fn execute_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<DB::QueryResult, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let request = match Request::new(query) {
            Ok(request) => request,
            Err(error) => return stream::once(future::ready(Err(error))).boxed(),
        };
        let steps = match self.route(request.sql.as_str()) {
            Route::Write(engine, plan) => self.shared.write(engine, plan, request),
            Route::Direct => self.direct(request),
            Route::Read(_) => {
                // Whoever executes a SELECT wants its effect on the connection, if anything: not its rows.
                self.note_bypass(Reason::Execute);
                self.direct(request)
            }
        };
        steps.try_filter_map(|step| future::ready(Ok(step.left()))).boxed()
    }

    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<DB::QueryResult, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        self.execute_many(query).try_collect().boxed()
    }

    fn fetch<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<DB::Row, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        self.fetch_many(query).try_filter_map(|step| future::ready(Ok(step.right()))).boxed()
    }

    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<DB::Row>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let request = match Request::new(query) {
            Ok(request) => request,
            Err(error) => return future::ready(Err(error)).boxed(),
        };
        match self.route(request.sql.as_str()) {
            Route::Read(plan) => async move {
                match self.recall(&plan, &request, false, None) {
                    Recall::Ready(replayed) => Ok(replayed.rows),
                    // Boxed, so that whoever finds ready-made rows doesn't carry the room for all that it takes to have none.
                    recalled => Box::pin(self.read_all(&plan, request, recalled)).await,
                }
            }
            .boxed(),
            Route::Direct => rows_of::<DB>(self.direct(request)),
            Route::Write(engine, plan) => rows_of::<DB>(self.shared.write(engine, plan, request)),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let request = match Request::new(query) {
            Ok(request) => request,
            Err(error) => return future::ready(Err(error)).boxed(),
        };
        self.optional(self.route(request.sql.as_str()), request)
    }

    fn fetch_one<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<DB::Row, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        self.fetch_optional(query).and_then(|row| future::ready(row.ok_or(Error::RowNotFound))).boxed()
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [DB::TypeInfo]) -> BoxFuture<'e, Result<DB::Statement, Error>>
    where
        'c: 'e,
    {
        async move { self.shared.lend().await?.ask(|connection| DB::prepare_with(connection, sql, parameters)).await }.boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, Error>>
    where
        'c: 'e,
    {
        async move { self.shared.lend().await?.ask(|connection| DB::describe(connection, sql)).await }.boxed()
    }
}

fn rows_of<DB: Backend>(steps: Steps<'_, DB>) -> BoxFuture<'_, Result<Vec<DB::Row>, Error>> {
    steps.try_filter_map(|step| future::ready(Ok(step.right()))).try_collect().boxed()
}
