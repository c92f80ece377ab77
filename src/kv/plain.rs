//! The operations on plain values.

use super::Cache;
use super::frame::{Form, Written};
use crate::error::Error;
use crate::store::{Peeked, StoreInfo, TimeLeft};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::Instant;

/// How long a value still lives.
pub type Remaining = TimeLeft;

/// The answer of [`Cache::health`].
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct CacheHealth {
    /// How long the store took to answer, or what it said; `None` where the cache is switched off.
    #[serde(serialize_with = "crate::serial::maybe_answer")]
    pub store: Option<Result<Duration, String>>,
    /// How many deletions wait for the store to answer.
    pub kept: usize,
}

impl CacheHealth {
    /// Whether the store answers.
    pub fn is_healthy(&self) -> bool {
        matches!(self.store, Some(Ok(_)))
    }
}

impl Cache {
    /// The value at a key; none where there is none, where the store can't be asked, or where what is there is not of this type.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let name = self.names.of(key)?;
        let value = self.value(&name).await;
        Ok(self.counted(&name, value.and_then(|value| self.inner.read(&name, &value))))
    }

    /// The bytes at a key: those that [`set_bytes`](Self::set_bytes) stored, or of a typed value what it was written as.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn get_bytes(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let name = self.names.of(key)?;
        let value = self.value(&name).await;
        Ok(self.counted(&name, value.map(|value| value.bytes)))
    }

    /// The value at a key if `is_fresh` says so; else it is deleted. For what no write tells of: a file's time, another system's version.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    ///
    /// # Cancel safety
    ///
    /// Safe: what is not fresh is deleted, or not.
    pub async fn get_if<T: DeserializeOwned>(&self, key: &str, is_fresh: impl AsyncFnOnce(&T) -> bool) -> Result<Option<T>, Error> {
        let name = self.names.of(key)?;
        let Some(value) = self.value(&name).await.and_then(|value| self.inner.read::<T>(&name, &value)) else {
            return Ok(self.counted(&name, None));
        };
        if is_fresh(&value).await {
            return Ok(self.counted(&name, Some(value)));
        }
        self.delete(key).await?;
        Ok(self.counted(&name, None))
    }

    fn counted<T>(&self, name: &str, value: Option<T>) -> Option<T> {
        let counts = &self.inner.state.counts;
        if value.is_some() {
            counts.hit(name);
        } else {
            counts.miss(name);
        }
        value
    }

    /// The valid value at a name.
    async fn value(&self, name: &str) -> Option<Written> {
        let (_, store) = self.inner.plain()?;
        if self.inner.state.kept.covers(&self.inner, name) {
            return None;
        }
        let found = store.values(&[name.to_owned()]).await;
        let bytes = self.inner.tolerate("get", found)?.into_iter().next().flatten()?;
        self.inner.valid(name, bytes).await
    }

    /// Stores a value for this clone's time to live. Returns whether it was stored: not where the store can't be asked, or keeps nothing so large.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long; a value that is too large or can't be written.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it may or may not have been stored; as after a time that was up, even later, over what was stored meanwhile.
    pub async fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<bool, Error> {
        self.set_for(key, value, self.ttl()).await
    }

    /// The same for a time of its own; `None` for without end.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    ///
    /// # Cancel safety
    ///
    /// As [`set`](Self::set).
    pub async fn set_for<T: Serialize + ?Sized>(&self, key: &str, value: &T, ttl: impl Into<Option<Duration>>) -> Result<bool, Error> {
        let (name, value) = (self.names.of(key)?, self.write(key, value)?);
        Ok(self.put(vec![(name, value)], ttl.into()).await == 1)
    }

    /// Stores bytes as they are.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    ///
    /// # Cancel safety
    ///
    /// As [`set`](Self::set).
    pub async fn set_bytes(&self, key: &str, value: impl Into<Bytes>) -> Result<bool, Error> {
        let name = self.names.of(key)?;
        let value = self.fits(key, Written { form: Form::Bytes, bytes: value.into() })?;
        Ok(self.put(vec![(name, value)], self.ttl()).await == 1)
    }

    /// The values at several keys, in their order, by one request.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn mget<T: DeserializeOwned>(&self, keys: &[impl AsRef<str>]) -> Result<Vec<Option<T>>, Error> {
        let names: Vec<_> = keys.iter().map(|key| self.names.of(key.as_ref())).collect::<Result<_, _>>()?;
        let found = match self.inner.plain() {
            Some((_, store)) if !names.is_empty() => self.inner.tolerate("get", store.values(&names).await),
            _ => None,
        };
        let mut found = found.unwrap_or_default().into_iter();
        let mut values = Vec::with_capacity(names.len());
        for name in &names {
            let bytes = found.next().flatten().filter(|_| !self.inner.state.kept.covers(&self.inner, name));
            let value = match bytes {
                Some(bytes) => self.inner.valid(name, bytes).await,
                None => None,
            };
            values.push(self.counted(name, value.and_then(|value| self.inner.read(name, &value))));
        }
        Ok(values)
    }

    /// Stores several values by one request, for this clone's time to live. Returns how many were stored. Should the store fail half-way, some may be.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set); then none is stored.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, some may have been stored.
    pub async fn mset<T: Serialize>(&self, values: &[(impl AsRef<str>, T)]) -> Result<u64, Error> {
        let values = values.iter().map(|(key, value)| Ok((self.names.of(key.as_ref())?, self.write(key.as_ref(), value)?)));
        let values = values.collect::<Result<_, Error>>()?;
        Ok(self.put(values, self.ttl()).await)
    }

    /// Stores values; returns how many.
    async fn put(&self, values: Vec<(String, Written)>, ttl: Option<Duration>) -> u64 {
        let Some((engine, _)) = self.inner.plain() else { return 0 };
        let wrap = |(name, value): (String, Written)| {
            let bytes = self.inner.state.wrapping.wrap(engine.whereabouts(), &name, &value, None);
            (name, bytes)
        };
        self.put_wrapped(values.into_iter().map(wrap).collect(), ttl).await
    }

    pub(super) async fn put_wrapped(&self, values: Vec<(String, Bytes)>, ttl: Option<Duration>) -> u64 {
        let Some((_, store)) = self.inner.plain() else { return 0 };
        if values.is_empty() {
            return 0;
        }
        let state = &self.inner.state;
        let stored = store.set_values(&values, ttl).await;
        match self.inner.tolerate("set", stored) {
            Some(stored) => {
                for (number, (name, _)) in (0..).zip(&values) {
                    // What was to be deleted is overwritten.
                    state.kept.forget(name);
                    if number < stored {
                        state.counts.set(name);
                    }
                }
                stored
            }
            None => {
                // The old ones must not pass for these.
                state.kept.keep_names(&self.inner, values.into_iter().map(|(name, _)| name));
                0
            }
        }
    }

    /// Deletes a value; returns whether there was one, or somebody was about to store one.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it may or may not have been deleted.
    pub async fn delete(&self, key: &str) -> Result<bool, Error> {
        let name = self.names.of(key)?;
        self.inner.state.counts.delete();
        Ok(self.delete_names(vec![name]).await > 0)
    }

    /// Deletes several values by one request; returns how many there were.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long; then none is deleted.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, some may have been deleted.
    pub async fn delete_many(&self, keys: &[impl AsRef<str>]) -> Result<u64, Error> {
        let names: Vec<_> = keys.iter().map(|key| self.names.of(key.as_ref())).collect::<Result<_, _>>()?;
        for _ in &names {
            self.inner.state.counts.delete();
        }
        Ok(self.delete_names(names).await)
    }

    pub(super) async fn delete_names(&self, names: Vec<String>) -> u64 {
        let Some((_, store)) = self.inner.plain() else { return 0 };
        if names.is_empty() {
            return 0;
        }
        let deleted = store.delete_values(&names).await;
        if deleted.is_err() {
            self.inner.state.kept.keep_names(&self.inner, names);
        }
        self.inner.tolerate("delete", deleted).unwrap_or(0)
    }

    /// Deletes every value whose key matches a Redis glob pattern: `*`, `?`, `[a-z]`, `\` before what is meant literally (see [`escape`](Self::escape)). Returns how many there were.
    /// Takes a SCAN of the store.
    ///
    /// # Errors
    ///
    /// A pattern that is empty or too long.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, some may have been deleted.
    pub async fn delete_pattern(&self, pattern: &str) -> Result<u64, Error> {
        let pattern = self.names.pattern(pattern)?;
        Ok(self.delete_matching(pattern).await)
    }

    pub(super) async fn delete_matching(&self, pattern: String) -> u64 {
        let Some((_, store)) = self.inner.plain() else { return 0 };
        self.inner.state.counts.delete();
        let deleted = store.delete_names(&pattern).await;
        if deleted.is_err() {
            self.inner.state.kept.keep_pattern(&self.inner, pattern);
        }
        self.inner.tolerate("delete", deleted).unwrap_or(0)
    }

    /// Deletes everything below the prefix, or within the scope and the scopes in it; returns how many keys there were. SQL entries stay.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, some may have been deleted.
    pub async fn clear(&self) -> u64 {
        let mut deleted = 0;
        for pattern in self.names.everything() {
            deleted += self.delete_matching(pattern).await;
        }
        deleted
    }

    /// A text as a pattern that matches nothing else.
    #[must_use]
    pub fn escape(text: &str) -> String {
        crate::store::escape_glob(text)
    }

    /// Whether there is a value at a key, of whatever type; not where the store can't be asked.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.ttl_of(key).await?.is_some())
    }

    /// How long the value at a key still lives; none where there is none, or the store can't be asked.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn ttl_of(&self, key: &str) -> Result<Option<Remaining>, Error> {
        let name = self.names.of(key)?;
        Ok(self.peek(&name).await.map(|peeked| peeked.left))
    }

    async fn peek(&self, name: &str) -> Option<Peeked> {
        let (_, store) = self.inner.plain()?;
        if self.inner.state.kept.covers(&self.inner, name) {
            return None;
        }
        let peeked = store.peek(name).await;
        let peeked = self.inner.tolerate("peek", peeked)??;
        if peeked.head.starts_with(crate::store::values::VALUE_MAGIC) {
            // Whether a frame is a value, and a valid one, its beginning does not tell.
            self.value(name).await?;
        }
        Some(peeked)
    }

    /// Gives a value another time to live; `None` for without end. Returns whether there is one.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it may or may not have been done.
    pub async fn expire(&self, key: &str, ttl: impl Into<Option<Duration>>) -> Result<bool, Error> {
        let name = self.names.of(key)?;
        let Some((_, store)) = self.inner.plain() else { return Ok(false) };
        if self.peek(&name).await.is_none() {
            return Ok(false);
        }
        let done = store.expire(&name, ttl.into()).await;
        Ok(self.inner.tolerate("expire", done).unwrap_or(false))
    }

    /// Adds to the number at a key, atomically, and returns the sum; where there is none it begins at zero and lives without end. [`get`](Self::get) reads it as any integer. One that was
    /// [`set`](Self::set) is added to if it is JSON and not encrypted; sums are never encrypted.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long; a value that is no number, or would be too large for one; a store that can't be asked. If the connection broke, it may have been added all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it may or may not have been added.
    pub async fn increment(&self, key: &str, by: i64) -> Result<i64, Error> {
        self.increment_for(key, by, None).await
    }

    /// The same; a number that is created by this call lives so long, whatever is added later: for counting per minute.
    ///
    /// # Errors
    ///
    /// As [`increment`](Self::increment).
    ///
    /// # Cancel safety
    ///
    /// As [`increment`](Self::increment).
    pub async fn increment_for(&self, key: &str, by: i64, ttl: impl Into<Option<Duration>>) -> Result<i64, Error> {
        let name = self.names.of(key)?;
        let (_, store) = self.plain("increment")?;
        self.deliver("increment", &name)?;
        store.increment(&name, by, ttl.into()).await.map_err(|error| self.store_error("increment", error))
    }

    /// Up to so many of the keys that match a Redis glob pattern, in no order. Takes a SCAN of the store.
    ///
    /// # Errors
    ///
    /// A pattern that is empty or too long; a store that can't be asked.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn keys(&self, pattern: &str, most: usize) -> Result<Vec<String>, Error> {
        let pattern = self.names.pattern(pattern)?;
        let (_, store) = self.plain("keys")?;
        let names = store.names(&pattern, most).await.map_err(|error| self.store_error("keys", error))?;
        Ok(names.iter().filter_map(|name| self.names.key(name)).map(str::to_owned).collect())
    }

    /// What the store tells about itself: memory, keys, clients, hits. In a cluster the sum over its masters.
    ///
    /// # Errors
    ///
    /// A store that can't be asked, or won't tell (`+info`, `+dbsize`).
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn info(&self) -> Result<StoreInfo, Error> {
        let (_, store) = self.plain("info")?;
        store.info().await.map_err(|error| self.store_error("info", error))
    }

    /// Whether the store answers, and how fast.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn health(&self) -> CacheHealth {
        let store = match &self.inner.engine {
            Some(engine) => {
                let since = Instant::now();
                Some(engine.store().ping().await.map(|_| since.elapsed()).map_err(|error| error.to_string()))
            }
            None => None,
        };
        CacheHealth { store, kept: self.inner.state.kept.len() }
    }
}
