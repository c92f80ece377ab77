use super::*;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

async fn timeout(connection: &mut SqliteConnection) -> i64 {
    sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a_file_is_one_database_by_every_path_and_another_after_it_was_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let (path, link) = (directory.path().join("it's 100% a.db"), directory.path().join("link.db"));
    let first = identity(&mut open(&path).await).await.unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(first, identity(&mut open(&link).await).await.unwrap());
    }
    let other = open(&directory.path().join("other.db")).await;
    assert_ne!(first.database, { other }.as_identity().await);
    let memory = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let again = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    assert_ne!({ memory }.as_identity().await, { again }.as_identity().await);
}

trait AsIdentity {
    async fn as_identity(&mut self) -> String;
}

impl AsIdentity for SqliteConnection {
    async fn as_identity(&mut self) -> String {
        identity(self).await.unwrap().database
    }
}

#[tokio::test]
async fn settings_are_part_of_the_session_and_not_of_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = open(&directory.path().join("a.db")).await;
    let before = identity(&mut connection).await.unwrap();
    for change in ["PRAGMA foreign_keys = OFF", "PRAGMA reverse_unordered_selects = ON", "ATTACH ':memory:' AS aside"] {
        let last = identity(&mut connection).await.unwrap();
        sqlx::raw_sql(change).execute(&mut connection).await.unwrap();
        let now = identity(&mut connection).await.unwrap();
        assert_eq!(now.database, before.database);
        assert_ne!(now.session, last.session, "{change}");
    }
}

#[tokio::test]
async fn a_held_write_lock_is_seen_and_the_connection_left_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    for journal in ["PRAGMA journal_mode = DELETE", "PRAGMA journal_mode = WAL"] {
        let path = directory.path().join("a.db");
        let (mut asking, mut writing) = (open(&path).await, open(&path).await);
        sqlx::raw_sql(journal).execute(&mut writing).await.unwrap();
        sqlx::raw_sql("PRAGMA busy_timeout = 4321").execute(&mut asking).await.unwrap();
        sqlx::raw_sql("CREATE TABLE IF NOT EXISTS t (a); PRAGMA user_version = 7").execute(&mut writing).await.unwrap();
        let none = Running::Transactions(BTreeSet::new());
        assert_eq!(running(&mut asking).await.unwrap(), none);

        sqlx::raw_sql("BEGIN; INSERT INTO t VALUES (1)").execute(&mut writing).await.unwrap();
        let held = running(&mut asking).await.unwrap();
        assert_eq!(held, Running::Transactions(BTreeSet::from([WRITER.to_owned()])));
        assert_eq!(timeout(&mut asking).await, 4321);

        sqlx::raw_sql("COMMIT").execute(&mut writing).await.unwrap();
        assert_eq!(running(&mut asking).await.unwrap(), none);
        assert_eq!(timeout(&mut asking).await, 4321);
        sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut writing).await.unwrap();
        assert_eq!(sqlx::query_scalar::<_, i64>("PRAGMA user_version").fetch_one(&mut asking).await.unwrap(), 7);
    }
}

#[tokio::test]
async fn a_lock_that_cannot_be_taken_proves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    sqlx::raw_sql("CREATE TABLE t (a)").execute(&mut open(&path).await).await.unwrap();
    let mut reading = SqliteConnectOptions::new().filename(&path).read_only(true).connect().await.unwrap();
    assert_eq!(running(&mut reading).await.unwrap(), Running::NotPermitted);
    let mut querying = open(&path).await;
    sqlx::raw_sql("PRAGMA query_only = ON").execute(&mut querying).await.unwrap();
    assert_eq!(running(&mut querying).await.unwrap(), Running::NotPermitted);
    sqlx::raw_sql("PRAGMA query_only = OFF; BEGIN IMMEDIATE; ROLLBACK").execute(&mut querying).await.unwrap();
}
