//! The freshness probe: now and then an answer that was given from the cache is compared with the database, so that a cache in production can tell how often it is wrong.
//!
//! A hit is chosen by chance ([`pace`]). What was given is kept, and in the background the database is asked the same once more. That the two differ proves nothing by itself: somebody may
//! have written meanwhile. So **an answer is stale only if it differs while every generation that it was given under still stands**, by the word of the store itself and not of what this
//! process mirrors. A write takes the generations along before it commits, so whoever reads what it wrote finds other generations thereafter; where it does so later (`after_commit`, writers
//! that are followed by notifications), it is given the time for it. What is left is a write that nobody told the cache of.
//!
//! Nothing else is claimed. Other generations, a failed read, rows in another order (which no statement determines but one that sorts by all it shows), a part of the rows or a list made of them in no
//! order, and a statement that answers itself in two
//! ways are *undecided*. A probe fills nothing and is neither hit nor miss.

mod pace;
mod reread;

pub(crate) use pace::Prober;

use self::pace::Turn;
use self::reread::{Likeness, Reread, is_determined, likeness, may_be_one_of};
use super::lent::Lent;
use super::schema::Plan;
use super::shelf::Question;
use super::{CachingExecutor, Shared};
use crate::analysis::{Category, Read};
use crate::database::{Backend, Request};
use crate::engine::Engine;
use crate::rows::RowCodec;
use crate::stats::count;
use crate::tag::Generation;
use bytes::Bytes;
use sqlx::Pool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What the database may have taken for an answer that is read once more: a dearer one is never probed.
const DEAREST: Duration = Duration::from_millis(100);

/// How long a probe's read may take, at most, before it is given up.
const DEADLINE: Duration = Duration::from_secs(1);

/// What was given to a reader.
pub(super) struct Given<'a> {
    pub(super) rows: &'a Bytes,
    /// Those that it was given under, of the plan's tags in their order.
    pub(super) generations: &'a [Generation],
    pub(super) cost: Duration,
}

/// A probe. It keeps no executor alive.
struct Probing<DB: Backend> {
    shared: Weak<Shared<DB>>,
    engine: Arc<Engine>,
    pool: Pool<DB>,
    plan: Arc<Plan>,
    request: Request<DB>,
    one: bool,
    /// For the log.
    key: String,
    rows: Bytes,
    generations: Vec<Generation>,
    turn: Turn,
}

/// What a probe has found.
enum Outcome {
    Fresh,
    Stale,
    Undecided,
    /// The database was not asked.
    Skipped,
}

impl<DB: Backend> CachingExecutor<DB> {
    /// Compares what was given with the database, in the background, unless it can't be read once more in the same way or it is not the time.
    #[cold]
    pub(super) fn probe(&self, plan: &Arc<Plan>, request: &Request<DB>, question: &Question, one: bool, given: &Given<'_>) {
        let shared = &self.shared;
        let (Some(engine), Ok(read)) = (&shared.engine, &plan.analysis.read) else { return };
        let again = self.options.scope.is_none() && can_be_read_again(read) && given.cost <= DEAREST;
        // With the protocol switched off by a test there may be none.
        if !again || given.generations.len() != plan.reads.len() {
            return;
        }
        let (Some(key), Some(turn)) = (self.key(plan, request.sql.as_str(), question, one), shared.prober.turn()) else { return };
        let probing = Probing {
            shared: Arc::downgrade(shared),
            engine: Arc::clone(engine),
            pool: shared.pool.clone(),
            plan: Arc::clone(plan),
            request: request.again(),
            one,
            key,
            rows: given.rows.clone(),
            generations: given.generations.into(),
            turn,
        };
        let (gone, mut closed) = (shared.alive.gone(), shared.pool.close_event());
        engine.spawn(async move {
            tokio::select! {
                biased;
                () = gone => {}
                () = &mut closed => {}
                () = probing.run() => {}
            }
        });
    }
}

/// Whether the database would say the same to anybody at any time, as long as nobody writes. What it says of itself changes without a write, and what it says to a reader of a secured table
/// depends on who that is.
fn can_be_read_again(read: &Read) -> bool {
    matches!(read.category, Category::Data | Category::Count) && !read.secured
}

impl<DB: Backend> Probing<DB> {
    async fn run(mut self) {
        let outcome = self.compare().await;
        let Some(shared) = self.shared.upgrade() else { return };
        let found = &shared.counters.insight;
        match outcome {
            Outcome::Skipped => {}
            Outcome::Fresh => count(&found.checked),
            // As long as the statement means what it meant.
            Outcome::Stale if shared.still_reads(&self.plan, self.request.sql.as_str()) && !shared.session_changed.load(SeqCst) => {
                count(&found.stale);
                drop(shared);
                self.complain().await;
            }
            Outcome::Stale | Outcome::Undecided => count(&found.undecided),
        }
    }

    async fn compare(&mut self) -> Outcome {
        if !self.stands().await {
            return Outcome::Undecided;
        }
        let Some(mut connection) = Lent::of_idle(&self.pool).await else { return Outcome::Skipped };
        let Some(now) = self.read(&mut connection, self.one).await else { return Outcome::Undecided };
        let given = Reread::Rows(self.rows.clone());
        match likeness::<DB>(&given, &now) {
            Likeness::Equal => return Outcome::Fresh,
            Likeness::Different if is_determined(self.request.sql.as_str()) => {}
            Likeness::Reordered | Likeness::Different => return Outcome::Undecided,
        }
        // Once more, and all of it: where one row is taken of several it need not be the same one each time. And an answer that its statement does not determine may differ from itself, such as a
        // sum of floats by several workers.
        let Some(again) = self.read(&mut connection, false).await else { return Outcome::Undecided };
        drop(connection);
        let differs = if self.one { !may_be_one_of::<DB>(&given, &again) } else { likeness::<DB>(&now, &again) != Likeness::Different };
        if !differs || !self.stands().await {
            return Outcome::Undecided;
        }
        // Whoever wrote may be about to say so.
        if self.turn.grace().await && !self.stands().await {
            return Outcome::Undecided;
        }
        Outcome::Stale
    }

    /// Whether nobody said that he wrote, as far as the store knows.
    async fn stands(&self) -> bool {
        self.engine.stand_in_store(&self.plan.stem, &self.plan.reads, &self.generations).await
    }

    async fn read(&self, connection: &mut Lent<DB>, one: bool) -> Option<Reread> {
        let recording = {
            let shared = self.shared.upgrade()?;
            // Another process may keep larger answers.
            shared.codec.record(shared.policy.max_entry.max(self.rows.len()))
        };
        match tokio::time::timeout(DEADLINE, reread::read(connection, self.request.again(), one, recording)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(key = %self.key, %error, "a freshness probe can't read the database");
                None
            }
            Err(_) => None,
        }
    }

    /// Somebody wrote and the cache was not told. Whatever else depends on the same tables is to be read anew as well, where writes are followed at all.
    async fn complain(&self) {
        let (key, sql) = (&self.key, self.request.sql.as_str());
        let Ok(Read { tables, .. }) = &self.plan.analysis.read else { return };
        if !self.engine.follows_writes() {
            tracing::debug!(%key, ?tables, sql, "a freshness probe found an answer that the database no longer gives");
            return;
        }
        tracing::error!(
            %key,
            ?tables,
            sql,
            "a freshness probe found a stale answer: somebody wrote, and the cache was not told; everything that depends on these tables is forgotten"
        );
        // An error is taken care of: it is delivered later.
        let _ = self.engine.invalidate(tables).await;
    }
}
