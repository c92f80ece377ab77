//! SQLite tells of no writes, but whether a file was written since one last asked.

use crate::database::{Watch, Watching, Written};
use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Error, Row};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(250);

struct File {
    connection: SqliteConnection,
    version: i64,
}

pub(super) async fn begin(options: SqliteConnectOptions) -> Result<Watching, Error> {
    let mut connection = SqliteConnection::connect_with(&options.create_if_missing(false)).await?;
    let file = sqlx::raw_sql("SELECT file FROM pragma_database_list WHERE name = 'main'").fetch_one(&mut connection).await?;
    let file: Option<String> = file.try_get_unchecked(0)?;
    if file.is_none_or(|file| file.is_empty()) {
        return Ok(Watching::Impossible("a database in memory can't be watched"));
    }
    let version = version(&mut connection).await?;
    Ok(Watching::By(Box::new(File { connection, version })))
}

#[async_trait]
impl Watch for File {
    async fn next(&mut self) -> Result<BTreeSet<Written>, Error> {
        loop {
            tokio::time::sleep(LOOK).await;
            let version = version(&mut self.connection).await?;
            if version != self.version {
                // By this process or another: it can't tell.
                self.version = version;
                return Ok(BTreeSet::from([Written::Anything]));
            }
        }
    }
}

/// Another number whenever another connection has committed.
async fn version(connection: &mut SqliteConnection) -> Result<i64, Error> {
    sqlx::raw_sql("PRAGMA main.data_version").fetch_one(connection).await?.try_get_unchecked(0)
}
