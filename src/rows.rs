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

    /// Several equal answers out of a payload that this process captured itself or has replayed before: its values are not looked at again.
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
    ) -> BoxFuture<'a, Result<Vec<Replayed<DB>>, ReplayError>> {
        Box::pin(async move {
            let mut replayed = Vec::with_capacity(copies);
            for _ in 0..copies {
                replayed.push(self.replay(pool, sql, None, payload.clone()).await?);
            }
            Ok(replayed)
        })
    }
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
