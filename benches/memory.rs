//! What an answer in the near cache takes besides its own bytes, by counting what is allocated.
//!
//!     cargo bench --bench memory --all-features                 # 1,000,000 answers of each size; takes a minute or two, and Redis a gigabyte
//!     cargo bench --bench memory --all-features -- 100000
//!
//! Every answer is one row with one text of so many bytes, which is all that counts as its own: its question, the framing of the row, its generations and its place in the
//! table are the rest. It lies in front of a private Redis.

#[path = "../tests/support/mod.rs"]
mod support;

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx_cached::{Admission, CachingExecutor};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const TASKS: usize = 64;

const SIZES: [usize; 2] = [100, 1_000];

/// So many answers by so many tasks. All hits, the second time.
async fn ask(executor: &CachingExecutor<sqlx::Sqlite>, sql: &'static str, answers: i64) -> Result {
    let mut running = JoinSet::new();
    for task in 1..=i64::try_from(TASKS)? {
        let executor = executor.clone();
        running.spawn(async move {
            for key in (task..=answers).step_by(TASKS) {
                sqlx::query(sql).bind(key).fetch_one(&executor).await?;
            }
            Ok::<_, sqlx::Error>(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

/// Bytes that this process has in memory, as the kernel counts.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<i64>().ok()).unwrap_or(0) * 1024
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn each(bytes: i64, answers: i64) -> f64 {
    bytes as f64 / answers as f64
}

async fn measure(pool: &SqlitePool, size: usize, answers: i64) -> Result {
    let server = support::Redis::start();
    let builder = CachingExecutor::builder(pool.clone())
        .redis_url(&server.url())
        .redis_timeout(Duration::from_secs(5))
        .near_bytes(1 << 36)
        .admission(Admission::Always);
    let executor = builder.default_ttl(Duration::from_hours(1)).build().await?;
    let sql = if size == SIZES[0] { "SELECT body FROM small WHERE ? > 0" } else { "SELECT body FROM large WHERE ? > 0" };
    // Whatever is made once is made before.
    ask(&executor, sql, 1_000).await?;
    let settled = async |answers: i64| -> Result<u64> {
        // Fills go on for a moment after the answer.
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let near = executor.health().await.near.ok_or("there is no near cache")?;
            if near.entries >= u64::try_from(answers)? {
                return Ok(near.bytes);
            }
            assert!(Instant::now() < until, "{near:?} of {answers}");
            tokio::task::yield_now().await;
        }
    };
    let before = settled(1_000).await?;
    let (counted, kernel, since) = (Region::new(COUNTING), resident(), Instant::now());
    ask(&executor, sql, answers).await?;
    let weighed = settled(answers).await? - before;
    let took = since.elapsed();
    let change = counted.change();
    let allocated = i64::try_from(change.bytes_allocated)? - i64::try_from(change.bytes_deallocated)?;
    let new = answers - 1_000;
    let own = i64::try_from(size)? * new;
    println!(
        "{size:>10} {:>22.0} {:>22.0} {:>22.0} {:>12.1}",
        each(allocated - own, new),
        each(resident() - kernel - own, new),
        each(i64::try_from(weighed)? - own, new),
        took.as_secs_f64()
    );
    // Nothing of it may have been evicted, or asked for in vain.
    let misses = executor.stats().misses;
    ask(&executor, sql, 1_000).await?;
    assert_eq!(executor.stats().misses, misses, "an answer is not there any more");
    Ok(())
}

fn main() -> Result {
    let answers = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000_i64).max(10_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("{answers} answers in the near cache; bytes of each besides its text");
    println!("{:>10} {:>22} {:>22} {:>22} {:>12}", "text", "allocated", "resident", "weighed by the cache", "seconds");
    runtime.block_on(async {
        let directory = support::Scratch::new();
        let file = SqliteConnectOptions::new().filename(directory.join("bench.db")).create_if_missing(true);
        let pool = SqlitePool::connect_with(file).await?;
        for (table, size) in ["CREATE TABLE small (body TEXT NOT NULL)", "CREATE TABLE large (body TEXT NOT NULL)"].into_iter().zip(SIZES) {
            sqlx::raw_sql(table).execute(&pool).await?;
            let insert = if size == SIZES[0] { "INSERT INTO small VALUES (?)" } else { "INSERT INTO large VALUES (?)" };
            sqlx::query(insert).bind("x".repeat(size)).execute(&pool).await?;
            measure(&pool, size, answers).await?;
        }
        Ok(())
    })
}
