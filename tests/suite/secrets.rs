//! Passwords in settings and URLs: in no message, no debug form and no line of the log, whatever goes wrong.

use crate::support::Redis;
use crate::support::log::Log;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Pool, Sqlite};
use sqlx_cached::store::{Keyspace, RedisAddress, RedisConfig, RedisStore};
use sqlx_cached::{Backend, Builder, CachingExecutor};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tracing::Level;

const SECRET: &str = "hunter2-Tr0ub4dor";

fn pool() -> Pool<Sqlite> {
    SqlitePoolOptions::new().max_connections(1).connect_lazy("sqlite::memory:").unwrap()
}

async fn use_it<DB: Backend>(heard: &Log, builder: Builder<DB>) -> Option<CachingExecutor<DB>> {
    heard.note(&format!("{builder:?} {builder:#?}"));
    match builder.build().await {
        Ok(executor) => {
            heard.note(&format!("{executor:?} {executor:#?} {:?} {:?}", executor.stats(), executor.health().await));
            heard.note(&format!("{:?} {:?}", executor.explain("SELECT 1"), executor.invalidate_table("t").await));
            heard.note(&format!("{:?} {:?}", executor.clear().await, executor.invalidate("sql:*").await));
            Some(executor)
        }
        Err(error) => {
            heard.note(&format!("{error} {error:?} {error:#?}"));
            None
        }
    }
}

/// Reads and writes, with whatever goes wrong.
async fn work(heard: &Log, executor: &CachingExecutor<Sqlite>) {
    sqlx::query("CREATE TABLE t (id INTEGER)").execute(executor.pool()).await.unwrap();
    for sql in ["INSERT INTO t VALUES (1)", "SELECT id FROM t", "SELECT id FROM t", "SELECT * FROM missing"] {
        heard.note(&format!("{:?}", sqlx::query(sql).fetch_all(executor).await.map(|rows| rows.len())));
    }
    let transaction = executor.begin().await.unwrap();
    heard.note(&format!("{transaction:?} {transaction:#?}"));
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn are_never_told() {
    let (heard, _listening) = Log::start(Level::TRACE);

    let redis = Redis::configured().tcp().password(SECRET).user("reader", &["on", &format!(">{SECRET}"), "~other:*", "+get"]).start();
    let port = redis.port();
    let at = |login: &str| format!("redis://{login}@127.0.0.1:{port}");
    let nobody = format!("redis://:{SECRET}@127.0.0.1:1");
    let urls = [
        at(&format!(":{SECRET}")),
        at(&format!(":wrong-{SECRET}")),
        // May read other keys, and do nothing else.
        at(&format!("reader:{SECRET}")),
        nobody,
        format!("redis+unix:///nonexistent/socket?user=default&pass={SECRET}"),
        format!("redis://:{SECRET}@host.invalid"),
        // Not URLs, or not Redis'.
        format!("redis://:{SECRET}@127.0.0.1:99999"),
        format!("redis://:{SECRET}@127.0.0.1/x"),
        format!("redis://:{SECRET}"),
        format!("http://:{SECRET}@127.0.0.1"),
        format!(":{SECRET}"),
        SECRET.to_owned(),
    ];
    for url in &urls {
        let builder = CachingExecutor::builder(pool()).redis_url(url).redis_timeout(Duration::from_millis(300));
        if let Some(executor) = use_it(&heard, builder).await {
            work(&heard, &executor).await;
        }
        let config = RedisConfig::new(RedisAddress::Url(url.clone()));
        heard.note(&format!("{config:?} {:?}", RedisStore::new(&config, Keyspace::new("sql"))));
    }
    for username in [None, Some("reader".to_owned()), Some(String::new())] {
        for password in [SECRET.to_owned(), format!("wrong-{SECRET}")] {
            let mut config = RedisConfig::new(RedisAddress::Socket(redis.socket()));
            (config.username, config.password) = (username.clone(), Some(password));
            heard.note(&format!("{config:?} {config:#?}"));
            match RedisStore::new(&config, Keyspace::new("sql")) {
                Ok(store) => {
                    heard.note(&format!("{store:?}"));
                    if let Some(executor) = use_it(&heard, CachingExecutor::builder(pool()).store(Arc::new(store))).await {
                        work(&heard, &executor).await;
                    }
                }
                Err(error) => heard.note(&format!("{error} {error:?}")),
            }
        }
    }

    let patience = Duration::from_millis(500);
    let url = format!("postgres://somebody:{SECRET}@127.0.0.1:1/none");
    let postgres = PgPoolOptions::new().acquire_timeout(patience).connect_lazy(&url).unwrap();
    if let Some(executor) = use_it(&heard, CachingExecutor::builder(postgres)).await {
        heard.note(&format!("{:?}", sqlx::query("SELECT 1").fetch_all(&executor).await.map(|rows| rows.len())));
    }
    let url = format!("mysql://somebody:{SECRET}@127.0.0.1:1/none");
    let mysql = MySqlPoolOptions::new().acquire_timeout(patience).connect_lazy(&url).unwrap();
    if let Some(executor) = use_it(&heard, CachingExecutor::builder(mysql)).await {
        heard.note(&format!("{:?}", sqlx::query("SELECT 1").fetch_all(&executor).await.map(|rows| rows.len())));
    }

    let all = heard.text();
    let told = all.lines().filter(|line| line.contains(SECRET)).fold(String::new(), |mut told, line| {
        let _ = writeln!(told, "{line}");
        told
    });
    assert!(told.is_empty(), "{told}");
    // The log was listened to, and what went wrong was said.
    for part in [
        "sqlx_cached",
        "the cache store failed",
        "REDIS_URL can't be used",
        "Builder",
        "CachingExecutor",
        "CachingTransaction",
        "RedisStore",
    ] {
        assert!(all.contains(part), "nothing was heard of {part}");
    }
}

/// The environment's variables are read by name: a value that can't be read is named where it holds no secret, and only there.
#[test]
fn of_the_environment_are_never_told() {
    use crate::faults::killed::Child;
    let scratch = crate::support::Scratch::new();
    let url = [("url", "sqlite::memory:")];
    let secret_url = format!("redis://:{SECRET}@127.0.0.1:99999");
    for environment in [
        vec![("REDIS_URL", secret_url.as_str())],
        vec![("REDIS_URL", SECRET)],
        vec![("REDIS_PASSWORD", SECRET), ("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", "x")],
        vec![("REDIS_URL", secret_url.as_str()), ("REDIS_HOST", "127.0.0.1")],
    ] {
        let error = Child::start_in("SQLite", "from_env", &url, &environment, scratch.path()).says("error:");
        assert!(error.contains("REDIS_") && !error.contains(SECRET), "{error}");
    }
    std::fs::write(scratch.join(".env"), format!("REDIS_PASSWORD {SECRET}\n")).unwrap();
    let error = Child::start_in("SQLite", "from_env", &url, &[], scratch.path()).says("error:");
    assert!(error.contains(".env") && !error.contains(SECRET), "{error}");
}
