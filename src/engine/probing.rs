//! What the freshness probe asks of the protocol.

use super::{Engine, stand};
use crate::policy::Consistency;
use crate::tag::{Generation, Tag};
use std::sync::Arc;

impl Engine {
    /// Whether these generations stand, by the word of the store: what this process mirrors of it may be behind. Not so where nobody knows, for an invalidation waits for its delivery or the
    /// store does not answer. The entries at `stem` are not touched.
    pub(crate) async fn stand_in_store(self: &Arc<Self>, stem: &str, tags: &[Tag], generations: &[Generation]) -> bool {
        self.adopt();
        if self.distrust.touches(tags) {
            return false;
        }
        // No entry is called so: there is nothing to be transferred.
        let labels = match self.store.look_up(&format!("{stem}probe"), tags).await {
            Ok(lookup) => lookup.labels,
            Err(error) => {
                self.failed("look_up", &error);
                return false;
            }
        };
        stand(&labels, generations) && !self.distrust.touches(tags)
    }

    /// Whether writes invalidate what they change.
    pub(crate) fn follows_writes(&self) -> bool {
        self.rules.consistency != Consistency::Ttl
    }
}
