//! The store that processes share: Redis or Valkey.
//!
//! Every operation but the two that walk over keys is one round trip: a look-up is one MGET; what must be atomic is a script. Nothing here depends on
//! state of a connection, so a request whose connection turns out to be dead is asked again on a new one. In a cluster an operation asks each server that has one
//! of its keys, all at once; why nothing is lost by that is said in `cluster/across.rs`.
//!
//! The commands that a restricted ACL user needs, on keys `~<namespace>:*`, `~<namespace>-fence:*` and `~<namespace>-near:*`:
//!
//! ```text
//! sent:            +mget +set +del +unlink +scan +evalsha +script|load +info (and +select for a database other than 0)
//! plain values:    +get +incrby +pexpire +persist +exists +dbsize +multi +exec, on keys `~<prefix>:*` and `~<prefix>/*`
//! by the day:      +hincrby +hlen +hexists +hgetall +pexpire, on keys `~<namespace>-days:*`
//! near cache:      +hello +client|tracking +client|caching
//! in a cluster:    +cluster|slots +asking +zrem
//! memory watch:    +pttl +pexpire (within a script)
//! within scripts:  +time +get +set +del +unlink +getrange +type +pttl +pexpire +zcount +zadd +zrem +zscore +zrangebyscore +zremrangebyscore +zrevrange
//! ```
//!
//! Keys `<namespace>-near:*` are the near cache's heartbeats, and the key by which processes take turns at the reclaim; without the right to it they don't.
//!
//! Without `+info` the store works, but can't tell one server from another: see [`RedisStore`]. Without those of the near cache there is none.

mod answer;
mod cluster;
mod config;
mod connection;
mod days;
mod memory;
mod mirror;
mod reclaim;
mod request;
mod scan;
mod sentinel;
mod streams;
mod tls;
mod tracking;
mod values;

pub use config::RedisConfigError;

use self::answer::{array, creation, label};
use self::cluster::Cluster;
use self::config::Target;
use self::connection::{Connection, Pool, Slot, Source, identify};
use self::request::{Packet, Place, Request, backend};
use self::sentinel::Sentinels;
use self::tracking::Tracking;
use super::near::Near;
use super::{ALL_GENERATION, CacheStore, Creation, DayStore, FenceId, Label, Lookup, Memory, RedisConfig, Sight, StoreError, ValueStore};
use super::{Lease, LeaseFate, Whereabouts, Wish};
use crate::key::Keyspace;
use crate::tag::{Generation, ServerIdentity, Tag};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use redis::{Cmd, ConnectionAddr, Script, Value};
use sha2::{Digest, Sha256};
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
script!(SHORTEN, "shorten.lua");
script!(LEASE, "lease.lua");
script!(SETTLE_LEASE, "settle_lease.lua");
script!(CLAIM, "claim.lua");
script!(SETTLE_CLAIM, "settle_claim.lua");
script!(PEEK, "peek.lua");
script!(EXPIRE, "expire.lua");

/// Keeps entries, generations and fences in a Redis or Valkey server, the master that sentinels name, or a cluster.
///
/// Every token names the server that keeps it, and is compared with the server behind the connection that answered: after a failover, or a restart from
/// an old snapshot, everything is a miss. A replica is refused. A user who may not ask for INFO gives up these protections (said once in the log).
/// A master that was replaced while it was cut off or hung may answer those who still reach it alone, until it learns of that: no client can tell.
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
    near: Option<Arc<Near>>,
    timeout: Duration,
    guard: Option<Duration>,
    /// Where it is, for people.
    address: String,
    whereabouts: Whereabouts,
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
        let target = config.target()?;
        let keyspace = if matches!(target, Target::Cluster { .. }) { keyspace.in_cluster() } else { keyspace };
        let near = config.near.then(|| Arc::new(Near::new(config.near_staleness)));
        let tracking = |near: &Arc<Near>| Arc::new(Tracking::new(Arc::clone(near), keyspace.clone(), config.near_staleness));
        let tracking = near.as_ref().map(tracking);
        let one = |source| Route::One(Pool::new(source, tracking.clone(), config.connections, config.connect_timeout));
        // A host of this name may be anywhere, `localhost` included: think of tunnels.
        let mut whereabouts = Whereabouts::Network;
        let (address, route) = match target {
            Target::Server(client) => {
                let address = client.get_connection_info().addr();
                if let ConnectionAddr::Unix(_) = address {
                    whereabouts = Whereabouts::Machine;
                }
                (address.to_string(), one(Source::Server(client)))
            }
            Target::Sentinel { sentinels, master, access } => {
                let sentinels = Sentinels::new(sentinels, master, access, config.connect_timeout);
                (format!("{:?}", config.address), one(Source::Sentinels(sentinels)))
            }
            Target::Cluster { seeds, access } => {
                let cluster = Cluster::new(seeds, access, tracking.clone(), config.connections, config.connect_timeout);
                (format!("{:?}", config.address), Route::Cluster(Arc::new(cluster)))
            }
        };
        Ok(Self { keyspace, route, near, timeout: config.timeout, guard: config.fence_guard, address, whereabouts })
    }

    /// Asks within the deadline. Answers are returned with the connection that brought them: it knows which server gave them.
    async fn ask(&self, request: &Request<'_>) -> Result<(Value, Arc<Connection>), StoreError> {
        let pool = match &self.route {
            Route::One(pool) => pool,
            Route::Cluster(cluster) => return cluster.ask(request, self.timeout).await,
        };
        let slot = pool.slot();
        let mut used = None;
        if let Ok(answer) = tokio::time::timeout(self.timeout, request.exchange(slot, false, &mut used)).await {
            return answer;
        }
        slot.timed_out(used.as_ref());
        Err(StoreError::Deadline(self.timeout))
    }

    /// The guard's lease; zero without a guard.
    fn guard(&self) -> u64 {
        self.guard.map_or(0, millis)
    }

    /// The arguments of `create.lua` for so many tags.
    fn to_create(&self, tags: usize) -> impl Fn(&mut Cmd, &Connection) + Send + Sync {
        let guard = self.guard();
        move |command, connection| {
            command.arg(&connection.identity.0).arg(millis(GENERATION_LIFE)).arg(guard);
            for _ in 0..tags {
                command.arg(&Generation::fresh(connection.identity).0);
            }
        }
    }

    /// The arguments of `begin.lua`.
    fn to_begin(&self, id: &FenceId, lease: Duration) -> impl Fn(&mut Cmd, &Connection) + Send + Sync {
        let guard = self.guard();
        move |command, connection| {
            let marker = millis(marker_life(lease));
            command.arg(&id.0).arg(millis(lease)).arg(marker).arg(guard).arg(&connection.identity.0);
        }
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
            let identity = identify(&mut connection.requests.clone(), self.is_cluster()).await;
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
        let near = self.near.as_ref().filter(|_| !tags.is_empty());
        match (&self.route, near) {
            (Route::Cluster(_), _) => self.look_up_across(key, tags).await,
            (Route::One(_), Some(near)) => self.look_up_and_mirror(near, key, tags).await,
            (Route::One(_), None) => self.look_up_plainly(key, tags).await.map(|(found, _)| found),
        }
    }

    async fn create(&self, tags: &[Tag]) -> Result<Vec<Creation>, StoreError> {
        if tags.is_empty() {
            return Ok(Vec::new());
        }
        if self.is_cluster() {
            return self.create_across(tags).await;
        }
        let arguments = self.to_create(tags.len());
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
                let filled = match self.route {
                    Route::One(_) => self.fill_and_mirror(near, key, tags, entry, ttl).await,
                    Route::Cluster(_) => self.fill_across(key, tags, entry, ttl).await,
                };
                if filled.is_err() {
                    // Its reader may have seen more than what is mirrored.
                    near.drop_tags(tags);
                }
                filled
            }
            _ => {
                self.ask(&Request::new("SET", Place::Key(key.as_bytes()), |_| Packet::Command(set(key, &entry, Some(ttl))))).await.map(drop)
            }
        }
    }

    async fn lease(&self, key: &str, wish: &Wish, time: Duration) -> Result<Lease, StoreError> {
        let arguments = |command: &mut Cmd, _: &Connection| {
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
        let arguments = |command: &mut Cmd, _: &Connection| _ = command.arg(&wish.head).arg(&wish.holder).arg(fate).arg(time);
        self.ask(&Request::script(&SETTLE_LEASE, &[lease_key(key)], &arguments)).await.map(drop)
    }

    async fn discard(&self, key: &str) -> Result<(), StoreError> {
        self.ask(&Request::command("UNLINK", Place::Key(key.as_bytes()), &|command| _ = command.arg(key))).await.map(drop)
    }

    async fn begin(&self, tags: &[Tag], id: &FenceId, lease: Duration) -> Result<(), StoreError> {
        if tags.is_empty() {
            return Ok(());
        }
        let begun = if self.is_cluster() {
            self.begin_across(tags, id, lease).await
        } else {
            let arguments = self.to_begin(id, lease);
            self.ask(&Request::script(&BEGIN, &self.script_keys(tags), &arguments)).await.map(drop)
        };
        // After the reply: from now on nobody is given these generations, so that none is mirrored again. The pushes may come later.
        self.forget_near(tags);
        begun
    }

    async fn end(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError> {
        let ended = if self.is_cluster() {
            self.end_across(tags, id).await
        } else {
            let arguments = |command: &mut Cmd, _: &Connection| _ = command.arg(&id.0).arg(millis(MARKER_LIFE));
            let mut keys = self.script_keys(tags);
            keys.push(self.keyspace.generation(&Tag::schema()));
            let ended = self.ask(&Request::script(&END, &keys, &arguments)).await;
            ended.map(|(answer, connection)| label(&answer, connection.identity))
        };
        self.forget_near(tags);
        ended
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
        let invalidated = if self.is_cluster() {
            self.delete_across(&generations).await
        } else {
            // One command, so that nobody sees half of it.
            let place = Place::Key(generations[0].as_bytes());
            self.ask(&Request::command("DEL", place, &|command| _ = command.arg(&generations))).await.map(drop)
        };
        self.forget_near(tags);
        invalidated
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

    async fn memory(&self) -> Result<Option<Memory>, StoreError> {
        self.memory_in_use().await
    }

    async fn shorten(&self, most: Duration) -> Result<u64, StoreError> {
        self.shorten_standing(most).await
    }

    fn whereabouts(&self) -> Whereabouts {
        self.whereabouts
    }

    fn sight(&self, tags: &[Tag]) -> Option<Sight> {
        // What depends on nothing would be seen for ever.
        self.near.as_ref().filter(|_| !tags.is_empty())?.sight(tags)
    }

    fn forget_near(&self, tags: &[Tag]) {
        if let Some(near) = &self.near {
            near.drop_tags(tags);
        }
    }

    fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    fn mirrored(&self) -> Option<usize> {
        self.near.as_ref().map(|near| near.mirrored())
    }

    fn plain(&self) -> &dyn ValueStore {
        self
    }

    fn days(&self) -> Option<&dyn DayStore> {
        Some(self)
    }
}

/// The command that stores bytes, without end where there is no time to live.
fn set(key: &str, bytes: &[u8], ttl: Option<Duration>) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(key).arg(bytes);
    if let Some(ttl) = ttl {
        command.arg("PX").arg(millis(ttl));
    }
    command
}

/// Where an entry's lease is: among its table's keys, so that it goes with them, and in a cluster on the entry's shard. No reclaim takes it for an entry.
fn lease_key(key: &str) -> String {
    format!("{key}:lease")
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
            .field("near", &self.near)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
