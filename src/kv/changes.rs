//! What a write changes, known before it runs and deleted after it: also if it failed, since a write that failed may have been committed, and if its caller gave up.

use super::{Cache, CacheSource};
use crate::engine::Engine;
use crate::error::Error;
use crate::tag::Tag;
use std::sync::Arc;

impl Cache {
    /// Ends every value, and every SQL entry, that depends on these tables, and on whatever a write to them may change. For writes that go through no executor; those that do
    /// are followed anyway. A cache without a database takes the names as the database spells them.
    ///
    /// # Errors
    ///
    /// The store's. The invalidation is then kept and delivered later; until then this process takes for gone what depends on the tables.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it may or may not have been done.
    pub async fn invalidate_tables<I>(&self, tables: I) -> Result<(), Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let Some(engine) = &self.inner.engine else { return Ok(()) };
        let tags = self.reached(tables);
        engine.invalidate(&tags).await.map_err(|error| Error::store("invalidate_tables", error))
    }

    fn reached<I>(&self, tables: I) -> Vec<Tag>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut tags: Vec<_> = tables.into_iter().flat_map(|table| self.inner.tables.reached(table.as_ref())).collect();
        tags.sort();
        tags.dedup();
        tags
    }
}

/// What is to be deleted when a write is over, or its caller gave up. A deletion that is given up half-way goes on by itself.
#[derive(Debug)]
#[must_use = "what is dropped at once is deleted at once"]
pub struct Changes {
    cache: Cache,
    names: Vec<String>,
    patterns: Vec<String>,
    tables: Vec<Box<str>>,
    /// What no table's name stands for.
    tags: Vec<Tag>,
}

impl Changes {
    /// Nothing yet.
    pub fn new(source: &(impl CacheSource + ?Sized)) -> Self {
        Self { cache: source.cache(), names: Vec::new(), patterns: Vec::new(), tables: Vec::new(), tags: Vec::new() }
    }

    /// One key. One that can't be a key was never stored under.
    pub fn key(mut self, key: String) -> Self {
        self.names.extend(self.cache.names.of(&self.cache.fitting(key)));
        self
    }

    /// A glob pattern of keys.
    pub fn pattern(mut self, pattern: &str) -> Self {
        for pattern in self.cache.fitting_patterns(pattern) {
            self.patterns.extend(self.cache.names.pattern(&pattern));
        }
        self
    }

    /// What depends on these tables.
    #[cfg(feature = "macros")]
    pub fn tables(mut self, tables: &[&str]) -> Self {
        self.tables.extend(tables.iter().map(|table| Box::from(*table)));
        self
    }

    pub(super) fn tag(mut self, tag: Tag) -> Self {
        self.tags.push(tag);
        self
    }

    /// These instead.
    pub(super) fn instead(mut self, other: Self) -> Self {
        self.forget();
        other
    }

    /// Leaves nothing for `drop`.
    fn forget(&mut self) {
        (self.names, self.patterns, self.tables, self.tags) = Default::default();
    }

    /// The tags, as the schema stands now.
    fn reached(&self) -> Vec<Tag> {
        let mut tags = self.cache.reached(&self.tables);
        tags.extend_from_slice(&self.tags);
        tags
    }

    /// Deletes all of it. What the store can't be told of is kept, and delivered later.
    pub async fn done(mut self) {
        if let Some(engine) = self.cache.inner.engine.clone() {
            // An error is taken care of, and logged.
            let _ = engine.invalidate(&self.reached()).await;
            self.cache.delete_names(self.names.clone()).await;
            for pattern in &self.patterns {
                self.cache.delete_matching(pattern.clone()).await;
            }
        }
        self.forget();
    }

    fn later(&mut self, engine: &Arc<Engine>) {
        let tags = self.reached();
        if !tags.is_empty() {
            engine.invalidate_later(&tags);
        }
        // Believed deleted in this process from now on.
        let (inner, kept) = (&self.cache.inner, &self.cache.inner.state.kept);
        if !self.names.is_empty() {
            kept.keep_names(inner, std::mem::take(&mut self.names));
        }
        for pattern in std::mem::take(&mut self.patterns) {
            kept.keep_pattern(inner, pattern);
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        let is_done = self.names.is_empty() && self.patterns.is_empty() && self.tables.is_empty() && self.tags.is_empty();
        if let (false, Some(engine)) = (is_done, self.cache.inner.engine.clone()) {
            self.later(&engine);
        }
    }
}
