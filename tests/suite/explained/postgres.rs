use super::{assert_forgotten, assert_said};
use crate::databases::postgres::Home;
use sqlx_cached::{CachingExecutor, UnclearWrites};

const SCHEMA: &str = "
    CREATE TABLE users (id int PRIMARY KEY, name text);
    CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE);
    CREATE TABLE log (what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (NEW.name); RETURN NULL; END $$;
    CREATE TRIGGER audit AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TABLE hidden (id int);
    CREATE FUNCTION build() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DELETE FROM log'; RETURN NULL; END $$;
    CREATE TRIGGER built AFTER INSERT ON hidden FOR EACH ROW EXECUTE FUNCTION build();
    CREATE VIEW buyers AS SELECT u.id FROM users u JOIN orders o ON o.user_id = u.id;
    CREATE VIEW regulars AS SELECT id FROM buyers GROUP BY id HAVING count(*) > 10;
    CREATE VIEW late AS SELECT id FROM orders WHERE id < extract(epoch FROM now());
    CREATE VIEW today AS SELECT id, CURRENT_DATE AS day FROM orders;
    CREATE VIEW versioned AS SELECT id, xmin::text FROM orders;
    CREATE FUNCTION rolled(int) RETURNS int LANGUAGE sql AS $$ SELECT max(id) FROM orders WHERE id < $1 $$;
    CREATE TABLE visits (id int, day int) PARTITION BY RANGE (day);
    CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (0) TO (100);
    CREATE SEQUENCE s;
    CREATE TABLE papers (id int, owner text);
    ALTER TABLE papers ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON papers USING (owner IN (SELECT name FROM users));
    CREATE TABLE mine (id int, owner text);
    ALTER TABLE mine ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON mine USING (owner = CURRENT_USER)";

#[tokio::test]
async fn what_is_said_on_postgres() {
    let home = Home::new().await;
    let pool = home.pool().await;
    sqlx::raw_sql(SCHEMA).execute(&pool).await.unwrap();
    let executor = CachingExecutor::builder(pool).build().await.unwrap();
    assert_said(
        &executor,
        &[
            (
                "SELECT id FROM regulars",
                "cached for 300s as data, depends on regulars, buyers, users, orders; buyers: view regulars; users: view buyers; orders: view buyers",
            ),
            ("SELECT count(*) FROM visits", "cached for 60s as count, depends on visits"),
            ("DELETE FROM users WHERE id = 7", "not cached: it writes; invalidates users, orders; orders: ON DELETE CASCADE from users"),
            ("UPDATE users SET name = 'Ada'", "not cached: it writes; invalidates users, log; log: trigger audit on users: note()"),
            (
                "INSERT INTO hidden VALUES (1)",
                "not cached: it writes; invalidates everything: trigger built on hidden: build(): runs dynamic SQL",
            ),
            ("INSERT INTO visits_1 VALUES (1, 1)", "not cached: it writes; invalidates visits_1, visits; visits: visits_1 is a part of it"),
            ("DELETE FROM visits", "not cached: it writes; invalidates visits, visits_1; visits_1: a part of visits"),
            ("SELECT id FROM orders WHERE id < extract(epoch FROM now())", "not cached: calls now()"),
            ("SELECT id FROM late", "not cached: view late: calls now()"),
            ("SELECT id FROM today", "not cached: view today: calls current_date()"),
            ("SELECT id FROM versioned", "not cached: view versioned: reads a system column"),
            ("SELECT rolled(id) FROM orders", "not cached: calls rolled(), which is not declared STABLE or IMMUTABLE"),
            ("SELECT $1::date FROM orders", "not cached: casts to a type whose input depends on more than the text"),
            ("SELECT last_value FROM s", "not cached: reads s, whose changes can't be followed"),
            ("SELECT nextval('s') FROM orders", "not cached: calls nextval()"),
            (
                "SELECT id FROM nowhere",
                "not cached: names nowhere, which the catalog does not know; invalidates everything: names nowhere, which the catalog does not know",
            ),
            ("SELECT id FROM papers", "not cached: reads a table with row-level security, and the executor has no scope"),
        ],
    );
    assert_said(
        &executor.scope("tenant-7"),
        &[
            ("SELECT id FROM papers", "cached for 300s as data, depends on papers, users; users: policy of papers"),
            // A scope says whose rows these are, not that the policy always decides alike.
            ("SELECT id FROM mine", "not cached: policy of mine: calls current_user()"),
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
    assert_said(
        &executor,
        &[(
            "INSERT INTO hidden VALUES (1)",
            "not cached: it writes; invalidates everything: trigger built on hidden: build(): runs dynamic SQL, unless the database, asked, tells what was written",
        )],
    );
}

#[tokio::test]
async fn what_the_readme_says_is_forgotten() {
    let home = Home::new().await;
    let pool = home.pool().await;
    sqlx::raw_sql(SCHEMA).execute(&pool).await.unwrap();
    sqlx::raw_sql(
        "
        CREATE TABLE fees (id int PRIMARY KEY, order_id int DEFAULT 0 REFERENCES orders ON DELETE SET DEFAULT ON UPDATE CASCADE);
        CREATE TABLE ruled (a int);
        CREATE RULE also AS ON INSERT TO ruled DO ALSO INSERT INTO log VALUES ('x');
        CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM (100) TO (200);
        CREATE TABLE animals (a int);
        CREATE TABLE cats () INHERITS (animals);
        CREATE VIEW simple AS SELECT id, owner FROM mine;
        CREATE VIEW routed AS SELECT id FROM fees;
        CREATE TRIGGER instead INSTEAD OF DELETE ON routed FOR EACH ROW EXECUTE FUNCTION note();
        CREATE MATERIALIZED VIEW kept AS SELECT id FROM orders;
        CREATE FUNCTION clear() RETURNS void LANGUAGE sql AS $$ DELETE FROM log $$;
        CREATE PROCEDURE clear_twice() LANGUAGE plpgsql AS $$ BEGIN PERFORM clear(); DELETE FROM ruled; END $$;
        CREATE EXTENSION file_fdw;
        CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
        CREATE FOREIGN TABLE far (a text) SERVER files OPTIONS (program 'echo far');
        CREATE SCHEMA other; CREATE TABLE other.t (a int)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let executor = CachingExecutor::builder(pool).build().await.unwrap();
    assert_forgotten(
        &executor,
        &[
            ("INSERT INTO log VALUES ('x')", "log"),
            ("DELETE FROM orders", "orders, fees"),
            ("UPDATE orders SET user_id = 1", "orders"),
            ("UPDATE orders SET id = 1", "orders, fees"),
            ("INSERT INTO ruled VALUES (1)", "ruled, log"),
            ("INSERT INTO visits_2 VALUES (1, 101)", "visits_2, visits"),
            ("UPDATE visits SET day = 7", "visits, visits_1, visits_2"),
            ("INSERT INTO cats VALUES (1)", "cats, animals"),
            ("UPDATE animals SET a = 1", "animals, cats"),
            ("UPDATE simple SET id = 1", "mine"),
            ("DELETE FROM routed", "log"),
            ("TRUNCATE log", "log"),
            ("TRUNCATE orders CASCADE", "orders, fees"),
            ("COPY users FROM STDIN", "users"),
            ("COPY ruled FROM STDIN", "ruled, log"),
            ("REFRESH MATERIALIZED VIEW kept", "kept"),
            ("SELECT clear()", "log"),
            ("CALL clear_twice()", "ruled, log"),
            ("DO $$ BEGIN DELETE FROM log; END $$", "log"),
            ("INSERT INTO other.t VALUES (1)", "other.t"),
            ("INSERT INTO far VALUES ('x')", "*"),
            ("DO $$ BEGIN EXECUTE 'DELETE FROM log'; END $$", "*"),
            ("DELETE FROM nowhere", "*"),
            ("GRANT SELECT ON log TO PUBLIC", "*"),
        ],
    );
    assert_said(
        &executor,
        &[
            ("SELECT id FROM kept", "cached for 300s as data, depends on kept"),
            ("SELECT a FROM far", "not cached: reads far, whose changes can't be followed"),
        ],
    );
}
