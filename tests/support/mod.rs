//! Private servers for the tests: started here, in directories of their own, and gone when the test process is.
//!
//! Nothing depends on a running service, on a port (Unix sockets only, but for Redis tests that ask for TCP) or on a former run. A missing server
//! binary is a loud panic that names the Debian package, never a skipped test.
//!
//! PostgreSQL and MariaDB cost a second or more to start, so a test process shares one of each and every test takes a database of its own. Redis
//! starts in milliseconds and has neither users nor data worth sharing: every test starts its own.

#![allow(dead_code, reason = "what one test file doesn't need, the next one does")]

pub mod certificates;
pub mod log;
pub mod mariadb;
pub mod monitor;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod redis_cluster;
pub mod scratch;
pub mod sentinels;

pub use self::{mariadb::MariaDb, postgres::Postgres, redis::Redis, scratch::Scratch};

use std::sync::OnceLock;

/// A database of a test's own: nobody else reads or writes it.
pub struct TestDatabase<DB: sqlx::Database> {
    pub name: String,
    pub url: String,
    pub options: <DB::Connection as sqlx::Connection>::Options,
    pub pool: sqlx::Pool<DB>,
}

/// The PostgreSQL server of this test process, started by whoever asks first.
pub async fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    shared(|| SERVER.get_or_init(Postgres::start)).await
}

/// The MariaDB server of this test process, started by whoever asks first.
pub async fn mariadb() -> &'static MariaDb {
    static SERVER: OnceLock<MariaDb> = OnceLock::new();
    shared(|| SERVER.get_or_init(MariaDb::start)).await
}

/// Starting blocks for a second: not on a runtime's only thread.
async fn shared<T: Sync + 'static>(start: impl FnOnce() -> &'static T + Send + 'static) -> &'static T {
    match tokio::task::spawn_blocking(start).await {
        Ok(server) => server,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
