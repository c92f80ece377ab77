//! The metadata of this repository's own examples.

use super::{check, metadata, names};
use crate::support::Scratch;
use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every query of `examples/query_macros.rs`: how it begins, what it reads, what it invalidates.
const QUERIES: [(&str, &[&str], &[&str]); 3] = [
    ("INSERT INTO products", &[], &["products"]),
    ("SELECT id, name, price_cents", &["products"], &[]),
    ("SELECT COALESCE", &["products"], &[]),
];

#[test]
fn the_examples_tables_are_right() {
    assert_eq!(fs::read_dir(Path::new(ROOT).join(".sqlx")).unwrap().count(), QUERIES.len(), "a query that this test does not know");
    for arguments in [&["--json"][..], &["--json", "--schema", "migrations/sqlite"], &["--json", ".sqlx/"]] {
        let said = check(Path::new(ROOT), arguments);
        assert_eq!(said.code, Some(0), "{said:?}");
        let document = said.json();
        assert_eq!(document["database_asked"], arguments.contains(&"--schema"));
        assert_eq!(document["summary"]["queries"], QUERIES.len());
        for (begin, reads, invalidates) in QUERIES {
            let query = said.of(begin);
            assert_eq!(names(&query["tables"]), reads, "{query}");
            assert_eq!(names(&query["invalidates"]["tables"]), invalidates, "{query}");
            assert_eq!(query["cached"], !reads.is_empty(), "{query}");
            assert_eq!(query["category"].as_str(), (!reads.is_empty()).then_some("data"), "{query}");
            assert_eq!(query["database"], "SQLite");
        }
    }
}

#[test]
fn people_read_it_at_80_columns() {
    let said = check(Path::new(ROOT), &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);
    assert!(!said.out.contains('\u{1b}'), "colours where nobody sees them: {}", said.out);
    for part in [
        "\nwrites      INSERT INTO products (name, category, price_cents, stock) VALUES ...\n            invalidates products\n            .sqlx/query-",
        "\ncached      SELECT id, name, price_cents FROM products WHERE category = ? ORD...\n            data for 300s: products\n",
        "\nqueries 3: cached 2, not cached 0, writes 1, other 0; denied 0\n",
        "\nNo database was asked: views,",
    ] {
        assert!(format!("\n{}", said.out).contains(part), "nothing of {part:?}:\n{}", said.out);
    }
    let asked = check(Path::new(ROOT), &["--schema", "migrations/sqlite"]);
    assert!(!asked.out.contains("No database was asked"), "{}", asked.out);
}

#[test]
fn uncached_reads_fail_where_they_are_denied() {
    let said = check(Path::new(ROOT), &["--deny", "uncached"]);
    assert_eq!(said.code, Some(0), "the write is no uncached read: {said:?}");

    let scratch = Scratch::new();
    let folder = scratch.join(".sqlx");
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(Path::new(ROOT).join(".sqlx")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    let added = folder.join("query-lucky.json");
    fs::write(&added, metadata("SQLite", "SELECT id FROM products ORDER BY random() LIMIT 1")).unwrap();
    assert_eq!(check(scratch.path(), &[]).code, Some(0), "nothing was denied");
    let said = check(scratch.path(), &["--deny", "uncached", "--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(said.json()["summary"]["denied"], 1);
    let query = said.of("SELECT id FROM products ORDER BY random()");
    assert_eq!((&query["reason"], &query["because"]), (&"function".into(), &"calls random()".into()));
    assert_eq!(names(&query["denied"]), ["uncached"]);
    let said = check(scratch.path(), &["--deny", "uncached"]);
    assert!(
        said.out.contains("            function: calls random()\n            denied: uncached\n            .sqlx/query-lucky.json\n"),
        "{said:?}"
    );

    // Whoever says so means it.
    fs::write(&added, metadata("SQLite", "/* cache: off */ SELECT id FROM products ORDER BY random() LIMIT 1")).unwrap();
    let said = check(scratch.path(), &["--deny", "uncached"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("deliberate: a comment in it switches the cache off"), "{said:?}");
}
