//! A claim in its holder's hands.

use super::Inner;
use crate::engine::Engine;
use crate::store::{Claim, Settled};
use crate::tag::Generation;
use bytes::Bytes;
use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use xxhash_rust::xxh3::Xxh3;

/// How long a claim stands without renewal.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// Where the name of a tied load's claim tells the generations that it began under.
pub(super) const MARK: Range<usize> = 8..16;

pub(super) fn mark(generations: &[Generation]) -> [u8; 8] {
    let mut hasher = Xxh3::new();
    for generation in generations {
        hasher.update(&generation.0);
    }
    hasher.digest().to_le_bytes()
}

/// A claim that is given up where it is dropped.
pub(super) struct Holding {
    pub(super) engine: Arc<Engine>,
    pub(super) name: String,
    pub(super) claim: Claim,
    pub(super) settled: bool,
}

impl Holding {
    /// Stores the value; returns whether the claim still stood.
    pub(super) async fn store(mut self, inner: &Inner, value: Bytes, ttl: Option<Duration>) -> bool {
        let stored = self.engine.store().plain().settle_claim(&self.name, &self.claim, &Settled::Value(value, ttl)).await;
        // Not before the answer: a claim that nobody holds any more would make others wait for it.
        self.settled = stored.is_ok();
        inner.tolerate("settle_claim", stored).unwrap_or(false)
    }

    /// Keeps the claim until it is dropped.
    pub(super) async fn renewed(&self) -> Infallible {
        loop {
            tokio::time::sleep(LEASE / 3).await;
            // Whatever becomes of it: a claim that is lost stores nothing.
            let _ = self.engine.store().plain().settle_claim(&self.name, &self.claim, &Settled::Renewed(LEASE)).await;
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if !self.settled {
            let (engine, name, claim) = (Arc::clone(&self.engine), std::mem::take(&mut self.name), self.claim);
            self.engine.spawn(async move {
                // Should it get lost, the claim runs out.
                let _ = engine.store().plain().settle_claim(&name, &claim, &Settled::Nothing).await;
            });
        }
    }
}
