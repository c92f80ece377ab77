//! What the environment says, for those who look after a program's cache from outside.

use super::{Config, KNOWN, TABLE_TTL};
use crate::error::Error;
use crate::policy::MemoryWatch;
use crate::store::RedisConfig;
use std::fmt;

/// The settings that [`CachingExecutor::from_env`](crate::CachingExecutor::from_env) and [`Cache::from_env`](crate::Cache::from_env) would take, read and checked, with nothing built of them yet: for tools
/// that look after the same cache, and for a start that wants to know about typing errors.
#[derive(Clone)]
pub struct Environment {
    config: Config,
    set: Vec<String>,
}

impl Environment {
    /// Reads the process's environment; a `.env` file in this folder or above fills in what that leaves open.
    ///
    /// # Errors
    ///
    /// A value, or a line of `.env`, that can't be read; the message names it.
    pub fn read() -> Result<Self, Error> {
        let variables = Config::variables()?;
        let config = Config::from_variables(&variables)?;
        let ours = variables.into_keys().filter(|name| name.starts_with("REDIS_") || name.starts_with("CACHE_"));
        Ok(Self { config, set: ours.collect() })
    }

    /// Every variable that means something, but for those of single tables, `CACHE_TTL_TABLE_<NAME>`.
    pub fn known() -> &'static [&'static str] {
        KNOWN
    }

    /// The variables `REDIS_*` and `CACHE_*` that are set, without their values.
    pub fn set(&self) -> impl Iterator<Item = &str> {
        self.set.iter().map(String::as_str)
    }

    /// Those of them that mean nothing here: typing errors, or another program's.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.set().filter(|name| !KNOWN.contains(name) && !name.strip_prefix(TABLE_TTL).is_some_and(|table| !table.is_empty()))
    }

    /// Whether anything is cached at all.
    pub fn is_enabled(&self) -> bool {
        self.config.enabled
    }

    /// Where Redis is; `None` for the embedded store.
    pub fn redis(&self) -> Option<&RedisConfig> {
        self.config.redis.as_ref()
    }

    /// The first segment of the keys of SQL answers.
    pub fn namespace(&self) -> &str {
        &self.config.namespace
    }

    /// How the keys of plain values begin.
    pub fn prefix(&self) -> &str {
        self.config.prefix.strip_suffix(':').unwrap_or(&self.config.prefix)
    }

    /// Whether answers are kept within reach in front of the store.
    pub fn keeps_near(&self) -> bool {
        self.config.near_bytes() > 0
    }

    /// How the store's memory is watched, if it is.
    pub fn memory_watch(&self) -> Option<&MemoryWatch> {
        self.config.memory_watch.as_ref()
    }
}

/// Without secrets: names of variables alone, and where Redis is.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("set", &self.set).field("redis", &self.config.redis).finish_non_exhaustive()
    }
}
