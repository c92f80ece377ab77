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

mod answer;
mod cluster;
mod config;
mod connection;
mod request;
mod scan;
mod sentinel;
mod tls;

pub use config::RedisConfigError;

use self::answer::{creations, label, millis};
use self::cluster::Cluster;
use self::config::Target;
use self::connection::{Pool, Slot, Source, identify};
use self::request::{Place, Request, backend, exchange};
use self::sentinel::Sentinels;
use super::{CacheStore, Creation, FenceId, Label, Lookup, RedisConfig, StoreError};
use crate::key::Keyspace;
use crate::tag::{Generation, ServerIdentity, Tag};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use redis::{Cmd, Script, Value};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// A generation that nobody replaced dies after a day: tables that are no longer read leave nothing behind.
const GENERATION_LIFE: Duration = Duration::from_hours(24);

/// The marker of a running write outlives its lease by far: were it gone first, and the fence lost, a reader could create a generation. Should it be left
/// alone for good (the fence was lost, the writer died), it goes by itself after this time, or four leases.
const MARKER_LIFE: Duration = Duration::from_mins(1);

/// The life of the marker of a write with this lease.
fn marker_life(lease: Duration) -> Duration {
    MARKER_LIFE.max(lease.saturating_mul(4))
}

macro_rules! script {
    ($name:ident, $file:literal) => {
        static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("redis/common.lua"), include_str!(concat!("redis/", $file)))));
    };
}
script!(CREATE, "create.lua");
script!(BEGIN, "begin.lua");
script!(BEGIN_ALONE, "begin_alone.lua");
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
    route: Route,
    timeout: Duration,
    /// Where it is, for people.
    address: String,
}

/// Where requests go.
enum Route {
    /// To one server, the one that sentinels name included.
    One(Pool),
    /// To the server that has the key.
    Cluster(Arc<Cluster>),
}

impl RedisStore {
    /// A store in this server, or these servers, which need not be up yet: connections are made when they are needed. In a cluster the keys wear braces,
    /// whatever the keyspace says.
    ///
    /// # Errors
    ///
    /// A setting that can't be used, named in the error.
    pub fn new(config: &RedisConfig, keyspace: Keyspace) -> Result<Self, RedisConfigError> {
        let one = |source| Route::One(Pool::new(source, config.connections, config.connect_timeout));
        let (keyspace, address, route) = match config.target()? {
            Target::Server(client) => (keyspace, client.get_connection_info().addr().to_string(), one(Source::Server(client))),
            Target::Sentinel { sentinels, master, access } => {
                let sentinels = Sentinels::new(sentinels, master, access, config.connect_timeout);
                (keyspace, format!("{:?}", config.address), one(Source::Sentinels(sentinels)))
            }
            Target::Cluster { seeds, access } => {
                let cluster = Cluster::new(seeds, access, config.connections, config.connect_timeout);
                (keyspace.in_cluster(), format!("{:?}", config.address), Route::Cluster(Arc::new(cluster)))
            }
        };
        Ok(Self { keyspace, route, timeout: config.timeout, address })
    }

    /// Asks within the deadline. Answers are returned with the identity of the server that gave them.
    async fn ask(&self, request: &Request<'_>) -> Result<(Value, ServerIdentity), StoreError> {
        let pool = match &self.route {
            Route::One(pool) => pool,
            Route::Cluster(cluster) => return cluster.ask(request, self.timeout).await,
        };
        let slot = pool.slot();
        let mut used = None;
        if let Ok(answer) = tokio::time::timeout(self.timeout, exchange(slot, request, false, &mut used)).await {
            return answer;
        }
        slot.timed_out(used.as_ref());
        Err(StoreError::Deadline(self.timeout))
    }

    fn is_cluster(&self) -> bool {
        matches!(self.route, Route::Cluster(_))
    }

    /// Asks the server behind this slot, within the deadline, who it is. One that has become another (or a replica) loses its connection.
    async fn check(&self, slot: &Arc<Slot>) -> Result<ServerIdentity, StoreError> {
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
        identity
    }

    /// The keys of a script: each tag's generation and fence.
    fn script_keys(&self, tags: &[Tag]) -> Vec<String> {
        tags.iter().flat_map(|tag| [self.keyspace.generation(tag), self.keyspace.fence(tag)]).collect()
    }
}

#[async_trait]
impl CacheStore for RedisStore {
    async fn look_up(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        if self.is_cluster() {
            return self.look_up_across(key, tags).await;
        }
        let arguments = |command: &mut Cmd| {
            command.arg(key);
            for tag in tags {
                command.arg(self.keyspace.generation(tag));
            }
        };
        let (answer, identity) = self.ask(&Request::command("MGET", Place::Key(key.as_bytes()), &arguments)).await?;
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
        if self.is_cluster() {
            return self.create_across(tags).await;
        }
        let arguments = |command: &mut Cmd, identity: ServerIdentity| {
            command.arg(&identity.0).arg(millis(GENERATION_LIFE));
            for _ in tags {
                command.arg(&Generation::fresh(identity).0);
            }
        };
        let (answer, _) = self.ask(&Request::script(&CREATE, &self.script_keys(tags), &arguments)).await?;
        creations(answer, tags.len())
    }

    async fn fill(&self, key: &str, entry: Bytes, ttl: Duration) -> Result<(), StoreError> {
        let arguments = |command: &mut Cmd| _ = command.arg(key).arg(&entry[..]).arg("PX").arg(millis(ttl));
        self.ask(&Request::command("SET", Place::Key(key.as_bytes()), &arguments)).await.map(drop)
    }

    async fn discard(&self, key: &str) -> Result<(), StoreError> {
        self.ask(&Request::command("UNLINK", Place::Key(key.as_bytes()), &|command| _ = command.arg(key))).await.map(drop)
    }

    async fn begin(&self, tags: &[Tag], id: &FenceId, lease: Duration) -> Result<(), StoreError> {
        if tags.is_empty() {
            return Ok(());
        }
        if self.is_cluster() {
            return self.begin_across(tags, id, lease).await;
        }
        let arguments = |command: &mut Cmd, _| _ = command.arg(&id.0).arg(millis(lease)).arg(millis(marker_life(lease)));
        self.ask(&Request::script(&BEGIN, &self.script_keys(tags), &arguments)).await.map(drop)
    }

    async fn end(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError> {
        if self.is_cluster() {
            return self.end_across(tags, id).await;
        }
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
        if self.is_cluster() {
            return self.invalidate_across(tags).await;
        }
        let generations: Vec<String> = tags.iter().map(|tag| self.keyspace.generation(tag)).collect();
        // One command, so that nobody sees half of it.
        self.ask(&Request::command("DEL", Place::Key(generations[0].as_bytes()), &|command| _ = command.arg(&generations))).await.map(drop)
    }

    async fn reclaim(&self, tag: &Tag) -> Result<u64, StoreError> {
        self.unlink_dead(tag).await
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, StoreError> {
        self.unlink_matching(pattern).await
    }

    /// Also notices, on every connection, that a server has become another one (or a replica) without breaking it. In a cluster every master is asked, and
    /// the identity is that of all of them together.
    async fn ping(&self) -> Result<ServerIdentity, StoreError> {
        let mut answered = ServerIdentity::default();
        match &self.route {
            Route::One(pool) => {
                for slot in pool.slots() {
                    answered = self.check(slot).await?;
                }
            }
            Route::Cluster(cluster) => {
                let topology = cluster.topology_within(self.timeout).await?;
                let slots = topology.nodes().iter().flat_map(|node| node.pool.slots());
                let checked = join_all(slots.map(|slot| self.check(slot))).await;
                let mut digest = Sha256::new();
                for identity in checked {
                    digest.update(cluster.noted(identity)?.0);
                }
                answered.0.copy_from_slice(&digest.finalize()[..8]);
            }
        }
        Ok(answered)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("keyspace", &self.keyspace)
            .field("address", &self.address)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
