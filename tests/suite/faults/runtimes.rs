//! One executor, many runtimes: tests have one each and share what they made once. What a runtime takes along when it ends must not be missed by the next.

use super::kit::{Cache, READ, Server, WRITE, eventually, redis_store};
use crate::support::Redis;
use futures_util::TryStreamExt;
use sqlx::Sqlite;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A runtime that ends right after this.
fn alone<T>(work: impl Future<Output = T>) -> T {
    Runtime::new().unwrap().block_on(work)
}

#[test]
fn a_write_whose_runtime_ended() {
    let home = Runtime::new().unwrap();
    let (database, db) = home.block_on(async {
        let database = Sqlite::home().await;
        let db = database.executor(Cache::memory().store()).await;
        (database, db)
    });
    for _ in 0..3 {
        let lock = alone(async {
            database.resumes(&db, READ).await;
            let lock = database.plain.begin_with("BEGIN IMMEDIATE").await.unwrap();
            // It waits for the lock, behind its fence.
            let write = Sqlite::run(&db, WRITE);
            assert!(tokio::time::timeout(Duration::from_millis(100), write).await.is_err());
            lock
        });
        home.block_on(lock.rollback()).unwrap();
        alone(async {
            for _ in 0..5 {
                database.check(&db, READ).await;
            }
            database.resumes(&db, READ).await;
        });
    }
    home.block_on(async move { drop((database, db)) });
}

#[test]
fn reclaiming_goes_on() {
    let home = Runtime::new().unwrap();
    let (database, db) = home.block_on(async {
        let database = Sqlite::home().await;
        let db = database.executor(Cache::memory().store()).await;
        (database, db)
    });
    // Ends before it has reclaimed anything.
    alone(async {
        database.resumes(&db, READ).await;
        Sqlite::run(&db, WRITE).await.unwrap();
    });
    alone(async {
        database.resumes(&db, READ).await;
        Sqlite::run(&db, WRITE).await.unwrap();
        eventually("a dead entry is reclaimed", async || db.stats().reclaimed > 0).await;
    });
    home.block_on(async move { drop((database, db)) });
}

#[test]
fn kept_invalidations_are_delivered() {
    let home = Runtime::new().unwrap();
    let mut redis = Redis::start();
    let (database, db) = home.block_on(async {
        let database = Sqlite::home().await;
        let db = database.executor(redis_store(&redis)).await;
        (database, db)
    });
    redis.kill();
    alone(async {
        Sqlite::run(&db, WRITE).await.unwrap();
        assert!(db.health().await.distrusted > 0);
    });
    redis.restart();
    alone(database.resumes(&db, READ));
    home.block_on(async move { drop((database, db)) });
}

/// Streams are made before they are polled, `explain` is no future at all, and both may be asked about a table that calls for another look at the catalog.
#[test]
fn what_is_called_outside_a_runtime() {
    let home = Runtime::new().unwrap();
    let (database, db) = home.block_on(async {
        let database = Sqlite::home().await;
        let db = database.executor(Cache::memory().store()).await;
        (database, db)
    });
    assert!(db.explain("SELECT v FROM nowhere").read.is_err());
    let mut rows = sqlx::query("SELECT v FROM nowhere").fetch(&db);
    home.block_on(async move { assert!(rows.try_next().await.is_err()) });
    home.block_on(async move { drop((database, db)) });
}
