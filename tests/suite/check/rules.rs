//! What `--deny` denies.

use super::{check, names};
use crate::support::Scratch;
use std::fs;

/// Statements of PostgreSQL and all the rules that each breaks.
const CASES: [(&str, &[&str]); 16] = [
    ("SELECT name FROM users", &[]),
    ("SELECT 1", &["no-table", "uncached"]),
    ("SELECT now() FROM users", &["function", "uncached"]),
    ("SELECT id FROM users FOR UPDATE", &["locking", "uncached"]),
    ("SELECT xmin FROM users", &["uncached", "volatile"]),
    ("SELECT relname FROM pg_class", &["not-a-table", "uncached"]),
    // A function of one's own may write.
    ("SELECT frob(id) FROM users", &["everything", "function", "uncached"]),
    ("SELECT id FROM users WHERE ???", &["everything", "uncached", "unparsed"]),
    ("FROB users", &["everything", "unparsed"]),
    ("INSERT INTO users VALUES (now())", &["write"]),
    ("INSERT INTO users VALUES (frob())", &["everything", "write"]),
    ("LISTEN users", &["not-a-query"]),
    ("/* cache: off */ SELECT name FROM users", &["hint"]),
    ("/* cache: off */ SELECT now() FROM users", &["hint"]),
    // The comment is about the read alone.
    ("/* cache: off */ SELECT frob(id) FROM users", &["everything", "hint"]),
    ("/* cache: off */ DELETE FROM users", &["hint", "write"]),
];

const ALL: &str = "uncached,everything,unparsed,no-table,unknown-relation,not-a-table,row-security,function,variable,locking,volatile,denied,hint,write,not-a-query";

#[test]
fn each_rule_denies_what_it_says() {
    let folder = Scratch::new();
    fs::write(folder.join("a.sql"), CASES.map(|(sql, _)| format!("{sql};\n")).concat()).unwrap();
    let arguments = ["a.sql", "--dialect", "postgres", "--json"];
    let said = check(folder.path(), &[&arguments[..], &["--deny", ALL]].concat());
    assert_eq!(said.code, Some(1), "{said:?}");
    let document = said.json();
    let queries = document["queries"].as_array().unwrap();
    assert_eq!(queries.len(), CASES.len(), "{document}");
    for (query, (sql, broken)) in queries.iter().zip(CASES) {
        assert_eq!(names(&query["denied"]), broken, "{sql}: {query}");
    }
    // One rule by itself denies those and no others.
    for rule in ALL.split(',') {
        let said = check(folder.path(), &[&arguments[..], &["--deny", rule]].concat());
        let broken = CASES.iter().filter(|(_, broken)| broken.contains(&rule)).count();
        assert_eq!(said.json()["summary"]["denied"], broken, "{rule}");
        assert_eq!(said.code, Some(i32::from(broken > 0)), "{rule}");
    }
    let said = check(folder.path(), &[&arguments[..], &["--deny", "locking", "--deny", "volatile,locking"]].concat());
    assert_eq!(said.json()["summary"]["denied"], 2);
}

#[test]
fn a_rule_that_there_is_not_is_an_error_that_names_those_that_there_are() {
    let folder = Scratch::new();
    for rule in ["frob", "", "uncached,frob", "Uncached"] {
        let said = check(folder.path(), &["--deny", rule]);
        assert_eq!(said.code, Some(2), "{rule}: {said:?}");
        assert!(ALL.split(',').all(|name| said.err.contains(name)), "{rule}: {said:?}");
    }
}
