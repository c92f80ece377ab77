//! `keys`, `get`, `ttl` and `explain`.

use super::{Desk, json, ran};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

/// Clears a screen, colours, rings, turns what follows around.
const HOSTILE: &str = "evil\x1b[2J\u{9b}31m\x07\u{202e}\r\n";

#[tokio::test]
async fn entries_are_listed_and_described() {
    let desk = Desk::new();
    let executor = desk.executor(desk.shop().await).await;
    let read = || sqlx::query_scalar::<_, String>("SELECT name FROM users WHERE id = 7").fetch_all(&executor);
    read().await.unwrap();
    let keys = desk.json(&["keys", "users:*"]);
    let entry =
        keys["keys"].as_array().unwrap().iter().find(|key| key["kind"] == "entry").expect("an entry")["key"].as_str().unwrap().to_owned();
    assert!(entry.starts_with("sql:users:data:"), "{entry}");
    assert!(keys["keys"].as_array().unwrap().contains(&json!({ "key": "sql:users:gen", "kind": "generation" })));
    assert!(desk.says(&["keys", "sql:users:*"]).lines().any(|line| line == entry));

    let described = desk.json(&["get", &entry]);
    assert_eq!(described["kind"], "entry");
    let shown = &described["entry"];
    assert_eq!((&shown["tables"], &shown["valid"], &shown["encrypted"]), (&json!(["users"]), &json!(true), &json!(false)));
    assert!(shown["bytes"].as_u64().unwrap() > shown["rows_bytes"].as_u64().unwrap());
    assert!((1.0..=300.0).contains(&described["ttl_seconds"].as_f64().unwrap()), "{described}");
    let text = desk.says(&["get", &entry]);
    assert!(text.contains("tables    users\n") && text.contains("valid     yes\n"), "{text}");
    assert!(desk.says(&["ttl", &entry]).contains(" m "));
    // Its rows are nothing to print.
    assert_eq!(desk.run(&["get", &entry, "--raw"]).code, 2);

    sqlx::query("UPDATE users SET name = 'Ada' WHERE id = 7").execute(&executor).await.unwrap();
    desk.redis.cli::<()>(&["PERSIST", &entry]);
    if desk.redis.cli::<u64>(&["EXISTS", &entry]) == 1 {
        assert_eq!(desk.json(&["get", &entry])["entry"]["valid"], false);
    }
    desk.redis.cli::<()>(&["SET", &entry, "SQC2 and no more"]);
    let ran = desk.run(&["get", &entry, "--json"]);
    assert_eq!((ran.code, &json(&ran.out)["because"]), (1, &json!("no entry of this version, or damaged")));
}

#[tokio::test]
async fn values_are_shown_as_what_they_are() {
    let desk = Desk::new();
    let cache = desk.cache().await;
    cache.set("user:7", &json!({ "name": "Grace", "ids": [1, 2] })).await.unwrap();
    cache.set("text", "two\nlines").await.unwrap();
    cache.set_bytes("bytes", &b"\xff\x00"[..]).await.unwrap();
    cache.set_for("short", &1, Duration::from_secs(60)).await.unwrap();
    cache.scope("tenant:7").set("a", &true).await.unwrap();
    cache.increment("visits", 41).await.unwrap();
    cache.depends_on(["users"]).get_or_set("tied", async || Ok::<_, sqlx::Error>("report".to_owned())).await.unwrap();
    desk.redis.cli::<()>(&["HSET", "kv:hash", "a", "b"]);

    assert_eq!(json(&desk.says(&["get", "user:7"])), json!({ "name": "Grace", "ids": [1, 2] }));
    assert_eq!(desk.json(&["get", "kv:user:7"])["value"], json!({ "name": "Grace", "ids": [1, 2] }));
    assert_eq!(desk.says(&["get", "text"]), "two\nlines\n");
    assert_eq!(desk.json(&["get", "bytes"])["base64"], "/wA=");
    assert_eq!(desk.says(&["get", "visits"]), "41\n");
    assert_eq!(desk.says(&["get", "visits", "--raw"]), "41");
    assert_eq!(desk.json(&["get", "tied"])["value"], "report");
    assert_eq!(desk.json(&["get", "kv/tenant%3A7:a"])["value"], true);
    let ttl = desk.json(&["ttl", "short"])["ttl_seconds"].as_f64().unwrap();
    assert!((1.0..=60.0).contains(&ttl), "{ttl}");
    assert_eq!(desk.json(&["ttl", "visits"]), json!({ "key": "kv:visits", "exists": true, "ttl_seconds": null }));
    assert_eq!(desk.says(&["ttl", "visits"]), "without end\n");

    let ended = desk.executor(desk.shop().await).await;
    ended.invalidate_table("users").await.unwrap();
    for (key, code) in [("tied", 1), ("hash", 1), ("nothing", 1), ("user:7", 0)] {
        assert_eq!(desk.run(&["get", key]).code, code, "{key}");
    }
    let missing = desk.run(&["ttl", "nothing", "--json"]);
    assert_eq!((missing.code, json(&missing.out)), (1, json!({ "key": "kv:nothing", "exists": false })));
    assert!(desk.run(&["get", "nothing"]).err.contains("there is nothing at kv:nothing"));
}

#[tokio::test]
async fn hostile_keys_and_values_do_nothing_to_a_terminal() {
    let desk = Desk::new();
    let name = format!("kv:{HOSTILE}");
    desk.redis.cli::<()>(&["SET", &name, HOSTILE]);
    let acts = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
    for arguments in
        [&["keys"][..], &["get", &name], &["ttl", &name], &["keys", "--json"], &["get", &name, "--json"], &["invalidate", &name, "--json"]]
    {
        let ran = desk.run(arguments);
        assert!(ran.code == 0 && !acts(&ran.out) && !acts(&ran.err), "{arguments:?}: {:?} {:?}", ran.out, ran.err);
        // Nor does it pretend to be two lines.
        if arguments == ["keys"] {
            assert_eq!(ran.out.lines().count(), 1);
        }
        if arguments == ["keys", "--json"] {
            assert_eq!(json(&ran.out)["keys"][0]["key"], name, "the document says it exactly");
        }
    }
    let missing = desk.run(&["get", &format!("no {HOSTILE}")]);
    assert!(missing.code == 1 && !acts(&missing.err), "{:?}", missing.err);
    let error = desk.run(&["explain", &format!("SELECT '{HOSTILE}' FROM nowhere")]);
    assert!(!acts(&error.out) && !acts(&error.err), "{:?}{:?}", error.out, error.err);
}

#[test]
fn limits_are_kept_and_a_closed_pipe_is_no_error() {
    let desk = Desk::new();
    // More than a pipe holds.
    let values: Vec<String> = (0..3000).flat_map(|number| [format!("kv:{number:0>100}"), "1".to_owned()]).collect();
    desk.redis.cli::<()>(&[&["MSET".to_owned()][..], &values].concat());
    let limited = desk.run(&["keys", "--limit", "10"]);
    assert_eq!((limited.code, limited.out.lines().count()), (0, 10));
    assert!(limited.err.contains("more than 10"), "{}", limited.err);
    assert_eq!(desk.json(&["keys", "--limit", "10"])["more"], true);
    let all = desk.json(&["keys", "--limit", "0"]);
    assert_eq!((all["keys"].as_array().unwrap().len(), &all["more"]), (3000, &json!(false)));

    let mut child = desk.tool(&["keys", "--limit", "0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    // Read one line, then go away.
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[tokio::test]
async fn explain_says_what_the_executor_says() {
    let desk = Desk::new();
    let executor = desk.executor(desk.shop().await).await;
    for sql in ["SELECT name FROM users", "DELETE FROM users WHERE id = 7", "SELECT random() FROM users", "nonsense"] {
        let explanation = executor.explain(sql);
        assert_eq!(desk.says(&["explain", sql]).trim_end(), explanation.to_string());
        assert_eq!(desk.json(&["explain", sql]), serde_json::to_value(&explanation).unwrap());
    }
    let mut command = desk.tool(&["explain", "-"]);
    command.stdin(std::fs::File::open(desk_file(&desk, "SELECT name FROM users\n")).unwrap());
    assert!(ran(&mut command).out.starts_with("cached for 300s as data, depends on users; key sql:users:data:"));
    // Redis is not asked.
    assert!(desk.redis.cli::<Vec<String>>(&["KEYS", "sql:users*"]).is_empty());
}

fn desk_file(desk: &Desk, text: &str) -> std::path::PathBuf {
    let path = desk.scratch.join("statement.sql");
    std::fs::write(&path, text).unwrap();
    path
}
