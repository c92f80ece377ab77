//! Tables whose names are spelled in other ways than the database's: what depends on them, and what ends by them, is rather more than less.

use super::kit::{cache_on, eventually};
use crate::faults::kit::{Cache, Home, Server, each_on_redis};
use sqlx::{Database, MySql};
use sqlx_cached::Dependent;
use std::convert::Infallible;

each_on_redis! {
    two_tables_that_differ_in_case: Postgres;
    names_in_quotes: Postgres;
    a_cache_that_knows_no_catalog: Postgres MySql;
}

async fn kept(dependent: &Dependent, value: i64) {
    eventually("the value is kept", async || {
        dependent.get_or_set("k", async || Ok::<_, Infallible>(value)).await.unwrap();
        dependent.get::<i64>("k").await.unwrap() == Some(value)
    })
    .await;
}

async fn related<DB: Server>(home: &Home<DB>, names: &[&str]) {
    for name in names {
        home.run(&format!("CREATE TABLE {name} (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)")).await;
        home.run(&format!("INSERT INTO {name} VALUES (1, 0)")).await;
    }
}

async fn two_tables_that_differ_in_case<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    related(&home, &["users", "\"Users\""]).await;
    let executor = home.executor(cache.store()).await;
    let values = executor.cache().depends_on(["Users"]);
    for written in ["users", "\"Users\""] {
        kept(&values, 1).await;
        DB::run(&executor, &format!("UPDATE {written} SET v = v + 1")).await.unwrap();
        assert_eq!(values.get::<i64>("k").await.unwrap(), None, "{written}");
        let sql = format!("SELECT v FROM {written}");
        home.resumes(&executor, &sql).await;
        home.run(&format!("UPDATE {written} SET v = v + 1")).await;
        executor.invalidate_table("Users").await.unwrap();
        home.check(&executor, &sql).await;
    }
}

async fn names_in_quotes<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    home.run("CREATE SCHEMA \"Sales\"").await;
    related(&home, &["\"Orders\"", "\"Sales\".\"Orders\""]).await;
    let executor = home.executor(cache.store()).await;
    let values = executor.cache().depends_on(["Sales.Orders"]);
    kept(&values, 1).await;
    DB::run(&executor, "UPDATE \"Sales\".\"Orders\" SET v = v + 1").await.unwrap();
    assert_eq!(values.get::<i64>("k").await.unwrap(), None);
    for (named, table) in
        [("\"Orders\"", "\"Orders\""), ("\"Sales\".\"Orders\"", "\"Sales\".\"Orders\""), ("Sales.Orders", "\"Sales\".\"Orders\"")]
    {
        let sql = format!("SELECT v FROM {table}");
        home.resumes(&executor, &sql).await;
        home.run(&format!("UPDATE {table} SET v = v + 1")).await;
        executor.invalidate_table(named).await.unwrap();
        home.check(&executor, &sql).await;
    }
}

async fn a_cache_that_knows_no_catalog<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let executor = home.executor(cache.store()).await;
    let alone = cache_on(&cache.store()).await;
    let schema = if DB::NAME == MySql::NAME { home.database.name.clone() } else { "public".to_owned() };
    let quote = if DB::NAME == MySql::NAME { '`' } else { '"' };
    for name in ["counters".to_owned(), format!("{schema}.counters"), "COUNTERS".to_owned(), format!("{quote}counters{quote}")] {
        let values = alone.depends_on([&name]);
        kept(&values, 1).await;
        // Whoever knows fewer of its tags is given it, too.
        let same = executor.cache().depends_on(["counters"]);
        eventually("the catalog is read", async || same.get_or_set("k", async || Ok::<_, Infallible>(2)).await.unwrap() == 1).await;
        kept(&values, 1).await;
        DB::run(&executor, "UPDATE counters SET v = v + 1 WHERE id = 1").await.unwrap();
        assert_eq!(values.get::<i64>("k").await.unwrap(), None, "{}: {name}", DB::NAME);
        assert_eq!(same.get_or_set("k", async || Ok::<_, Infallible>(3)).await.unwrap(), 3);
        alone.delete("k").await.unwrap();
        let sql = "SELECT v FROM counters WHERE id = 1";
        home.resumes(&executor, sql).await;
        home.run("UPDATE counters SET v = v + 1 WHERE id = 1").await;
        alone.invalidate_tables([&name]).await.unwrap();
        home.check(&executor, sql).await;
    }
}
