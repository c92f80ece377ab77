//! DDL by a plain connection is noticed within the interval: reads then equal the database's, and writes reach what they now reach.

use crate::faults::kit::{Cache, Home, READ, Server, eventually};
use crate::support::MariaDb;
use sqlx::{Postgres, Sqlite};
use sqlx_cached::CachingExecutor;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(50);
const OTHERS: &str = "SELECT v FROM others WHERE id = 1";

async fn executor<DB: Server>(home: &Home<DB>, cache: &Cache) -> CachingExecutor<DB> {
    home.build(|builder| builder.store(cache.store()).schema_refresh(INTERVAL)).await
}

/// How often everything was forgotten.
fn forgotten<DB: Server>(executor: &CachingExecutor<DB>) -> u64 {
    executor.stats().invalidations_of_everything
}

/// Changes the schema by a plain connection, and waits until that is noticed.
async fn behind_the_back<DB: Server>(home: &Home<DB>, executor: &CachingExecutor<DB>, statement: &str) {
    let before = forgotten(executor);
    home.run(statement).await;
    eventually(&format!("{statement} is noticed"), async || forgotten(executor) > before).await;
}

/// A write to `counters` that reaches `others` by means that the catalog must know of.
async fn a_write_reaches_further<DB: Server>(home: &Home<DB>, executor: &CachingExecutor<DB>, statement: &str) {
    behind_the_back(home, executor, statement).await;
    for _ in 0..2 {
        home.resumes(executor, OTHERS).await;
        let before = home.direct(OTHERS).await;
        DB::run(executor, "UPDATE counters SET v = v + 1 WHERE id = 1").await.expect("a write");
        assert_eq!(home.direct(OTHERS).await, before + 1, "the trigger fires");
        home.check(executor, OTHERS).await;
    }
}

/// A table that was dropped and made anew has other rows.
async fn another_table<DB: Server>(home: &Home<DB>, executor: &CachingExecutor<DB>) {
    home.resumes(executor, READ).await;
    let statement =
        "DROP TABLE counters; CREATE TABLE counters (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); INSERT INTO counters VALUES (1, 1000)";
    behind_the_back(home, executor, statement).await;
    assert_eq!(home.check(executor, READ).await, 1000);
    home.resumes(executor, READ).await;
}

/// While nothing changes nothing is forgotten.
async fn quiet<DB: Server>(home: &Home<DB>, executor: &CachingExecutor<DB>) {
    home.resumes(executor, READ).await;
    let before = executor.stats();
    let until = tokio::time::Instant::now() + INTERVAL * 6;
    while tokio::time::Instant::now() < until {
        home.check(executor, READ).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let after = executor.stats();
    assert!(after.misses == before.misses && after.invalidations_of_everything == before.invalidations_of_everything, "{after}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    let home = Postgres::home().await;
    let executor = executor(&home, &Cache::memory()).await;
    quiet(&home, &executor).await;
    home.run(
        "CREATE FUNCTION further() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE others SET v = v + 1 WHERE id = 1; RETURN NULL; END'",
    )
    .await;
    let trigger = "CREATE TRIGGER further AFTER UPDATE ON counters FOR EACH STATEMENT EXECUTE FUNCTION further()";
    a_write_reaches_further(&home, &executor, trigger).await;
    another_table(&home, &executor).await;
    // A cascade: what goes with a row of `counters`.
    home.run("CREATE TABLE items (id BIGINT PRIMARY KEY, counter BIGINT NOT NULL); INSERT INTO items VALUES (1, 1)").await;
    behind_the_back(&home, &executor, "ALTER TABLE items ADD FOREIGN KEY (counter) REFERENCES counters ON DELETE CASCADE").await;
    let items = "SELECT count(*) FROM items";
    home.resumes(&executor, items).await;
    Postgres::run(&executor, "DELETE FROM counters WHERE id = 1").await.expect("a write");
    assert_eq!(Postgres::number(&executor, items).await.expect("a number"), 0);
    // A name that meant a table means another one.
    home.run("INSERT INTO counters VALUES (1, 2000)").await;
    executor.invalidate_table("counters").await.expect("an invalidation");
    home.resumes(&executor, READ).await;
    let view = "ALTER TABLE counters RENAME TO former; CREATE VIEW counters AS SELECT id, v + 1 AS v FROM former";
    behind_the_back(&home, &executor, view).await;
    assert_eq!(home.check(&executor, READ).await, 2001);
    behind_the_back(&home, &executor, "CREATE OR REPLACE VIEW counters AS SELECT id, v + 2 AS v FROM former").await;
    assert_eq!(home.check(&executor, READ).await, 2002);
    Postgres::run(&executor, "UPDATE former SET v = v + 1").await.expect("a write");
    assert_eq!(home.check(&executor, READ).await, 2003);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql() {
    // A server of its own: it counts the changes of all its databases.
    let server = tokio::task::spawn_blocking(MariaDb::start).await.expect("a server");
    let home = Home::in_database(server.database().await, None).await;
    let executor = executor(&home, &Cache::memory()).await;
    quiet(&home, &executor).await;
    let trigger = "CREATE TRIGGER further AFTER UPDATE ON counters FOR EACH ROW UPDATE others SET v = v + 1 WHERE id = 1";
    a_write_reaches_further(&home, &executor, trigger).await;
    another_table(&home, &executor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    let home = Sqlite::home().await;
    let executor = executor(&home, &Cache::memory()).await;
    quiet(&home, &executor).await;
    let trigger = "CREATE TRIGGER further AFTER UPDATE ON counters BEGIN UPDATE others SET v = v + 1 WHERE id = 1; END";
    a_write_reaches_further(&home, &executor, trigger).await;
    another_table(&home, &executor).await;
}

/// One of them notices and forgets; the other learns by the epoch, and forgets nothing again when it looks itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_one_forgets() {
    let (home, cache) = (Postgres::home().await, Cache::redis());
    let one = executor(&home, &cache).await;
    // Later, as a rule: they don't look at the same moment each time.
    let two = home.build(|builder| builder.store(cache.store()).schema_refresh(INTERVAL * 7)).await;
    for table in ["a", "b", "c", "d"] {
        for executor in [&one, &two] {
            home.resumes(executor, READ).await;
        }
        let before = forgotten(&one) + forgotten(&two);
        home.run(&format!("CREATE TABLE {table} (a int)")).await;
        eventually("it is noticed", async || forgotten(&one) + forgotten(&two) > before).await;
        // Long enough for the other to have looked, too.
        quiet(&home, &one).await;
        quiet(&home, &one).await;
        quiet(&home, &two).await;
        assert!(forgotten(&one) + forgotten(&two) <= before + 2);
    }
    let total = forgotten(&one) + forgotten(&two);
    assert!(total < 8, "as a rule one of them forgets: {total}");
}

/// A change that an executor made itself is none behind its back, nor behind another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddl_through_an_executor_is_forgotten_once() {
    let (home, cache) = (Postgres::home().await, Cache::redis());
    let (one, two) = (executor(&home, &cache).await, executor(&home, &cache).await);
    home.resumes(&one, READ).await;
    home.resumes(&two, READ).await;
    let before = forgotten(&one) + forgotten(&two);
    Postgres::run(&one, "CREATE TABLE made (a int)").await.expect("a table");
    quiet(&home, &two).await;
    quiet(&home, &one).await;
    assert_eq!(forgotten(&one) + forgotten(&two), before + 1);
}

/// The schema changes while no executor runs: what the store kept meanwhile is from before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_while_nobody_ran() {
    let (home, cache) = (Postgres::home().await, Cache::redis());
    let slowly = async || home.build(|builder| builder.store(cache.store()).schema_refresh(Duration::from_secs(3600))).await;
    let executor = slowly().await;
    home.resumes(&executor, READ).await;
    executor.close().await;
    drop(executor);
    let unchanged = slowly().await;
    home.check(&unchanged, READ).await;
    assert_eq!(unchanged.stats().hits, 1, "what was kept is good");
    unchanged.close().await;
    drop(unchanged);
    home.run(
        "DROP TABLE counters; CREATE TABLE counters (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); INSERT INTO counters VALUES (1, 1000)",
    )
    .await;
    let executor = slowly().await;
    assert_eq!(home.check(&executor, READ).await, 1000);
}

/// The background task keeps neither the executor nor a connection, and can be switched off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_task_is_no_burden() {
    let (home, cache) = (Postgres::home().await, Cache::memory());
    let executor = executor(&home, &cache).await;
    let pool = executor.pool().clone();
    drop(executor);
    pool.close().await;
    let off = home.build(|builder| builder.store(cache.store()).schema_refresh(Duration::ZERO)).await;
    home.resumes(&off, READ).await;
    home.run("CREATE TABLE unseen (a int)").await;
    quiet(&home, &off).await;
    assert_eq!(forgotten(&off), 0);
}
