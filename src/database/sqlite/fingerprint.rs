//! SQLite counts the changes of a file's schema itself.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Error, Row};
use std::fmt::Write;

pub(super) async fn read(connection: &mut SqliteConnection) -> Result<String, Error> {
    let mut fingerprint = String::new();
    // Temporary tables are their connection's own.
    let databases =
        sqlx::raw_sql("SELECT name FROM pragma_database_list WHERE name <> 'temp' ORDER BY seq").fetch_all(&mut *connection).await?;
    for database in databases {
        let name: String = database.try_get_unchecked(0)?;
        let quoted = name.replace('"', "\"\"");
        let version = sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA \"{quoted}\".schema_version"))).fetch_one(&mut *connection).await?;
        let version: i64 = version.try_get_unchecked(0)?;
        let _ = write!(fingerprint, "{name:?} {version} ");
    }
    Ok(fingerprint)
}
