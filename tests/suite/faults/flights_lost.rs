//! Flights whose leader dies, fails, or reads what nobody may share; and reads of PostgreSQL that a lock stops in their middle.

use super::flights::{Stage, values};
use super::kit::{Cache, READ, Server, each, eventually};
use super::late::{Blocking, blocked};
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sqlx::{Postgres, Sqlite};
use sqlx_cached::{CachingExecutor, Reason};
use std::time::{Duration, Instant};

each! {
    many_tasks_that_give_up_at_random: Postgres MySql Sqlite;
}

/// Stops everybody who reads the table.
const LOCK: &[&str] = &["LOCK TABLE counters IN ACCESS EXCLUSIVE MODE"];
const LOCK_BIG: &[&str] = &["LOCK TABLE big IN ACCESS EXCLUSIVE MODE"];
const BIG: &str = "SELECT id, filler FROM big ORDER BY id";
const ROWS: i64 = 20_000;

async fn stage() -> Stage<Postgres> {
    Stage::new(&Cache::memory()).await
}

fn numbers(stage: &Stage<Postgres>, sql: &str, count: usize) -> Vec<BoxFuture<'static, Result<i64, sqlx::Error>>> {
    (0..count).map(|_| Postgres::number(&stage.executor, sql)).collect()
}

async fn waiting(stage: &Stage<Postgres>) -> i64 {
    stage.home.direct(Postgres::WAITING).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_leader_hands_over() {
    let stage = stage().await;
    let lock = Postgres::locked(&stage.home, LOCK).await;
    let leader = stage.start(numbers(&stage, READ, 1)).await;
    blocked(&stage.home).await;
    let followers = stage.start(numbers(&stage, READ, 5)).await;
    leader[0].abort();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(waiting(&stage).await, 1, "the same read goes on for the others");
    Postgres::finish(lock, "SELECT 1").await;
    assert_eq!(values(followers).await, [0; 5]);
    eventually("it is stored", async || stage.executor.stats().fills == 1).await;
    let stats = stage.executor.stats();
    assert_eq!((stats.misses, stats.joined), (1, 5), "{stats}");

    // Given up by all: as a dropped query of sqlx.
    Postgres::run(&stage.executor, super::kit::WRITE).await.unwrap();
    let lock = Postgres::locked(&stage.home, LOCK).await;
    let reads = stage.start(numbers(&stage, READ, 5)).await;
    blocked(&stage.home).await;
    for read in &reads {
        read.abort();
    }
    eventually("the read is given up", async || stage.executor.stats().not_stored.get(&Reason::Unfinished) == Some(&1)).await;
    let reads = stage.start(numbers(&stage, READ, 3)).await;
    Postgres::finish(lock, "SELECT 1").await;
    assert_eq!(values(reads).await, [1; 3]);
}

/// The leader's task goes with its runtime.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_runtime_ended() {
    let stage = stage().await;
    let other = tokio::runtime::Runtime::new().unwrap();
    let lock = Postgres::locked(&stage.home, LOCK).await;
    let _leader = other.spawn(Postgres::number(&stage.executor, READ));
    blocked(&stage.home).await;
    let followers = stage.start(numbers(&stage, READ, 5)).await;
    assert_eq!(stage.executor.stats().misses, 1);
    other.shutdown_background();
    eventually("one of the others leads", async || stage.executor.stats().misses == 2).await;
    Postgres::finish(lock, "SELECT 1").await;
    assert_eq!(values(followers).await, [0; 5]);
    assert_eq!(stage.executor.stats().joined, 4, "{}", stage.executor.stats());
}

/// Each gets an error of his own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_fails() {
    let stage = stage().await;
    let lock = Postgres::locked(&stage.home, LOCK).await;
    let reads = stage.start(numbers(&stage, "SELECT 1 / v FROM counters WHERE id = 1", 10)).await;
    blocked(&stage.home).await;
    assert_eq!(waiting(&stage).await, 1);
    Postgres::finish(lock, "SELECT 1").await;
    for read in reads {
        let error = read.await.unwrap().unwrap_err();
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        assert_eq!(code.as_deref(), Some("22012"), "{error}");
    }
    let stats = stage.executor.stats();
    assert_eq!((stats.misses, stats.joined), (10, 0), "{stats}");
}

/// The meaning of its text changes while the database answers: what is not stored is not shared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_means_something_else_now() {
    for change in ["CREATE TEMP TABLE counters AS SELECT 1::int8 AS id, 77::int8 AS v", "SET work_mem = '5MB'"] {
        let stage = stage().await;
        let lock = Postgres::locked(&stage.home, LOCK).await;
        let reads = stage.start(numbers(&stage, READ, 5)).await;
        blocked(&stage.home).await;
        assert_eq!(waiting(&stage).await, 1);
        Postgres::run(&stage.executor, change).await.unwrap();
        Postgres::finish(lock, "SELECT 1").await;
        values(reads).await;
        let stats = stage.executor.stats();
        assert_eq!((stats.joined, stats.fills), (0, 0), "{change}: {stats}");
        assert!(stats.not_stored[&Reason::Session] >= 1);
    }
}

async fn fill_big(stage: &Stage<Postgres>) {
    stage.home.run("CREATE TABLE big (id int8 PRIMARY KEY, filler text)").await;
    stage.home.run("INSERT INTO big SELECT n, repeat('x', 100) FROM generate_series(1, 20000) AS s(n)").await;
}

async fn count_rows(executor: CachingExecutor<Postgres>) -> Result<i64, sqlx::Error> {
    sqlx::query(BIG).fetch(&executor).try_fold(0, async |count, _| Ok(count + 1)).await
}

fn counts(stage: &Stage<Postgres>, count: usize) -> Vec<BoxFuture<'static, Result<i64, sqlx::Error>>> {
    (0..count).map(|_| -> BoxFuture<'static, _> { Box::pin(count_rows(stage.executor.clone())) }).collect()
}

/// One takes a row and then his time. Nobody waits for him, and his own rows come all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_holds_nobody_up() {
    let stage = stage().await;
    fill_big(&stage).await;
    let executor = stage.home.executor(stage.gates.clone()).await;
    let stage = Stage { executor, ..stage };
    let mut slow = sqlx::query(BIG).fetch(&stage.executor);
    assert!(slow.try_next().await.unwrap().is_some());
    let reads = stage.start(counts(&stage, 4)).await;
    assert_eq!(values(reads).await, [ROWS; 4]);
    let stats = stage.executor.stats();
    assert_eq!((stats.misses, stats.fills, stats.joined + stats.hits), (1, 1, 4), "{stats}");
    assert_eq!(slow.try_fold(1, async |count, _| Ok(count + 1)).await.unwrap(), ROWS);
}

/// The same where the answer is too large: from there on the database keeps the slow one's pace. The others find out at once, each reads for himself, and
/// until an answer was kept again nobody waits for anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_can_not_be_kept() {
    let stage = stage().await;
    fill_big(&stage).await;
    let executor = stage.home.build(|builder| builder.store(stage.gates.clone()).max_entry_bytes(64 << 10)).await;
    let stage = Stage { executor, ..stage };
    let lock = Postgres::locked(&stage.home, LOCK_BIG).await;
    let db = stage.executor.clone();
    let slow = tokio::spawn(async move {
        let mut rows = sqlx::query(BIG).fetch(&db);
        let row = rows.try_next().await;
        assert!(row.unwrap().is_some());
        std::future::pending::<()>().await;
    });
    blocked(&stage.home).await;
    let reads = stage.start(counts(&stage, 4)).await;
    assert_eq!(waiting(&stage).await, 1);
    Postgres::finish(lock, "SELECT 1").await;
    assert_eq!(values(reads).await, [ROWS; 4]);
    let stats = stage.executor.stats();
    assert_eq!((stats.misses, stats.joined, stats.fills), (5, 0, 0), "{stats}");
    // Its half-read answer would stand in the lock's way.
    slow.abort();

    let lock = Postgres::locked(&stage.home, LOCK_BIG).await;
    let reads = stage.start(counts(&stage, 4)).await;
    eventually("each reads for himself", async || waiting(&stage).await == 4).await;
    Postgres::finish(lock, "SELECT 1").await;
    assert_eq!(values(reads).await, [ROWS; 4]);

    Postgres::run(&stage.executor, "DELETE FROM big WHERE id > 3").await.unwrap();
    assert_eq!(count_rows(stage.executor.clone()).await.unwrap(), 3);
    Postgres::run(&stage.executor, "DELETE FROM big WHERE id > 2").await.unwrap();
    let lock = Postgres::locked(&stage.home, LOCK_BIG).await;
    let reads = stage.start(counts(&stage, 4)).await;
    blocked(&stage.home).await;
    assert_eq!(waiting(&stage).await, 1, "one was kept");
    Postgres::finish(lock, "SELECT 1").await;
    assert_eq!(values(reads).await, [2; 4]);
}

/// Readers of three answers, of which most are dropped at some moment, and a writer. None of the others is stuck, none is stale.
async fn many_tasks_that_give_up_at_random<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let executors = [home.executor(cache.store()).await, home.executor(cache.store()).await];
    let mut random = StdRng::seed_from_u64(11);
    let since = Instant::now();
    let mut kept = Vec::new();
    let mut given_up = 0;
    while since.elapsed() < Duration::from_millis(2500) {
        let mut reads = Vec::new();
        for _ in 0..random.random_range(1..12) {
            let executor = &executors[random.random_range(0..2)];
            let sql = format!("SELECT v FROM counters WHERE id = {}", [1, 2, 101][random.random_range(0..3)]);
            let read = if random.random() { DB::number(executor, &sql) } else { super::flights::streamed(executor, &sql) };
            reads.push(tokio::spawn(async move { drop(read.await) }));
        }
        if random.random_range(0..4) == 0 {
            DB::run(&executors[random.random_range(0..2)], super::kit::WRITE).await.unwrap();
            home.check(&executors[random.random_range(0..2)], READ).await;
        }
        tokio::time::sleep(Duration::from_micros(random.random_range(0..1500))).await;
        for read in reads {
            if random.random_range(0..3) > 0 {
                given_up += usize::from(!read.is_finished());
                read.abort();
            } else {
                kept.push(read);
            }
        }
    }
    let count = kept.len();
    for read in kept {
        tokio::time::timeout(Duration::from_secs(20), read).await.expect("nobody is stuck").unwrap();
    }
    for executor in &executors {
        home.check(executor, READ).await;
        home.resumes(executor, READ).await;
    }
    let joined: u64 = executors.iter().map(|executor| executor.stats().joined).sum();
    println!("{}: {count} reads went on, {given_up} were given up, {joined} joined", DB::NAME);
    assert!(given_up > 50 && joined > 0);
}

/// Redis dies while others wait for a lease, and hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_dies_under_a_flight() {
    let mut cache = Cache::redis();
    let (one, two) = (Stage::<Sqlite>::new(&cache).await, cache.store());
    let two = one.home.executor(two).await;
    let held = one.hold().await;
    let reads = one.start((0..5).map(|_| Sqlite::number(&one.executor, READ)).collect()).await;
    let across: Vec<_> = (0..5).map(|_| tokio::spawn(Sqlite::number(&two, READ))).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(two.stats().misses, 0, "it waits for the other process");
    cache.redis.as_mut().unwrap().kill();
    assert_eq!(values(across).await, [0; 5], "the database answers");
    assert_eq!(two.stats().misses, 1);
    drop(held);
    assert_eq!(values(reads).await, [0; 5]);
    cache.redis.as_mut().unwrap().restart();
    one.home.resumes(&one.executor, READ).await;
}
