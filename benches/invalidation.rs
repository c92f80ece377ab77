//! What it costs to forget a table with 1,000 and with 1,000,000 entries under it, and what the reclaim of the dead ones takes of Redis' time.
//!
//!     cargo bench --bench invalidation --all-features                # takes a minute or two, and Redis half a gigabyte
//!
//! Both tables live in one private Redis. A write's span (`begin` and `end`, two round trips) and an invalidation by hand (one) are timed on each in turn; a ratio is
//! taken within each round, and the median over the rounds is printed. Then the dead entries of the large table are reclaimed, and Redis is asked how much of that time
//! it spent on it.

#[path = "../tests/support/mod.rs"]
mod support;

use sqlx_cached::store::{
    ALL_GENERATION, CacheStore, Creation, ENTRY_MAGIC, FenceId, Generation, Keyspace, RedisAddress, RedisConfig, RedisStore,
    TABLE_GENERATION, Tag,
};
use std::time::{Duration, Instant};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const SMALL: (&str, usize) = ("small", 1_000);
const LARGE: (&str, usize) = ("large", 1_000_000);
const ROUNDS: usize = 200;
const BATCH: usize = 20;
const LEASE: Duration = Duration::from_secs(10);

/// An entry of some 150 bytes, as the engine writes its beginning.
fn entry(all: &Generation, table: &Generation) -> Vec<u8> {
    let mut bytes = vec![0xAB; 150];
    bytes[..4].copy_from_slice(ENTRY_MAGIC);
    bytes[ALL_GENERATION].copy_from_slice(&all.0);
    bytes[TABLE_GENERATION].copy_from_slice(&table.0);
    bytes
}

async fn generation(store: &RedisStore, tag: &Tag) -> Result<Generation> {
    match store.create(std::slice::from_ref(tag)).await?.pop() {
        Some(Creation::Standing(generation)) => Ok(generation),
        other => Err(format!("{tag}: {other:?}").into()),
    }
}

/// Fills a table, past the store: a million fills would take longer than everything else.
async fn fill(store: &RedisStore, url: &str, (table, entries): (&str, usize)) -> Result {
    let bytes = entry(&generation(store, &Tag::all()).await?, &generation(store, &Tag::table(table)).await?);
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    for start in (0..entries).step_by(10_000) {
        let mut pipeline = redis::pipe();
        for index in start..entries.min(start + 10_000) {
            pipeline.cmd("SET").arg(format!("sql:{table}:data:{index:064x}")).arg(&bytes).arg("EX").arg(3600).ignore();
        }
        pipeline.exec_async(&mut connection).await?;
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Microseconds that an operation takes on each table, and their ratio within a round.
async fn compare(name: &str, mut run: impl AsyncFnMut(&Tag) -> Result) -> Result {
    let tags = [Tag::table(SMALL.0), Tag::table(LARGE.0)];
    let (mut times, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    for round in 0..ROUNDS {
        let mut of_round = [0.0; 2];
        // In another order every round.
        for turn in [round % 2, 1 - round % 2] {
            let since = Instant::now();
            for _ in 0..BATCH {
                run(&tags[turn]).await?;
            }
            of_round[turn] = since.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(BATCH)?);
            times[turn].push(of_round[turn]);
        }
        ratios.push(of_round[1] / of_round[0]);
    }
    let [small, large] = &mut times;
    println!("{name:<28} {:>9.1} us {:>9.1} us   ratio {:.2}", median(small), median(large), median(&mut ratios));
    Ok(())
}

/// Microseconds that Redis has spent on the commands of a reclaim.
fn spent(server: &support::Redis) -> u64 {
    let stats: String = server.cli(&["INFO", "commandstats"]);
    let usec = |line: &str| line.split("usec=").nth(1)?.split(',').next()?.parse::<u64>().ok();
    stats.lines().filter(|line| ["cmdstat_scan:", "cmdstat_evalsha:"].iter().any(|name| line.starts_with(name))).filter_map(usec).sum()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    // Cargo passes `--bench`.
    let server = support::Redis::start();
    let mut config = RedisConfig::new(RedisAddress::Socket(server.socket()));
    config.timeout = Duration::from_secs(5);
    config.near = false;
    let store = RedisStore::new(&config, Keyspace::new("sql"))?;
    for table in [SMALL, LARGE] {
        fill(&store, &server.url(), table).await?;
    }
    println!("{:<28} {:>12} {:>12}", "entries under the table", SMALL.1, LARGE.1);
    let id = FenceId("bench".into());
    compare("a write's begin and end", async |tag| {
        store.begin(std::slice::from_ref(tag), &id, LEASE).await?;
        store.end(std::slice::from_ref(tag), &id).await?;
        Ok(())
    })
    .await?;
    compare("an invalidation by hand", async |tag| Ok(store.invalidate(std::slice::from_ref(tag)).await?)).await?;

    let (before, since) = (spent(&server), Instant::now());
    let unlinked = store.reclaim(&Tag::table(LARGE.0)).await?;
    let (took, spent) = (since.elapsed(), Duration::from_micros(spent(&server) - before));
    println!(
        "reclaim of {unlinked} dead entries: {took:.1?}, of which Redis spent {spent:.2?} on it: {:.1} % of its time",
        spent.as_secs_f64() / took.as_secs_f64() * 100.0
    );
    Ok(())
}
