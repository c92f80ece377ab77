use super::{Backend, Identity, Request, Running};
use crate::analysis::Dialect;
use crate::catalog::Catalog;
use crate::tag::Tag;
use either::Either;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::{Error, MySql, SqlStr};

impl Backend for MySql {
    const DIALECT: Dialect = Dialect::MySql;
    const SELF_TEST: &str = "SELECT 1";
    type Codec = crate::rows::mysql::Codec;

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
