//! Watching how full the store's memory is, as long as the executor lives.

use super::Shared;
use crate::database::Backend;
use crate::policy::MemoryWatch;
use std::sync::Arc;

impl<DB: Backend> Shared<DB> {
    /// Watches in the background, until the executor is dropped or the pool is closed.
    pub(crate) fn watch_memory(&self, watch: MemoryWatch) {
        let Some(engine) = self.engine.as_ref().map(Arc::clone) else { return };
        let (gone, mut closed) = (self.alive.gone(), self.pool.close_event());
        let ttl = self.policy.ttl_of_data();
        tokio::spawn(async move {
            tokio::select! {
                () = gone => {}
                () = &mut closed => {}
                () = engine.watch_memory(watch, ttl) => {}
            }
        });
    }
}
