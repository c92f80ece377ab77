//! What walks over the entries to make room: unlinking dead ones, and cutting the time of those that stand. In turn with other processes.

use super::cluster::{is_between, slot};
use super::connection::Connection;
use super::scan::number;
use super::{Place, RECLAIM, RedisStore, Request, Route, SHORTEN, millis};
use crate::store::{ALL_GENERATION, ENTRY_MAGIC, Label, StoreError, TABLE_GENERATION, glob};
use crate::tag::Tag;
use redis::{Cmd, Value};
use std::time::Duration;
use tokio::time::Instant;

/// How many keys one script judges: Redis does nothing else meanwhile, and 200 take well under a millisecond.
const BATCH: usize = 200;

/// What is done with the keys of a step.
#[derive(Clone, Copy)]
enum Work<'a> {
    /// Of this tag, and where it is not beside them, with its generation.
    Unlink(&'a Tag, Option<&'a [u8]>),
    /// To this time at most.
    Shorten(Duration),
}

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
        let _ = self.delete(&self.keyspace.reclaim()).await;
        unlinked
    }

    async fn unlink_dead_in_turn(&self, tag: &Tag) -> Result<u64, StoreError> {
        let generation = self.keyspace.generation(tag);
        let Route::Cluster(cluster) = &self.route else {
            return self.walk(Place::Key(generation.as_bytes()), tag, Work::Unlink(tag, None)).await;
        };
        let topology = cluster.topology_within(self.timeout).await?;
        if *tag != Tag::all() {
            // All of its keys are where its generation is. What a moving slot hides dies of its TTL.
            let Some(node) = topology.owner(slot(generation.as_bytes())) else { return Ok(0) };
            return self.walk(Place::Node(node), tag, Work::Unlink(tag, None)).await;
        }
        // The entries are elsewhere than this generation. Should it change meanwhile, what is filled under the next one may be unlinked, too: a miss.
        let token = match self.label_of(tag).await? {
            Label::Standing(generation) => generation.0.to_vec(),
            Label::Absent | Label::Fenced => Vec::new(),
        };
        let mut unlinked = 0;
        for node in topology.nodes() {
            unlinked += self.walk(Place::Node(node), tag, Work::Unlink(tag, Some(&token))).await?;
        }
        Ok(unlinked)
    }

    pub(super) async fn shorten_standing(&self, most: Duration) -> Result<u64, StoreError> {
        // Whoever has the turn makes room, too; the next call sees what is left to do.
        if matches!(self.take_turn(true).await, Ok(Value::Nil)) {
            return Ok(0);
        }
        let shortened = self.shorten_in_turn(most).await;
        // Should this get lost, the turn runs out.
        let _ = self.delete(&self.keyspace.reclaim()).await;
        shortened
    }

    async fn shorten_in_turn(&self, most: Duration) -> Result<u64, StoreError> {
        let Route::Cluster(cluster) = &self.route else {
            return self.walk(Place::Key(b""), &Tag::all(), Work::Shorten(most)).await;
        };
        let topology = cluster.topology_within(self.timeout).await?;
        let mut shortened = 0;
        for node in topology.nodes() {
            shortened += self.walk(Place::Node(node), &Tag::all(), Work::Shorten(most)).await?;
        }
        Ok(shortened)
    }

    /// Walks over one server's keys of a tag; returns with how many the work did something.
    async fn walk(&self, at: Place<'_>, tag: &Tag, work: Work<'_>) -> Result<u64, StoreError> {
        let pattern = glob::within(&self.keyspace, &self.keyspace.pattern(tag))?;
        let (mut done, mut cursor) = (0, 0);
        let mut turn = Instant::now();
        loop {
            let began = Instant::now();
            let (next, keys) = self.step(at, &pattern, cursor).await?;
            done += match work {
                Work::Unlink(tag, token) => self.unlink_dead_among(tag, token, keys).await?,
                Work::Shorten(most) => self.shorten_among(most, keys).await?,
            };
            if next == 0 {
                return Ok(done);
            }
            cursor = next;
            if turn.elapsed() > TURN / 4 {
                turn = Instant::now();
                match self.take_turn(false).await {
                    // A memory that is full refuses this, and the work makes room in it.
                    Ok(_) | Err(StoreError::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            tokio::time::sleep(began.elapsed() * PAUSES).await;
        }
    }

    async fn shorten_among(&self, most: Duration, mut keys: Vec<Vec<u8>>) -> Result<u64, StoreError> {
        // What the program keeps under keys of its own has another form, and the time that it was given.
        keys.retain(|key| self.keyspace.is_entry(key));
        let arguments = |command: &mut Cmd, _: &Connection| _ = command.arg(ENTRY_MAGIC).arg(millis(most)).arg(rand::random::<u16>());
        let mut shortened = 0;
        for batch in self.by_slot(keys).iter().flat_map(|keys| keys.chunks(BATCH)) {
            match self.ask(&Request::script(&SHORTEN, batch, &arguments)).await {
                Ok((answer, _)) => shortened += number(answer)?,
                // Their slot is moving.
                Err(error) if is_between(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(shortened)
    }

    /// The generation that the entries must have is looked up beside them, unless it is given.
    async fn unlink_dead_among(&self, tag: &Tag, token: Option<&[u8]>, keys: Vec<Vec<u8>>) -> Result<u64, StoreError> {
        let place = if *tag == Tag::all() { ALL_GENERATION } else { TABLE_GENERATION };
        let generation = self.keyspace.generation(tag);
        let entries = keys.into_iter().filter(|key| !key.ends_with(b":gen")).collect();
        let mut unlinked = 0;
        for batch in self.by_slot(entries).iter().flat_map(|keys| keys.chunks(BATCH)) {
            let beside = if token.is_none() { Some(generation.as_bytes()) } else { None };
            let keys: Vec<&[u8]> = beside.into_iter().chain(batch.iter().map(Vec::as_slice)).collect();
            let arguments = |command: &mut Cmd, connection: &Connection| {
                command.arg(&connection.identity.0).arg(ENTRY_MAGIC).arg(place.start + 1).arg(place.end);
                if let Some(token) = token {
                    command.arg(token);
                }
            };
            match self.ask(&Request::script(&RECLAIM, &keys, &arguments)).await {
                Ok((answer, _)) => unlinked += number(answer)?,
                // Their slot is moving. They die of their TTL.
                Err(error) if is_between(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(unlinked)
    }

    /// Waits until no other process reclaims; false if that takes too long.
    async fn wait_for_turn(&self) -> bool {
        for _ in 0..ASK_TIMES {
            match self.take_turn(true).await {
                Ok(Value::Nil) => tokio::time::sleep(ASK_AGAIN).await,
                // Where that can't be asked, the reclaim itself will say why.
                Ok(_) | Err(_) => return true,
            }
        }
        false
    }

    /// Takes the turn, or (not `anew`) keeps it. The answer is nothing if another process has it.
    async fn take_turn(&self, anew: bool) -> Result<Value, StoreError> {
        let key = self.keyspace.reclaim();
        let arguments = |command: &mut Cmd| {
            command.arg(&key).arg("").arg("PX").arg(millis(TURN));
            if anew {
                command.arg("NX");
            }
        };
        self.ask(&Request::command("SET", Place::Key(key.as_bytes()), &arguments)).await.map(|(answer, _)| answer)
    }
}
