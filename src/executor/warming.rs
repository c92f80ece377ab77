//! Reads that are made so that their answers are kept, and for nothing else: what became of each is noted on its way.

use super::execute::Route;
use super::{CachingExecutor, ReadOptions, Shared};
use crate::analysis::Writes;
use crate::database::{Backend, Request};
use crate::engine::Engine;
use crate::insight::{Outcome, note};
use crate::policy::Pressure;
use crate::stats::{Reason, count};
use futures_util::{TryStreamExt, future};
use sqlx::Error;
use std::sync::{Arc, OnceLock, Weak};
use tokio::runtime::Handle;

/// Where a read says what became of its answer: that it was stored, or why not. Nothing where it was there, or another read brought it.
#[derive(Debug, Default)]
pub(super) struct Report(OnceLock<Result<(), Reason>>);

/// What became of a read that was made for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warm {
    Filled,
    /// It was there, or another read brings it.
    Already,
    NotKept(Reason),
}

/// A clone that doesn't keep its executor alive.
pub(crate) struct Anchor<DB: Backend> {
    shared: Weak<Shared<DB>>,
    options: ReadOptions,
}

impl<DB: Backend> Anchor<DB> {
    /// The clone; `None` once the executor is gone.
    pub(crate) fn executor(&self) -> Option<CachingExecutor<DB>> {
        Some(CachingExecutor { shared: self.shared.upgrade()?, options: self.options.clone() })
    }
}

impl<DB: Backend> CachingExecutor<DB> {
    pub(crate) fn anchor(&self) -> Anchor<DB> {
        Anchor { shared: Arc::downgrade(&self.shared), options: self.options.clone() }
    }

    /// The protocol's side; `None` where the cache is switched off.
    pub(crate) fn engine(&self) -> Option<&Arc<Engine>> {
        self.shared.engine.as_ref()
    }

    /// Where background work of this executor can run; `None` where there is nowhere.
    pub(crate) fn runtime(&self) -> Option<Handle> {
        Handle::try_current().ok().or_else(|| self.engine().map(|engine| engine.runtime()))
    }

    /// Sees to it that the answer is kept, if it can be; `one` tells what `fetch_one` reads from what `fetch_all` does. The database is asked only for what may
    /// be kept, and never to write.
    pub(crate) async fn warm_by(&self, request: Request<DB>, one: bool) -> Result<Warm, Error> {
        if let Some(reason) = self.refusal_of_text() {
            return Ok(Warm::NotKept(reason));
        }
        let plan = self.shared.plan(request.sql.as_str());
        let analysis = &plan.analysis;
        if analysis.writes != Writes::Nothing || analysis.changes_schema || analysis.commits {
            return Ok(Warm::NotKept(Reason::Write));
        }
        if let Err(bypass) = analysis.read {
            return Ok(Warm::NotKept(bypass.into()));
        }
        if self.engine().is_some_and(|engine| engine.pressure() == Pressure::Full) {
            return Ok(Warm::NotKept(Reason::Memory));
        }
        let report = Arc::<Report>::default();
        let reader = self.with(|options| options.report = Some(Arc::clone(&report)));
        if one {
            reader.optional(Route::Read(plan), request).await?;
        } else {
            reader.many(Route::Read(plan), request).try_for_each(|_| future::ready(Ok(()))).await?;
        }
        Ok(match report.0.get() {
            Some(Ok(())) => Warm::Filled,
            Some(Err(reason)) => Warm::NotKept(*reason),
            None => Warm::Already,
        })
    }

    /// Whether the read is made for its answer alone, so that nobody wants the rows of one that can't be kept.
    pub(super) fn only_warms(&self) -> bool {
        self.options.report.is_some()
    }

    fn report(&self, outcome: Result<(), Reason>) {
        if let Some(report) = &self.options.report {
            // The first word counts: what comes later follows from it.
            let _ = report.0.set(outcome);
        }
    }

    /// An answer was stored.
    pub(super) fn note_filled(&self, fills: &std::sync::atomic::AtomicU64) {
        count(fills);
        self.report(Ok(()));
    }

    /// An answer was not stored.
    pub(super) fn note_not_stored(&self, reason: Reason) {
        self.shared.counters.not_stored(reason);
        self.report(Err(reason));
    }

    /// A read was not looked up.
    pub(super) fn note_bypass(&self, reason: Reason) {
        self.shared.counters.bypass(reason);
        note(Outcome::Bypass);
        self.report(Err(reason));
    }

    /// What was kept could not be read, and is deleted.
    pub(super) fn note_unreadable(&self) {
        self.report(Err(Reason::Value));
    }
}
