//! Texts that nobody should send.

use super::*;
use crate::fuzzing::Databases;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

const SEEDS: &[&str] = &[
    "SELECT a, count(*) FROM users u JOIN orders o ON u.id = o.id WHERE a = $1 AND b IN (1, 2, (SELECT 3)) GROUP BY a HAVING count(*) > 1 ORDER BY a LIMIT 3",
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT * FROM c, LATERAL (SELECT 1) x",
    "INSERT INTO users (a, b) VALUES ('it''s', E'x\\'y'), ($$z$$, ?) ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING *",
    "UPDATE users SET a = CASE WHEN b THEN 1 ELSE 2 END FROM orders WHERE users.id = orders.id; DELETE FROM `users`",
    "CREATE TABLE x (id int PRIMARY KEY, b varchar(20) DEFAULT 'x' REFERENCES y (z) ON DELETE CASCADE) /* cache: ttl=30s */",
    "MERGE INTO users USING orders ON a = b WHEN MATCHED THEN DELETE -- cache: off",
    "PRAGMA table_info(users); SHOW COLUMNS FROM `users`; SET search_path TO a, b; COPY users FROM STDIN; /*! x */ # y",
    "SELECT a::timestamptz[], b->>'x', c @> d, [e], \"f\", @g, @@h, :i, N'j', X'1f', U&'k' FROM [users] INDEXED BY l TABLESAMPLE system (1)",
];

#[test]
fn no_text_makes_it_panic() {
    let mut rng = StdRng::seed_from_u64(7);
    let pieces: Vec<&str> = SEEDS
        .iter()
        .flat_map(|seed| seed.split(' '))
        .chain(["(", ")", "'", "\"", "`", "$$", "/*", "*/", "--", ";", "\\", "\0", "ü", "\u{a0}", "🦀", "[", "]"])
        .collect();
    let databases = Databases::default();
    for round in 0..1_500 {
        let seed: Vec<char> = SEEDS[rng.random_range(0..SEEDS.len())].chars().collect();
        let mut text: String = match round % 3 {
            0 => seed[..rng.random_range(0..=seed.len())].iter().collect(),
            1 => seed[rng.random_range(0..seed.len())..].iter().collect(),
            _ => (0..rng.random_range(1..20)).map(|_| pieces[rng.random_range(0..pieces.len())].to_owned() + " ").collect(),
        };
        for _ in 0..rng.random_range(0..4) {
            let at = text.char_indices().map(|(index, _)| index).nth(rng.random_range(0..=text.chars().count())).unwrap_or(text.len());
            if rng.next_u32() % 2 == 0 {
                text.insert_str(at, pieces[rng.random_range(0..pieces.len())]);
            } else {
                text = text.chars().enumerate().filter(|&(index, _)| index != at).map(|(_, c)| c).collect();
            }
        }
        databases.check(&text);
    }
}

/// What could swallow the statement after it, or pass for more than it is; the fuzzer's own check.
#[test]
fn no_write_hides_behind_another_text() {
    let databases = Databases::default();
    for text in [
        "COPY users FROM STDIN",
        "COPY users FROM STDIN; 1\t2\n\\.",
        "EXPLAIN SELECT 1",
        "SELECT * FROM users WHERE a = 'x\\",
        "SELECT * FROM users WHERE a = E'x\\''",
        "SELECT $$ FROM users",
        "SELECT * FROM users /* /*",
        "SELECT * FROM users /*! */",
        "SELECT * FROM users -- x",
        "SELECT * FROM users #",
        "SELECT * FROM users --",
        "SELECT [a FROM users",
        "CREATE TRIGGER t AFTER INSERT ON users BEGIN SELECT 1",
        "CREATE PROCEDURE p() BEGIN SELECT 1",
        "BEGIN NOT ATOMIC SELECT 1",
        "DELIMITER //",
        "PREPARE p AS SELECT 1",
        "SHOW TABLES",
        "SELECT a b\nend",
        "SELECT (SELECT count(*) FROM users) end",
        "SET LOCAL a = 1",
        "",
        ";",
    ] {
        databases.check(text);
    }
}

/// A worker thread of tokio has 2 MiB of stack; a chain or a nest of anything must fit, or be refused.
#[test]
fn depth_does_not_overflow_the_stack() {
    let nests: &[(&str, &str, &str)] = &[
        ("SELECT * FROM users WHERE ", "(", "1"),
        ("SELECT * FROM users WHERE ", "NOT ", "1"),
        ("SELECT ", "-", "1 FROM users"),
        ("SELECT ", "- ", "1 FROM users"),
        ("SELECT ", "+ ~", "1 FROM users"),
        ("SELECT ", "a AND ", "b FROM users"),
        ("SELECT ", "a || ", "b FROM users"),
        ("SELECT ", "a->'b' -> ", "b FROM users"),
        ("SELECT ", "a.", "b FROM users"),
        ("SELECT a", "::int", " FROM users"),
        ("SELECT a", "[1]", " FROM users"),
        ("SELECT a", " IS NULL", " FROM users"),
        ("SELECT a", " COLLATE x", " FROM users"),
        ("SELECT a", " AT TIME ZONE 'x'", " FROM users"),
        ("SELECT a", " LIKE b", " FROM users"),
        ("SELECT a", " IN (1)", " FROM users"),
        ("SELECT a", " BETWEEN 1 AND 2", " FROM users"),
        ("SELECT a FROM users", " UNION SELECT 1", ""),
        ("SELECT a FROM users", " JOIN orders", ""),
        ("SELECT a FROM users", " JOIN orders ON 1 = 1", ""),
        ("SELECT a FROM users", " NATURAL JOIN orders", ""),
        ("SELECT a FROM ", "(SELECT * FROM ", "users"),
        ("SELECT a FROM ", "(", "users"),
        ("SELECT ", "CASE WHEN a THEN ", "1"),
        ("SELECT ", "CAST(", "1"),
        ("SELECT ", "f(", "1"),
        ("SELECT ", "ARRAY[", "1"),
        ("SELECT ", "EXISTS (SELECT ", "1"),
        ("SELECT ", "INTERVAL ", "1"),
        ("SELECT ", "DATE ", "1"),
        ("SELECT ", "PRIOR ", "1"),
        ("SELECT ", "a -> (", "1"),
        ("", "WITH a AS (", "SELECT 1"),
        ("", "EXPLAIN ", "SELECT 1"),
        ("", "EXPLAIN ANALYZE ", "SELECT 1"),
        ("", "PREPARE a AS ", "SELECT 1"),
        ("", "BEGIN ", ""),
        ("", "BEGIN; ", ""),
        ("", "IF a THEN ", "SELECT 1"),
        ("", "CREATE TABLE a AS ", "SELECT 1"),
        ("SELECT CAST(1 AS ", "ARRAY<", "INT"),
        ("SELECT 1::", "STRUCT<a ", "INT"),
        ("CREATE TABLE x (a ", "int[]", ")"),
        ("", "(", ""),
        ("", "/*", ""),
        ("", "'", ""),
        ("", "$a", ""),
        ("SELECT * FROM users WHERE a IN (", "1,", "1)"),
        ("INSERT INTO users VALUES ", "(1,2),", "(1,2)"),
    ];
    let run = move || {
        for &(start, piece, end) in nests {
            for times in [60, 3_000, 8_000] {
                let text = format!("{start}{}{end}", piece.repeat(times));
                for dialect in ALL {
                    let begun = std::time::Instant::now();
                    let _ = analyse(dialect, &text, &catalog(dialect));
                    let spent = begun.elapsed();
                    assert!(spent.as_secs() < 10, "{dialect:?} {times} x {piece:?}: {spent:?}");
                }
            }
        }
    };
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run).unwrap().join().unwrap();
}

#[test]
fn long_chains_are_still_understood() {
    let ors = vec!["id = 1"; 1_000].join(" OR ");
    check(&ALL, &[(&format!("SELECT * FROM users WHERE {ors}"), "data users")]);
    let rows = vec!["(1, 'a', -2)"; 5_000].join(", ");
    check(&ALL, &[(&format!("INSERT INTO users VALUES {rows}"), "no Write / users")]);
    let list = vec!["?"; 5_000].join(", ");
    check(&[Dialect::MySql, Dialect::Sqlite], &[(&format!("SELECT * FROM users WHERE id IN ({list})"), "data users")]);
}

/// The parser takes END for the end of a block, and what it had read until then for the whole.
#[test]
fn nothing_is_read_in_part() {
    let sql = "SELECT (SELECT max(id) FROM users) END, (SELECT max(id) FROM orders)";
    check(&[Dialect::Postgres], &[(sql, "no Unparsed / * schema")]);
}

#[test]
fn odd_characters_are_not_trusted() {
    check(&ALL, &[("SELECT * FROM users\0", "no Unparsed / * schema"), ("SELECT * FROM users WHERE a = 'x\0'", "no Unparsed / * schema")]);
    check(&ALL, &[("SELECT * FROM users WHERE\u{a0}1 = 1", "no Unparsed / * schema")]);
    check(
        &[Dialect::Sqlite],
        &[("SELECT $a::b(c) FROM users", "no Unparsed / * schema"), ("SELECT :a(now) FROM users", "no Unparsed / * schema")],
    );
}
