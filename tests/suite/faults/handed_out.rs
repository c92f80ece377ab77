//! Connections that are handed out as `&mut PgConnection` and the like: a script may commit what its caller then rolls back.

use super::kit::{Cache, READ, Server, WRITE, each, eventually};
use sqlx::{Executor, MySql};
use sqlx_cached::CachingTransaction;

each! {
    a_script_that_commits: Postgres MySql Sqlite;
}

/// The end of a script, as dumps have it, commits the transaction that it was run in. The rollback then undoes nothing.
async fn a_script_that_commits<DB: Script>(cache: Cache) {
    for drops in [false, true] {
        let home = DB::home().await;
        let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
        home.resumes(&two, READ).await;
        let mut transaction = one.begin().await.unwrap();
        DB::script(&mut transaction, "UPDATE counters SET v = v + 1; COMMIT").await;
        if drops {
            drop(transaction);
            eventually("the write is seen", async || DB::number(&two, READ).await.unwrap() == 1).await;
        } else {
            // SQLite has nothing to roll back, and says so.
            let _ = transaction.rollback().await;
            assert_eq!(DB::number(&two, READ).await.unwrap(), 1);
        }
        home.resumes(&two, READ).await;
    }
}

trait Script: Server {
    fn script(transaction: &mut CachingTransaction<'_, Self>, text: &'static str) -> impl Future<Output = ()>;
}

macro_rules! script {
    ($($Db:ty, $Connection:ty;)*) => {$(
        impl Script for $Db {
            async fn script(transaction: &mut CachingTransaction<'_, Self>, text: &'static str) {
                let connection: &mut $Connection = &mut *transaction;
                connection.execute(sqlx::raw_sql(text)).await.unwrap();
            }
        }
    )*};
}

script! {
    sqlx::Postgres, sqlx::PgConnection;
    sqlx::MySql, sqlx::MySqlConnection;
    sqlx::Sqlite, sqlx::SqliteConnection;
}

/// MySQL's DDL stays when the transaction is rolled back: another process must learn of it, or it does not know what its own writes fire.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_that_a_rollback_leaves() {
    const SECOND: &str = "SELECT v FROM others WHERE id = 1";
    for drops in [false, true] {
        let cache = Cache::memory();
        let home = MySql::home().await;
        let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
        home.resumes(&two, SECOND).await;
        MySql::run(&two, WRITE).await.unwrap();
        let fills = two.stats().fills;
        let mut transaction = one.begin().await.unwrap();
        MySql::script(&mut transaction, "CREATE TRIGGER fires AFTER UPDATE ON counters FOR EACH ROW UPDATE others SET v = v + 1").await;
        if drops {
            drop(transaction);
            // Whoever reads again has been told to forget.
            eventually("it is forgotten", async || home.check(&two, SECOND).await == 0 && two.stats().fills > fills).await;
        } else {
            transaction.rollback().await.unwrap();
        }
        for executor in [&two, &one] {
            home.resumes(&two, SECOND).await;
            MySql::run(executor, WRITE).await.unwrap();
            home.check(&two, SECOND).await;
        }
    }
}
