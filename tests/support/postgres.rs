//! A private PostgreSQL server on a Unix socket.

use super::process::{ServerProcess, binary, command_as, run, unprivileged};
use super::{Scratch, TestDatabase};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{Connection, Executor, Postgres as Pg};
use std::sync::atomic::{AtomicU32, Ordering};

/// Gone, with its data, when it is dropped.
pub struct Postgres {
    // Fields drop in order: first the process, then its directory.
    process: ServerProcess,
    scratch: Scratch,
    names: AtomicU32,
}

impl Postgres {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further settings, each `name=value`.
    pub fn start_with(settings: &[&str]) -> Self {
        let user = unprivileged("postgres");
        let scratch = Scratch::owned_by(user);
        let data = scratch.join("data");
        let mut init = command_as(user, &binary("initdb", "postgresql"));
        init.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
            "--pgdata",
        ]);
        run(init.arg(&data).current_dir("/"));

        let mut arguments = vec!["-D".into(), data.clone().into(), "-k".into(), scratch.path().into()];
        // Nothing needs to survive a power cut.
        let fast = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "shared_buffers=32MB"];
        for setting in ["listen_addresses=", "max_connections=300"].iter().chain(&fast).chain(settings) {
            arguments.extend(["-c".into(), (*setting).into()]);
        }
        // QUIT: the postmaster takes its children along, and waits for nobody.
        let mut process = ServerProcess::spawn(user, &binary("postgres", "postgresql"), &arguments, &scratch.join("log"), "QUIT");
        // The eighth line of this file is how `pg_ctl` knows, too.
        let pid_file = data.join("postmaster.pid");
        process.wait_until(|| {
            std::fs::read_to_string(&pid_file).is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"))
        });
        Self { process, scratch, names: AtomicU32::new(1) }
    }

    /// Options of the superuser, for one of the server's databases.
    pub fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass().socket(self.scratch.path()).username("postgres").database(database)
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.scratch.path().display())
    }

    /// A connection of the superuser to the database `postgres`.
    pub async fn admin(&self) -> PgConnection {
        PgConnection::connect_with(&self.options("postgres")).await.unwrap_or_else(|error| panic!("{error}\n{}", self.process.log()))
    }

    /// A fresh, empty database.
    pub async fn database(&self) -> TestDatabase<Pg> {
        let name = self.fresh_name("test");
        self.admin().await.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("CREATE DATABASE");
        let options = self.options(&name);
        let pool = PgPoolOptions::new().max_connections(5).connect_with(options.clone()).await.expect("a pool");
        TestDatabase { url: self.url(&name), name, options, pool }
    }

    /// A fresh role that can log in (without password), with further attributes such as `BYPASSRLS`. Connect with `options.username(&role)`.
    pub async fn role(&self, attributes: &str) -> String {
        let name = self.fresh_name("role");
        self.admin().await.execute(sqlx::AssertSqlSafe(format!("CREATE ROLE {name} LOGIN {attributes}"))).await.expect("CREATE ROLE");
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
