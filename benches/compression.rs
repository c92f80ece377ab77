//! What compressing an entry costs and saves: lz4 and zstd, on answers as the PostgreSQL codec writes them.
//!
//!     cargo bench --bench compression --all-features
//!
//! A private PostgreSQL and a private Redis on Unix sockets. An executor fills Redis, uncompressed, with answers of narrow rows (numbers and times), of wide ones (text, jsonb,
//! arrays) and of random bytes; their payloads are taken out of the entries. The ways take turns within each round, and the quickest round is printed: what else
//! the machine does only ever adds. zstd keeps its contexts from one payload to the next, which is the best it can do.
//!
//! `fill` is the time to compress, `back` to decompress, in microseconds. The four last columns are what a reader waits for besides the replay, by the way a reply comes: a GET by
//! redis-rs of so many bytes, as measured over a Unix socket and over TCP on this machine, then the decompression; the last two add to TCP the time that the bytes take on such a
//! wire. At the end: what each way makes of a hit without compression, and of the bytes in Redis, in the mean of all answers of rows from 1 KiB on.

#[path = "../tests/support/mod.rs"]
mod support;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use sqlx::{PgPool, Postgres};
use sqlx_cached::CachingExecutor;
use std::hint::black_box;
use std::time::{Duration, Instant};
use support::Redis;
use zstd::bulk::{Compressor, Decompressor};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const SIZES: [usize; 8] = [128, 512, 1 << 10, 2 << 10, 4 << 10, 16 << 10, 128 << 10, 1 << 20];
const WAYS: [&str; 5] = ["none", "lz4", "zstd 1", "zstd 3", "zstd 9"];
const ROUNDS: usize = 31;

/// For how long one way is measured in one round.
const SPELL: Duration = Duration::from_micros(500);

/// How a reply comes: over which of the measured connections, and nanoseconds that a byte takes besides.
const WIRES: [(&str, usize, f64); 4] = [("Unix socket", 0, 0.0), ("TCP", 1, 0.0), ("10 Gbit/s", 1, 0.8), ("1 Gbit/s", 1, 8.0)];

/// Where a GET is timed. Below these sizes a byte more makes no difference that could be told from chance.
const CARRIED: [usize; 4] = [256, 16 << 10, 128 << 10, 1 << 20];

/// One way to compress, with what it keeps from one payload to the next.
enum Way {
    None,
    Lz4,
    Zstd(Compressor<'static>, Decompressor<'static>),
}

impl Way {
    fn all() -> Result<[Self; 5]> {
        let zstd = |level| Ok::<_, std::io::Error>(Self::Zstd(Compressor::new(level)?, Decompressor::new()?));
        Ok([Self::None, Self::Lz4, zstd(1)?, zstd(3)?, zstd(9)?])
    }

    fn compress(&mut self, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::None => payload.to_vec(),
            Self::Lz4 => lz4_flex::block::compress(payload),
            Self::Zstd(compressor, _) => compressor.compress(payload).expect("enough room"),
        }
    }

    fn decompress(&mut self, bytes: &[u8], length: usize) -> Vec<u8> {
        match self {
            // A hit of an entry that is not compressed takes a slice of it.
            Self::None => Vec::new(),
            Self::Lz4 => {
                let mut payload = vec![0; length];
                lz4_flex::block::decompress_into(bytes, &mut payload).expect("what was compressed");
                payload
            }
            Self::Zstd(_, decompressor) => decompressor.decompress(bytes, length).expect("what was compressed"),
        }
    }
}

fn quickest(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Microseconds that a run of this takes, one of many in a row.
fn time(mut run: impl FnMut()) -> f64 {
    let (since, mut runs) = (Instant::now(), 0_u32);
    while since.elapsed() < SPELL {
        run();
        runs += 1;
    }
    since.elapsed().as_secs_f64() * 1e6 / f64::from(runs)
}

/// Words of one language, the first ones more common than the last, as words are.
fn text(rng: &mut StdRng, words: &[String], count: usize) -> String {
    let picked = (0..count).map(|_| {
        let part: f64 = rng.random();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a list")]
        words[((words.len() as f64).powf(part) - 1.0) as usize].as_str()
    });
    picked.collect::<Vec<_>>().join(" ")
}

/// Rows enough for the largest payload.
async fn set_up(pool: &PgPool) -> Result {
    sqlx::raw_sql(
        "CREATE TABLE narrow (id bigint PRIMARY KEY, customer int, quantity int, price numeric(10, 2), paid bool, at timestamptz);
        INSERT INTO narrow SELECT n, random() * 5000, 1 + random() * 20, (random() * 500)::numeric(10, 2), random() < 0.9, '2026-01-01'::timestamptz + n * random() * '1 minute'::interval
            FROM generate_series(1, 20000) n;
        CREATE TABLE wide (id bigint PRIMARY KEY, title text, body text, doc jsonb, tags text[], at timestamptz);
        CREATE TABLE random (id bigint PRIMARY KEY, bytes bytea)",
    )
    .execute(pool)
    .await?;
    let mut rng = StdRng::seed_from_u64(1);
    let letters = b"eeeettaaooiinnsshhrrdllcummwfgypbvk";
    let mut word = |length: usize| (0..length).map(|_| char::from(letters[rng.random_range(0..letters.len())])).collect::<String>();
    let words: Vec<String> = (0..5000).map(|index| word(2 + index % 9)).collect();
    for id in 0..3000_i64 {
        let tags: Vec<String> = (0..rng.random_range(0..5)).map(|_| text(&mut rng, &words, 1)).collect();
        let status = ["draft", "published", "archived"][rng.random_range(0..3)];
        let doc = serde_json::json!({
            "author": { "id": rng.random_range(1..900), "name": text(&mut rng, &words, 2) },
            "status": status,
            "views": rng.random_range(0..100_000),
            "summary": text(&mut rng, &words, 12),
        });
        sqlx::query("INSERT INTO wide VALUES ($1, $2, $3, $4, $5, '2026-01-01'::timestamptz + $1 * '7 minutes'::interval)")
            .bind(id)
            .bind(text(&mut rng, &words, 6))
            .bind(text(&mut rng, &words, 40))
            .bind(doc)
            .bind(tags)
            .execute(pool)
            .await?;
    }
    for (id, size) in (0..).zip(SIZES) {
        let bytes: Vec<u8> = (0..size).map(|_| rng.random()).collect();
        sqlx::query("INSERT INTO random VALUES ($1, $2)").bind(id).bind(bytes).execute(pool).await?;
    }
    Ok(())
}

/// The payload of an entry: what stands behind its header, before its sum.
fn payload(entry: &[u8]) -> Vec<u8> {
    let number = |at: usize| usize::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
    let tables = number(56);
    let mut at = 58 + (tables - 1) * 24 + 20;
    for _ in 0..=tables {
        at += 2 + number(at);
    }
    entry[at + 8..entry.len() - 8].to_vec()
}

async fn stored(executor: &CachingExecutor<Postgres>, redis: &Redis, sql: &'static str, argument: i64) -> Result<Vec<u8>> {
    redis.cli::<()>(&["FLUSHALL"]);
    let hits = executor.stats().hits;
    while executor.stats().hits == hits {
        sqlx::query(sql).bind(argument).fetch_all(executor).await?;
    }
    let keys: Vec<String> = redis.cli(&["KEYS", "sql:*:data:*"]);
    Ok(payload(&redis.cli::<Vec<u8>>(&["GET", &keys[0]])))
}

/// Payloads of about these sizes.
async fn payloads(executor: &CachingExecutor<Postgres>, redis: &Redis) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let mut payloads = Vec::new();
    for (kind, sql) in [("narrow", "SELECT * FROM narrow ORDER BY id LIMIT $1"), ("wide", "SELECT * FROM wide ORDER BY id LIMIT $1")] {
        // What a row takes, of a few.
        let row = (stored(executor, redis, sql, 9).await?.len() - stored(executor, redis, sql, 1).await?.len()) / 8;
        let mut before = 0;
        for size in SIZES {
            let rows = i64::try_from(size / row)?.max(1);
            if rows > before {
                payloads.push((kind, stored(executor, redis, sql, rows).await?));
            }
            before = rows;
        }
    }
    for id in 0..i64::try_from(SIZES.len())? {
        payloads.push(("random", stored(executor, redis, "SELECT bytes FROM random WHERE id = $1", id).await?));
    }
    Ok(payloads)
}

/// How long a GET of so many bytes takes.
struct Carry(Vec<(f64, f64)>);

impl Carry {
    async fn measured(mut connection: MultiplexedConnection) -> Result<Self> {
        let mut times = vec![Vec::new(); CARRIED.len()];
        for (index, size) in CARRIED.iter().enumerate() {
            connection.set::<_, _, ()>(index, vec![7_u8; *size]).await?;
        }
        for _ in 0..ROUNDS * 50 {
            for (index, times) in times.iter_mut().enumerate() {
                let since = Instant::now();
                black_box(connection.get::<_, Vec<u8>>(index).await?);
                times.push(since.elapsed().as_secs_f64() * 1e6);
            }
        }
        // Not the very quickest: a reply may lie ready by chance.
        let usual = |times: &mut Vec<f64>| {
            times.sort_unstable_by(f64::total_cmp);
            times[times.len() / 10]
        };
        let mut usual: Vec<_> = CARRIED.iter().zip(&mut times).map(|(size, times)| (count(*size), usual(times))).collect();
        // Fewer bytes never take longer, but that they came after the most, which filled the processor's caches.
        for index in (1..usual.len()).rev() {
            usual[index - 1].1 = usual[index - 1].1.min(usual[index].1);
        }
        Ok(Self(usual))
    }

    /// In between, in proportion.
    fn of(&self, bytes: f64) -> f64 {
        let upper = self.0.iter().position(|(size, _)| *size >= bytes).unwrap_or(self.0.len() - 1).max(1);
        let ((low, fast), (high, slow)) = (self.0[upper - 1], self.0[upper]);
        fast + (slow - fast) * (bytes - low) / (high - low)
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below what a float can count")]
fn count(number: usize) -> f64 {
    number as f64
}

/// What a way makes of a payload: bytes, and microseconds of a hit over each wire.
type Outcome = (f64, [f64; 4]);

fn measure(kind: &str, payload: &[u8], carry: &[Carry; 2]) -> Result<Vec<Outcome>> {
    let mut ways = Way::all()?;
    let compressed: Vec<Vec<u8>> = ways.iter_mut().map(|way| way.compress(payload)).collect();
    let mut times = vec![(Vec::new(), Vec::new()); ways.len()];
    for round in 0..ROUNDS {
        for turn in 0..ways.len() {
            let index = (round + turn) % ways.len();
            let way = &mut ways[index];
            times[index].0.push(time(|| drop(black_box(way.compress(black_box(payload))))));
            times[index].1.push(time(|| drop(black_box(way.decompress(black_box(&compressed[index]), payload.len())))));
        }
    }
    let outcomes = times.iter().enumerate().map(|(index, (compressing, decompressing))| {
        let bytes = count(compressed[index].len());
        let (fill, back) = if index == 0 { (0.0, 0.0) } else { (quickest(compressing), quickest(decompressing)) };
        let hits = WIRES.map(|(_, over, nanos)| carry[over].of(bytes) + back + bytes * nanos / 1e3);
        println!(
            "{kind:<7} {:>8}  {:<7} {bytes:>8.0} {:>6.2} {fill:>9.1} {back:>9.1} {:>11.1} {:>11.1} {:>11.1} {:>11.1}",
            payload.len(),
            WAYS[index],
            count(payload.len()) / bytes,
            hits[0],
            hits[1],
            hits[2],
            hits[3],
        );
        (bytes, hits)
    });
    Ok(outcomes.collect())
}

/// The geometric mean of what a way has instead of no compression.
fn mean(outcomes: &[Vec<Outcome>], way: usize, figure: impl Fn(&Outcome) -> f64) -> f64 {
    let logarithms = outcomes.iter().map(|ways| (figure(&ways[way]) / figure(&ways[0])).ln());
    (logarithms.sum::<f64>() / count(outcomes.len())).exp()
}

fn conclude(outcomes: &[Vec<Outcome>]) {
    let [unix, tcp, fast, slow] = WIRES.map(|(name, ..)| name);
    println!("\n{:<7} {:>8} {unix:>12} {tcp:>12} {fast:>12} {slow:>12}", "way", "stored");
    let mut best = [(f64::INFINITY, ""); 4];
    for (index, way) in WAYS.iter().enumerate() {
        let hits = [0, 1, 2, 3].map(|wire| mean(outcomes, index, |(_, hits)| hits[wire]));
        let [unix, tcp, fast, slow] = hits;
        let stored = mean(outcomes, index, |(bytes, _)| *bytes);
        println!("{way:<7} {stored:>8.2} {unix:>12.2} {tcp:>12.2} {fast:>12.2} {slow:>12.2}");
        for (best, hit) in best.iter_mut().zip(hits) {
            if hit < best.0 {
                *best = (hit, way);
            }
        }
    }
    for ((wire, ..), (hit, way)) in WIRES.iter().zip(best) {
        println!("{wire}: {way} has the quickest hits, {hit:.2} of what they take uncompressed");
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result {
    let database = support::postgres().await.database().await;
    set_up(&database.pool).await?;
    let redis = Redis::configured().tcp().start();
    let builder = CachingExecutor::builder(database.pool.clone()).redis_url(&redis.url()).near_bytes(0).compression_threshold(None);
    let payloads = payloads(&builder.build().await?, &redis).await?;
    let connection = async |url: String| redis::Client::open(url)?.get_multiplexed_async_connection().await;
    let carry = [Carry::measured(connection(redis.url()).await?).await?, Carry::measured(connection(redis.tcp_url()).await?).await?];
    let [unix, tcp, fast, slow] = WIRES.map(|(name, ..)| name);
    println!(
        "{:<7} {:>8}  {:<7} {:>8} {:>6} {:>9} {:>9} {unix:>11} {tcp:>11} {fast:>11} {slow:>11}",
        "rows", "bytes", "way", "stored", "ratio", "fill us", "back us"
    );
    let mut outcomes = Vec::new();
    for (kind, payload) in &payloads {
        let ways = measure(kind, payload, &carry)?;
        if *kind != "random" && payload.len() >= 1 << 10 {
            outcomes.push(ways);
        }
    }
    conclude(&outcomes);
    Ok(())
}
