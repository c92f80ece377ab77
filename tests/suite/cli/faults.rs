//! What can't be done: said in one line, without secrets, and by the exit code.

use super::{Desk, ran, tool};
use crate::support::Scratch;

const ALL: [&[&str]; 9] = [
    &["stats"],
    &["keys"],
    &["get", "a"],
    &["ttl", "a"],
    &["invalidate", "users"],
    &["clear", "--yes"],
    &["warm", "SELECT 1"],
    &["explain", "SELECT 1"],
    &["install-notifications"],
];

#[tokio::test]
async fn without_a_redis_that_answers_each_command_says_so() {
    let mut desk = Desk::new();
    desk.shop().await;
    let asks = |arguments: &&[&str]| !["explain", "install-notifications"].contains(&arguments[0]);
    for arguments in ALL.iter().copied().filter(asks) {
        let none = ran(desk.tool(arguments).env_remove("REDIS_SOCKET_PATH"));
        assert!(
            none.code == 3 && none.out.is_empty() && none.err.starts_with("error: no Redis is named: set REDIS_URL"),
            "{arguments:?}: {}",
            none.err
        );
    }
    desk.redis.stop();
    for arguments in ALL.iter().copied().filter(asks) {
        let gone = desk.run(arguments);
        assert!(
            gone.code == 3 && gone.out.is_empty() && gone.err.starts_with("error: Redis can't be asked: "),
            "{arguments:?}: {}",
            gone.err
        );
    }
    // It needs none.
    assert_eq!(desk.run(&["explain", "SELECT name FROM users"]).code, 0);
}

#[test]
fn settings_that_will_not_do_are_named_and_passwords_never() {
    let scratch = Scratch::new();
    let secret = "hunter2-Tr0ub4dor";
    let in_url = |scheme: &str| format!("{scheme}://ada:{secret}@127.0.0.1:1/0");
    for (name, value, named) in [
        ("REDIS_URL", format!("redis://ada:{secret}@[oops"), "url"),
        ("REDIS_URL", in_url("redis"), "Redis can't be asked"),
        ("REDIS_URL", in_url("http"), "url"),
        ("CACHE_TTL_DATA", "soon".to_owned(), "CACHE_TTL_DATA"),
        ("CACHE_ENCRYPTION_KEY", secret.to_owned(), "CACHE_ENCRYPTION_KEY"),
        ("CACHE_NAMESPACE", "a b".to_owned(), "CACHE_NAMESPACE"),
    ] {
        let ran = ran(tool(&["keys"]).current_dir(scratch.path()).env(name, &value));
        assert!(ran.code == 3 && ran.err.contains(named) && !ran.err.contains(secret) && ran.out.is_empty(), "{value}: {}", ran.err);
    }
    let desk = Desk::new();
    for url in [
        format!("postgres://ada:{secret}@127.0.0.1:1/shop"),
        format!("mysql://ada:{secret}@127.0.0.1:1/shop"),
        format!("postgres://ada@127.0.0.1:1/shop?passwd={secret}"),
        format!("oracle://ada:{secret}@h/x"),
        secret.to_owned(),
    ] {
        let ran = desk.run(&["explain", "SELECT 1", "--database-url", &url]);
        assert!(ran.code == 3 && ran.err.starts_with("error: the database") && !ran.err.contains(secret), "{}", ran.err);
    }
    let named = desk.run(&["keys", "--redis-url", &in_url("redis")]);
    assert!(named.code == 3 && !named.err.contains(secret), "the option counts, and not the environment: {}", named.err);
    for (arguments, wrong) in [(["keys", "--namespace", "a:b"], "a:b"), (["keys", "--prefix", "sql"], "sql")] {
        let ran = desk.run(&arguments);
        assert!(ran.code == 3 && ran.err.contains(wrong), "{}", ran.err);
    }
}

#[test]
fn usage_is_told_from_failure_and_help_tells_the_codes() {
    let desk = Desk::new();
    for arguments in
        [&[][..], &["bogus"], &["get"], &["keys", "--limit", "many"], &["top"], &["top", "--interval", "0"], &["top", "--json"]]
    {
        let ran = desk.run(arguments);
        assert!(ran.code == 2 && !ran.err.is_empty(), "{arguments:?}: {} {}", ran.code, ran.err);
    }
    let help = desk.says(&["--help"]);
    assert!(help.contains("Exit codes:") && help.contains("--redis-url") && help.contains("install-notifications"), "{help}");
    assert!(desk.says(&["--version"]).starts_with("sqlx-cached "));
    // The database's URL is in the environment, and nobody's business.
    assert!(!ran(desk.tool(&["--help"]).env("DATABASE_URL", "postgres://ada:hunter2@h/x")).out.contains("hunter2"));
}

#[tokio::test]
async fn colours_are_for_those_who_want_them() {
    let desk = Desk::new();
    desk.shop().await;
    let coloured = |variable: &str| {
        ran(desk.tool(&["doctor"]).env("CLICOLOR_FORCE", "1").env(variable, "1").env("TERM", "xterm")).out.contains('\x1b')
    };
    assert!(coloured("LANG"));
    assert!(!coloured("NO_COLOR") || !ran(desk.tool(&["doctor"]).env("NO_COLOR", "1")).out.contains('\x1b'));
}
