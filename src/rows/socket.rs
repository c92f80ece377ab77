//! A private socket pair of which sqlx's driver holds one end and we the other.
//!
//! sqlx's drivers connect to a path, so for a moment there must be one: a socket in a directory that only this user can open, removed as
//! soon as the driver is in. Nothing stays on disk, and nobody else is let in, since whoever holds our end decides what rows the program
//! sees.

mod apart;
mod end;

pub use apart::apart;
use apart::had_to_wait;
pub use end::End;

use super::idle::Idle;
use sqlx::Error;
use std::fs::Permissions;
use std::future::Future;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};

/// The replay connections of a codec that has such pairs.
#[derive(Debug)]
pub(super) struct Lines<T> {
    apart: Idle<T>,
    watched: Idle<T>,
    /// Whether a driver apart has once had to wait, which none ever should: then here they don't do.
    had_to_wait: AtomicBool,
}

impl<T> Lines<T> {
    /// Each line holds two sockets, made when it is first needed.
    const MOST: usize = 32;

    /// As many bytes surely fit into a socket's buffer, where nobody has made it smaller.
    const FITS: usize = 64 << 10;

    pub(super) fn new() -> Self {
        Self { apart: Idle::new(Self::MOST), watched: Idle::new(Self::MOST), had_to_wait: AtomicBool::new(false) }
    }

    /// The lines for an answer of so many bytes, and whether their drivers are apart.
    pub(super) fn of(&self, bytes: usize) -> (&Idle<T>, bool) {
        let apart = bytes <= Self::FITS && !self.had_to_wait.load(Ordering::Relaxed);
        (if apart { &self.apart } else { &self.watched }, apart)
    }

    /// Whether the same is to be tried once more, on a line of the other kind: this is what a driver apart said.
    pub(super) fn gives_up(&self, error: &Error) -> bool {
        let had_to_wait = had_to_wait(error);
        self.had_to_wait.fetch_or(had_to_wait, Ordering::Relaxed);
        had_to_wait
    }

    /// How many nobody uses.
    #[cfg(test)]
    pub(super) fn at_rest(&self) -> (usize, usize) {
        (self.apart.at_rest(), self.watched.at_rest())
    }
}

/// Connects a driver to ourselves: gives the driver's connection and our end of it.
///
/// `connect` is handed the socket's path, whose last part is `name`, and connects the driver to it; `greet` answers the driver's start-up
/// on our end. Both run at once. There is no deadline in here: the caller sets one around it.
///
/// # Errors
///
/// [`Error::Io`] where no directory takes a socket; whatever `connect` and `greet` fail with.
///
/// # Cancel safety
///
/// Safe: a dropped call leaves no file behind.
pub async fn pair<C, F, G>(
    name: &str,
    connect: impl FnOnce(PathBuf) -> F,
    greet: impl FnOnce(UnixStream) -> G,
) -> Result<(C, UnixStream), Error>
where
    F: Future<Output = Result<C, Error>>,
    G: Future<Output = Result<UnixStream, Error>>,
{
    let door = Door::open(bases(), name)?;
    let driver = connect(door.path());
    let ours = async { greet(door.accept().await?).await };
    tokio::try_join!(driver, ours)
}

/// Where a socket may be made, best first. A path has 108 bytes at most, and the usual temporary directory may be long, full or read-only.
fn bases() -> impl Iterator<Item = PathBuf> {
    let fixed = ["/dev/shm", "/tmp", "/var/tmp"].into_iter().map(PathBuf::from);
    std::iter::once(std::env::temp_dir()).chain(fixed).chain(std::env::current_dir())
}

/// A listening socket in a directory of its own.
struct Door {
    listener: UnixListener,
    path: PathBuf,
    /// The directory's owner, who is this process's user: std has no other way to ask.
    uid: u32,
    directory: TempDir,
}

impl Door {
    fn open(bases: impl Iterator<Item = PathBuf>, name: &str) -> Result<Self, Error> {
        let mut reasons = Vec::new();
        for base in bases {
            match Self::open_in(&base, name) {
                Ok(door) => return Ok(door),
                Err(error) => reasons.push(format!("{}: {error}", base.display())),
            }
        }
        Err(Error::Io(io::Error::other(format!("no directory takes a Unix socket for row replay ({})", reasons.join("; ")))))
    }

    fn open_in(base: &Path, name: &str) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix(".rows-").permissions(Permissions::from_mode(0o700)).tempdir_in(base)?;
        // Some file systems (vfat, some shares) take a mode and ignore it.
        let metadata = directory.path().metadata()?;
        if metadata.mode() & 0o077 != 0 {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the directory can't be made private"));
        }
        let path = directory.path().join(name);
        let listener = UnixListener::bind(&path)?;
        Ok(Self { listener, path, uid: metadata.uid(), directory })
    }

    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Lets this process in, once, and takes the path away.
    async fn accept(self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = stream.peer_cred()?;
            let this_process = peer.pid().is_none_or(|pid| u32::try_from(pid) == Ok(std::process::id()));
            if peer.uid() == self.uid && this_process {
                self.directory.close()?;
                return Ok(stream);
            }
            // A stranger (root, or another process of this user) is dropped; the driver still waits in the queue.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn pair_is_private_connected_and_leaves_nothing() {
        let mut seen = PathBuf::new();
        let connect = |path: PathBuf| {
            let mode = path.parent().unwrap().metadata().unwrap().mode();
            assert_eq!(mode & 0o777, 0o700);
            assert_eq!(path.file_name().unwrap(), ".s.PGSQL.5432");
            seen.clone_from(&path);
            async move { UnixStream::connect(path).await.map_err(Error::Io) }
        };
        let greet = |mut stream: UnixStream| async move {
            stream.write_all(b"hello").await?;
            Ok(stream)
        };
        let (mut driver, mut ours) = pair(".s.PGSQL.5432", connect, greet).await.unwrap();
        assert!(!seen.parent().unwrap().exists());
        let mut read = [0; 5];
        driver.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"hello");
        driver.write_all(b"world").await.unwrap();
        ours.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"world");
    }

    /// Another process of this user, which connects and waits to be told something.
    fn stranger(path: &Path) -> std::process::Child {
        let script = "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die; print 'connected'; my $n = sysread($s, my $b, 1); exit($n ? 1 : 0)";
        std::process::Command::new("perl").args(["-e", script]).arg(path).stdout(std::process::Stdio::piped()).spawn().expect("perl")
    }

    #[tokio::test]
    async fn another_process_of_this_user_is_turned_away_and_only_one_is_let_in() {
        let mut seen = PathBuf::new();
        let connect = |path: PathBuf| {
            seen.clone_from(&path);
            async move {
                // First in the queue; it ends when it is hung up on without having been told a byte.
                let child = stranger(&path);
                let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
                let mut driver = None;
                while driver.is_none() {
                    // The stranger must come first, or nobody would see it turned away.
                    if std::fs::read_to_string("/proc/net/unix")
                        .is_ok_and(|sockets| sockets.lines().filter(|line| line.ends_with(path.to_str().unwrap())).count() > 1)
                        || ended.is_finished()
                    {
                        driver = Some(UnixStream::connect(&path).await?);
                    } else {
                        tokio::task::yield_now().await;
                    }
                }
                let output = ended.await.unwrap();
                assert!(output.status.success() && output.stdout == b"connected", "{output:?}");
                driver.ok_or(Error::WorkerCrashed)
            }
        };
        let greet = |mut stream: UnixStream| async move {
            stream.write_all(b"!").await?;
            Ok(stream)
        };
        let (mut driver, _ours) = pair("s", connect, greet).await.unwrap();
        let mut read = [0; 1];
        driver.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"!", "the second in the queue was let in");
        assert!(!seen.exists() && !seen.parent().unwrap().exists());
        assert!(UnixStream::connect(&seen).await.is_err(), "and nobody after it");
    }

    #[tokio::test]
    async fn a_directory_that_does_not_do_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let long = root.path().join("x".repeat(100));
        std::fs::create_dir(&long).unwrap();
        let missing = root.path().join("missing");
        let good = std::env::temp_dir();
        let door = Door::open([missing.clone(), long.clone(), good.clone()].into_iter(), "s").unwrap();
        assert!(door.path().starts_with(&good) && !door.path().starts_with(&long));
        assert_eq!(std::fs::read_dir(&long).unwrap().count(), 0, "a failed attempt is cleaned up");

        let error = Door::open([missing, long].into_iter(), "s").err().unwrap().to_string();
        assert!(error.contains("no directory takes a Unix socket") && error.contains("missing"), "{error}");
    }

    #[tokio::test]
    async fn a_driver_that_gives_up_leaves_nothing() {
        let mut seen = PathBuf::new();
        let connect = |path: PathBuf| {
            seen = path;
            async { Err::<(), _>(Error::WorkerCrashed) }
        };
        let result = pair("s", connect, |stream| async { Ok(stream) }).await;
        assert!(matches!(result, Err(Error::WorkerCrashed)));
        assert!(!seen.parent().unwrap().exists());
    }
}
