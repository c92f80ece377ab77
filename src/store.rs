//! The contract between the engine and a place that keeps entries, generations and fences.

pub(crate) mod bounded;
#[cfg(feature = "redis")]
mod breaker;
pub(crate) mod days;
mod glob;
mod memory;
#[cfg(feature = "redis")]
mod near;
#[cfg(feature = "redis")]
mod redis;
mod redis_config;
mod sight;
pub(crate) mod values;

#[cfg(feature = "redis")]
pub(crate) use self::breaker::Breaker;
pub use self::days::{DayBatch, DayStore};
pub(crate) use self::glob::{escape as escape_glob, matches as matches_glob};
pub use self::memory::MemoryStore;
#[cfg(feature = "redis")]
pub use self::redis::{RedisConfigError, RedisStore};
pub(crate) use self::redis_config::nodes as redis_nodes;
pub use self::redis_config::{RedisAddress, RedisConfig, RedisTls};
pub use self::sight::{Changes, Sight};
pub use self::values::{Claim, Claimed, Operation, Outcome, Peeked, Purpose, Settled, StoreInfo, TimeLeft, ValueStore};

pub use crate::entry::EntryDescription;
pub use crate::key::Keyspace;
pub use crate::tag::{Generation, ServerIdentity, Tag};

use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// How an entry begins. Other values below the namespace are nobody's to reclaim.
pub const ENTRY_MAGIC: &[u8; 4] = b"SQC2";

/// Where an entry's header has the generation of `_all`.
pub const ALL_GENERATION: Range<usize> = 8..32;

/// Where an entry's header has the generation of the table that it is filed under.
pub const TABLE_GENERATION: Range<usize> = 32..56;

/// What stands at a tag's generation key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// No generation: nothing read under this tag is valid.
    Absent,
    /// A write is under way: read the database and store nothing.
    Fenced,
    /// The generation that entries must carry.
    Standing(Generation),
}

/// The answer of [`CacheStore::look_up`].
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The entry's bytes, whatever they are worth.
    pub entry: Option<Bytes>,
    /// One label a tag, in the order asked for. A token of a server other than the one that answered is [`Label::Absent`].
    pub labels: Vec<Label>,
}

/// How far away entries are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whereabouts {
    /// In this process's memory.
    Process,
    /// In another process of this machine, behind a Unix socket: bytes come as fast as they are copied.
    Machine,
    /// Behind a network, as far as anybody can tell.
    Network,
}

/// The answer of [`CacheStore::create`] for one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creation {
    /// The generation that stands now, new or not.
    Standing(Generation),
    /// A write is under way; no generation was created.
    Fenced,
    /// Only writes whose leases ran out stand in the fence. They may still commit: whoever can prove that they won't may [`CacheStore::clear_lapsed`] them.
    Lapsed(Vec<FenceId>),
}

/// Who asks [`CacheStore::lease`], and for which answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The part of the entry's header, from [`ALL_GENERATION`]'s place on, that names the generations. An entry under others is no answer, and whoever reads the
    /// database under others holds another lease.
    pub head: Vec<u8>,
    /// The eight bytes behind that part in an entry which is too old to be the answer, if there is one.
    pub except: Option<[u8; 8]>,
    /// A fresh random name of who asks.
    pub holder: [u8; 16],
}

/// The answer of [`CacheStore::lease`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The entry that was wished for is there; no lease was given.
    Entry(Bytes),
    /// The lease is the asker's for the time asked for.
    Granted,
    /// Somebody else reads the database for the same answer.
    Held,
    /// Somebody found that the answer can't be kept: everybody reads for himself.
    Alone,
}

/// What its holder makes of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseFate {
    /// It goes on for so long.
    Renewed(Duration),
    /// It is free.
    Free,
    /// For so long it says [`Lease::Alone`].
    Alone(Duration),
}

/// How much memory a store takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What is in use. Of a shared server also by others, of a cluster by its fullest server.
    pub used: u64,
    /// How much there may be; `None` where nobody set a limit.
    pub limit: Option<u64>,
}

/// A write's name in the fence: the database it writes to, then a fresh random part. Never one per process: overlapping writes must not release each other.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FenceId(pub String);

/// A cache error. It never reaches the program: the engine counts it, logs it and asks the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No answer within the operation's deadline.
    #[error("no answer from the store within {0:?}")]
    Deadline(Duration),
    /// The store can't be reached, or is in no state to answer anything.
    #[error("the store failed: {0}")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store answered that it won't do this: no memory left, no permission. Others it may do.
    #[error("the store refused: {0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nobody asked: the store kept failing, the last time for this reason, and is left alone until it answers a probe.
    #[error("the store is left alone since it failed: {0}")]
    Open(Arc<str>),
    /// The pattern could match keys outside the namespace.
    #[error("the pattern {pattern:?} doesn't begin with \"{namespace}:\"")]
    Pattern {
        /// The pattern that was refused.
        pattern: String,
        /// The namespace that it must name.
        namespace: String,
    },
    /// The store answered with something that the protocol doesn't know.
    #[error("the store's answer can't be read: {0}")]
    Protocol(String),
}

/// A place that keeps entries under the one rule of validity: an entry is valid if and only if every generation it was read under still stands.
///
/// Stores treat entries as opaque bytes, but for the generations at their fixed place in the header, which [`CacheStore::reclaim`] compares.
///
/// # Cancel safety
///
/// A dropped future may or may not have taken effect; no method leaves a state that another call could not have left.
#[async_trait]
pub trait CacheStore: Debug + Send + Sync {
    /// The entry and the labels of its tags, in one round trip.
    async fn look_up(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError>;

    /// Creates the generations that are absent (never replacing one), unless a fence stands. One answer a tag, in order.
    async fn create(&self, tags: &[Tag]) -> Result<Vec<Creation>, StoreError>;

    /// Stores an entry, which was read under generations of these tags, for `ttl`.
    async fn fill(&self, key: &str, tags: &[Tag], entry: Bytes, ttl: Duration) -> Result<(), StoreError>;

    /// Asks for leave to read the database for an entry's answer, or for the entry, if it is there meanwhile; in one round trip. A lease that is not
    /// renewed ends after `time`. It bars nobody from reading: it only spares the database equal work.
    async fn lease(&self, key: &str, wish: &Wish, time: Duration) -> Result<Lease, StoreError>;

    /// Renews a lease or gives it back; does nothing where it has run out or is somebody else's by now.
    async fn settle_lease(&self, key: &str, wish: &Wish, fate: LeaseFate) -> Result<(), StoreError>;

    /// Deletes an entry.
    async fn discard(&self, key: &str) -> Result<(), StoreError>;

    /// Adds the write to every tag's fence for `lease` and marks the generations as fenced. Also its renewal: it re-adds what was lost.
    async fn begin(&self, tags: &[Tag], id: &FenceId, lease: Duration) -> Result<(), StoreError>;

    /// Removes the write from every tag's fence; a tag whose fence is then empty loses its generation, whatever it says. Answers what stands at the
    /// generation of [`Tag::schema`] thereafter: whoever changed the schema while the write ran has changed that, too.
    async fn end(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError>;

    /// Removes lapsed writes that are proven over, unless they were renewed meanwhile; as with [`CacheStore::end`], a tag left without fence loses its generation.
    async fn clear_lapsed(&self, tag: &Tag, ids: &[FenceId]) -> Result<(), StoreError>;

    /// Removes the generations of the tags: everything read under them is dead. Fences stay.
    async fn invalidate(&self, tags: &[Tag]) -> Result<(), StoreError>;

    /// Unlinks the dead entries below a tag (in the whole namespace for `_all`); returns how many. Live entries, generations and fences stay.
    async fn reclaim(&self, tag: &Tag) -> Result<u64, StoreError>;

    /// Deletes every key of the namespace that matches a Redis glob pattern, generations included; returns how many. Fences stay.
    async fn delete_matching(&self, pattern: &str) -> Result<u64, StoreError>;

    /// Asks for a sign of life and the identity of the server that answers.
    async fn ping(&self) -> Result<ServerIdentity, StoreError>;

    /// How much memory it takes; `None` where it can't tell, or may not.
    async fn memory(&self) -> Result<Option<Memory>, StoreError> {
        Ok(None)
    }

    /// Cuts the time that entries of queries have left, where it is longer than `most`, to that or less (so that they don't end together); returns how many. Nothing else is touched. Nothing is done while another
    /// process is at it, nor by a store that makes room by itself.
    async fn shorten(&self, most: Duration) -> Result<u64, StoreError> {
        let _ = most;
        Ok(0)
    }

    /// Where it keeps its entries: it decides whether they are compressed.
    fn whereabouts(&self) -> Whereabouts;

    /// The generations of these tags, if all of them stand and this process can tell for itself from now on whether they still do; `None` where it can't:
    /// [`look_up`](Self::look_up) then asks. A store that is elsewhere may be behind by a bound of its own.
    fn sight(&self, tags: &[Tag]) -> Option<Sight>;

    /// Forgets what this process's memory mirrors of these tags. To be called before an answer of the database itself is given to a reader, who must not be given an
    /// older one thereafter.
    fn forget_near(&self, tags: &[Tag]);

    /// Of how many tags this process's memory mirrors the generation; `None` where the store is not elsewhere, or mirrors nothing.
    fn mirrored(&self) -> Option<usize>;

    /// How its keys are named; entries are to be named alike.
    fn keyspace(&self) -> &Keyspace;

    /// The plain values that it keeps beside the entries.
    fn plain(&self) -> &dyn ValueStore;

    /// The numbers by the day that all who share it add to; `None` where it keeps none: each executor then keeps its own.
    fn days(&self) -> Option<&dyn DayStore> {
        None
    }
}
