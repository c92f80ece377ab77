//! Nothing is stale while several processes read and write: the probe is a checker of the protocol, and the protocol of the probe.

use super::kit::{NEAR, found, probing, probing_with, store};
use crate::databases::Random;
use crate::faults::kit::{Cache, Home, READ, Server, each};
use sqlx_cached::{CachingExecutor, Consistency};
use std::time::{Duration, Instant};

each! {
    under_a_load_of_writes_nothing_is_stale: Postgres MySql Sqlite;
}

const READS: [&str; 6] = [
    READ,
    "SELECT COUNT(*) FROM counters WHERE v > 5",
    "SELECT MAX(v) FROM counters",
    "SELECT v FROM counters WHERE id = 2",
    "SELECT v FROM others WHERE id = 1",
    "SELECT counters.v + others.v FROM counters JOIN others ON others.id = counters.id WHERE counters.id = 1",
];

const WRITES: [&str; 4] = [
    "UPDATE counters SET v = v + 1 WHERE id = 1",
    "UPDATE counters SET v = v + 1",
    "UPDATE others SET v = v + 1 WHERE id = 1",
    "DELETE FROM counters WHERE id = 99",
];

/// How many probes a part of the test waits for. More of them (`FRESHNESS_PROBES=5000`) make a campaign of it.
fn enough() -> u64 {
    std::env::var("FRESHNESS_PROBES").ok().and_then(|number| number.parse().ok()).unwrap_or(60)
}

async fn under_a_load_of_writes_nothing_is_stale<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    for near in NEAR {
        let executors = [probing(&home, store(&cache, near), near).await, probing(&home, store(&cache, near), near).await];
        load(&home, &executors).await;
    }
    let after = |near| probing_with(&home, store(&cache, near), near, |builder| builder.consistency(Consistency::AfterCommit));
    // There a write is told of a moment after its commit.
    load(&home, &[after(NEAR[0]).await, after(NEAR[0]).await]).await;
}

/// Reads and writes by both until each has been probed often enough.
async fn load<DB: Server>(home: &Home<DB>, executors: &[CachingExecutor<DB>; 2]) {
    let done = || executors.iter().all(|executor| found(executor).checked >= enough());
    let since = Instant::now();
    let patience = Duration::from_secs(60 + enough());
    let read = async |executor: &CachingExecutor<DB>, seed| {
        let mut random = Random(seed);
        while !done() && since.elapsed() < patience {
            let sql = *random.pick(&READS);
            if random.one_in(2) {
                DB::number(executor, sql).await.expect("a number");
            } else {
                DB::number_slowly(executor, sql, Box::pin(async {})).await.expect("a number");
            }
            tokio::task::yield_now().await;
        }
    };
    let write = async |executor: &CachingExecutor<DB>, seed| {
        let mut random = Random(seed);
        while !done() && since.elapsed() < patience {
            let sql = *random.pick(&WRITES);
            if random.one_in(3) {
                let mut transaction = executor.begin().await.expect("a transaction");
                DB::run_in(&mut transaction, sql).await.expect("a write");
                transaction.commit().await.expect("a commit");
            } else {
                DB::run(executor, sql).await.expect("a write");
            }
            // Between two writes there is time for hits.
            tokio::time::sleep(Duration::from_millis(random.below(40) as u64)).await;
        }
    };
    let [one, two] = executors;
    tokio::join!(read(one, 1), read(one, 2), read(two, 3), read(two, 4), write(one, 5), write(two, 6));
    for executor in executors {
        let found = found(executor);
        eprintln!("{}: {found}", DB::NAME);
        assert_eq!(found.stale, 0, "{}: {}", DB::NAME, executor.stats());
        assert!(found.checked >= enough(), "{}: {}", DB::NAME, executor.stats());
        assert!(executor.stats().writes > 0, "{}", DB::NAME);
    }
    home.check(one, READ).await;
}
