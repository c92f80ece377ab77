//! What the examples share: the rows of a small shop, and telling hits from misses as they happen.

#![allow(dead_code, reason = "what one example doesn't need, the next one does")]

use sqlx::types::chrono::{DateTime, Utc};
use sqlx_cached::{Backend, CachingExecutor};
use std::fmt::{self, Debug};
use std::future::Future;
use std::time::{Duration, Instant};

pub type Result<T = ()> = std::result::Result<T, Failure>;

/// Whatever went wrong, in words: `main` shows an error by its `Debug`.
pub struct Failure(String);

impl<E: ToString> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Every table of `migrations/` that all three databases have.
pub const TABLES: [&str; 5] = ["users", "products", "orders", "order_items", "price_changes"];

#[derive(Debug, PartialEq, sqlx::FromRow)]
pub struct User {
    pub id: i64,
    pub name: String,
    pub email: String,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, PartialEq, sqlx::FromRow)]
pub struct Product {
    pub id: i64,
    pub name: String,
    pub category: String,
    pub price_cents: i64,
    pub stock: i64,
}

/// An enum type in PostgreSQL, text in SQLite. (sqlx 0.9 derives one for MySQL, too, but does not decode it from columns that are NOT NULL:
/// <https://github.com/launchbadge/sqlx/issues/3750>. There it is a `String`.)
#[derive(Clone, Copy, Debug, PartialEq, sqlx::Type)]
#[sqlx(type_name = "order_status", rename_all = "lowercase")]
pub enum OrderStatus {
    New,
    Paid,
    Shipped,
}

/// A line of a user's order history: users, orders, order items and products in one row.
#[derive(Debug, PartialEq, sqlx::FromRow)]
pub struct OrderLine<Status = OrderStatus> {
    pub order_id: i64,
    pub status: Status,
    pub user_name: String,
    pub product_name: String,
    pub quantity: i64,
    pub price_cents: i64,
}

/// What a product brought in, over all orders.
#[derive(Debug, PartialEq, sqlx::FromRow)]
pub struct Bestseller {
    pub product_id: i64,
    pub sold: i64,
    pub revenue_cents: i64,
}

/// Where a read was answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    Hit,
    Miss,
    /// Not even looked up.
    Bypass,
}

/// Names the store that `from_env` chose.
fn store() -> &'static str {
    let redis = ["REDIS_URL", "REDIS_SOCKET_PATH", "REDIS_HOST", "REDIS_PORT"];
    if redis.iter().any(|name| dotenvy::var(name).is_ok_and(|value| !value.is_empty())) { "Redis" } else { "this process's memory" }
}

/// A program needs no cache to run; these do, to have something to show.
pub async fn check<DB: Backend>(db: &CachingExecutor<DB>) -> Result {
    let health = db.health().await;
    match &health.store {
        None => {
            Err("the cache is switched off (REDIS_ENABLED): every read would go to the database, and there would be nothing to see".into())
        }
        Some(Err(error)) => Err(format!("{} does not answer, so every read would go to the database: {error}", store()).into()),
        Some(Ok(_)) if !health.is_caching() => Err(format!("nothing would be cached: {health:?}").into()),
        Some(Ok(took)) => {
            println!("Answers are kept in {} (it answers in {}).", store(), micros(*took));
            Ok(())
        }
    }
}

pub fn heading(text: &str) {
    println!("\n== {text}\n");
}

/// Awaits a read and tells where its answer came from: the executor's counters know.
pub async fn watch<DB: Backend, T>(
    db: &CachingExecutor<DB>,
    what: &str,
    read: impl Future<Output = sqlx::Result<T>>,
) -> Result<(Answer, T)> {
    let before = db.stats();
    let started = Instant::now();
    let rows = read.await?;
    let took = started.elapsed();
    let after = db.stats();
    let answer = match (after.hits - before.hits, after.misses - before.misses) {
        (1, 0) => Answer::Hit,
        (0, 1) => Answer::Miss,
        _ => Answer::Bypass,
    };
    let name = format!("{answer:?}").to_uppercase();
    println!("  {name:<6} {:>9}  {what}", micros(took));
    Ok((answer, rows))
}

/// The same, for a read whose answer must come from a certain place: anything else is an error, and the example's exit code says so.
pub async fn expect<DB: Backend, T>(
    db: &CachingExecutor<DB>,
    expected: Answer,
    what: &str,
    read: impl Future<Output = sqlx::Result<T>>,
) -> Result<T> {
    match watch(db, what, read).await? {
        (answer, rows) if answer == expected => Ok(rows),
        (answer, _) => Err(format!("{what}: expected a {expected:?}, got a {answer:?}").into()),
    }
}

/// The times of one read.
pub struct Comparison {
    what: &'static str,
    rounds: usize,
    direct: Duration,
    miss: Duration,
    hit: Duration,
}

/// Times the same read three ways, in turns, so that whatever else the machine does falls on all three alike. All three must give equal rows.
pub async fn compare<DB, T, Direct, Cached>(
    db: &CachingExecutor<DB>,
    what: &'static str,
    table: &str,
    direct: impl Fn() -> Direct,
    cached: impl Fn() -> Cached,
) -> Result<Comparison>
where
    DB: Backend,
    T: Debug + PartialEq,
    Direct: Future<Output = sqlx::Result<T>>,
    Cached: Future<Output = sqlx::Result<T>>,
{
    let [mut directs, mut misses, mut hits] = [const { Vec::new() }; 3];
    let started = Instant::now();
    let before = db.stats();
    while directs.len() < 5 || (directs.len() < 51 && started.elapsed() < Duration::from_millis(500)) {
        let expected = timed(&mut directs, direct()).await?;
        db.invalidate_table(table).await?;
        let first = timed(&mut misses, cached()).await?;
        let second = timed(&mut hits, cached()).await?;
        if first != expected || second != expected {
            return Err(format!("{what}: the database says {expected:?}, a miss {first:?}, a hit {second:?}").into());
        }
    }
    let after = db.stats();
    let rounds = directs.len();
    if (after.hits - before.hits, after.misses - before.misses) != (rounds as u64, rounds as u64) {
        return Err(format!("{what}: in {rounds} rounds not every second read was a hit:\n{after}").into());
    }
    Ok(Comparison { what, rounds, direct: median(directs), miss: median(misses), hit: median(hits) })
}

async fn timed<T>(times: &mut Vec<Duration>, read: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let started = Instant::now();
    let rows = read.await?;
    times.push(started.elapsed());
    Ok(rows)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn micros(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..10_000 => format!("{micros} us"),
        micros => format!("{} ms", micros / 1000),
    }
}

/// Medians, and a verdict that says so where the cache does not pay.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = self.direct.as_secs_f64() / self.hit.as_secs_f64();
        let verdict = match ratio {
            2.0.. => format!("a hit is {ratio:.0} times as fast"),
            1.1.. => format!("a hit is {ratio:.1} times as fast: hardly worth it"),
            0.9.. => "a hit is no faster: the cache does not pay".to_owned(),
            _ => format!("a hit is SLOWER ({:.1} times as long): the cache does not pay", 1.0 / ratio),
        };
        let [direct, miss, hit] = [self.direct, self.miss, self.hit].map(micros);
        write!(f, "  {:<32} {direct:>9} {miss:>9} {hit:>9}   {:>2} rounds; {verdict}", self.what, self.rounds)
    }
}

/// Prints comparisons as a table, with what must be known to read it.
pub fn print_times(comparisons: &[Comparison]) {
    println!("  {:<32} {:>9} {:>9} {:>9}   (medians)", "", "direct", "miss", "hit");
    for comparison in comparisons {
        println!("{comparison}");
    }
    println!("\n  direct: on the pool, without the executor. miss: the database's answer, and keeping it. hit: from {}.", store());
    if cfg!(debug_assertions) {
        println!("  This is a debug build, which slows the cache's Rust down and not the database: `--release` is what counts.");
    }
}
