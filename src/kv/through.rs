//! Writing through: the value is stored with the write, and not given while that is under way.

use super::Cache;
use crate::store::{Claim, Purpose, Settled};
use serde::Serialize;
use std::convert::Infallible;
use std::time::Duration;

/// How long a writer's claim stands without renewal. A process that dies leaves it for so long, in which everybody loads for himself.
const LEASE: Duration = Duration::from_secs(30);

impl Cache {
    /// Runs a write and then stores what it gives: the new value. From before the write until its end nobody is given a value from the cache, and nobody's load is stored. Of
    /// writers of one key that overlap none stores anything, since nobody knows whose commit came last; the next reader loads. A write that fails leaves no value either: since it may have been
    /// committed all the same, or be committed later, the key stays claimed for half a minute, in which readers load for themselves.
    ///
    /// Whoever writes to the same place by other means must [`delete`](Self::delete) the key, or read it by [`depends_on`](Self::depends_on), whose values SQL writes end by themselves: then use
    /// [`refresh`](super::Dependent::refresh) after the write.
    ///
    /// What goes wrong in the cache is no error here.
    ///
    /// # Cancel safety
    ///
    /// As `write`'s; it then counts as one that failed.
    pub async fn write_through<T, E, Fut>(&self, key: &str, write: Fut) -> Result<T, E>
    where
        T: Serialize,
        Fut: Future<Output = Result<T, E>>,
    {
        let name = match self.names.of(key) {
            Ok(name) => name,
            Err(error) => {
                tracing::error!(%error, "a value is not cached");
                return write.await;
            }
        };
        let Some((engine, store)) = self.inner.plain() else { return write.await };
        let claim = Claim::fresh(Purpose::Write);
        let claimed = store.claim(&name, &claim, LEASE).await;
        if self.inner.tolerate("claim", claimed).is_none() {
            // Readers of this process know at once, others as soon as it can be delivered. Once more at the end, also of a write that is dropped: somebody may have
            // read in between.
            let mut deletion = Deletion { cache: self, name: Some(name.clone()) };
            deletion.keep();
            let written = write.await;
            deletion.name = None;
            self.delete_names(vec![name]).await;
            return written;
        }
        let renewed = async {
            loop {
                tokio::time::sleep(LEASE / 3).await;
                let _ = store.settle_claim(&name, &claim, &Settled::Renewed(LEASE)).await;
            }
        };
        let written = tokio::select! {
            biased;
            written = write => written,
            never = renewed => { let never: Infallible = never; match never {} }
        };
        let Ok(value) = &written else {
            // An error may be a lost answer to a COMMIT, which the database carries out later. The claim runs out by itself.
            self.inner.state.counts.not_store();
            return written;
        };
        let settled = match self.write(key, value) {
            Ok(value) => {
                let bytes = self.inner.state.wrapping.wrap(engine.whereabouts(), &name, &value, None);
                Settled::Value(bytes, self.ttl())
            }
            Err(error) => {
                tracing::warn!(%error, "a value is not cached");
                Settled::Nothing
            }
        };
        let done = store.settle_claim(&name, &claim, &settled).await;
        match self.inner.tolerate("settle_claim", done) {
            Some(true) if matches!(settled, Settled::Value(..)) => self.inner.state.counts.set(&name),
            Some(_) => self.inner.state.counts.not_store(),
            None => self.inner.state.kept.keep_names(&self.inner, [name]),
        }
        written
    }
}

/// Deletes a key when it is dropped: as soon as the store answers, and for this process at once.
struct Deletion<'a> {
    cache: &'a Cache,
    name: Option<String>,
}

impl Deletion<'_> {
    fn keep(&self) {
        self.cache.inner.state.kept.keep_names(&self.cache.inner, self.name.clone());
    }
}

impl Drop for Deletion<'_> {
    fn drop(&mut self) {
        if self.name.is_some() {
            self.keep();
        }
    }
}
