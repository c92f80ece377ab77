//! What this user may do. Each command is tried in a form that changes nothing: on keys that nobody has, with `XX` or an argument that is refused after the rights were looked at.

use super::report::Section;
use crate::target::Target;
use sqlx_cached::redis::aio::MultiplexedConnection;
use sqlx_cached::redis::{Value, cmd};

/// The end of keys that nobody has: the percent sign of a table's name in a key is followed by digits.
const KEY: &str = "%doctor";

/// Commands that serve one purpose, what becomes of it without them, and whether that matters to everybody.
struct Purpose {
    name: &'static str,
    commands: Vec<String>,
    without: &'static str,
    weight: Weight,
}

enum Weight {
    Needed,
    Wanted,
    Optional,
}

/// Tries all of them.
pub async fn examine(target: &Target, connection: &mut MultiplexedConnection, section: &mut Section) {
    let mut all = true;
    for Purpose { name, commands, without, weight } in purposes(target) {
        let mut missing = Vec::new();
        for command in commands {
            let words: Vec<&str> = command.split(' ').collect();
            let mut request = cmd(words[0]);
            for word in &words[1..] {
                request.arg(*word);
            }
            // Whatever else is wrong with it was found after the rights.
            if let Err(error) = request.query_async::<Value>(connection).await
                && error.code() == Some("NOPERM")
            {
                let name = named(&words, &error.to_string());
                if !missing.contains(&name) {
                    missing.push(name);
                }
            }
        }
        if missing.is_empty() {
            continue;
        }
        all = false;
        let said = format!("{name}: no right to {}; {without}", missing.join(", "));
        match weight {
            Weight::Needed => section.fail("rights", said),
            Weight::Wanted => section.warn("rights", said),
            Weight::Optional => section.note("rights", said),
        }
    }
    if all {
        section.ok("rights", "this user may do all that the library does");
    }
}

/// A command, or the keys where those are not allowed.
fn named(words: &[&str], error: &str) -> String {
    if error.contains("access")
        && let Some((keys, _)) = words.iter().find_map(|word| word.split_once(KEY))
    {
        return format!("keys {keys}*");
    }
    let container = matches!(words[0], "CLIENT" | "SCRIPT" | "XGROUP");
    let name = if container { words[..2].join("|") } else { words[0].to_owned() };
    name.to_lowercase()
}

fn purposes(target: &Target) -> Vec<Purpose> {
    let Target { namespace, prefix, .. } = target;
    let (key, fence, near) = (format!("{namespace}:{KEY}:gen"), format!("{namespace}-fence:{KEY}"), format!("{namespace}-near:{KEY}:0:0"));
    let (value, scoped, queue) = (format!("{prefix}:{KEY}"), format!("{prefix}/{KEY}:%"), format!("{{{prefix}:{KEY}}}"));
    let hash = "0".repeat(40);
    let of = |commands: &[&str], key: &str| commands.iter().map(|command| command.replace("KEY", key)).collect::<Vec<_>>();
    let mut queries = of(
        &[
            "MGET KEY",
            "SET KEY 0 XX PX 1",
            "DEL KEY",
            "UNLINK KEY",
            "SCAN 0 MATCH KEY COUNT 1",
            "SCRIPT LOAD return",
            "TIME",
            "GET KEY",
            "GETRANGE KEY 0 0",
        ],
        &key,
    );
    queries.push(format!("EVALSHA {hash} 1 {key}"));
    queries.extend(of(
        &[
            "ZCOUNT KEY 0 0",
            "ZADD KEY XX 0 a",
            "ZREM KEY a",
            "ZSCORE KEY a",
            "ZRANGEBYSCORE KEY 0 0",
            "ZREMRANGEBYSCORE KEY 0 0",
            "ZREVRANGE KEY 0 0",
        ],
        &fence,
    ));
    queries.extend(of(&["SET KEY 0 XX PX 1", "DEL KEY"], &near));
    let near = ["HELLO", "CLIENT TRACKING OFF", "CLIENT CACHING YES"].map(str::to_owned).to_vec();
    let mut values = of(
        &[
            "GET KEY",
            "SET KEY 0 XX PX 1",
            "INCRBY KEY none",
            "PEXPIRE KEY 1",
            "PERSIST KEY",
            "EXISTS KEY",
            "TYPE KEY",
            "PTTL KEY",
            "DBSIZE",
            "MULTI",
            "EXEC",
        ],
        &value,
    );
    values.extend(of(&["GET KEY"], &scoped));
    let days = of(
        &["GET KEY", "SET KEY 0 XX PX 1", "HLEN KEY", "HEXISTS KEY a", "HINCRBY KEY a none", "PEXPIRE KEY 1", "HGETALL KEY"],
        &format!("{namespace}-days:{KEY}"),
    );
    let queues = of(
        &[
            "XADD KEY NOMKSTREAM * a b",
            "XREADGROUP GROUP a b COUNT 1 STREAMS KEY >",
            "XACK KEY a 1-1",
            "XDEL KEY 1-1",
            "XCLAIM KEY a b 1 1-1",
            "XPENDING KEY a",
            "XLEN KEY",
            "XRANGE KEY - + COUNT 1",
            "XGROUP CREATE KEY a $",
            "XGROUP DELCONSUMER KEY a b",
        ],
        &queue,
    );
    vec![
        Purpose { name: "answers of queries", commands: queries, without: "nothing is cached", weight: Weight::Needed },
        Purpose {
            name: "identity",
            commands: vec!["INFO server".into()],
            without: "a failover or a restart from an old snapshot is not noticed",
            weight: Weight::Wanted,
        },
        Purpose {
            name: "near cache",
            commands: near,
            without: "every hit asks Redis",
            weight: if target.environment.keeps_near() { Weight::Wanted } else { Weight::Optional },
        },
        Purpose { name: "plain values", commands: values, without: "they can't be kept, if the program has any", weight: Weight::Optional },
        Purpose {
            name: "daily counters",
            commands: days,
            without: "nothing is counted by the day, and stats and top show nothing",
            weight: Weight::Optional,
        },
        Purpose {
            name: "memory watch",
            commands: of(&["PTTL KEY", "PEXPIRE KEY 1"], &key),
            without: "it can't cut short what stands",
            weight: Weight::Optional,
        },
        Purpose {
            name: "write-behind",
            commands: queues,
            without: "there are no queues, if the program has any",
            weight: Weight::Optional,
        },
    ]
}
