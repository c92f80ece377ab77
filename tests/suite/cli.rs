//! The command line tool, as a shell runs it: what it prints, for people and as JSON, and how it ends.

mod counters;
mod doctor;
mod faults;
mod forget;
mod looking;
mod terminal;
mod warming;

use crate::support::{Redis, Scratch};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Pool, Sqlite};
use sqlx_cached::store::{CacheStore, Keyspace, RedisAddress, RedisConfig, RedisStore};
use sqlx_cached::{Cache, CachingExecutor};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// A shop's database in a file, a Redis, and the tool with both in its environment.
struct Desk {
    redis: Redis,
    scratch: Scratch,
}

/// What became of one command.
struct Ran {
    out: String,
    err: String,
    code: i32,
}

impl Desk {
    fn new() -> Self {
        Self::with(Redis::start())
    }

    fn with(redis: Redis) -> Self {
        Self { redis, scratch: Scratch::new() }
    }

    fn database_url(&self) -> String {
        format!("sqlite:{}?mode=rwc", self.scratch.join("shop.db").display())
    }

    /// The database, with what is asked for in it.
    async fn shop(&self) -> Pool<Sqlite> {
        let options = SqliteConnectOptions::new().filename(self.scratch.join("shop.db")).create_if_missing(true);
        let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options).await.expect("a file");
        let tables = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE);
            INSERT INTO users VALUES (7, 'Grace'); INSERT INTO orders VALUES (1, 7)";
        sqlx::raw_sql(tables).execute(&pool).await.expect("tables");
        pool
    }

    fn store(&self) -> Arc<dyn CacheStore> {
        let mut config = RedisConfig::new(RedisAddress::Socket(self.redis.socket()));
        config.near = false;
        // However slow the machine is.
        config.timeout = Duration::from_secs(60);
        Arc::new(RedisStore::new(&config, Keyspace::new("sql")).expect("a store"))
    }

    async fn executor(&self, pool: Pool<Sqlite>) -> CachingExecutor<Sqlite> {
        CachingExecutor::builder(pool).store(self.store()).near_bytes(0).build().await.expect("an executor")
    }

    async fn cache(&self) -> Cache {
        Cache::builder().store(self.store()).build().await.expect("a cache")
    }

    /// The tool, in a folder of its own and with nothing in its environment but where this Redis and this database are.
    fn tool(&self, arguments: &[&str]) -> Command {
        let mut command = tool(arguments);
        command.current_dir(self.scratch.path()).env("REDIS_SOCKET_PATH", self.redis.socket()).env("DATABASE_URL", self.database_url());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.tool(arguments))
    }

    /// What a command prints that must succeed.
    fn says(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.out, ran.err);
        ran.out
    }

    /// The document of a command that must succeed.
    fn json(&self, arguments: &[&str]) -> Value {
        json(&self.says(&[arguments, &["--json"]].concat()))
    }
}

fn tool(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sqlx-cached"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn ran(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().expect("the tool runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran { out: text(stdout), err: text(stderr), code: status.code().expect("no signal") }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
