//! Bodies of triggers, functions and procedures; see [`says`] for the notation.

use super::*;
use crate::analysis::body::{Language, read};
use crate::catalog::Code;

/// A body in short: `reads; writes; calls`, then what it hides and whether it may end its transaction.
fn says(code: &Code) -> String {
    let names = |keys: &mut dyn Iterator<Item = &str>| keys.collect::<Vec<_>>().join(",");
    let reads = names(&mut code.reads.iter().map(|key| key.1.as_str()));
    let writes: Vec<_> = code.writes.iter().map(|(key, ops)| format!("{} {ops:?}", key.1)).collect();
    let hides = code.opaque.as_ref().map(|opaque| format!(" hides {}", opaque.what)).unwrap_or_default();
    let ends = if code.ends_transaction { " ends" } else { "" };
    format!("{reads}; {}; {}{hides}{ends}", writes.join(","), code.calls.join(","))
}

fn check_bodies(dialect: Dialect, language: Language, cases: &[(&str, &str)]) {
    let catalog = catalog(dialect);
    let mut wrong = Vec::new();
    for (body, expected) in cases {
        let said = says(&read(dialect, language, body, &catalog));
        if said != *expected {
            wrong.push(format!("{dialect:?}: {body}\n    is       {said}\n    expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn plpgsql() {
    check_bodies(
        Dialect::Postgres,
        Language::Procedural,
        &[
            ("BEGIN RETURN NEW; END", "; ; "),
            ("BEGIN NEW.updated_at := now(); RETURN NEW; END", "; ; "),
            ("BEGIN INSERT INTO orders (id) VALUES (NEW.id); RETURN NULL; END", "; orders {INSERT}; "),
            ("BEGIN INSERT INTO orders AS o (id) SELECT id FROM users; END", "users; orders {INSERT}; "),
            ("BEGIN INSERT INTO orders VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1; END", "; orders {INSERT, UPDATE, KEYS}; "),
            ("BEGIN UPDATE ONLY public.orders AS o SET a = 1 FROM users u WHERE u.id = o.id; END", "users; orders {UPDATE, KEYS}; "),
            ("BEGIN DELETE FROM \"Mixed\" USING users; END", "users; Mixed {DELETE}; "),
            (
                "BEGIN MERGE INTO orders o USING users u ON o.id = u.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id) VALUES (1); END",
                "users; orders {INSERT, UPDATE, KEYS, DELETE}; ",
            ),
            ("BEGIN TRUNCATE orders, ONLY users RESTART IDENTITY CASCADE; END", "; orders {TRUNCATE, CASCADE},users {TRUNCATE, CASCADE}; "),
            ("BEGIN FOR r IN UPDATE orders SET a = 1 RETURNING * LOOP NULL; END LOOP; END", "; orders {UPDATE, KEYS}; "),
            ("BEGIN SELECT a INTO x FROM users FOR UPDATE; END", "users; ; "),
            ("BEGIN PERFORM my_func(1); x := public.my_func(2); END", "; ; my_func"),
            ("BEGIN x := NEW.my_func; END", "; ; my_func"),
            ("BEGIN PERFORM nobody_knows(1); END", "; ;  hides calls nobody_knows()"),
            ("BEGIN EXECUTE 'DELETE FROM users'; END", "; ;  hides runs dynamic SQL"),
            ("BEGIN CREATE TABLE x (id int); END", "; ;  hides runs CREATE"),
            ("BEGIN SET LOCAL search_path = x; END", "; ;  hides changes a setting (SET)"),
            ("BEGIN UPDATE users SET a = 1; COMMIT; END", "; users {UPDATE, KEYS};  ends"),
            ("BEGIN INSERT INTO nowhere VALUES (1); END", "; ;  hides writes nowhere, which the catalog does not know"),
            ("BEGIN /* UPDATE users SET a = 1 */ RAISE NOTICE 'DELETE FROM users'; -- INSERT INTO users\n END", "; ; "),
            (
                "BEGIN RETURN QUERY WITH RECURSIVE c(a, b) AS (SELECT 1, 2) SELECT * FROM c, users AS u(x) JOIN orders ON true; END",
                "users,orders; ; ",
            ),
            ("BEGIN RETURN QUERY SELECT * FROM my_func(1) AS (a int); END", "; ; my_func"),
            ("BEGIN RETURN QUERY SELECT * FROM nobody(1) AS (a int); END", "; ;  hides calls nobody()"),
            ("DECLARE u users%ROWTYPE; n numeric(10, 2); BEGIN NULL; END", "users; ; "),
            ("BEGIN 'no end", "; ;  hides its text can't be read"),
        ],
    );
    check_bodies(
        Dialect::Postgres,
        Language::Sql,
        &[
            ("SELECT id INTO copied FROM users", "users; ;  hides may create a table (INTO)"),
            ("INSERT INTO users SELECT * FROM orders", "orders; users {INSERT}; "),
        ],
    );
}

#[test]
fn mysql() {
    check_bodies(
        Dialect::MySql,
        Language::Procedural,
        &[
            ("SET NEW.a = UPPER(NEW.a)", "; ; "),
            ("INSERT orders SET a = 1", "; orders {INSERT}; "),
            (
                "BEGIN INSERT IGNORE INTO shop.orders (id) VALUES (1) ON DUPLICATE KEY UPDATE a = 2; END",
                "; orders {INSERT, UPDATE, KEYS}; ",
            ),
            ("REPLACE INTO orders VALUES (1)", "; orders {INSERT, DELETE}; "),
            ("SET NEW.a = REPLACE(NEW.a, 'x', 'y')", "; ; "),
            (
                "WHILE x < 3 DO UPDATE orders, users SET orders.a = 1; SET x = x + 1; END WHILE",
                "orders,users; orders {UPDATE, KEYS},users {UPDATE, KEYS}; ",
            ),
            ("DELETE o FROM orders AS o JOIN users USING (id) WHERE id = 1", "orders,users; orders {DELETE},users {DELETE}; "),
            ("CALL my_func(1)", "; ; my_func"),
            ("CALL elsewhere.my_func(1)", "; ;  hides calls my_func()"),
            ("PREPARE x FROM @sql", "; ;  hides runs PREPARE"),
            ("SET @@session.sql_mode = ''", "; ;  hides changes a setting (SET)"),
            ("SET autocommit = 1", "; ;  ends"),
            ("START TRANSACTION", "; ;  ends"),
        ],
    );
}

#[test]
fn sqlite() {
    check_bodies(
        Dialect::Sqlite,
        Language::Procedural,
        &[
            (" TRIGGER t AFTER UPDATE OF a ON users BEGIN SELECT 1; END", "users; ; "),
            // The conflict clause of the statement that fires it may replace rows.
            (" TRIGGER t AFTER DELETE ON users BEGIN INSERT INTO orders VALUES (old.id); END", "users; orders {INSERT, DELETE}; "),
            (" TRIGGER t INSTEAD OF INSERT ON v BEGIN UPDATE OR IGNORE [orders] SET a = 1; END", "v; orders {UPDATE, KEYS, DELETE}; "),
            (
                " TRIGGER t BEFORE INSERT ON users BEGIN DELETE FROM orders WHERE id IN (SELECT id FROM posts); END",
                "users,posts; orders {DELETE}; ",
            ),
            (
                " TRIGGER t INSERT ON users WHEN my_func(new.a) BEGIN REPLACE INTO tags VALUES (1); END",
                "users; tags {INSERT, DELETE}; my_func",
            ),
        ],
    );
}
