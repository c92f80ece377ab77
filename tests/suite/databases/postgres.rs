//! A PostgreSQL database of a test's own.

use crate::support::{TestDatabase, postgres};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Row as _, TypeInfo as _, ValueRef};
use std::fmt::Write;

pub const NAME: &str = "postgres";
pub type Db = sqlx::Postgres;
pub type Row = sqlx::postgres::PgRow;
pub type TypeInfo = sqlx::postgres::PgTypeInfo;
pub type Connection = sqlx::PgConnection;
pub type Query = sqlx::query::Query<'static, Db, sqlx::postgres::PgArguments>;

pub const RESULT_IS_COMPARABLE: bool = true;

/// A column of a common table expression is not said to be one of a table of that name.
pub const CTES_HAVE_NAMES_OF_THEIR_OWN: bool = true;

pub struct Home {
    database: TestDatabase<Db>,
}

impl Home {
    pub async fn new() -> Self {
        Self { database: postgres().await.database().await }
    }

    /// One more pool of the same database.
    pub async fn pool(&self) -> sqlx::Pool<Db> {
        PgPoolOptions::new().max_connections(5).connect_with(self.database.options.clone()).await.expect("a pool")
    }
}

/// Replaces what the databases spell differently: `?` for arguments, `"` for names.
pub fn sql(text: &str) -> String {
    let mut numbered = String::new();
    for (number, part) in
        text.replace("{shifting}", "*").replace("{status}", "status::text").replace("{schema}", "public.").split('?').enumerate()
    {
        if number > 0 {
            let _ = write!(numbered, "${number}");
        }
        numbered.push_str(part);
    }
    numbered
}

/// A value's type name and bytes.
pub fn value(row: &Row, index: usize) -> (String, Option<Vec<u8>>) {
    let value = row.try_get_raw(index).expect("a value");
    let name = value.type_info().name().to_owned();
    (name, if value.is_null() { None } else { Some(value.as_bytes().expect("its bytes").to_vec()) })
}
