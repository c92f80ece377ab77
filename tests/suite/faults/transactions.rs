//! Transactions: what they read is theirs, what they write is forgotten when they commit, and what they undo is not.

use super::kit::{Cache, READ, Server, WRITE, each, each_on_redis};
use sqlx::{Executor, MySql, Postgres, Row, Sqlite};

each! {
    others_see_the_old_value_until_the_commit: Postgres MySql Sqlite;
    what_is_undone_forgets_nothing: Postgres MySql Sqlite;
    savepoints: Postgres MySql Sqlite;
    a_connection_that_was_handed_out: Postgres MySql Sqlite;
}

each_on_redis! {
    a_commit_as_text: Postgres MySql Sqlite;
    a_rollback_as_text: Postgres MySql Sqlite;
    statements_that_commit_by_themselves: MySql;
    temporary_tables: Postgres MySql Sqlite;
}

const SECOND: &str = "SELECT v FROM others WHERE id = 1";

async fn others_see_the_old_value_until_the_commit<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    home.resumes(&one, READ).await;
    home.resumes(&two, READ).await;
    let (hits, fills) = (two.stats().hits, two.stats().fills);
    let mut transaction = one.begin().await.unwrap();
    assert_eq!(DB::number_in(&mut transaction, READ).await.unwrap(), 0);
    DB::run_in(&mut transaction, WRITE).await.unwrap();
    let looked_up = (one.stats().hits, one.stats().fills);
    assert_eq!(DB::number_in(&mut transaction, READ).await.unwrap(), 1, "its own write");
    assert_eq!((one.stats().hits, one.stats().fills), looked_up, "neither answered from the store nor kept");
    for executor in [&one, &two] {
        assert_eq!(DB::number(executor, READ).await.unwrap(), 0, "not committed");
    }
    assert_eq!((two.stats().hits, two.stats().fills), (hits + 1, fills), "from the store");
    transaction.commit().await.unwrap();
    for executor in [&one, &two] {
        assert_eq!(DB::number(executor, READ).await.unwrap(), 1);
        home.resumes(executor, READ).await;
    }
}

async fn what_is_undone_forgets_nothing<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let executor = home.executor(cache.store()).await;
    home.resumes(&executor, READ).await;
    let before = executor.stats();
    for drops in [false, true] {
        let mut transaction = executor.begin().await.unwrap();
        DB::run_in(&mut transaction, WRITE).await.unwrap();
        if drops {
            drop(transaction);
        } else {
            transaction.rollback().await.unwrap();
        }
        assert_eq!(DB::number(&executor, READ).await.unwrap(), 0);
    }
    // A transaction that only read.
    let mut transaction = executor.begin().await.unwrap();
    assert_eq!(DB::number_in(&mut transaction, READ).await.unwrap(), 0);
    transaction.commit().await.unwrap();
    assert_eq!(DB::number(&executor, READ).await.unwrap(), 0);
    let after = executor.stats();
    assert_eq!(after.hits, before.hits + 3, "{after}");
    assert_eq!((after.invalidations, after.misses), (before.invalidations, before.misses));
    if let Some(redis) = &cache.redis {
        assert!(redis.cli::<Vec<String>>(&["KEYS", "sql-fence:*"]).is_empty());
    }
}

async fn savepoints<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let executor = home.executor(cache.store()).await;
    home.resumes(&executor, READ).await;
    home.resumes(&executor, SECOND).await;
    let mut transaction = executor.begin().await.unwrap();
    let mut inner = transaction.begin().await.unwrap();
    DB::run_in(&mut inner, WRITE).await.unwrap();
    inner.commit().await.unwrap();
    let mut inner = transaction.begin().await.unwrap();
    DB::run_in(&mut inner, "UPDATE others SET v = v + 1").await.unwrap();
    inner.rollback().await.unwrap();
    assert_eq!(DB::number(&executor, READ).await.unwrap(), 0);
    assert_eq!(DB::number_in(&mut transaction, READ).await.unwrap(), 1);
    assert_eq!(DB::number_in(&mut transaction, SECOND).await.unwrap(), 0);
    transaction.commit().await.unwrap();
    assert_eq!(DB::number(&executor, READ).await.unwrap(), 1);
    assert_eq!(DB::number(&executor, SECOND).await.unwrap(), 0);
    home.resumes(&executor, READ).await;
}

/// Through `&mut PgConnection` and its like anything may have been written.
async fn a_connection_that_was_handed_out<DB: HandOut>(cache: Cache) {
    let home = DB::home().await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    for executor in [&one, &two] {
        home.resumes(executor, READ).await;
        home.resumes(executor, SECOND).await;
    }
    let mut transaction = one.begin().await.unwrap();
    DB::write_on(&mut transaction, "UPDATE others SET v = v + 1").await;
    assert_eq!(DB::number(&two, SECOND).await.unwrap(), 0);
    transaction.commit().await.unwrap();
    for executor in [&one, &two] {
        assert_eq!(DB::number(executor, SECOND).await.unwrap(), 1);
        home.resumes(executor, READ).await;
        home.resumes(executor, SECOND).await;
    }
}

/// Functions written for a driver's connection.
trait HandOut: Server {
    fn write_on(transaction: &mut sqlx_cached::CachingTransaction<'_, Self>, sql: &'static str) -> impl Future<Output = ()>;
}

macro_rules! hand_out {
    ($($Db:ty, $Connection:ty;)*) => {$(
        impl HandOut for $Db {
            async fn write_on(transaction: &mut sqlx_cached::CachingTransaction<'_, Self>, sql: &'static str) {
                async fn write(connection: &mut $Connection, sql: &'static str) {
                    connection.execute(sql).await.unwrap();
                }
                write(&mut ***transaction, sql).await;
            }
        }
    )*};
}

hand_out! {
    Postgres, sqlx::PgConnection;
    MySql, sqlx::MySqlConnection;
    Sqlite, sqlx::SqliteConnection;
}

/// After it, what the transaction still does commits by itself, and its rollback undoes nothing. Another process must not be served what was before.
async fn a_commit_as_text<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    home.resumes(&two, READ).await;
    let mut transaction = one.begin().await.unwrap();
    DB::run_in(&mut transaction, WRITE).await.unwrap();
    DB::run_in(&mut transaction, "COMMIT").await.unwrap();
    assert_eq!(DB::number(&two, READ).await.unwrap(), 1, "committed");
    home.resumes(&two, READ).await;
    DB::run_in(&mut transaction, WRITE).await.unwrap();
    assert_eq!(DB::number(&two, READ).await.unwrap(), 2, "committed by itself");
    home.resumes(&two, READ).await;
    let _ = transaction.rollback().await;
    assert_eq!(home.check(&two, READ).await, 2);
}

async fn a_rollback_as_text<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    home.resumes(&two, READ).await;
    let mut transaction = one.begin().await.unwrap();
    DB::run_in(&mut transaction, WRITE).await.unwrap();
    DB::run_in(&mut transaction, "ROLLBACK").await.unwrap();
    assert_eq!(DB::number(&two, READ).await.unwrap(), 0);
    home.resumes(&two, READ).await;
    DB::run_in(&mut transaction, WRITE).await.unwrap();
    assert_eq!(DB::number(&two, READ).await.unwrap(), 1, "committed by itself");
    drop(transaction);
}

/// MySQL's DDL and its kin commit what was done before, and leave no transaction behind.
async fn statements_that_commit_by_themselves<DB: Server>(cache: Cache) {
    for statement in [
        "CREATE TABLE made (id BIGINT PRIMARY KEY)",
        "TRUNCATE TABLE others",
        "ALTER TABLE others ADD COLUMN w BIGINT",
        "START TRANSACTION",
        "LOCK TABLES counters WRITE",
        "ANALYZE TABLE others",
        "BEGIN",
        "RENAME TABLE others TO renamed",
        "OPTIMIZE TABLE counters",
        "DROP TABLE made",
    ] {
        let home = DB::home().await;
        if statement == "DROP TABLE made" {
            home.run("CREATE TABLE made (id BIGINT PRIMARY KEY)").await;
        }
        let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
        home.resumes(&two, READ).await;
        let mut transaction = one.begin().await.unwrap();
        DB::run_in(&mut transaction, WRITE).await.unwrap();
        assert_eq!(DB::number(&two, READ).await.unwrap(), 0, "{statement}");
        DB::run_in(&mut transaction, statement).await.unwrap();
        let locked = statement.starts_with("LOCK");
        if locked {
            DB::run_in(&mut transaction, "UNLOCK TABLES").await.unwrap();
        }
        assert_eq!(home.direct(READ).await, 1, "{statement} committed");
        assert_eq!(DB::number(&two, READ).await.unwrap(), 1, "{statement} was not seen to commit");
        home.resumes(&two, READ).await;
        DB::run_in(&mut transaction, WRITE).await.unwrap();
        for _ in 0..2 {
            home.check(&two, READ).await;
        }
        transaction.rollback().await.unwrap();
        for _ in 0..2 {
            home.check(&two, READ).await;
        }
    }
}

/// A temporary table hides a table of its name on one connection: from then on that name is not cached, and others are.
async fn temporary_tables<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let executor = home.executor(cache.store()).await;
    home.resumes(&executor, READ).await;
    home.resumes(&executor, SECOND).await;
    let mut transaction = executor.begin().await.unwrap();
    DB::run_in(&mut transaction, "CREATE TEMPORARY TABLE counters (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await.unwrap();
    DB::run_in(&mut transaction, "INSERT INTO counters VALUES (1, 77)").await.unwrap();
    assert_eq!(DB::number_in(&mut transaction, READ).await.unwrap(), 77);
    transaction.commit().await.unwrap();
    // Whichever connection answers: never from the store.
    let hits = executor.stats().hits;
    for _ in 0..20 {
        let value = DB::number(&executor, READ).await.unwrap();
        assert!(value == 0 || value == 77);
    }
    assert_eq!(executor.stats().hits, hits);
    home.resumes(&executor, SECOND).await;
    // Another process knows no such table, and was given no row of it.
    let other = home.executor(cache.store()).await;
    for _ in 0..2 {
        assert_eq!(DB::number(&other, READ).await.unwrap(), 0);
    }
}

/// A role that is set through the pool holds for one of its connections: nothing is cached from then on, and nothing stored under another's key.
#[tokio::test]
async fn a_session_that_is_changed_through_the_pool() {
    let cache = Cache::redis();
    let home = Postgres::home().await;
    let executor = home.executor(cache.store()).await;
    home.resumes(&executor, READ).await;
    sqlx::query("SET ROLE postgres").execute(&executor).await.unwrap();
    let hits = executor.stats().hits;
    for _ in 0..3 {
        home.check(&executor, READ).await;
    }
    assert_eq!(executor.stats().hits, hits);
    let health = executor.health().await;
    assert!(health.session_changed && !health.is_caching(), "{health:?}");
    assert!(executor.stats().bypasses.iter().any(|(reason, _)| *reason == sqlx_cached::Reason::Session), "{}", executor.stats());

    let mysql = MySql::home().await;
    let executor = mysql.executor(cache.store()).await;
    mysql.resumes(&executor, READ).await;
    executor.execute("SET time_zone = '+05:00'").await.unwrap();
    let hits = executor.stats().hits;
    mysql.check(&executor, READ).await;
    assert_eq!(executor.stats().hits, hits);
    let rows = sqlx::query("SELECT v FROM counters").fetch_all(&executor).await.unwrap();
    assert!(!rows.is_empty() && rows[0].len() == 1);
}
