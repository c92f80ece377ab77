//! What these tests share: databases under one interface, stores with gates in them, and the two questions asked after every fault.

use crate::support::{Redis, Scratch, TestDatabase, mariadb, postgres};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Connection, Database, Error, MySql, Pool, Postgres, Sqlite};
use sqlx_cached::store::Keyspace;
use sqlx_cached::store::{
    CacheStore, Creation, FenceId, Label, Lookup, MemoryStore, RedisAddress, RedisConfig, RedisStore, Sight, StoreError,
};
use sqlx_cached::store::{Lease, LeaseFate, ValueStore, Whereabouts, Wish};
use sqlx_cached::store::{ServerIdentity, Tag};
use sqlx_cached::{Admission, Backend, Builder, CachingExecutor, CachingTransaction};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A lease that tests can wait for.
pub const LEASE: Duration = Duration::from_millis(600);

/// How long caching may take to resume, on a machine that does other things besides.
const PATIENCE: Duration = Duration::from_secs(20);

/// The read that the tests ask again and again; its value only ever grows.
pub const READ: &str = "SELECT v FROM counters WHERE id = 1";

/// The write that makes it grow.
pub const WRITE: &str = "UPDATE counters SET v = v + 1 WHERE id = 1";

/// A database under test. Its methods own what they need, so that a test can spawn and drop them.
pub trait Server: Backend {
    /// A database of the test's own, with the table `counters`.
    fn home() -> BoxFuture<'static, Home<Self>>;

    fn pool(options: Options<Self>) -> BoxFuture<'static, Pool<Self>>;

    fn number(executor: &CachingExecutor<Self>, sql: &str) -> BoxFuture<'static, Result<i64, Error>>;
    /// Takes the row, then awaits `between`, and only then looks for the end of the rows.
    fn number_slowly(
        executor: &CachingExecutor<Self>,
        sql: &str,
        between: BoxFuture<'static, ()>,
    ) -> BoxFuture<'static, Result<i64, Error>>;
    /// Takes the first row and drops the rest.
    fn first(executor: &CachingExecutor<Self>, sql: &str) -> BoxFuture<'static, Result<Option<i64>, Error>>;
    fn run(executor: &CachingExecutor<Self>, sql: &str) -> BoxFuture<'static, Result<(), Error>>;
    /// The same unprepared: all in one message, so that the server can go on with it alone.
    fn run_raw(executor: &CachingExecutor<Self>, sql: &str) -> BoxFuture<'static, Result<(), Error>>;
    fn number_in<'a>(transaction: &'a mut CachingTransaction<'_, Self>, sql: &str) -> BoxFuture<'a, Result<i64, Error>>;
    fn run_in<'a>(transaction: &'a mut CachingTransaction<'_, Self>, sql: &str) -> BoxFuture<'a, Result<(), Error>>;
    fn direct(pool: &Pool<Self>, sql: &str) -> BoxFuture<'static, Result<i64, Error>>;
    fn run_direct(pool: &Pool<Self>, sql: &str) -> BoxFuture<'static, Result<(), Error>>;
}

pub type Options<DB> = <<DB as sqlx::Database>::Connection as Connection>::Options;

macro_rules! server {
    ($Db:ty, $Pool:ty, $home:expr) => {
        impl Server for $Db {
            fn home() -> BoxFuture<'static, Home<Self>> {
                Box::pin(async {
                    let (database, scratch): (TestDatabase<$Db>, Option<Scratch>) = $home.await;
                    Home::in_database(database, scratch).await
                })
            }

            fn pool(options: Options<Self>) -> BoxFuture<'static, Pool<Self>> {
                Box::pin(async move { <$Pool>::new().max_connections(8).connect_with(options).await.expect("a pool") })
            }

            fn number(executor: &CachingExecutor<Self>, sql: &str) -> BoxFuture<'static, Result<i64, Error>> {
                let (executor, sql) = (executor.clone(), sql.to_owned());
                Box::pin(async move { sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&executor).await })
            }

            fn number_slowly(
                executor: &CachingExecutor<Self>,
                sql: &str,
                between: BoxFuture<'static, ()>,
            ) -> BoxFuture<'static, Result<i64, Error>> {
                let (executor, sql) = (executor.clone(), sql.to_owned());
                Box::pin(async move {
                    let mut rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch(&executor);
                    let row = rows.try_next().await?.expect("a row");
                    between.await;
                    assert_eq!(rows.try_next().await?, None);
                    Ok(row)
                })
            }

            fn first(executor: &CachingExecutor<Self>, sql: &str) -> BoxFuture<'static, Result<Option<i64>, Error>> {
                let (executor, sql) = (executor.clone(), sql.to_owned());
                Box::pin(async move { sqlx::query_scalar(AssertSqlSafe(sql)).fetch(&executor).try_next().await })
            }

            fn run(executor: &CachingExecutor<Self>, sql: &str) -> BoxFuture<'static, Result<(), Error>> {
                let (executor, sql) = (executor.clone(), sql.to_owned());
                Box::pin(async move { sqlx::query(AssertSqlSafe(sql)).execute(&executor).await.map(drop) })
            }

            fn run_raw(executor: &CachingExecutor<Self>, sql: &str) -> BoxFuture<'static, Result<(), Error>> {
                let (executor, sql) = (executor.clone(), sql.to_owned());
                Box::pin(async move { sqlx::raw_sql(AssertSqlSafe(sql)).execute(&executor).await.map(drop) })
            }

            fn number_in<'a>(transaction: &'a mut CachingTransaction<'_, Self>, sql: &str) -> BoxFuture<'a, Result<i64, Error>> {
                Box::pin(sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut **transaction))
            }

            fn run_in<'a>(transaction: &'a mut CachingTransaction<'_, Self>, sql: &str) -> BoxFuture<'a, Result<(), Error>> {
                let sql = sql.to_owned();
                Box::pin(async move { sqlx::query(AssertSqlSafe(sql)).execute(&mut **transaction).await.map(drop) })
            }

            fn direct(pool: &Pool<Self>, sql: &str) -> BoxFuture<'static, Result<i64, Error>> {
                let (pool, sql) = (pool.clone(), sql.to_owned());
                Box::pin(async move { sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&pool).await })
            }

            fn run_direct(pool: &Pool<Self>, sql: &str) -> BoxFuture<'static, Result<(), Error>> {
                let (pool, sql) = (pool.clone(), sql.to_owned());
                Box::pin(async move { sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await.map(drop) })
            }
        }
    };
}

server!(Postgres, PgPoolOptions, async { (postgres().await.database().await, None) });
server!(MySql, MySqlPoolOptions, async { (mariadb().await.database().await, None) });
server!(Sqlite, SqlitePoolOptions, async {
    let scratch = Scratch::new();
    (sqlite_file(&scratch, "database").await, Some(scratch))
});

/// A database file in the mode that lets readers and a writer work side by side.
pub async fn sqlite_file(scratch: &Scratch, name: &str) -> TestDatabase<Sqlite> {
    let path = scratch.join(name);
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Off)
        .busy_timeout(Duration::from_secs(20));
    let pool = Sqlite::pool(options.clone()).await;
    TestDatabase { name: name.to_owned(), url: format!("sqlite://{}", path.display()), options, pool }
}

/// A database of a test's own.
pub struct Home<DB: Server> {
    pub database: TestDatabase<DB>,
    /// A pool that knows nothing of a cache.
    pub plain: Pool<DB>,
    _scratch: Option<Scratch>,
}

impl<DB: Server> Home<DB> {
    pub async fn in_database(database: TestDatabase<DB>, scratch: Option<Scratch>) -> Self {
        let home = Self { plain: database.pool.clone(), database, _scratch: scratch };
        home.run("CREATE TABLE counters (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await;
        home.run("CREATE TABLE others (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await;
        home.run("INSERT INTO counters VALUES (1, 0), (2, 0), (101, 0), (102, 0)").await;
        home.run("INSERT INTO others VALUES (1, 0), (2, 0)").await;
        home
    }

    /// One more pool of the same database.
    pub async fn pool(&self) -> Pool<DB> {
        DB::pool(self.database.options.clone()).await
    }

    /// An executor on a pool of its own, as another process would have.
    pub async fn executor(&self, store: Arc<dyn CacheStore>) -> CachingExecutor<DB> {
        self.build(|builder| builder.store(store).fence_lease(LEASE)).await
    }

    pub async fn build(&self, configure: impl FnOnce(Builder<DB>) -> Builder<DB>) -> CachingExecutor<DB> {
        // What is cached in these tests is to be seen to be, however fast its reads are.
        let mut builder = CachingExecutor::builder(self.pool().await).admission(Admission::Always);
        if DB::NAME == MySql::NAME {
            // Its server counts what other tests do to their schemas, too.
            builder = builder.schema_refresh(Duration::ZERO);
        }
        configure(builder).build().await.expect("an executor")
    }

    pub async fn direct(&self, sql: &str) -> i64 {
        DB::direct(&self.plain, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub async fn run(&self, sql: &str) {
        DB::run_direct(&self.plain, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Asks for a value that only grows, which must lie between what the database says before and after.
    pub async fn check(&self, executor: &CachingExecutor<DB>, sql: &str) -> i64 {
        let before = self.direct(sql).await;
        let value = DB::number(executor, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let after = self.direct(sql).await;
        assert!(before <= value && value <= after, "{}: {sql} said {value}, the database {before} before and {after} after", DB::NAME);
        value
    }

    /// Checks again and again until the read is answered from the store; returns how long that took.
    pub async fn resumes(&self, executor: &CachingExecutor<DB>, sql: &str) -> Duration {
        let since = Instant::now();
        let hits = executor.stats().hits;
        while executor.stats().hits == hits {
            self.check(executor, sql).await;
            assert!(since.elapsed() < PATIENCE, "{}: {sql} is not cached again: {}", DB::NAME, executor.stats());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        since.elapsed()
    }

    /// Checks all the time, on every executor, for as long as it takes `until` to happen.
    pub async fn check_until<T>(&self, executors: &[&CachingExecutor<DB>], until: impl Future<Output = T>) -> T {
        let mut until = std::pin::pin!(until);
        loop {
            for executor in executors {
                self.check(executor, READ).await;
            }
            if let Ok(value) = tokio::time::timeout(Duration::from_millis(5), &mut until).await {
                return value;
            }
        }
    }

    /// Waits until a direct read gives at least this.
    pub async fn reaches(&self, sql: &str, value: i64) {
        let since = Instant::now();
        while self.direct(sql).await < value {
            assert!(since.elapsed() < PATIENCE, "{}: {sql} does not reach {value}", DB::NAME);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Waits for something that is about to be true.
pub async fn eventually(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !so().await {
        assert!(since.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A place to keep entries that several executors share, as processes share a Redis.
pub struct Cache {
    pub redis: Option<Redis>,
    store: Arc<dyn CacheStore>,
}

impl Cache {
    pub fn memory() -> Self {
        Self { redis: None, store: Arc::new(MemoryStore::new(Keyspace::new("sql"), 64 << 20)) }
    }

    pub fn redis() -> Self {
        let redis = Redis::start();
        Self { store: redis_store(&redis), redis: Some(redis) }
    }

    /// The store, for one more executor: with Redis on a connection of its own.
    pub fn store(&self) -> Arc<dyn CacheStore> {
        self.redis.as_ref().map_or_else(|| Arc::clone(&self.store), redis_store)
    }

    pub fn server(&self) -> &Redis {
        self.redis.as_ref().expect("a Redis")
    }
}

/// A store with a deadline that a busy machine keeps.
pub fn redis_store(redis: &Redis) -> Arc<dyn CacheStore> {
    redis_store_at(&redis.socket())
}

pub fn redis_store_at(socket: &Path) -> Arc<dyn CacheStore> {
    let mut config = RedisConfig::new(RedisAddress::Socket(socket.to_owned()));
    // These tests tell what is promised without it.
    config.near = false;
    config.timeout = Duration::from_secs(5);
    Arc::new(RedisStore::new(&config, Keyspace::new("sql")).expect("a socket's path"))
}

/// A step of the protocol at which a test can make a store wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// The answer of a look-up is there, and its asker has not got it yet.
    LookedUp,
    BeforeCreate,
    Created,
    BeforeFill,
    BeforeBegin,
    /// The fence stands, and the database has not been written.
    Begun,
    BeforeEnd,
    Ended,
    BeforeInvalidate,
}

/// Tells the test that somebody came, and waits for the test's word.
type Gate = (oneshot::Sender<()>, oneshot::Receiver<()>);

/// A store that waits where a test wants it to.
#[derive(Debug)]
pub struct Gates {
    inner: Arc<dyn CacheStore>,
    held: Mutex<HashMap<Point, Gate>>,
    looked_up: AtomicUsize,
}

/// One gate that will be closed once.
pub struct Held {
    reached: oneshot::Receiver<()>,
    release: oneshot::Sender<()>,
}

impl Held {
    /// Waits until somebody stands at the gate.
    pub async fn reached(&mut self) {
        tokio::time::timeout(PATIENCE, &mut self.reached).await.expect("somebody at the gate").expect("the gate");
    }

    pub fn release(self) {
        let _ = self.release.send(());
    }
}

impl Gates {
    pub fn over(inner: Arc<dyn CacheStore>) -> Arc<Self> {
        Arc::new(Self { inner, held: Mutex::default(), looked_up: AtomicUsize::new(0) })
    }

    /// Whoever comes to this point next waits there.
    pub fn hold(&self, point: Point) -> Held {
        let (reached, reached_by) = oneshot::channel();
        let (release, released) = oneshot::channel();
        self.held.lock().expect("the gates").insert(point, (reached, released));
        Held { reached: reached_by, release }
    }

    /// How many look-ups were answered so far.
    pub fn looked_up(&self) -> usize {
        self.looked_up.load(SeqCst)
    }

    async fn pass(&self, point: Point) {
        let held = self.held.lock().expect("the gates").remove(&point);
        if let Some((reached, released)) = held {
            let _ = reached.send(());
            let _ = released.await;
        }
    }
}

#[async_trait]
impl CacheStore for Gates {
    async fn look_up(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        let found = self.inner.look_up(key, tags).await;
        self.pass(Point::LookedUp).await;
        self.looked_up.fetch_add(1, SeqCst);
        found
    }

    async fn create(&self, tags: &[Tag]) -> Result<Vec<Creation>, StoreError> {
        self.pass(Point::BeforeCreate).await;
        let created = self.inner.create(tags).await;
        self.pass(Point::Created).await;
        created
    }

    async fn fill(&self, key: &str, tags: &[Tag], entry: Bytes, ttl: Duration) -> Result<(), StoreError> {
        self.pass(Point::BeforeFill).await;
        self.inner.fill(key, tags, entry, ttl).await
    }

    async fn lease(&self, key: &str, wish: &Wish, time: Duration) -> Result<Lease, StoreError> {
        self.inner.lease(key, wish, time).await
    }

    async fn settle_lease(&self, key: &str, wish: &Wish, fate: LeaseFate) -> Result<(), StoreError> {
        self.inner.settle_lease(key, wish, fate).await
    }

    async fn discard(&self, key: &str) -> Result<(), StoreError> {
        self.inner.discard(key).await
    }

    async fn begin(&self, tags: &[Tag], id: &FenceId, lease: Duration) -> Result<(), StoreError> {
        self.pass(Point::BeforeBegin).await;
        let begun = self.inner.begin(tags, id, lease).await;
        self.pass(Point::Begun).await;
        begun
    }

    async fn end(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError> {
        self.pass(Point::BeforeEnd).await;
        let ended = self.inner.end(tags, id).await;
        self.pass(Point::Ended).await;
        ended
    }

    async fn clear_lapsed(&self, tag: &Tag, ids: &[FenceId]) -> Result<(), StoreError> {
        self.inner.clear_lapsed(tag, ids).await
    }

    async fn invalidate(&self, tags: &[Tag]) -> Result<(), StoreError> {
        self.pass(Point::BeforeInvalidate).await;
        self.inner.invalidate(tags).await
    }

    async fn reclaim(&self, tag: &Tag) -> Result<u64, StoreError> {
        self.inner.reclaim(tag).await
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, StoreError> {
        self.inner.delete_matching(pattern).await
    }

    async fn ping(&self) -> Result<ServerIdentity, StoreError> {
        self.inner.ping().await
    }

    fn whereabouts(&self) -> Whereabouts {
        self.inner.whereabouts()
    }

    /// Never: every read is to come by the gates.
    fn sight(&self, _: &[Tag]) -> Option<Sight> {
        None
    }

    fn forget_near(&self, tags: &[Tag]) {
        self.inner.forget_near(tags);
    }

    fn keyspace(&self) -> &Keyspace {
        self.inner.keyspace()
    }

    fn mirrored(&self) -> Option<usize> {
        self.inner.mirrored()
    }

    fn plain(&self) -> &dyn ValueStore {
        self.inner.plain()
    }
}

/// A test for each database and store: `each!(name, body, [postgres mysql sqlite], [memory redis])`.
macro_rules! each {
    ($($body:ident: $($db:ident)+;)*) => {$(
        mod $body {
            $(
                #[allow(non_snake_case, reason = "named after the database's type")]
                mod $db {
                    use crate::faults::kit::Cache;

                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn memory() {
                        super::super::$body::<sqlx::$db>(Cache::memory()).await;
                    }

                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn redis() {
                        super::super::$body::<sqlx::$db>(Cache::redis()).await;
                    }
                }
            )+
        }
    )*};
}

/// A test for each database, on Redis.
macro_rules! each_on_redis {
    ($($body:ident: $($db:ident)+;)*) => {$(
        mod $body {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[allow(non_snake_case, reason = "named after the database's type")]
                async fn $db() {
                    super::$body::<sqlx::$db>(crate::faults::kit::Cache::redis()).await;
                }
            )+
        }
    )*};
}

pub(crate) use {each, each_on_redis};
