//! Temporary directories that don't outlive the test process, however it ends.

use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// A temporary directory, removed on drop; also removed if it is never dropped (statics) or the test process is killed.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Scratch {
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("").rand_bytes(8).tempdir_in(root()).expect("a temporary directory"))
    }

    /// A directory that belongs to `user`, for a server that runs as somebody else.
    pub fn owned_by(user: super::process::User) -> Self {
        let scratch = Self::new();
        if let Some((uid, gid)) = user {
            chown(scratch.path(), Some(uid), Some(gid)).expect("chown of a temporary directory");
        }
        scratch
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

/// One directory per test process, with a janitor that removes it when this process is gone: it waits for the end of a pipe that only this process
/// holds open, which the kernel closes even after SIGKILL.
fn root() -> &'static Path {
    static ROOT: OnceLock<(PathBuf, Child)> = OnceLock::new();
    let (path, _janitor) = ROOT.get_or_init(|| make_root().expect("a temporary directory and its janitor"));
    path
}

fn make_root() -> io::Result<(PathBuf, Child)> {
    // A Unix socket's path ends at 108 bytes: a long TMPDIR would leave no room for it.
    let parent = Some(std::env::temp_dir()).filter(|path| path.as_os_str().len() < 40).unwrap_or_else(|| "/tmp".into());
    let path = tempfile::Builder::new().prefix("sqlx-cached-").tempdir_in(parent)?.keep();
    // Servers that run as another user must get through.
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
    // The second attempt is for servers that were writing their last files during the first.
    let janitor = Command::new("sh")
        .args(["-c", r#"cat; rm -rf "$1" || { sleep 2; rm -rf "$1"; }"#, "janitor"])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C reaches the whole process group: the janitor must survive it.
        .process_group(0)
        .spawn()?;
    Ok((path, janitor))
}
