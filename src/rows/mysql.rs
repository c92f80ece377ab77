//! MySql rows.

use super::{Recording, ReplayError, Replayed, RowCodec};
use bytes::Bytes;
use futures_core::future::BoxFuture;
use sqlx::{Database, MySql, SqlStr};

/// Captures and replays MySql rows.
#[derive(Debug)]
pub struct Codec;

impl RowCodec<MySql> for Codec {
    fn new() -> Self {
        Self
    }

    fn record(&self, limit: usize) -> Box<dyn Recording<MySql>> {
        let _ = limit;
        todo!()
    }

    fn learn<'a>(&'a self, sql: &'a SqlStr, connection: &'a mut <MySql as Database>::Connection) -> BoxFuture<'a, ()> {
        let _ = (sql, connection);
        todo!()
    }

    fn replay<'a>(
        &'a self,
        pool: &'a sqlx::Pool<MySql>,
        sql: &'a SqlStr,
        statement: Option<&'a <MySql as Database>::Statement>,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Replayed<MySql>, ReplayError>> {
        let _ = (pool, sql, statement, payload);
        todo!()
    }
}
