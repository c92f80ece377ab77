//! Putting a cache together that needs no database.

use super::tables::Literally;
use super::{Cache, State, TTL};
use crate::config::Config;
use crate::database::Running;
use crate::engine::{Engine, Rules, Witness};
use crate::entry::Cipher;
use crate::error::Error;
use crate::key::Keyspace;
use crate::policy::{Compression, MemoryWatch};
use crate::stats::Counters;
use crate::store::{CacheStore, RedisAddress, RedisConfig};
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Sets up a [`Cache`]. Setters take anything; [`build`](Self::build) returns the error, and it names the setting.
#[must_use = "a builder does nothing until it builds"]
pub struct CacheBuilder {
    config: Config,
    store: Option<Arc<dyn CacheStore>>,
}

/// Nobody knows of transactions where there is no database.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl Witness for Nobody {
    async fn running(&self) -> Option<Running> {
        None
    }

    fn is_closed(&self) -> bool {
        false
    }
}

impl CacheBuilder {
    pub(super) fn new(config: Config) -> Self {
        Self { config, store: None }
    }

    /// Starts from the environment (and a `.env` file) instead of the defaults.
    ///
    /// # Errors
    ///
    /// A variable whose value can't be used.
    pub fn from_env() -> Result<Self, Error> {
        Ok(Self::new(Config::from_env()?))
    }

    fn set(mut self, set: impl FnOnce(&mut Config)) -> Self {
        set(&mut self.config);
        self
    }

    /// Whether anything is cached at all. Defaults to true.
    pub fn enabled(self, enabled: bool) -> Self {
        self.set(|config| config.enabled = enabled)
    }

    /// Keeps values in this Redis. Defaults to the embedded store.
    pub fn redis(self, redis: RedisConfig) -> Self {
        self.set(|config| config.redis = Some(redis))
    }

    /// Keeps values in the Redis of this URL: `redis://[user[:password]@]host[:port][/db]`, or `redis+unix:///path`. Defaults to the embedded store.
    pub fn redis_url(self, url: &str) -> Self {
        self.redis(RedisConfig::new(RedisAddress::Url(url.to_owned())))
    }

    /// How every key begins. Defaults to `kv`.
    pub fn prefix(self, prefix: &str) -> Self {
        self.set(|config| prefix.clone_into(&mut config.prefix))
    }

    /// The namespace of the executors whose writes end the values that depend on tables. Defaults to `sql`.
    pub fn namespace(self, namespace: &str) -> Self {
        self.set(|config| namespace.clone_into(&mut config.namespace))
    }

    /// How long values live of which nobody says otherwise. Defaults to an hour.
    pub fn default_ttl(self, ttl: Duration) -> Self {
        self.set(|config| config.policy.default = Some(ttl))
    }

    /// The most bytes that a value may have, before compression. Defaults to 4 MiB.
    pub fn max_value_bytes(self, bytes: usize) -> Self {
        self.set(|config| config.policy.max_entry = bytes)
    }

    /// The most bytes that a key may have, without its prefix. Defaults to 250.
    pub fn max_key_length(self, bytes: usize) -> Self {
        self.set(|config| config.max_key = bytes)
    }

    /// From how many bytes on values are compressed on their way to Redis, if that spares at least a tenth; `None` for never. Defaults to 1024, over a Unix socket to never.
    pub fn compression_threshold(self, bytes: Option<usize>) -> Self {
        self.set(|config| config.policy.compression = bytes.map_or(Compression::Never, Compression::From))
    }

    /// Watches the memory of the store, and stores less of what can be loaded again before it is full. Defaults to no.
    pub fn memory_watch(self, watch: MemoryWatch) -> Self {
        self.set(|config| config.memory_watch = Some(watch))
    }

    /// Whether what happens is counted by the day, together with all processes that share the store and the namespace: see [`Cache::days`]. Defaults to true.
    pub fn daily_counters(self, count: bool) -> Self {
        self.set(|config| config.daily_counters = count)
    }

    /// What its [metrics](crate::metrics) call it, in the label `cache`. Defaults to the namespace.
    pub fn metrics_name(self, name: &str) -> Self {
        self.set(|config| config.metrics_name = Some(name.to_owned()))
    }

    /// Encrypts what goes to Redis, with one key or two: see [`Builder::encryption_keys`](crate::Builder::encryption_keys). Defaults to no.
    pub fn encryption_keys(self, keys: &[[u8; 32]]) -> Self {
        self.set(|config| config.encryption = Some(Cipher::new(keys)))
    }

    /// Keeps nothing that is said to [depend](Cache::depends_on) on one of these tables. Defaults to none.
    pub fn deny_tables(self, tables: &[&str]) -> Self {
        self.set(|config| config.policy.deny.deny_tables(tables.iter().copied()))
    }

    /// Stores no value that has a field called like one of these columns, however deep. Defaults to none.
    pub fn deny_columns(self, columns: &[&str]) -> Self {
        self.set(|config| config.policy.deny.deny_columns(columns.iter().copied()))
    }

    /// Bytes that the embedded store may hold. Defaults to 256 MiB.
    pub fn memory_bytes(self, bytes: u64) -> Self {
        self.set(|config| config.memory = bytes)
    }

    /// Keeps values in a store of one's own, or one shared with an executor. It names the generations' keys: [`namespace`](Self::namespace) says nothing then.
    pub fn store(mut self, store: Arc<dyn CacheStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Builds the cache. A Redis that can't be reached yet is no error.
    ///
    /// # Errors
    ///
    /// A setting that can't be used; the message names it.
    #[expect(clippy::unused_async, reason = "it needs a runtime, and may have to ask the store one day")]
    pub async fn build(self) -> Result<Cache, Error> {
        let Self { config, store } = self;
        config.check()?;
        let cipher = config.cipher()?;
        let counters = Arc::new(Counters::default());
        let engine = if config.enabled {
            let store = match store {
                Some(store) => store,
                None => crate::builder::open(&config, &Keyspace::new(&config.namespace), &counters)?,
            };
            Some(Arc::new(Engine::new(store, Rules::of(&config, cipher), counters, Arc::new(Nobody))))
        } else {
            None
        };
        let state = Arc::new(State::new(&config, engine.as_deref().and_then(Engine::cipher), None));
        if let Some(engine) = &engine {
            state.feel_pulse(engine);
        }
        if let (Some(engine), Some(watch)) = (&engine, config.memory_watch) {
            let (engine, gone) = (Arc::clone(engine), state.alive.gone());
            tokio::spawn(async move {
                tokio::select! {
                    () = gone => {}
                    () = engine.watch_memory(watch, config.policy.default.unwrap_or(TTL)) => {}
                }
            });
        }
        Ok(Cache::new(engine, state, Arc::new(Literally { deny: config.policy.deny })))
    }
}

impl fmt::Debug for CacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder").field("prefix", &self.config.prefix).field("redis", &self.config.redis).finish_non_exhaustive()
    }
}
