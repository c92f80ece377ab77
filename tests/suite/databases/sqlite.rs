//! A SQLite file of a test's own.

use crate::support::Scratch;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row as _, TypeInfo as _, Value, ValueRef};

pub const NAME: &str = "sqlite";
pub type Db = sqlx::Sqlite;
pub type Row = sqlx::sqlite::SqliteRow;
pub type TypeInfo = sqlx::sqlite::SqliteTypeInfo;
pub type Connection = sqlx::SqliteConnection;
pub type Query = sqlx::query::Query<'static, Db, sqlx::sqlite::SqliteArguments>;

/// What a SELECT's `QueryResult` says depends on the connection's history here.
pub const RESULT_IS_COMPARABLE: bool = false;

/// A column of a common table expression is not said to be one of a table of that name.
pub const CTES_HAVE_NAMES_OF_THEIR_OWN: bool = true;

pub struct Home {
    scratch: Scratch,
}

impl Home {
    #[expect(clippy::unused_async, reason = "the servers' are")]
    pub async fn new() -> Self {
        Self { scratch: Scratch::new() }
    }

    /// One more pool of the same database.
    pub async fn pool(&self) -> sqlx::Pool<Db> {
        let options = SqliteConnectOptions::new()
            .filename(self.scratch.join("test.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off);
        SqlitePoolOptions::new().max_connections(5).connect_with(options).await.expect("a pool")
    }
}

/// Replaces what the databases spell differently: `?` for arguments, `"` for names. A `*` whose meaning has changed is nothing to read here: sqlx goes on
/// with the columns that its connection knew, or panics.
pub fn sql(text: &str) -> String {
    text.replace("{status}", "status").replace("{schema}", "main.").replace("{shifting}", "COUNT(*)")
}

/// A value's type name and bytes.
pub fn value(row: &Row, index: usize) -> (String, Option<Vec<u8>>) {
    let value = row.try_get_raw(index).expect("a value");
    let name = value.type_info().name().to_owned();
    if value.is_null() {
        return (name, None);
    }
    // No value tells its bytes: each storage class in its own way, and reals by their bits.
    let value = ValueRef::to_owned(&value);
    let storage = value.type_info().name().to_owned();
    let bytes = match storage.as_str() {
        "INTEGER" => value.decode_unchecked::<i64>().to_be_bytes().to_vec(),
        "REAL" => value.decode_unchecked::<f64>().to_bits().to_be_bytes().to_vec(),
        _ => value.decode_unchecked::<Vec<u8>>(),
    };
    (name, Some(bytes))
}
