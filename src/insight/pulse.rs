//! The task that looks at the counters now and then, and tells whoever keeps something of them.

use crate::database::Backend;
use crate::executor::Shared;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(2);

impl<DB: Backend> Shared<DB> {
    /// Looks in the background, until the executor is dropped or the pool is closed.
    pub(crate) fn feel_pulse(self: &Arc<Self>) {
        let (shared, gone, mut closed) = (Arc::downgrade(self), self.alive.gone(), self.pool.close_event());
        tokio::spawn(async move {
            tokio::select! {
                () = gone => {}
                () = &mut closed => {}
                () = look_now_and_then(shared) => {}
            }
        });
    }

    fn look_at_counters(&self) {
        let stats = self.counters.snapshot();
        self.counters.insight.history.look(&stats);
    }
}

async fn look_now_and_then<DB: Backend>(shared: Weak<Shared<DB>>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        shared.look_at_counters();
    }
}
