//! Beyond plain values: Redis itself.

use super::Cache;
use crate::engine::Engine;
use crate::error::Error;
use crate::store::{StoreError, ValueStore};
use std::sync::Arc;

impl Cache {
    /// A connection of the caller's own to Redis, for its hashes, sets, sorted sets and lists: to the server that has this key, which in a cluster is one of several. Name the keys by
    /// [`name`](Self::name), so that they have the prefix and the scope. It is made now; keep it, its clones share it. Nothing limits how long an answer may take, and a connection that breaks is not made
    /// again.
    ///
    /// ```no_run
    /// # async fn example(cache: sqlx_cached::Cache) -> Result<(), Box<dyn std::error::Error>> {
    /// let popular = cache.name("books:popular")?;
    /// let mut redis = cache.redis("books:popular").await?;
    /// sqlx_cached::redis::cmd("ZADD").arg(&popular).arg(4.5).arg(7).exec_async(&mut redis).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// A key that is empty or too long; the embedded store, which has no Redis ([`Error::is_unsupported`]); a server that can't be reached.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    #[cfg(feature = "redis")]
    pub async fn redis(&self, key: &str) -> Result<redis::aio::MultiplexedConnection, Error> {
        let name = self.names.of(key)?;
        let (_, store) = self.plain("redis")?;
        let Some(redis) = store.redis() else {
            return Err(Error::unsupported("a connection to Redis", "can't be had: the values are kept in this process's memory"));
        };
        redis.connection(&name).await.map_err(|error| self.store_error("redis", error))
    }

    /// The store, for what has no answer without it.
    pub(super) fn plain(&self, operation: &'static str) -> Result<(&Arc<Engine>, &dyn ValueStore), Error> {
        self.inner.plain().ok_or_else(|| Error::unsupported(operation, "can't be done: the cache is switched off"))
    }

    pub(super) fn store_error(&self, operation: &'static str, error: StoreError) -> Error {
        self.inner.failed(operation, &error);
        Error::store(operation, error)
    }

    /// Refuses what would build on a value that counts as deleted.
    pub(super) fn deliver(&self, operation: &'static str, name: &str) -> Result<(), Error> {
        if self.inner.state.kept.covers(&self.inner, name) {
            return Err(Error::store(operation, StoreError::Open("a deletion of this key waits for the store to answer".into())));
        }
        Ok(())
    }
}
