//! Putting an executor together.

mod redis;

pub(crate) use self::redis::open;

use crate::analysis::Category;
use crate::catalog::Catalog;
use crate::config::{self, Config};
use crate::database::Backend;
use crate::engine::{Engine, Rules, Without};
use crate::entry::Cipher;
use crate::error::Error;
use crate::executor::{Alive, CachingExecutor, Edition, Loading, PoolWitness, Prober, Schema, Shared, Shelf};
use crate::key::Keyspace;
use crate::kv;
use crate::policy::{Admission, Compression, Consistency, Invalidation, MemoryWatch, UnclearWrites, UnfencedWrites};
use crate::rows::RowCodec;
use crate::stats::Counters;
use crate::store::CacheStore;
use arc_swap::ArcSwap;
use sqlx::Pool;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

/// Sets up a [`CachingExecutor`]. Setters take anything; [`build`](Self::build) returns the error, and it names the setting.
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<DB: Backend> {
    pool: Pool<DB>,
    config: Config,
    store: Option<Arc<dyn CacheStore>>,
}

impl<DB: Backend> Builder<DB> {
    pub(crate) fn new(pool: Pool<DB>) -> Self {
        Self { pool, config: Config::default(), store: None }
    }

    /// Starts from the environment (and a `.env` file) instead of the defaults.
    ///
    /// # Errors
    ///
    /// A variable whose value can't be used.
    pub fn from_env(pool: Pool<DB>) -> Result<Self, Error> {
        Ok(Self { pool, config: Config::from_env()?, store: None })
    }

    fn set(mut self, set: impl FnOnce(&mut Config)) -> Self {
        set(&mut self.config);
        self
    }

    /// Whether anything is cached at all. Switched off, it is a plain pool, and tells other processes nothing of its writes: see
    /// [`uncached`](CachingExecutor::uncached) for one that does. Defaults to true.
    pub fn enabled(self, enabled: bool) -> Self {
        self.set(|config| config.enabled = enabled)
    }

    /// Bytes of answers that are kept within reach, in this process and in front of the store, which tells when they are no longer valid: the near cache. What is made of
    /// them in advance may take a quarter of that besides. Zero for none. Defaults to 64 MiB, and to no more than a quarter of the embedded store's bytes in front of that.
    pub fn near_bytes(self, bytes: u64) -> Self {
        self.set(|config| config.near = Some(bytes))
    }

    /// For how long, at most, this process may go on giving from the near cache what another process has overwritten. Usually that is the time which a push takes. Set
    /// it after the address. Defaults to 250 ms.
    pub fn near_staleness(self, bound: Duration) -> Self {
        self.set_redis(|redis| redis.near_staleness = bound)
    }

    /// The first segment of every key: letters, digits and `_ - . /`, and none that ends in `-fence`, `-near` or `-days`, where another namespace has its bookkeeping. Defaults to `sql`.
    pub fn namespace(self, namespace: &str) -> Self {
        self.set(|config| namespace.clone_into(&mut config.namespace))
    }

    /// How the keys of plain values begin: see [`CachingExecutor::cache`]. Defaults to `kv`.
    pub fn prefix(self, prefix: &str) -> Self {
        self.set(|config| prefix.clone_into(&mut config.prefix))
    }

    /// The most bytes that the key of a plain value may have, without its prefix. Defaults to 250.
    pub fn max_key_length(self, bytes: usize) -> Self {
        self.set(|config| config.max_key = bytes)
    }

    /// How long answers of a category are kept. Defaults to 300 s for data, 3600 s for schema, 7200 s for metadata and 60 s for a count.
    pub fn ttl(self, category: Category, ttl: Duration) -> Self {
        self.set(|config| {
            let slot = match category {
                Category::Data => &mut config.policy.data,
                Category::Schema => &mut config.policy.schema,
                Category::Metadata => &mut config.policy.metadata,
                Category::Count => &mut config.policy.count,
            };
            *slot = Some(ttl);
        })
    }

    /// How long answers of the categories without a time of their own are kept, and plain values.
    pub fn default_ttl(self, ttl: Duration) -> Self {
        self.set(|config| config.policy.default = Some(ttl))
    }

    /// How long answers that depend on this table are kept, whatever their category. With several such tables the shortest counts.
    pub fn table_ttl(self, table: &str, ttl: Duration) -> Self {
        self.set(|config| {
            config.policy.tables.insert(table.to_lowercase(), ttl);
        })
    }

    /// The largest part of a time to live, from 0 to 1, that is taken off at random. Defaults to 0.1.
    pub fn ttl_jitter(self, part: f64) -> Self {
        self.set(|config| config.policy.jitter = part)
    }

    /// How long answers of a category may still be served when they are too old, while one read in the background brings a new one. Only for age: never past a
    /// write. Answers are stored for so much longer. Defaults to none.
    pub fn stale_while_revalidate(self, category: Category, stale: Duration) -> Self {
        self.set(|config| {
            config.policy.stale.categories.insert(category, stale);
        })
    }

    /// The same for the categories without a time of their own.
    pub fn default_stale_while_revalidate(self, stale: Duration) -> Self {
        self.set(|config| config.policy.stale.default = stale)
    }

    /// How eagerly an answer that is in use is read anew in the background before it is too old, by chance and the more probably the dearer it was and the older
    /// it is (XFetch: Vattani, Chierichetti, Lowenstein, *Optimal Probabilistic Cache Stampede Prevention*, 2015). Above 1 earlier, below 1 later, 0 not at
    /// all. Defaults to 1.
    pub fn early_refresh(self, factor: f64) -> Self {
        self.set(|config| config.policy.early = factor)
    }

    /// The most bytes of rows that an entry may have, before compression. Defaults to 4 MiB.
    pub fn max_entry_bytes(self, bytes: usize) -> Self {
        self.set(|config| config.policy.max_entry = bytes)
    }

    /// From how many bytes of rows on they are compressed on their way to Redis, if that spares at least a tenth; `None` for never. They take half the room there, and less
    /// time on a network; over a Unix socket hits are a little slower. What stays in this process's memory is never compressed. Executors that share a Redis need not
    /// agree. Defaults to 1024, over a Unix socket to never.
    pub fn compression_threshold(self, bytes: Option<usize>) -> Self {
        self.set(|config| config.policy.compression = bytes.map_or(Compression::Never, Compression::From))
    }

    /// Tables of which nothing is kept: no answer that depends on one, by a view or otherwise, is looked up or stored, here or in Redis. As `table`, in whichever schema, or
    /// `schema.table`, without regard to case; adds to those that were named before. A name that the catalog does not know is a warning in the log. Defaults to none.
    pub fn deny_tables(self, tables: &[&str]) -> Self {
        self.set(|config| config.policy.deny.deny_tables(tables.iter().copied()))
    }

    /// Columns that are never kept, here or in Redis: as `column`, in whichever table, `table.column` or `schema.table.column`, without regard to case; adds to those that were named before.
    /// Of a table that has one, an answer is kept only if it is a lone count, or if the statement shows nothing but plain columns of tables (no view, derived table, common table
    /// expression, set operation or expression) and the database tells of each that it is another one. No answer is kept with a column that is called like one that
    /// was named without a table. A name that the catalog does not know is a warning in the log. Defaults to none.
    pub fn deny_columns(self, columns: &[&str]) -> Self {
        self.set(|config| config.policy.deny.deny_columns(columns.iter().copied()))
    }

    /// Encrypts entries on their way to Redis (XChaCha20-Poly1305), and takes none that are not: needs the crate's feature `encryption`. One key, or two: the first encrypts,
    /// both decrypt, so that a new key takes over in two steps, behind the old one in all processes and then in front of it. An entry that neither opens is a miss.
    /// What stays in this process's memory is not encrypted, nor is what a store of one's own keeps in it. Another number of keys is an error of [`build`](Self::build). Defaults to no encryption.
    pub fn encryption_keys(self, keys: &[[u8; 32]]) -> Self {
        self.set(|config| config.encryption = Some(Cipher::new(keys)))
    }

    /// Which statements are worth looking up. Defaults to [`Admission::Auto`].
    pub fn admission(self, admission: Admission) -> Self {
        self.set(|config| config.policy.admission = admission)
    }

    /// Bytes that the embedded store may hold. Defaults to 256 MiB.
    pub fn memory_bytes(self, bytes: u64) -> Self {
        self.set(|config| config.memory = bytes)
    }

    /// Watches how full Redis' memory is, and fills it more sparingly before it is full. Defaults to no: it is for a Redis that must not evict or that others share.
    pub fn memory_watch(self, watch: MemoryWatch) -> Self {
        self.set(|config| config.memory_watch = Some(watch))
    }

    /// How a write and the cache keep step. Defaults to [`Consistency::Fenced`].
    pub fn consistency(self, consistency: Consistency) -> Self {
        self.set(|config| config.consistency = consistency)
    }

    /// What becomes of dead entries. Defaults to [`Invalidation::Generation`].
    pub fn invalidation(self, invalidation: Invalidation) -> Self {
        self.set(|config| config.invalidation = invalidation)
    }

    /// Names the database in place of its own identity: processes that name it alike share entries, so two databases must never.
    pub fn database_id(self, id: &str) -> Self {
        self.set(|config| config.database_id = Some(id.to_owned()))
    }

    /// How long a write's fence stands without renewal; it is renewed every third of it. Defaults to 10 s.
    pub fn fence_lease(self, lease: Duration) -> Self {
        self.set(|config| config.lease = lease)
    }

    /// How long a fence that was not renewed stands where the session may not see the database's running transactions: at least the statement timeout.
    /// Defaults to one hour.
    pub fn fence_bound(self, bound: Duration) -> Self {
        self.set(|config| config.fence_bound = bound)
    }

    /// Whether effects are followed at all: triggers, cascades, views and the rest. Off it gives stale answers, for tests that show what they are for.
    #[doc(hidden)]
    pub fn closure(self, closure: bool) -> Self {
        self.set(|config| config.closure = closure)
    }

    /// Whether writes set fences. Off it gives stale answers, for a test that shows what they are for.
    #[doc(hidden)]
    pub fn fences(self, fences: bool) -> Self {
        self.set(|config| config.without = (!fences).then_some(Without::Fences))
    }

    /// Whether an entry's generations are compared with those that stand. Off it gives stale answers, for a test that shows what they are for.
    #[doc(hidden)]
    pub fn generation_check(self, check: bool) -> Self {
        self.set(|config| config.without = (!check).then_some(Without::GenerationCheck))
    }

    /// What to do about a write whose text does not tell what it changes. Defaults to [`UnclearWrites::Forget`].
    pub fn unclear_writes(self, unclear: UnclearWrites) -> Self {
        self.set(|config| config.policy.unclear = unclear)
    }

    /// What becomes of a write whose fence can't be set. Defaults to [`UnfencedWrites::Proceed`].
    pub fn unfenced_writes(self, unfenced: UnfencedWrites) -> Self {
        self.set(|config| config.unfenced = unfenced)
    }

    /// Whether the loss of a fence in Redis (by eviction, by hand, by a failover) is guarded against: after one, nothing of its table is cached for one lease, nor after
    /// its first use. So nobody is served less than what anybody saw even if the writer dies meanwhile, unless its statement goes on in the database for longer than a
    /// lease. It must be set in all processes, with the same lease, or in none. Without it such a loss together with such a death leaves an old answer until its
    /// TTL. Defaults to false.
    pub fn fence_guard(self, guard: bool) -> Self {
        self.set(|config| config.fence_guard = guard)
    }

    /// Whether what happens is counted by the day, together with all processes that share the store and the namespace: see [`CachingExecutor::days`]. Defaults to true.
    pub fn daily_counters(self, count: bool) -> Self {
        self.set(|config| config.daily_counters = count)
    }

    /// What its [metrics](crate::metrics) call it, in the label `cache`. Defaults to the namespace.
    pub fn metrics_name(self, name: &str) -> Self {
        self.set(|config| config.metrics_name = Some(name.to_owned()))
    }

    /// What time it is, by which days begin: for a test that lives through several.
    #[doc(hidden)]
    pub fn clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.set(|config| config.clock = Arc::new(clock))
    }

    /// How often the database is asked, by one cheap query, whether somebody changed the schema by other means than an executor. If so, everything is forgotten
    /// and the catalog read anew; entries of a shared store that are older than a change made while no executor ran are found at the start. Zero switches
    /// both off. Defaults to 10 s.
    pub fn schema_refresh(self, interval: Duration) -> Self {
        self.set(|config| config.refresh = interval)
    }

    /// Whether writers that don't use an executor are followed. Their writes are seen within a moment, not before they commit as an executor's are.
    ///
    /// - PostgreSQL: notifications of triggers that `CachingExecutor::install_change_notifications` puts on the tables, received on one connection besides
    ///   the pool's. While that is lost, this executor reads from the database.
    /// - SQLite: every 250 ms a connection besides the pool's asks whether the file changed, and if so, everything is forgotten. It can't tell the pool's own
    ///   commits from others', so who writes all the time keeps nothing longer. A database in memory can't be watched.
    /// - MySQL and MariaDB: there is nothing to listen to, which a warning says; set a time to live that you can bear.
    ///
    /// Everything is forgotten at the start, since nobody knows what was written before. Defaults to false.
    pub fn external_writers(self, follow: bool) -> Self {
        self.set(|config| config.external_writers = follow)
    }

    /// The share of hits, from 0 to 1, of which the answer that was given is compared in the background with what the database says: [`Stats::freshness`](crate::Stats::freshness) tells how many
    /// were stale. One probe runs at a time, on a connection of the pool that is idle, and for a tenth of the time at most. An answer is stale if it differs while the store knows of no write to
    /// its tables; that is an error in the log, and what depends on the tables is forgotten. Not probed are answers that took the database longer than 100 ms, those of a [scope](CachingExecutor::scope),
    /// what the database says of its schema and settings, and plain values, whose source nobody knows. Zero switches it off. Defaults to 0.0001, from an executor's second minute on.
    pub fn freshness_probe(self, share: f64) -> Self {
        self.set(|config| config.freshness_probe = Some(share))
    }

    /// Keeps entries in a store of one's own, or one shared with another executor. It names the keys: [`namespace`](Self::namespace) says nothing then.
    pub fn store(mut self, store: Arc<dyn CacheStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Builds the executor: asks the database who it is and reads its catalog. Where the database can't be reached yet, that is a warning in the log: the executor
    /// passes everything on and tries again. A Redis that can't be reached yet is no error either.
    ///
    /// # Errors
    ///
    /// A setting that can't be used; the message names it.
    pub async fn build(self) -> Result<CachingExecutor<DB>, Error> {
        let Self { pool, config, store } = self;
        config.check()?;
        let counters = Arc::new(Counters::default());
        let cipher = config.cipher()?;
        let engine = if config.enabled {
            let store = match store {
                Some(store) => store,
                None => open(&config, &Keyspace::new(&config.namespace), &counters)?,
            };
            let witness = Arc::new(PoolWitness(pool.clone()));
            Some(Arc::new(Engine::new(store, Rules::of(&config, cipher), Arc::clone(&counters), witness)))
        } else {
            None
        };
        let near = config.near_bytes();
        let prober = Prober::new(config.freshness_probe, config.announced_within());
        let values = Arc::new(kv::State::new(&config, engine.as_deref().and_then(Engine::cipher), Some((DB::NAME, &counters))));
        let shared = Arc::new(Shared {
            pool,
            engine,
            codec: DB::Codec::new(),
            shelf: (near > 0).then(|| Shelf::new(near, &counters.near_evictions)),
            counters,
            values,
            policy: config.policy,
            database_id: config.database_id,
            closure: config.closure,
            prefix: OnceLock::new(),
            schema: ArcSwap::from_pointee(Schema::new(DB::DIALECT, Catalog::new(DB::DIALECT, Vec::new(), false), Edition::default())),
            loading: Loading::default(),
            shadowed: Mutex::default(),
            session_changed: AtomicBool::new(false),
            replays: AtomicBool::new(false),
            refresh: config.refresh,
            prober: Arc::new(prober),
            alive: Alive::default(),
        });
        if let Err(error) = shared.load().await {
            tracing::warn!(%error, "the database can't be asked for its catalog yet; nothing is cached until it can");
        }
        shared.look_for_changes();
        #[cfg(feature = "metrics")]
        shared.publish().await;
        shared.feel_pulse();
        if let Some(watch) = config.memory_watch {
            shared.watch_memory(watch);
        }
        if config.external_writers {
            shared.follow_others().await;
        }
        Ok(CachingExecutor::new(shared))
    }
}

impl Config {
    /// How long after its commit a write may be announced that somebody else may have read by then.
    fn announced_within(&self) -> Duration {
        let announced_before = self.consistency == Consistency::Fenced && self.without != Some(Without::Fences) && !self.external_writers;
        if announced_before { Duration::ZERO } else { Duration::from_secs(1) }
    }

    /// What a setter took and can't be used. The environment's values are checked where they are read.
    pub(crate) fn check(&self) -> Result<(), Error> {
        config::namespace(&self.namespace).map_err(|reason| Error::setting("namespace", &self.namespace, reason))?;
        kv::prefix(&self.prefix, &self.namespace).map_err(|reason| Error::setting("prefix", &self.prefix, reason))?;
        if self.max_key == 0 {
            return Err(Error::setting("max_key_length", 0, "allows no key at all"));
        }
        if !(0.0..=1.0).contains(&self.policy.jitter) {
            return Err(Error::setting("ttl_jitter", self.policy.jitter, "is not a number from 0 to 1"));
        }
        if let Some(share) = self.freshness_probe.filter(|share| !(0.0..=1.0).contains(share)) {
            return Err(Error::setting("freshness_probe", share, "is not a number from 0 to 1"));
        }
        if !config::is_factor(self.policy.early) {
            return Err(Error::setting("early_refresh", self.policy.early, "is not a number from 0 on"));
        }
        self.policy.deny.check("deny_tables", "deny_columns")?;
        for (name, duration) in [("fence_lease", self.lease), ("fence_bound", self.fence_bound)] {
            if duration < Duration::from_millis(30) {
                return Err(Error::setting(name, format!("{duration:?}"), "is shorter than 30 ms"));
            }
        }
        if let Some(Err((setting, value, reason))) = self.memory_watch.as_ref().map(MemoryWatch::check) {
            return Err(Error::setting(setting, value, reason));
        }
        if self.unfenced == UnfencedWrites::Refuse && self.consistency != Consistency::Fenced {
            // Without a fence nothing can be known before the write is sent.
            let setting = "unfenced_writes (CACHE_UNFENCED_WRITES)";
            return Err(Error::setting(setting, "refuse", format!("needs the consistency fenced, and it is {:?}", self.consistency)));
        }
        Ok(())
    }
}

impl<DB: Backend> fmt::Debug for Builder<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("database", &DB::NAME).field("redis", &self.config.redis).finish_non_exhaustive()
    }
}
