//! What walks over keys: unlinking dead entries, and deleting by pattern.

use super::connection::Connection;
use super::{RECLAIM, RedisStore, Request};
use crate::store::{ALL_GENERATION, ENTRY_MAGIC, StoreError, TABLE_GENERATION, glob};
use crate::tag::Tag;
use redis::{Value, from_redis_value};
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
        let place = if *tag == Tag::all() { ALL_GENERATION } else { TABLE_GENERATION };
        let generation = self.keyspace.generation(tag);
        let mut unlinked = 0;
        let mut cursor = 0;
        loop {
            let (next, keys) = self.step(&pattern, cursor).await?;
            let entries: Vec<Vec<u8>> = keys.into_iter().filter(|key| !key.ends_with(b":gen")).collect();
            for batch in entries.chunks(BATCH) {
                let keys: Vec<&[u8]> = std::iter::once(generation.as_bytes()).chain(batch.iter().map(Vec::as_slice)).collect();
                let build = |command: &mut redis::Cmd, connection: &Connection| {
                    command.arg(&connection.identity.0).arg(ENTRY_MAGIC).arg(place.start + 1).arg(place.end);
                };
                let (answer, _) = self.ask(&Request::script(&RECLAIM, &keys, &build)).await?;
                unlinked += number(answer)?;
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
        let mut unlinked = 0;
        let mut cursor = 0;
        loop {
            // SCAN returns every key that is there from its beginning to its end, so no generation that stood before this call is left behind.
            let (next, keys) = self.step(&pattern, cursor).await?;
            if !keys.is_empty() {
                let (answer, _) = self.ask(&Request::command("UNLINK", &|command| _ = command.arg(&keys))).await?;
                unlinked += number(answer)?;
            }
            if next == 0 {
                return Ok(unlinked);
            }
            cursor = next;
        }
    }

    async fn step(&self, pattern: &str, cursor: u64) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
        let scan = |command: &mut redis::Cmd| _ = command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
        let (answer, _) = self.ask(&Request::command("SCAN", &scan)).await?;
        from_redis_value(answer).map_err(|error| StoreError::Protocol(format!("SCAN: {error}")))
    }
}

fn number(answer: Value) -> Result<u64, StoreError> {
    from_redis_value(answer).map_err(|error| StoreError::Protocol(error.to_string()))
}
