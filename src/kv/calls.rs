//! What the functions call that `#[cached]` makes. No part of the public interface.

use super::{Cache, CacheSource, segment};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A call of a function whose value may be in the cache.
#[derive(Debug)]
#[must_use = "it does nothing until it is run"]
pub struct Call {
    cache: Cache,
    /// None where an argument can't be written into a key.
    key: Option<String>,
    tables: &'static [&'static str],
}

impl Call {
    /// A call whose value is at this key of the source's cache.
    pub fn new(source: &(impl CacheSource + ?Sized), key: Option<String>) -> Self {
        let cache = source.cache();
        let key = key.map(|key| cache.fitting(key));
        Self { cache, key, tables: &[] }
    }

    /// How long the value lives.
    pub fn time_to_live(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.cache = self.cache.time_to_live(ttl);
        self
    }

    /// How long it is remembered that there is none.
    pub fn none(mut self, ttl: Duration) -> Self {
        self.cache = self.cache.negative(ttl);
        self
    }

    /// What the value is made of.
    pub fn depends_on(mut self, tables: &'static [&'static str]) -> Self {
        self.tables = tables;
        self
    }

    /// The value, or what the body gives.
    pub async fn value<T, E, F, Fut>(self, load: F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        match &self.key {
            None => load().await,
            Some(key) if self.tables.is_empty() => self.cache.get_or_set(key, load).await,
            Some(key) => self.cache.depends_on(self.tables).get_or_set(key, load).await,
        }
    }

    /// The same for one that may not be there.
    pub async fn optional<T, E, F, Fut>(self, load: F) -> Result<Option<T>, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<T>, E>>,
    {
        match &self.key {
            None => load().await,
            Some(key) if self.tables.is_empty() => self.cache.get_or_set_optional(key, load).await,
            Some(key) => self.cache.depends_on(self.tables).get_or_set_optional(key, load).await,
        }
    }
}

/// The name of the function that a closure was made in, with the type that it is a method of, and what both are generic over; and where in its file it is, since several may have one name.
pub fn function<F>(_: &F, line: u32, column: u32) -> String {
    let mut name = std::any::type_name::<F>();
    while let Some(outer) = name.strip_suffix("::{{closure}}") {
        name = outer;
    }
    segment(&format!("{}@{line}.{column}", name.replace("::", ".")))
}

/// A type as a part of a key.
pub fn of_type<T: ?Sized>() -> Option<String> {
    Some(segment(std::any::type_name::<T>()))
}

/// An argument as a part of a key; none, and a line in the log, where it can't be written as one.
pub fn argument<T: Serialize + ?Sized>(argument: &T) -> Option<String> {
    serde_json::to_string(argument)
        .inspect_err(|error| tracing::warn!(%error, "a call is not cached: an argument can't be written into its key"))
        .ok()
        .map(|json| segment(&json))
}

/// A key or a pattern with its arguments in it.
pub fn text(parts: &[String]) -> String {
    parts.concat()
}

/// The key of a call.
pub fn key<const N: usize>(prefix: String, arguments: [Option<String>; N]) -> Option<String> {
    key_of(prefix, arguments.into_iter().collect::<Option<Vec<_>>>()?.join(":"))
}

/// The key of a call whose arguments are a text already.
pub fn key_of(mut prefix: String, arguments: impl AsRef<str>) -> Option<String> {
    prefix.push(':');
    prefix.push_str(arguments.as_ref());
    Some(prefix)
}
