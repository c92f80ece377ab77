//! `doctor`.

use super::{Desk, Ran, json, ran};
use crate::support::Redis;
use std::collections::BTreeMap;
use std::process::Command;

/// What was found at each place, as `redis/memory`: how bad, and what is said.
struct Found(BTreeMap<String, Vec<(String, String)>>);

impl Found {
    fn level(&self, place: &str) -> Option<&str> {
        self.0.get(place).map(|found| found[0].0.as_str())
    }

    fn said(&self, place: &str) -> String {
        self.0.get(place).into_iter().flatten().map(|(_, said)| said.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// With a deadline that no stall of the machine comes near.
fn doctor(desk: &Desk) -> Command {
    let mut command = desk.tool(&["doctor", "--json"]);
    command.env("REDIS_SOCKET_TIMEOUT", "10m");
    command
}

fn found(command: &mut Command) -> (i32, Found) {
    let Ran { out, err, code } = ran(command);
    let document = json(&out);
    let mut found = Found(BTreeMap::new());
    for finding in document["findings"].as_array().unwrap_or_else(|| panic!("{out}{err}")) {
        let text = |name: &str| finding[name].as_str().expect("a text").to_owned();
        found.0.entry(format!("{}/{}", text("section"), text("check"))).or_default().push((text("level"), text("message")));
    }
    (code, found)
}

#[tokio::test]
async fn all_is_well() {
    let desk = Desk::new();
    desk.shop().await;
    let (code, all) = found(&mut doctor(&desk));
    assert_eq!(code, 0, "{:?}", all.0);
    for place in [
        "settings/store",
        "database/connection",
        "database/catalog",
        "database/rows",
        "redis/connection",
        "redis/rights",
        "redis/persistence",
        "redis/keys",
    ] {
        assert_eq!(all.level(place), Some("ok"), "{place}: {:?}", all.0);
    }
    assert!(all.said("database/connection").starts_with("SQLite 3"));
    assert!(all.said("redis/memory").contains("no maxmemory"));
    assert!(all.said("redis/latency").contains("median") && all.said("database/latency").contains("p99"));
    // For people: the same, in lines that a terminal of 80 columns has room for.
    let text = ran(desk.tool(&["doctor"]).env("REDIS_SOCKET_TIMEOUT", "10m")).out;
    assert!(text.contains("  ok    rows         come back") && text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(!text.contains('\x1b'));
    // Nothing is left behind.
    assert!(desk.redis.cli::<Vec<String>>(&["KEYS", "*"]).is_empty());
}

#[tokio::test]
async fn typing_errors_and_bad_values_are_named() {
    let desk = Desk::new();
    desk.shop().await;
    let mut misspelt = doctor(&desk);
    misspelt.env("CACHE_TLL_DATA", "5m").env("REDIS_SOKET_PATH", "/x").env("REDIS_FLAVOUR", "x").env("CACHE_TTL_TABLE_USERS", "5m");
    let (code, misspelt) = found(&mut misspelt);
    let said = misspelt.said("settings/variables");
    assert!(said.contains("CACHE_TLL_DATA means nothing here: perhaps CACHE_TTL_DATA was meant"), "{said}");
    assert!(said.contains("perhaps REDIS_SOCKET_PATH was meant") && !said.contains("FLAVOUR") && !said.contains("TABLE"), "{said}");
    assert_eq!(code, 1);
    let (code, wrong) = found(doctor(&desk).env("CACHE_TTL_DATA", "soon"));
    assert_eq!((code, wrong.level("settings/values")), (3, Some("fail")));
    assert!(wrong.said("settings/values").contains("CACHE_TTL_DATA=\"soon\""));
    let (code, off) = found(doctor(&desk).env("REDIS_ENABLED", "off"));
    assert_eq!((code, off.level("settings/enabled")), (1, Some("warn")));
    // The same from a file.
    std::fs::write(desk.scratch.join(".env"), "CACHE_TLL_DATA=5m\n").unwrap();
    assert!(found(&mut doctor(&desk)).1.said("settings/variables").contains("CACHE_TLL_DATA"));
}

#[tokio::test]
async fn what_does_not_answer_is_named_without_its_password() {
    let mut desk = Desk::new();
    desk.shop().await;
    desk.redis.stop();
    let (code, gone) = found(&mut doctor(&desk));
    assert_eq!((code, gone.level("redis/connection"), gone.level("database/connection")), (3, Some("fail"), Some("ok")));
    desk.redis.restart();
    let nowhere = "postgres://ada:hunter2@localhost/shop?host=/nonexistent/sqlx-cached";
    let (code, gone) = found(doctor(&desk).env("DATABASE_URL", nowhere));
    assert_eq!((code, gone.level("database/connection"), gone.level("redis/connection")), (3, Some("fail"), Some("ok")));
    assert!(!format!("{:?}", gone.0).contains("hunter2"));
    let (code, none) = found(doctor(&desk).env_remove("DATABASE_URL").env_remove("REDIS_SOCKET_PATH"));
    assert_eq!(
        (code, none.level("settings/store"), none.level("database/connection"), none.level("redis/connection")),
        (0, Some("note"), Some("note"), Some("note"))
    );
}

#[tokio::test]
async fn memory_that_will_not_do_is_told() {
    let desk = Desk::new();
    desk.shop().await;
    let set = |name: &str, value: &str| desk.redis.cli::<()>(&["CONFIG", "SET", name, value]);
    set("maxmemory", "1gb");
    let (code, refusing) = found(&mut doctor(&desk));
    assert_eq!((code, refusing.level("redis/memory")), (1, Some("warn")));
    assert!(refusing.said("redis/memory").contains("CACHE_MEMORY_WATCH=on"));
    assert_eq!(found(doctor(&desk).env("CACHE_MEMORY_WATCH", "on")).1.level("redis/memory"), Some("ok"));
    set("maxmemory-policy", "allkeys-lru");
    assert_eq!(found(&mut doctor(&desk)).1.level("redis/memory"), Some("ok"));
    set("maxmemory-policy", "volatile-lru");
    assert_eq!(found(&mut doctor(&desk)).1.level("redis/memory"), Some("note"));
}

/// The words after `ACL SETUSER cache` in the README.
fn documented() -> Vec<&'static str> {
    let rest = include_str!("../../../README.md").split_once("ACL SETUSER cache ").expect("the README names the rights").1;
    rest.split_once("```").expect("a block of code").0.split_whitespace().collect()
}

#[tokio::test]
async fn each_right_that_lacks_is_named_with_what_it_is_for() {
    let desk = Desk::with(Redis::configured().user("cache", &documented()).start());
    desk.shop().await;
    let user = || {
        let mut command = doctor(&desk);
        command.env("REDIS_USERNAME", "cache").env("REDIS_PASSWORD", "secret");
        command
    };
    let levels = |found: &Found| found.0["redis/rights"].iter().map(|(level, _)| level.clone()).collect::<Vec<_>>();
    let (code, few) = found(&mut user());
    assert_eq!(code, 0, "{:?}", few.0);
    assert!(
        levels(&few).iter().all(|level| level == "note") && few.said("redis/rights").contains("write-behind: no right to xadd"),
        "{}",
        few.said("redis/rights")
    );
    for (right, level, code, purpose) in [
        ("mget", "fail", 3, "answers of queries: no right to mget;"),
        ("zrevrange", "fail", 3, "answers of queries: no right to zrevrange;"),
        ("script|load", "fail", 3, "answers of queries: no right to script|load;"),
        ("client|tracking", "warn", 1, "near cache: no right to client|tracking;"),
        ("info", "warn", 1, "identity: no right to info;"),
    ] {
        desk.redis.cli::<()>(&["ACL", "SETUSER", "cache", &format!("-{right}")]);
        let (exit, found) = found(&mut user());
        assert!(
            levels(&found).iter().any(|found| found == level) && found.said("redis/rights").contains(purpose),
            "{right}: {}",
            found.said("redis/rights")
        );
        assert_eq!(exit, code, "{right}: {:?}", found.0);
        desk.redis.cli::<()>(&["ACL", "SETUSER", "cache", &format!("+{right}")]);
    }
    desk.redis.cli::<()>(&["ACL", "SETUSER", "cache", "resetkeys", "~sql:*", "~sql-near:*"]);
    let (code, found) = found(&mut user());
    assert!(code == 3 && found.said("redis/rights").contains("no right to keys sql-fence:*"), "{}", found.said("redis/rights"));
}
