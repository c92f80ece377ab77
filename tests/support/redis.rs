//! A private Redis server: on a Unix socket, and on a loopback port for tests that ask for one.

use super::Scratch;
use super::certificates::Certificates;
use super::monitor::Monitor;
use super::process::{ServerProcess, binary};
use redis::{FromRedisValue, IntoConnectionInfo, RedisResult};
use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// Gone, with its data, when it is dropped.
pub struct Redis {
    // Fields drop in order: first the process, then its directory.
    process: ServerProcess,
    scratch: Scratch,
    port: u16,
    password: Option<String>,
    arguments: Vec<OsString>,
}

impl Redis {
    /// Without TCP, password and persistence.
    pub fn start() -> Self {
        Self::configured().start()
    }

    pub fn configured() -> Configured {
        Configured::default()
    }

    fn spawn(scratch: &Scratch, arguments: &[OsString]) -> ServerProcess {
        ServerProcess::spawn(None, &binary("redis-server", "redis-server"), arguments, &scratch.join("log"), "KILL")
    }

    /// A connection is accepted, so commands will be answered (with LOADING while a snapshot is read).
    fn wait(&mut self) {
        let socket = self.socket();
        self.process.wait_until(|| UnixStream::connect(&socket).is_ok());
    }

    pub fn socket(&self) -> PathBuf {
        self.scratch.join("socket")
    }

    /// The loopback port; only with [`Configured::tcp`].
    pub fn port(&self) -> u16 {
        assert_ne!(self.port, 0, "this server has no TCP port");
        self.port
    }

    /// The administrator's URL, over the Unix socket.
    pub fn url(&self) -> String {
        let password = self.password.as_deref().map(|password| format!("?pass={password}"));
        format!("redis+unix://{}{}", self.socket().display(), password.unwrap_or_default())
    }

    /// The administrator's URL, over TCP.
    pub fn tcp_url(&self) -> String {
        let password = self.password.as_deref().map(|password| format!(":{password}@"));
        format!("redis://{}127.0.0.1:{}", password.unwrap_or_default(), self.port())
    }

    /// The administrator's password.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Runs one command as administrator, on a connection of its own, and panics if it fails.
    pub fn cli<T: FromRedisValue>(&self, words: &[impl AsRef<[u8]>]) -> T {
        self.cli_in(0, words)
    }

    /// The same in a numbered database.
    pub fn cli_in<T: FromRedisValue>(&self, database: i64, words: &[impl AsRef<[u8]>]) -> T {
        self.query(database, words).unwrap_or_else(|error| {
            let name = words.iter().map(|word| String::from_utf8_lossy(word.as_ref())).collect::<Vec<_>>().join(" ");
            panic!("{name}: {error}\n{}", self.log())
        })
    }

    /// The same where it may fail, or the server may be down.
    pub fn try_cli<T: FromRedisValue>(&self, words: &[impl AsRef<[u8]>]) -> RedisResult<T> {
        self.query(0, words)
    }

    fn query<T: FromRedisValue>(&self, database: i64, words: &[impl AsRef<[u8]>]) -> RedisResult<T> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word.as_ref());
        }
        let info = self.url().into_connection_info().expect("our own URL");
        let settings = info.redis_settings().clone().set_skip_set_lib_name().set_db(database);
        let mut connection = redis::Client::open(info.set_redis_settings(settings)).and_then(|client| client.get_connection())?;
        command.query(&mut connection)
    }

    /// Records every command that the server runs, from now until it is stopped.
    pub fn monitor(&self) -> Monitor {
        Monitor::start(&self.socket(), self.password.as_deref())
    }

    /// Ends the server in good order. Without `--save` nothing is written.
    pub fn stop(&mut self) {
        self.process.end("TERM");
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        self.process.end("KILL");
    }

    /// Starts it again (after killing it, if it still runs) with the same directory, port and arguments: a snapshot written by SAVE is read.
    pub fn restart(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(self.socket());
        self.process = Self::spawn(&self.scratch, &self.arguments);
        self.wait();
    }

    /// The same with further arguments, from now on.
    pub fn restart_with(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self.restart();
    }

    /// Stops the server in its tracks: connections stay open, connects still succeed, and nothing answers.
    pub fn pause(&self) {
        self.process.signal("STOP");
    }

    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    /// What the server said so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// Found free a moment before, and not one of those that the kernel gives to connections (which would take it while a server is down): if somebody else was
/// faster, the server says so and the test fails loudly.
pub fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| rand::random_range(10_000..32_000));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// A server about to be started.
#[derive(Default)]
pub struct Configured {
    tcp: bool,
    tls: bool,
    password: Option<String>,
    arguments: Vec<OsString>,
}

impl Configured {
    /// Listen on a free loopback port, too.
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// The same with TLS, and without it nowhere but on the Unix socket.
    pub fn tls(mut self, certificates: &Certificates, clients_show_one: bool) -> Self {
        (self.tcp, self.tls) = (true, true);
        self.arguments.extend(certificates.of_server(clients_show_one).into_iter().map(OsString::from));
        self
    }

    /// The administrator's (the user `default`'s) password, made of letters and digits.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.into());
        self.arguments(&["--requirepass", password])
    }

    /// An ACL user: name and rules, as after `ACL SETUSER` (`">secret"`, `"~sql*"`, `"+@all"`).
    pub fn user(self, name: &str, rules: &[&str]) -> Self {
        self.arguments(&["--user", name]).arguments(rules)
    }

    /// Further arguments, such as `["--appendonly", "yes"]`.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    pub fn start(self) -> Redis {
        let scratch = Scratch::new();
        let port = if self.tcp { free_port() } else { 0 };
        let mut arguments: Vec<OsString> =
            vec!["--unixsocket".into(), scratch.join("socket").into(), "--dir".into(), scratch.path().into()];
        let port_text = port.to_string();
        let ports = if self.tls { ["--port", "0", "--tls-port", &port_text] } else { ["--tls-port", "0", "--port", &port_text] };
        arguments.extend(ports.iter().map(OsString::from));
        let fixed = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--enable-debug-command", "yes"];
        arguments.extend(fixed.iter().map(OsString::from));
        arguments.extend(self.arguments);
        let process = Redis::spawn(&scratch, &arguments);
        let mut redis = Redis { process, scratch, port, password: self.password, arguments };
        redis.wait();
        redis
    }
}
