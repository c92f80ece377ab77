//! What walks over keys: deleting by pattern. What unlinks dead entries is [`super::reclaim`].

use super::cluster::{is_between, slot};
use super::{Place, RedisStore, Request, Route};
use crate::store::{StoreError, glob};
use futures_util::future::join_all;
use redis::{Cmd, Value, from_redis_value};
use std::collections::BTreeMap;

/// How many keys a step of SCAN looks at.
const STEP: usize = 500;

impl RedisStore {
    pub(super) async fn unlink_matching(&self, pattern: &str) -> Result<u64, StoreError> {
        self.unlink_names(&glob::within(&self.keyspace, pattern)?).await
    }

    /// The same, wherever the keys are.
    pub(super) async fn unlink_names(&self, pattern: &str) -> Result<u64, StoreError> {
        let Route::Cluster(cluster) = &self.route else {
            return self.unlink_matching_at(Place::Key(b""), pattern).await;
        };
        // A generation that moves from a server not yet walked over to one that has been names the former, and so is a miss.
        let topology = cluster.topology_within(self.timeout).await?;
        let walks = topology.nodes().iter().map(|node| self.unlink_matching_at(Place::Node(node), pattern));
        // All of them, whatever becomes of the others.
        let unlinked: Vec<u64> = join_all(walks).await.into_iter().map(|answer| cluster.noted(answer)).collect::<Result<_, _>>()?;
        Ok(unlinked.iter().sum())
    }

    async fn unlink_matching_at(&self, at: Place<'_>, pattern: &str) -> Result<u64, StoreError> {
        let mut unlinked = 0;
        let mut cursor = 0;
        loop {
            // SCAN returns every key that is there from its beginning to its end, so no generation that stood before this call is left behind.
            let (next, keys) = self.step(at, pattern, cursor).await?;
            for keys in self.by_slot(keys) {
                unlinked += self.unlink(&keys).await?;
            }
            if next == 0 {
                return Ok(unlinked);
            }
            cursor = next;
        }
    }

    /// Unlinks keys, at least one, that share a slot.
    pub(super) async fn unlink(&self, keys: &[Vec<u8>]) -> Result<u64, StoreError> {
        let unlink = async |keys: &[Vec<u8>]| {
            let (answer, _) = self.ask(&Request::command("UNLINK", Place::Key(&keys[0]), &|command| _ = command.arg(keys))).await?;
            number(answer)
        };
        match unlink(keys).await {
            Err(error) if is_between(&error) => {
                let mut unlinked = 0;
                for key in keys.chunks(1) {
                    unlinked += unlink(key).await?;
                }
                Ok(unlinked)
            }
            answer => answer,
        }
    }

    /// The keys by their slots in a cluster, and otherwise as they are; no part is empty.
    pub(super) fn by_slot(&self, keys: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
        if !self.is_cluster() {
            return if keys.is_empty() { Vec::new() } else { vec![keys] };
        }
        let mut slots = BTreeMap::<u16, Vec<Vec<u8>>>::new();
        for key in keys {
            slots.entry(slot(&key)).or_default().push(key);
        }
        slots.into_values().collect()
    }

    pub(super) async fn step(&self, at: Place<'_>, pattern: &str, cursor: u64) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
        let scan = |command: &mut Cmd| _ = command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
        let (answer, _) = self.ask(&Request::command("SCAN", at, &scan)).await?;
        from_redis_value(answer).map_err(|error| StoreError::Protocol(format!("SCAN: {error}")))
    }
}

pub(super) fn number(answer: Value) -> Result<u64, StoreError> {
    from_redis_value(answer).map_err(|error| StoreError::Protocol(error.to_string()))
}
