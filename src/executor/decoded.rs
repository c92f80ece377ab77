//! Reads whose decoded values are shared: on a hit within reach nothing is made, neither rows nor values.
//!
//! The query runs on an executor of its own ([`Probe`]) in front of the usual one. Where the answer's values are there already, that one gives no rows and keeps the values aside;
//! else rows come as ever, the query decodes them, and what it decoded is kept with the answer that they came from. So sqlx's queries, whose decoding is nobody
//! else's to see, need not be taken apart.

use super::CachingExecutor;
use super::execute::Route;
use super::reading::Reading;
use super::recall::Recall;
use super::shelf::Shelved;
use crate::database::{Backend, Request, Steps};
use futures_core::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, future, stream};
use sqlx::query::{Map, QueryAs, QueryScalar};
use sqlx::{Describe, Error, Execute, Executor, FromRow, IntoArguments, SqlStr};
use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A query that decodes its rows: `query_as`, `query_scalar`, [`Query::map`](sqlx::query::Query::map) and the macros `query!`, `query_as!`, `query_scalar!`.
///
/// What it decodes must depend on the row alone. Of a closure that captures something nobody can tell that, so its values are made anew each time.
pub trait SharedQuery<DB: Backend>: Send + Sized {
    /// What a row is decoded to.
    type Value: Send + Sync + 'static;

    /// Names the decoding; `None` where its type does not say all.
    #[doc(hidden)]
    fn decoding() -> Option<TypeId>;

    #[doc(hidden)]
    fn all(self, probe: &Probe<'_, DB>) -> impl Future<Output = Result<Vec<Self::Value>, Error>> + Send;

    #[doc(hidden)]
    fn optional(self, probe: &Probe<'_, DB>) -> impl Future<Output = Result<Option<Self::Value>, Error>> + Send;
}

macro_rules! run_by_the_query {
    () => {
        async fn all(self, probe: &Probe<'_, DB>) -> Result<Vec<Self::Value>, Error> {
            self.fetch_all(probe).await
        }

        async fn optional(self, probe: &Probe<'_, DB>) -> Result<Option<Self::Value>, Error> {
            self.fetch_optional(probe).await
        }
    };
}

impl<DB: Backend, T, A> SharedQuery<DB> for QueryAs<'_, DB, T, A>
where
    T: for<'r> FromRow<'r, DB::Row> + Send + Sync + Unpin + 'static,
    A: IntoArguments<DB> + Send,
{
    type Value = T;

    fn decoding() -> Option<TypeId> {
        Some(TypeId::of::<(QueryAs<'static, DB, (), ()>, T)>())
    }

    run_by_the_query!();
}

impl<DB: Backend, T, A> SharedQuery<DB> for QueryScalar<'_, DB, T, A>
where
    (T,): for<'r> FromRow<'r, DB::Row>,
    T: Send + Sync + Unpin + 'static,
    A: IntoArguments<DB> + Send,
{
    type Value = T;

    fn decoding() -> Option<TypeId> {
        Some(TypeId::of::<(QueryScalar<'static, DB, (), ()>, T)>())
    }

    run_by_the_query!();
}

impl<DB: Backend, F, T, A> SharedQuery<DB> for Map<'_, DB, F, A>
where
    F: FnMut(DB::Row) -> Result<T, Error> + Send + 'static,
    T: Send + Sync + Unpin + 'static,
    A: IntoArguments<DB> + Send,
{
    type Value = T;

    fn decoding() -> Option<TypeId> {
        // What captures nothing is told by its type.
        (size_of::<F>() == 0).then(TypeId::of::<F>)
    }

    run_by_the_query!();
}

impl<DB: Backend> CachingExecutor<DB> {
    /// All rows, decoded: as `query.fetch_all(&db)`, but whoever asks again while the answer is within reach (in the near cache) is given the same values, which
    /// nobody decodes again. For what is read very often.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # async fn example(db: &sqlx_cached::CachingExecutor<sqlx::Sqlite>) -> sqlx::Result<()> {
    /// let names: std::sync::Arc<[(i64, String)]> = db.fetch_all_shared(sqlx::query_as("SELECT id, name FROM users WHERE id < ?").bind(10)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The query's.
    ///
    /// # Cancel safety
    ///
    /// As any read.
    pub async fn fetch_all_shared<Q: SharedQuery<DB>>(&self, query: Q) -> Result<Arc<[Q::Value]>, Error> {
        let probe = Probe::new(self, Q::decoding());
        let decoded = query.all(&probe).await?;
        let bytes = size_of_val(&*decoded);
        probe.shared(bytes, || decoded.into())
    }

    /// The first row, if any, decoded: as `query.fetch_optional(&db)`, but shared like that of [`fetch_all_shared`](Self::fetch_all_shared).
    ///
    /// # Errors
    ///
    /// The query's.
    ///
    /// # Cancel safety
    ///
    /// As any read.
    pub async fn fetch_optional_shared<Q: SharedQuery<DB>>(&self, query: Q) -> Result<Option<Arc<Q::Value>>, Error> {
        let probe = Probe::new(self, Q::decoding());
        let decoded = query.optional(&probe).await?;
        probe.shared(size_of::<Q::Value>(), || decoded.map(Arc::new))
    }

    /// The first row, decoded: as `query.fetch_one(&db)`, but shared like that of [`fetch_all_shared`](Self::fetch_all_shared).
    ///
    /// # Errors
    ///
    /// The query's; [`Error::RowNotFound`].
    ///
    /// # Cancel safety
    ///
    /// As any read.
    pub async fn fetch_one_shared<Q: SharedQuery<DB>>(&self, query: Q) -> Result<Arc<Q::Value>, Error> {
        self.fetch_optional_shared(query).await?.ok_or(Error::RowNotFound)
    }
}

/// What a read of values looks for while its rows are asked for.
pub(super) struct Wanted<DB: Backend> {
    /// The decoding.
    pub(super) by: TypeId,
    /// Its values, if they were there.
    pub(super) value: Option<Arc<dyn Any + Send + Sync>>,
    /// The answer that the rows come from.
    pub(super) of: Option<Arc<Shelved<DB>>>,
}

impl<DB: Backend> Wanted<DB> {
    /// Looks for the values with an answer, which is remembered.
    pub(super) fn find(&mut self, shelved: &Arc<Shelved<DB>>) -> bool {
        self.value = shelved.decoded(self.by);
        self.of = Some(Arc::clone(shelved));
        self.value.is_some()
    }
}

/// Stands before an executor for one query.
#[doc(hidden)]
pub struct Probe<'c, DB: Backend> {
    executor: &'c CachingExecutor<DB>,
    /// `None` where nothing is to be shared.
    wanted: Mutex<Option<Wanted<DB>>>,
}

impl<'c, DB: Backend> Probe<'c, DB> {
    fn new(executor: &'c CachingExecutor<DB>, decoding: Option<TypeId>) -> Self {
        Self { executor, wanted: Mutex::new(decoding.map(|by| Wanted { by, value: None, of: None })) }
    }

    /// The values that were there, else those that were made now; they are kept with the answer they were made of.
    fn shared<V: Clone + Send + Sync + 'static>(self, bytes: usize, made: impl FnOnce() -> V) -> Result<V, Error> {
        let wanted = self.wanted.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Some(Wanted { by, value, of }) = wanted else { return Ok(made()) };
        if let Some(value) = value {
            // One decoding gives values of one type. The rows were not asked for, so there is nothing else to give.
            return value.downcast_ref().cloned().ok_or(Error::WorkerCrashed);
        }
        let made = made();
        if let Some(of) = of {
            of.keep_decoded(by, Arc::new(made.clone()), (bytes + of.rows.len()) as u64);
        }
        Ok(made)
    }

    fn recall(&self, plan: &Arc<super::Plan>, request: &Request<DB>, one: bool) -> Recall<DB> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        self.executor.recall(plan, request, one, wanted.as_mut())
    }
}

impl<'p, DB: Backend> Executor<'p> for &'p Probe<'_, DB> {
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Steps<'e, DB>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let request = match Request::new(query) {
            Ok(request) => request,
            Err(error) => return stream::once(future::ready(Err(error))).boxed(),
        };
        match self.executor.route(request.sql.as_str()) {
            Route::Read(plan) => {
                let recalled = self.recall(&plan, &request, false);
                Reading::of(self.executor, plan, request, recalled).boxed()
            }
            route => self.executor.many(route, request),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let request = match Request::new(query) {
            Ok(request) => request,
            Err(error) => return future::ready(Err(error)).boxed(),
        };
        match self.executor.route(request.sql.as_str()) {
            Route::Read(plan) => match self.recall(&plan, &request, true) {
                Recall::Ready(replayed) => future::ready(Ok(replayed.rows.into_iter().next())).boxed(),
                recalled => async move { self.executor.read_one(&plan, request, recalled).await }.boxed(),
            },
            route => self.executor.optional(route, request),
        }
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [DB::TypeInfo]) -> BoxFuture<'e, Result<DB::Statement, Error>>
    where
        'p: 'e,
    {
        self.executor.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, Error>>
    where
        'p: 'e,
    {
        self.executor.describe(sql)
    }
}

impl<DB: Backend> fmt::Debug for Probe<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("executor", &self.executor).finish_non_exhaustive()
    }
}
