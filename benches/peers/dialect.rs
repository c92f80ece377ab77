//! The few operations that are timed, on a pool or through an executor.

use super::workload::Answer;
use sqlx::{AssertSqlSafe, MySql, Pool, Postgres, Row, Sqlite};
use sqlx_cached::{Backend, CachingExecutor};
use std::sync::Arc;

/// What an operation runs on.
pub enum On<'a, D: Backend> {
    Pool(&'a Pool<D>),
    Cached(&'a CachingExecutor<D>),
}

impl<D: Backend> Clone for On<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Backend> Copy for On<'_, D> {}

/// A macro instance per database rather than generic bounds, which would have to name every type that a row has.
pub trait Dialect: Backend {
    fn read<T: Answer>(on: On<'_, Self>, sql: &'static str, key: i64) -> impl Future<Output = sqlx::Result<Vec<T>>> + Send;

    /// The same typed, and shared.
    fn read_shared<T: Answer>(
        executor: &CachingExecutor<Self>,
        sql: &'static str,
        key: i64,
    ) -> impl Future<Output = sqlx::Result<Arc<[T]>>> + Send;

    /// The same by the text protocol.
    fn read_text<T: Answer>(pool: &Pool<Self>, sql: String) -> impl Future<Output = sqlx::Result<Vec<T>>> + Send;

    /// How many rows it gives.
    fn count(on: On<'_, Self>, sql: &'static str, key: i64) -> impl Future<Output = sqlx::Result<usize>> + Send;

    /// How many rows it changes.
    fn write(on: On<'_, Self>, sql: &'static str, key: i64) -> impl Future<Output = sqlx::Result<u64>> + Send;

    fn insert(pool: &Pool<Self>, sql: &'static str, key: i64, body: &str) -> impl Future<Output = sqlx::Result<()>> + Send;

    fn script(pool: &Pool<Self>, sql: String) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// A column of the one row that a statement of the text protocol gives.
    fn show(pool: &Pool<Self>, sql: &'static str, column: &'static str) -> impl Future<Output = sqlx::Result<String>> + Send;
}

/// `?` as this database writes it.
pub fn text<D: Dialect>(sql: &'static str) -> &'static str {
    if D::NAME == "PostgreSQL" {
        let mut parts = sql.split('?');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.zip(1..).fold(first, |text, (part, number)| format!("{text}${number}{part}")).leak()
    } else {
        sql
    }
}

macro_rules! dialect {
    ($database:ty) => {
        impl Dialect for $database {
            async fn read<T: Answer>(on: On<'_, Self>, sql: &'static str, key: i64) -> sqlx::Result<Vec<T>> {
                let query = sqlx::query_as(sql).bind(key);
                match on {
                    On::Pool(pool) => query.fetch_all(pool).await,
                    On::Cached(executor) => query.fetch_all(executor).await,
                }
            }

            async fn read_shared<T: Answer>(executor: &CachingExecutor<Self>, sql: &'static str, key: i64) -> sqlx::Result<Arc<[T]>> {
                executor.fetch_all_shared(sqlx::query_as(sql).bind(key)).await
            }

            async fn read_text<T: Answer>(pool: &Pool<Self>, sql: String) -> sqlx::Result<Vec<T>> {
                let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(pool).await?;
                rows.iter().map(T::from_row).collect()
            }

            async fn count(on: On<'_, Self>, sql: &'static str, key: i64) -> sqlx::Result<usize> {
                let query = sqlx::query(sql).bind(key);
                let rows = match on {
                    On::Pool(pool) => query.fetch_all(pool).await?,
                    On::Cached(executor) => query.fetch_all(executor).await?,
                };
                Ok(rows.len())
            }

            async fn write(on: On<'_, Self>, sql: &'static str, key: i64) -> sqlx::Result<u64> {
                let query = sqlx::query(sql).bind(key);
                let result = match on {
                    On::Pool(pool) => query.execute(pool).await?,
                    On::Cached(executor) => query.execute(executor).await?,
                };
                Ok(result.rows_affected())
            }

            async fn insert(pool: &Pool<Self>, sql: &'static str, key: i64, body: &str) -> sqlx::Result<()> {
                sqlx::query(sql).bind(key).bind(body.to_owned()).execute(pool).await.map(drop)
            }

            async fn script(pool: &Pool<Self>, sql: String) -> sqlx::Result<()> {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.map(drop)
            }

            async fn show(pool: &Pool<Self>, sql: &'static str, column: &'static str) -> sqlx::Result<String> {
                sqlx::raw_sql(sql).fetch_one(pool).await?.try_get(column)
            }
        }
    };
}

dialect!(Postgres);
dialect!(MySql);
dialect!(Sqlite);
