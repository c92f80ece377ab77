//! Pools of one connection: whoever needs another one while it is out waits for ever, or until the pool gives up.

use super::kit::{Cache, Home, LEASE, READ, Server, WRITE, each_on_redis, eventually};
use futures_util::FutureExt;
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Pool, Sqlite};
use sqlx_cached::CachingExecutor;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long the pool makes its callers wait: longer than a busy machine takes for a whole test, so that a test that took as long waited.
const LONG: Duration = Duration::from_secs(60);

each_on_redis! {
    everything_in_turn: Postgres MySql Sqlite;
    a_commit_whose_connection_is_wanted: Postgres MySql Sqlite;
    a_schema_change_while_starting: Postgres MySql Sqlite;
}

async fn only_one<DB: Server>(home: &Home<DB>, patience: Duration) -> Pool<DB> {
    let options = PoolOptions::<DB>::new().max_connections(1).acquire_timeout(patience);
    options.connect_with(home.database.options.clone()).await.expect("a pool")
}

/// Gets the pool's only connection as soon as whoever has it gives it back.
fn first_in_the_queue<DB: Server>(db: &CachingExecutor<DB>) -> impl Future<Output = PoolConnection<DB>> + Send + 'static {
    let db = db.clone();
    let mut next = Box::pin(async move { db.acquire().await.unwrap() });
    assert!((&mut next).now_or_never().is_none(), "somebody has it");
    next
}

async fn everything_in_turn<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let db = CachingExecutor::builder(only_one(&home, LONG).await).store(cache.store()).fence_lease(LEASE).build().await.unwrap();
    let other = home.executor(cache.store()).await;
    let since = Instant::now();
    for name in ["a", "b", "c"] {
        DB::run(&db, WRITE).await.unwrap();
        home.resumes(&db, READ).await;
        DB::run(&db, &format!("CREATE TABLE {name} (id BIGINT)")).await.unwrap();
        home.resumes(&db, READ).await;
        let mut transaction = db.begin().await.unwrap();
        let mut savepoint = transaction.begin().await.unwrap();
        DB::run_in(&mut savepoint, WRITE).await.unwrap();
        savepoint.commit().await.unwrap();
        DB::run_in(&mut transaction, &format!("DROP TABLE {name}")).await.unwrap();
        transaction.commit().await.unwrap();
        home.resumes(&db, READ).await;
        let mut transaction = db.begin().await.unwrap();
        let _: &mut DB::Connection = &mut transaction;
        transaction.rollback().await.unwrap();
        home.resumes(&db, READ).await;
        assert!(db.health().await.database.is_ok());
        assert!(DB::run(&db, "INSERT INTO counters VALUES (1, 1)").await.is_err());
        assert!(DB::number(&db, "SELECT v FROM nowhere").await.is_err());
        // Somebody else changes the schema: a read finds out, a write does, a commit does.
        DB::run(&other, &format!("CREATE TABLE {name} (id BIGINT)")).await.unwrap();
        home.resumes(&db, READ).await;
        DB::run(&other, &format!("DROP TABLE {name}")).await.unwrap();
        DB::run(&db, WRITE).await.unwrap();
        DB::run(&other, &format!("CREATE TABLE {name}2 (id BIGINT)")).await.unwrap();
        let mut transaction = db.begin().await.unwrap();
        DB::run_in(&mut transaction, WRITE).await.unwrap();
        transaction.commit().await.unwrap();
        home.resumes(&db, READ).await;
    }
    assert!(since.elapsed() < LONG, "{:?}: somebody waited for the pool", since.elapsed());
}

/// The catalog is read before the commit of a schema change returns. But the connection has gone to somebody who waits for just that.
async fn a_commit_whose_connection_is_wanted<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let db = CachingExecutor::builder(only_one(&home, LONG).await).store(cache.store()).build().await.unwrap();
    let mut transaction = db.begin().await.unwrap();
    DB::run_in(&mut transaction, "CREATE TABLE made (id BIGINT)").await.unwrap();
    let (committed, waits) = oneshot::channel::<()>();
    let next = first_in_the_queue(&db);
    let next = tokio::spawn(async move {
        let connection = next.await;
        waits.await.unwrap();
        drop(connection);
    });
    let since = Instant::now();
    transaction.commit().await.unwrap();
    assert!(since.elapsed() < LONG / 2, "{:?}", since.elapsed());
    committed.send(()).unwrap();
    next.await.unwrap();
    home.resumes(&db, READ).await;
}

/// The database could not be asked at start, and is asked again in the background while a writer holds the connection and wants to read the catalog.
async fn a_schema_change_while_starting<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let patience = Duration::from_secs(5);
    let pool = only_one(&home, patience).await;
    let busy = pool.acquire().await.unwrap();
    let db = CachingExecutor::builder(pool).store(cache.store()).build().await.unwrap();
    drop(busy);
    let since = Instant::now();
    DB::run(&db, "CREATE TABLE made (id BIGINT)").await.unwrap();
    assert!(since.elapsed() < patience * 3 / 4, "{:?}", since.elapsed());
    eventually("the catalog is read", async || db.health().await.catalog).await;
    home.resumes(&db, READ).await;
}

/// A write that was given up while it waited for its connection is not done later, when its caller may long have done it another way.
#[tokio::test]
async fn a_write_given_up_in_the_queue() {
    let home = Sqlite::home().await;
    let db = CachingExecutor::builder(only_one(&home, LONG).await).build().await.unwrap();
    let busy = db.acquire().await.unwrap();
    let mut write = Sqlite::run(&db, WRITE);
    assert!((&mut write).now_or_never().is_none());
    tokio::task::yield_now().await;
    drop(write);
    drop(busy);
    // Behind it in the queue, if it is there.
    Sqlite::run(&db, "UPDATE others SET v = v + 1").await.unwrap();
    assert_eq!(home.check(&db, READ).await, 0);
}

/// A catalog that can't be read twice running, since the pool is busy: it is read when the pool is not, though no new statement comes along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalog_that_can_not_be_read_for_a_while() {
    let home = Sqlite::home().await;
    let db = CachingExecutor::builder(only_one(&home, Duration::from_millis(100)).await).build().await.unwrap();
    home.resumes(&db, READ).await;
    let mut transaction = db.begin().await.unwrap();
    Sqlite::run_in(&mut transaction, "CREATE TABLE made (id BIGINT)").await.unwrap();
    let next = tokio::spawn(first_in_the_queue(&db));
    transaction.commit().await.unwrap();
    let busy = next.await.unwrap();
    eventually("the catalog is given up", async || db.health().await.relations == 0).await;
    // Asks for the catalog, in vain.
    assert!(Sqlite::number(&db, READ).await.is_err());
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(busy);
    home.resumes(&db, READ).await;
}
