//! Postgres rows.

use super::{Recording, ReplayError, Replayed, RowCodec};
use bytes::Bytes;
use futures_core::future::BoxFuture;
use sqlx::{Database, Postgres, SqlStr};

/// Captures and replays Postgres rows.
#[derive(Debug)]
pub struct Codec;

impl RowCodec<Postgres> for Codec {
    fn new() -> Self {
        Self
    }

    fn record(&self, limit: usize) -> Box<dyn Recording<Postgres>> {
        let _ = limit;
        todo!()
    }

    fn learn<'a>(&'a self, sql: &'a SqlStr, connection: &'a mut <Postgres as Database>::Connection) -> BoxFuture<'a, ()> {
        let _ = (sql, connection);
        todo!()
    }

    fn replay<'a>(
        &'a self,
        pool: &'a sqlx::Pool<Postgres>,
        sql: &'a SqlStr,
        statement: Option<&'a <Postgres as Database>::Statement>,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Replayed<Postgres>, ReplayError>> {
        let _ = (pool, sql, statement, payload);
        todo!()
    }
}
