//! The store that processes share: Redis or Valkey.
//!
//! Every operation but the two that walk over keys is one round trip: a look-up is one MGET; what must be atomic is a script. Nothing here depends on
//! state of a connection, so a request whose connection turns out to be dead is asked again on a new one.
//!
//! The commands that a restricted ACL user needs, on keys `~<namespace>:*`, `~<namespace>-fence:*` and `~<namespace>-near:*`:
//!
//! ```text
//! sent:            +mget +set +del +unlink +scan +evalsha +script|load +info (and +select for a database other than 0)
//! near cache:      +hello +client|tracking +client|caching
//! within scripts:  +time +get +set +del +unlink +getrange +zcount +zadd +zrem +zscore +zrangebyscore +zremrangebyscore +zrevrange
//! ```
//!
//! Keys `<namespace>-near:*` are the near cache's heartbeats, and the key by which processes take turns at the reclaim; without the right to it they don't.
//!
//! Without `+info` the store works, but can't tell one server from another: see [`RedisStore`]. Without those of the near cache there is none.

mod answer;
mod config;
mod connection;
mod mirror;
mod request;
mod scan;
mod tracking;

pub use config::RedisConfigError;

use self::answer::{array, creation, label};
use self::connection::{Connection, Pool, identify};
use self::request::{Packet, Request, backend};
use self::tracking::Tracking;
use super::near::Near;
use super::{CacheStore, Creation, FenceId, Label, Lookup, NearUse, RedisConfig, StoreError};
use crate::key::Keyspace;
use crate::tag::{Generation, ServerIdentity, Tag};
use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, ProtocolVersion, Script, Value};
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
    near: Option<Arc<Near>>,
    timeout: Duration,
    guard: Option<Duration>,
    /// Where it is, for people.
    address: String,
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
        let open = |info| redis::Client::open(info).map_err(|error| config.refused(&error));
        let mut near = None;
        let mut tracking = None;
        if config.near_bytes > 0 {
            let near = near.insert(Arc::new(Near::new(config.near_bytes, config.near_staleness)));
            let resp3 = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            let client = open(info.clone().set_redis_settings(resp3))?;
            tracking = Some((client, Arc::new(Tracking::new(Arc::clone(near), keyspace.clone(), config.near_staleness))));
        }
        let pool = Pool::new(open(info)?, tracking, config.connections, config.connect_timeout);
        Ok(Self { keyspace, pool, near, timeout: config.timeout, guard: config.fence_guard, address })
    }

    /// Asks within the deadline. Answers are returned with the connection that brought them: it knows which server gave them.
    async fn ask(&self, request: &Request<'_>) -> Result<(Value, Arc<Connection>), StoreError> {
        let slot = self.pool.slot();
        let mut used = None;
        if let Ok(answer) = tokio::time::timeout(self.timeout, request.exchange(slot, &mut used)).await {
            return answer;
        }
        slot.timed_out(used.as_ref());
        Err(StoreError::Deadline(self.timeout))
    }

    /// The guard's lease; zero without a guard.
    fn guard(&self) -> u64 {
        self.guard.map_or(0, millis)
    }

    fn generations(&self, tags: &[Tag]) -> Vec<String> {
        tags.iter().map(|tag| self.keyspace.generation(tag)).collect()
    }

    /// The keys of a script: each tag's generation and fence.
    fn script_keys(&self, tags: &[Tag]) -> Vec<String> {
        tags.iter().flat_map(|tag| [self.keyspace.generation(tag), self.keyspace.fence(tag)]).collect()
    }
}

#[async_trait]
impl CacheStore for RedisStore {
    async fn look_up(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        match &self.near {
            // What depends on nothing would be near for ever.
            Some(near) if !tags.is_empty() => match near.look_up(key, tags) {
                Some(found) => Ok(found),
                None => self.look_up_and_mirror(near, key, tags).await,
            },
            _ => self.look_up_plainly(key, tags).await.map(|(found, _)| found),
        }
    }

    async fn create(&self, tags: &[Tag]) -> Result<Vec<Creation>, StoreError> {
        if tags.is_empty() {
            return Ok(Vec::new());
        }
        let arguments = |command: &mut Cmd, connection: &Connection| {
            command.arg(&connection.identity.0).arg(millis(GENERATION_LIFE)).arg(self.guard());
            for _ in tags {
                command.arg(&Generation::fresh(connection.identity).0);
            }
        };
        let (answer, _) = self.ask(&Request::script(&CREATE, &self.script_keys(tags), &arguments)).await?;
        let answers = array(answer)?;
        if answers.len() != tags.len() {
            return Err(StoreError::Protocol("create.lua: not as many answers as tags".into()));
        }
        answers.map(creation).collect()
    }

    async fn fill(&self, key: &str, tags: &[Tag], entry: Bytes, ttl: Duration) -> Result<(), StoreError> {
        match &self.near {
            Some(near) if !tags.is_empty() => {
                let filled = self.fill_and_mirror(near, key, tags, entry, ttl).await;
                if filled.is_err() {
                    // Its reader may have seen more than what is mirrored.
                    near.drop_tags(tags);
                }
                filled
            }
            _ => self.ask(&Request::new("SET", |_| Packet::Command(set(key, &entry, ttl)))).await.map(drop),
        }
    }

    async fn discard(&self, key: &str) -> Result<(), StoreError> {
        if let Some(near) = &self.near {
            near.discard(key);
        }
        self.ask(&Request::command("UNLINK", &|command| _ = command.arg(key))).await.map(drop)
    }

    async fn begin(&self, tags: &[Tag], id: &FenceId, lease: Duration) -> Result<(), StoreError> {
        if tags.is_empty() {
            return Ok(());
        }
        let marker = MARKER_LIFE.max(lease.saturating_mul(4));
        let arguments = |command: &mut Cmd, connection: &Connection| {
            command.arg(&id.0).arg(millis(lease)).arg(millis(marker)).arg(self.guard()).arg(&connection.identity.0);
        };
        let begun = self.ask(&Request::script(&BEGIN, &self.script_keys(tags), &arguments)).await;
        // After the reply: from now on nobody is given these generations, so that none is mirrored again. The pushes may come later.
        self.forget_near(tags);
        begun.map(drop)
    }

    async fn end(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError> {
        let arguments = |command: &mut Cmd, _: &Connection| _ = command.arg(&id.0).arg(millis(MARKER_LIFE));
        let mut keys = self.script_keys(tags);
        keys.push(self.keyspace.generation(&Tag::schema()));
        let ended = self.ask(&Request::script(&END, &keys, &arguments)).await;
        self.forget_near(tags);
        ended.map(|(answer, connection)| label(&answer, connection.identity))
    }

    async fn clear_lapsed(&self, tag: &Tag, ids: &[FenceId]) -> Result<(), StoreError> {
        let arguments = |command: &mut Cmd, _: &Connection| {
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
        let generations = self.generations(tags);
        // One command, so that nobody sees half of it.
        let invalidated = self.ask(&Request::command("DEL", &|command| _ = command.arg(&generations))).await;
        self.forget_near(tags);
        invalidated.map(drop)
    }

    async fn reclaim(&self, tag: &Tag) -> Result<u64, StoreError> {
        self.unlink_dead(tag).await
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, StoreError> {
        let unlinked = self.unlink_matching(pattern).await;
        if let Some(near) = &self.near {
            near.drop_everything();
        }
        unlinked
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

    fn forget_near(&self, tags: &[Tag]) {
        if let Some(near) = &self.near {
            near.drop_tags(tags);
        }
    }

    fn near(&self) -> Option<NearUse> {
        self.near.as_ref().map(|near| near.in_use())
    }
}

/// The command that stores an entry.
fn set(key: &str, entry: &[u8], ttl: Duration) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(key).arg(entry).arg("PX").arg(millis(ttl));
    command
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
            .field("near", &self.near)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
