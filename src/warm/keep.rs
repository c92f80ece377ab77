//! Keeping warm: a task that looks now and then whether the store still has what was warmed.

use super::canary::Canary;
use super::round::Items;
use super::{Plan, Warmed};
use crate::database::Backend;
use crate::engine::Engine;
use crate::executor::{Anchor, CachingExecutor};
use crate::policy::Pressure;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// A store that is out of reach is asked no less often than this: nobody waits for it, and it comes back empty, perhaps.
const OUT_OF_REACH: Duration = Duration::from_millis(500);

/// The longest pause before what failed is tried again, or before what is lost again and again is warmed again.
const LONGEST: Duration = Duration::from_mins(5);

/// Keeps a warm-up warm, until it is dropped, the executor is, or the pool is closed.
#[must_use = "nothing is kept warm once it is dropped"]
pub struct WarmKeeper {
    /// `None` where there was no runtime to run in.
    task: Option<JoinHandle<()>>,
    rounds: watch::Receiver<Option<Arc<Warmed>>>,
}

/// What is due and when.
struct Agenda {
    /// What is to be tried again.
    again: Vec<usize>,
    again_at: Instant,
    pause: Duration,
    refresh_at: Option<Instant>,
    /// When everything was warmed, and for how long it is left at that, however lost it may be.
    warmed_at: Option<Instant>,
    rest: Duration,
}

impl WarmKeeper {
    pub(super) fn start<DB: Backend>(executor: &CachingExecutor<DB>, items: Items<DB>, plan: Plan) -> Self {
        let (told, rounds) = watch::channel(None);
        let (anchor, gone, mut closed) = (executor.anchor(), executor.shared.alive.gone(), executor.shared.pool.close_event());
        let work = async move {
            tokio::select! {
                () = gone => {}
                () = &mut closed => {}
                () = keep(&anchor, &items, &plan, &told) => {}
            }
        };
        let task = executor.runtime().map(|runtime| runtime.spawn(work));
        Self { task, rounds }
    }

    /// Waits for the end of the next round that nobody was told of, or of the last one if there were several: of all queries at first and after a loss, of
    /// those that are read anew, or of those that are tried again. `None` once nothing is kept warm any more.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is lost.
    pub async fn next(&mut self) -> Option<Arc<Warmed>> {
        self.rounds.changed().await.ok()?;
        self.rounds.borrow_and_update().clone()
    }

    /// Stops, and waits until nothing is under way any more.
    ///
    /// # Cancel safety
    ///
    /// It is stopped all the same.
    pub async fn stop(mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for WarmKeeper {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl fmt::Debug for WarmKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarmKeeper").field("running", &self.task.as_ref().is_some_and(|task| !task.is_finished())).finish_non_exhaustive()
    }
}

/// Ends when the executor is gone, or there is nothing to keep anything in.
async fn keep<DB: Backend>(anchor: &Anchor<DB>, items: &Items<DB>, plan: &Plan, told: &watch::Sender<Option<Arc<Warmed>>>) {
    let Some(engine) = anchor.executor().map(|executor| executor.engine().map(Arc::clone)) else { return };
    let Some(engine) = engine else {
        // It is switched off: each query says so.
        let _ = told.send(Some(Arc::new(items.run(anchor, plan, items.all(), false).await.warmed)));
        return;
    };
    let mut canary = Canary::new(engine.keyspace());
    let mut agenda = Agenda::new(plan);
    loop {
        // Neither the executor nor a connection is kept between two looks.
        if anchor.executor().is_none() {
            return;
        }
        let wake = match agenda.look(&mut canary, &engine).await {
            Seen::Nobody => Instant::now() + OUT_OF_REACH.min(plan.look_every),
            Seen::Nothing => agenda.next(plan),
            Seen::Due(due) => {
                let (these, refresh) = match &due {
                    Due::All => (items.all(), false),
                    Due::Again => (std::mem::take(&mut agenda.again), false),
                    Due::Refresh => (items.queries(), true),
                };
                let round = items.run(anchor, plan, these, refresh).await;
                tracing::info!(?due, "a warm-up: {}", round.warmed);
                agenda.note(&due, round.again, plan);
                let _ = told.send(Some(Arc::new(round.warmed)));
                agenda.next(plan)
            }
        };
        sleep_until(wake).await;
    }
}

/// What a look has seen.
enum Seen {
    /// The store can't be reached, or takes nothing.
    Nobody,
    /// There is nothing to do yet.
    Nothing,
    Due(Due),
}

/// What there is to do.
#[derive(Debug)]
enum Due {
    All,
    Again,
    Refresh,
}

impl Agenda {
    fn new(plan: &Plan) -> Self {
        let now = Instant::now();
        Self {
            again: Vec::new(),
            again_at: now,
            pause: plan.look_every,
            refresh_at: plan.refresh_every.map(|every| now + jittered(every)),
            warmed_at: None,
            rest: plan.look_every,
        }
    }

    /// Looks what is due now.
    async fn look(&mut self, canary: &mut Canary, engine: &Engine) -> Seen {
        let now = Instant::now();
        let lives = match canary.lives(engine.store()).await {
            Ok(lives) => lives,
            Err(error) => {
                tracing::debug!(%error, "the store can't be asked whether it still has what was warmed");
                return Seen::Nobody;
            }
        };
        if !lives {
            if self.warmed_at.is_some_and(|at| now < at + self.rest) {
                return Seen::Nothing;
            }
            // Before the queries: what is lost while they are read is noticed.
            if let Err(error) = canary.put(engine.store()).await {
                tracing::debug!(%error, "the store takes nothing to be kept warm");
                return Seen::Nobody;
            }
            return Seen::Due(Due::All);
        }
        if self.refresh_at.is_some_and(|at| at <= now) && engine.pressure() != Pressure::Full {
            Seen::Due(Due::Refresh)
        } else if !self.again.is_empty() && self.again_at <= now {
            Seen::Due(Due::Again)
        } else {
            Seen::Nothing
        }
    }

    /// Takes note of a round.
    fn note(&mut self, due: &Due, again: Vec<usize>, plan: &Plan) {
        let now = Instant::now();
        match due {
            Due::All => {
                // Whoever loses it all the time is not the reason to read all the time.
                let soon = self.warmed_at.is_some_and(|at| at.elapsed() < (self.rest + plan.look_every) * 2);
                self.rest = if soon { (self.rest * 2).min(LONGEST.max(plan.look_every)) } else { plan.look_every };
                self.warmed_at = Some(now);
                self.pause = plan.look_every;
                self.again = again;
            }
            Due::Again => {
                self.pause = (self.pause * 2).min(LONGEST.max(plan.look_every));
                self.again = again;
            }
            Due::Refresh => {}
        }
        self.again_at = now + self.pause;
        if let (Due::All | Due::Refresh, Some(every)) = (due, plan.refresh_every) {
            self.refresh_at = Some(now + jittered(every));
        }
    }

    /// When to look again.
    fn next(&self, plan: &Plan) -> Instant {
        let now = Instant::now();
        let refresh = self.refresh_at.filter(|at| *at > now);
        let again = (!self.again.is_empty() && self.again_at > now).then_some(self.again_at);
        [Some(now + plan.look_every), refresh, again].into_iter().flatten().min().unwrap_or(now)
    }
}

/// A tenth less, by chance: processes that began together don't go on together.
fn jittered(every: Duration) -> Duration {
    every.mul_f64(1.0 - rand::random::<f64>() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Keyspace;
    use crate::store::MemoryStore;

    const EVERY: Duration = Duration::from_secs(5);

    /// A store that loses the value as soon as it has it is no reason to read everything all the time.
    #[tokio::test(start_paused = true)]
    async fn what_is_lost_again_and_again_is_warmed_less_and_less_often() {
        let plan = Plan { concurrency: 1, progress: None, look_every: EVERY, refresh_every: None };
        let mut agenda = Agenda::new(&plan);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            agenda.note(&Due::All, Vec::new(), &plan);
            pauses.push(agenda.rest.as_secs());
            tokio::time::advance(agenda.rest).await;
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        // Once it holds for a while, the next loss is made good at once.
        tokio::time::advance(LONGEST * 3).await;
        agenda.note(&Due::All, Vec::new(), &plan);
        assert_eq!(agenda.rest, EVERY);
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_tried_again_less_and_less_often() {
        let plan = Plan { concurrency: 1, progress: None, look_every: EVERY, refresh_every: None };
        let mut agenda = Agenda::new(&plan);
        agenda.note(&Due::All, vec![1], &plan);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            pauses.push((agenda.again_at - Instant::now()).as_secs());
            tokio::time::advance(agenda.pause).await;
            agenda.note(&Due::Again, vec![1], &plan);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_canary_lives_on_as_long_as_it_is_looked_after() {
        let store = MemoryStore::new(Keyspace::new("sql"), 1 << 20);
        let mut canary = Canary::new(&Keyspace::new("sql"));
        assert!(!canary.lives(&store).await.unwrap());
        canary.put(&store).await.unwrap();
        for _ in 0..200 {
            tokio::time::advance(Duration::from_mins(5)).await;
            assert!(canary.lives(&store).await.unwrap());
        }
        crate::store::CacheStore::delete_matching(&store, "sql:*").await.unwrap();
        assert!(!canary.lives(&store).await.unwrap());
    }
}
