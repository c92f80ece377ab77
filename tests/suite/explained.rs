//! What `explain` says, word by word: people read it.

mod mysql;
mod offline;
mod postgres;
mod sqlite;

use sqlx_cached::{Backend, CachingExecutor, Invalidates};
use std::fmt::Write;

/// Compares what is made invalid, which is what the README's table "What a write forgets" says; then says all that differ.
fn assert_forgotten<DB: Backend>(executor: &CachingExecutor<DB>, forgotten: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (sql, expected) in forgotten {
        let said = match executor.explain(sql).invalidates {
            Invalidates::Tables(tables) => tables.join(", "),
            Invalidates::Everything => "*".to_owned(),
            _ => String::new(),
        };
        if said != *expected {
            let _ = writeln!(wrong, "{sql}\n  expected: {expected}\n  said:     {said}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Compares what is said of statements, without the keys, whose hashes differ from one database to the next; then says all that differ.
fn assert_said<DB: Backend>(executor: &CachingExecutor<DB>, said: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (sql, expected) in said {
        let explanation = executor.explain(sql).to_string();
        let without_key: Vec<_> = explanation.split("; ").filter(|part| !part.starts_with("key sql:")).collect();
        let without_key = without_key.join("; ");
        if without_key != *expected {
            let _ = writeln!(wrong, "{sql}\n  expected: {expected}\n  said:     {without_key}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
