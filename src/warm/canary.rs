//! A value of no meaning in the store: whoever finds it gone knows that the rest is gone, too.

use crate::key::Keyspace;
use crate::store::{CacheStore, StoreError};
use crate::tag::ServerIdentity;
use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;

/// How long it lives, should nobody look after it any more. It is put anew at half of that.
const LIFE: Duration = Duration::from_hours(1);

pub(super) struct Canary {
    key: String,
    value: Bytes,
    /// Where it was put, and when. A server that was restarted with its data, or a replica that was promoted, has the value, and none of its entries are valid.
    put: Option<(ServerIdentity, Instant)>,
}

impl Canary {
    pub(super) fn new(keyspace: &Keyspace) -> Self {
        Self { key: keyspace.canary(rand::random()), value: Bytes::copy_from_slice(&rand::random::<u128>().to_le_bytes()), put: None }
    }

    /// Whether it is where it was put.
    pub(super) async fn lives(&mut self, store: &dyn CacheStore) -> Result<bool, StoreError> {
        let Some((server, since)) = self.put else { return Ok(false) };
        if store.ping().await? != server || store.look_up(&self.key, &[]).await?.entry.as_ref() != Some(&self.value) {
            return Ok(false);
        }
        if since.elapsed() > LIFE / 2 {
            self.put(store).await?;
        }
        Ok(true)
    }

    pub(super) async fn put(&mut self, store: &dyn CacheStore) -> Result<(), StoreError> {
        // The server first: should another one take its place in between, the next look finds out.
        let server = store.ping().await?;
        store.fill(&self.key, &[], self.value.clone(), LIFE).await?;
        self.put = Some((server, Instant::now()));
        Ok(())
    }
}
