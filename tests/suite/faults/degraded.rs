//! A Redis that is not there, dies, hangs, comes back, refuses, is full or lies: the database answers, nobody sees an error, and nothing stale.

use super::killed::Child;
use super::kit::{Cache, Home, LEASE, READ, Server, WRITE, eventually, redis_store};
use crate::support::{Redis, Scratch};
use sqlx::Sqlite;
use sqlx_cached::CachingExecutor;
use std::path::Path;
use std::time::{Duration, Instant};

/// An executor that soon gives up on Redis, as in production.
async fn impatient(home: &Home<Sqlite>, redis: &Redis) -> CachingExecutor<Sqlite> {
    let socket = redis.socket();
    home.build(|builder| builder.redis_socket(socket.to_str().unwrap()).redis_timeout(Duration::from_millis(150)).fence_lease(LEASE)).await
}

/// Reads and writes go through, and reads are never stale.
async fn works(home: &Home<Sqlite>, executor: &CachingExecutor<Sqlite>) {
    let old = home.check(executor, READ).await;
    Sqlite::run(executor, WRITE).await.unwrap();
    assert_eq!(Sqlite::number(executor, READ).await.unwrap(), old + 1);
    let mut transaction = executor.begin().await.unwrap();
    Sqlite::run_in(&mut transaction, WRITE).await.unwrap();
    transaction.commit().await.unwrap();
    for _ in 0..3 {
        assert_eq!(home.check(executor, READ).await, old + 2);
    }
}

#[tokio::test]
async fn never_there() {
    let home = Sqlite::home().await;
    let executor = home.build(|builder| builder.redis_socket("/nonexistent/redis.sock").fence_lease(LEASE)).await;
    let since = Instant::now();
    works(&home, &executor).await;
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    let stats = executor.stats();
    assert!(stats.hits == 0 && stats.store_errors > 0 && stats.undelivered_invalidations > 0, "{stats}");
    let health = executor.health().await;
    assert!(matches!(health.store, Some(Err(_))) && !health.is_caching() && health.distrusted > 0, "{health:?}");
    assert!(executor.invalidate_table("counters").await.unwrap_err().is_store());
    assert!(executor.clear().await.unwrap_err().is_store());
}

#[tokio::test]
async fn refuses_the_password() {
    let home = Sqlite::home().await;
    let redis = Redis::configured().password("secret").start();
    let right = redis.url();
    let wrong = right.replace("secret", "wrong");
    let executor = home.build(|builder| builder.redis_url(&wrong).fence_lease(LEASE)).await;
    works(&home, &executor).await;
    assert!(executor.stats().hits == 0 && executor.stats().store_errors > 0);
    assert!(!format!("{executor:?}").contains("wrong"));
    let executor = home.build(|builder| builder.redis_url(&right).redis_timeout(Duration::from_secs(5))).await;
    home.resumes(&executor, READ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_started_again() {
    let home = Sqlite::home().await;
    let mut redis = Redis::start();
    let executor = impatient(&home, &redis).await;
    home.resumes(&executor, READ).await;
    redis.kill();
    works(&home, &executor).await;
    assert!(executor.stats().store_errors > 0 && executor.health().await.distrusted > 0);
    redis.restart();
    let after = home.resumes(&executor, READ).await;
    println!("cached again {after:?} after Redis came back");
    works(&home, &executor).await;
    eventually("everything is delivered", async || executor.health().await.distrusted == 0).await;
}

/// It comes back with what it knew before: entries whose tables were written while it was away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn started_again_from_an_old_snapshot() {
    let home = Sqlite::home().await;
    let mut redis = Redis::start();
    let executor = impatient(&home, &redis).await;
    home.resumes(&executor, READ).await;
    redis.cli::<String>(&["SAVE"]);
    redis.kill();
    let old = home.direct(READ).await;
    Sqlite::run(&executor, WRITE).await.unwrap();
    executor.close().await;
    drop(executor);
    redis.restart();
    let keys: Vec<String> = redis.cli(&["KEYS", "sql:counters:*"]);
    assert!(keys.len() >= 2, "the snapshot was read: {keys:?}");
    // Another process, which knows of no write.
    let other = impatient(&home, &redis).await;
    for _ in 0..3 {
        assert_eq!(Sqlite::number(&other, READ).await.unwrap(), old + 1, "a generation from before the restart");
    }
    home.resumes(&other, READ).await;
}

/// Paused: connections stay open and nothing answers. What it holds is valid by all it knows when it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_while_a_table_is_written() {
    let home = Sqlite::home().await;
    let redis = Redis::start();
    let (one, two) = (impatient(&home, &redis).await, impatient(&home, &redis).await);
    home.resumes(&one, READ).await;
    home.resumes(&two, READ).await;
    redis.pause();
    works(&home, &one).await;
    assert!(one.health().await.distrusted > 0);
    redis.resume();
    // This process knows what could not be delivered, and asks the database until it has been.
    let since = Instant::now();
    while one.health().await.distrusted > 0 {
        home.check(&one, READ).await;
        assert!(since.elapsed() < Duration::from_secs(10));
    }
    println!("delivered {:?} after Redis went on", since.elapsed());
    for executor in [&one, &two] {
        home.check(executor, READ).await;
        home.resumes(executor, READ).await;
    }
    assert!(one.stats().undelivered_invalidations > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full() {
    let home = Sqlite::home().await;
    let redis = Redis::start();
    let (one, two) = (home.executor(redis_store(&redis)).await, home.executor(redis_store(&redis)).await);
    home.resumes(&one, READ).await;
    home.resumes(&two, READ).await;
    redis.cli::<String>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    redis.cli::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..3 {
        works(&home, &one).await;
        eventually("everything is delivered", async || one.health().await.distrusted == 0).await;
        home.check(&two, READ).await;
    }
    let stats = one.stats();
    assert!(stats.store_errors > 0, "{stats}");
    redis.cli::<String>(&["CONFIG", "SET", "maxmemory", "0"]);
    for executor in [&one, &two] {
        home.resumes(executor, READ).await;
    }
    works(&home, &one).await;
}

/// Evicts what was not used for long, marks and generations included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evicting_everything() {
    let home = Sqlite::home().await;
    let redis = Redis::start();
    let one = home.executor(redis_store(&redis)).await;
    redis.cli::<String>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    redis.cli::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..5 {
        works(&home, &one).await;
    }
    redis.cli::<String>(&["CONFIG", "SET", "maxmemory", "0"]);
    home.resumes(&one, READ).await;
}

/// Whatever stands under the entry's key, the rows are the database's.
#[tokio::test]
async fn lying() {
    let cache = Cache::redis();
    let home = Sqlite::home().await;
    home.run("UPDATE counters SET v = 7 WHERE id = 2").await;
    let redis = cache.server();
    let executor = home.executor(cache.store()).await;
    home.resumes(&executor, READ).await;
    let data = || -> Vec<String> { redis.cli::<Vec<String>>(&["KEYS", "sql:counters:data:*"]) };
    let key = data().remove(0);
    let entry: Vec<u8> = redis.cli(&["GET", &key]);
    home.resumes(&executor, "SELECT v FROM counters WHERE id = 2").await;
    let other = data().into_iter().find(|name| *name != key).unwrap();
    let others_entry: Vec<u8> = redis.cli(&["GET", &other]);
    let with = |change: fn(&mut Vec<u8>)| {
        let mut bytes = entry.clone();
        change(&mut bytes);
        bytes
    };
    let lies = [
        ("nothing", Vec::new()),
        ("random bytes", (0..300_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()),
        ("another magic", with(|bytes| bytes[0] ^= 0xff)),
        ("another version", with(|bytes| bytes[3] += 1)),
        ("another flag", with(|bytes| bytes[4] = 1)),
        ("cut in the header", with(|bytes| bytes.truncate(40))),
        ("cut in the rows", with(|bytes| bytes.truncate(bytes.len() - 1))),
        ("longer", with(|bytes| bytes.push(0))),
        ("another entry", others_entry),
    ];
    for (what, bytes) in &lies {
        redis.cli::<String>(&[b"SET".as_slice(), key.as_bytes(), bytes]);
        let malformed = executor.stats().malformed_entries;
        assert_eq!(home.check(&executor, READ).await, 0, "{what}");
        assert!(executor.stats().malformed_entries > malformed, "{what} is not counted");
        home.resumes(&executor, READ).await;
    }
    // Every length of a genuine entry, and every byte of it changed: no panic, never an error, and never another digit.
    let malformed = executor.stats().malformed_entries;
    for length in 0..entry.len() {
        redis.cli::<String>(&[b"SET".as_slice(), key.as_bytes(), &entry[..length]]);
        assert_eq!(home.check(&executor, READ).await, 0, "cut to {length}");
    }
    for at in 0..entry.len() {
        let mut bytes = entry.clone();
        bytes[at] ^= 1 << (at % 8);
        redis.cli::<String>(&[b"SET".as_slice(), key.as_bytes(), &bytes]);
        assert_eq!(home.check(&executor, READ).await, 0, "bit {} of byte {at}", at % 8);
    }
    assert_eq!(executor.stats().malformed_entries - malformed, 2 * entry.len() as u64);
    // Values of other types.
    for words in [["LPUSH", &key, "x"], ["SADD", &key, "x"]] {
        redis.cli::<i64>(&["DEL", &key]);
        redis.cli::<i64>(&words);
        assert_eq!(home.check(&executor, READ).await, 0, "{words:?}");
    }
    redis.cli::<i64>(&["DEL", &key]);
    for value in ["", "fenced?", "x", "0123456789abcdef01234567"] {
        redis.cli::<String>(&["SET", "sql:counters:gen", value]);
        works(&home, &executor).await;
    }
    redis.cli::<String>(&["SET", "sql-fence:counters", "no sorted set"]);
    works(&home, &executor).await;
    home.resumes(&executor, READ).await;
}

/// The environment belongs to a process: so these are processes.
#[test]
fn environments() {
    let scratch = Scratch::new();
    let redis = Redis::start();
    let socket = redis.socket().display().to_string();
    let url = [("url", "sqlite::memory:")];
    let start = |environment: &[(&str, &str)], directory: &Path| Child::start_in("SQLite", "from_env", &url, environment, directory);

    assert_eq!(start(&[], scratch.path()).says("health:"), "Some(true)", "the embedded store");
    assert_eq!(start(&[("REDIS_SOCKET_PATH", &socket)], scratch.path()).says("health:"), "Some(true)");
    assert_eq!(start(&[("REDIS_SOCKET_PATH", "/nonexistent")], scratch.path()).says("health:"), "Some(false)", "no error");
    assert_eq!(start(&[("REDIS_ENABLED", "false"), ("REDIS_SOCKET_PATH", &socket)], scratch.path()).says("health:"), "None");
    for (name, value) in
        [("CACHE_CONSISTENCY", "fencd"), ("CACHE_TTL_DATA", "5 minutes"), ("REDIS_ENABLED", "ture"), ("REDIS_URL", "http://x")]
    {
        let error = start(&[(name, value)], scratch.path()).says("error:");
        assert!(error.contains(name), "{name}={value}: {error}");
    }
    std::fs::write(scratch.join(".env"), "CACHE_INVALIDATION=sacn\n").unwrap();
    let error = start(&[], scratch.path()).says("error:");
    assert!(error.contains("CACHE_INVALIDATION") && error.contains("sacn"), "{error}");
    assert_eq!(start(&[("CACHE_INVALIDATION", "scan")], scratch.path()).says("health:"), "Some(true)", "the environment wins");
}
