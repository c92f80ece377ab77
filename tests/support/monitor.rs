//! What a Redis server was asked, in order.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One command, as MONITOR shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Run by a script rather than sent by a client.
    pub lua: bool,
    /// The command and its arguments; bytes that aren't printable are escaped as `\xNN`.
    pub words: Vec<String>,
}

/// A recording MONITOR connection. The kernel keeps what the server sends until somebody reads it, so no thread is needed for a test's worth of commands.
pub struct Monitor {
    lines: BufReader<UnixStream>,
    socket: PathBuf,
    password: Option<String>,
    /// Whether what goes to the days' counters is told, too: that is sent now and then, whatever a test is about.
    days: bool,
}

const MARKER: &str = "the-monitor-has-seen-everything-up-to-here";

impl Monitor {
    pub fn start(socket: &Path, password: Option<&str>) -> Self {
        let mut lines = raw(socket, password);
        say(&mut lines, "MONITOR");
        Self { lines, socket: socket.into(), password: password.map(Into::into), days: false }
    }

    /// Tells of the days' counters, too.
    pub fn with_days(self) -> Self {
        Self { days: true, ..self }
    }

    /// Every command that clients sent since the start (or the last call), without those that scripts ran.
    pub fn commands(&mut self) -> Vec<Vec<String>> {
        self.observed().into_iter().filter(|command| !command.lua).map(|command| command.words).collect()
    }

    /// Every command but AUTH that was run since the start (or the last call).
    pub fn observed(&mut self) -> Vec<Observed> {
        // A command of our own marks the end: whatever came before it has been recorded when it shows.
        say(&mut raw(&self.socket, self.password.as_deref()), &format!("ECHO {MARKER}"));
        let mut observed = Vec::new();
        loop {
            let mut line = String::new();
            self.lines.read_line(&mut line).expect("a line of MONITOR");
            assert!(!line.is_empty(), "the server closed the MONITOR connection");
            let command = parse(&line);
            if command.words.last().is_some_and(|word| word == MARKER) {
                return observed;
            }
            if !self.days && command.words.iter().any(|word| word.contains("-days:")) {
                continue;
            }
            // Every connection of our own says AUTH, too.
            if command.words.first().is_none_or(|word| word != "AUTH") {
                observed.push(command);
            }
        }
    }

    /// The commands of clients up to now; ends the recording.
    pub fn stop(mut self) -> Vec<Vec<String>> {
        self.commands()
    }
}

fn raw(socket: &Path, password: Option<&str>) -> BufReader<UnixStream> {
    let stream = UnixStream::connect(socket).expect("a connection to Redis");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a read timeout");
    let mut connection = BufReader::new(stream);
    if let Some(password) = password {
        say(&mut connection, &format!("AUTH {password}"));
    }
    connection
}

/// Sends an inline command and reads the first line of its answer.
fn say(connection: &mut BufReader<UnixStream>, command: &str) {
    connection.get_mut().write_all(format!("{command}\r\n").as_bytes()).expect("a command to Redis");
    let mut answer = String::new();
    connection.read_line(&mut answer).expect("an answer of Redis");
    assert!(answer.starts_with(['+', '$']), "{command}: {answer}");
}

/// `+1700000000.123456 [0 unix:/path] "GET" "key"`
fn parse(line: &str) -> Observed {
    let (head, mut rest) = line.split_once("] ").expect("a line of MONITOR");
    let mut words = Vec::new();
    while let Some(start) = rest.find('"') {
        let mut escaped = false;
        let length = rest[start + 1..]
            .find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })
            .expect("a closing quote");
        words.push(rest[start + 1..][..length].to_owned());
        rest = &rest[start + length + 2..];
    }
    Observed { lua: head.ends_with(" lua"), words }
}
