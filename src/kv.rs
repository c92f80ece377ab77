//! Plain values beside the SQL entries: [`Cache`].

#[cfg(feature = "axum")]
mod admin;
mod builder;
#[cfg(feature = "macros")]
pub mod calls;
mod changes;
mod counts;
mod days;
mod fitting;
mod frame;
mod holding;
mod kept;
mod load;
mod look;
mod names;
mod pipeline;
mod plain;
#[cfg(feature = "metrics")]
mod publishing;
mod redis;
mod repository;
mod source;
mod tables;
mod through;
mod tied;
mod versions;
mod write_behind;

pub use self::builder::CacheBuilder;
#[cfg(feature = "macros")]
pub use self::changes::Changes;
pub use self::counts::CacheStats;
pub use self::frame::Format;
pub use self::names::segment;
pub use self::pipeline::{Pipeline, Replies};
pub use self::plain::{CacheHealth, Remaining};
pub use self::repository::{CachedEntity, EntityStats, Repository};
pub use self::source::CacheSource;
pub use self::tied::{Dependent, Seen};
pub use self::write_behind::{Batch, Consumer, DeadLetter, DeadLetters, ItemId, Pushed, WriteBehind, WriteBehindBuilder};

pub(crate) use self::names::prefix;
pub(crate) use self::tables::{Depends, Tables, Understood, closed};

use self::counts::Counts;
use self::frame::{Form, Stored, Wrapping, Written};
use self::kept::Kept;
use self::names::Names;
use crate::config::Config;
use crate::days::Days;
use crate::engine::Engine;
use crate::entry::Cipher;
use crate::error::Error;
use crate::executor::Alive;
use crate::stats::Counters;
use crate::store::{StoreError, TimeLeft, ValueStore};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A key-value cache on the executor's store, or on one of its own: typed by serde, and harmless.
///
/// [`CachingExecutor::cache`](crate::CachingExecutor::cache) gives the one beside an executor's SQL entries; [`Cache::from_env`] makes one that needs no database. Clones are cheap, share everything, and may
/// differ in how they store: [`scope`](Self::scope), [`time_to_live`](Self::time_to_live), [`negative`](Self::negative), [`format`](Self::format).
///
#[cfg_attr(feature = "redis", doc = "```")]
#[cfg_attr(not(feature = "redis"), doc = "```ignore")]
/// use sqlx_cached::Cache;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::builder().prefix("shop").build().await?;
/// let name = cache.get_or_set("user:7:name", async || Ok::<_, sqlx::Error>("Grace".to_owned())).await?;
/// assert_eq!(name, "Grace");
/// assert_eq!(cache.get::<String>("user:7:name").await?.as_deref(), Some("Grace"));
/// assert_eq!(cache.delete_pattern("user:7:*").await?, 1);
/// # Ok(()) }
/// ```
///
/// # What becomes of a fault
///
/// A store that is slow, gone or full is no error where the program can go on without it: what can't be looked up is a miss, what can't be stored is computed again next time, and the
/// counters and the log tell. Errors are what only the program can put right: a key that is empty or too long, a value that is too large or can't be written. And what has no answer without the
/// store: a counter's sum, a batch, the server's own facts.
///
/// What could not be deleted is kept, and deleted as soon as the store answers; until then this process takes it for gone. Other processes may be given it until then. More than 65,536 keys, or 4,096 patterns, become one
/// deletion of everything below the prefix, counters included. What could not be overwritten is deleted likewise.
///
/// # Races
///
/// [`get_or_set`](Self::get_or_set) claims the key before it asks for the value, and stores only while that claim stands. Whoever deletes the key meanwhile, by name, by pattern or by hand in
/// redis-cli, takes the claim along: what was read before is not stored after. [`write_through`](Self::write_through) claims it for the time of a write. [`depends_on`](Self::depends_on) ties a value to tables, so that
/// SQL writes end it as they end SQL entries. A plain [`set`](Self::set) stores what it is given, and the last one counts.
pub struct Cache {
    inner: Inner,
    names: Names,
    how: How,
}

#[derive(Clone)]
struct Inner {
    /// `None`: everything is a miss.
    engine: Option<Arc<Engine>>,
    state: Arc<State>,
    tables: Arc<dyn Tables>,
}

/// What all clones share.
#[derive(Debug)]
pub(crate) struct State {
    wrapping: Wrapping,
    /// How long values live of which nobody says otherwise.
    ttl: Duration,
    names: Names,
    /// Columns of which nothing is kept, in lower case: nor are fields that are called so.
    denied: Vec<String>,
    counts: Arc<Counts>,
    /// Those of the executor whose caches these are.
    counters: Option<Arc<Counters>>,
    /// `None`: nothing is counted by the day.
    days: Option<Arc<Days>>,
    #[cfg(feature = "metrics")]
    publisher: crate::metrics::Publisher,
    kept: Kept,
    queues: write_behind::Queues,
    /// What was set, for people to read.
    #[cfg(feature = "axum")]
    pub(crate) words: crate::config::Words,
    /// Gone with the last clone.
    alive: Alive,
}

/// How one clone stores.
#[derive(Clone, Debug, Default)]
struct How {
    ttl: Option<TimeLeft>,
    negative: Option<Duration>,
    format: Format,
}

/// How long values live of which nobody says otherwise.
const TTL: Duration = Duration::from_hours(1);

/// How long a value that depends on tables lives which was to live without end.
const LONGEST_TIED: Duration = Duration::from_hours(24);

impl State {
    /// `executor` is the one whose caches these are: its database, and its counters.
    pub(crate) fn new(config: &Config, cipher: Option<Cipher>, executor: Option<(&str, &Arc<Counters>)>) -> Self {
        let counts = Arc::<Counts>::default();
        let counters = executor.map(|(_, counters)| Arc::clone(counters));
        let days = (config.enabled && config.daily_counters).then(|| Arc::new(days::of(config, &counts, counters.clone())));
        Self {
            wrapping: Wrapping { compression: config.policy.compression, largest: config.policy.max_entry, cipher },
            ttl: config.policy.default.unwrap_or(TTL),
            // With or without the colon that ends it, as it was checked.
            names: Names::new(config.prefix.strip_suffix(':').unwrap_or(&config.prefix), config.max_key),
            denied: config.policy.deny.columns().map(|(_, column)| column.to_owned()).collect(),
            counts,
            counters,
            days,
            #[cfg(feature = "metrics")]
            publisher: crate::metrics::Publisher::new(
                executor.map_or("none", |(database, _)| database),
                config.metrics_name.as_ref().unwrap_or(&config.namespace),
            ),
            kept: Kept::default(),
            queues: write_behind::Queues::default(),
            #[cfg(feature = "axum")]
            words: config.words(),
            alive: Alive::default(),
        }
    }

    /// What counts by the day.
    pub(crate) fn days(&self) -> Option<&Arc<Days>> {
        self.days.as_ref()
    }
}

impl Cache {
    pub(crate) fn new(engine: Option<Arc<Engine>>, state: Arc<State>, tables: Arc<dyn Tables>) -> Self {
        let names = state.names.clone();
        Self { inner: Inner { engine, state, tables }, names, how: How::default() }
    }

    /// A cache by the environment's settings (and a `.env` file): the same variables as an executor's, so that both share a Redis. No database is needed.
    ///
    /// # Errors
    ///
    /// A variable whose value can't be used; the message names it.
    pub async fn from_env() -> Result<Self, Error> {
        CacheBuilder::from_env()?.build().await
    }

    /// A cache to be configured by hand; the environment is not read.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::new(Config::default())
    }

    fn with(&self, change: impl FnOnce(&mut How)) -> Self {
        let mut clone = self.clone();
        change(&mut clone.how);
        clone
    }

    /// A clone whose keys are its own: `<prefix>/<scope>:<key>`. Nothing that is stored within one scope is seen, matched or counted within another, or outside; but for
    /// [`clear`](Self::clear), which takes the scopes within along.
    #[must_use = "a clone is returned"]
    pub fn scope(&self, scope: &str) -> Self {
        Self { names: self.names.scope(scope), ..self.clone() }
    }

    /// A clone whose values live so long; `None` for without end. Defaults to `CACHE_DEFAULT_TTL`, else to an hour. Values that depend on tables always have an end: without one
    /// they live for a day.
    #[must_use = "a clone is returned"]
    pub fn time_to_live(&self, ttl: impl Into<Option<Duration>>) -> Self {
        let ttl = TimeLeft::from(ttl.into());
        self.with(|how| how.ttl = Some(ttl))
    }

    /// A clone that also remembers, for so long, that there is no value: see [`get_or_set_optional`](Self::get_or_set_optional). Defaults to not at all.
    #[must_use = "a clone is returned"]
    pub fn negative(&self, ttl: Duration) -> Self {
        self.with(|how| how.negative = Some(ttl))
    }

    /// A clone that writes its values so. Each value tells how it is to be read. Defaults to [`Format::Json`].
    #[must_use = "a clone is returned"]
    pub fn format(&self, format: Format) -> Self {
        self.with(|how| how.format = format)
    }

    /// Values that are made of these tables, or views: a write to any of them that goes through an executor with the same store and namespace ends them. A cache without a
    /// database takes the names as the database spells them (`users`, or `app.users` outside the default schema), and knows of no views: name what lies beneath. A name that may mean several tables means all
    /// of them.
    ///
    /// It is the executors' mode that says how exact that is: with `CACHE_CONSISTENCY=after_commit` a value may be given for a moment after a commit, with `ttl` until its time is over. Writers that
    /// use no executor are seen only where the executors [follow them](crate::Builder::external_writers).
    pub fn depends_on<I>(&self, tables: I) -> Dependent
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        // Dead values are not looked for, so each must have an end.
        let cache = if self.ttl().is_none() { self.time_to_live(LONGEST_TIED) } else { self.clone() };
        Dependent::new(cache, tables.into_iter().map(|table| table.as_ref().into()).collect())
    }

    /// The name of a key in the store, for those who use the store directly.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    pub fn name(&self, key: &str) -> Result<String, Error> {
        self.names.of(key)
    }

    /// What was done so far by this cache and its clones.
    pub fn stats(&self) -> CacheStats {
        self.inner.state.counts.snapshot()
    }

    /// Sets every counter to zero.
    pub fn reset_stats(&self) {
        let Inner { state, .. } = &self.inner;
        state.around_reset(|| state.counts.reset());
    }

    fn ttl(&self) -> Option<Duration> {
        self.how.ttl.map_or(Some(self.inner.state.ttl), TimeLeft::duration)
    }

    /// A value in this clone's format.
    fn write<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<Written, Error> {
        let denied = &self.inner.state.denied;
        if !denied.is_empty() {
            // Other formats write what this one can't, and nobody has seen what that is called.
            let value = serde_json::to_value(value)
                .map_err(|error| Error::value(key, format!("can't be searched for fields that are not to be kept: {error}")))?;
            if let Some(field) = denied_field(&value, denied) {
                return Err(Error::value(key, format!("has a field {field:?}, which is not to be kept")));
            }
        }
        let written = match self.how.format {
            Format::Json => serde_json::to_vec(value).map_err(|error| Error::value(key, format!("can't be written as JSON: {error}")))?,
            #[cfg(feature = "msgpack")]
            Format::MessagePack => {
                rmp_serde::to_vec_named(value).map_err(|error| Error::value(key, format!("can't be written as MessagePack: {error}")))?
            }
        };
        self.fits(key, Written { form: self.how.format.into(), bytes: written.into() })
    }

    fn fits(&self, key: &str, value: Written) -> Result<Written, Error> {
        let largest = self.inner.state.wrapping.largest;
        if value.bytes.len() > largest {
            let reason = format!("has {} bytes, more than the {largest} that CACHE_MAX_ENTRY_BYTES allows", value.bytes.len());
            return Err(Error::value(key, reason));
        }
        Ok(value)
    }
}

/// The first field, however deep, that is called like one of these.
fn denied_field(value: &serde_json::Value, denied: &[String]) -> Option<String> {
    match value {
        serde_json::Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let is_denied = denied.iter().any(|denied| *denied == name.to_lowercase());
            if is_denied { Some(name.clone()) } else { denied_field(value, denied) }
        }),
        serde_json::Value::Array(values) => values.iter().find_map(|value| denied_field(value, denied)),
        _ => None,
    }
}

/// A value of this type, if that is what the bytes are.
fn read<T: DeserializeOwned>(value: &Written) -> Result<T, String> {
    match value.form {
        Form::Json => serde_json::from_slice(&value.bytes).map_err(|error| error.to_string()),
        #[cfg(feature = "msgpack")]
        Form::MessagePack => rmp_serde::from_slice(&value.bytes).map_err(|error| error.to_string()),
        Form::Bytes => Err("it was stored as bytes".to_owned()),
    }
}

impl Inner {
    fn plain(&self) -> Option<(&Arc<Engine>, &dyn ValueStore)> {
        let engine = self.engine.as_ref()?;
        Some((engine, engine.store().plain()))
    }

    /// What an operation gave; nothing where it failed, which is counted and logged.
    fn tolerate<T>(&self, operation: &'static str, outcome: Result<T, StoreError>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed(operation, &error);
                None
            }
        }
    }

    fn failed(&self, operation: &'static str, error: &StoreError) {
        self.state.counts.failed();
        if let Some(engine) = &self.engine {
            engine.value_failed(operation, error);
        }
    }

    /// The bytes at a name as what they say; nothing where they say nothing.
    fn unwrap(&self, name: &str, bytes: Bytes) -> Option<Stored> {
        match self.state.wrapping.unwrap(name, bytes) {
            Ok(stored) => {
                if let Stored::Closed { .. } = stored {
                    self.state.counts.undecryptable();
                }
                Some(stored)
            }
            Err(malformed) => {
                self.state.counts.malformed();
                tracing::warn!(%name, what = malformed.0, "a value can't be read");
                None
            }
        }
    }

    /// The value at a name, if it is valid.
    async fn valid(&self, name: &str, bytes: Bytes) -> Option<Written> {
        match self.unwrap(name, bytes)? {
            Stored::Value(value) => Some(value),
            Stored::Claimed { .. } | Stored::Closed { .. } => None,
            Stored::Tied { value, tags, generations, .. } => {
                let engine = self.engine.as_ref()?;
                let stands = engine.stand(name, &tags, &generations).await;
                self.tolerate("look_up", stands)?.then_some(value)
            }
        }
    }

    /// A typed value out of what is stored; nothing, and a line in the log, where it is another type's.
    fn read<T: DeserializeOwned>(&self, name: &str, value: &Written) -> Option<T> {
        read(value)
            .inspect_err(|reason| {
                self.state.counts.malformed();
                tracing::warn!(%name, reason, "a value is not of the type that is asked for");
            })
            .ok()
    }
}

impl Clone for Cache {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), names: self.names.clone(), how: self.how.clone() }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("prefix", &self.names.prefix()).field("how", &self.how).finish_non_exhaustive()
    }
}
