//! What walks over keys: unlinking dead entries, and deleting by pattern.

use super::connection::Connection;
use super::{RECLAIM, RedisStore, Request, millis};
use crate::store::{ALL_GENERATION, ENTRY_MAGIC, StoreError, TABLE_GENERATION, glob};
use crate::tag::Tag;
use redis::{Cmd, Value, from_redis_value};
use std::time::Duration;
use tokio::time::Instant;

/// How many keys a step of SCAN looks at.
const STEP: usize = 500;

/// How many keys one script judges: Redis does nothing else meanwhile, and 200 take well under a millisecond.
const BATCH: usize = 200;

/// A reclaim pauses so many times as long as its steps take: no more than a tenth of the server's time goes into it. It is nobody's hurry.
const PAUSES: u32 = 9;

/// One reclaim at a time, whichever process runs it. Should it die, the next one begins after this time.
const TURN: Duration = Duration::from_secs(10);

/// How often somebody whose turn it isn't asks again, and how often before leaving what is dead to its time to live.
const ASK_AGAIN: Duration = Duration::from_millis(500);
const ASK_TIMES: u32 = 120;

impl RedisStore {
    pub(super) async fn unlink_dead(&self, tag: &Tag) -> Result<u64, StoreError> {
        if !self.wait_for_turn().await {
            return Ok(0);
        }
        let unlinked = self.unlink_dead_in_turn(tag).await;
        // Should this get lost, the turn runs out.
        let _ = self.ask(&Request::command("DEL", &|command| _ = command.arg(self.keyspace.reclaim()))).await;
        unlinked
    }

    async fn unlink_dead_in_turn(&self, tag: &Tag) -> Result<u64, StoreError> {
        let pattern = glob::within(&self.keyspace, &self.keyspace.pattern(tag))?;
        let (mut unlinked, mut cursor) = (0, 0);
        let mut turn = Instant::now();
        loop {
            let began = Instant::now();
            let (next, keys) = self.step(&pattern, cursor).await?;
            unlinked += self.unlink_dead_among(tag, keys).await?;
            if next == 0 {
                return Ok(unlinked);
            }
            cursor = next;
            if turn.elapsed() > TURN / 4 {
                turn = Instant::now();
                let stay = |command: &mut Cmd| _ = command.arg(self.keyspace.reclaim()).arg("").arg("PX").arg(millis(TURN));
                self.ask(&Request::command("SET", &stay)).await?;
            }
            tokio::time::sleep(began.elapsed() * PAUSES).await;
        }
    }

    async fn unlink_dead_among(&self, tag: &Tag, keys: Vec<Vec<u8>>) -> Result<u64, StoreError> {
        let place = if *tag == Tag::all() { ALL_GENERATION } else { TABLE_GENERATION };
        let generation = self.keyspace.generation(tag);
        let entries: Vec<Vec<u8>> = keys.into_iter().filter(|key| !key.ends_with(b":gen")).collect();
        let mut unlinked = 0;
        for batch in entries.chunks(BATCH) {
            let keys: Vec<&[u8]> = std::iter::once(generation.as_bytes()).chain(batch.iter().map(Vec::as_slice)).collect();
            let arguments = |command: &mut Cmd, connection: &Connection| {
                command.arg(&connection.identity.0).arg(ENTRY_MAGIC).arg(place.start + 1).arg(place.end);
            };
            let (answer, _) = self.ask(&Request::script(&RECLAIM, &keys, &arguments)).await?;
            unlinked += number(answer)?;
        }
        Ok(unlinked)
    }

    /// Waits until no other process reclaims; false if that takes too long.
    async fn wait_for_turn(&self) -> bool {
        for _ in 0..ASK_TIMES {
            let take = |command: &mut Cmd| _ = command.arg(self.keyspace.reclaim()).arg("").arg("NX").arg("PX").arg(millis(TURN));
            match self.ask(&Request::command("SET", &take)).await {
                Ok((Value::Nil, _)) => tokio::time::sleep(ASK_AGAIN).await,
                // Where that can't be asked, the reclaim itself will say why.
                Ok(_) | Err(_) => return true,
            }
        }
        false
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
        let scan = |command: &mut Cmd| _ = command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
        let (answer, _) = self.ask(&Request::command("SCAN", &scan)).await?;
        from_redis_value(answer).map_err(|error| StoreError::Protocol(format!("SCAN: {error}")))
    }
}

fn number(answer: Value) -> Result<u64, StoreError> {
    from_redis_value(answer).map_err(|error| StoreError::Protocol(error.to_string()))
}
