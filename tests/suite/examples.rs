//! The examples that need servers, run to their end as a user would run them. They check themselves: a miss where a hit must be, or an old value, is an
//! exit code other than 0. (`tests/run` runs those that need Rust alone.)

use crate::support::{Redis, mariadb, postgres};
use std::process::Command;

/// Cargo builds the example if it must: a test of last week's binary would test nothing. No setting of this shell's reaches it.
fn command(example: &str) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--all-features", "--example", example]).current_dir(env!("CARGO_MANIFEST_DIR"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("REDIS_") || name.starts_with("CACHE_")) {
            command.env_remove(name);
        }
    }
    // On a busy machine an answer may take longer than the default allows.
    command.env("REDIS_SOCKET_TIMEOUT", "5s");
    command
}

fn run(example: &str, database_url: &str) {
    let redis = Redis::start();
    let mut command = command(example);
    command.env("DATABASE_URL", database_url).env("REDIS_URL", redis.url());
    // The second run finds the tables, and what the first one left in Redis.
    for run in ["first", "second"] {
        let output = command.output().expect("cargo");
        let said = String::from_utf8_lossy(&output.stdout);
        println!("{example}, {run} run:\n{said}");
        assert!(output.status.success(), "{example}, {run} run:\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
        for line in [
            "kept in Redis",
            "  HIT ",
            "  MISS ",
            "UPDATE products",
            "there are none",
            "A view of a view",
            "A trigger",
            "not cached: calls now()",
            "orders: ON DELETE CASCADE from users",
            "after its ROLLBACK",
            "0 store errors",
        ] {
            assert!(said.contains(line), "{example}, {run} run: nothing of {line:?}:\n{said}");
        }
    }
    assert_ne!(redis.cli::<u64>(&["DBSIZE"]), 0, "nothing of it was in Redis");
}

#[tokio::test]
async fn postgres_redis_runs_and_runs_again() {
    run("postgres_redis", &postgres().await.database().await.url);
}

#[tokio::test]
async fn mysql_redis_runs_and_runs_again() {
    run("mysql_redis", &mariadb().await.database().await.url);
}

/// What teams do by hand around a cache: in Redis, without one, and with one that is not there.
fn habits(example: &str) {
    let redis = Redis::start();
    let nobody = std::env::temp_dir().join("no-such-redis.sock");
    for (way, name, value, said) in [
        ("in Redis", "REDIS_URL", redis.url().as_str(), "Values are kept in Redis"),
        ("without Redis", "REDIS_URL", "", "Values are kept in this process's memory"),
        ("with Redis out of reach", "REDIS_SOCKET_PATH", nobody.to_str().expect("a path"), "No cache at the moment"),
    ] {
        let output = command(example).env(name, value).output().expect("cargo");
        let out = String::from_utf8_lossy(&output.stdout);
        println!("{example}, {way}:\n{out}");
        assert!(output.status.success(), "{example}, {way}:\n{out}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(out.contains(said), "{example}, {way}: nothing of {said:?}:\n{out}");
    }
    let stats: String = redis.cli(&["INFO", "commandstats"]);
    assert!(stats.contains("cmdstat_set:") || stats.contains("cmdstat_evalsha:"), "nothing of it was in Redis: {stats}");
}

#[test]
fn caching_patterns_run() {
    habits("caching_patterns");
}

#[test]
fn cached_endpoints_run() {
    habits("cached_endpoints");
}

#[test]
fn cached_functions_run() {
    habits("cached_functions");
}

#[test]
fn cached_repository_runs() {
    habits("cached_repository");
}

#[test]
fn query_results_and_keys_run() {
    habits("query_results_and_keys");
}
