//! What `explain` says, word by word: people read it.

mod mysql;
mod postgres;
mod sqlite;

use sqlx_cached::{Backend, CachingExecutor};

/// Compares what is said of statements, without the keys, whose hashes differ from one database to the next; then says all that differ.
fn assert_said<DB: Backend>(executor: &CachingExecutor<DB>, said: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (sql, expected) in said {
        let explanation = executor.explain(sql).to_string();
        let without_key: Vec<_> = explanation.split("; ").filter(|part| !part.starts_with("key sql:")).collect();
        let without_key = without_key.join("; ");
        if without_key != *expected {
            wrong.push_str(&format!("{sql}\n  expected: {expected}\n  said:     {without_key}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
