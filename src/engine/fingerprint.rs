//! The schema's fingerprint, by which DDL that passed through no executor is found out: from the first reader of an epoch to all later ones.

use super::Engine;
use crate::key;
use crate::tag::Generation;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Longer than entries are kept in general. Without it nothing is wrong, but a change made while no process ran goes unnoticed.
const KEPT: Duration = Duration::from_secs(60 * 86400);

/// Such a value is no entry, so a reclaim leaves it alone.
const MAGIC: &str = "schema ";

impl Engine {
    /// The fingerprint that an epoch of a database's schema began with: the one that its first reader saw, or this one if that is us.
    ///
    /// Two first readers between whom the schema changes may overwrite each other's. Then the one with the older schema finds out by itself.
    pub(crate) async fn began_with(&self, database: &str, epoch: &Generation, fingerprint: &str) -> Arc<str> {
        let key = key::fingerprint(self.keyspace(), database, epoch);
        match self.store.look_up(&key, &[]).await {
            Ok(found) => {
                let known =
                    found.entry.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(|text| text.strip_prefix(MAGIC));
                if let Some(known) = known {
                    return known.into();
                }
                let value = Bytes::from(format!("{MAGIC}{fingerprint}"));
                if let Err(error) = self.store.fill(&key, &[], value, KEPT).await {
                    self.failed("fill", &error);
                }
            }
            Err(error) => self.failed("look_up", &error),
        }
        fingerprint.into()
    }
}
