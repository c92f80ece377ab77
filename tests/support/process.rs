//! Server processes that end with the test process.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

/// How long a server may take to be ready; only an overloaded machine needs more than a second or two.
const START: Duration = Duration::from_mins(1);

/// The user and group that a server runs as, if not as ourselves.
pub type User = Option<(u32, u32)>;

/// A running server. Dropping it kills the process that it started, by its id.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    log: PathBuf,
    end: &'static str,
}

impl ServerProcess {
    /// Starts a command whose output goes to `log`. `end` is the signal that makes the server go at once with all of its children: also sent by the
    /// kernel when this process is gone.
    pub fn spawn(user: User, program: &Path, arguments: &[OsString], log: &Path, end: &'static str) -> Self {
        let output = File::create(log).expect("a log file");
        let errors = output.try_clone().expect("a log file");
        // The kernel forgets the death signal when a process changes its user: so it is set after that.
        let mut command = command_as(user, Path::new("setpriv"));
        command.arg(format!("--pdeathsig={end}")).arg(program).args(arguments);
        command.stdin(Stdio::null()).stdout(output).stderr(errors).current_dir("/");
        Self { child: spawn_from_lasting_thread(command).expect("setpriv (package util-linux)"), log: log.into(), end }
    }

    /// Waits until `ready` says so. Panics with the server's log if it gives up first.
    pub fn wait_until(&mut self, ready: impl Fn() -> bool) {
        let start = Instant::now();
        while !ready() {
            if let Some(status) = self.try_wait() {
                panic!("the server ended while starting ({status}):\n{}", self.log());
            }
            assert!(start.elapsed() < START, "the server isn't ready after {START:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child process")
    }

    /// What the server said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal (`STOP`, `CONT`, `TERM`) to this process alone.
    pub fn signal(&self, name: &str) {
        // The shell's own `kill`: the id can't have been given to another process, since we haven't waited for this one.
        let status = Command::new("sh").args(["-c", r#"kill -s "$1" "$2""#, "kill", name]).arg(self.child.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "can't send {name}");
    }

    /// Ends the process the way the signal says and waits until it is gone.
    pub fn end(&mut self, signal: &str) -> ExitStatus {
        if let Some(status) = self.try_wait() {
            return status;
        }
        self.signal(signal);
        self.child.wait().unwrap_or(ExitStatus::from_raw(0))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if self.try_wait().is_none() {
            self.signal(self.end);
            // A paused server hears nothing but SIGKILL until it goes on.
            self.signal("CONT");
            let _ = self.child.wait();
        }
    }
}

/// The death signal of a child is bound to the *thread* that spawned it, and test threads come and go: this one stays as long as the process.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    type Job = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, answer) in jobs {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let (sender, answer) = mpsc::channel();
    spawner.lock().expect("the spawner's queue").send((command, sender)).expect("the spawner");
    answer.recv().expect("the spawner")
}

/// Where the server's binary is. Debian keeps PostgreSQL's out of PATH, and daemons in directories that are only in root's.
pub fn binary(name: &str, package: &str) -> PathBuf {
    let mut places: Vec<PathBuf> = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    versions.sort_by_key(|path| std::cmp::Reverse(path.file_name().and_then(OsStr::to_str).and_then(|name| name.parse::<u32>().ok())));
    places.extend(versions.into_iter().map(|version| version.join("bin")));
    places.extend(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    let found = places.into_iter().map(|place| place.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("`{name}` is not installed: apt-get install {package} (or tests/run, which does it)"))
}

/// The user that a server which refuses to run as root shall run as; nobody else if we aren't root.
pub fn unprivileged(name: &str) -> User {
    if std::fs::metadata("/proc/self").expect("/proc").uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let find = |name: &str| {
        users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|user| user[0] == name)
            .map(|user| (user[2].to_owned(), user[3].to_owned()))
    };
    let (uid, gid) = find(name).or_else(|| find("nobody")).expect("an unprivileged user");
    Some((uid.parse().expect("a user id"), gid.parse().expect("a group id")))
}

/// A command that runs as that user.
pub fn command_as(user: User, program: &Path) -> Command {
    let Some((uid, gid)) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups").arg(program);
    command
}

/// Runs a command to its end. Panics with its output if it fails.
pub fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
