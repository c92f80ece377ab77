//! Values that depend on tables.

use super::load::Keep;
use super::{Cache, Depends, closed};
use crate::error::Error;
use crate::tag::{Generation, Tag};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A [`Cache`] whose values are made of tables: see [`Cache::depends_on`]. They are stored under the tables' generations as they stood before the value was loaded, by the
/// rule of the SQL entries. So a value is never given that is older than a write which was acknowledged before the call, however load and write overlapped; but that [`get`](Self::get), and whatever else of [`Cache`] reads
/// a value without loading it, may go by this process's mirror of the generations, which knows of another process's write when the push has come, within `CACHE_NEAR_STALENESS` at the latest.
///
/// What is loaded must be read outside of a transaction: a rollback ends nothing, and what a transaction reads may be older than the generations.
#[derive(Clone, Debug)]
pub struct Dependent {
    cache: Cache,
    tables: Arc<[Box<str>]>,
    /// What is no table's.
    tag: Option<Tag>,
}

/// The generations of tables at a moment, under which a value may be stored that is read from now on.
#[derive(Debug)]
#[must_use = "it is good for storing what is read from now on"]
pub struct Seen {
    cache: Cache,
    /// Nothing where nothing may be stored.
    under: Option<(Depends, Vec<Generation>)>,
}

impl Dependent {
    pub(super) fn new(cache: Cache, tables: Arc<[Box<str>]>) -> Self {
        Self { cache, tables, tag: None }
    }

    /// The same, and depends on a tag that no table's name stands for. Then there need be no tables.
    pub(super) fn and_on(self, tag: Tag) -> Self {
        Self { tag: Some(tag), ..self }
    }

    /// What the tables stand for; nothing, and a line in the log, where that can't be followed.
    fn depends(&self) -> Option<Depends> {
        let of_tables = if self.tables.is_empty() && self.tag.is_some() {
            Ok(Depends { tags: closed([].into_iter()), understood: None })
        } else {
            self.cache.inner.tables.depends(&self.tables)
        };
        of_tables
            .map(|depends| match &self.tag {
                Some(tag) => Depends { tags: closed(depends.tags.iter().chain([tag]).cloned()), ..depends },
                None => depends,
            })
            .inspect_err(|reason| tracing::warn!(tables = ?self.tables, reason, "a value that depends on these tables is not cached"))
            .ok()
    }

    /// As [`Cache::get`]: a value tells what it depends on.
    ///
    /// # Errors
    ///
    /// As [`Cache::get`].
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.cache.get(key).await
    }

    /// As [`Cache::get_or_set`]. Where a write to one of the tables is under way, or they can't be followed, `load` is asked and nothing stored.
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::get_or_set`].
    pub async fn get_or_set<T, E, F, Fut>(&self, key: &str, load: F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        match self.depends() {
            Some(depends) => self.cache.load(key, Some(&depends), load, |_| Keep::Any(self.cache.ttl().into())).await,
            None => load().await,
        }
    }

    /// As [`Cache::get_or_set_optional`].
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::get_or_set`].
    pub async fn get_or_set_optional<T, E, F, Fut>(&self, key: &str, load: F) -> Result<Option<T>, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<T>, E>>,
    {
        match self.depends() {
            Some(depends) => self.cache.load(key, Some(&depends), load, |value| self.cache.keep_optional(value.is_some())).await,
            None => load().await,
        }
    }

    /// As [`Cache::refresh`].
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::refresh`].
    pub async fn refresh<T, E, F, Fut>(&self, key: &str, load: F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.cache.drop_before_load(key).await;
        self.get_or_set(key, load).await
    }

    /// Looks at the tables' generations. To be called before the database is read: what is [`set`](Seen::set) by the answer was read after it.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn seen(&self) -> Seen {
        let observed = async {
            let (engine, _) = self.cache.inner.plain()?;
            let depends = self.depends()?;
            let generations = self.cache.observe(engine, &depends).await?;
            Some((depends, generations))
        };
        Seen { under: observed.await, cache: self.cache.clone() }
    }
}

impl Seen {
    /// Stores a value that was read since. Returns whether it was stored; should a table have been written to meanwhile, it is stored dead, and never given.
    ///
    /// # Errors
    ///
    /// As [`Cache::set`].
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::set`].
    pub async fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<bool, Error> {
        let (name, value) = (self.cache.names.of(key)?, self.cache.write(key, value)?);
        let (Some((depends, generations)), Some((engine, _))) = (&self.under, self.cache.inner.plain()) else { return Ok(false) };
        let wrapping = &self.cache.inner.state.wrapping;
        let bytes = wrapping.wrap(engine.whereabouts(), &name, &value, Some((&depends.tags, generations)));
        Ok(self.cache.put_wrapped(vec![(name, bytes)], self.cache.ttl()).await == 1)
    }
}
