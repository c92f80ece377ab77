//! A master, its replica, and three sentinels that watch over them.

use super::process::{ServerProcess, binary};
use super::redis::free_port;
use super::{Redis, Scratch};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub const MASTER: &str = "the-master";
pub const SENTINELS_PASSWORD: &str = "watchword";

pub struct Sentinels {
    pub servers: [Redis; 2],
    // Fields drop in order: first the processes, then their directory.
    watchers: Vec<(ServerProcess, u16)>,
    _scratch: Scratch,
}

impl Sentinels {
    /// The first server is the master.
    pub async fn start() -> Self {
        let server = || Redis::configured().tcp().arguments(&["--repl-diskless-sync-delay", "0"]).start();
        let servers = [server(), server()];
        servers[1].cli::<()>(&["REPLICAOF", "127.0.0.1", &servers[0].port().to_string()]);
        let scratch = Scratch::new();
        let watchers = (0..3).map(|number| sentinel(&scratch, number, servers[0].port())).collect();
        let all = Self { servers, watchers, _scratch: scratch };
        let since = Instant::now();
        while !all.is_watched() {
            assert!(since.elapsed() < Duration::from_mins(1), "the sentinels don't find each other");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        all
    }

    pub fn ports(&self) -> Vec<u16> {
        self.watchers.iter().map(|(_, port)| *port).collect()
    }

    /// Ends one of the sentinels.
    pub fn lose(&mut self, number: usize) {
        self.watchers[number].0.end("KILL");
    }

    /// Stops one of them in its tracks.
    pub fn pause(&self, number: usize) {
        self.watchers[number].0.signal("STOP");
    }

    /// Every sentinel knows the other two and the replica.
    fn is_watched(&self) -> bool {
        self.ports().iter().all(|port| {
            let url = format!("redis://:{SENTINELS_PASSWORD}@127.0.0.1:{port}");
            let mut connection = redis::Client::open(url).and_then(|client| client.get_connection()).expect("a sentinel");
            let master: Vec<String> = redis::cmd("SENTINEL").arg("MASTER").arg(MASTER).query(&mut connection).expect("an answer");
            let field = |name| master.iter().position(|word| word == name).map(|place| master[place + 1].as_str());
            field("num-slaves") == Some("1") && field("num-other-sentinels") == Some("2")
        })
    }
}

fn sentinel(scratch: &Scratch, number: usize, master: u16) -> (ServerProcess, u16) {
    let port = free_port();
    let file: PathBuf = scratch.join(&format!("{number}.conf"));
    let settings = format!(
        "bind 127.0.0.1\nport {port}\ndir {}\nrequirepass {SENTINELS_PASSWORD}\nsentinel sentinel-pass {SENTINELS_PASSWORD}\n\
         sentinel monitor {MASTER} 127.0.0.1 {master} 2\nsentinel down-after-milliseconds {MASTER} 700\n\
         sentinel failover-timeout {MASTER} 3000\n",
        scratch.path().display()
    );
    std::fs::write(&file, settings).expect("a sentinel's settings");
    let arguments = [file.into(), "--sentinel".into()];
    let log = scratch.join(&format!("{number}.log"));
    let mut process = ServerProcess::spawn(None, &binary("redis-server", "redis-server"), &arguments, &log, "KILL");
    process.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
    (process, port)
}
