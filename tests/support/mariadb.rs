//! A private MariaDB server on a Unix socket.

use super::process::{ServerProcess, binary, command_as, run, unprivileged};
use super::{Scratch, TestDatabase};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sqlx::{Connection, Executor, MySql};
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Gone, with its data, when it is dropped.
pub struct MariaDb {
    // Fields drop in order: first the process, then its directory.
    process: ServerProcess,
    scratch: Scratch,
    names: AtomicU32,
}

impl MariaDb {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further arguments, each `--name=value`.
    pub fn start_with(further: &[&str]) -> Self {
        let user = unprivileged("mysql");
        let scratch = Scratch::owned_by(user);
        let path = |name: &str, value: PathBuf| OsString::from(format!("--{name}={}", value.display()));
        // `--no-defaults` must come first: nothing of this machine's configuration.
        let mut common =
            vec![OsString::from("--no-defaults"), path("datadir", scratch.join("data")), path("tmpdir", scratch.path().into())];
        let fast =
            ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--innodb-doublewrite=0"];
        common.extend(fast.map(OsString::from));
        let mut init = command_as(user, &binary("mariadb-install-db", "mariadb-server"));
        run(init
            .args(&common)
            .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
            .current_dir("/"));

        let socket = Self::socket_in(&scratch);
        let mut arguments = common;
        arguments.extend([path("socket", socket.clone()), path("pid-file", scratch.join("pid"))]);
        let character_set = ["--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"];
        arguments.extend(
            ["--skip-networking", "--skip-log-bin", "--max-connections=300", "--max-allowed-packet=64M"]
                .iter()
                .chain(&character_set)
                .chain(further)
                .map(OsString::from),
        );
        let mut process = ServerProcess::spawn(user, &binary("mariadbd", "mariadb-server"), &arguments, &scratch.join("log"), "KILL");
        // The socket accepts before the server is ready, but only then comes its greeting.
        process.wait_until(|| UnixStream::connect(&socket).is_ok_and(|mut stream| stream.read_exact(&mut [0]).is_ok()));
        Self { process, scratch, names: AtomicU32::new(1) }
    }

    fn socket_in(scratch: &Scratch) -> PathBuf {
        scratch.join("socket")
    }

    /// Options of the administrator, for one of the server's databases.
    pub fn options(&self, database: &str) -> MySqlConnectOptions {
        MySqlConnectOptions::new().socket(Self::socket_in(&self.scratch)).username("root").database(database)
    }

    pub fn url(&self, database: &str) -> String {
        format!("mysql://root@localhost/{database}?socket={}", Self::socket_in(&self.scratch).display())
    }

    /// A connection of the administrator to the database `mysql`.
    pub async fn admin(&self) -> MySqlConnection {
        MySqlConnection::connect_with(&self.options("mysql")).await.unwrap_or_else(|error| panic!("{error}\n{}", self.process.log()))
    }

    /// A fresh, empty database.
    pub async fn database(&self) -> TestDatabase<MySql> {
        let name = self.fresh_name("test");
        self.admin().await.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("CREATE DATABASE");
        let options = self.options(&name);
        let pool = MySqlPoolOptions::new().max_connections(5).connect_with(options.clone()).await.expect("a pool");
        TestDatabase { url: self.url(&name), name, options, pool }
    }

    /// A fresh user without password. `grant` is what follows GRANT, up to TO: `SELECT ON test_1.*`. Connect with `options.username(&user)`.
    pub async fn user(&self, grant: &str) -> String {
        let name = self.fresh_name("user");
        let mut admin = self.admin().await;
        for statement in [format!("CREATE USER {name}@localhost"), format!("GRANT {grant} TO {name}@localhost")] {
            admin.execute(sqlx::AssertSqlSafe(statement)).await.expect("a user");
        }
        name
    }

    fn fresh_name(&self, kind: &str) -> String {
        format!("{kind}_{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// What the server said so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}
