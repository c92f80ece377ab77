//! Times in which this process trusts no generation at all, because it may have missed writes.

use super::Engine;
use crate::tag::Tag;
use std::sync::Arc;

/// While it lives, every read of this process goes to the database, and nothing is stored.
#[derive(Debug)]
#[must_use = "trust returns when it is dropped"]
pub(crate) struct Doubt(Arc<Engine>);

impl Engine {
    /// Trusts nothing, until what is returned is dropped. Whoever drops it has invalidated before that what may have been missed.
    pub(crate) fn doubt(self: &Arc<Self>) -> Doubt {
        self.distrust.add(&[Tag::all()]);
        Doubt(Arc::clone(self))
    }
}

impl Doubt {
    /// For good.
    pub(crate) fn stay(self) {
        std::mem::forget(self);
    }
}

impl Drop for Doubt {
    fn drop(&mut self) {
        self.0.distrust.remove([(&Tag::all(), 1)]);
    }
}
