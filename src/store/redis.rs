//! The store that processes share: Redis or Valkey.
//!
//! Every operation but the two that walk over keys is one round trip: a look-up is one MGET; what must be atomic is a script. Nothing here depends on
//! state of a connection, so a request whose connection turns out to be dead is asked again on a new one.
//!
//! The commands that a restricted ACL user needs, on keys `~<namespace>:*` and `~<namespace>-fence:*`:
//!
//! ```text
//! sent:            +mget +set +del +unlink +scan +evalsha +script|load +info (and +select for a database other than 0)
//! within scripts:  +time +get +set +del +unlink +getrange +zcard +zadd +zrem +zscore +zrange +zrevrange
//! ```
//!
//! Without `+info` the store works, but can't tell one server from another: see [`RedisStore`].

mod config;
mod connection;
mod scan;

pub use config::RedisConfigError;

use self::connection::{Connection, Pool, Slot, identify, is_over};
use super::{ALL_GENERATION, CacheStore, Creation, FenceId, Label, Lease, LeaseFate, Lookup, RedisConfig, StoreError, Wish};
use crate::key::Keyspace;
use crate::tag::{Generation, ServerIdentity, Tag};
use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Script, ServerErrorKind, Value};
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// A generation that nobody replaced dies after a day: tables that are no longer read leave nothing behind.
const GENERATION_LIFE: Duration = Duration::from_hours(24);

/// The marker of a running write outlives its lease by far: were it gone first, and the fence lost, a reader could create a generation. Should it be left
/// alone for good (the fence was lost, the writer died), it goes by itself after this time, or four leases.
const MARKER_LIFE: Duration = Duration::from_mins(1);

/// What stands at a fenced tag's generation key.
const FENCED: &[u8] = b"fenced";

macro_rules! script {
    ($name:ident, $file:literal) => {
        static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("redis/common.lua"), include_str!(concat!("redis/", $file)))));
    };
}
script!(CREATE, "create.lua");
script!(BEGIN, "begin.lua");
script!(END, "end.lua");
script!(CLEAR_LAPSED, "clear_lapsed.lua");
script!(RECLAIM, "reclaim.lua");
script!(LEASE, "lease.lua");
script!(SETTLE_LEASE, "settle_lease.lua");

/// Keeps entries, generations and fences in a Redis or Valkey server.
///
/// Every token names the server that keeps it, and is compared with the server behind the connection that answered: after a failover, or a restart from
/// an old snapshot, everything is a miss. A replica is refused. A user who may not ask for INFO gives up these protections (said once in the log).
/// [`CacheStore::ping`] also notices a server that became another one without breaking its connections.
///
/// A request that timed out may still reach the server late, after a request that followed it on a new connection. A late `begin` leaves a fence
/// behind that lapses and must be proven over: its table is not cached until then, but nothing stale is served.
///
/// # Errors
///
/// Operations fail with [`StoreError::Deadline`] after the configured time, connecting included, and at once for a tenth of a second after a connection
/// could not be made. [`CacheStore::reclaim`] and [`CacheStore::delete_matching`] walk over many keys: there the time applies to each step.
pub struct RedisStore {
    keyspace: Keyspace,
    pool: Pool,
    timeout: Duration,
    /// Where it is, for people.
    address: String,
}

/// An operation: how to put the command together once it is known which server will get it, so that it can be asked again.
struct Request<'a> {
    name: &'static str,
    script: Option<&'static Script>,
    build: Box<dyn Fn(ServerIdentity) -> Cmd + Send + Sync + 'a>,
}

impl<'a> Request<'a> {
    fn command(name: &'static str, arguments: &'a (dyn Fn(&mut Cmd) + Send + Sync)) -> Self {
        let build = move |_| {
            let mut command = redis::cmd(name);
            arguments(&mut command);
            command
        };
        Self { name, script: None, build: Box::new(build) }
    }

    fn script<K: AsRef<[u8]> + Sync>(
        script: &'static Script,
        keys: &'a [K],
        arguments: &'a (dyn Fn(&mut Cmd, ServerIdentity) + Send + Sync),
    ) -> Self {
        let build = move |identity| {
            let mut command = redis::cmd("EVALSHA");
            command.arg(script.get_hash()).arg(keys.len());
            for key in keys {
                command.arg(key.as_ref());
            }
            arguments(&mut command, identity);
            command
        };
        Self { name: "EVALSHA", script: Some(script), build: Box::new(build) }
    }
}

impl RedisStore {
    /// A store in this server, which need not be up yet: connections are made when they are needed.
    ///
    /// # Errors
    ///
    /// A setting that can't be used, named in the error.
    pub fn new(config: &RedisConfig, keyspace: Keyspace) -> Result<Self, RedisConfigError> {
        let info = config.connection_info()?;
        let address = info.addr().to_string();
        let client = redis::Client::open(info).map_err(|error| config.refused(&error))?;
        let pool = Pool::new(client, config.connections, config.connect_timeout);
        Ok(Self { keyspace, pool, timeout: config.timeout, address })
    }

    /// Asks within the deadline. Answers are returned with the identity of the server that gave them.
    async fn ask(&self, request: &Request<'_>) -> Result<(Value, ServerIdentity), StoreError> {
        let slot = self.pool.slot();
        let mut used = None;
        if let Ok(answer) = tokio::time::timeout(self.timeout, exchange(slot, request, &mut used)).await {
            return answer;
        }
        slot.timed_out(used.as_ref());
        Err(StoreError::Deadline(self.timeout))
    }

    /// The keys of a script: each tag's generation and fence.
    fn script_keys(&self, tags: &[Tag]) -> Vec<String> {
        tags.iter().flat_map(|tag| [self.keyspace.generation(tag), self.keyspace.fence(tag)]).collect()
    }
}

/// Asks, on a new connection if there is none, and once more if the one that was there turns out to be dead: every request may be repeated.
async fn exchange(
    slot: &Arc<Slot>,
    request: &Request<'_>,
    used: &mut Option<Arc<Connection>>,
) -> Result<(Value, ServerIdentity), StoreError> {
    let mut repeated = false;
    loop {
        *used = None;
        let connection = slot.get().await?;
        *used = Some(Arc::clone(&connection));
        match send(&connection, request).await {
            Ok(answer) => return Ok((answer, connection.identity)),
            Err(error) => {
                if is_over(&error) {
                    slot.forget(&connection);
                }
                // Typical of a restarted server, or of a proxy that closes idle connections.
                if !repeated && error.is_connection_dropped() {
                    repeated = true;
                    continue;
                }
                tracing::trace!(request = request.name, %error, "Redis refused");
                return Err(backend(error));
            }
        }
    }
}

async fn send(connection: &Connection, request: &Request<'_>) -> RedisResult<Value> {
    let mut requests = connection.requests.clone();
    let command = (request.build)(connection.identity);
    let answer = command.query_async(&mut requests).await;
    match (request.script, answer) {
        // First use, or a server that was restarted or flushed.
        (Some(script), Err(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            script.load_async(&mut requests).await?;
            command.query_async(&mut requests).await
        }
        (_, answer) => answer,
    }
}

fn backend(error: RedisError) -> StoreError {
    StoreError::Backend(Box::new(error))
}

#[async_trait]
impl CacheStore for RedisStore {
    async fn look_up(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        let arguments = |command: &mut Cmd| {
            command.arg(key);
            for tag in tags {
                command.arg(self.keyspace.generation(tag));
            }
        };
        let (answer, identity) = self.ask(&Request::command("MGET", &arguments)).await?;
        match answer {
            Value::Array(values) if values.len() == tags.len() + 1 => {
                let mut values = values.into_iter();
                let entry = match values.next() {
                    Some(Value::BulkString(bytes)) => Some(Bytes::from(bytes)),
                    _ => None,
                };
                Ok(Lookup { entry, labels: values.map(|value| label(&value, identity)).collect() })
            }
            _ => Err(StoreError::Protocol("MGET: not as many values as keys".into())),
        }
    }

    async fn create(&self, tags: &[Tag]) -> Result<Vec<Creation>, StoreError> {
        if tags.is_empty() {
            return Ok(Vec::new());
        }
        let arguments = |command: &mut Cmd, identity: ServerIdentity| {
            command.arg(&identity.0).arg(millis(GENERATION_LIFE));
            for _ in tags {
                command.arg(&Generation::fresh(identity).0);
            }
        };
        let (answer, _) = self.ask(&Request::script(&CREATE, &self.script_keys(tags), &arguments)).await?;
        let Value::Array(answers) = answer else { return Err(StoreError::Protocol("create.lua: not an array".into())) };
        if answers.len() != tags.len() {
            return Err(StoreError::Protocol("create.lua: not as many answers as tags".into()));
        }
        answers.into_iter().map(creation).collect()
    }

    async fn fill(&self, key: &str, entry: Bytes, ttl: Duration) -> Result<(), StoreError> {
        let arguments = |command: &mut Cmd| _ = command.arg(key).arg(&entry[..]).arg("PX").arg(millis(ttl));
        self.ask(&Request::command("SET", &arguments)).await.map(drop)
    }

    async fn lease(&self, key: &str, wish: &Wish, time: Duration) -> Result<Lease, StoreError> {
        let arguments = |command: &mut Cmd, _| {
            let except = wish.except.as_ref().map_or(&[][..], |except| &except[..]);
            command.arg(ALL_GENERATION.start).arg(&wish.head).arg(except).arg(&wish.holder).arg(millis(time));
        };
        let (answer, _) = self.ask(&Request::script(&LEASE, &[key.to_owned(), lease_key(key)], &arguments)).await?;
        let words: Vec<Vec<u8>> = redis::from_redis_value(answer).map_err(|error| StoreError::Protocol(format!("lease.lua: {error}")))?;
        let mut words = words.into_iter();
        match (words.next().as_deref(), words.next()) {
            (Some(b"entry"), Some(entry)) => Ok(Lease::Entry(entry.into())),
            (Some(b"granted"), None) => Ok(Lease::Granted),
            (Some(b"held"), None) => Ok(Lease::Held),
            (Some(b"alone"), None) => Ok(Lease::Alone),
            _ => Err(StoreError::Protocol("lease.lua: an unknown answer".into())),
        }
    }

    async fn settle_lease(&self, key: &str, wish: &Wish, fate: LeaseFate) -> Result<(), StoreError> {
        let (fate, time) = match fate {
            LeaseFate::Renewed(time) => ("renewed", millis(time)),
            LeaseFate::Free => ("free", 0),
            LeaseFate::Alone(time) => ("alone", millis(time)),
        };
        let arguments = |command: &mut Cmd, _| _ = command.arg(&wish.head).arg(&wish.holder).arg(fate).arg(time);
        self.ask(&Request::script(&SETTLE_LEASE, &[lease_key(key)], &arguments)).await.map(drop)
    }

    async fn discard(&self, key: &str) -> Result<(), StoreError> {
        self.ask(&Request::command("UNLINK", &|command| _ = command.arg(key))).await.map(drop)
    }

    async fn begin(&self, tags: &[Tag], id: &FenceId, lease: Duration) -> Result<(), StoreError> {
        if tags.is_empty() {
            return Ok(());
        }
        let marker = MARKER_LIFE.max(lease.saturating_mul(4));
        let arguments = |command: &mut Cmd, _| _ = command.arg(&id.0).arg(millis(lease)).arg(millis(marker));
        self.ask(&Request::script(&BEGIN, &self.script_keys(tags), &arguments)).await.map(drop)
    }

    async fn end(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError> {
        let arguments = |command: &mut Cmd, _| _ = command.arg(&id.0).arg(millis(MARKER_LIFE));
        let mut keys = self.script_keys(tags);
        keys.push(self.keyspace.generation(&Tag::schema()));
        let (answer, identity) = self.ask(&Request::script(&END, &keys, &arguments)).await?;
        Ok(label(&answer, identity))
    }

    async fn clear_lapsed(&self, tag: &Tag, ids: &[FenceId]) -> Result<(), StoreError> {
        let arguments = |command: &mut Cmd, _| {
            command.arg(millis(MARKER_LIFE));
            for id in ids {
                command.arg(&id.0);
            }
        };
        self.ask(&Request::script(&CLEAR_LAPSED, &self.script_keys(std::slice::from_ref(tag)), &arguments)).await.map(drop)
    }

    async fn invalidate(&self, tags: &[Tag]) -> Result<(), StoreError> {
        if tags.is_empty() {
            return Ok(());
        }
        let generations: Vec<String> = tags.iter().map(|tag| self.keyspace.generation(tag)).collect();
        // One command, so that nobody sees half of it.
        self.ask(&Request::command("DEL", &|command| _ = command.arg(&generations))).await.map(drop)
    }

    async fn reclaim(&self, tag: &Tag) -> Result<u64, StoreError> {
        self.unlink_dead(tag).await
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, StoreError> {
        self.unlink_matching(pattern).await
    }

    /// Also notices, on every connection, that a server has become another one (or a replica) without breaking it.
    async fn ping(&self) -> Result<ServerIdentity, StoreError> {
        let mut answered = ServerIdentity::default();
        for slot in self.pool.slots() {
            let mut used = None;
            let check = async {
                let connection = slot.get().await?;
                used = Some(Arc::clone(&connection));
                let identity = identify(&mut connection.requests.clone()).await;
                if !matches!(identity, Ok(identity) if identity.unwrap_or_default() == connection.identity) {
                    slot.forget(&connection);
                }
                identity.map(Option::unwrap_or_default).map_err(backend)
            };
            let Ok(identity) = tokio::time::timeout(self.timeout, check).await else {
                slot.timed_out(used.as_ref());
                return Err(StoreError::Deadline(self.timeout));
            };
            answered = identity?;
        }
        Ok(answered)
    }
}

/// Where an entry's lease is: among its table's keys, so that it goes with them, and in a cluster on the entry's shard. No reclaim takes it for an entry.
fn lease_key(key: &str) -> String {
    format!("{key}:lease")
}

/// A value at a generation's key, as seen by the server behind the connection that answered.
fn label(value: &Value, identity: ServerIdentity) -> Label {
    match value {
        Value::BulkString(bytes) if bytes == FENCED => Label::Fenced,
        Value::BulkString(bytes) => match <[u8; Generation::LEN]>::try_from(&bytes[..]).map(Generation) {
            Ok(generation) if generation.server() == identity => Label::Standing(generation),
            _ => Label::Absent,
        },
        _ => Label::Absent,
    }
}

/// One tag's answer of `create.lua`.
fn creation(answer: Value) -> Result<Creation, StoreError> {
    let words: Vec<Vec<u8>> = redis::from_redis_value(answer).map_err(|error| StoreError::Protocol(format!("create.lua: {error}")))?;
    match words.split_first() {
        Some((kind, [])) if kind == FENCED => Ok(Creation::Fenced),
        Some((kind, [token])) if kind == b"standing" => match token.as_slice().try_into() {
            Ok(token) => Ok(Creation::Standing(Generation(token))),
            Err(_) => Err(StoreError::Protocol("create.lua: a generation of another length".into())),
        },
        Some((kind, ids)) if kind == b"lapsed" => {
            let id = |id: &Vec<u8>| String::from_utf8(id.clone()).map(FenceId);
            // What can't be written as a string is no write of ours, and nobody could prove it over.
            ids.iter()
                .map(id)
                .collect::<Result<_, _>>()
                .map(Creation::Lapsed)
                .map_err(|_| StoreError::Protocol("a fence's id is not UTF-8".into()))
        }
        _ => Err(StoreError::Protocol("create.lua: an unknown answer".into())),
    }
}

/// Redis' unit of time. Zero would be refused, and so would be more than the clock can hold.
fn millis(duration: Duration) -> u64 {
    const CENTURY: u64 = 100 * 365 * 24 * 60 * 60 * 1000;
    u64::try_from(duration.as_millis()).unwrap_or(CENTURY).clamp(1, CENTURY)
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("keyspace", &self.keyspace)
            .field("address", &self.address)
            .field("connections", &self.pool.slots().len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
