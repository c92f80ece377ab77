//! The task that looks at the counters now and then, and tells whoever keeps something of them.

use crate::database::Backend;
use crate::executor::Shared;
#[cfg(feature = "metrics")]
use crate::{health::MemoryUse, metrics::Levels};
#[cfg(feature = "metrics")]
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often it looks.
pub(crate) const PULSE: Duration = Duration::from_secs(2);

impl<DB: Backend> Shared<DB> {
    /// Looks in the background, until the executor is dropped or the pool is closed.
    pub(crate) fn feel_pulse(self: &Arc<Self>) {
        let (shared, gone, mut closed) = (Arc::downgrade(self), self.alive.gone(), self.pool.close_event());
        let (values, engine) = (Arc::clone(&self.values), self.engine.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = gone => {}
                () = &mut closed => {}
                () = look_now_and_then(shared) => {}
            }
            #[cfg(feature = "metrics")]
            values.publish(None);
            if let (Some(days), Some(engine)) = (values.days(), engine) {
                days.last_pulse(engine.store()).await;
            }
        });
    }

    fn look_at_counters(&self) {
        let stats = self.counters.snapshot();
        self.counters.insight.history.look(&stats);
    }

    /// Publishes metrics, to whoever listens.
    #[cfg(feature = "metrics")]
    pub(crate) async fn publish(&self) {
        let levels = Levels {
            breaker_open: self.counters.breaker_open.load(Relaxed),
            distrusted: self.engine.as_ref().map_or(0, |engine| engine.distrusted()),
            near: self.near_use(),
            memory: match &self.engine {
                Some(engine) => MemoryUse::of(engine).await,
                None => None,
            },
        };
        self.values.publish(Some(&levels));
    }
}

async fn look_now_and_then<DB: Backend>(shared: Weak<Shared<DB>>) {
    let mut ticks = interval(PULSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        shared.look_at_counters();
        #[cfg(feature = "metrics")]
        shared.publish().await;
        let (days, engine) = (shared.values.days().cloned(), shared.engine.clone());
        // The store may take its time: the executor is not kept meanwhile.
        drop(shared);
        if let (Some(days), Some(engine)) = (days, engine) {
            days.pulse(engine.store()).await;
        }
    }
}
