use super::{Backend, Identity, Request, Running};
use crate::analysis::Dialect;
use crate::catalog::Catalog;
use crate::tag::Tag;
use either::Either;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::{Error, Postgres, SqlStr};

impl Backend for Postgres {
    const DIALECT: Dialect = Dialect::Postgres;
    const SELF_TEST: &str = "SELECT 1";
    type Codec = crate::rows::postgres::Codec;

    passing_on!();

    fn identity(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Identity, Error>> {
        let _ = connection;
        todo!()
    }

    fn catalog(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Catalog, Error>> {
        let _ = connection;
        todo!()
    }

    fn running(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Running, Error>> {
        let _ = connection;
        todo!()
    }

    fn origin(catalog: &Catalog, column: &Self::Column) -> Option<Result<Tag, String>> {
        let _ = (catalog, column);
        todo!()
    }
}
