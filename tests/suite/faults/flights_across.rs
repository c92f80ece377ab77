//! Single flight across processes: real ones, and the database's own word for how often it was read.

use super::killed::Child;
use super::kit::{Cache, Home, READ, Server};
use super::late::{Blocking, blocked};
use crate::support::{Scratch, postgres};
use sqlx::{Database, Postgres};
use std::time::{Duration, Instant};

const PROCESSES: usize = 4;

/// Reads of each process.
const READS: usize = 250;

const LOCK: &[&str] = &["LOCK TABLE counters IN ACCESS EXCLUSIVE MODE"];

/// Processes that are about to read all at once.
struct Storm {
    home: Home<Postgres>,
    cache: Cache,
    children: Vec<Child>,
    scratch: Scratch,
    marker: String,
}

impl Storm {
    async fn new() -> Self {
        let (home, cache, scratch) = (Postgres::home().await, Cache::redis(), Scratch::new());
        // Each statement that the server runs for later connections of this database is in its log.
        home.run(&format!("ALTER DATABASE {} SET log_statement = 'all'", home.database.name)).await;
        let marker = format!("storm in {}", home.database.name);
        let socket = cache.server().socket().display().to_string();
        let go = scratch.join("go").display().to_string();
        let sql = format!("SELECT v /* {marker} */ FROM counters WHERE id = 1");
        let children = (0..PROCESSES).map(|number| {
            let url = format!("{}&application_name=child{number}", home.database.url);
            Child::start(
                Postgres::NAME,
                "storm",
                &[("url", &url), ("redis", &socket), ("go", &go), ("sql", &sql), ("reads", &READS.to_string())],
            )
        });
        let mut children: Vec<_> = children.collect();
        for child in &mut children {
            child.says("ready");
        }
        Self { home, cache, children, scratch, marker }
    }

    fn go(&self) {
        std::fs::write(self.scratch.join("go"), "").unwrap();
    }

    /// How often the server ran the read.
    async fn executions(&self) -> usize {
        let log = postgres().await.log();
        log.lines().filter(|line| line.contains("execute ") && line.contains(&self.marker)).count()
    }

    /// Waits until every look-up has been answered: each process has read the entry's key for each of its tasks.
    async fn all_wait(&self) {
        let looked_up = async || {
            let text: String = self.cache.server().cli(&["INFO", "commandstats"]);
            let calls = text.lines().find_map(|line| line.strip_prefix("cmdstat_mget:calls=")?.split(',').next()?.parse::<usize>().ok());
            calls.unwrap_or_default() >= PROCESSES * READS
        };
        super::kit::eventually("everybody has looked up", looked_up).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What a process says at its end: reads of the database, joined ones, hits.
fn said(child: &mut Child) -> [u64; 3] {
    let text = child.says("done:");
    let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_misses_in_four_processes_are_one_read() {
    let mut storm = Storm::new().await;
    let lock = Postgres::locked(&storm.home, LOCK).await;
    storm.go();
    blocked(&storm.home).await;
    storm.all_wait().await;
    assert_eq!(storm.home.direct(Postgres::WAITING).await, 1, "one connection of all");
    let since = Instant::now();
    Postgres::finish(lock, "SELECT 1").await;
    let mut sum = [0; 3];
    for child in &mut storm.children {
        for (sum, said) in sum.iter_mut().zip(said(child)) {
            *sum += said;
        }
    }
    println!("{} processes: {} read the database, {} joined, {} hit; all within {:?}", PROCESSES, sum[0], sum[1], sum[2], since.elapsed());
    assert_eq!(storm.executions().await, 1, "by the database's log");
    assert_eq!(sum, [1, (PROCESSES * READS) as u64 - 1, 0]);
    assert!(storm.cache.server().cli::<Vec<String>>(&["KEYS", "*:lease"]).is_empty());
}

/// The process that reads is killed. Its lease runs out, one of the others reads, and the rest of them get that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leaders_lease_runs_out() {
    let mut storm = Storm::new().await;
    let lock = Postgres::locked(&storm.home, LOCK).await;
    storm.go();
    blocked(&storm.home).await;
    storm.all_wait().await;
    // Long enough for a lease that is not renewed to have run out.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(storm.home.direct(Postgres::WAITING).await, 1, "a lease is renewed");
    let leader = "SELECT substring(application_name FROM 6)::int8 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut leader = storm.children.remove(usize::try_from(storm.home.direct(leader).await).unwrap());
    leader.kill();
    let since = Instant::now();
    super::kit::eventually("another process reads", async || storm.home.direct(Postgres::WAITING).await == 2).await;
    println!("taken over {:?} after the kill", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(storm.home.direct(Postgres::WAITING).await, 2, "one of them");
    Postgres::finish(lock, "SELECT 1").await;
    let mut sum = [0; 3];
    for child in &mut storm.children {
        for (sum, said) in sum.iter_mut().zip(said(child)) {
            *sum += said;
        }
    }
    assert_eq!(sum, [1, ((PROCESSES - 1) * READS) as u64 - 1, 0]);
}

/// What one process could not keep, or failed to read, no other waits for: all are told at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_can_not_be_shared() {
    let (home, cache) = (Postgres::home().await, Cache::redis());
    for (sql, limit, fails) in [(READ, 8, false), ("SELECT 1 / v FROM counters WHERE id = 1", 1 << 20, true)] {
        let mut executors = Vec::new();
        for _ in 0..PROCESSES {
            executors.push(home.build(|builder| builder.store(cache.store()).max_entry_bytes(limit)).await);
        }
        let lock = Postgres::locked(&home, LOCK).await;
        let reads: Vec<_> = executors.iter().flat_map(|executor| [0; 3].map(|_| tokio::spawn(Postgres::number(executor, sql)))).collect();
        blocked(&home).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(home.direct(Postgres::WAITING).await, 1);
        Postgres::finish(lock, "SELECT 1").await;
        for read in reads {
            let read = tokio::time::timeout(Duration::from_secs(20), read).await.expect("nobody is stuck");
            assert_eq!(read.unwrap().is_err(), fails);
        }
        for executor in &executors {
            assert_eq!((executor.stats().misses, executor.stats().joined), (3, 0), "{}", executor.stats());
        }
    }
}
