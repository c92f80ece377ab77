//! PostgreSQL's schema in one number: a sum of hashes over the rows of its catalogs, each named by its object and the transaction that wrote it.

use sqlx::postgres::PgConnection;
use sqlx::{Error, Row};

pub(super) async fn read(connection: &mut PgConnection) -> Result<String, Error> {
    let rows = sqlx::raw_sql(include_str!("fingerprint.sql")).fetch_all(connection).await?;
    rows.first().ok_or(Error::RowNotFound)?.try_get_unchecked(0)
}
