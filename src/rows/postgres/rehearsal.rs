//! Replays without a server: what a server would say of a statement, we say ourselves.

use crate::database::Backend;
use crate::rows::socket;
use sqlx::postgres::{PgConnectOptions, PgSslMode, PgStatement};
use sqlx::{ConnectOptions, PgPool, Postgres, SqlSafeStr};
use tokio::io::AsyncWriteExt;

/// A pool that no server answers: for replays that must not ask one.
pub(crate) fn nowhere() -> PgPool {
    PgPool::connect_lazy("postgres://127.0.0.1:1/none").unwrap()
}

/// The statement that the driver makes of these columns' descriptions.
pub(crate) async fn statement(columns: &[(&str, u32)]) -> PgStatement {
    statement_of(columns, 0).await
}

/// The same for columns of a table, by its OID, or of none.
pub(crate) async fn statement_of(columns: &[(&str, u32)], table: u32) -> PgStatement {
    let mut fields = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
    for (name, oid) in columns {
        fields.extend(name.as_bytes());
        // The table, and none of its columns; the type; of any length, no modifier, described as text.
        fields.push(0);
        fields.extend(table.to_be_bytes());
        fields.extend(b"\0\0");
        fields.extend(oid.to_be_bytes());
        fields.extend(b"\xff\xff\xff\xff\xff\xff\0\0");
    }
    let mut answer = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I1\0\0\0\x04t\0\0\0\x06\0\0T".to_vec();
    answer.extend(u32::try_from(fields.len() + 4).unwrap().to_be_bytes());
    answer.extend(fields);
    answer.extend(b"Z\0\0\0\x05I");

    let connect = |path: std::path::PathBuf| async move {
        let options = PgConnectOptions::new_without_pgpass().socket(path.parent().unwrap()).port(1).ssl_mode(PgSslMode::Disable);
        let mut driver = options.connect().await?;
        Postgres::prepare_with(&mut driver, "SELECT".into_sql_str(), &[]).await
    };
    let greet = |mut end: tokio::net::UnixStream| async move {
        end.write_all(&answer).await?;
        Ok(end)
    };
    socket::pair(".s.PGSQL.1", connect, greet).await.unwrap().0
}
