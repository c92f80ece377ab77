//! Entries in this process's memory, up to a number of bytes; what is used least leaves first.

#[cfg(test)]
mod traces;

use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of an entry besides its key and value: what the cache's tables and two allocations take.
const OVERHEAD: u64 = 160;

/// What entries are assumed to weigh, to size the cache's tables. An order of magnitude off does no harm.
const USUAL_ENTRY: u64 = 1 << 10;

/// A shard of the cache is at least this large, so that one large entry can't push out most of what its shard holds.
const SHARD: u64 = 4 << 20;

/// No entry takes more than this part of a shard.
const LARGEST_PART: u64 = 4;

/// A sharded map from keys to bytes that expire, bounded by weight.
pub(super) struct Bounded {
    entries: Evicting<Box<str>, Entry, Weight, DefaultHashBuilder>,
    evictions: Arc<AtomicU64>,
    /// Weight above which an entry is not kept.
    largest: u64,
}

#[derive(Clone)]
struct Entry {
    bytes: Bytes,
    /// `None`: too far away for the clock.
    deadline: Option<Instant>,
}

impl Entry {
    fn is_expired(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<str>, Entry> for Weight {
    fn weight(&self, key: &Box<str>, entry: &Entry) -> u64 {
        weight(key, &entry.bytes)
    }
}

fn weight(key: &str, bytes: &Bytes) -> u64 {
    key.len() as u64 + bytes.len() as u64 + OVERHEAD
}

/// A cache that counts what leaves it to make room.
pub(crate) type Evicting<K, V, W, B> = Cache<K, V, W, B, Counting<K, V>>;

pub(crate) struct Counting<K, V> {
    evictions: Arc<AtomicU64>,
    lifecycle: DefaultLifecycle<K, V>,
}

impl<K, V> Clone for Counting<K, V> {
    fn clone(&self) -> Self {
        Self { evictions: Arc::clone(&self.evictions), lifecycle: self.lifecycle.clone() }
    }
}

impl<K, V> Lifecycle<K, V> for Counting<K, V> {
    type RequestState = <DefaultLifecycle<K, V> as Lifecycle<K, V>>::RequestState;

    /// Unlike `on_evict`, not for what is replaced.
    fn before_evict(&self, _: &mut Self::RequestState, _: &K, _: &mut V) {
        self.evictions.fetch_add(1, Relaxed);
    }

    fn on_evict(&self, state: &mut Self::RequestState, key: K, value: V) {
        self.lifecycle.on_evict(state, key, value);
    }
}

/// A sharded cache of so much weight, and the weight of the largest that it should be given: at most a quarter of the budget, and 1 MiB at least from a budget of
/// 4 MiB on. More would push out too much of what its shard holds.
pub(crate) fn cache<K, V, W, B>(budget: u64, weighter: W, hasher: B, evictions: Arc<AtomicU64>) -> (Evicting<K, V, W, B>, u64)
where
    K: Eq + Hash,
    V: Clone,
    W: Weighter<K, V> + Clone,
    B: BuildHasher + Clone,
{
    let parallelism = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    // A power of two, rounded down: the cache would round up, and shards would become too small.
    let shards = 1 << (budget / SHARD).clamp(1, parallelism * 4).ilog2();
    let items = usize::try_from(budget / USUAL_ENTRY).unwrap_or(usize::MAX).max(32 * shards);
    let options = OptionsBuilder::new().shards(shards).estimated_items_capacity(items).weight_capacity(budget).build();
    let counting = Counting { evictions, lifecycle: DefaultLifecycle::default() };
    let cache = match options {
        Ok(options) => Cache::with_options(options, weighter, hasher, counting),
        // Only an incomplete builder is refused.
        Err(_) => Cache::with(items, budget, weighter, hasher, counting),
    };
    let largest = cache.shard_capacity() / LARGEST_PART;
    (cache, largest)
}

impl Bounded {
    /// Up to so many bytes of keys and values. An entry that would take too large a part of them is not kept: at most a quarter of the budget, and 1 MiB at
    /// least from a budget of 4 MiB on.
    pub(super) fn new(budget: u64) -> Self {
        let evictions = Arc::<AtomicU64>::default();
        let (entries, largest) = cache(budget, Weight, DefaultHashBuilder::default(), Arc::clone(&evictions));
        Self { entries, evictions, largest }
    }

    pub(super) fn get(&self, key: &str) -> Option<Bytes> {
        self.entries.get(key).filter(|entry| entry.deadline.is_none() || !entry.is_expired(Instant::now())).map(|entry| entry.bytes)
    }

    /// The same, and how long it still lives; `None` without end.
    pub(super) fn get_with_time(&self, key: &str) -> Option<(Bytes, Option<Duration>)> {
        let now = Instant::now();
        let entry = self.entries.get(key).filter(|entry| !entry.is_expired(now))?;
        Some((entry.bytes, entry.deadline.map(|deadline| deadline - now)))
    }

    /// Keeps it for `ttl`, unless it is too large; returns whether it isn't.
    pub(super) fn insert(&self, key: &str, bytes: Bytes, ttl: Duration) -> bool {
        let fits = weight(key, &bytes) <= self.largest;
        if fits {
            self.entries.insert(key.into(), Entry { bytes, deadline: Instant::now().checked_add(ttl) });
        }
        fits
    }

    pub(super) fn remove(&self, key: &str) {
        self.entries.remove(key);
    }

    /// Removes the entries for which `condemned` says so; returns how many of them had not expired.
    pub(super) fn remove_where(&self, condemned: impl Fn(&str, &Bytes) -> bool) -> u64 {
        let removed = AtomicU64::new(0);
        let now = Instant::now();
        self.entries.retain(|key, entry| {
            let expired = entry.is_expired(now);
            if !expired && condemned(key, &entry.bytes) {
                removed.fetch_add(1, Relaxed);
                return false;
            }
            !expired
        });
        removed.into_inner()
    }

    /// Up to so many keys for which `wanted` says so.
    pub(super) fn keys_where(&self, wanted: impl Fn(&str) -> bool, most: usize) -> Vec<String> {
        let now = Instant::now();
        let live = self.entries.iter().filter(|(key, entry)| wanted(key) && !entry.is_expired(now));
        live.take(most).map(|(key, _)| key.into()).collect()
    }

    /// Bytes that it may hold.
    pub(super) fn budget(&self) -> u64 {
        self.entries.capacity()
    }

    /// How many entries there are, expired ones included.
    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// How many left to make room, those that had expired among them.
    pub(super) fn evictions(&self) -> u64 {
        self.evictions.load(Relaxed)
    }

    /// Bytes that they take.
    pub(super) fn weight(&self) -> u64 {
        self.entries.weight()
    }
}

impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded")
            .field("entries", &self.len())
            .field("bytes", &self.weight())
            .field("budget", &self.entries.capacity())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_to_make_room_is_counted_and_nothing_else() {
        let bounded = Bounded::new(64 << 10);
        let insert = |key: u64| bounded.insert(&key.to_string(), vec![0; 1000].into(), Duration::MAX);
        insert(0);
        insert(0);
        bounded.remove("0");
        bounded.remove_where(|_, _| true);
        assert_eq!((bounded.len(), bounded.evictions()), (0, 0));
        assert!((0..1000).all(insert));
        assert_eq!(bounded.len() + bounded.evictions(), 1000);
        assert!((10..=64).contains(&bounded.len()), "{bounded:?}");
    }
}
