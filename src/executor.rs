//! [`CachingExecutor`]: what stands where the pool was.

mod admission;
mod bench;
#[cfg(feature = "postgres")]
mod copy;
mod decoded;
mod depends;
mod execute;
mod external;
mod filling;
mod lead;
mod lent;
mod memory;
#[cfg(feature = "postgres")]
mod notifications;
mod probing;
mod read;
mod reading;
mod recall;
mod refresh;
mod schema;
mod shelf;
mod warming;
mod write;

#[cfg(feature = "postgres")]
pub use copy::CachingCopyIn;
pub use decoded::{Probe, SharedQuery};
pub(crate) use lent::Unanswered;
pub(crate) use probing::Prober;
pub(crate) use refresh::{Alive, Edition};
pub(crate) use schema::{Loading, Plan, Schema};
pub use shelf::NearUse;
pub(crate) use shelf::Shelf;
pub(crate) use warming::{Anchor, Warm};
pub(crate) use write::{Write, outcome_is_known};

use crate::builder::Builder;
use crate::database::{Backend, Running};
use crate::engine::{Engine, Witness};
use crate::error::Error;
use crate::explain::Explanation;
use crate::health::Health;
use crate::insight::{Sample, SlowMiss};
use crate::kv::{self, Cache};
use crate::policy::Policy;
use crate::stats::{Counters, Stats};
use crate::tag::Tag;
use crate::transaction::CachingTransaction;
use crate::warm::WarmUp;
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use sha2::Sha256;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Pool, SqlSafeStr, SqlStr, Transaction};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// How long closing waits for the delivery of what is kept.
const DELIVERY: Duration = Duration::from_secs(2);

/// A sqlx pool that remembers: reads may be answered from memory or Redis, writes forget exactly what they changed.
///
/// `&CachingExecutor<DB>` is a [`sqlx::Executor`] and gives the driver's own rows, so `query`, `query_as`, `QueryBuilder`, `query!` and the rest work as
/// with the pool. Clones are cheap, share everything, and may differ in how they read: [`ttl`](Self::ttl), [`uncached`](Self::uncached),
/// [`refresh`](Self::refresh), [`scope`](Self::scope), [`stale_while_revalidate`](Self::stale_while_revalidate).
///
/// # Cancel safety
///
/// A read that is dropped, as a future or as a stream that is not read to its end, is given up, unless others wait for the same answer. A write that was begun goes on to its end on a task of its
/// own, and what it wrote is invalidated as if somebody had waited for it. On MySQL and MariaDB the connection of a read that is dropped before the server has begun to
/// answer is closed: sqlx's driver can't tell that answer from the next one's.
pub struct CachingExecutor<DB: Backend> {
    pub(crate) shared: Arc<Shared<DB>>,
    options: ReadOptions,
}

/// How one clone reads.
#[derive(Clone, Debug, Default)]
struct ReadOptions {
    ttl: Option<Duration>,
    uncached: bool,
    refresh: bool,
    scope: Option<Arc<str>>,
    stale: Option<Duration>,
    /// Where to say what became of the answer.
    report: Option<Arc<warming::Report>>,
}

/// What the clones of an executor share.
pub(crate) struct Shared<DB: Backend> {
    pub(crate) pool: Pool<DB>,
    /// `None`: a plain pool.
    pub(crate) engine: Option<Arc<Engine>>,
    pub(crate) codec: DB::Codec,
    /// `None`: no answer is kept but in the store.
    pub(crate) shelf: Option<Shelf<DB>>,
    pub(crate) counters: Arc<Counters>,
    /// What the caches of plain values share.
    pub(crate) values: Arc<kv::State>,
    pub(crate) policy: Policy,
    /// Replaces the database's own identity, where one is configured.
    pub(crate) database_id: Option<String>,
    /// Whether effects are followed; see [`Builder::closure`].
    pub(crate) closure: bool,
    /// The state of the hash after the parts that are the same for every read. Set once the database has been asked who it is.
    pub(crate) prefix: OnceLock<Sha256>,
    pub(crate) schema: ArcSwap<Schema>,
    pub(crate) loading: Loading,
    /// Temporary tables that were created through the pool.
    pub(crate) shadowed: Mutex<BTreeSet<String>>,
    /// Whether the session was changed through the pool: what a read answers then depends on the connection.
    pub(crate) session_changed: AtomicBool,
    /// Whether the row cache gave back what was put in, at start.
    pub(crate) replays: AtomicBool,
    /// How often the database is asked whether somebody changed the schema; zero for never.
    pub(crate) refresh: Duration,
    /// Chooses the hits that are compared with the database.
    pub(crate) prober: Arc<Prober>,
    /// Gone with the executor: what its background tasks wait for.
    pub(crate) alive: Alive,
}

impl<DB: Backend> CachingExecutor<DB> {
    /// An executor in front of `pool`, configured by the environment (and a `.env` file). Asks the database who it is and reads its catalog; where it
    /// can't be reached yet, the executor passes everything on and tries again.
    ///
    /// # Errors
    ///
    /// A variable whose value can't be used; the message names both.
    pub async fn from_env(pool: Pool<DB>) -> Result<Self, Error> {
        Builder::from_env(pool)?.build().await
    }

    /// An executor to be configured by hand; the environment is not read.
    pub fn builder(pool: Pool<DB>) -> Builder<DB> {
        Builder::new(pool)
    }

    pub(crate) fn new(shared: Arc<Shared<DB>>) -> Self {
        Self { shared, options: ReadOptions::default() }
    }

    fn with(&self, change: impl FnOnce(&mut ReadOptions)) -> Self {
        let mut options = self.options.clone();
        change(&mut options);
        Self { shared: Arc::clone(&self.shared), options }
    }

    /// A clone whose answers are at most `ttl` old, and kept so long; overrides every other setting.
    #[must_use = "a clone is returned"]
    pub fn ttl(&self, ttl: Duration) -> Self {
        self.with(|options| options.ttl = Some(ttl))
    }

    /// A clone that reads from the database and stores nothing. Its writes are followed all the same.
    #[must_use = "a clone is returned"]
    pub fn uncached(&self) -> Self {
        self.with(|options| options.uncached = true)
    }

    /// A clone that reads from the database and stores the answer. It waits for no other read, however equal.
    #[must_use = "a clone is returned"]
    pub fn refresh(&self) -> Self {
        self.with(|options| options.refresh = true)
    }

    /// A clone that also takes answers that are too old by up to `stale`, each of which one read in the background replaces; overrides every other setting. Only
    /// for age: what a write has changed is never served.
    #[must_use = "a clone is returned"]
    pub fn stale_while_revalidate(&self, stale: Duration) -> Self {
        self.with(|options| options.stale = Some(stale))
    }

    /// A clone whose entries are its own: answers stored under one scope are never given under another, or under none. The same goes for the values of its [`cache`](Self::cache), those of functions and
    /// repositories among them; they are deleted within it, while tables end values of all scopes.
    #[must_use = "a clone is returned"]
    pub fn scope(&self, scope: &str) -> Self {
        self.with(|options| options.scope = Some(scope.into()))
    }

    /// Begins a warm-up: queries whose answers are to be there before anybody asks for them. They are read as this clone reads.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # async fn example(db: &sqlx_cached::CachingExecutor<sqlx::Sqlite>) {
    /// let warmed = db
    ///     .warm()
    ///     .query(sqlx::query("SELECT id, name FROM products WHERE featured"))
    ///     .queries((1..100).map(|page| sqlx::query("SELECT * FROM products ORDER BY id LIMIT 20 OFFSET ?").bind(page * 20)))
    ///     .query_one(sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM products"))
    ///     .on_progress(|progress| println!("{} of {}", progress.done, progress.total))
    ///     .run()
    ///     .await;
    /// println!("{warmed}"); // 101 filled, ...
    /// # }
    /// ```
    pub fn warm(&self) -> WarmUp<DB> {
        WarmUp::new(self.clone())
    }

    /// Begins a transaction. What it reads comes from the database, what it writes is forgotten when it commits.
    ///
    /// # Errors
    ///
    /// The pool's.
    ///
    /// # Cancel safety
    ///
    /// As with the pool: a transaction that was begun is rolled back.
    pub async fn begin(&self) -> Result<CachingTransaction<'static, DB>, sqlx::Error> {
        self.begin_by(None).await
    }

    /// Begins a transaction by a statement of one's own, such as `BEGIN ISOLATION LEVEL SERIALIZABLE`.
    ///
    /// # Errors
    ///
    /// The pool's.
    ///
    /// # Cancel safety
    ///
    /// As [`begin`](Self::begin).
    pub async fn begin_with(&self, statement: impl SqlSafeStr) -> Result<CachingTransaction<'static, DB>, sqlx::Error> {
        self.begin_by(Some(statement.into_sql_str())).await
    }

    async fn begin_by(&self, statement: Option<SqlStr>) -> Result<CachingTransaction<'static, DB>, sqlx::Error> {
        let (executor, connection) = (self.clone(), self.shared.pool.acquire().await?);
        // On a task of its own: a BEGIN that is dropped half-way leaves the pool a connection that is inside a transaction, unknown to sqlx, where writes
        // then seem to be committed and are not.
        let beginning = tokio::spawn(async move {
            let span = match &executor.shared.engine {
                // A transaction was opened by hand through the pool, perhaps on this connection, and MySQL commits it now.
                Some(engine) if executor.shared.session_changed.load(SeqCst) => Some((engine, engine.begin([Tag::all()].into()).await?)),
                _ => None,
            };
            let begun = Transaction::begin(connection, statement).await;
            if let Some((engine, span)) = span
                && begun.as_ref().err().is_none_or(outcome_is_known)
            {
                let ended = span.end().await;
                executor.shared.acknowledge(engine, ended, Ok(()), None, true).await?;
            }
            Ok(CachingTransaction::new(executor.clone(), begun?))
        });
        beginning.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// The pool. What is written through it directly, the cache does not see.
    pub fn pool(&self) -> &Pool<DB> {
        &self.shared.pool
    }

    /// A connection of the pool. What is written through it, the cache does not see: use [`begin`](Self::begin), or invalidate by hand.
    ///
    /// # Errors
    ///
    /// The pool's.
    ///
    /// # Cancel safety
    ///
    /// As the pool's: nobody waits any more.
    pub async fn acquire(&self) -> Result<PoolConnection<DB>, sqlx::Error> {
        self.shared.pool.acquire().await
    }

    /// Closes the pool, as [`Pool::close`]; then waits up to two seconds for the delivery of invalidations that are kept, if the store is out of reach. What is not
    /// delivered by then is a warning in the log: other processes may be given what was overwritten until it expires. What was counted last goes to its [day](Self::days), for which it waits a second more at most.
    ///
    /// # Cancel safety
    ///
    /// As the pool's: it goes on closing.
    pub async fn close(&self) {
        self.shared.pool.close().await;
        if let Some(engine) = &self.shared.engine {
            engine.delivered_within(DELIVERY).await;
            if let Some(days) = self.shared.values.days() {
                days.last_pulse(engine.store()).await;
            }
        }
    }

    /// Whether the pool was closed.
    pub fn is_closed(&self) -> bool {
        self.shared.pool.is_closed()
    }

    /// The number of the pool's connections.
    pub fn size(&self) -> u32 {
        self.shared.pool.size()
    }

    /// The number of the pool's idle connections.
    pub fn num_idle(&self) -> usize {
        self.shared.pool.num_idle()
    }

    /// The pool's options.
    pub fn options(&self) -> &PoolOptions<DB> {
        self.shared.pool.options()
    }

    /// Runs migrations on the pool, forgets everything and reads the catalog anew; also where all of them had been run before. So a process that migrates at its start empties the cache of all: migrate where you deploy, not
    /// wherever you start. The same goes for `CREATE TABLE IF NOT EXISTS` at the start.
    ///
    /// # Errors
    ///
    /// The migrator's.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way it leaves the migrator where it was; nothing is cached until the database shows that it is over.
    pub async fn migrate(&self, migrator: &Migrator) -> Result<(), MigrateError> {
        let Some(engine) = &self.shared.engine else { return migrator.run(&self.shared.pool).await };
        if self.shared.prefix.get().is_none() {
            self.shared.load_later();
        }
        let span = engine.begin([Tag::all(), Tag::schema()].into()).await?;
        let migrated = match self.shared.lend().await {
            // What `run` does (a generic `Acquire` is not general enough here), on a connection that is closed where this is dropped half-way: it holds the migrator's lock.
            Ok(mut connection) => connection.closed_if_dropped(|connection| migrator.run_direct(None, connection, false).boxed()).await,
            Err(error) => Err(error.into()),
        };
        self.shared.reload().await;
        match &migrated {
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) if !outcome_is_known(error) => {
                let shared = Arc::clone(&self.shared);
                span.end_when_over(async move { shared.reload().await });
            }
            _ => {
                let ended = span.end().await;
                if migrated.is_ok() {
                    self.shared.acknowledge(engine, ended, Ok(()), None, true).await?;
                }
            }
        }
        migrated
    }

    /// Forgets every answer that depends on a table, named as a statement would name it, and on whatever a write to it may change: by triggers, cascades,
    /// partitions.
    ///
    /// # Errors
    ///
    /// The store's. The invalidation is then kept and delivered later; until then this process reads the table from the database.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it may or may not have been done.
    pub async fn invalidate_table(&self, table: &str) -> Result<(), Error> {
        let Some(engine) = &self.shared.engine else { return Ok(()) };
        let tags = self.shared.schema.load().reached_from(table);
        engine.invalidate(&tags).await.map_err(|error| Error::store("invalidate_table", error))
    }

    /// Deletes every key that matches a Redis glob pattern below the namespace, such as `sql:users:*`; returns how many there were. With a table's
    /// keys goes its generation, so that joins with it are invalid too. Takes a SCAN of the store.
    ///
    /// # Errors
    ///
    /// The store's; a pattern that does not begin with the namespace and a colon.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it has deleted some of the keys.
    pub async fn invalidate(&self, pattern: &str) -> Result<u64, Error> {
        let Some(engine) = &self.shared.engine else { return Ok(0) };
        engine.store().delete_matching(pattern).await.map_err(|error| Error::store("invalidate", error))
    }

    /// Forgets everything, and deletes every key of the namespace; returns how many there were.
    ///
    /// # Errors
    ///
    /// The store's. The invalidation is then kept and delivered later.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way it may have forgotten everything, or nothing yet; keys that are left are dead then, and go with their time.
    pub async fn clear(&self) -> Result<u64, Error> {
        let Some(engine) = &self.shared.engine else { return Ok(0) };
        engine.invalidate(&[Tag::all()]).await.map_err(|error| Error::store("clear", error))?;
        let pattern = engine.keyspace().pattern(&Tag::all());
        engine.store().delete_matching(&pattern).await.map_err(|error| Error::store("clear", error))
    }

    /// A cache of plain values on the same store, whose values may depend on this database's tables. All of an executor's are one, but that a clone's [`scope`](Self::scope) is
    /// [its cache's](Cache::scope), too. A clone's other options are about SQL reads.
    pub fn cache(&self) -> Cache {
        let tables = Arc::new(depends::Catalogued(Arc::clone(&self.shared)));
        let cache = Cache::new(self.shared.engine.clone(), Arc::clone(&self.shared.values), tables);
        match &self.options.scope {
            Some(scope) => cache.scope(scope),
            None => cache,
        }
    }

    /// What the cache makes of a statement: its tables, its key and TTL, or why it is not cached; what it invalidates.
    pub fn explain(&self, sql: &str) -> Explanation {
        Explanation::of(self, sql)
    }

    /// What the cache did so far.
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }

    /// What happened in the last hour, in steps of ten seconds, the oldest first.
    pub fn history(&self) -> Vec<Sample> {
        self.shared.counters.insight.history.snapshot()
    }

    /// The statements whose misses took longest since the executor was built, or since [`reset_stats`](Self::reset_stats): at most 20, the slowest first.
    pub fn slow_misses(&self) -> Vec<SlowMiss> {
        self.shared.counters.insight.slow.snapshot()
    }

    /// Sets every counter to zero. The history stays.
    pub fn reset_stats(&self) {
        self.shared.values.around_reset(|| self.shared.counters.reset());
    }

    /// How the database and the store are: asks both, and takes as long as the slower.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn health(&self) -> Health {
        Health::of(&self.shared).await
    }

    /// How many tables wait for the delivery of an invalidation, without asking anybody: for a test that looks all the time.
    #[doc(hidden)]
    pub fn distrusted(&self) -> usize {
        self.shared.engine.as_ref().map_or(0, |engine| engine.distrusted())
    }
}

impl<DB: Backend> Clone for CachingExecutor<DB> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), options: self.options.clone() }
    }
}

/// Without secrets: neither the database's options nor Redis' are shown.
impl<DB: Backend> fmt::Debug for CachingExecutor<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachingExecutor")
            .field("database", &DB::NAME)
            .field("cached", &self.shared.engine.is_some())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Asks the pool's database about running transactions.
pub(crate) struct PoolWitness<DB: Backend>(pub(crate) Pool<DB>);

impl<DB: Backend> fmt::Debug for PoolWitness<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolWitness")
    }
}

#[async_trait::async_trait]
impl<DB: Backend> Witness for PoolWitness<DB> {
    async fn running(&self) -> Option<Running> {
        let mut connection = self.0.acquire().await.ok()?;
        match DB::running(&mut connection).await {
            Ok(running) => Some(running),
            Err(error) => {
                tracing::warn!(%error, "the database can't be asked about running transactions");
                None
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
