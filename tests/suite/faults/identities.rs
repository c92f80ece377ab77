//! One Redis, several databases, roles, search paths, time zones and schemas: never each other's rows, and always each other's writes.

use super::killed::Child;
use super::kit::{Cache, LEASE, READ, Server, WRITE, sqlite_file};
use crate::support::{MariaDb, Postgres as PostgresServer, Scratch, mariadb, postgres};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor, MySql, Postgres, Sqlite};
use sqlx_cached::CachingExecutor;

/// An executor with a pool of these options.
async fn executor<DB: Server>(cache: &Cache, options: super::kit::Options<DB>) -> CachingExecutor<DB> {
    CachingExecutor::builder(DB::pool(options).await)
        .admission(sqlx_cached::Admission::Always)
        .store(cache.store())
        .fence_lease(LEASE)
        .build()
        .await
        .unwrap()
}

/// Every executor reads a value of its own, twice so that the second time is a hit.
async fn each_reads_its_own<DB: Server>(executors: &[(&CachingExecutor<DB>, i64)]) {
    for round in 0..2 {
        for (executor, value) in executors {
            assert_eq!(DB::number(executor, READ).await.unwrap(), *value, "{} in round {round}", DB::NAME);
        }
    }
    for (executor, _) in executors {
        assert!(executor.stats().hits > 0, "{}", executor.stats());
    }
}

async fn run<DB: Server>(options: super::kit::Options<DB>, statements: &[&str])
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let pool = DB::pool(options).await;
    for statement in statements {
        pool.acquire().await.unwrap().execute(sqlx::raw_sql(AssertSqlSafe((*statement).to_owned()))).await.unwrap();
    }
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_postgres_servers_and_a_database_made_anew() {
    let cache = Cache::redis();
    let other = tokio::task::spawn_blocking(PostgresServer::start).await.unwrap();
    let name = "identity_of_names";
    let (here, there) = (postgres().await.options(name), other.options(name));
    for (admin, value) in [(postgres().await.options("postgres"), 10), (other.options("postgres"), 20)] {
        run::<Postgres>(admin.clone(), &[&format!("CREATE DATABASE {name}")]).await;
        let table = format!("CREATE TABLE counters (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); INSERT INTO counters VALUES (1, {value})");
        run::<Postgres>(admin.database(name), &[&table]).await;
    }
    let (one, two) = (executor::<Postgres>(&cache, here.clone()).await, executor::<Postgres>(&cache, there).await);
    each_reads_its_own(&[(&one, 10), (&two, 20)]).await;
    // A write to either forgets both: they share generations, which is harmless.
    Postgres::run(&one, WRITE).await.unwrap();
    each_reads_its_own(&[(&one, 11), (&two, 20)]).await;

    one.close().await;
    let table = "CREATE TABLE counters (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); INSERT INTO counters VALUES (1, 30)";
    run::<Postgres>(
        postgres().await.options("postgres"),
        &[&format!("DROP DATABASE {name} WITH (FORCE)"), &format!("CREATE DATABASE {name}")],
    )
    .await;
    run::<Postgres>(here.clone(), &[table]).await;
    let anew = executor::<Postgres>(&cache, here).await;
    each_reads_its_own(&[(&anew, 30), (&two, 20)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_mariadb_servers() {
    let cache = Cache::redis();
    let other = tokio::task::spawn_blocking(MariaDb::start).await.unwrap();
    let name = "identity_of_names";
    let servers = [(mariadb().await.options("mysql"), 10), (other.options("mysql"), 20)];
    let mut executors = Vec::new();
    for (admin, value) in servers {
        run::<MySql>(admin.clone(), &[&format!("CREATE DATABASE {name}")]).await;
        let options = admin.database(name);
        let insert = format!("INSERT INTO counters VALUES (1, {value})");
        run::<MySql>(options.clone(), &["CREATE TABLE counters (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)", &insert]).await;
        executors.push((executor::<MySql>(&cache, options).await, value));
    }
    each_reads_its_own(&executors.iter().map(|(executor, value)| (executor, *value)).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_mysql_schemas() {
    let cache = Cache::redis();
    let (a, b) = (MySql::home().await, MySql::home().await);
    b.run("UPDATE counters SET v = 100 WHERE id = 1").await;
    let (one, two) = (a.executor(cache.store()).await, b.executor(cache.store()).await);
    each_reads_its_own(&[(&one, 0), (&two, 100)]).await;
    // Written from the other schema, and read by its own name.
    MySql::run(&two, &format!("UPDATE {}.counters SET v = v + 1 WHERE id = 1", a.database.name)).await.unwrap();
    each_reads_its_own(&[(&one, 1), (&two, 100)]).await;
    // A read of another schema, and a write from within it.
    let across = format!("SELECT v FROM {}.counters WHERE id = 1", a.database.name);
    for value in 2..5 {
        MySql::run(&one, WRITE).await.unwrap();
        for _ in 0..2 {
            assert_eq!(MySql::number(&two, &across).await.unwrap(), value);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_search_paths_two_roles_and_two_time_zones_of_postgres() {
    let cache = Cache::redis();
    let home = Postgres::home().await;
    let role = |name: String| -> PgConnectOptions { home.database.options.clone().username(&name) };
    let (alice, bob) = (postgres().await.role("").await, postgres().await.role("").await);
    for (schema, value) in [(&alice, 10), (&bob, 20)] {
        home.run(&format!(
            "CREATE SCHEMA {schema} AUTHORIZATION {schema}; CREATE TABLE {schema}.counters (id BIGINT PRIMARY KEY, v BIGINT NOT NULL);
             INSERT INTO {schema}.counters VALUES (1, {value}); ALTER TABLE {schema}.counters OWNER TO {schema}"
        ))
        .await;
    }
    // The path is "$user", public.
    let (as_alice, as_bob) =
        (executor::<Postgres>(&cache, role(alice.clone())).await, executor::<Postgres>(&cache, role(bob.clone())).await);
    let path = |schema: &str| home.database.options.clone().options([("search_path", schema)]);
    let (in_alice, in_bob) = (executor::<Postgres>(&cache, path(&alice)).await, executor::<Postgres>(&cache, path(&bob)).await);
    let plain = home.executor(cache.store()).await;
    each_reads_its_own(&[(&as_alice, 10), (&as_bob, 20), (&in_alice, 10), (&in_bob, 20), (&plain, 0)]).await;
    // One table by four names.
    let qualified = format!("UPDATE {alice}.counters SET v = v + 1 WHERE id = 1");
    for (number, (writer, sql)) in
        [(&as_alice, WRITE), (&in_alice, WRITE), (&in_bob, qualified.as_str()), (&plain, qualified.as_str())].into_iter().enumerate()
    {
        Postgres::run(writer, sql).await.unwrap();
        let value = 11 + i64::try_from(number).unwrap();
        each_reads_its_own(&[(&as_alice, value), (&as_bob, 20), (&in_alice, value), (&in_bob, 20), (&plain, 0)]).await;
    }

    home.run("CREATE TABLE events (id BIGINT PRIMARY KEY, at timestamptz NOT NULL); INSERT INTO events VALUES (1, '2026-01-01T00:00:00Z')")
        .await;
    let mut seen = Vec::new();
    for zone in ["UTC", "Asia/Tokyo", "UTC", "Asia/Tokyo"] {
        // sqlx sets UTC when it connects.
        let pool = PgPoolOptions::new().after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(AssertSqlSafe(format!("SET timezone = '{zone}'"))).await.map(drop) })
        });
        let pool = pool.max_connections(4).connect_with(home.database.options.clone()).await.unwrap();
        let there =
            CachingExecutor::builder(pool.clone()).admission(sqlx_cached::Admission::Always).store(cache.store()).build().await.unwrap();
        for sql in
            ["SELECT at::text FROM events", "SELECT to_char(at, 'YYYY-MM-DD HH24:MI') FROM events", "SELECT (at::date)::text FROM events"]
        {
            for _ in 0..2 {
                let cached: String = sqlx::query_scalar(sql).fetch_one(&there).await.unwrap();
                let direct: String = sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
                assert_eq!(cached, direct, "{zone}: {sql}");
                seen.push(cached);
            }
        }
    }
    seen.sort();
    seen.dedup();
    assert!(seen.len() >= 4, "the zones make a difference: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_time_zones_of_mariadb() {
    let cache = Cache::redis();
    let home = MySql::home().await;
    home.run("CREATE TABLE events (id BIGINT PRIMARY KEY, at TIMESTAMP NOT NULL)").await;
    home.run("INSERT INTO events VALUES (1, '2026-01-01 00:00:00')").await;
    let sql = "SELECT DATE_FORMAT(at, '%H:%i') FROM events WHERE id = 1";
    let mut seen = Vec::new();
    for zone in ["+00:00", "+09:00", "+00:00", "+09:00"] {
        let options: MySqlConnectOptions = home.database.options.clone().timezone(Some(zone.to_owned()));
        let there = executor::<MySql>(&cache, options).await;
        for _ in 0..2 {
            let cached: String = sqlx::query_scalar(sql).fetch_one(&there).await.unwrap();
            let direct: String = sqlx::query_scalar(sql).fetch_one(there.pool()).await.unwrap();
            assert_eq!(cached, direct, "{zone}");
            seen.push(cached);
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 2, "the zones make a difference: {seen:?}");
}

/// A file replaced by another under the same name, and one relative name in two directories.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_files_of_the_same_name() {
    let cache = Cache::redis();
    let scratch = Scratch::new();
    for value in 1..6 {
        for name in ["database", "database-wal", "database-shm"] {
            let _ = std::fs::remove_file(scratch.join(name));
        }
        let file = sqlite_file(&scratch, "database").await;
        Sqlite::run_direct(&file.pool, "CREATE TABLE counters (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await.unwrap();
        Sqlite::run_direct(&file.pool, &format!("INSERT INTO counters VALUES (1, {value})")).await.unwrap();
        let executor = executor::<Sqlite>(&cache, file.options.clone()).await;
        each_reads_its_own(&[(&executor, value)]).await;
        executor.close().await;
        file.pool.close().await;
    }

    let mut said = Vec::new();
    for value in [10, 20] {
        let directory = Scratch::new();
        let file = sqlite_file(&directory, "database").await;
        Sqlite::run_direct(&file.pool, "CREATE TABLE counters (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await.unwrap();
        Sqlite::run_direct(&file.pool, &format!("INSERT INTO counters VALUES (1, {value})")).await.unwrap();
        file.pool.close().await;
        let redis = cache.server().socket().display().to_string();
        let with = [("url", "sqlite:database"), ("redis", redis.as_str())];
        let mut child = Child::start_in("SQLite", "read", &with, &[], directory.path());
        assert_ne!(child.says("hits: "), "0");
        said.push(child.says("value: "));
    }
    assert_eq!(said, ["10", "20"]);
}

/// Whoever moves the pool's sessions to another schema caches nothing any more, and writes other tables than its catalog says; others cache those.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_were_moved_through_the_pool() {
    let cache = Cache::memory();
    let home = <Postgres as Server>::home().await;
    home.run("CREATE SCHEMA far").await;
    home.run("CREATE TABLE far.counters AS SELECT * FROM counters").await;
    let pool = PgPoolOptions::new().max_connections(1).connect_with(home.database.options.clone()).await.unwrap();
    let mover = CachingExecutor::builder(pool).admission(sqlx_cached::Admission::Always).store(cache.store()).build().await.unwrap();
    let reader = executor::<Postgres>(&cache, home.database.options.clone()).await;
    let far = "SELECT v FROM far.counters WHERE id = 1";
    for _ in 0..2 {
        assert_eq!(Postgres::number(&reader, far).await.unwrap(), 0);
    }
    assert_eq!(reader.stats().hits, 1);
    Postgres::run(&mover, "SET search_path = far").await.unwrap();
    Postgres::run(&mover, WRITE).await.unwrap();
    assert_eq!(home.direct(far).await, 1);
    assert_eq!(Postgres::number(&reader, far).await.unwrap(), 1);
}
