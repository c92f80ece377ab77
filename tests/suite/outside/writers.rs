//! Writers that use no executor: seen within a moment where they are followed, and nothing is served while nobody follows them.

use crate::faults::kit::{Cache, Home, READ, Server, WRITE, eventually};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{MySql, Postgres, Sqlite};
use sqlx_cached::{CachingExecutor, Category, Invalidates};

const OTHERS: &str = "SELECT v FROM others WHERE id = 1";

async fn following<DB: Server>(home: &Home<DB>, cache: &Cache) -> CachingExecutor<DB> {
    home.build(|builder| builder.store(cache.store()).external_writers(true)).await
}

/// With triggers on both tables.
async fn notified(cache: &Cache) -> (Home<Postgres>, CachingExecutor<Postgres>) {
    let home = Postgres::home().await;
    let executor = following(&home, cache).await;
    assert_eq!(executor.install_change_notifications(None).await.expect("triggers"), 2);
    (home, executor)
}

/// Somebody else writes, and it is seen in a moment.
async fn is_seen<DB: Server>(home: &Home<DB>, executor: &CachingExecutor<DB>, statement: &str, read: &str) {
    home.resumes(executor, read).await;
    let before = home.direct(read).await;
    home.run(statement).await;
    let after = home.direct(read).await;
    assert_ne!(before, after, "{statement} changes {read}");
    eventually(&format!("{statement} is seen"), async || DB::number(executor, read).await.expect("a number") == after).await;
}

fn misses<DB: Server>(executor: &CachingExecutor<DB>, table: &str) -> u64 {
    executor.stats().tables[&(table.to_owned(), Category::Data)].misses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_tells_the_tables() {
    for cache in [Cache::memory(), Cache::redis()] {
        let (home, executor) = notified(&cache).await;
        home.resumes(&executor, OTHERS).await;
        let (before, forgotten) = (misses(&executor, "others"), executor.stats().invalidations_of_everything);
        let count = "SELECT sum(v)::int8 + count(*) FROM counters";
        for statement in [
            WRITE,
            "INSERT INTO counters VALUES (9, 9)",
            "DELETE FROM counters WHERE id = 9",
            "BEGIN; UPDATE counters SET v = v + 1; UPDATE counters SET v = v + 1; COMMIT",
            "INSERT INTO counters VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET v = counters.v + 5",
            "SET session_replication_role = replica; UPDATE counters SET v = v + 1; RESET session_replication_role",
            "TRUNCATE counters; INSERT INTO counters VALUES (1, 50)",
        ] {
            is_seen(&home, &executor, statement, count).await;
        }
        home.check(&executor, OTHERS).await;
        assert_eq!(misses(&executor, "others"), before, "a bystander stays");
        assert_eq!(executor.stats().invalidations_of_everything, forgotten);
        // Rolled back: nothing is told.
        home.resumes(&executor, READ).await;
        let before = misses(&executor, "counters");
        home.run("BEGIN; UPDATE counters SET v = v + 1; ROLLBACK").await;
        is_seen(&home, &executor, "UPDATE others SET v = v + 1", OTHERS).await;
        home.check(&executor, READ).await;
        assert_eq!(misses(&executor, "counters"), before);
    }
}

/// Each hears for itself, and on a pool of one connection nobody waits for the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_one_connection_is_enough() {
    let (home, _) = notified(&Cache::memory()).await;
    let pool = PgPoolOptions::new().max_connections(1).connect_with(home.database.options.clone()).await.expect("a pool");
    let executor = CachingExecutor::builder(pool).external_writers(true).build().await.expect("an executor");
    is_seen(&home, &executor, WRITE, READ).await;
    let mut transaction = executor.begin().await.expect("a transaction");
    Postgres::run_in(&mut transaction, WRITE).await.expect("a write");
    transaction.commit().await.expect("a commit");
    home.check(&executor, READ).await;
    is_seen(&home, &executor, WRITE, READ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_writes_are_as_before() {
    let (home, executor) = notified(&Cache::memory()).await;
    let Invalidates::Tables(tables) = executor.explain(WRITE).invalidates else { panic!("{:?}", executor.explain(WRITE)) };
    assert_eq!(tables.len(), 1, "the trigger is known to write nothing");
    for _ in 0..20 {
        home.resumes(&executor, READ).await;
        let before = home.direct(READ).await;
        Postgres::run(&executor, WRITE).await.expect("a write");
        assert_eq!(Postgres::number(&executor, READ).await.expect("a number"), before + 1);
    }
}

/// Until somebody listens again, and has forgotten what was missed, the database answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_killed() {
    for cache in [Cache::memory(), Cache::redis()] {
        let (home, _) = notified(&cache).await;
        // With a role of its own, which can be shut out while the pool keeps the one connection that it has.
        let role = crate::support::postgres().await.role("SUPERUSER").await;
        let options = home.database.options.clone().username(&role);
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.expect("a pool");
        let executor = CachingExecutor::builder(pool).store(cache.store()).external_writers(true).build().await.expect("an executor");
        let kill = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{role}' AND application_name = 'sqlx-cached listener'"
        );
        home.resumes(&executor, READ).await;
        home.run(&format!("ALTER ROLE {role} NOLOGIN")).await;
        assert_eq!(home.direct(&kill).await, 1);
        eventually("it is noticed", async || executor.health().await.distrusted > 0).await;
        let hits = executor.stats().hits;
        for _ in 0..10 {
            home.run(WRITE).await;
            home.check(&executor, READ).await;
        }
        assert_eq!(executor.stats().hits, hits, "nobody listens");
        Postgres::run(&executor, WRITE).await.expect("a write");
        home.check(&executor, READ).await;
        home.run(&format!("ALTER ROLE {role} LOGIN")).await;
        home.resumes(&executor, READ).await;
        assert_eq!(executor.health().await.distrusted, 0);
        is_seen(&home, &executor, WRITE, READ).await;
        // When it listens again, what was written meanwhile is forgotten already.
        for _ in 0..5 {
            home.resumes(&executor, READ).await;
            let before = executor.stats().invalidations_of_everything;
            assert_eq!(home.direct(&kill).await, 1);
            home.run(WRITE).await;
            eventually("it listens again", async || executor.stats().invalidations_of_everything > before).await;
            home.check(&executor, READ).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anybody_may_notify_anything() {
    let (home, executor) = notified(&Cache::memory()).await;
    for payload in [
        "",
        "x",
        "{}",
        "[1]",
        "{\"schema\": 1, \"table\": 2}",
        "{\"schema\": \"public\", \"table\": \"nowhere\"}",
        "{\"schema\": \"\\\"; \", \"table\": \"\\u0000\"}",
    ] {
        home.resumes(&executor, READ).await;
        let before = executor.stats().invalidations_of_everything;
        home.run(&format!("SELECT pg_notify('sqlx_cached', '{payload}')")).await;
        eventually(&format!("{payload} forgets everything"), async || executor.stats().invalidations_of_everything > before).await;
    }
    is_seen(&home, &executor, WRITE, READ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triggers_come_and_go() {
    let (home, cache) = (Postgres::home().await, Cache::memory());
    let executor = following(&home, &cache).await;
    let triggers = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'sqlx_cached%' AND tgenabled = 'A'";
    assert_eq!(executor.install_change_notifications(Some(&["counters"])).await.expect("triggers"), 1);
    assert_eq!(home.direct(triggers).await, 2);
    is_seen(&home, &executor, WRITE, READ).await;
    let before = executor.stats();
    assert_eq!(executor.install_change_notifications(Some(&["public.\"counters\""])).await.expect("triggers"), 0);
    assert_eq!(executor.stats().invalidations_of_everything, before.invalidations_of_everything, "nothing to do, nothing forgotten");
    let error = executor.install_change_notifications(Some(&["counters", "nowhere"])).await.expect_err("no such table");
    assert!(error.as_database_error().is_some(), "{error}");
    // A table with all above and below it, in a schema of its own, with a name of its own.
    home.run(
        "CREATE SCHEMA \"a b\"; CREATE TABLE \"a b\".\"p\"\"q\" (a int) PARTITION BY LIST (a); CREATE TABLE \"a b\".one PARTITION OF \"a b\".\"p\"\"q\" FOR VALUES IN (1);
         CREATE INDEX ON \"a b\".\"p\"\"q\" (a)",
    )
    .await;
    assert_eq!(executor.install_change_notifications(Some(&["\"a b\".one"])).await.expect("triggers"), 2);
    assert_eq!(executor.install_change_notifications(None).await.expect("triggers"), 1, "the one that is left");
    assert_eq!(home.direct(triggers).await, 8);
    home.run("ALTER TABLE counters DISABLE TRIGGER sqlx_cached_changed").await;
    assert_eq!(executor.install_change_notifications(None).await.expect("triggers"), 1, "it is mended");
    is_seen(&home, &executor, WRITE, READ).await;
    executor.uninstall_change_notifications().await.expect("no triggers");
    executor.uninstall_change_notifications().await.expect("no triggers again");
    assert_eq!(home.direct(triggers).await, 0);
    home.resumes(&executor, READ).await;
    let (old, hits) = (home.direct(READ).await, executor.stats().hits);
    home.run(WRITE).await;
    assert_eq!(Postgres::number(&executor, READ).await.expect("a number"), old, "nobody tells");
    assert_eq!(executor.stats().hits, hits + 1);
}

/// What goes with the rows of a table that is told of goes with its notification, though nothing tells of it itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_write_takes_along_is_forgotten_too() {
    let (home, cache) = (Postgres::home().await, Cache::memory());
    home.run("CREATE TABLE items (id int8, counter int8 REFERENCES counters ON DELETE CASCADE); INSERT INTO items VALUES (1, 2)").await;
    let executor = following(&home, &cache).await;
    executor.install_change_notifications(Some(&["counters"])).await.expect("triggers");
    is_seen(&home, &executor, "DELETE FROM counters WHERE id = 2", "SELECT count(*) FROM items").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sqlite_the_file_is_watched() {
    for cache in [Cache::memory(), Cache::redis()] {
        let home = Sqlite::home().await;
        let executor = following(&home, &cache).await;
        for _ in 0..3 {
            is_seen(&home, &executor, WRITE, READ).await;
            is_seen(&home, &executor, "UPDATE others SET v = v + 1", OTHERS).await;
        }
        // Its own writes are exact, whatever the watch makes of them.
        for _ in 0..3 {
            let before = home.direct(READ).await;
            Sqlite::run(&executor, WRITE).await.expect("a write");
            assert_eq!(Sqlite::number(&executor, READ).await.expect("a number"), before + 1);
        }
        home.resumes(&executor, READ).await;
    }
}

/// There the others are not followed, and the rest is as usual.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_watched_is_cached_all_the_same() {
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(SqliteConnectOptions::new().in_memory(true)).await.expect("a pool");
    sqlx::raw_sql("CREATE TABLE counters (id INTEGER PRIMARY KEY, v INT); INSERT INTO counters VALUES (1, 0)")
        .execute(&pool)
        .await
        .expect("a table");
    let executor = CachingExecutor::builder(pool).external_writers(true).build().await.expect("an executor");
    for hits in 0..3 {
        Sqlite::number(&executor, READ).await.expect("a number");
        assert_eq!(executor.stats().hits, hits);
    }
    let home = MySql::home().await;
    let executor = following(&home, &Cache::memory()).await;
    home.resumes(&executor, READ).await;
    assert_eq!(executor.health().await.distrusted, 0);
}

/// What was written while no process ran is not served by the first one that does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_start_everything_is_forgotten() {
    let cache = Cache::redis();
    let (home, executor) = notified(&cache).await;
    home.resumes(&executor, READ).await;
    executor.close().await;
    drop(executor);
    home.run(WRITE).await;
    let executor = following(&home, &cache).await;
    home.check(&executor, READ).await;
    // A closed pool's listener is gone, and so is the trust.
    home.resumes(&executor, READ).await;
    executor.close().await;
    eventually("nothing is trusted", async || executor.health().await.distrusted > 0).await;
}
