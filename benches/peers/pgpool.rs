//! A private pgpool-II with its query cache in front of a private PostgreSQL.

use super::Result;
use super::support::Scratch;
use super::support::process::{ServerProcess, unprivileged};
use sqlx::postgres::PgConnectOptions;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Of its socket's name: nothing listens by TCP.
pub const PORT: u16 = 9999;

pub struct PgPool {
    // Fields drop in order: first the process, then its directory.
    _process: ServerProcess,
    scratch: Scratch,
}

impl PgPool {
    /// `None` where the package isn't installed, and says so.
    pub fn start(database: &PgConnectOptions) -> Result<Option<Self>> {
        let Some(program) = binary() else {
            println!("\n!!! pgpool-II is LEFT OUT: it isn't installed. `apt-get install pgpool2` brings it.\n");
            return Ok(None);
        };
        let user = unprivileged("postgres");
        let scratch = Scratch::owned_by(user);
        let sockets = database.get_socket().ok_or("PostgreSQL has no socket")?;
        let file = |name: &str, content: &str| -> Result<PathBuf> {
            let path = scratch.join(name);
            std::fs::write(&path, content)?;
            Ok(path)
        };
        let configuration = file("pgpool.conf", &configuration(sockets, database.get_port(), scratch.path()))?;
        let arguments = [
            "-n".into(),
            "-f".into(),
            configuration.into(),
            "-F".into(),
            file("pcp.conf", "")?.into(),
            "-a".into(),
            file("pool_hba.conf", "")?.into(),
        ];
        // QUIT: at once, with all of its children.
        let mut process = ServerProcess::spawn(user, &program, &arguments, &scratch.join("log"), "QUIT");
        let socket = scratch.join(&format!(".s.PGSQL.{PORT}"));
        process.wait_until(|| UnixStream::connect(&socket).is_ok());
        Ok(Some(Self { _process: process, scratch }))
    }

    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }
}

/// Debian keeps it where only root's PATH looks.
pub fn binary() -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    places.push("/usr/sbin".into());
    places.into_iter().map(|place| place.join("pgpool")).find(|path| path.is_file())
}

/// Its defaults but for where things are, and the cache, which is off by default: 64 MB of shared memory, invalidated by writes that go through it.
fn configuration(database: &Path, port: u16, own: &Path) -> String {
    let (database, own) = (database.display(), own.display());
    format!(
        "backend_clustering_mode = 'raw'
backend_hostname0 = '{database}'
backend_port0 = {port}
listen_addresses = ''
port = {PORT}
socket_dir = '{own}'
pcp_listen_addresses = ''
pcp_socket_dir = '{own}'
wd_ipc_socket_dir = '{own}'
pid_file_name = '{own}/pid'
logdir = '{own}'
work_dir = '{own}'
num_init_children = 32
max_pool = 1
memory_cache_enabled = on
memqcache_method = 'shmem'
memqcache_total_size = 64MB
memqcache_auto_cache_invalidation = on
memqcache_oiddir = '{own}/oids'
"
    )
}
