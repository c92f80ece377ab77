use super::{assert_forgotten, assert_said};
use crate::databases::sqlite::Home;
use sqlx_cached::{CachingExecutor, UnclearWrites};

const SCHEMA: &str = "
    CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE);
    CREATE TABLE items (id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders (id) ON DELETE CASCADE ON UPDATE SET NULL);
    CREATE TABLE log (what TEXT);
    CREATE TRIGGER audit AFTER UPDATE ON users BEGIN INSERT INTO log VALUES (new.name); END;
    CREATE VIEW buyers AS SELECT u.id FROM users u JOIN orders o ON o.user_id = u.id;
    CREATE VIEW regulars AS SELECT id FROM buyers GROUP BY id HAVING COUNT(*) > 10;
    CREATE VIEW late AS SELECT id FROM orders WHERE id < unixepoch();
    CREATE VIEW very_late AS SELECT id FROM late;
    CREATE VIEW today AS SELECT id, CURRENT_DATE AS day FROM orders;
    CREATE VIRTUAL TABLE words USING fts5(body)";

#[tokio::test]
async fn what_is_said_on_sqlite() {
    let home = Home::new().await;
    let pool = home.pool().await;
    sqlx::raw_sql(SCHEMA).execute(&pool).await.unwrap();
    let executor = CachingExecutor::builder(pool).build().await.unwrap();
    assert_said(
        &executor,
        &[
            ("SELECT name FROM users", "cached for 300s as data, depends on users"),
            ("SELECT id FROM buyers", "cached for 300s as data, depends on buyers, users, orders; users: view buyers; orders: view buyers"),
            (
                "SELECT id FROM regulars",
                "cached for 300s as data, depends on regulars, buyers, users, orders; buyers: view regulars; users: view buyers; orders: view buyers",
            ),
            (
                "DELETE FROM users WHERE id = 7",
                "not cached: it writes; invalidates users, orders, items; orders: ON DELETE CASCADE from users; items: ON DELETE CASCADE from orders",
            ),
            ("UPDATE users SET name = 'Ada'", "not cached: it writes; invalidates users, log; log: trigger audit on users"),
            ("INSERT INTO users SELECT id, unixepoch() FROM orders", "not cached: it writes; invalidates users"),
            ("SELECT id FROM orders WHERE id < unixepoch()", "not cached: calls unixepoch()"),
            ("SELECT id FROM very_late", "not cached: view late: calls unixepoch()"),
            ("SELECT id FROM today", "not cached: view today: calls current_date()"),
            ("SELECT body FROM words", "not cached: reads words, whose changes can't be followed"),
            ("SELECT id FROM nowhere", "not cached: names nowhere, which the catalog does not know"),
            ("DELETE FROM nowhere", "not cached: it writes; invalidates everything: writes nowhere, which the catalog does not know"),
            ("SELECT 1", "not cached: reads no table"),
            ("SELECT frobnicate(id) FROM orders", "not cached: calls frobnicate(); invalidates everything: calls frobnicate()"),
            (
                "CREATE INDEX by_name ON users (name)",
                "not cached: is no query; invalidates everything: it may change the schema, or who may see what",
            ),
            ("BEGIN; FROB", "not cached: the statement is not understood; invalidates everything: what is not understood may do anything"),
            ("/* cache: off */ SELECT name FROM users", "not cached: a comment in the statement switches the cache off"),
        ],
    );
}

/// Where the database is asked, it does not follow that all is forgotten.
#[tokio::test]
async fn what_is_said_where_the_database_is_asked() {
    let home = Home::new().await;
    let pool = home.pool().await;
    sqlx::raw_sql(SCHEMA).execute(&pool).await.unwrap();
    let executor = CachingExecutor::builder(pool).unclear_writes(UnclearWrites::Ask).build().await.unwrap();
    let strange = "UPDATE users SET name = 'x' WHERE id IN (SELECT id FROM orders ORDER BY id LIMIT 1) INDEXED";
    let said = executor.explain(strange).to_string();
    assert_eq!(
        said,
        "not cached: the statement is not understood; invalidates everything: what is not understood may do anything, unless the database, asked, tells what was written"
    );
}

#[tokio::test]
async fn what_the_readme_says_is_forgotten() {
    let home = Home::new().await;
    let pool = home.pool().await;
    sqlx::raw_sql(SCHEMA).execute(&pool).await.unwrap();
    sqlx::raw_sql(
        "
        CREATE TABLE replaced (id INTEGER PRIMARY KEY ON CONFLICT REPLACE);
        CREATE TABLE under (id INTEGER REFERENCES replaced (id) ON DELETE CASCADE);
        CREATE TRIGGER bought INSTEAD OF INSERT ON buyers BEGIN INSERT INTO orders (user_id) VALUES (new.id); END",
    )
    .execute(&pool)
    .await
    .unwrap();
    let executor = CachingExecutor::builder(pool).build().await.unwrap();
    assert_forgotten(
        &executor,
        &[
            ("INSERT INTO log VALUES ('x')", "log"),
            ("INSERT OR REPLACE INTO orders VALUES (1, 1)", "orders, items"),
            ("INSERT INTO replaced VALUES (1)", "replaced, under"),
            ("UPDATE orders SET user_id = 1", "orders"),
            ("UPDATE orders SET id = 1", "orders, items"),
            // The conflict clause of the statement that fires a trigger replaces those in its body, so any insert there may delete.
            ("INSERT INTO buyers VALUES (1)", "orders, items"),
            ("INSERT INTO temp.t VALUES (1)", "*"),
            ("DELETE FROM nowhere", "*"),
        ],
    );
}
