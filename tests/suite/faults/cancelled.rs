//! Callers that give up in the middle of a transaction's own steps. sqlx may then leave a connection inside a transaction that it does not know of, or end
//! one that it still counts: what is written next is committed at another moment than it seems to be.

use super::kit::{Cache, Gates, Point, READ, Server, WRITE, each};
use futures_util::FutureExt;
use sqlx::{MySql, Postgres};
use std::sync::Arc;
use std::time::Duration;

each! {
    a_begin_given_up: Postgres MySql Sqlite;
    a_savepoint_given_up: Postgres MySql Sqlite;
}

/// Polls so many times, then gives up; whether it was done by then.
async fn give_up<F: Future>(after: usize, future: F) -> bool {
    let mut future = std::pin::pin!(future);
    for _ in 0..after {
        if future.as_mut().now_or_never().is_some() {
            return true;
        }
        // What the step has asked for may come meanwhile.
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    false
}

/// A BEGIN that the server got and the driver forgot: later statements of that connection would wait for a commit that nobody sends, and a read of it would
/// show them to everybody.
async fn a_begin_given_up<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    for after in 0..8 {
        for _ in 0..4 {
            give_up(after, one.begin()).await;
            DB::run(&one, WRITE).await.unwrap();
            for executor in [&one, &two] {
                home.check(executor, READ).await;
                home.check(executor, READ).await;
            }
        }
    }
    assert_eq!(home.direct(READ).await, 32, "every write was committed when it was acknowledged");
}

/// Where its SAVEPOINT is given up (or fails), sqlx rolls back the whole transaction, and what it writes then commits by itself.
async fn a_savepoint_given_up<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    for after in 0..5 {
        let mut transaction = one.begin().await.unwrap();
        give_up(after, transaction.begin()).await;
        DB::run_in(&mut transaction, WRITE).await.unwrap();
        home.check(&two, READ).await;
        home.resumes(&two, READ).await;
        drop(transaction);
        for _ in 0..3 {
            home.check(&two, READ).await;
        }
    }
}

/// The same after an error, in a transaction that PostgreSQL has given up.
#[tokio::test]
async fn a_savepoint_that_fails() {
    let cache = Cache::memory();
    let home = Postgres::home().await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    home.resumes(&two, READ).await;
    let mut transaction = one.begin().await.unwrap();
    assert!(Postgres::run_in(&mut transaction, "SELECT 1 / 0").await.is_err());
    assert!(transaction.begin().await.is_err());
    let _ = Postgres::run_in(&mut transaction, WRITE).await;
    home.check(&two, READ).await;
    transaction.rollback().await.unwrap();
    home.check(&two, READ).await;
}

/// What a connection that was handed out may have committed is forgotten even if nobody waits for the rollback.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_given_up() {
    let cache = Cache::memory();
    let home = MySql::home().await;
    let gates = Gates::over(cache.store());
    let one = home.executor(Arc::clone(&gates) as _).await;
    let two = home.executor(cache.store()).await;
    home.resumes(&two, READ).await;
    let mut transaction = one.begin().await.unwrap();
    let connection: &mut sqlx::MySqlConnection = &mut transaction;
    sqlx::raw_sql("UPDATE counters SET v = v + 1; CREATE TABLE made (id BIGINT)").execute(connection).await.unwrap();
    let mut held = gates.hold(Point::BeforeInvalidate);
    tokio::select! {
        _ = transaction.rollback() => panic!("it waits at the gate"),
        () = held.reached() => {}
    }
    held.release();
    super::kit::eventually("the write is seen", async || MySql::number(&two, READ).await.unwrap() == 1).await;
}
