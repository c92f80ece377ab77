//! A MariaDB database of a test's own.

use crate::support::{TestDatabase, mariadb};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{Decode, Row as _, TypeInfo as _, ValueRef};

pub const NAME: &str = "mariadb";
pub type Db = sqlx::MySql;
pub type Row = sqlx::mysql::MySqlRow;
pub type TypeInfo = sqlx::mysql::MySqlTypeInfo;
pub type Connection = sqlx::MySqlConnection;
pub type Query = sqlx::query::Query<'static, Db, sqlx::mysql::MySqlArguments>;

pub const RESULT_IS_COMPARABLE: bool = true;

/// MariaDB calls a column of `WITH users AS (...)` one of the table `users`: the answer is not kept.
pub const CTES_HAVE_NAMES_OF_THEIR_OWN: bool = false;

pub struct Home {
    database: TestDatabase<Db>,
}

impl Home {
    pub async fn new() -> Self {
        Self { database: mariadb().await.database().await }
    }

    /// One more pool of the same database.
    pub async fn pool(&self) -> sqlx::Pool<Db> {
        MySqlPoolOptions::new().max_connections(5).connect_with(self.database.options.clone()).await.expect("a pool")
    }
}

/// Replaces what the databases spell differently: `?` for arguments, `"` for names.
pub fn sql(text: &str) -> String {
    text.replace("{shifting}", "*").replace("{status}", "status").replace("{schema}", "").replace('"', "`")
}

/// A value's type name and bytes.
pub fn value(row: &Row, index: usize) -> (String, Option<Vec<u8>>) {
    let value = row.try_get_raw(index).expect("a value");
    let name = value.type_info().name().to_owned();
    // Zero dates call themselves NULL, and have bytes all the same: so ask for the bytes first.
    let bytes = <&[u8] as Decode<Db>>::decode(value).ok().map(<[u8]>::to_vec);
    (name, bytes)
}
