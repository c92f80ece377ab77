//! Plain values beside the entries: what the key-value facade stands on.
//!
//! A value is bytes under a key of the caller's, which no generation guards. Two things are not plain: a *claim* stands at a key while somebody reads or writes what belongs
//! there, so that whoever deletes the key, by whatever means, takes the claim along and what was read before is not stored after.

#[cfg(feature = "redis")]
use super::RedisStore;
use super::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

/// How a framed value, or a claim, begins. JSON never does.
pub(crate) const VALUE_MAGIC: &[u8; 4] = b"SQV1";

/// Where a frame has the name of whoever wrote it.
pub(crate) const ID_AT: usize = 8;

/// What a reader's claim is marked with.
pub(crate) const FILLING: u8 = 1;

/// What a writer's claim is marked with. Behind the name stands in digits how many write; the name of more than one is zeros.
pub(crate) const WRITING: u8 = 2;

/// How long a value still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeLeft {
    /// Until it is deleted or evicted.
    Endless,
    /// So long.
    Left(Duration),
}

impl From<Option<Duration>> for TimeLeft {
    fn from(ttl: Option<Duration>) -> Self {
        ttl.map_or(Self::Endless, Self::Left)
    }
}

impl TimeLeft {
    /// How long; `None` for without end.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::Endless => None,
            Self::Left(left) => Some(left),
        }
    }
}

/// The beginning of a value, and how long it still lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// Up to eight bytes; none of a value that is no string (a hash, a list...).
    pub head: Bytes,
    /// How long it still lives.
    pub left: TimeLeft,
}

/// One step of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Gives the value.
    Get(String),
    /// Stores a value, without end where there is no time to live.
    Set(String, Bytes, Option<Duration>),
    /// Deletes the key.
    Delete(String),
    /// Gives the key another time to live, or none.
    Expire(String, Option<Duration>),
    /// Adds to the number at the key, which is zero where there is none and then gets the time to live.
    Increment(String, i64, Option<Duration>),
}

impl Operation {
    /// The key that it is about.
    pub fn key(&self) -> &str {
        match self {
            Self::Get(key) | Self::Set(key, ..) | Self::Delete(key) | Self::Expire(key, _) | Self::Increment(key, ..) => key,
        }
    }
}

/// What became of one step of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Operation::Get`].
    Value(Option<Bytes>),
    /// Of the others but the last: whether there was such a key.
    Done(bool),
    /// Of [`Operation::Increment`].
    Number(i64),
}

/// Who claims a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// A fresh random name.
    pub id: [u8; 16],
    /// What for.
    pub purpose: Purpose,
}

/// What a key is claimed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To read what belongs there. A value that is there, but for the one of this name, is not overwritten.
    Fill {
        /// The name of the framed value that is no answer.
        except: Option<[u8; 16]>,
    },
    /// To write what belongs there.
    Write,
}

/// The answer of [`ValueStore::claim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The claim stands for the time asked for.
    Yes,
    /// Nobody may claim it to read, since this is there: a value, or another's claim.
    There(Bytes),
}

/// What its holder makes of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It goes on for so long.
    Renewed(Duration),
    /// This is what belongs there, for so long, or without end. It is stored only if the claim still stands and, for a write, nobody else wrote meanwhile.
    Value(Bytes, Option<Duration>),
    /// Nothing is to be stored.
    Nothing,
}

/// What a store tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct StoreInfo {
    /// The server's kind and version; none of the embedded store.
    pub server: Option<String>,
    /// Bytes in use.
    pub used_memory: u64,
    /// Bytes that may be; `None` without a limit.
    pub max_memory: Option<u64>,
    /// How many keys there are, those of other programs included.
    pub keys: u64,
    /// How many clients are connected.
    pub connected_clients: u64,
    /// How many commands were processed since the server's start.
    pub commands_processed: u64,
    /// Look-ups of keys that were there, since the server's start.
    pub keyspace_hits: u64,
    /// Look-ups of keys that weren't.
    pub keyspace_misses: u64,
    /// How many keys were evicted to stay below the limit.
    pub evicted_keys: u64,
    /// How many keys expired.
    pub expired_keys: u64,
}

/// A place that keeps plain values. Keys are whole ones.
///
/// # Cancel safety
///
/// A dropped future may or may not have taken effect.
#[async_trait]
pub trait ValueStore: Send + Sync {
    /// The values at these keys, in their order; what is no string is none.
    async fn values(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// Stores values, without end where there is no time to live. Returns how many are kept: the embedded store keeps none that is too large.
    async fn set_values(&self, values: &[(String, Bytes)], ttl: Option<Duration>) -> Result<u64, StoreError>;

    /// Deletes keys of any type; returns how many there were.
    async fn delete_values(&self, keys: &[String]) -> Result<u64, StoreError>;

    /// Looks at the beginning of a value.
    async fn peek(&self, key: &str) -> Result<Option<Peeked>, StoreError>;

    /// Gives a key another time to live, or none; returns whether there is such a key. A claim is none: it has a time of its own.
    async fn expire(&self, key: &str, ttl: Option<Duration>) -> Result<bool, StoreError>;

    /// Adds to the number at a key, atomically; a number that is created gets the time to live. [`StoreError::Refused`] where something else is there, or the sum is no `i64`.
    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, StoreError>;

    /// Does all of it, at once and undisturbed by others; in a cluster only what is about one server's keys. A step that is refused refuses the answer, not the other steps.
    async fn batch(&self, operations: &[Operation]) -> Result<Vec<Outcome>, StoreError>;

    /// Claims a key for a time. Who claims it to read may ask again by the same name: his own claim is no other.
    async fn claim(&self, key: &str, claim: &Claim, time: Duration) -> Result<Claimed, StoreError>;

    /// Says what becomes of a claim; returns whether that came about.
    async fn settle_claim(&self, key: &str, claim: &Claim, settled: &Settled) -> Result<bool, StoreError>;

    /// Up to so many keys that match a Redis glob pattern, in no order.
    async fn names(&self, pattern: &str, most: usize) -> Result<Vec<String>, StoreError>;

    /// Deletes the keys that match a Redis glob pattern; returns how many there were. Every key that stood before the call is among them, but for those that move from one server of a
    /// cluster to another meanwhile.
    async fn delete_names(&self, pattern: &str) -> Result<u64, StoreError>;

    /// What it tells about itself.
    async fn info(&self) -> Result<StoreInfo, StoreError>;

    /// The Redis behind it, if there is one.
    #[cfg(feature = "redis")]
    fn redis(&self) -> Option<&RedisStore>;
}

/// What stands at a key that is claimed.
pub(crate) fn claim_bytes(kind: u8, id: [u8; 16], writers: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ID_AT + id.len() + 2);
    bytes.extend_from_slice(VALUE_MAGIC);
    bytes.extend_from_slice(&[kind, 0, 0, 0]);
    bytes.extend_from_slice(&id);
    if kind == WRITING {
        bytes.extend_from_slice(writers.to_string().as_bytes());
    }
    bytes
}

/// The kind and the name of a frame.
pub(crate) fn frame_of(bytes: &[u8]) -> Option<(u8, [u8; 16])> {
    let rest = bytes.strip_prefix(VALUE_MAGIC)?;
    let id = rest.get(ID_AT - VALUE_MAGIC.len()..)?.first_chunk()?;
    Some((*rest.first()?, *id))
}

/// Whether this is a claim, and nothing but one.
pub(crate) fn is_claim(bytes: &[u8]) -> bool {
    let Some((kind, id)) = frame_of(bytes) else { return false };
    let (zeros, rest) = (&bytes[VALUE_MAGIC.len() + 1..ID_AT], &bytes[ID_AT + id.len()..]);
    zeros == [0; 3]
        && match kind {
            FILLING => rest.is_empty(),
            WRITING => (1..=10).contains(&rest.len()) && rest.iter().all(u8::is_ascii_digit),
            _ => false,
        }
}
