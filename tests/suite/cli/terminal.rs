//! At a terminal, which `script` makes: a part of Debian's base.

use super::Desk;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// Runs the tool at a terminal of 80 by 24, types `answer` as soon as `question` is to be seen, and gives all that was shown, and the exit code.
fn at_terminal(desk: &Desk, arguments: &str, variables: &[(&str, &str)], question: &str, answer: &str) -> (String, Option<i32>) {
    let line = format!("stty rows 24 cols 80; exec '{}' {arguments}", env!("CARGO_BIN_EXE_sqlx-cached"));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(desk.scratch.path());
    command
        .env("REDIS_SOCKET_PATH", desk.redis.socket())
        .env_remove("DATABASE_URL")
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh");
    command.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("script, of Debian's package bsdutils");
    let (mut typed, mut shown) = (child.stdin.take(), Vec::new());
    let mut out = child.stdout.take().expect("a pipe");
    let mut bytes = [0; 4096];
    loop {
        match out.read(&mut bytes) {
            Ok(0) | Err(_) => break,
            Ok(read) => shown.extend_from_slice(&bytes[..read]),
        }
        if String::from_utf8_lossy(&shown).contains(question)
            && let Some(mut typing) = typed.take()
        {
            typing.write_all(answer.as_bytes()).expect("a terminal that listens");
        }
    }
    (String::from_utf8_lossy(&shown).into_owned(), child.wait().expect("an end").code())
}

#[tokio::test]
async fn clear_does_what_it_is_told() {
    let desk = Desk::new();
    desk.cache().await.set("user:7", &1).await.unwrap();
    let there = || desk.redis.cli::<u64>(&["EXISTS", "kv:user:7"]) == 1;
    for answer in ["n\n", "\n", "what?\n"] {
        let (shown, code) = at_terminal(&desk, "clear", &[], "[y/N]", answer);
        assert!(shown.contains("and 1 keys of plain values (kv:*, kv/*)? [y/N]") && shown.contains("nothing was deleted"), "{shown}");
        assert!(code == Some(1) && there());
    }
    let (shown, code) = at_terminal(&desk, "clear", &[], "[y/N]", "y\n");
    assert!(code == Some(0) && !there() && shown.contains("deleted 1 key of plain values"), "{shown}");
}

#[tokio::test]
async fn top_draws_until_it_is_told_to_end() {
    let desk = Desk::new();
    let executor = desk.executor(desk.shop().await).await;
    sqlx::query("SELECT name FROM users").fetch_all(&executor).await.unwrap();
    executor.days().await.unwrap();
    let (shown, code) = at_terminal(&desk, "top --interval 0.1", &[], "users:data", "q");
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("hit ratio") && shown.contains("\x1b[?1049h") && shown.contains("\x1b[?1049l"),
        "the screen is given back: {shown:?}"
    );
    assert!(shown.contains("\x1b[38;5;") || shown.contains("\x1b[3"), "{shown:?}");
    let (plain, code) = at_terminal(&desk, "top --interval 0.1", &[("NO_COLOR", "1")], "users:data", "\x03");
    assert!(code == Some(0) && !plain.contains("\x1b[38;5;"), "{plain:?}");
}
