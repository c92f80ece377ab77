//! One set of tables on each database, with a text that is searched for wherever answers are kept.

use crate::faults::kit::{Home, Server};
use crate::support::Redis;
use futures_util::future::BoxFuture;
use sqlx::{AssertSqlSafe, Error, MySql, Postgres, Row, Sqlite};
use sqlx_cached::{Builder, CachingExecutor, Reason};
use std::fmt::Write;
use std::time::Duration;

/// The value of every column that must not be kept.
pub const MARKER: &str = "d41d8cd98f00b204e980-plain-marker";

/// Tables, and views of them.
const SCHEMA: &[&str] = &[
    "CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(80), password_hash VARCHAR(80))",
    "CREATE TABLE orders (id BIGINT PRIMARY KEY, user_id BIGINT, note VARCHAR(80), api_key VARCHAR(80))",
    "CREATE TABLE secrets (id BIGINT PRIMARY KEY, v VARCHAR(80))",
    "CREATE VIEW people AS SELECT id, name FROM users",
    "CREATE VIEW hashes AS SELECT id, password_hash AS h FROM users",
    "CREATE VIEW keyring AS SELECT id, api_key AS k FROM orders",
    "CREATE VIEW opened AS SELECT id, v AS w FROM secrets",
    "CREATE VIEW opened_again AS SELECT id, w AS x FROM opened",
    "CREATE VIEW joined AS SELECT note AS n FROM orders UNION ALL SELECT password_hash FROM users",
    "INSERT INTO users VALUES (1, 'Ada', 'MARKER')",
    "INSERT INTO orders VALUES (1, 1, 'a note', 'MARKER')",
    "INSERT INTO secrets VALUES (1, 'MARKER')",
];

/// A database whose rows are asked for without regard to what they are.
pub trait Asked: Server {
    /// How many rows all of them are; `one` asks for the first alone.
    fn ask(executor: &CachingExecutor<Self>, sql: &str, one: bool) -> BoxFuture<'static, Result<usize, Error>>;

    /// The text in the first row's first column.
    fn text(executor: &CachingExecutor<Self>, sql: &str) -> BoxFuture<'static, String>;

    /// The same, decoded once for all who ask.
    fn shared_text(executor: &CachingExecutor<Self>, sql: &str) -> BoxFuture<'static, String>;
}

macro_rules! asked {
    ($($Db:ty),*) => {$(
        impl Asked for $Db {
            fn ask(executor: &CachingExecutor<Self>, sql: &str, one: bool) -> BoxFuture<'static, Result<usize, Error>> {
                let (executor, sql) = (executor.clone(), sql.to_owned());
                Box::pin(async move {
                    let query = sqlx::query(AssertSqlSafe(sql));
                    if one {
                        return Ok(usize::from(query.fetch_optional(&executor).await?.is_some()));
                    }
                    Ok(query.fetch_all(&executor).await?.len())
                })
            }

            fn text(executor: &CachingExecutor<Self>, sql: &str) -> BoxFuture<'static, String> {
                let (executor, sql) = (executor.clone(), sql.to_owned());
                Box::pin(async move { sqlx::query(AssertSqlSafe(sql)).fetch_one(&executor).await.unwrap().get(0) })
            }

            fn shared_text(executor: &CachingExecutor<Self>, sql: &str) -> BoxFuture<'static, String> {
                let (executor, sql) = (executor.clone(), sql.to_owned());
                Box::pin(async move {
                    let text = executor.fetch_one_shared(sqlx::query_scalar::<_, String>(AssertSqlSafe(sql))).await;
                    text.unwrap().as_str().to_owned()
                })
            }
        }
    )*};
}

asked!(Postgres, MySql, Sqlite);

/// A database with the tables, and a Redis.
pub struct Place<DB: Asked> {
    pub home: Home<DB>,
    pub redis: Redis,
}

impl<DB: Asked> Place<DB> {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With further statements.
    pub async fn with(more: &[&str]) -> Self {
        let home = DB::home().await;
        for sql in SCHEMA.iter().chain(more) {
            home.run(&sql.replace("MARKER", MARKER)).await;
        }
        Self { home, redis: Redis::configured().arguments(&["--rdbcompression", "no"]).start() }
    }

    pub async fn executor(&self, configure: impl FnOnce(Builder<DB>) -> Builder<DB>) -> CachingExecutor<DB> {
        let socket = self.redis.socket();
        let build = |builder: Builder<DB>| {
            configure(builder.redis_socket(socket.to_str().unwrap()).redis_timeout(Duration::from_secs(5)).compression_threshold(None))
        };
        self.home.build(build).await
    }

    /// Every value in Redis that holds the marker.
    pub fn told(&self) -> Vec<String> {
        let keys: Vec<String> = self.redis.cli(&["KEYS", "*"]);
        let holds = |key: &String| {
            let bytes: Vec<u8> = self.redis.cli(&["DUMP", key]);
            bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes())
        };
        keys.into_iter().filter(holds).collect()
    }

    /// The keys of what is kept.
    pub fn entries(&self) -> Vec<String> {
        let keys: Vec<String> = self.redis.cli(&["KEYS", "sql:*:*:*"]);
        // A lease is no entry.
        keys.into_iter().filter(|key| self.redis.try_cli::<Vec<u8>>(&["GET", key]).is_ok_and(|bytes| bytes.starts_with(b"SQC2"))).collect()
    }

    /// Checks each statement with what is denied, where it is `kept` or not, and without, where it is: as all rows, and as one.
    pub async fn denies(&self, configure: impl FnOnce(Builder<DB>) -> Builder<DB>, statements: &[&str], kept: bool) {
        let denying = self.executor(configure).await;
        let usual = self.executor(|builder| builder).await;
        let mut wrong = String::new();
        for sql in statements {
            for one in [false, true] {
                for (who, executor, expected) in [("denying", &denying, kept), ("usual", &usual, true)] {
                    self.redis.cli::<()>(&["FLUSHALL"]);
                    executor.reset_stats();
                    let is_kept = Self::is_kept(executor, sql, one).await;
                    let stats = executor.stats();
                    let denials = [&stats.bypasses, &stats.not_stored].iter().filter_map(|of| of.get(&Reason::Denied)).sum::<u64>();
                    if is_kept != expected || (denials == 0) != expected || (!expected && !self.entries().is_empty()) {
                        let _ = writeln!(wrong, "{who}, one: {one}: {sql}: {}; {stats}", executor.explain(sql));
                    }
                    if !expected && !self.told().is_empty() {
                        let _ = writeln!(wrong, "in Redis: {sql}");
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}:\n{wrong}", DB::NAME);
        let near = denying.health().await.near.expect("a near cache").entries;
        assert_eq!(near > 0, kept, "{}: {near} answers within reach", DB::NAME);
    }

    /// Asks three times: the second or third is a hit, if it is kept at all.
    pub async fn is_kept(executor: &CachingExecutor<DB>, sql: &str, one: bool) -> bool {
        for _ in 0..3 {
            let rows = DB::ask(executor, sql, one).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            assert!(rows > 0, "{sql}");
        }
        let stats = executor.stats();
        stats.hits > 0 && stats.fills > 0
    }
}
