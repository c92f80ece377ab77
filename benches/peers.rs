//! Ratios that say whether a cache pays: a read direct on the pool, a hit in the embedded store, a hit in the near cache, one in Redis itself, and a bare `GET` of as
//! many bytes.
//!
//!     cargo bench --bench peers --all-features                 # on PostgreSQL, MariaDB and SQLite
//!     cargo bench --bench peers --all-features -- postgres     # on one of them: postgres, postgres-tcp, mariadb, sqlite
//!
//! They take turns, a few operations each, in another order every round; a ratio is taken within each round, and the median over all rounds is
//! printed. So whatever else the machine does falls on all alike, and ratios can be compared between machines where times can't. The servers are private
//! ones, on Unix sockets (PostgreSQL and Redis once more by loopback TCP), and without durability, which flatters the databases.

#[path = "../tests/support/mod.rs"]
mod support;

use futures_util::future::BoxFuture;
use sqlx::{Encode, Executor, FromRow, IntoArguments, Pool, Type};
use sqlx_cached::{Backend, CachingExecutor};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A row of every read below.
type Row = (i64, String, String, i64, i64);

const TABLE: &str = "CREATE TABLE sample (
    id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL, category VARCHAR(50) NOT NULL, price_cents BIGINT NOT NULL, stock BIGINT NOT NULL)";

const FILL: &str = "INSERT INTO sample (id, name, category, price_cents, stock)
    WITH d AS (SELECT 0 AS i UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9),
         n AS (SELECT 1 + a.i + b.i * 10 + c.i * 100 + e.i * 1000 + f.i * 10000 + g.i * 100000 AS i FROM d a, d b, d c, d e, d f, d g WHERE g.i < 2)
    SELECT i, CONCAT('Product number ', i), CONCAT('category ', i % 5), 500 + i * 37 % 9000, i % 50 FROM n";

/// One read, in a dialect that all three databases know but for their placeholders.
struct Shape {
    name: &'static str,
    sql: &'static str,
    id: i64,
    rows: usize,
}

const SHAPES: [Shape; 3] = [
    Shape { name: "1 row", sql: "SELECT id, name, category, price_cents, stock FROM sample WHERE id = ?", id: 4711, rows: 1 },
    Shape {
        name: "100 rows",
        sql: "SELECT id, name, category, price_cents, stock FROM sample WHERE id > ? ORDER BY id LIMIT 100",
        id: 100_000,
        rows: 100,
    },
    Shape {
        name: "aggregate of 200,000",
        sql: "SELECT COUNT(*), category, MIN(name), MIN(price_cents), MAX(price_cents) FROM sample WHERE id > ? GROUP BY category ORDER BY category",
        id: 0,
        rows: 5,
    },
];

async fn read<'e, DB, E>(on: E, sql: &'static str, id: i64) -> sqlx::Result<Vec<Row>>
where
    DB: Backend,
    E: Executor<'e, Database = DB>,
    DB::Arguments: IntoArguments<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
    Row: for<'r> FromRow<'r, DB::Row>,
{
    sqlx::query_as(sql).bind(id).fetch_all(on).await
}

/// One way to the answer. Its result is compared before anything is timed, and kept from the optimizer after.
struct Contender<'a> {
    run: Box<dyn Fn() -> BoxFuture<'a, Result<Vec<Row>>> + Send + Sync + 'a>,
    /// Operations of a round: enough to be measured, few enough that all contenders see the same machine.
    batch: usize,
    times: Vec<Duration>,
    rounds: Vec<Duration>,
}

impl<'a> Contender<'a> {
    async fn warmed_up(run: impl Fn() -> BoxFuture<'a, Result<Vec<Row>>> + Send + Sync + 'a) -> Result<Self> {
        let mut contender = Self { run: Box::new(run), batch: 5, times: Vec::new(), rounds: Vec::new() };
        contender.round().await?;
        contender.round().await?;
        let typical = contender.rounds.pop().unwrap_or_default().as_micros().max(1);
        contender.batch = usize::try_from((2_000 / typical).clamp(1, 100))?;
        let until = Instant::now() + Duration::from_millis(100);
        while Instant::now() < until {
            contender.round().await?;
        }
        contender.times.clear();
        contender.rounds.clear();
        Ok(contender)
    }

    async fn round(&mut self) -> Result {
        let start = self.times.len();
        for _ in 0..self.batch {
            let started = Instant::now();
            black_box((self.run)().await?);
            self.times.push(started.elapsed());
        }
        self.rounds.push(median(self.times[start..].iter().copied()));
        Ok(())
    }

    /// This contender's time in parts of another's, as the median over the rounds.
    fn ratio(&self, other: &Self) -> f64 {
        let mut ratios: Vec<_> =
            self.rounds.iter().zip(&other.rounds).map(|(own, other)| own.as_secs_f64() / other.as_secs_f64()).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }

    fn p50(&self) -> f64 {
        median(self.times.iter().copied()).as_secs_f64() * 1e6
    }
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}

async fn bench<DB>(database: &str, tcp: bool, pool: Pool<DB>) -> Result
where
    DB: Backend,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
    Row: for<'r> FromRow<'r, DB::Row>,
{
    sqlx::raw_sql(TABLE).execute(&pool).await?;
    sqlx::raw_sql(FILL).execute(&pool).await?;
    let server = support::Redis::configured().tcp().start();
    let url = if tcp { server.tcp_url() } else { server.url() };
    let memory = CachingExecutor::builder(pool.clone()).build().await?;
    let with_redis = || CachingExecutor::builder(pool.clone()).redis_url(&url).redis_timeout(Duration::from_secs(5));
    let (near, redis) = (with_redis().build().await?, with_redis().near_bytes(0).build().await?);
    let raw = redis::Client::open(url.as_str())?.get_multiplexed_async_connection().await?;

    let mut known = BTreeSet::new();
    for Shape { name, sql, id, rows } in SHAPES {
        let sql: &'static str = if DB::NAME == "PostgreSQL" { sql.replace('?', "$1").leak() } else { sql };
        let direct = || -> BoxFuture<'_, Result<_>> { Box::pin(async { Ok(read(&pool, sql, id).await?) }) };
        let memory_hit = || -> BoxFuture<'_, Result<_>> { Box::pin(async { Ok(read(&memory, sql, id).await?) }) };
        let near_hit = || -> BoxFuture<'_, Result<_>> { Box::pin(async { Ok(read(&near, sql, id).await?) }) };
        let redis_hit = || -> BoxFuture<'_, Result<_>> { Box::pin(async { Ok(read(&redis, sql, id).await?) }) };

        let expected = direct().await?;
        assert_eq!(expected.len(), rows);
        for _ in ["miss", "hit"] {
            assert_eq!(memory_hit().await?, expected);
            assert_eq!(near_hit().await?, expected);
            assert_eq!(redis_hit().await?, expected);
        }

        // The key of the entry that was just filled: `GET` reads as many bytes as a hit does.
        let keys: Vec<String> = server.cli(&["KEYS", "sql:sample:*:*"]);
        let entry = keys.into_iter().find(|key| known.insert(key.clone())).ok_or("the read left no entry in Redis")?;
        let bytes: usize = server.cli(&["STRLEN", &entry]);
        let _: () = server.cli(&["COPY", &entry, "raw"]);
        let get = || -> BoxFuture<'_, Result<_>> {
            let mut raw = raw.clone();
            Box::pin(async move {
                black_box(redis::cmd("GET").arg("raw").query_async::<Vec<u8>>(&mut raw).await?);
                Ok(Vec::new())
            })
        };

        let before = (memory.stats(), near.stats(), redis.stats());
        let mut contenders = [
            Contender::warmed_up(direct).await?,
            Contender::warmed_up(memory_hit).await?,
            Contender::warmed_up(near_hit).await?,
            Contender::warmed_up(redis_hit).await?,
            Contender::warmed_up(get).await?,
        ];
        let started = Instant::now();
        let mut rounds = 0;
        while rounds < 15 || (rounds < 400 && started.elapsed() < Duration::from_secs(2)) {
            for turn in 0..contenders.len() {
                let next = (rounds + turn) % contenders.len();
                contenders[next].round().await?;
            }
            rounds += 1;
        }
        // What was timed as a hit must have been one.
        let after = (memory.stats(), near.stats(), redis.stats());
        assert_eq!((before.0.misses, before.1.misses, before.2.misses), (after.0.misses, after.1.misses, after.2.misses));
        assert!(after.0.hits > before.0.hits && after.2.hits > before.2.hits);
        let (hits, nearly) = (after.1.hits - before.1.hits, after.1.near_hits - before.1.near_hits);
        assert!(nearly * 100 > hits * 95, "only {nearly} of {hits} hits were near");
        let _: () = server.cli(&["DEL", "raw"]);

        let [direct, memory_hit, near_hit, redis_hit, get] = &contenders;
        println!(
            "{:<11}{name:<21}{bytes:>7}{:>10.1}{:>12.1}{:>10.1}{:>11.1}{:>9.1}{:>17}{:>15}{:>13.2}{rounds:>8}",
            database,
            direct.p50(),
            memory_hit.p50(),
            near_hit.p50(),
            redis_hit.p50(),
            get.p50(),
            as_part(memory_hit.ratio(direct)),
            as_part(near_hit.ratio(direct)),
            redis_hit.ratio(get),
        );
    }
    Ok(())
}

/// 0.125 is `1/8.0`; from one up it is `x1.0`.
fn as_part(ratio: f64) -> String {
    if ratio < 1.0 { format!("1/{:.1}", 1.0 / ratio) } else { format!("x{ratio:.2}") }
}

async fn run(wanted: fn(&str) -> bool) -> Result {
    println!(
        "{:<11}{:<21}{:>7}{:>10}{:>12}{:>10}{:>11}{:>9}{:>17}{:>15}{:>13}{:>8}",
        "",
        "p50 in microseconds",
        "bytes",
        "direct",
        "memory hit",
        "near hit",
        "Redis hit",
        "raw GET",
        "memory / direct",
        "near / direct",
        "Redis / GET",
        "rounds"
    );
    if wanted("postgres") {
        bench("PostgreSQL", false, support::postgres().await.database().await.pool).await?;
    }
    if wanted("postgres-tcp") {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let _server = support::Postgres::start_with(&["listen_addresses=127.0.0.1", &format!("port={port}")]);
        let options =
            sqlx::postgres::PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).username("postgres").database("postgres");
        bench("Pg, by TCP", true, sqlx::PgPool::connect_with(options).await?).await?;
    }
    if wanted("mariadb") {
        bench("MariaDB", false, support::mariadb().await.database().await.pool).await?;
    }
    if wanted("sqlite") {
        let directory = support::Scratch::new();
        let file = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.join("bench.db")).create_if_missing(true);
        bench("SQLite", false, sqlx::SqlitePool::connect_with(file.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)).await?).await?;
    }
    Ok(())
}

/// Whether a database was named on the command line; all are if none is.
fn wanted(database: &str) -> bool {
    let mut names = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    names.peek().is_none() || names.any(|name| name == database)
}

fn main() -> Result {
    if cfg!(debug_assertions) {
        println!("A debug build: the numbers mean nothing. `cargo bench` makes a release build.");
    }
    println!("current-thread runtime");
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(wanted))?;
    println!("\nmulti-thread runtime, 2 workers");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // On a worker, as a server's handlers are: the thread that blocks on the runtime would pay for waking up.
    runtime.block_on(runtime.spawn(run(wanted)))?
}
