//! Readers and writers at once: whoever reads after a write was acknowledged sees it, and what was written together is read together.

use super::kit::{Cache, Home, LEASE, Server, each};
use sqlx::Sqlite;
use sqlx_cached::{CachingExecutor, Consistency};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

const TIME: Duration = Duration::from_millis(2500);
const TORN: &str = "SELECT max(v) - min(v) FROM counters WHERE id IN (101, 102)";

each! {
    reads_after_an_acknowledgement_see_it: Postgres MySql Sqlite;
}

/// What the tasks agree on.
#[derive(Default)]
struct Ledger {
    /// The versions acknowledged of rows 1 and 2, and of the pair.
    acknowledged: [AtomicI64; 3],
    stop: AtomicBool,
    reads: AtomicU64,
    writes: AtomicU64,
    violations: AtomicU64,
    torn: AtomicU64,
}

const READS: [&str; 3] =
    ["SELECT v FROM counters WHERE id = 1", "SELECT v FROM counters WHERE id = 2", "SELECT min(v) FROM counters WHERE id IN (101, 102)"];

async fn writer<DB: Server>(executor: CachingExecutor<DB>, ledger: Arc<Ledger>, row: usize, pause: Duration) {
    let mut version = 0;
    while !ledger.stop.load(SeqCst) {
        version += 1;
        if row < 2 {
            DB::run(&executor, &format!("UPDATE counters SET v = {version} WHERE id = {}", row + 1)).await.unwrap();
        } else {
            let mut transaction = executor.begin().await.unwrap();
            for id in [101, 102] {
                DB::run_in(&mut transaction, &format!("UPDATE counters SET v = {version} WHERE id = {id}")).await.unwrap();
            }
            transaction.commit().await.unwrap();
        }
        ledger.acknowledged[row].store(version, SeqCst);
        ledger.writes.fetch_add(1, SeqCst);
        tokio::time::sleep(pause).await;
    }
}

async fn reader<DB: Server>(executor: CachingExecutor<DB>, ledger: Arc<Ledger>) {
    let mut seen = [0; 3];
    while !ledger.stop.load(SeqCst) {
        for row in 0..3 {
            let least = ledger.acknowledged[row].load(SeqCst).max(seen[row]);
            let version = DB::number(&executor, READS[row]).await.unwrap();
            if version < least {
                ledger.violations.fetch_add(1, SeqCst);
            }
            seen[row] = seen[row].max(version);
            ledger.reads.fetch_add(1, SeqCst);
        }
        if DB::number(&executor, TORN).await.unwrap() != 0 {
            ledger.torn.fetch_add(1, SeqCst);
        }
        tokio::task::yield_now().await;
    }
}

async fn at_once<DB: Server>(home: &Home<DB>, cache: &Cache, consistency: Consistency, time: Duration) -> (Arc<Ledger>, u64) {
    let ledger = Arc::new(Ledger::default());
    let mut executors = Vec::new();
    for _ in 0..2 {
        executors.push(home.build(|builder| builder.store(cache.store()).fence_lease(LEASE).consistency(consistency)).await);
    }
    let mut tasks = Vec::new();
    for (row, pause) in [(0, 15), (1, 70), (2, 40)] {
        tasks.push(tokio::spawn(writer(executors[row % 2].clone(), Arc::clone(&ledger), row, Duration::from_millis(pause))));
    }
    for number in 0..4 {
        tasks.push(tokio::spawn(reader(executors[number % 2].clone(), Arc::clone(&ledger))));
    }
    tokio::time::sleep(time).await;
    ledger.stop.store(true, SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    (ledger, executors.iter().map(|executor| executor.stats().hits).sum())
}

async fn reads_after_an_acknowledgement_see_it<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let (ledger, hits) = at_once(&home, &cache, Consistency::Fenced, TIME).await;
    let store = if cache.redis.is_some() { "redis" } else { "memory" };
    println!(
        "{} with {store}: {} reads, {hits} hits, {} writes, {} violations, {} torn",
        DB::NAME,
        ledger.reads.load(SeqCst),
        ledger.writes.load(SeqCst),
        ledger.violations.load(SeqCst),
        ledger.torn.load(SeqCst)
    );
    assert!(hits > 0 && ledger.writes.load(SeqCst) > 10, "nothing was put to the test");
    assert_eq!(ledger.violations.load(SeqCst), 0, "stale reads");
    assert_eq!(ledger.torn.load(SeqCst), 0, "torn reads");
}

/// The same where writes are not followed: the harness sees what it is there to see.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_harness_finds_stale_reads_where_there_are_some() {
    let home = Sqlite::home().await;
    let (ledger, hits) = at_once(&home, &Cache::memory(), Consistency::Ttl, Duration::from_millis(500)).await;
    let violations = ledger.violations.load(SeqCst);
    println!("without invalidation: {} reads, {hits} hits, {violations} violations", ledger.reads.load(SeqCst));
    assert!(violations > 0);
}
