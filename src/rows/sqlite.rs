//! Sqlite rows.

use super::{Recording, ReplayError, Replayed, RowCodec};
use bytes::Bytes;
use futures_core::future::BoxFuture;
use sqlx::{Database, SqlStr, Sqlite};

/// Captures and replays Sqlite rows.
#[derive(Debug)]
pub struct Codec;

impl RowCodec<Sqlite> for Codec {
    fn new() -> Self {
        Self
    }

    fn record(&self, limit: usize) -> Box<dyn Recording<Sqlite>> {
        let _ = limit;
        todo!()
    }

    fn learn<'a>(&'a self, sql: &'a SqlStr, connection: &'a mut <Sqlite as Database>::Connection) -> BoxFuture<'a, ()> {
        let _ = (sql, connection);
        todo!()
    }

    fn replay<'a>(
        &'a self,
        pool: &'a sqlx::Pool<Sqlite>,
        sql: &'a SqlStr,
        statement: Option<&'a <Sqlite as Database>::Statement>,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Replayed<Sqlite>, ReplayError>> {
        let _ = (pool, sql, statement, payload);
        todo!()
    }
}
