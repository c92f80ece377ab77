mod fingerprint;
mod foresee;
mod watch;

use super::{Backend, Identity, Request, Running, Steps, Watching, distinct};
use crate::analysis::Dialect;
use crate::catalog::{Catalog, Key, Part};
use crate::tag::Tag;
use futures_core::future::BoxFuture;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection, Error, Row, SqlStr, Sqlite};
use std::collections::BTreeSet;
use std::path::Path;

impl Backend for Sqlite {
    const DIALECT: Dialect = Dialect::Sqlite;
    const SELF_TEST: &str = "SELECT 1 AS i, 'x' AS t, NULL AS n, 1.5 AS r, X'00FF' AS y";
    type Codec = crate::rows::sqlite::Codec;

    passing_on!();

    fn identity(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Identity, Error>> {
        Box::pin(identity(connection))
    }

    fn catalog(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Catalog, Error>> {
        Box::pin(crate::catalog::sqlite::load(connection))
    }

    fn fingerprint(connection: &mut Self::Connection) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(fingerprint::read(connection))
    }

    fn running(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Running, Error>> {
        Box::pin(running(connection))
    }

    fn watch(options: <Self::Connection as sqlx::Connection>::Options) -> BoxFuture<'static, Result<Watching, Error>> {
        Box::pin(watch::begin(options))
    }

    fn foresee<'c>(
        connection: &'c mut Self::Connection,
        catalog: &'c Catalog,
        sql: &'c str,
    ) -> BoxFuture<'c, Result<Option<Vec<Key>>, Error>> {
        Box::pin(foresee::foresee(connection, catalog, sql))
    }

    fn origin(catalog: &Catalog, column: &Self::Column) -> Option<Result<Tag, String>> {
        crate::catalog::sqlite::origin(catalog, column)
    }

    fn add_columns<'c>(connection: &'c mut Self::Connection, catalog: &'c mut Catalog) -> BoxFuture<'c, Result<(), Error>> {
        Box::pin(crate::catalog::sqlite::add_columns(connection, catalog))
    }

    fn part(column: &Self::Column) -> Option<Part> {
        crate::catalog::sqlite::part(column)
    }
}

/// Only the reading forms: several of these PRAGMAs would set with an argument.
const SESSION: [&str; 8] = [
    "PRAGMA encoding",
    "PRAGMA foreign_keys",
    "PRAGMA recursive_triggers",
    "PRAGMA reverse_unordered_selects",
    "PRAGMA legacy_alter_table",
    "PRAGMA ignore_check_constraints",
    "PRAGMA read_uncommitted",
    "PRAGMA trusted_schema",
];

async fn identity(connection: &mut SqliteConnection) -> Result<Identity, Error> {
    let version = text(&sqlx::raw_sql("SELECT sqlite_version()").fetch_one(&mut *connection).await?, 0)?;
    let mut session = vec![version];
    for pragma in SESSION {
        // A setting that this build left out gives no row, which is also an answer.
        let row = sqlx::raw_sql(pragma).fetch_optional(&mut *connection).await?;
        session.push(row.map(|row| text(&row, 0)).transpose()?.flatten());
    }
    let mut file = None;
    for row in sqlx::raw_sql("SELECT name, file FROM pragma_database_list ORDER BY seq").fetch_all(&mut *connection).await? {
        let (name, path) = (text(&row, 0)?, text(&row, 1)?);
        if name.as_deref() == Some("main") {
            file.clone_from(&path);
        } else {
            // The main file's identity is the database's, however it was reached.
            session.extend([name, path]);
        }
    }
    // In memory or temporary: no name, and no file that another process could open.
    let file = file.filter(|path| !path.is_empty()).and_then(|path| file_id(Path::new(&path))).unwrap_or_else(super::random_id);
    Ok(Identity { database: distinct([Some("sqlite".to_owned()), Some(file)]), session: distinct(session) })
}

/// Device and inode, and the time of birth where the file system keeps it: a file made after another was deleted often gets its inode.
#[cfg(unix)]
fn file_id(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    let born = metadata.created().ok().and_then(|born| born.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |born| born.as_nanos());
    Some(format!("{}:{}:{born}", metadata.dev(), metadata.ino()))
}

/// The canonical path, and the time of creation.
#[cfg(not(unix))]
fn file_id(path: &Path) -> Option<String> {
    let path = std::fs::canonicalize(path).ok()?;
    let born = std::fs::metadata(&path).ok()?.created().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?.as_nanos();
    Some(format!("{}:{born}", path.to_str()?))
}

/// What stands for the one transaction that can be about to commit: SQLite has no list of them, but a lock that dies with its process.
const WRITER: &str = "write lock held by another connection";

async fn running(connection: &mut SqliteConnection) -> Result<Running, Error> {
    let timeout: i64 = sqlx::raw_sql("PRAGMA busy_timeout").fetch_one(&mut *connection).await?.try_get_unchecked(0)?;
    sqlx::raw_sql("PRAGMA busy_timeout = 0").execute(&mut *connection).await?;
    let attempt = try_write_lock(connection).await;
    // The number comes from SQLite itself.
    let restored = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA busy_timeout = {timeout}"))).execute(&mut *connection).await;
    let running = attempt?;
    restored?;
    Ok(running)
}

async fn try_write_lock(connection: &mut SqliteConnection) -> Result<Running, Error> {
    let locked = async {
        // Rolled back also when it is dropped. On a database that can only be read, BEGIN IMMEDIATE succeeds without a lock and proves nothing,
        // so something is written too, and taken back.
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let version: i64 = sqlx::raw_sql("PRAGMA main.user_version").fetch_one(&mut *transaction).await?.try_get_unchecked(0)?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA main.user_version = {version}"))).execute(&mut *transaction).await?;
        transaction.rollback().await
    };
    let error = match locked.await {
        Ok(()) => return Ok(Running::Transactions(BTreeSet::new())),
        Err(error) => error,
    };
    // The low byte of an extended code is the primary one.
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<i32>().ok())
        .map(|code| code & 0xff);
    match code {
        // SQLITE_BUSY; SQLITE_LOCKED, which is its like between connections that share a cache.
        Some(5 | 6) => Ok(Running::Transactions(BTreeSet::from([WRITER.to_owned()]))),
        // SQLITE_READONLY: a lock that can't be taken tells nothing about others.
        Some(8) => Ok(Running::NotPermitted),
        _ => Err(error),
    }
}

fn text(row: &SqliteRow, index: usize) -> Result<Option<String>, Error> {
    row.try_get_unchecked(index)
}

#[cfg(test)]
mod tests;
