//! What a cache of plain values did: private counters, public snapshots.

use super::days::{Beginnings, Counted};
use crate::days::Operations;
use crate::insight::{Outcome, note};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident $count:ident $(($key:ident $counted:ident))? $(=> $outcome:ident)?,)*) => {
        /// The counters of a [`Cache`](super::Cache) and its clones.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        #[non_exhaustive]
        pub struct CacheStats {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(super) struct Counts {
            $($name: AtomicU64,)*
            beginnings: Beginnings,
        }

        impl Counts {
            $(pub(super) fn $count(&self $(, $key: &str)?) {
                self.$name.fetch_add(1, Relaxed);
                $(self.beginnings.count($key, Counted::$counted);)?
                $(note(Outcome::$outcome);)?
            })*

            /// By the beginnings of their keys.
            pub(super) fn operations(&self) -> Operations {
                self.beginnings.snapshot()
            }

            pub(super) fn snapshot(&self) -> CacheStats {
                CacheStats { $($name: self.$name.load(Relaxed),)* }
            }

            pub(super) fn reset(&self) {
                $(self.$name.store(0, Relaxed);)*
                self.beginnings.reset();
            }
        }
    };
}

counts! {
    /// Values that were there.
    hits hit (name Hit) => Hit,
    /// Values that weren't.
    misses miss (name Miss) => Miss,
    /// Misses that were given what another one loaded.
    joined join => Miss,
    /// Values that were stored.
    sets set (name Fill),
    /// Loaded values that were not stored: their key was deleted, or their tables written to, meanwhile; or the store was out of reach.
    not_stored not_store,
    /// Deletions that were asked for, a pattern's being one.
    deletes delete,
    /// Operations that the store failed.
    store_errors failed,
    /// Values that are not encrypted by a known key, or, with keys, not encrypted at all.
    undecryptable undecryptable,
    /// Values that could not be read, or not as what they were asked for.
    malformed malformed,
}

impl CacheStats {
    /// Hits, the joined ones included, in all look-ups; `None` before the first.
    pub fn hit_ratio(&self) -> Option<f64> {
        let (hits, all) = (self.hits + self.joined, self.hits + self.joined + self.misses);
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        (all > 0).then(|| hits as f64 / all as f64)
    }
}
