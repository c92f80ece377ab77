//! Misses of one answer that meet: one read of the database, whoever of them is slow, gives up or must not have it.

use super::kit::{Cache, Gates, Home, Point, READ, Server, WRITE, each, eventually};
use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx_cached::CachingExecutor;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

const SECOND: &str = "SELECT v FROM counters WHERE id = 2";

each! {
    many_misses_are_one_read: Postgres MySql Sqlite;
    a_flight_of_other_labels_is_not_joined: Postgres MySql Sqlite;
    a_refresh_and_what_is_fenced_join_nobody: Postgres MySql Sqlite;
    readers_that_give_up: Postgres MySql Sqlite;
    a_read_inside_the_same_read: Postgres MySql Sqlite;
    a_pool_that_is_exhausted_or_closed: Postgres MySql Sqlite;
}

/// Reads all rows, the way of a stream.
pub fn streamed<DB: Server>(executor: &CachingExecutor<DB>, sql: &str) -> BoxFuture<'static, Result<i64, sqlx::Error>> {
    DB::number_slowly(executor, sql, Box::pin(async {}))
}

/// A stage: an executor whose look-ups can be counted, and whose reads wait for a connection as long as the stage is held.
pub struct Stage<DB: Server> {
    pub home: Home<DB>,
    pub gates: Arc<Gates>,
    pub executor: CachingExecutor<DB>,
}

impl<DB: Server> Stage<DB> {
    pub async fn new(cache: &Cache) -> Self {
        let home = DB::home().await;
        let gates = Gates::over(cache.store());
        let executor = home.executor(gates.clone()).await;
        Self { home, gates, executor }
    }

    /// Takes every connection of the pool.
    pub async fn hold(&self) -> Vec<PoolConnection<DB>> {
        let mut held = Vec::new();
        while held.len() < self.executor.options().get_max_connections() as usize {
            held.push(self.executor.acquire().await.unwrap());
        }
        held
    }

    /// Starts reads, and waits until their look-ups were answered and each has found its place.
    pub async fn start<T: Send + 'static>(&self, reads: Vec<BoxFuture<'static, T>>) -> Vec<JoinHandle<T>> {
        let (before, count) = (self.gates.looked_up(), reads.len());
        let reads = reads.into_iter().map(tokio::spawn).collect();
        eventually("the look-ups are answered", async || self.gates.looked_up() >= before + count).await;
        // From a look-up's answer to its flight nothing is awaited; a busy machine may stand between all the same.
        tokio::time::sleep(Duration::from_millis(30)).await;
        reads
    }
}

pub async fn values(reads: Vec<JoinHandle<Result<i64, sqlx::Error>>>) -> Vec<i64> {
    let mut values = Vec::new();
    for read in reads {
        let read = tokio::time::timeout(Duration::from_secs(20), read).await.expect("nobody is stuck");
        values.push(read.unwrap().unwrap());
    }
    values
}

async fn many_misses_are_one_read<DB: Server>(cache: Cache) {
    let stage = Stage::<DB>::new(&cache).await;
    for round in 1..=3 {
        let held = stage.hold().await;
        let reads = (0..60).map(|number| if number % 2 == 0 { DB::number(&stage.executor, READ) } else { streamed(&stage.executor, READ) });
        let reads = stage.start(reads.collect()).await;
        drop(held);
        assert_eq!(values(reads).await, [round - 1; 60]);
        let stats = stage.executor.stats();
        let round = u64::try_from(round).unwrap();
        // One row and all rows are two answers.
        assert_eq!((stats.misses, stats.joined, stats.fills), (2 * round, 58 * round, 2 * round), "{stats}");
        DB::run(&stage.executor, WRITE).await.unwrap();
    }
}

async fn a_flight_of_other_labels_is_not_joined<DB: Server>(cache: Cache) {
    let stage = Stage::<DB>::new(&cache).await;
    let writer = stage.home.executor(cache.store()).await;
    let held = stage.hold().await;
    let early = stage.start(vec![DB::number(&stage.executor, READ)]).await;
    DB::run(&writer, WRITE).await.unwrap();
    // Under the generation that the write left, or the next.
    let late = stage.start(vec![DB::number(&stage.executor, READ), DB::number(&stage.executor, READ)]).await;
    drop(held);
    assert_eq!(values(late).await, [1, 1], "the write was acknowledged before");
    values(early).await;
    let stats = stage.executor.stats();
    assert_eq!((stats.misses, stats.joined), (2, 1), "{stats}");
    stage.home.check(&stage.executor, READ).await;
}

async fn a_refresh_and_what_is_fenced_join_nobody<DB: Server>(cache: Cache) {
    let stage = Stage::<DB>::new(&cache).await;
    let (executor, refreshing) = (&stage.executor, stage.executor.refresh());
    let held = stage.hold().await;
    let mut reads = stage.start(vec![DB::number(executor, READ)]).await;
    reads.extend(stage.start(vec![DB::number(&refreshing, READ), DB::number(&refreshing, READ)]).await);
    drop(held);
    assert_eq!(values(reads).await, [0; 3]);
    let stats = executor.stats();
    assert_eq!((stats.misses, stats.joined), (3, 0), "{stats}");

    let gates = Gates::over(cache.store());
    let writer = stage.home.executor(gates.clone()).await;
    let held = stage.hold().await;
    let mut reads = stage.start(vec![DB::number(executor, SECOND)]).await;
    let mut fence = gates.hold(Point::BeforeEnd);
    let write = tokio::spawn(DB::run(&writer, "UPDATE counters SET v = v + 1 WHERE id = 2"));
    fence.reached().await;
    reads.extend(stage.start(vec![DB::number(executor, SECOND), DB::number(executor, SECOND)]).await);
    drop(held);
    assert_eq!(values(reads).await[1..], [1, 1], "they may show what is committed, and store nothing");
    let stats = executor.stats();
    assert_eq!((stats.misses, stats.joined), (6, 0), "{stats}");
    fence.release();
    write.await.unwrap().unwrap();
}

async fn readers_that_give_up<DB: Server>(cache: Cache) {
    let stage = Stage::<DB>::new(&cache).await;
    let executor = &stage.executor;
    // The leader's caller goes, and the others get what it asked for.
    let held = stage.hold().await;
    let leader = stage.start(vec![DB::number(executor, READ)]).await;
    let followers = stage.start((0..5).map(|_| DB::number(executor, READ)).collect()).await;
    leader[0].abort();
    tokio::time::sleep(Duration::from_millis(30)).await;
    drop(held);
    assert_eq!(values(followers).await, [0; 5]);
    // They need not wait for that.
    eventually("it is stored", async || executor.stats().fills == 1).await;
    let stats = executor.stats();
    assert_eq!((stats.misses, stats.joined), (1, 5), "{stats}");

    // With the last of them the read is given up: nothing comes of it when there are connections again.
    let held = stage.hold().await;
    let reads = stage.start((0..5).map(|_| DB::number(executor, SECOND)).collect()).await;
    for read in reads {
        read.abort();
        assert!(read.await.unwrap_err().is_cancelled());
    }
    tokio::time::sleep(Duration::from_millis(30)).await;
    drop(held);
    // Behind it in the pool's queue, if it is there.
    drop(stage.hold().await);
    assert_eq!(executor.stats().fills, 1);
    let reads = stage.start((0..5).map(|_| DB::number(executor, SECOND)).collect()).await;
    assert_eq!(values(reads).await, [0; 5]);
    eventually("it is stored", async || executor.stats().fills == 2).await;
}

/// A program that asks the same again while it reads the answer: its own flight does not wait for it.
async fn a_read_inside_the_same_read<DB: Server>(cache: Cache) {
    let stage = Stage::<DB>::new(&cache).await;
    let inner = streamed(&stage.executor, READ);
    let between = Box::pin(async move { assert_eq!(inner.await.unwrap(), 0) });
    let outer = DB::number_slowly(&stage.executor, READ, between);
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), outer).await.expect("no deadlock").unwrap(), 0);
}

async fn a_pool_that_is_exhausted_or_closed<DB: Server>(cache: Cache) {
    const PATIENCE: Duration = Duration::from_millis(700);
    let home = DB::home().await;
    let pool = sqlx::pool::PoolOptions::<DB>::new().max_connections(1).acquire_timeout(PATIENCE);
    let pool = pool.connect_with(home.database.options.clone()).await.unwrap();
    let gates = Gates::over(cache.store());
    let executor = CachingExecutor::builder(pool).store(gates.clone()).schema_refresh(Duration::ZERO).build().await.unwrap();
    let stage = Stage { home, gates, executor };
    let held = stage.hold().await;
    let since = std::time::Instant::now();
    let reads = stage.start((0..10).map(|_| DB::number(&stage.executor, READ)).collect()).await;
    for read in reads {
        assert!(matches!(read.await.unwrap(), Err(sqlx::Error::PoolTimedOut)));
    }
    assert!(since.elapsed() >= PATIENCE && since.elapsed() < PATIENCE * 2 + Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(stage.executor.stats().joined, 0);

    let reads = stage.start((0..10).map(|_| DB::number(&stage.executor, READ)).collect()).await;
    let closing = tokio::spawn({
        let executor = stage.executor.clone();
        async move { executor.close().await }
    });
    for read in reads {
        assert!(matches!(read.await.unwrap(), Err(sqlx::Error::PoolClosed)));
    }
    drop(held);
    closing.await.unwrap();
}
