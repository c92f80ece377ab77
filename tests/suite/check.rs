//! `sqlx-cached check`, run as CI would run it.

mod databases;
mod examples;
mod files;
mod rules;

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What a run said, and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `check` in a folder, with none of this shell's settings.
fn check(folder: &Path, arguments: &[&str]) -> Said {
    check_with(folder, arguments, &[])
}

fn check_with(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sqlx-cached"));
    command.arg("check").args(arguments).current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["REDIS_", "CACHE_", "SQLX_", "DATABASE_URL", "RUST_BACKTRACE"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(&*name);
        }
    }
    let output = command.envs(environment.iter().copied()).output().expect("the tool");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let said = Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
    assert!(!said.err.contains("panicked"), "{said:?}");
    said
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What is said of the only query that begins so.
    fn of(&self, begin: &str) -> Value {
        let document = self.json();
        let queries = document["queries"].as_array().expect("queries").clone();
        let mut found = queries.into_iter().filter(|query| query["query"].as_str().is_some_and(|sql| sql.starts_with(begin)));
        let first = found.next().unwrap_or_else(|| panic!("nothing of {begin:?}: {self:?}"));
        assert!(found.next().is_none(), "{begin:?} twice");
        first
    }
}

/// Names in a JSON list, sorted.
fn names(list: &Value) -> Vec<&str> {
    let mut names: Vec<_> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names
}

/// Metadata as sqlx's macros write it, of a query without columns.
fn metadata(database: &str, sql: &str) -> String {
    let describe = serde_json::json!({ "columns": [], "parameters": { "Right": 0 }, "nullable": [] });
    serde_json::json!({ "db_name": database, "query": sql, "describe": describe, "hash": "0" }).to_string()
}
