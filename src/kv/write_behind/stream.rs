//! A queue in a Redis Stream. Its group is created where it is missing, from the stream's beginning: after a FLUSHALL, too.
//!
//! Whatever needs no waiting goes over the store's connections, and finds the server of a slot that moved; a consumer waits for items on a connection of its own.

use super::backing::{Backing, Delivery, Fields, Seat};
use crate::engine::Engine;
use crate::store::{RedisStore, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, Value, cmd, from_redis_value, pipe};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How many pending items are asked for at once.
const PAGE: usize = 500;

/// How long an answer may be late, at least. What is in one that nobody waits for any more would lie until somebody takes it over.
const PATIENCE: Duration = Duration::from_secs(5);

/// The consumer that has what those who left had.
const NOBODY: &str = "nobody";

pub(super) struct StreamQueue {
    engine: Arc<Engine>,
    queue: String,
    dead: String,
    group: String,
    /// Whether the server was asked if it evicts queues.
    asked: AtomicBool,
}

/// An item in somebody's hands.
type Held = (String, String, u64, u64);

impl StreamQueue {
    /// The names share a slot, and lie where no key of a cache does: no pattern deletes them.
    pub(super) fn new(engine: Arc<Engine>, name: &str, group: &str) -> Self {
        let (queue, dead) = (format!("{{{name}}}:queue"), format!("{{{name}}}:dead"));
        Self { engine, queue, dead, group: group.to_owned(), asked: AtomicBool::new(false) }
    }

    fn store(&self) -> Result<&RedisStore, StoreError> {
        self.engine.store().plain().redis().ok_or_else(|| StoreError::Protocol("there is no Redis any more".into()))
    }

    async fn command(&self, name: &'static str, command: &Cmd) -> Result<Value, StoreError> {
        self.store()?.command(name, &self.queue, command).await
    }

    async fn number(&self, name: &'static str, command: &Cmd) -> Result<u64, StoreError> {
        parsed(self.command(name, command).await?)
    }

    /// A command about the group.
    fn of_group(&self, name: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(&self.queue).arg(&self.group);
        command
    }

    async fn create_group(&self) -> Result<(), StoreError> {
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(&self.queue).arg(&self.group).arg("0").arg("MKSTREAM");
        match self.command("XGROUP", &create).await {
            Err(error) if has_code(&error, "BUSYGROUP") => Ok(()),
            created => created.map(drop),
        }
    }

    /// Says once if this server may evict what is queued.
    async fn ask_for_eviction(&self) {
        if self.asked.swap(true, Relaxed) {
            return;
        }
        let mut info = cmd("INFO");
        info.arg("memory");
        let info = self.command("INFO", &info).await.and_then(parsed::<String>);
        let policy = info.as_deref().map(|info| info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map(str::trim));
        match policy {
            Ok(Some(policy)) if policy.starts_with("allkeys-") => {
                tracing::warn!(queue = self.queue, policy, "this Redis evicts any key when its memory is full: what is queued may be lost");
            }
            Ok(_) | Err(StoreError::Refused(_)) => {}
            // Out of reach.
            Err(_) => self.asked.store(false, Relaxed),
        }
    }

    /// The items in consumers' hands (this one's, or all), in their order, behind a place.
    async fn held(&self, consumer: Option<&str>, behind: Option<&str>) -> Result<Vec<Held>, StoreError> {
        let mut command = self.of_group("XPENDING");
        command.arg(behind.map_or_else(|| "-".to_owned(), next)).arg("+").arg(PAGE);
        if let Some(consumer) = consumer {
            command.arg(consumer);
        }
        match self.command("XPENDING", &command).await {
            // Without a group nobody has anything.
            Err(error) if has_code(&error, "NOGROUP") => Ok(Vec::new()),
            answer => parsed(answer?),
        }
    }
}

/// The first place behind this one. (Intervals without their ends are too new.)
fn next(place: &str) -> String {
    match place.rsplit_once('-').and_then(|(time, number)| Some((time, number.parse::<u64>().ok()?.checked_add(1)?))) {
        Some((time, number)) => format!("{time}-{number}"),
        None => place.to_owned(),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn parsed<T: redis::FromRedisValue>(answer: Value) -> Result<T, StoreError> {
    from_redis_value(answer).map_err(|error| StoreError::Protocol(error.to_string()))
}

fn has_code(error: &StoreError, code: &str) -> bool {
    match error {
        StoreError::Refused(cause) | StoreError::Backend(cause) => {
            cause.downcast_ref::<redis::RedisError>().is_some_and(|cause| cause.code() == Some(code))
        }
        _ => false,
    }
}

/// Entries of a stream; those that were deleted are left out.
fn entries(answer: Value) -> Vec<(String, Fields)> {
    let Value::Array(entries) = answer else { return Vec::new() };
    let entries = entries.into_iter().filter_map(|entry| from_redis_value::<(String, Vec<Vec<u8>>)>(entry).ok());
    entries.map(|(place, fields)| (place, fields.into_iter().map(Bytes::from).collect())).collect()
}

/// What XREADGROUP answers about the one stream that it was asked for.
fn read(answer: Value) -> Vec<Delivery> {
    let stream = match answer {
        Value::Array(streams) => match streams.into_iter().next() {
            Some(Value::Array(stream)) => stream.into_iter().nth(1),
            _ => None,
        },
        Value::Map(streams) => streams.into_iter().next().map(|(_, stream)| stream),
        _ => None,
    };
    let entries = stream.map(entries).unwrap_or_default();
    entries.into_iter().map(|(place, fields)| Delivery { place, fields, deliveries: 1 }).collect()
}

#[async_trait]
impl Backing for StreamQueue {
    async fn push(&self, items: &[Fields], most: Option<u64>) -> Result<bool, StoreError> {
        let add = |fields: &Fields| {
            let mut add = cmd("XADD");
            add.arg(&self.queue).arg("*");
            for field in fields {
                add.arg(&field[..]);
            }
            add
        };
        match (items, most) {
            ([], _) => {}
            (_, Some(most)) => {
                let words: Vec<&[u8]> = items.iter().flatten().map(|word| &word[..]).collect();
                if !self.store()?.push_within(&self.queue, most, items[0].len(), &words).await? {
                    return Ok(false);
                }
            }
            ([item], None) => drop(self.command("XADD", &add(item)).await?),
            (items, None) => {
                let mut pipeline = pipe();
                for item in items {
                    pipeline.add_command(add(item));
                }
                self.store()?.commands("XADD", &self.queue, &pipeline).await?;
            }
        }
        // After it, so that a Redis that hangs costs no more than one deadline.
        self.ask_for_eviction().await;
        Ok(true)
    }

    async fn take(&self, seat: &mut Seat, most: usize, wait: Duration) -> Result<Vec<Delivery>, StoreError> {
        let mut connection = match &seat.connection {
            Some(connection) => connection.clone(),
            None => {
                self.ask_for_eviction().await;
                // Over the store's connections, which learn by it where the slot is.
                self.create_group().await?;
                seat.connection.insert(self.store()?.connection(&self.queue).await?).clone()
            }
        };
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(&self.group).arg(&seat.name).arg("COUNT").arg(most);
        if millis(wait) > 0 {
            // Zero would be for ever.
            command.arg("BLOCK").arg(millis(wait));
        }
        command.arg("STREAMS").arg(&self.queue).arg(">");
        let patience = self.store()?.patience().max(PATIENCE);
        let error = match timeout(wait + patience, command.query_async::<Value>(&mut connection)).await {
            Ok(Ok(answer)) => return Ok(read(answer)),
            Ok(Err(error)) if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")) => {
                self.create_group().await?;
                return Ok(Vec::new());
            }
            Ok(Err(error)) => {
                // The server's own word means that nothing was given.
                seat.uncertain |= error.is_io_error() || error.is_unrecoverable_error();
                RedisStore::error(error)
            }
            Err(_) => {
                seat.uncertain = true;
                StoreError::Deadline(wait + patience)
            }
        };
        seat.connection = None;
        Err(error)
    }

    async fn take_over(&self, consumer: &str, silence: Duration, most: usize) -> Result<Vec<Delivery>, StoreError> {
        let mut left = Vec::new();
        let mut last: Option<String> = None;
        while left.len() < most {
            let page = self.held(None, last.as_deref()).await?;
            last = page.last().map(|(place, ..)| place.clone());
            let whole = page.len() == PAGE;
            left.extend(page.into_iter().filter(|(_, _, idle, _)| *idle >= millis(silence)).take(most - left.len()));
            if !whole {
                break;
            }
        }
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = pipe();
        for (place, _, _, deliveries) in &left {
            // Of several that see it lying there, the first one gets it: for the others it isn't idle any more.
            let mut claim = self.of_group("XCLAIM");
            claim.arg(consumer).arg(millis(silence)).arg(place).arg("RETRYCOUNT").arg(deliveries);
            pipeline.add_command(claim);
        }
        let answers = self.store()?.commands("XCLAIM", &self.queue, &pipeline).await?;
        let (mut taken, mut gone) = (Vec::new(), Vec::new());
        for ((place, _, _, deliveries), answer) in left.into_iter().zip(answers) {
            // Before Redis 7, an item that somebody deleted is still pending.
            let is_gone = matches!(&answer, Value::Array(items) if items.contains(&Value::Nil));
            taken.extend(entries(answer).into_iter().map(|(place, fields)| Delivery { place, fields, deliveries }));
            if is_gone {
                gone.push(place);
            }
        }
        if !gone.is_empty() {
            self.settle(&gone).await?;
        }
        Ok(taken)
    }

    async fn begin(&self, consumer: &str, places: &[String], deliveries: u64) -> Result<Vec<String>, StoreError> {
        let mut begun = Vec::with_capacity(places.len());
        for places in places.chunks(PAGE) {
            let mut claim = self.of_group("XCLAIM");
            claim.arg(consumer).arg(0).arg(places).arg("RETRYCOUNT").arg(deliveries).arg("JUSTID");
            match self.command("XCLAIM", &claim).await {
                Err(error) if has_code(&error, "NOGROUP") => break,
                answer => begun.extend(parsed::<Vec<String>>(answer?)?),
            }
        }
        Ok(begun)
    }

    async fn renew(&self, consumer: &str, places: &[String]) -> Result<(), StoreError> {
        for places in places.chunks(PAGE) {
            let mut claim = self.of_group("XCLAIM");
            claim.arg(consumer).arg(0).arg(places).arg("JUSTID");
            self.command("XCLAIM", &claim).await?;
        }
        Ok(())
    }

    async fn settle(&self, places: &[String]) -> Result<(), StoreError> {
        let mut pipeline = pipe();
        pipeline.atomic();
        pipeline.cmd("XACK").arg(&self.queue).arg(&self.group).arg(places);
        pipeline.cmd("XDEL").arg(&self.queue).arg(places);
        self.store()?.commands("XACK", &self.queue, &pipeline).await.map(drop)
    }

    async fn bury(&self, place: &str, letter: &[Bytes]) -> Result<(), StoreError> {
        // As it is in the stream: what this process made of it may be less.
        let mut range = cmd("XRANGE");
        range.arg(&self.queue).arg(place).arg(place);
        let Some((_, item)) = entries(self.command("XRANGE", &range).await?).pop() else { return Ok(()) };
        let mut pipeline = pipe();
        pipeline.atomic();
        pipeline.cmd("XADD").arg(&self.dead).arg("*");
        for word in letter.iter().chain(&item) {
            pipeline.arg(&word[..]);
        }
        pipeline.cmd("XACK").arg(&self.queue).arg(&self.group).arg(place);
        pipeline.cmd("XDEL").arg(&self.queue).arg(place);
        self.store()?.commands("XADD", &self.queue, &pipeline).await.map(drop)
    }

    async fn leave(&self, seat: &Seat, silence: Duration) -> Result<(), StoreError> {
        let mut last: Option<String> = None;
        loop {
            let page = self.held(Some(&seat.name), last.as_deref()).await?;
            let places: Vec<_> = page.into_iter().map(|(place, ..)| place).collect();
            last = places.last().cloned();
            if places.is_empty() {
                break;
            }
            let mut claim = self.of_group("XCLAIM");
            claim.arg(NOBODY).arg(0).arg(places).arg("IDLE").arg(millis(silence)).arg("JUSTID");
            self.command("XCLAIM", &claim).await?;
        }
        // Its name goes only where nothing can still be given to it: what a consumer has is forgotten with its name.
        if !seat.uncertain {
            let mut delete = cmd("XGROUP");
            delete.arg("DELCONSUMER").arg(&self.queue).arg(&self.group).arg(&seat.name);
            self.command("XGROUP", &delete).await?;
        }
        Ok(())
    }

    async fn len(&self) -> Result<u64, StoreError> {
        self.number("XLEN", cmd("XLEN").arg(&self.queue)).await
    }

    async fn pending(&self) -> Result<u64, StoreError> {
        match self.command("XPENDING", &self.of_group("XPENDING")).await {
            Err(error) if has_code(&error, "NOGROUP") => Ok(0),
            answer => match answer? {
                Value::Array(summary) => parsed(summary.into_iter().next().unwrap_or(Value::Int(0))),
                _ => Err(StoreError::Protocol("XPENDING: not an array".into())),
            },
        }
    }

    async fn dead_len(&self) -> Result<u64, StoreError> {
        self.number("XLEN", cmd("XLEN").arg(&self.dead)).await
    }

    async fn dead(&self, behind: Option<&str>, most: usize) -> Result<Vec<(String, Fields)>, StoreError> {
        let mut range = cmd("XRANGE");
        range.arg(&self.dead).arg(behind.map_or_else(|| "-".to_owned(), next)).arg("+").arg("COUNT").arg(most);
        self.command("XRANGE", &range).await.map(entries)
    }

    async fn revive(&self, place: &str, item: &[Bytes]) -> Result<(), StoreError> {
        let mut pipeline = pipe();
        pipeline.atomic();
        pipeline.cmd("XADD").arg(&self.queue).arg("*");
        for word in item {
            pipeline.arg(&word[..]);
        }
        pipeline.cmd("XDEL").arg(&self.dead).arg(place);
        self.store()?.commands("XADD", &self.queue, &pipeline).await.map(drop)
    }

    async fn discard(&self, places: &[String]) -> Result<u64, StoreError> {
        if places.is_empty() {
            return Ok(0);
        }
        self.number("XDEL", cmd("XDEL").arg(&self.dead).arg(places)).await
    }

    fn settled(&self) -> Option<watch::Receiver<()>> {
        None
    }
}

impl fmt::Debug for StreamQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamQueue").field("queue", &self.queue).field("group", &self.group).finish_non_exhaustive()
    }
}
