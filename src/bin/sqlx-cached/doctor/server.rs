//! Redis: whether it answers, how fast, and how it is set up.

use super::latency::Latency;
use super::report::Section;
use super::rights;
use crate::failure::Failure;
use crate::keys;
use crate::target::Target;
use crate::units;
use sqlx_cached::redis::aio::MultiplexedConnection;
use sqlx_cached::redis::{RedisError, cmd};
use sqlx_cached::store::RedisStore;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// So many times it is asked.
const TIMES: usize = 200;

/// So many keys are counted of each kind.
const COUNTED: usize = 10_000;

/// `database` is how fast that is.
pub async fn examine(target: &Target, database: Option<Latency>, section: &mut Section) {
    if target.redis.is_none() {
        section.note("connection", "none is named");
        return;
    }
    let store = match target.reached().await {
        Ok(store) => store,
        Err(Failure::Failed(error) | Failure::Usage(error)) => {
            section.fail("connection", error);
            return;
        }
        Err(Failure::Closed) => return,
    };
    let mut connection = match store.connection(&format!("{}:doctor", target.prefix)).await {
        Ok(connection) => connection,
        Err(error) => {
            section.fail("connection", error.to_string());
            return;
        }
    };
    let info = match cmd("INFO").query_async::<String>(&mut connection).await {
        Ok(text) => Info(
            text.lines().filter_map(|line| line.trim().split_once(':')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ),
        Err(error) => {
            section.warn(
                "rights",
                format!("INFO is refused, without which a failover or a restart from an old snapshot can't be noticed: {error}"),
            );
            Info(HashMap::new())
        }
    };
    about(&info, section);
    memory(target, &info, section);
    persistence(&info, section);
    rights::examine(target, &mut connection, section).await;
    match latency(target, &mut connection).await {
        Ok(latency) => speed(target, &latency, database.as_ref(), section),
        Err(error) => section.fail("latency", error.to_string()),
    }
    clock(&mut connection, section).await;
    count(target, &store, section).await;
}

/// What INFO says.
struct Info(HashMap<String, String>);

impl Info {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> u64 {
        self.get(name).and_then(|value| value.parse().ok()).unwrap_or(0)
    }
}

fn about(info: &Info, section: &mut Section) {
    let (name, version) = match (info.get("valkey_version"), info.get("redis_version")) {
        (Some(version), _) => ("Valkey", version),
        (None, Some(version)) => ("Redis", version),
        (None, None) => {
            section.ok("connection", "it answers");
            return;
        }
    };
    let mode = match info.get("redis_mode").or_else(|| info.get("server_mode")) {
        Some("cluster") => "; one of its cluster's servers, which may differ, is looked at here",
        _ => "",
    };
    section.ok("connection", format!("{name} {version}, up {}{mode}", units::time(Duration::from_secs(info.number("uptime_in_seconds")))));
    if name == "Redis" && version.split('.').next().and_then(|major| major.parse().ok()).is_some_and(|major: u32| major < 6) {
        section.warn("version", "Redis before 6.0 can't tell clients of changes: there is no near cache with it");
    }
    if matches!(info.get("role"), Some("slave" | "replica")) {
        section.fail("role", "this server is a replica, which the library refuses: name the master, or the sentinels");
    }
    if info.get("loading") == Some("1") {
        section.warn("loading", "it is reading its snapshot, and answers nothing until it is through");
    }
    match info.number("rejected_connections") {
        0 => {}
        rejected => {
            section.warn("clients", format!("{} connections were refused since it started: maxclients is too low", units::count(rejected)))
        }
    }
}

fn memory(target: &Target, info: &Info, section: &mut Section) {
    let Some(policy) = info.get("maxmemory_policy") else { return };
    let (used, most) = (info.number("used_memory"), info.number("maxmemory"));
    let evicted = info.number("evicted_keys");
    let evicted = if evicted > 0 { format!("; {} keys evicted so far", units::count(evicted)) } else { String::new() };
    let watched = target.environment.memory_watch().is_some();
    if most == 0 {
        section.note(
            "memory",
            format!(
                "{} used, no maxmemory: it grows until the machine has no more. Set maxmemory, and maxmemory-policy allkeys-lru",
                units::bytes(used)
            ),
        );
        return;
    }
    let said = format!("{} of {} used, {policy}{evicted}", units::bytes(used), units::bytes(most));
    match policy {
        "noeviction" if used >= most / 10 * 9 => section.warn("memory", format!("{said}: nearly full, and when it is, it refuses all writes, those that invalidate included")),
        "noeviction" if !watched => section.warn("memory", format!("{said}: once full it refuses all writes, those that invalidate included. Set CACHE_MEMORY_WATCH=on, or the policy allkeys-lru")),
        "noeviction" => section.ok("memory", format!("{said}, watched")),
        policy if policy.starts_with("allkeys-") => section.ok("memory", said),
        _ => section.note("memory", format!("{said}: fine as long as other keys without an end leave room; allkeys-lru or allkeys-lfu always finds something to evict")),
    }
}

fn persistence(info: &Info, section: &mut Section) {
    let Some(aof) = info.get("aof_enabled") else { return };
    let ago = |seconds: u64| {
        if seconds == 0 {
            "never".to_owned()
        } else {
            format!("{} ago", units::time(since_epoch().saturating_sub(Duration::from_secs(seconds))))
        }
    };
    let aof = if aof == "1" { "on" } else { "off" };
    let saved = info.number("rdb_last_save_time");
    // At its start the server takes that for the time of one.
    let since_start = info.number("server_time_usec").checked_div(1_000_000).unwrap_or(0).saturating_sub(info.number("uptime_in_seconds"));
    let saved = if saved <= since_start + 1 { "none since it started".to_owned() } else { ago(saved) };
    if info.get("rdb_last_bgsave_status").is_some_and(|status| status != "ok") {
        section.warn("persistence", "its last snapshot failed: as long as stop-writes-on-bgsave-error is on, it refuses all writes");
    } else {
        section
            .ok("persistence", format!("append-only file {aof}, last snapshot {saved}. A cache needs neither; queues of write-behind do"));
    }
}

/// Asks as a look-up does: nobody needs the right to PING.
async fn latency(target: &Target, connection: &mut MultiplexedConnection) -> Result<Latency, RedisError> {
    let key = format!("{}:%doctor:gen", target.namespace);
    Latency::of(TIMES, async || cmd("MGET").arg(&key).exec_async(connection).await).await
}

fn speed(target: &Target, latency: &Latency, database: Option<&Latency>, section: &mut Section) {
    let deadline = target.environment.redis().map_or(Duration::from_millis(100), |redis| redis.timeout);
    let said = latency.said();
    if latency.p99() > deadline / 2 {
        section.warn(
            "latency",
            format!("{said}: close to REDIS_SOCKET_TIMEOUT ({}), after which the database is asked instead", units::time(deadline)),
        );
    } else if database.is_some_and(|database| database.median() < latency.median()) {
        section.note("latency", format!("{said}: the database answers SELECT 1 faster. Only queries that take it longer than this gain by a hit in Redis; all gain by one in the near cache"));
    } else {
        section.ok("latency", said);
    }
}

async fn clock(connection: &mut MultiplexedConnection, section: &mut Section) {
    /// Ages are told by the machines' own clocks: more than this makes answers live too long, or not long enough.
    const MOST: Duration = Duration::from_secs(2);
    let before = since_epoch();
    let Ok((seconds, micros)) = cmd("TIME").query_async::<(u64, u64)>(connection).await else { return };
    // Somewhere on the way, nobody knows where.
    let on_the_way = since_epoch().saturating_sub(before) / 2;
    let here = before + on_the_way;
    let there = Duration::from_secs(seconds) + Duration::from_micros(micros);
    let off = here.abs_diff(there).saturating_sub(on_the_way);
    if off > MOST {
        section.warn(
            "clock",
            format!(
                "this machine's and the server's differ by {}: answers stored by one machine seem older or younger to another",
                units::time(off)
            ),
        );
    } else {
        section.ok("clock", "agrees with this machine's");
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

async fn count(target: &Target, store: &RedisStore, section: &mut Section) {
    let (namespace, prefix) = (&target.namespace, &target.prefix);
    let mut said = Vec::new();
    for (what, patterns) in
        [("of queries", vec![format!("{namespace}:*")]), ("of plain values", vec![format!("{prefix}:*"), format!("{prefix}/*")])]
    {
        match keys::find(store, &patterns, COUNTED).await {
            Ok((names, more)) => said.push(format!("{}{} {what}", if more { "more than " } else { "" }, units::count(names.len() as u64))),
            Err(Failure::Failed(error) | Failure::Usage(error)) => return section.warn("keys", error),
            Err(Failure::Closed) => return,
        }
    }
    section.ok("keys", said.join(", "));
}
