//! Doors for `benches/analysis.rs`, to what no other door leads to alone.

use super::CachingExecutor;
use crate::database::Backend;

impl<DB: Backend> CachingExecutor<DB> {
    /// Finds or makes a statement's plan, and says on how many generations its read depends and how many its write bumps.
    #[doc(hidden)]
    pub fn plan_alone(&self, sql: &str) -> (usize, usize) {
        let plan = self.shared.plan(sql);
        (plan.reads.len(), plan.writes.len())
    }

    /// Reads the catalog, puts it in the place of the one before, and says how many relations it has.
    #[doc(hidden)]
    pub async fn load_catalog_alone(&self) -> usize {
        self.shared.reload().await;
        self.shared.schema.load().catalog.len()
    }
}
