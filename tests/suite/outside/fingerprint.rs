//! The fingerprint of the schema, as `Backend` reads it: it changes with each kind of DDL, and with nothing else.

use crate::faults::kit::Server;
use crate::support::MariaDb;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::{MySql, Pool, Postgres, Sqlite};
use std::time::{Duration, Instant};

async fn fingerprint<DB: Server>(pool: &Pool<DB>) -> String {
    DB::fingerprint(&mut *pool.acquire().await.expect("a connection")).await.expect("a fingerprint")
}

/// Runs each statement: one by one they must change the fingerprint, or must not.
async fn check<DB: Server>(pool: &Pool<DB>, statements: &[&str], changes: bool) {
    for statement in statements {
        let before = fingerprint(pool).await;
        DB::run_direct(pool, statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        let after = fingerprint(pool).await;
        assert_eq!(before != after, changes, "{}: {statement}\n{before}\n{after}", DB::NAME);
    }
}

/// One after the other, in a database with the table `counters`.
const POSTGRES_DDL: &[&str] = &[
    "CREATE TABLE t (a int PRIMARY KEY, b varchar(10))",
    "CREATE TABLE u (a int, b text) WITH (fillfactor = 70)",
    "ALTER TABLE t ADD COLUMN c int DEFAULT 7",
    "ALTER TABLE t RENAME COLUMN c TO d",
    "ALTER TABLE t ALTER COLUMN b TYPE text",
    "ALTER TABLE t ALTER COLUMN d SET DEFAULT 8",
    "ALTER TABLE t DROP COLUMN d",
    "ALTER TABLE u RENAME TO v",
    "ALTER TABLE v RENAME TO u",
    "ALTER TABLE u ADD FOREIGN KEY (a) REFERENCES t ON DELETE CASCADE",
    "CREATE INDEX i ON u (b)",
    "CREATE VIEW w AS SELECT a FROM t",
    "CREATE OR REPLACE VIEW w AS SELECT a FROM u",
    "ALTER VIEW w SET (security_barrier)",
    "CREATE MATERIALIZED VIEW m AS SELECT a FROM t",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM u; RETURN NULL; END'",
    "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "ALTER TABLE t DISABLE TRIGGER g",
    "ALTER TABLE t ENABLE TRIGGER g",
    "CREATE RULE r AS ON UPDATE TO t DO ALSO DELETE FROM u",
    "ALTER TABLE t DISABLE RULE r",
    "DROP RULE r ON t",
    "DROP TRIGGER g ON t",
    "CREATE TABLE p (a int) PARTITION BY LIST (a)",
    "CREATE TABLE q (a int)",
    "ALTER TABLE p ATTACH PARTITION q FOR VALUES IN (1)",
    "ALTER TABLE p DETACH PARTITION q",
    "CREATE TABLE heir () INHERITS (u)",
    "ALTER TABLE heir NO INHERIT u",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY y ON t USING (a > 0)",
    "ALTER POLICY y ON t USING (a > 1)",
    "ALTER TABLE t FORCE ROW LEVEL SECURITY",
    "DROP POLICY y ON t",
    "CREATE TYPE e AS ENUM ('x')",
    "ALTER TYPE e ADD VALUE 'y'",
    "CREATE DOMAIN d AS int CHECK (VALUE > 0)",
    "ALTER DOMAIN d DROP CONSTRAINT d_check",
    "CREATE TYPE k AS (a int)",
    "CREATE FUNCTION into_k(int) RETURNS k LANGUAGE sql AS 'SELECT ROW($1)::k'",
    "CREATE CAST (int AS k) WITH FUNCTION into_k(int)",
    "CREATE OPERATOR @@@@ (FUNCTION = int4pl, LEFTARG = int, RIGHTARG = int)",
    "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)",
    "CREATE COLLATION c FROM \"C\"",
    "CREATE SCHEMA s",
    "ALTER TABLE q SET SCHEMA s",
    "CREATE SEQUENCE z",
    "ALTER TABLE u SET UNLOGGED",
    "DROP VIEW w",
    "DROP TABLE u CASCADE",
    "CREATE TABLE u (a int, b text)",
    "BEGIN; DROP TABLE u; CREATE TABLE u (a int, b text); COMMIT",
];

#[tokio::test]
async fn postgres() {
    let home = Postgres::home().await;
    let server = crate::support::postgres().await;
    let (role, other) = (server.role("").await, server.role("").await);
    let roles = [
        format!("GRANT SELECT ON t TO {role}"),
        format!("GRANT SELECT (a) ON u TO {role}"),
        format!("ALTER TABLE t OWNER TO {role}"),
        format!("ALTER ROLE {role} BYPASSRLS"),
        format!("GRANT {other} TO {role}"),
        format!("ALTER ROLE {other} SUPERUSER"),
        format!("REVOKE {other} FROM {role}"),
        format!("ALTER DATABASE {} SET search_path = s, public", home.database.name),
        format!("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role}; CREATE TABLE granted ()"),
    ];
    check(&home.plain, POSTGRES_DDL, true).await;
    check(&home.plain, &roles.iter().map(String::as_str).collect::<Vec<_>>(), true).await;
    // Of one connection, so that what is temporary is still there.
    let pool = PgPoolOptions::new().max_connections(1).connect_with(home.database.options.clone()).await.expect("a pool");
    check(
        &pool,
        &[
            "INSERT INTO counters SELECT n, n FROM generate_series(1000, 9000) n",
            "UPDATE counters SET v = v + 1",
            "DELETE FROM counters WHERE id > 5000",
            "SELECT nextval('z'), setval('z', 100)",
            "ANALYZE",
            "VACUUM",
            "VACUUM (FREEZE)",
            "VACUUM (FULL, ANALYZE) counters",
            "CLUSTER counters USING counters_pkey",
            "REINDEX TABLE counters",
            "TRUNCATE counters",
            "REFRESH MATERIALIZED VIEW m",
            "CREATE TEMP TABLE passing (a serial PRIMARY KEY, b text DEFAULT 'x' CHECK (b > ''))",
            "CREATE TEMP VIEW fleeting AS SELECT a FROM passing",
            "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE TYPE pg_temp.y AS ENUM ('x')",
            "CREATE DOMAIN pg_temp.z AS int CHECK (VALUE > 0)",
            "DROP TABLE passing CASCADE",
            "BEGIN; CREATE TABLE undone (a int); ROLLBACK",
            // Who has nothing to do with this database.
            &format!("CREATE ROLE {other}_too; GRANT {role} TO {other}_too; ALTER ROLE {other}_too SET work_mem = '4MB'"),
            &format!("DROP ROLE {other}_too"),
            "SELECT count(*) FROM counters",
            "CHECKPOINT",
        ],
        false,
    )
    .await;
}

#[tokio::test]
async fn mysql() {
    // A server of its own: other tests change their databases, and it counts those changes, too.
    let server = tokio::task::spawn_blocking(MariaDb::start).await.expect("a server");
    let database = server.database().await;
    // Of one connection, so that what is temporary is still there.
    let pool = MySqlPoolOptions::new().max_connections(1).connect_with(database.options.clone()).await.expect("a pool");
    MySql::run_direct(&pool, "CREATE TABLE counters (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await.expect("a table");
    let user = server.user(&format!("SELECT ON {}.*", database.name)).await;
    let roles = [
        format!("GRANT INSERT ON {}.* TO {user}@localhost", database.name),
        format!("REVOKE INSERT ON {}.* FROM {user}@localhost", database.name),
        format!("DROP USER {user}@localhost"),
    ];
    check(
        &pool,
        &[
            "CREATE TABLE t (a INT PRIMARY KEY, b INT)",
            "ALTER TABLE t ADD COLUMN c INT",
            "RENAME TABLE t TO u",
            "CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES u (a) ON DELETE CASCADE)",
            "CREATE INDEX i ON u (b)",
            "DROP INDEX i ON u",
            "CREATE VIEW w AS SELECT a FROM t",
            "CREATE OR REPLACE VIEW w AS SELECT a FROM u",
            "ALTER VIEW w AS SELECT b FROM u",
            "DROP VIEW w",
            "CREATE TRIGGER g AFTER INSERT ON u FOR EACH ROW SET @x = 1",
            "DROP TRIGGER g",
            "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1",
            "ALTER FUNCTION f COMMENT 'x'",
            "DROP FUNCTION f",
            "CREATE PROCEDURE p() BEGIN CREATE TABLE made (a INT); DROP TABLE made; END",
            "CALL p()",
            "EXECUTE IMMEDIATE 'CREATE TABLE made (a INT)'",
            "PREPARE s FROM 'DROP TABLE made'; EXECUTE s",
            "ALTER PROCEDURE p COMMENT 'x'",
            "DROP PROCEDURE p",
            "CREATE SEQUENCE z",
            "DROP TABLE t",
            "CREATE OR REPLACE TABLE u (a INT)",
        ],
        true,
    )
    .await;
    check(&pool, &roles.iter().map(String::as_str).collect::<Vec<_>>(), true).await;
    check(
        &pool,
        &[
            "INSERT INTO counters VALUES (7, 7)",
            "UPDATE counters SET v = v + 1",
            "DELETE FROM counters WHERE id = 7",
            "TRUNCATE counters",
            "ANALYZE TABLE counters",
            "SELECT NEXTVAL(z)",
            "CREATE TEMPORARY TABLE passing (a INT)",
            "DROP TEMPORARY TABLE passing",
            "FLUSH TABLES",
            "SELECT COUNT(*) FROM counters",
            "PREPARE s FROM 'SELECT 1'; EXECUTE s; DEALLOCATE PREPARE s",
        ],
        false,
    )
    .await;
}

#[tokio::test]
async fn sqlite() {
    let home = Sqlite::home().await;
    check(
        &home.plain,
        &[
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)",
            "ALTER TABLE t ADD COLUMN c INT",
            "ALTER TABLE t RENAME TO u",
            "CREATE INDEX i ON u (b)",
            "CREATE VIEW w AS SELECT a FROM u",
            "DROP VIEW w",
            "CREATE TRIGGER g AFTER INSERT ON u BEGIN DELETE FROM counters; END",
            "DROP TRIGGER g",
            "DROP TABLE u",
        ],
        true,
    )
    .await;
    // The tables of its statistics are new once.
    home.run("ANALYZE").await;
    check(
        &home.plain,
        &[
            "INSERT INTO counters VALUES (7, 7)",
            "UPDATE counters SET v = v + 1",
            "DELETE FROM counters",
            "ANALYZE",
            "REINDEX",
            "PRAGMA optimize",
            "CREATE TEMP TABLE passing (a INT)",
            "PRAGMA wal_checkpoint(TRUNCATE)",
            "SELECT COUNT(*) FROM counters",
        ],
        false,
    )
    .await;
}

/// Not a benchmark, but it would show a query that is no longer cheap.
#[tokio::test]
async fn five_hundred_tables_take_a_moment() {
    let home = Postgres::home().await;
    home.run(
        "DO $$BEGIN FOR n IN 1..500 LOOP EXECUTE format('CREATE TABLE t%s (id bigserial PRIMARY KEY, a int NOT NULL DEFAULT 1, b text, c text, d timestamptz,
         e numeric, f int REFERENCES counters (id), g jsonb); CREATE INDEX ON t%s (b); CREATE INDEX ON t%s (f)', n, n, n); END LOOP; END$$",
    )
    .await;
    let mut shortest = Duration::MAX;
    for _ in 0..5 {
        let since = Instant::now();
        fingerprint(&home.plain).await;
        shortest = shortest.min(since.elapsed());
    }
    println!("the fingerprint of 500 tables takes {shortest:?}");
    assert!(shortest < Duration::from_secs(2));
}
