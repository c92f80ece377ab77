//! What walks over keys: unlinking dead entries, and deleting by pattern.

use super::cluster::{is_between, slot};
use super::connection::Connection;
use super::{Place, RECLAIM, RedisStore, Request, Route};
use crate::store::{ALL_GENERATION, ENTRY_MAGIC, Label, StoreError, TABLE_GENERATION, glob};
use crate::tag::Tag;
use futures_util::future::join_all;
use redis::{Value, from_redis_value};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// How many keys a step of SCAN looks at.
const STEP: usize = 500;

/// How many keys one script judges: Redis does nothing else meanwhile, and 200 take well under a millisecond.
const BATCH: usize = 200;

/// The pause between the steps of a reclaim. It is nobody's hurry, and leaves the server to those who wait.
const PAUSE: Duration = Duration::from_millis(2);

impl RedisStore {
    pub(super) async fn unlink_dead(&self, tag: &Tag) -> Result<u64, StoreError> {
        let pattern = glob::within(&self.keyspace, &self.keyspace.pattern(tag))?;
        let generation = self.keyspace.generation(tag);
        let place = if *tag == Tag::all() { ALL_GENERATION } else { TABLE_GENERATION };
        let Route::Cluster(cluster) = &self.route else {
            return self.unlink_dead_at(Place::Key(generation.as_bytes()), &pattern, &generation, None, &place).await;
        };
        let topology = cluster.topology_within(self.timeout).await?;
        if *tag != Tag::all() {
            // All of its keys are where its generation is. What a moving slot hides dies of its TTL.
            let Some(node) = topology.owner(slot(generation.as_bytes())) else { return Ok(0) };
            return self.unlink_dead_at(Place::Node(node), &pattern, &generation, None, &place).await;
        }
        // The entries are elsewhere than this generation. Should it change meanwhile, what is filled under the next one may be unlinked, too: a miss.
        let token = match self.label_of(tag).await? {
            Label::Standing(generation) => generation.0.to_vec(),
            Label::Absent | Label::Fenced => Vec::new(),
        };
        let mut unlinked = 0;
        for node in topology.nodes() {
            unlinked += self.unlink_dead_at(Place::Node(node), &pattern, &generation, Some(&token), &place).await?;
        }
        Ok(unlinked)
    }

    /// Walks over one server's keys. The generation that the entries must have is looked up beside them, unless it is given.
    async fn unlink_dead_at(
        &self,
        at: Place<'_>,
        pattern: &str,
        generation: &str,
        token: Option<&[u8]>,
        place: &Range<usize>,
    ) -> Result<u64, StoreError> {
        let mut unlinked = 0;
        let mut cursor = 0;
        loop {
            let (next, keys) = self.step(at, pattern, cursor).await?;
            let entries = keys.into_iter().filter(|key| !key.ends_with(b":gen")).collect();
            for batch in self.by_slot(entries).iter().flat_map(|keys| keys.chunks(BATCH)) {
                let first = if token.is_none() { Some(generation.as_bytes()) } else { None };
                let keys: Vec<&[u8]> = first.into_iter().chain(batch.iter().map(Vec::as_slice)).collect();
                let build = |command: &mut redis::Cmd, connection: &Connection| {
                    command.arg(&connection.identity.0).arg(ENTRY_MAGIC).arg(place.start + 1).arg(place.end);
                    if let Some(token) = token {
                        command.arg(token);
                    }
                };
                match self.ask(&Request::script(&RECLAIM, &keys, &build)).await {
                    Ok((answer, _)) => unlinked += number(answer)?,
                    // Their slot is moving. They die of their TTL.
                    Err(error) if is_between(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            if next == 0 {
                return Ok(unlinked);
            }
            cursor = next;
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) async fn unlink_matching(&self, pattern: &str) -> Result<u64, StoreError> {
        let pattern = glob::within(&self.keyspace, pattern)?;
        let Route::Cluster(cluster) = &self.route else {
            return self.unlink_matching_at(Place::Key(b""), &pattern).await;
        };
        // A generation that moves from a server not yet walked over to one that has been names the former, and so is a miss.
        let topology = cluster.topology_within(self.timeout).await?;
        let walks = topology.nodes().iter().map(|node| self.unlink_matching_at(Place::Node(node), &pattern));
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
    async fn unlink(&self, keys: &[Vec<u8>]) -> Result<u64, StoreError> {
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
    fn by_slot(&self, keys: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
        if !self.is_cluster() {
            return if keys.is_empty() { Vec::new() } else { vec![keys] };
        }
        let mut slots = BTreeMap::<u16, Vec<Vec<u8>>>::new();
        for key in keys {
            slots.entry(slot(&key)).or_default().push(key);
        }
        slots.into_values().collect()
    }

    async fn step(&self, at: Place<'_>, pattern: &str, cursor: u64) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
        let scan = |command: &mut redis::Cmd| _ = command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
        let (answer, _) = self.ask(&Request::command("SCAN", at, &scan)).await?;
        from_redis_value(answer).map_err(|error| StoreError::Protocol(format!("SCAN: {error}")))
    }
}

fn number(answer: Value) -> Result<u64, StoreError> {
    from_redis_value(answer).map_err(|error| StoreError::Protocol(error.to_string()))
}
