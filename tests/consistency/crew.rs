//! The processes of a run: started, killed and started again, and what they wrote down.

use super::clock;
use super::history::{Before, History};
use super::options::Setting;
use crate::support::Scratch;
use crate::support::process::ServerProcess;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A process's part in the play.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    readers: u64,
    directs: u64,
    writers: u64,
    write_pause_ms: u64,
}

/// Two that mostly read, two that mostly write; each does a little of everything.
pub const ROLES: [Role; 4] = [
    Role { readers: 4, directs: 1, writers: 1, write_pause_ms: 400 },
    Role { readers: 4, directs: 0, writers: 0, write_pause_ms: 400 },
    Role { readers: 1, directs: 1, writers: 1, write_pause_ms: 120 },
    Role { readers: 1, directs: 0, writers: 2, write_pause_ms: 200 },
];

struct Member {
    process: ServerProcess,
    log: PathBuf,
    name: String,
    killed: bool,
}

pub struct Crew {
    setting: Setting,
    url: String,
    /// Each role's way to Redis: a variable of the environment.
    redis: Vec<String>,
    until: u64,
    members: Vec<Option<Member>>,
    gone: Vec<Member>,
    started: u64,
    // After the processes that write there.
    scratch: Scratch,
}

impl Crew {
    /// Starts every role. They end by themselves at the time that the setting says.
    pub fn start(setting: &Setting, url: &str, redis: Vec<String>) -> Self {
        let until = clock::after(Duration::from_secs(setting.seconds));
        let (members, gone) = (ROLES.iter().map(|_| None).collect(), Vec::new());
        let mut crew =
            Self { setting: setting.clone(), url: url.to_owned(), redis, until, members, gone, started: 0, scratch: Scratch::new() };
        for role in 0..ROLES.len() {
            crew.enter(role);
        }
        crew
    }

    /// Starts a process in this role.
    fn enter(&mut self, role: usize) {
        let Role { readers, mut directs, writers, mut write_pause_ms } = ROLES[role];
        if self.setting.rush {
            directs += 1;
            write_pause_ms /= 6;
        }
        let number = self.started;
        self.started += 1;
        let name = format!("{role}-{number}");
        let log = self.scratch.join(&format!("{name}.log"));
        let on = |on: bool| if on { "on" } else { "off" };
        let mut environment = vec![
            "RUST_BACKTRACE=0".to_owned(),
            self.redis[role].clone(),
            format!("REDIS_SOCKET_TIMEOUT={}ms", self.setting.redis_timeout.as_millis()),
            format!("REDIS_SOCKET_CONNECT_TIMEOUT={}ms", self.setting.redis_timeout.as_millis() * 2),
            format!("CACHE_CONSISTENCY={}", self.setting.mode),
            format!("CACHE_NEAR={}", on(self.setting.near)),
            // Tables that are written all the time would be passed on, and what is not looked up is not tested.
            "CACHE_ADMISSION=always".to_owned(),
            format!("CACHE_UNFENCED_WRITES={}", if self.setting.refuse { "refuse" } else { "proceed" }),
            format!("CACHE_FENCE_GUARD={}", on(self.setting.guard)),
        ];
        environment.extend(
            self.setting
                .ttl
                .map(|ttl| format!("CACHE_TTL_DATA={0}ms CACHE_TTL_COUNT={0}ms", ttl.as_millis()))
                .iter()
                .flat_map(|both| both.split(' ').map(str::to_owned)),
        );
        let task = [
            ("database", self.setting.database.to_owned()),
            ("url", self.url.clone()),
            ("log", log.display().to_string()),
            ("process", number.to_string()),
            ("seed", self.setting.seed.to_string()),
            ("until", self.until.to_string()),
            ("lease", self.setting.lease.as_millis().to_string()),
            ("sabotage", self.setting.sabotage.to_owned()),
            ("readers", readers.to_string()),
            ("directs", directs.to_string()),
            ("writers", writers.to_string()),
            ("write_pause_ms", write_pause_ms.to_string()),
            ("pause_us", "1500".to_owned()),
        ];
        let mut arguments: Vec<OsString> = vec!["-i".into()];
        arguments.extend(environment.into_iter().map(OsString::from));
        arguments.push(std::env::current_exe().expect("this binary").into());
        arguments.push("--child".into());
        arguments.extend(task.iter().map(|(name, value)| format!("{name}={value}").into()));
        let output = self.scratch.join(&format!("{name}.out"));
        let process = ServerProcess::spawn(None, Path::new("/usr/bin/env"), &arguments, &output, "KILL");
        self.members[role] = Some(Member { process, log, name, killed: false });
    }

    /// Ends a role's process with SIGKILL, and starts another.
    pub fn replace(&mut self, role: usize) {
        if let Some(mut member) = self.members[role].take() {
            member.process.end("KILL");
            member.killed = true;
            self.gone.push(member);
        }
        self.enter(role);
    }

    /// Stops a role's process in its tracks, or lets it go on.
    pub fn signal(&self, role: usize, signal: &str) {
        if let Some(member) = &self.members[role] {
            member.process.signal(signal);
        }
    }

    pub fn until(&self) -> u64 {
        self.until
    }

    /// Whether this role's process has begun to work.
    pub fn works(&self, role: usize) -> bool {
        self.members[role].as_ref().is_some_and(|member| std::fs::metadata(&member.log).is_ok_and(|log| log.len() > 0))
    }

    /// Waits for the end of all, and puts together what they wrote down. Where Redis failed, a process that was killed may have kept an invalidation.
    ///
    /// # Panics
    ///
    /// If one of them ended badly, or not at all.
    pub async fn finish(mut self, before: &Before, redis_fails: bool) -> (History, Logs) {
        let patience = self.until + 30_000_000_000;
        for member in self.members.iter_mut().flatten() {
            let status = loop {
                if let Some(status) = member.process.try_wait() {
                    break status;
                }
                assert!(clock::now() < patience, "process {} does not end:\n{}", member.name, member.process.log());
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            assert!(status.success(), "process {}: {status}\n{}", member.name, member.process.log());
        }
        let mut history = History::after(before);
        for member in self.gone.iter().chain(self.members.iter().flatten()) {
            // One that was killed at once has written nothing.
            let log = std::fs::read_to_string(&member.log).unwrap_or_default();
            history.add(&member.name, member.killed && redis_fails, &log);
        }
        (history, Logs(self.scratch))
    }
}

/// The logs of a run, gone when dropped.
pub struct Logs(Scratch);

impl Logs {
    /// Keeps them; returns where.
    pub fn keep(&self, name: &str) -> PathBuf {
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("consistency-{name}"));
        let _ = std::fs::remove_dir_all(&to);
        std::fs::create_dir_all(&to).expect("a directory");
        for entry in std::fs::read_dir(self.0.path()).expect("the logs").flatten() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
        to
    }
}
