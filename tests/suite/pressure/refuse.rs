//! Writes that are refused since their fence can't be set, and writes that were committed and can't be made known.

use super::kit::{ALL, Failing, Op};
use crate::faults::kit::{Cache, Home, LEASE, READ, Server, WRITE, eventually};
use sqlx::{AssertSqlSafe, Error, MySql, Postgres, Sqlite};
use sqlx_cached::{CachingExecutor, Consistency, InvalidationPending, UnfencedWrites, WriteRefused};
use std::sync::Arc;
use std::time::Duration;

async fn executor<DB: Server>(home: &Home<DB>, store: &Arc<Failing>) -> CachingExecutor<DB> {
    leasing(home, store, LEASE).await
}

async fn leasing<DB: Server>(home: &Home<DB>, store: &Arc<Failing>, lease: Duration) -> CachingExecutor<DB> {
    home.build(|builder| {
        builder.store(store.clone()).fence_lease(lease).unfenced_writes(UnfencedWrites::Refuse).schema_refresh(Duration::from_secs(3600))
    })
    .await
}

fn is_refused<T>(outcome: &Result<T, Error>) -> bool {
    outcome.as_ref().is_err_and(|error| WriteRefused::of(error).is_some() && InvalidationPending::of(error).is_none())
}

fn is_pending<T>(outcome: &Result<T, Error>) -> bool {
    outcome.as_ref().is_err_and(|error| InvalidationPending::of(error).is_some() && WriteRefused::of(error).is_none())
}

/// Whatever writes is refused and changes nothing; what reads goes on; and afterwards everything goes on.
async fn nothing_is_written<DB: Server>() {
    let home = DB::home().await;
    let store = Failing::over(Cache::memory().store());
    let executor = executor(&home, &store).await;
    home.resumes(&executor, READ).await;
    let old = home.direct(READ).await;
    store.fail(&ALL);
    let refused = DB::run(&executor, WRITE).await;
    assert!(is_refused(&refused), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("told to fail"));
    assert!(is_refused(&DB::run_raw(&executor, WRITE).await));
    assert!(is_refused(&DB::run(&executor, "CREATE TABLE never (id INT)").await));
    let mut transaction = executor.begin().await.unwrap();
    DB::run_in(&mut transaction, WRITE).await.unwrap();
    assert_eq!(DB::number_in(&mut transaction, READ).await.unwrap(), old + 1);
    assert!(is_refused(&transaction.commit().await));
    let mut transaction = executor.begin().await.unwrap();
    let savepoint = transaction.begin().await.unwrap();
    savepoint.commit().await.unwrap();
    assert_eq!(DB::number_in(&mut transaction, READ).await.unwrap(), old);
    transaction.commit().await.unwrap();
    // At once, where it would commit by itself.
    let mut transaction = executor.begin().await.unwrap();
    DB::run_in(&mut transaction, WRITE).await.unwrap();
    let made = DB::run_in(&mut transaction, "CREATE TABLE never (id INT)").await;
    if DB::NAME == "MySQL" {
        assert!(is_refused(&made), "{made:?}");
        transaction.rollback().await.unwrap();
    } else {
        made.unwrap();
        assert!(is_refused(&transaction.commit().await));
    }
    assert!(DB::direct(&home.plain, "SELECT count(*) FROM never").await.is_err(), "the table was never made");
    assert_eq!(home.check(&executor, READ).await, old);
    assert!(executor.stats().refused_writes >= 5);
    assert_eq!(executor.health().await.distrusted, 0, "nothing changed, so nothing is distrusted");
    // Each of these fences stood all the same, and must not for ever.
    store.mend();
    home.resumes(&executor, READ).await;
    eventually("no fence stays", async || store.fences() == 0).await;
    DB::run(&executor, WRITE).await.unwrap();
    assert_eq!(home.check(&executor, READ).await, old + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_postgres() {
    nothing_is_written::<Postgres>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_mysql() {
    nothing_is_written::<MySql>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_sqlite() {
    nothing_is_written::<Sqlite>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_given_up() {
    let home = Postgres::home().await;
    let store = Failing::over(Cache::memory().store());
    let executor = executor(&home, &store).await;
    let copy = async |row: &str| -> Result<u64, Error> {
        let mut copy = executor.copy_in_raw("COPY counters FROM STDIN").await?;
        copy.send(row.as_bytes().to_vec()).await?;
        copy.finish().await
    };
    store.fail(&[Op::Begin]);
    assert!(is_refused(&copy("50\t50\n").await));
    assert!(is_refused(&executor.copy_out_raw("COPY (DELETE FROM counters RETURNING id) TO STDOUT").await.map(drop)));
    assert!(is_refused(&executor.install_change_notifications(None).await));
    assert_eq!(home.direct("SELECT count(*) FROM counters").await, 4);
    assert_eq!(home.direct("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").await, 0);
    store.mend();
    assert_eq!(copy("50\t50\n").await.unwrap(), 1);
}

/// The connection was handed out, and its DDL committed by itself. What was refused does not undo that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_handed_out_connection_has_committed_is_forgotten() {
    let home = MySql::home().await;
    let store = Failing::over(Cache::memory().store());
    let executor = executor(&home, &store).await;
    home.resumes(&executor, READ).await;
    let old = home.direct(READ).await;
    let mut transaction = executor.begin().await.unwrap();
    store.fail(&[Op::Begin]);
    let connection: &mut sqlx::MySqlConnection = &mut transaction;
    for statement in [WRITE, "CREATE TABLE made (id INT)"] {
        sqlx::raw_sql(statement).execute(&mut *connection).await.unwrap();
    }
    assert!(is_refused(&transaction.commit().await));
    assert_eq!(home.check(&executor, READ).await, old + 1);
}

/// `end` is not delivered: within the last confirmed lease the commit is acknowledged, since the fence stood. This process distrusts, the others meet the fence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_stood_is_enough() {
    let (home, cache) = (Postgres::home().await, Cache::redis());
    let (store, others) = (Failing::over(cache.store()), Failing::over(cache.store()));
    // Longer than a busy machine takes for any of this.
    let lease = Duration::from_secs(60);
    let (executor, other) = (leasing(&home, &store, lease).await, leasing(&home, &others, lease).await);
    for _ in 0..5 {
        home.resumes(&executor, READ).await;
        home.resumes(&other, READ).await;
        let old = home.direct(READ).await;
        store.fail(&[Op::End, Op::Invalidate]);
        Postgres::run(&executor, WRITE).await.unwrap();
        let mut transaction = executor.begin().await.unwrap();
        Postgres::run_in(&mut transaction, WRITE).await.unwrap();
        transaction.commit().await.unwrap();
        for executor in [&executor, &other] {
            assert_eq!(home.check(executor, READ).await, old + 2);
        }
        store.mend();
    }
}

/// The renewals fail, too, while the statement takes longer than the lease: it is committed, and nobody can say that everybody knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_may_have_lapsed_is_not() {
    let home = Postgres::home().await;
    home.run("CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.9); RETURN NULL; END'").await;
    home.run(
        "CREATE CONSTRAINT TRIGGER dawdle AFTER UPDATE ON others DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()",
    )
    .await;
    let store = Failing::over(Cache::memory().store());
    let executor = executor(&home, &store).await;
    let slow = "UPDATE counters SET v = v + 1 FROM (SELECT pg_sleep(0.9)) AS s WHERE id = 1";
    // With renewals that arrive it may take as long as it likes.
    let old = home.direct(READ).await;
    let running = tokio::spawn(Postgres::run(&executor, slow));
    tokio::time::sleep(LEASE / 4).await;
    store.fail(&[Op::End, Op::Invalidate]);
    running.await.unwrap().unwrap();
    store.mend();
    eventually("it is delivered", async || executor.health().await.distrusted == 0).await;
    // Without, not.
    let running = tokio::spawn(Postgres::run(&executor, slow));
    eventually("it has begun", async || store.fences() > 0).await;
    store.fail(&ALL);
    let outcome = running.await.unwrap();
    assert!(is_pending(&outcome), "{outcome:?}");
    assert_eq!(home.check(&executor, READ).await, old + 2, "it was committed");
    store.mend();
    // The commit of a transaction that waits for a lock as long.
    let mut transaction = executor.begin().await.unwrap();
    Postgres::run_in(&mut transaction, "UPDATE others SET v = v + 1 WHERE id = 1").await.unwrap();
    eventually("no fence stays", async || store.fences() == 0).await;
    let running = tokio::spawn(transaction.commit());
    eventually("it has begun", async || store.fences() > 0).await;
    store.fail(&ALL);
    let outcome = running.await.unwrap();
    assert!(is_pending(&outcome), "{outcome:?}");
    assert_eq!(home.direct("SELECT v FROM others WHERE id = 1").await, 1);
}

/// The trigger was made meanwhile, by somebody of whom the store would have told. What it wrote was not fenced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_is_one_that_did_not_cover_everything() {
    let home = Postgres::home().await;
    let store = Failing::over(Cache::memory().store());
    let executor = executor(&home, &store).await;
    home.run(
        "CREATE FUNCTION further() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE others SET v = v + 1 WHERE id = 1; RETURN NULL; END';
         CREATE TRIGGER further AFTER UPDATE ON counters FOR EACH STATEMENT EXECUTE FUNCTION further()",
    )
    .await;
    store.fail(&[Op::End, Op::Invalidate]);
    assert!(is_pending(&Postgres::run(&executor, WRITE).await));
    let mut transaction = executor.begin().await.unwrap();
    Postgres::run_in(&mut transaction, WRITE).await.unwrap();
    assert!(is_pending(&transaction.commit().await));
    assert_eq!(home.direct(READ).await, 2, "both were committed");
}

#[tokio::test]
async fn without_a_fence_nothing_can_be_refused() {
    for consistency in [Consistency::AfterCommit, Consistency::Ttl] {
        let pool = sqlx::SqlitePool::connect_lazy("sqlite::memory:").unwrap();
        let builder = CachingExecutor::builder(pool).consistency(consistency).unfenced_writes(UnfencedWrites::Refuse);
        let error = builder.build().await.unwrap_err();
        assert!(error.is_setting() && error.to_string().contains("CACHE_UNFENCED_WRITES"), "{error}");
    }
}

/// By default a write goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unless_asked_for_nothing_is_refused() {
    let home = Sqlite::home().await;
    let store = Failing::over(Cache::memory().store());
    let executor = home.executor(store.clone()).await;
    store.fail(&ALL);
    for _ in 0..3 {
        sqlx::query(AssertSqlSafe(WRITE)).execute(&executor).await.unwrap();
    }
    assert_eq!((home.check(&executor, READ).await, executor.stats().refused_writes), (3, 0));
}
