//! One run: phases of reads, a write or a transaction after each.

use super::reads::{Answer, Read};
use super::writes::{self, Write};
use super::{CTES_HAVE_NAMES_OF_THEIR_OWN, Db, Home, NAME, SCHEMA};
use crate::databases::Random;
use crate::support::Redis;
use sqlx::{AssertSqlSafe, Pool};
use sqlx_cached::{Admission, CachingExecutor};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// So many reads to a write, about.
const READS_PER_WRITE: usize = 180;

/// So many reads are popular at a time.
const HOT: usize = 50;

struct Run {
    random: Random,
    /// Executors that share their entries, each with a pool of its own.
    executors: Vec<CachingExecutor<Db>>,
    direct: Pool<Db>,
    /// Writes are sent to the pool, behind the cache's back.
    around: bool,
    /// What is read again and again.
    hot: Vec<Read>,
    fresh: usize,
    reads: usize,
    writes: usize,
    failures: Vec<String>,
    differences: Vec<String>,
}

impl Run {
    async fn new(home: &Home, executors: Vec<CachingExecutor<Db>>, seed: u64) -> Self {
        let direct = home.pool().await;
        Self {
            random: Random(seed),
            executors,
            direct,
            around: false,
            hot: Vec::new(),
            fresh: 1_000,
            reads: 0,
            writes: 0,
            failures: Vec::new(),
            differences: Vec::new(),
        }
    }

    fn executor(&mut self) -> CachingExecutor<Db> {
        self.random.pick(&self.executors).clone()
    }

    /// Mostly something that was read before, since a cache is for that; perhaps in another way.
    fn draw(&mut self) -> Read {
        if self.hot.len() < HOT || self.random.one_in(8) {
            let read = Read::random(&mut self.random);
            if self.hot.len() < HOT {
                self.hot.push(read.clone());
            } else if self.random.one_in(4) {
                self.hot[self.random.below(HOT)] = read.clone();
            }
            return read;
        }
        let read = self.random.pick(&self.hot).clone();
        if self.random.one_in(2) { read.in_another_way(&mut self.random) } else { read }
    }

    /// Reads through the cache, then from the database, and compares.
    async fn read(&mut self) {
        let executor = match self.random.below(40) {
            0 => self.executor().refresh(),
            1 => self.executor().uncached(),
            2 => self.executor().scope("one"),
            3 => self.executor().ttl(Duration::from_secs(20)),
            _ => self.executor(),
        };
        let read = self.draw();
        let cached = read.run(&executor).await;
        let direct = read.run(&self.direct).await;
        self.reads += 1;
        self.compare(&read, &cached, &direct);
    }

    fn compare(&mut self, read: &Read, cached: &Answer, direct: &Answer) {
        if let Some(difference) = cached.difference(direct) {
            self.differences
                .push(format!("read {}, after {} writes: {read:?}\n    cached / direct: {difference}", self.reads, self.writes));
        }
    }

    async fn reads(&mut self, count: usize) {
        for _ in 0..count {
            self.read().await;
        }
    }

    fn note(&mut self, write: &Write, result: &Result<(), sqlx::Error>) {
        self.writes += 1;
        if result.is_err() != write.fails {
            self.failures.push(format!("{write:?}: {result:?}"));
        }
    }

    async fn send(&mut self, write: Write) {
        let result = if self.around { write.run(&self.direct).await } else { write.run(&self.executor()).await };
        self.note(&write, &result);
    }

    async fn write(&mut self) {
        let write = Write::random(&mut self.random, &mut self.fresh);
        self.send(write).await;
    }

    fn write_for_transaction(&mut self) -> Write {
        loop {
            let write = Write::random(&mut self.random, &mut self.fresh);
            if !write.fails {
                return write;
            }
        }
    }

    /// Some writes at once, and reads by others meanwhile; committed, rolled back or dropped, with savepoints that are, too.
    async fn transaction(&mut self) {
        let executor = self.executor();
        let mut transaction = executor.begin().await.expect("a transaction");
        for _ in 0..=self.random.below(3) {
            let write = self.write_for_transaction();
            let result = write.run(&mut *transaction).await;
            self.note(&write, &result);
            let reads = self.random.below(10);
            self.reads(reads).await;
        }
        if self.random.one_in(3) {
            let mut savepoint = transaction.begin().await.expect("a savepoint");
            let write = self.write_for_transaction();
            let result = write.run(&mut *savepoint).await;
            self.note(&write, &result);
            match self.random.below(3) {
                0 => savepoint.rollback().await.expect("a rollback"),
                1 => drop(savepoint),
                _ => savepoint.commit().await.expect("a release"),
            }
        }
        if self.random.one_in(6) {
            let write = self.write_for_transaction();
            let result = write.on_connection(&mut transaction).await;
            self.note(&write, &result);
        }
        match self.random.below(5) {
            0 => transaction.rollback().await.expect("a rollback"),
            1 => drop(transaction),
            _ => transaction.commit().await.expect("a commit"),
        }
    }

    /// The rarer things.
    async fn upheaval(&mut self) {
        match self.random.below(4) {
            0 => {
                for write in Write::shift(&mut self.random) {
                    self.send(write).await;
                }
            }
            1 => {
                let executor = self.executor();
                executor.invalidate_table("users").await.expect("an invalidation");
            }
            _ => {
                let write = Write::far_reaching(&mut self.random, &mut self.fresh);
                self.send(write).await;
            }
        }
    }

    async fn go(&mut self, reads: usize) {
        while self.reads < reads {
            let phase = self.random.below(2 * READS_PER_WRITE);
            self.reads(phase).await;
            match self.random.below(20) {
                0 => self.upheaval().await,
                1..=6 if !self.around => self.transaction().await,
                _ => self.write().await,
            }
        }
    }
}

async fn home() -> Home {
    let home = Home::new().await;
    let pool = home.pool().await;
    sqlx::raw_sql(SCHEMA).execute(&pool).await.expect("the tables");
    sqlx::raw_sql(AssertSqlSafe(writes::rows())).execute(&pool).await.expect("the rows");
    home
}

/// Runs the required number of reads, and says what came of it.
async fn differential(store: &str, home: &Home, executors: Vec<CachingExecutor<Db>>) {
    let (seed, start) = (super::super::seed(), Instant::now());
    let mut run = Run::new(home, executors, seed).await;
    run.go(super::super::reads()).await;

    let stats: Vec<_> = run.executors.iter().map(CachingExecutor::stats).collect();
    let (hits, misses) = (stats.iter().map(|stats| stats.hits).sum::<u64>(), stats.iter().map(|stats| stats.misses).sum::<u64>());
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
    let ratio = hits as f64 / run.reads as f64;
    // Past the test harness, which keeps the output of what succeeds to itself: the seed and the ratio are what this suite is to show.
    let _ = writeln!(
        std::io::stderr(),
        "differential, {NAME} and {store}: {} reads, {hits} hits ({:.0} %), {misses} misses, {} writes, {} differences; {:.1} s, DIFFERENTIAL_SEED={seed}",
        run.reads,
        ratio * 100.0,
        run.writes,
        run.differences.len(),
        start.elapsed().as_secs_f64(),
    );
    let first: Vec<_> = run.differences.iter().take(5).collect();
    assert!(first.is_empty(), "{} differences, DIFFERENTIAL_SEED={seed}: {first:#?}", run.differences.len());
    assert!(run.failures.is_empty(), "writes that should work or fail, DIFFERENTIAL_SEED={seed}: {:#?}", run.failures);
    assert!(ratio > 0.5, "{}", stats[0]);
    for stats in stats {
        let origins = stats.not_stored.get(&sqlx_cached::Reason::Origin).filter(|_| CTES_HAVE_NAMES_OF_THEIR_OWN);
        let faults = (stats.replay_errors, stats.malformed_entries, stats.store_errors, origins);
        assert_eq!(faults, (0, 0, 0, None), "{stats}");
    }
}

async fn in_memory(home: &Home) -> CachingExecutor<Db> {
    CachingExecutor::builder(home.pool().await).build().await.expect("an executor")
}

#[tokio::test]
async fn memory() {
    let home = home().await;
    let executor = in_memory(&home).await;
    differential("memory", &home, vec![executor]).await;
}

#[tokio::test]
async fn redis() {
    let (home, redis) = (home().await, Redis::start());
    let socket = redis.socket();
    let mut executors = Vec::new();
    // One of them passes on what its database answers sooner, now and then.
    for admission in [Admission::Auto, Admission::Always] {
        let builder =
            CachingExecutor::builder(home.pool().await).admission(admission).redis_socket(&socket.display().to_string()).near_bytes(0);
        executors.push(builder.redis_timeout(Duration::from_secs(5)).build().await.expect("an executor"));
    }
    differential("Redis", &home, executors).await;
}

/// A suite that can't fail is worth nothing.
#[tokio::test]
async fn writes_around_the_cache_are_found() {
    let home = home().await;
    let mut run = Run::new(&home, vec![in_memory(&home).await], 1).await;
    run.around = true;
    run.go(2_000).await;
    assert!(run.writes > 5, "{}", run.writes);
    assert!(run.differences.len() > 20, "only {} differences", run.differences.len());
}
