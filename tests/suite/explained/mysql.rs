use super::{assert_forgotten, assert_said};
use crate::databases::mysql::Home;
use sqlx_cached::{CachingExecutor, UnclearWrites};

const SCHEMA: &str = "
    CREATE TABLE users (id INT PRIMARY KEY, name TEXT);
    CREATE TABLE orders (id INT PRIMARY KEY, user_id INT, FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE);
    CREATE TABLE log (what TEXT);
    CREATE TRIGGER audit AFTER UPDATE ON users FOR EACH ROW INSERT INTO log VALUES (NEW.name);
    CREATE VIEW buyers AS SELECT u.id FROM users u JOIN orders o ON o.user_id = u.id;
    CREATE VIEW regulars AS SELECT id FROM buyers GROUP BY id HAVING COUNT(*) > 10;
    CREATE VIEW late AS SELECT id FROM orders WHERE id < UNIX_TIMESTAMP();
    CREATE SEQUENCE s;
    CREATE FUNCTION best() RETURNS INT READS SQL DATA RETURN (SELECT MAX(id) FROM orders);
    CREATE PROCEDURE build() EXECUTE IMMEDIATE 'DELETE FROM log'";

#[tokio::test]
async fn what_is_said_on_mysql() {
    let home = Home::new().await;
    let pool = home.pool().await;
    sqlx::raw_sql(SCHEMA).execute(&pool).await.unwrap();
    let executor = CachingExecutor::builder(pool).unclear_writes(UnclearWrites::Ask).build().await.unwrap();
    assert_said(
        &executor,
        &[
            (
                "SELECT id FROM regulars",
                "cached for 300s as data, depends on regulars, buyers, users, orders; buyers: view regulars; users: view buyers; orders: view buyers",
            ),
            ("DELETE FROM users WHERE id = 7", "not cached: it writes; invalidates users, orders; orders: ON DELETE CASCADE from users"),
            ("UPDATE users SET name = 'Ada'", "not cached: it writes; invalidates users, log; log: trigger audit on users"),
            ("SELECT id FROM orders WHERE id < UNIX_TIMESTAMP()", "not cached: calls unix_timestamp()"),
            ("SELECT id FROM late", "not cached: view late: calls unix_timestamp()"),
            ("SELECT next_not_cached_value FROM s", "not cached: reads s, whose changes can't be followed"),
            ("SELECT best() FROM orders", "not cached: calls best(), which is not declared DETERMINISTIC"),
            // There nothing would tell, whatever the setting.
            ("CALL build()", "not cached: is no query; invalidates everything: build(): runs dynamic SQL"),
            ("SELECT id FROM nowhere", "not cached: names nowhere, which the catalog does not know"),
        ],
    );
}

#[tokio::test]
async fn what_the_readme_says_is_forgotten() {
    let home = Home::new().await;
    let pool = home.pool().await;
    sqlx::raw_sql(SCHEMA).execute(&pool).await.unwrap();
    sqlx::raw_sql(
        "
        CREATE TRIGGER ordered AFTER DELETE ON orders FOR EACH ROW INSERT INTO log VALUES ('gone');
        CREATE TABLE parted (id INT) PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (100));
        CREATE VIEW simple AS SELECT id, user_id FROM orders;
        CREATE PROCEDURE clear() DELETE FROM log;
        CREATE TABLE passing (a INT) ENGINE = MEMORY",
    )
    .execute(&pool)
    .await
    .unwrap();
    let executor = CachingExecutor::builder(pool).build().await.unwrap();
    assert_forgotten(
        &executor,
        &[
            // The trigger on orders: not fired by the cascade.
            ("DELETE FROM users", "users, orders"),
            ("DELETE FROM orders", "orders, log"),
            ("REPLACE INTO users VALUES (1, 'x')", "users, orders"),
            ("UPDATE users SET id = 1", "users, log"),
            ("INSERT INTO parted VALUES (1)", "parted"),
            ("UPDATE simple SET user_id = 1", "orders"),
            ("TRUNCATE log", "log"),
            ("CALL clear()", "log"),
            ("CALL build()", "*"),
            ("LOAD DATA INFILE 'x' INTO TABLE log", "*"),
            ("INSERT INTO mysql.help_topic (name) VALUES ('x')", "*"),
            ("DELETE FROM nowhere", "*"),
            ("GRANT SELECT ON log TO nobody", "*"),
        ],
    );
    assert_said(
        &executor,
        &[
            ("SELECT a FROM passing", "not cached: reads passing, whose changes can't be followed"),
            ("SELECT name FROM mysql.help_topic", "not cached: reads help_topic, whose changes can't be followed"),
        ],
    );
}
