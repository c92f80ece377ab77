//! What a hanging Redis costs: how long the breaker takes to open, and reads while it is open, against reads without a cache.
//!
//!     cargo bench --bench degraded --all-features
//!
//! A private PostgreSQL on a Unix socket, and a private Redis that is stopped in its tracks (SIGSTOP): its connections stay open, and nothing answers. The two ways
//! of reading take turns, a few hundred reads each; percentiles are taken within each round, and the medians over the rounds are printed. The near cache is
//! off, which would answer for a moment longer.

#[path = "../tests/support/mod.rs"]
mod support;

use futures_util::future::join_all;
use sqlx::{Executor, PgPool, Postgres};
use sqlx_cached::CachingExecutor;
use std::time::{Duration, Instant};
use support::Redis;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const ROUNDS: usize = 20;
const READS: usize = 500;

async fn read<'e>(on: impl Executor<'e, Database = Postgres>) -> Result {
    sqlx::query_scalar::<_, i64>("SELECT v FROM sample WHERE id = $1").bind(7_i64).fetch_one(on).await?;
    Ok(())
}

fn percentile(times: &mut [Duration], of_hundred: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() - 1) * of_hundred / 100].as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn executor(pool: &PgPool, redis: &Redis) -> Result<CachingExecutor<Postgres>> {
    Ok(CachingExecutor::builder(pool.clone()).redis_url(&redis.url()).near_bytes(0).build().await?)
}

async fn until_cached(executor: &CachingExecutor<Postgres>) -> Result {
    let hits = executor.stats().hits;
    while executor.stats().hits == hits {
        read(executor).await?;
    }
    Ok(())
}

/// Times from the stop until the breaker is open, and the longest read until then, with so many readers.
async fn opening(pool: &PgPool, redis: &Redis, readers: usize) -> Result {
    let (mut opened, mut longest) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let executor = executor(pool, redis).await?;
        until_cached(&executor).await?;
        redis.pause();
        let since = Instant::now();
        let reader = || async {
            let mut slowest = Duration::ZERO;
            while executor.stats().breaker_opened == 0 {
                let started = Instant::now();
                read(&executor).await?;
                slowest = slowest.max(started.elapsed());
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(slowest)
        };
        let slowest = join_all((0..readers).map(|_| reader())).await.into_iter().collect::<Result<Vec<_>>>()?;
        opened.push(since.elapsed().as_secs_f64() * 1e3);
        longest.push(slowest.into_iter().max().unwrap_or_default().as_secs_f64() * 1e3);
        redis.resume();
    }
    println!("{readers:>3} readers: open after {:.0} ms, the longest read {:.0} ms (medians of 5)", median(opened), median(longest));
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result {
    let database = support::postgres().await.database().await;
    let pool = database.pool.clone();
    pool.execute(
        "CREATE TABLE sample (id BIGINT PRIMARY KEY, v BIGINT NOT NULL); INSERT INTO sample SELECT n, n FROM generate_series(1, 1000) n",
    )
    .await?;
    let redis = Redis::start();
    for readers in [1, 8, 64] {
        opening(&pool, &redis, readers).await?;
    }
    let executor = executor(&pool, &redis).await?;
    until_cached(&executor).await?;
    redis.pause();
    while executor.stats().breaker_opened == 0 {
        read(&executor).await?;
    }
    let asked = executor.stats().store_errors;
    let mut figures = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let mut times = [Vec::with_capacity(READS), Vec::with_capacity(READS)];
        for index in 0..READS {
            // In turns, and in another order every other time.
            for way in [(index + round) % 2, (index + round + 1) % 2] {
                let started = Instant::now();
                match way {
                    0 => read(&pool).await?,
                    _ => read(&executor).await?,
                }
                times[way].push(started.elapsed());
            }
        }
        for (way, times) in times.iter_mut().enumerate() {
            figures[way * 2].push(percentile(times, 50));
            figures[way * 2 + 1].push(percentile(times, 99));
        }
    }
    let [direct, direct_tail, open, open_tail] = figures.map(median);
    println!("direct:       p50 {direct:.3} ms, p99 {direct_tail:.3} ms");
    println!("breaker open: p50 {open:.3} ms, p99 {open_tail:.3} ms (+{:.3} and +{:.3} ms)", open - direct, open_tail - direct_tail);
    println!("{} of {} reads asked Redis", executor.stats().store_errors - asked, READS * ROUNDS);
    redis.resume();
    Ok(())
}
