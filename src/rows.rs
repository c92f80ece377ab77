//! Rows to bytes, bytes to rows: the only database-specific seam of the read path.
//!
//! sqlx has no public constructor for a row. So a codec keeps private sqlx connections whose other end is ours, writes the cached wire bytes
//! into that end, and lets sqlx's own driver build the rows. Everything outside these files treats rows as opaque bytes; when sqlx gains a row
//! constructor, only these files change.

use crate::database::Backend;
use bytes::Bytes;
use futures_core::future::BoxFuture;
use sqlx::{Database, SqlStr};
use std::fmt::Debug;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
use std::{pin::Pin, task::Poll};

/// Why rows can't be kept: they would not come back exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unreplayable {
    /// Rows in the text protocol.
    TextProtocol,
    /// Rows of one result that differ in their columns.
    MixedColumns,
    /// A column whose type the codec can't describe exactly.
    ColumnType,
    /// A value that can't be captured exactly.
    Value,
    /// More bytes than an entry may have.
    TooLarge,
}

/// Why a replay gave no rows; the read is then a miss.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The bytes are not what this codec writes: counts, lengths or types don't fit. The entry is to be deleted.
    #[error("the entry's rows can't be read: {0}")]
    Malformed(&'static str),
    /// The statement's columns are not those that the entry was read with. The entry is to be replaced.
    #[error("the statement's columns have changed")]
    Columns,
    /// The replay connection failed or missed its deadline.
    #[error("the replay failed: {0}")]
    Driver(#[source] sqlx::Error),
}

/// What a replay gives back: the driver's own rows and result.
#[derive(Debug)]
pub struct Replayed<DB: Database> {
    /// The rows, in the order in which they were captured.
    pub rows: Vec<DB::Row>,
    /// The summary that ends a `fetch_many`.
    pub result: DB::QueryResult,
}

/// A payload that was taken apart. Equal parts are equal columns and equal rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Split<'a> {
    /// What is the same for all rows; empty without rows.
    pub columns: &'a [u8],
    /// Each row.
    pub rows: Vec<&'a [u8]>,
}

/// Collects the rows of one read as bytes.
pub trait Recording<DB: Database>: Send {
    /// Adds a row. After an error the recording is worthless; nothing more need be added.
    fn push(&mut self, row: &DB::Row) -> Result<(), Unreplayable>;

    /// The payload of all rows added, zero rows included.
    fn finish(self: Box<Self>) -> Result<Vec<u8>, Unreplayable>;
}

/// Captures and replays one database's rows. One per executor, shared by its clones.
pub trait RowCodec<DB: Backend>: Debug + Send + Sync + 'static {
    /// Whether a replay needs the statement prepared on a connection of the pool, where it then stays: not what a caller wants who asked for it not to be
    /// kept (`persistent(false)`). It would fail there when its table's columns change, or where a pooler hands connections on.
    const KEEPS_STATEMENTS: bool;

    /// A codec with no connection yet; connections are made as replays need them.
    fn new() -> Self;

    /// Starts to collect rows, up to `limit` bytes of payload.
    fn record(&self, limit: usize) -> Box<dyn Recording<DB>>;

    /// Takes a payload apart, to be compared with another; `None` where it can't be.
    fn split(payload: &[u8]) -> Option<Split<'_>>;

    /// Keeps what later replays of this text need, on the connection that has just answered it. Costs no round trip for a statement that the connection keeps prepared.
    fn learn<'a>(&'a self, sql: &'a SqlStr, connection: &'a mut DB::Connection) -> BoxFuture<'a, ()>;

    /// Rows out of a payload. May prepare the text once on the pool where this process has not met it yet.
    ///
    /// # Cancel safety
    ///
    /// A dropped replay costs its connection, nothing else.
    fn replay<'a>(
        &'a self,
        pool: &'a sqlx::Pool<DB>,
        sql: &'a SqlStr,
        statement: Option<&'a DB::Statement>,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Replayed<DB>, ReplayError>>;

    /// Several equal answers, each as [`replay`](Self::replay) gives it, by one execution: out of a payload that this process captured itself or has replayed
    /// before, whose values are therefore not looked at again. The columns are still compared.
    ///
    /// # Cancel safety
    ///
    /// As [`replay`](Self::replay).
    fn replay_copies<'a>(
        &'a self,
        pool: &'a sqlx::Pool<DB>,
        sql: &'a SqlStr,
        payload: Bytes,
        copies: usize,
    ) -> BoxFuture<'a, Result<Vec<Replayed<DB>>, ReplayError>>;
}

/// How long a replay may take, waiting for a connection included. It takes microseconds (50 MiB some 90 ms); this only keeps a fault from holding up a read for
/// ever.
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);

/// Sees a replay to its end or to its deadline. Most are done as soon as they are asked, and need no timer.
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
async fn in_time<T>(replay: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, ReplayError> {
    let mut replay = std::pin::pin!(replay);
    let replayed = match polled(&mut replay).await {
        Poll::Ready(replayed) => replayed,
        Poll::Pending => tokio::time::timeout(DEADLINE, replay)
            .await
            .unwrap_or_else(|_| Err(sqlx::Error::Protocol("the replay missed its deadline".into()))),
    };
    replayed.map_err(ReplayError::Driver)
}

/// What a future says when it is polled now. If it has nothing to say, this task is woken when it has.
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
async fn polled<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

/// A statement's rows, cut into sets of so many; there must be as many sets as were asked for.
#[cfg(any(feature = "mysql", feature = "sqlite"))]
fn cut<DB>(rows: Vec<DB::Row>, each: usize, copies: usize) -> Result<Vec<Replayed<DB>>, sqlx::Error>
where
    DB: Database<QueryResult: Default>,
{
    if each.checked_mul(copies) != Some(rows.len()) {
        return Err(sqlx::Error::Protocol("the replay gave another number of rows".into()));
    }
    let result = DB::QueryResult::default;
    if copies == 1 {
        return Ok(vec![Replayed { rows, result: result() }]);
    }
    let mut rows = rows.into_iter();
    Ok((0..copies).map(|_| Replayed { rows: rows.by_ref().take(each).collect(), result: result() }).collect())
}

/// As many answers without rows.
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
fn empty<DB>(copies: usize) -> Vec<Replayed<DB>>
where
    DB: Database<QueryResult: Default>,
{
    (0..copies).map(|_| Replayed { rows: Vec::new(), result: Default::default() }).collect()
}

/// The one answer that was asked for.
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
fn only<DB: Database>(mut replayed: Vec<Replayed<DB>>) -> Result<Replayed<DB>, ReplayError> {
    replayed.pop().ok_or_else(|| ReplayError::Driver(sqlx::Error::Protocol("the replay gave nothing".into())))
}

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod idle;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "mysql", feature = "sqlite"))]
mod reader;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod socket;
#[cfg(feature = "sqlite")]
pub mod sqlite;
