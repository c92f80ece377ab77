//! `warm` and `install-notifications`.

use super::{Desk, json, ran};
use crate::support::{mariadb, postgres};
use serde_json::json;
use std::process::Stdio;

#[tokio::test]
async fn warmed_queries_are_hits_of_the_program() {
    let desk = Desk::new();
    let executor = desk.executor(desk.shop().await).await;
    let file = desk.scratch.join("warm.sql");
    std::fs::write(&file, "-- what the front page reads\nSELECT name\n  FROM users;\nSELECT id FROM orders WHERE 'a;b' <> '';\n").unwrap();
    let warmed = desk.json(&["warm", "--file", file.to_str().unwrap(), "SELECT COUNT(*) FROM users"]);
    assert_eq!(warmed, json!({ "filled": 3, "already": 0, "not_kept": [], "failed": [] }));
    for sql in ["SELECT name\n  FROM users", "SELECT id FROM orders WHERE 'a;b' <> ''", "SELECT COUNT(*) FROM users"] {
        sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&executor).await.unwrap();
    }
    assert_eq!((executor.stats().hits, executor.stats().misses), (3, 0));
    // `fetch_one` has an answer of its own.
    desk.says(&["warm", "--one", "SELECT COUNT(*) FROM users"]);
    sqlx::query("SELECT COUNT(*) FROM users").fetch_one(&executor).await.unwrap();
    assert_eq!((executor.stats().hits, executor.stats().misses), (4, 0));
    assert_eq!(desk.says(&["warm", "SELECT COUNT(*) FROM users"]), "0 filled, 1 there already, 0 not kept, 0 failed\n");
    let piped = ran(desk.tool(&["warm", "-f", "-"]).stdin(std::fs::File::open(&file).unwrap()));
    assert_eq!((piped.code, piped.out.as_str()), (0, "0 filled, 2 there already, 0 not kept, 0 failed\n"));
}

#[tokio::test]
async fn what_could_not_be_warmed_is_said() {
    let desk = Desk::new();
    desk.shop().await;
    let ran = desk.run(&["warm", "SELECT random() FROM users", "DELETE FROM users", "--json"]);
    let document = json(&ran.out);
    assert_eq!((ran.code, &document["filled"], document["not_kept"].as_array().unwrap().len()), (1, &json!(0), 2));
    let failed = desk.run(&["warm", "SELECT abs('-9223372036854775808' + id - id) FROM users"]);
    assert_eq!(failed.code, 1, "{}{}", failed.out, failed.err);
    assert_eq!(desk.run(&["warm"]).code, 2);
    let missing = desk.run(&["warm", "--file", "no-such-file.sql"]);
    assert!(missing.code == 3 && missing.err.contains("no-such-file.sql"), "{}", missing.err);
    let open = desk.run(&["warm", "SELECT 'open"]);
    assert!(open.code == 2 && open.err.contains("Line: 1"), "{}", open.err);
}

#[tokio::test]
async fn triggers_come_and_go_and_a_dry_run_only_says_so() {
    let desk = Desk::new();
    let database = postgres().await.database().await;
    sqlx::raw_sql("CREATE TABLE users (id int); CREATE TABLE orders (id int)").execute(&database.pool).await.unwrap();
    let run = |arguments: &[&str]| ran(desk.tool(arguments).env("DATABASE_URL", &database.url));
    let triggers = async || {
        let count = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'sqlx_cached%'";
        sqlx::query_scalar::<_, i64>(count).fetch_one(&database.pool).await.unwrap()
    };
    let dry = run(&["install-notifications", "--dry-run", "users"]);
    assert_eq!((dry.code, triggers().await), (0, 0), "{}{}", dry.out, dry.err);
    assert!(
        dry.out.contains("CREATE OR REPLACE FUNCTION sqlx_cached_notify()")
            && dry.out.contains("ON public.users")
            && !dry.out.contains("orders"),
        "{}",
        dry.out
    );
    // It is a script as it stands.
    sqlx::raw_sql(sqlx::AssertSqlSafe(dry.out)).execute(&database.pool).await.unwrap();
    assert_eq!(triggers().await, 2);
    let installed = run(&["install-notifications", "--json"]);
    assert_eq!((json(&installed.out), triggers().await), (json!({ "installed": 1 }), 4));
    assert_eq!(run(&["install-notifications"]).out, "every table has its triggers already\n");
    assert_eq!(json(&run(&["install-notifications", "--dry-run", "--json"]).out), json!({ "sql": "" }));
    let unknown = run(&["install-notifications", "nowhere"]);
    assert!(unknown.code == 3 && unknown.err.contains("nowhere"), "{}", unknown.err);
    assert_eq!((run(&["install-notifications", "--remove"]).code, triggers().await), (0, 0));
    assert_eq!(run(&["install-notifications", "--remove", "users"]).code, 2);

    desk.shop().await;
    let sqlite = desk.run(&["install-notifications"]);
    assert!(sqlite.code == 3 && sqlite.err.contains("PostgreSQL"), "{}", sqlite.err);
}

#[tokio::test]
async fn every_database_is_warmed_and_explained() {
    let desk = Desk::new();
    let (postgres, mariadb) = (postgres().await.database().await, mariadb().await.database().await);
    sqlx::raw_sql("CREATE TABLE users (id int)").execute(&postgres.pool).await.unwrap();
    sqlx::raw_sql("CREATE TABLE users (id int)").execute(&mariadb.pool).await.unwrap();
    for url in [&postgres.url, &mariadb.url] {
        let run =
            |arguments: &[&str]| ran(desk.tool(arguments).env_remove("DATABASE_URL").args(["--database-url", url]).stdin(Stdio::null()));
        let warmed = run(&["warm", "SELECT id FROM users"]);
        assert_eq!((warmed.code, warmed.out.as_str()), (0, "1 filled, 0 there already, 0 not kept, 0 failed\n"), "{}", warmed.err);
        let explained = run(&["explain", "SELECT id FROM users"]);
        assert!(explained.out.starts_with("cached for 300s as data, depends on users"), "{}{}", explained.out, explained.err);
        let examined = run(&["doctor", "--json"]);
        let document = json(&examined.out);
        let named = document["findings"].as_array().unwrap().iter().find(|finding| finding["section"] == "database").unwrap();
        assert!(
            named["message"].as_str().unwrap().contains(if url.starts_with("postgres") { "PostgreSQL 1" } else { "MariaDB" }),
            "{named}"
        );
        assert!(examined.code < 3, "{}", examined.out);
        assert_eq!(run(&["invalidate", "users"]).code, 0);
    }
}
