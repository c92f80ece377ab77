//! Writes, the schema and the session.

use super::*;

#[test]
fn rows() {
    check(
        &ALL,
        &[
            ("INSERT INTO users (id) VALUES (1)", "no Write / users"),
            ("INSERT INTO users SELECT * FROM orders", "no Write / users"),
            ("INSERT INTO users (id) VALUES (1), (2), (3) RETURNING id", "no Write / users"),
            ("INSERT INTO app.things (id) VALUES (lower('A'))", "no Write / app.things"),
            ("UPDATE users SET a = 1 WHERE id = 2", "no Write / users"),
            ("UPDATE users SET a = (SELECT max(id) FROM orders)", "no Write / users"),
            ("DELETE FROM users WHERE id IN (SELECT user_id FROM orders)", "no Write / users"),
            ("DELETE FROM users", "no Write / users"),
            ("INSERT INTO nowhere VALUES (1)", "no Write / *"),
            ("INSERT INTO fired VALUES (1)", "no Write / *"),
            ("UPDATE fired SET a = 1", "no Write / *"),
            ("DELETE FROM v", "no Write / *"),
            ("UPDATE users SET a = my_func(1)", "no Write / *"),
            ("INSERT INTO users VALUES (unheard_of())", "no Write / *"),
            ("DELETE FROM users WHERE my_func(id) = 1", "no Write / *"),
            ("UPDATE users SET a = current_timestamp", "no Write / users"),
            ("INSERT INTO users (id) SELECT id FROM hv", "no Write / *"),
            ("INSERT INTO users (id) VALUES (1); DELETE FROM orders; SELECT 1 FROM posts", "no Write / users,orders"),
            ("SELECT 1 FROM users; SELECT 2 FROM orders", "no NotAQuery"),
            ("SELECT 1 FROM users;;", "data users"),
            ("", "no NotAQuery"),
            (" ;; -- nothing", "no NotAQuery"),
        ],
    );
    check(
        &[Dialect::Postgres],
        &[("UPDATE pg_class SET relname = 'x'", "no Write / *"), ("INSERT INTO users (at) VALUES (now())", "no Write / users")],
    );
    check(&[Dialect::MySql], &[("INSERT INTO users (at) VALUES (now())", "no Write / users")]);
    check(&[Dialect::Postgres, Dialect::Sqlite], &[("DELETE FROM users; gibberish", "no Write / * schema session")]);
}

#[test]
fn more_rows() {
    check(
        &[Dialect::Postgres, Dialect::Sqlite],
        &[
            ("INSERT INTO users (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = excluded.a", "no Write / users"),
            ("INSERT INTO users (id) VALUES (1) ON CONFLICT DO NOTHING RETURNING *", "no Write / users"),
            ("INSERT INTO users (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = my_func(1)", "no Write / *"),
            ("UPDATE users SET a = orders.a FROM orders WHERE users.id = orders.id RETURNING users.id", "no Write / users"),
            ("UPDATE users AS u SET a = 1", "no Write / users"),
            ("WITH c AS (SELECT id FROM orders) DELETE FROM users WHERE id IN (SELECT id FROM c)", "no Write / users"),
            ("WITH c AS (SELECT id FROM orders) INSERT INTO users SELECT * FROM c", "no Write / users"),
            ("WITH c AS (SELECT id FROM orders) UPDATE users SET a = 1 WHERE id IN (SELECT id FROM c)", "no Write / users"),
        ],
    );
    check(
        &[Dialect::Sqlite],
        &[
            ("REPLACE INTO users VALUES (1)", "no Write / users"),
            ("INSERT OR REPLACE INTO users VALUES (1)", "no Write / users"),
            ("INSERT OR IGNORE INTO main.users VALUES (1)", "no Write / users"),
            ("UPDATE OR REPLACE users SET a = 1", "no Write / users"),
        ],
    );
    check(
        &[Dialect::MySql],
        &[
            ("REPLACE INTO users VALUES (1)", "no Write / users"),
            ("INSERT IGNORE INTO users VALUES (1)", "no Write / users"),
            ("INSERT INTO users SET a = 1", "no Write / users"),
            ("INSERT INTO users (id, a) VALUES (1, 2) ON DUPLICATE KEY UPDATE a = VALUES(a), b = b + 1", "no Write / users"),
            ("INSERT INTO users (id, a) VALUES (1, 2) ON DUPLICATE KEY UPDATE a = my_func(1)", "no Write / *"),
            ("UPDATE users JOIN orders ON users.id = orders.id SET users.a = 1, orders.b = 2", "no Write / users,orders"),
            ("UPDATE users u JOIN (SELECT id FROM posts) p ON u.id = p.id SET u.a = 1", "no Write / users"),
            ("UPDATE users, orders SET users.a = 1", "no Unparsed / * schema"),
            ("DELETE u FROM users u JOIN orders o ON u.id = o.id", "no Write / users,orders"),
            ("DELETE FROM u USING users u JOIN orders o ON u.id = o.id", "no Write / users,orders"),
            ("DELETE FROM users ORDER BY id LIMIT 3", "no Write / users"),
            ("UPDATE users SET a = 1 ORDER BY id LIMIT 3", "no Write / users"),
            ("TRUNCATE TABLE users", "no Write / users commits"),
            ("TRUNCATE users", "no Write / users commits"),
            ("LOAD DATA INFILE 'x' INTO TABLE users", "no Unparsed / * schema commits"),
        ],
    );
    check(
        &[Dialect::Postgres],
        &[
            ("WITH gone AS (DELETE FROM users RETURNING *) INSERT INTO orders SELECT * FROM gone", "no Write / users,orders"),
            ("WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone JOIN posts ON true", "no Write / users"),
            (
                "WITH a AS (UPDATE users SET a = 1 RETURNING 1), b AS (INSERT INTO tags VALUES (1) RETURNING 1) SELECT 1",
                "no Write / users,tags",
            ),
            ("WITH users AS (SELECT 1) INSERT INTO users SELECT * FROM users", "no Write / users"),
            ("DELETE FROM users USING orders WHERE users.id = orders.id", "no Write / users"),
            (
                "MERGE INTO users u USING orders o ON u.id = o.id WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT (id) VALUES (1)",
                "no Write / users",
            ),
            ("MERGE INTO users u USING orders o ON u.id = o.id WHEN MATCHED AND my_func(1) THEN DELETE", "no Write / *"),
            ("TRUNCATE users, orders", "no Write / users,orders"),
            ("TRUNCATE TABLE users RESTART IDENTITY", "no Write / users"),
            ("TRUNCATE users CASCADE", "no Write / users"),
            ("TRUNCATE users RESTRICT", "no Write / users"),
            ("COPY users FROM STDIN", "no Write / users"),
            ("COPY users (id) FROM STDIN WITH (FORMAT csv)", "no Write / users"),
            ("COPY users TO STDOUT", "no NotAQuery"),
            ("COPY (SELECT * FROM users) TO STDOUT", "no NotAQuery"),
            ("COPY (DELETE FROM users RETURNING *) TO STDOUT", "no NotAQuery / users"),
            ("COPY (SELECT my_func(1)) TO STDOUT", "no NotAQuery / *"),
            ("COPY hv TO STDOUT", "no NotAQuery / *"),
            ("COPY users TO PROGRAM 'x'", "no NotAQuery / *"),
            ("COPY nowhere FROM STDIN", "no Write / *"),
            ("UPDATE ONLY users SET a = 1", "no Write / users"),
            ("DELETE FROM ONLY users", "no Write / users"),
            ("EXPLAIN ANALYZE DELETE FROM users", "no NotAQuery / users"),
            ("EXPLAIN (ANALYZE, BUFFERS) DELETE FROM users", "no NotAQuery / users"),
            ("EXPLAIN (analyze off) DELETE FROM users", "no NotAQuery / users"),
            ("EXPLAIN (FORMAT JSON) DELETE FROM users", "no NotAQuery"),
            ("EXPLAIN DELETE FROM users", "no NotAQuery"),
            ("EXPLAIN ANALYZE SELECT * FROM users", "no NotAQuery"),
            ("EXPLAIN ANALYZE SELECT my_func(1)", "no NotAQuery / *"),
            ("REFRESH MATERIALIZED VIEW mv", "no NotAQuery / *"),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY app.things WITH DATA", "no NotAQuery / app.things"),
            ("CALL p(1)", "no NotAQuery / *"),
            ("DO $$ BEGIN UPDATE users SET a = 1; END $$", "no NotAQuery / users"),
            ("DO $$ BEGIN SET search_path = x; END $$", "no NotAQuery / * schema session"),
            ("DO $$ BEGIN PERFORM set_config('a', 'b', false); END $$", "no NotAQuery session"),
            ("DO $$ BEGIN PERFORM set_config('search_path', 'b', false); END $$", "no NotAQuery / * schema session"),
            ("DO $$ BEGIN PERFORM set_config('app.user', 'b', true); END $$", "no NotAQuery session"),
            ("DO $$ BEGIN EXECUTE 'SET role x'; END $$", "no NotAQuery / * schema session"),
            ("SELECT * INTO copied FROM users", "no NotAQuery / * schema"),
            ("SELECT * INTO TEMP copied FROM users", "no Write temp:copied"),
            ("SELECT * INTO pg_temp.copied FROM users", "no Write temp:copied"),
            ("SELECT my_func(1) AS x INTO TEMP copied FROM users", "no NotAQuery / * schema session"),
        ],
    );
}

#[test]
fn schema() {
    let ddl = [
        "CREATE TABLE x (id int)",
        "CREATE TABLE x AS SELECT * FROM users",
        "ALTER TABLE users ADD COLUMN b int",
        "DROP TABLE users",
        "CREATE INDEX i ON users (id)",
        "CREATE UNIQUE INDEX i ON users (id)",
        "CREATE VIEW w AS SELECT * FROM users",
        "DROP VIEW w",
        "DROP INDEX i",
        "DROP TRIGGER t",
        "ALTER TABLE users RENAME TO people",
    ];
    for sql in ddl {
        check(&[Dialect::Postgres, Dialect::Sqlite], &[(sql, "no NotAQuery / * schema")]);
        check(&[Dialect::MySql], &[(sql, "no NotAQuery / * schema commits")]);
    }
    let both = ["GRANT SELECT ON users TO bob", "REVOKE SELECT ON users FROM bob", "CREATE SCHEMA s", "CREATE ROLE r", "DROP ROLE r"];
    for sql in both {
        check(&[Dialect::Postgres], &[(sql, "no NotAQuery / * schema")]);
    }
    check(
        &[Dialect::Postgres],
        &[
            ("COMMENT ON TABLE users IS 'x'", "no NotAQuery / * schema"),
            ("CREATE POLICY p ON users USING (true)", "no NotAQuery / * schema"),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$", "no NotAQuery / * schema"),
            (
                "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET x = 1; RETURN NEW; END $$",
                "no NotAQuery / * schema",
            ),
            ("CREATE TYPE mood AS ENUM ('a')", "no NotAQuery / * schema"),
            ("ALTER TYPE mood ADD VALUE 'b'", "no NotAQuery / * schema"),
            ("CREATE EXTENSION hstore", "no NotAQuery / * schema"),
            ("CREATE MATERIALIZED VIEW m AS SELECT 1", "no NotAQuery / * schema"),
            ("CREATE RULE r AS ON INSERT TO users DO ALSO NOTHING", "no Unparsed / * schema"),
            ("CREATE PUBLICATION p", "no Unparsed / * schema"),
            ("DROP TABLE users CASCADE", "no NotAQuery / * schema"),
            ("DROP OWNED BY bob", "no Unparsed / * schema"),
            ("ALTER ROLE bob SET search_path = x", "no NotAQuery / * schema session"),
            ("ALTER ROLE bob PASSWORD 'x'", "no NotAQuery / * schema"),
            ("ALTER USER bob PASSWORD 'x'", "no NotAQuery / * schema"),
            ("ALTER DATABASE d SET search_path = x", "no Unparsed / * schema session"),
            ("ALTER SYSTEM SET x = 1", "no Unparsed / * schema session"),
        ],
    );
    check(
        &[Dialect::MySql],
        &[
            ("RENAME TABLE users TO people", "no NotAQuery / * schema commits"),
            ("GRANT SELECT ON users TO bob", "no NotAQuery / * schema commits"),
            ("ANALYZE TABLE users", "no NotAQuery commits"),
            ("OPTIMIZE TABLE users", "no NotAQuery commits"),
            ("FLUSH TABLES", "no NotAQuery / * schema commits"),
            ("ANALYZE UPDATE users SET a = 1", "no Unparsed / * schema commits"),
            ("CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW SET NEW.a = 1", "no Unparsed / * schema commits"),
            ("ALTER TABLE users MODIFY a int", "no NotAQuery / * schema commits"),
        ],
    );
    check(
        &[Dialect::Sqlite],
        &[
            ("CREATE VIRTUAL TABLE f USING fts5(x)", "no NotAQuery / * schema"),
            ("CREATE TRIGGER t AFTER INSERT ON users BEGIN DELETE FROM orders; END", "no NotAQuery / * schema"),
        ],
    );
}

#[test]
fn temporary_tables() {
    check(
        &ALL,
        &[
            ("CREATE TEMPORARY TABLE Scratch (id int)", "no NotAQuery temp:scratch"),
            ("CREATE TEMPORARY TABLE IF NOT EXISTS scratch (id int)", "no NotAQuery temp:scratch"),
            ("CREATE TEMPORARY TABLE users AS SELECT * FROM orders", "no NotAQuery temp:users"),
        ],
    );
    check(
        &[Dialect::Postgres],
        &[
            ("CREATE TEMP TABLE s (id int) ON COMMIT DROP", "no NotAQuery temp:s"),
            ("CREATE LOCAL TEMPORARY TABLE s (id int)", "no NotAQuery temp:s"),
            ("CREATE TABLE pg_temp.s (id int)", "no NotAQuery temp:s"),
            ("CREATE TEMP TABLE s AS SELECT my_func(1)", "no NotAQuery / * schema session"),
            ("CREATE TEMP VIEW w AS SELECT 1", "no NotAQuery temp:w"),
            ("DROP TABLE pg_temp.s", "no NotAQuery / * schema"),
        ],
    );
    check(&[Dialect::Sqlite], &[("CREATE TEMP TABLE s (id)", "no NotAQuery temp:s"), ("CREATE TABLE temp.s (id)", "no NotAQuery temp:s")]);
    check(&[Dialect::MySql], &[("CREATE TEMPORARY TABLE s SELECT my_func(1)", "no NotAQuery / * schema session commits")]);
}

#[test]
fn sessions() {
    let changed = "no NotAQuery session";
    check(
        &[Dialect::Postgres],
        &[
            ("SET search_path TO x", changed),
            ("SET LOCAL search_path TO x", "no NotAQuery local-names"),
            ("SET ROLE bob", changed),
            ("SET SESSION AUTHORIZATION bob", changed),
            ("SET TIME ZONE 'UTC'", changed),
            ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "no NotAQuery local"),
            ("RESET ALL", changed),
            ("RESET search_path", changed),
            ("DISCARD ALL", "no NotAQuery / * schema session"),
            ("BEGIN", changed),
            ("START TRANSACTION", changed),
            ("SAVEPOINT a", "no NotAQuery local"),
            ("RELEASE SAVEPOINT a", "no NotAQuery local"),
            ("ROLLBACK", changed),
            ("ROLLBACK TO SAVEPOINT a", "no NotAQuery local"),
            ("COMMIT", "no NotAQuery / * session"),
            ("END", "no NotAQuery / * session"),
            ("PREPARE TRANSACTION 'x'", "no Unparsed / * schema session"),
            ("COMMIT PREPARED 'x'", "no Unparsed / * schema session"),
            ("SELECT set_config('search_path', 'x', false)", "no Function session"),
            ("UPDATE users SET a = set_config('search_path', 'x', false)", "no Write / users session"),
            ("PREPARE p AS SELECT 1", "no NotAQuery"),
            ("EXECUTE p", "no NotAQuery / *"),
            ("DEALLOCATE p", "no NotAQuery"),
            ("DECLARE c CURSOR FOR SELECT * FROM users", "no NotAQuery"),
            ("DECLARE c CURSOR FOR SELECT my_func(1)", "no NotAQuery / *"),
            ("FETCH 10 FROM c", "no NotAQuery"),
            ("CLOSE c", "no NotAQuery"),
            ("LISTEN x", "no NotAQuery"),
            ("NOTIFY x, 'now'", "no NotAQuery"),
            ("VACUUM users", "no NotAQuery"),
            ("VACUUM (FULL, ANALYZE) users", "no NotAQuery"),
            ("ANALYZE users", "no NotAQuery"),
            ("ANALYZE", "no NotAQuery"),
            ("CHECKPOINT", "no NotAQuery"),
            ("REINDEX TABLE users", "no NotAQuery"),
            ("CLUSTER users", "no NotAQuery"),
            ("SHOW search_path", "no NotAQuery"),
            ("LOCK TABLE users IN EXCLUSIVE MODE", "no NotAQuery"),
        ],
    );
    check(
        &[Dialect::MySql],
        &[
            ("SET sql_mode = ''", "no NotAQuery session commits"),
            ("SET autocommit = 1", "no NotAQuery session commits"),
            ("SET NAMES utf8mb4", "no NotAQuery session commits"),
            ("SET @x = 1", "no NotAQuery session commits"),
            ("USE other", changed),
            ("LOCK TABLES users WRITE", "no NotAQuery session commits"),
            ("UNLOCK TABLES", "no NotAQuery session commits"),
            ("START TRANSACTION", "no NotAQuery session commits"),
            ("COMMIT", "no NotAQuery / * session commits"),
            ("ROLLBACK", changed),
            ("CALL p()", "no NotAQuery / * commits"),
            ("KILL 3", "no NotAQuery"),
            ("PREPARE s FROM 'SET @a = 1'", "no Unparsed / * schema session commits"),
            ("EXECUTE s", "no NotAQuery / * session commits"),
            ("XA START 'x'", "no Unparsed / * schema session commits"),
            ("HANDLER users OPEN", "no Unparsed / * schema session commits"),
        ],
    );
    check(
        &[Dialect::Sqlite],
        &[
            ("BEGIN IMMEDIATE", changed),
            ("COMMIT", "no NotAQuery / * session"),
            ("END TRANSACTION", "no NotAQuery / * session"),
            ("SAVEPOINT a", changed),
            ("RELEASE a", "no NotAQuery / * session"),
            ("ATTACH DATABASE 'x' AS y", "no NotAQuery / * schema session"),
            ("DETACH DATABASE y", "no Unparsed / * schema session"),
            ("VACUUM", "no NotAQuery / *"),
            ("ANALYZE", "no NotAQuery"),
            ("REINDEX", "no NotAQuery"),
            ("EXPLAIN QUERY PLAN DELETE FROM users", "no NotAQuery"),
        ],
    );
}

#[test]
fn a_script_is_as_strange_as_its_strangest_statement() {
    check(
        &[Dialect::Postgres],
        &[
            ("INSERT INTO users VALUES (1); ANALYZE users, orders;", "no Write / users"),
            ("INSERT INTO users VALUES (';'); FROBNICATE users", "no Write / * schema session"),
            ("INSERT INTO users VALUES (1); SET search_path TO x; ANALYZE users, orders", "no Write / users session"),
        ],
    );
    check(
        &[Dialect::Sqlite],
        &[("CREATE TRIGGER t AFTER INSERT ON users BEGIN DELETE FROM orders; FROBNICATE; END", "no Unparsed / * schema")],
    );
}
