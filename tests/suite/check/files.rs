//! Files of SQL, and files that are not what they should be.

use super::{check, metadata};
use crate::support::Scratch;
use std::fs::{self, File};

const SCRIPT: &str = "-- Who is there; all of them.
SELECT name
FROM users;
/* cache: off */ SELECT id FROM orders WHERE note = 'a;b';

CREATE TRIGGER audit AFTER UPDATE ON users BEGIN
    INSERT INTO log VALUES (new.name); DELETE FROM late;
END;
SELECT count(*) FROM log; -- cache: off
DELETE FROM log
";

#[test]
fn a_file_of_sql_is_told_apart() {
    let folder = Scratch::new();
    fs::create_dir(folder.join("deeper")).unwrap();
    fs::write(folder.join("deeper/a.sql"), SCRIPT).unwrap();
    fs::write(folder.join("deeper/notes.json"), "no metadata, and not asked for").unwrap();
    for dialect in ["postgres", "mysql", "sqlite"] {
        let said = check(folder.path(), &["deeper", "--dialect", dialect, "--json"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let document = said.json();
        let queries: Vec<_> = document["queries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|query| (&query["line"], &query["reason"], query["switched_off"].as_bool().unwrap()))
            .collect();
        let (none, hint, write, ddl) = (serde_json::Value::Null, "hint".into(), "write".into(), "not-a-query".into());
        let line = [2, 4, 6, 9, 10].map(serde_json::Value::from);
        assert_eq!(
            queries,
            [
                (&line[0], &none, false),
                (&line[1], &hint, true),
                (&line[2], &ddl, false),
                (&line[3], &hint, true),
                (&line[4], &write, false)
            ],
            "{dialect}: {document}"
        );
    }
    let said = check(folder.path(), &["deeper/a.sql", "--dialect", "sqlite"]);
    assert!(
        said.out.starts_with("cached      SELECT name FROM users\n            data for 300s: users\n            deeper/a.sql:2\n"),
        "{said:?}"
    );
}

#[test]
fn files_of_sql_do_not_tell_how_they_are_written() {
    let folder = Scratch::new();
    fs::write(folder.join("a.sql"), "SELECT 1").unwrap();
    let said = check(folder.path(), &["a.sql"]);
    assert!(said.code == Some(2) && said.err.contains("--dialect"), "{said:?}");
    fs::write(folder.join("schema.sql"), "CREATE TABLE users (id INTEGER)").unwrap();
    // Where a database is asked, its way is theirs.
    assert_eq!(check(folder.path(), &["a.sql", "--schema", "schema.sql"]).code, Some(0));
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_checked() {
    let folder = Scratch::new();
    let bad: [(&str, &[u8], &str); 8] = [
        ("query-empty.json", b"", "no JSON"),
        ("query-text.json", b"SELECT 1", "no JSON"),
        ("query-list.json", b"[]", "no metadata"),
        ("query-part.json", br#"{"db_name": "SQLite", "query": "SELECT 1"}"#, "describe"),
        ("query-typed.json", br#"{"db_name": 7, "query": [], "describe": {}}"#, "no metadata"),
        ("query-other.json", br#"{"db_name": "Oracle", "query": "SELECT 1", "describe": {}, "hash": ""}"#, "Oracle"),
        ("query-old.json", br#"{"db": "PostgreSQL", "abc": {"query": "SELECT 1"}}"#, "cargo sqlx prepare"),
        ("query-bytes.json", b"{\"db_name\": \"\xff\"}", "UTF-8"),
    ];
    for (name, bytes, _) in bad {
        fs::write(folder.join(name), bytes).unwrap();
    }
    File::create(folder.join("query-huge.json")).unwrap().set_len(40 << 20).unwrap();
    fs::write(folder.join("query-nested.json"), "[".repeat(100_000)).unwrap();
    fs::write(folder.join("endless.sql"), "SELECT 1;\nSELECT 'a").unwrap();
    fs::create_dir(folder.join("query-folder.json")).unwrap();
    fs::write(folder.join("query-good.json"), metadata("MySQL", "SELECT name FROM `users`")).unwrap();

    let said = check(folder.path(), &[".", "gone.json", "--dialect", "mysql", "--json", "--deny", "uncached"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let document = said.json();
    assert_eq!(document["summary"]["queries"], 1, "{document}");
    assert_eq!(super::names(&said.of("SELECT name")["tables"]), ["users"]);
    let unreadable = document["unreadable"].as_array().unwrap();
    let more =
        [("query-huge.json", "larger than"), ("query-nested.json", "no JSON"), ("endless.sql", "Line: 2"), ("gone.json", "can't be read")];
    for (name, why) in bad.iter().map(|(name, _, why)| (*name, *why)).chain(more) {
        let found = unreadable.iter().any(|one| {
            one["file"].as_str().is_some_and(|file| file.ends_with(name)) && one["error"].as_str().is_some_and(|error| error.contains(why))
        });
        assert!(found, "{name}: {why}: {document}");
        assert!(said.err.lines().any(|line| line.contains(name) && line.contains(why)), "{name}: {}", said.err);
    }
    assert_eq!(unreadable.len(), bad.len() + more.len(), "{document}");
}

#[test]
fn to_check_nothing_is_no_success() {
    let folder = Scratch::new();
    let said = check(folder.path(), &[]);
    assert!(said.code == Some(3) && said.err.contains("cargo sqlx prepare"), "{said:?}");
    fs::create_dir(folder.join(".sqlx")).unwrap();
    fs::write(folder.join(".sqlx/readme.txt"), "").unwrap();
    let said = check(folder.path(), &[]);
    assert!(said.code == Some(3) && said.err.contains(".sqlx: holds neither"), "{said:?}");
    let said = check(folder.path(), &[".sqlx/readme.txt"]);
    assert!(said.code == Some(3) && said.err.contains("readme.txt"), "{said:?}");
}

#[test]
fn queries_do_nothing_to_a_terminal() {
    let folder = Scratch::new();
    fs::write(folder.join("query-a.json"), metadata("SQLite", "SELECT '\u{1b}[2J\u{202e}' FROM \"us\u{1b}ers\"")).unwrap();
    fs::write(folder.join("query-\u{1b}[31m.json"), "").unwrap();
    for arguments in [&["."][..], &[".", "--json"]] {
        let said = check(folder.path(), arguments);
        assert!(!said.out.contains(['\u{1b}', '\u{202e}']) && !said.err.contains('\u{1b}'), "{said:?}");
        assert!(said.out.contains("2J"), "{said:?}");
    }
}
