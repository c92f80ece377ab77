//! What is said where no database is asked.

use crate::databases::sqlite::Home;
use sqlx_cached::{CachingExecutor, Dialect, Explanation, Invalidates};

/// Compares, then says all that differ.
fn assert_offline(dialect: Dialect, said: &[(&str, &str)]) {
    let wrong: Vec<_> = said
        .iter()
        .map(|(sql, expected)| (sql, expected, Explanation::offline(dialect, sql).to_string()))
        .filter(|(_, expected, said)| said != *expected)
        .map(|(sql, expected, said)| format!("{sql}\n  expected: {expected}\n  said:     {said}\n"))
        .collect();
    assert!(wrong.is_empty(), "{dialect:?}\n{}", wrong.concat());
}

#[test]
fn what_every_dialect_says() {
    for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
        assert_offline(
            dialect,
            &[
                ("SELECT name FROM users", "cached for 300s as data, depends on users"),
                ("SELECT count(*) FROM users", "cached for 60s as count, depends on users"),
                (
                    "SELECT u.name FROM users u JOIN orders o ON o.user_id = u.id WHERE EXISTS (SELECT 1 FROM items)",
                    "cached for 300s as data, depends on users, orders, items",
                ),
                ("WITH late AS (SELECT id FROM orders) SELECT * FROM late", "cached for 300s as data, depends on orders"),
                (
                    "WITH RECURSIVE t AS (SELECT id FROM nodes UNION ALL SELECT n.id FROM nodes n JOIN t ON n.up = t.id) SELECT * FROM t",
                    "cached for 300s as data, depends on nodes",
                ),
                ("/* cache: ttl=5s */ SELECT name FROM users", "cached for 5s as data, depends on users"),
                ("/* cache: off */ SELECT name FROM users", "not cached: a comment in the statement switches the cache off"),
                ("SELECT 1", "not cached: reads no table"),
                ("SELECT CURRENT_TIMESTAMP FROM users", "not cached: calls current_timestamp()"),
                ("INSERT INTO users SELECT id FROM orders", "not cached: it writes; invalidates users"),
                ("UPDATE users SET name = 'Ada'", "not cached: it writes; invalidates users"),
                ("DELETE FROM users; DELETE FROM orders", "not cached: it writes; invalidates users, orders"),
                ("", "not cached: is no query"),
                (
                    "CREATE INDEX by_name ON users (name)",
                    "not cached: is no query; invalidates everything: it may change the schema, or who may see what",
                ),
                (
                    "FROB users",
                    "not cached: the statement is not understood; invalidates everything: what is not understood may do anything",
                ),
            ],
        );
    }
}

#[test]
fn what_only_one_dialect_says() {
    assert_offline(
        Dialect::Postgres,
        &[
            ("SELECT name FROM Users", "cached for 300s as data, depends on users"),
            ("SELECT name FROM \"Users\"", "cached for 300s as data, depends on Users"),
            ("SELECT a.x FROM public.a JOIN app.b ON true", "cached for 300s as data, depends on a, app.b"),
            // The inner name is the table's: no RECURSIVE.
            ("WITH users AS (SELECT * FROM users) SELECT * FROM users", "cached for 300s as data, depends on users"),
            ("SELECT table_name FROM information_schema.tables", "cached for 3600s as schema, depends on _schema"),
            ("SELECT relname FROM pg_class", "not cached: reads pg_class, whose changes can't be followed"),
            ("SELECT query FROM pg_catalog.pg_stat_activity", "not cached: reads pg_stat_activity, whose changes can't be followed"),
            ("SELECT random() FROM users", "not cached: calls random()"),
            ("SELECT id FROM users FOR UPDATE", "not cached: locks what it reads"),
            ("SELECT frob(id) FROM users", "not cached: calls frob(); invalidates everything: calls frob()"),
            ("TRUNCATE users, orders", "not cached: it writes; invalidates users, orders"),
            ("WITH gone AS (DELETE FROM users RETURNING id) SELECT * FROM gone", "not cached: it writes; invalidates users"),
            (
                "DO $$ BEGIN UPDATE users SET name = 'x'; END $$",
                "not cached: is no query; invalidates everything: writes users, which the catalog does not know",
            ),
        ],
    );
    assert_offline(
        Dialect::MySql,
        &[
            ("SELECT name FROM `Users`", "cached for 300s as data, depends on Users"),
            ("SELECT 1 FROM dual", "not cached: reads no table"),
            ("SELECT name FROM shop.users", "cached for 300s as data, depends on shop.users"),
            ("SELECT column_name FROM information_schema.columns", "cached for 3600s as schema, depends on _schema"),
            ("SELECT user FROM mysql.user", "not cached: reads user, whose changes can't be followed"),
            ("DESCRIBE users", "cached for 3600s as schema, depends on _schema, users"),
            ("SELECT DATE(at) FROM orders", "not cached: may make a date of a time of day, by adding today's"),
            ("REPLACE INTO users VALUES (1)", "not cached: it writes; invalidates users"),
        ],
    );
    assert_offline(
        Dialect::Sqlite,
        &[
            ("SELECT name FROM USERS", "cached for 300s as data, depends on users"),
            ("SELECT name FROM main.users", "cached for 300s as data, depends on users"),
            ("SELECT name FROM temp.users", "not cached: reads users, whose changes can't be followed"),
            ("SELECT name FROM sqlite_master", "cached for 3600s as schema, depends on _schema"),
            ("PRAGMA table_info(users)", "cached for 3600s as schema, depends on _schema"),
            ("WITH t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT n FROM t", "not cached: reads no table"),
        ],
    );
}

#[test]
fn a_comment_is_told_whatever_else_keeps_it_from_being_cached() {
    for (sql, off) in [
        ("/* cache: off */ SELECT id FROM users", true),
        ("-- cache: off\nSELECT random() FROM users", true),
        ("SELECT random() FROM users", false),
    ] {
        assert_eq!(Explanation::offline(Dialect::Sqlite, sql).switched_off, off, "{sql}");
    }
}

/// Where there are tables and nothing else, asking the database makes no difference.
#[tokio::test]
async fn a_database_of_plain_tables_says_the_same() {
    let home = Home::new().await;
    let pool = home.pool().await;
    sqlx::raw_sql("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER)")
        .execute(&pool)
        .await
        .unwrap();
    let executor = CachingExecutor::builder(pool).build().await.unwrap();
    for sql in [
        "SELECT name FROM users",
        "SELECT count(*) FROM orders",
        "SELECT * FROM users JOIN orders ON user_id = users.id",
        "WITH u AS (SELECT id FROM users) SELECT * FROM u",
        "SELECT unixepoch() FROM users",
        "INSERT INTO users (name) VALUES ('x') RETURNING id",
        "UPDATE orders SET user_id = (SELECT min(id) FROM users)",
        "BEGIN IMMEDIATE",
        "SELECT frob(id) FROM users",
        "SELECT name FROM sqlite_master",
        "/* cache: off */ SELECT name FROM users",
        "SELECT 1; FROB",
    ] {
        let mut asked = executor.explain(sql);
        if let Ok(read) = &mut asked.read {
            read.key = None;
        }
        assert_eq!(asked, Explanation::offline(Dialect::Sqlite, sql), "{sql}");
    }
}

/// A chain of more names than anybody nests, and texts that end in the middle.
#[test]
fn hostile_texts_come_to_an_end() {
    let unions = (0..2_000).map(|n| format!("SELECT {n} FROM t{n}")).collect::<Vec<_>>().join(" UNION ");
    for sql in [unions.as_str(), &"(".repeat(10_000), "SELECT 'a", "\0", "SELECT * FROM \"\"", "/*", "WITH a AS (", "FROM a.b.c.d"] {
        for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
            let said = Explanation::offline(dialect, sql);
            assert!(said.read.is_ok() || !matches!(said.invalidates, Invalidates::Tables(_)), "{dialect:?} {sql:.40}: {said:?}");
        }
    }
}
