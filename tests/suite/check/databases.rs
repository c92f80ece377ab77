//! Metadata of all three databases, written by sqlx's own types: what is told without the database, and what with it.

use super::{Said, check, check_with, names};
use crate::databases;
use crate::support::{Scratch, mariadb, postgres};
use serde::Serialize;
use sqlx::migrate::{Migrate, Migrator};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, Database, Describe, Executor, Pool, SqlSafeStr};
use std::fs;
use std::path::Path;

/// A query and what is said of it: what it reads (or what it invalidates, if it writes) by its text, and what more the catalog knows.
struct Case {
    sql: &'static str,
    writes: bool,
    text: &'static [&'static str],
    more: &'static [&'static str],
}

const fn read(sql: &'static str, text: &'static [&'static str], more: &'static [&'static str]) -> Case {
    Case { sql, writes: false, text, more }
}

const fn write(sql: &'static str, text: &'static [&'static str], more: &'static [&'static str]) -> Case {
    Case { sql, writes: true, text, more }
}

const CASES: &[Case] = &[
    read("SELECT name FROM users WHERE id = ?", &["users"], &[]),
    read("SELECT count(*) FROM orders", &["orders"], &[]),
    read("SELECT u.name, p.name AS product FROM users u, products p", &["products", "users"], &[]),
    // A view of a view.
    read("SELECT name, spent_cents FROM customers", &["customers"], &["order_items", "order_totals", "orders", "users"]),
    write("DELETE FROM users WHERE id = ?", &["users"], &["order_items", "orders"]),
    write("UPDATE products SET price_cents = 1 WHERE id = ?", &["products"], &["price_changes"]),
    write("INSERT INTO price_changes (product_id, old_cents, new_cents) VALUES (1, 2, 3)", &["price_changes"], &[]),
];

/// Makes the schema, and writes the metadata of each query.
async fn prepare<DB: Database>(pool: &Pool<DB>, migrations: &str, folder: &Path, sql: fn(&str) -> String)
where
    DB::Connection: Migrate,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    Describe<DB>: Serialize,
{
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(migrations);
    Migrator::new(migrations.as_path()).await.expect("migrations").run(pool).await.expect("the schema");
    for (number, case) in CASES.iter().enumerate() {
        let sql = sql(case.sql);
        let mut connection = pool.acquire().await.expect("a connection");
        let describe = (&mut *connection).describe(AssertSqlSafe(sql.clone()).into_sql_str()).await.expect("its description");
        let metadata = serde_json::json!({ "db_name": DB::NAME, "query": sql, "describe": describe, "hash": format!("{number:064x}") });
        fs::write(folder.join(format!("query-{number:064x}.json")), metadata.to_string()).expect("metadata");
    }
}

fn assert_told(said: &Said, sql: fn(&str) -> String, asked: bool) {
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.json()["database_asked"], asked);
    assert_eq!(said.json()["summary"]["queries"], CASES.len());
    for case in CASES {
        let query = said.of(&sql(case.sql));
        let mut expected = case.text.to_vec();
        if asked {
            expected.extend(case.more);
            expected.sort_unstable();
        }
        let told = if case.writes { &query["invalidates"]["tables"] } else { &query["tables"] };
        assert_eq!(names(told), expected, "asked: {asked}: {query}");
        assert_eq!(query["cached"], !case.writes, "{query}");
        let caused = names_of_causes(&query);
        assert_eq!(caused.len(), if asked { case.more.len() } else { 0 }, "{query}");
        if case.sql.contains("count(*)") {
            assert_eq!(query["category"], "count", "{query}");
        }
    }
}

fn names_of_causes(query: &serde_json::Value) -> Vec<&str> {
    query["causes"].as_array().into_iter().flatten().filter_map(|cause| cause["table"].as_str()).collect()
}

fn assert_both_ways(folder: &Path, url: &str, sql: fn(&str) -> String) {
    let folder_name = folder.to_str().expect("a path");
    assert_told(&check(folder, &[folder_name, "--json"]), sql, false);
    assert_told(&check(folder, &[folder_name, "--json", "--database-url", url]), sql, true);
    // As sqlx's own macros take these.
    assert_told(&check_with(folder, &[folder_name, "--json"], &[("DATABASE_URL", url)]), sql, true);
    assert_told(&check_with(folder, &[folder_name, "--json"], &[("DATABASE_URL", url), ("SQLX_OFFLINE", "true")]), sql, false);
    let text = check(folder, &[folder_name, "--database-url", url]);
    assert!(text.out.contains("orders (ON DELETE CASCADE from users)"), "{text:?}");
}

#[tokio::test]
async fn postgres_metadata() {
    let database = postgres().await.database().await;
    let pool = PgPoolOptions::new().max_connections(1).connect_with(database.options.clone()).await.expect("a pool");
    let folder = Scratch::new();
    prepare(&pool, "postgres", folder.path(), databases::postgres::sql).await;
    assert_both_ways(folder.path(), &database.url, databases::postgres::sql);
}

#[tokio::test]
async fn mysql_metadata() {
    let database = mariadb().await.database().await;
    let pool = MySqlPoolOptions::new().max_connections(1).connect_with(database.options.clone()).await.expect("a pool");
    let folder = Scratch::new();
    prepare(&pool, "mysql", folder.path(), databases::mysql::sql).await;
    assert_both_ways(folder.path(), &database.url, databases::mysql::sql);
}

#[tokio::test]
async fn sqlite_metadata() {
    let folder = Scratch::new();
    let url = format!("sqlite:{}?mode=rwc", folder.join("shop.db").display());
    let pool = SqlitePoolOptions::new().max_connections(1).connect(&url).await.expect("a pool");
    let metadata = folder.join("metadata");
    fs::create_dir(&metadata).unwrap();
    prepare(&pool, "sqlite", &metadata, databases::sqlite::sql).await;
    assert_both_ways(&metadata, &url, databases::sqlite::sql);

    // The columns tell of the tables beneath, though the text does not name them.
    let path = metadata.to_str().unwrap();
    let said = check(&metadata, &[path, "--json"]);
    assert_eq!(names(&said.of("SELECT name, spent_cents")["beneath_views"]), ["users"]);
    assert!(names(&said.of("SELECT name FROM users")["beneath_views"]).is_empty());
    assert!(check(&metadata, &[path]).out.contains("columns come from users, so it reads a view"));

    // One made for the purpose knows as much as the true one.
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    assert_told(&check(&metadata, &[path, "--json", "--schema", migrations.to_str().unwrap()]), databases::sqlite::sql, true);
    let schema = folder.join("schema.sql");
    fs::write(
        &schema,
        ["1_shop", "2_reports"].map(|name| fs::read_to_string(migrations.join(name).with_extension("sql")).unwrap()).concat(),
    )
    .unwrap();
    assert_told(&check(&metadata, &[path, "--json", "--schema", schema.to_str().unwrap()]), databases::sqlite::sql, true);
    fs::write(&schema, "CREATE TABLE").unwrap();
    let said = check(&metadata, &[path, "--schema", schema.to_str().unwrap()]);
    assert!(said.code == Some(3) && said.err.contains("schema.sql"), "{said:?}");
}

#[tokio::test]
async fn another_databases_metadata_is_not_judged() {
    let database = postgres().await.database().await;
    let folder = Scratch::new();
    fs::write(folder.join("query-a.json"), super::metadata("SQLite", "SELECT 1 FROM users")).unwrap();
    let path = folder.path().to_str().unwrap();
    let said = check(folder.path(), &[path, "--database-url", &database.url]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("query-a.json") && said.err.contains("SQLite") && said.err.contains("PostgreSQL"), "{said:?}");
}

#[test]
fn a_database_that_is_not_there_is_no_reason_to_guess() {
    let folder = Scratch::new();
    fs::write(folder.join("query-a.json"), super::metadata("PostgreSQL", "SELECT 1 FROM users")).unwrap();
    let path = folder.path().to_str().unwrap();
    let nowhere = format!("postgres://me:sesame@localhost/x?host={}", folder.join("nobody").display());
    let said = check(folder.path(), &[path, "--database-url", &nowhere]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.out.is_empty() && !said.err.contains("sesame"), "{said:?}");
    assert_eq!(check(folder.path(), &[path, "--database-url", &nowhere, "--offline"]).code, Some(0));
}
