//! Once over the queries, some at a time.

use super::{BoxError, Plan, Progress, Warmed};
use crate::database::{Backend, Request};
use crate::executor::{Anchor, Warm};
use crate::stats::Reason;
use futures_core::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// What is to be done, and how it is called.
pub(super) struct Item<DB: Backend> {
    pub(super) name: String,
    pub(super) work: Work<DB>,
}

pub(super) enum Work<DB: Backend> {
    Query {
        request: Request<DB>,
        one: bool,
    },
    /// A query that can't be asked.
    Impossible(String),
    Task(Box<dyn Fn() -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync>),
}

/// All that is to be done.
pub(super) struct Items<DB: Backend>(Arc<[Item<DB>]>);

/// What became of one.
enum Outcome {
    Warm(Warm),
    Task,
    Failed(BoxError),
}

/// What became of a round.
pub(super) struct Round {
    pub(super) warmed: Warmed,
    /// What another attempt may bring.
    pub(super) again: Vec<usize>,
}

impl<DB: Backend> Items<DB> {
    pub(super) fn new(items: Vec<Item<DB>>) -> Self {
        Self(items.into())
    }

    pub(super) fn all(&self) -> Vec<usize> {
        (0..self.0.len()).collect()
    }

    pub(super) fn queries(&self) -> Vec<usize> {
        self.all().into_iter().filter(|index| matches!(self.0[*index].work, Work::Query { .. })).collect()
    }

    /// Does these; `refresh` reads anew what is there already. Stops where the executor is gone.
    pub(super) async fn run(&self, anchor: &Anchor<DB>, plan: &Plan, these: Vec<usize>, refresh: bool) -> Round {
        let mut round = Round { warmed: Warmed::default(), again: Vec::new() };
        let Some(connections) = anchor.executor().map(|executor| executor.options().get_max_connections()) else { return round };
        let most = usize::try_from(connections / 2).unwrap_or(usize::MAX).max(1);
        let mut progress = Progress { done: 0, failed: 0, total: these.len() };
        let works = these.into_iter().map(|index| async move { (index, self.0[index].run(anchor, refresh).await) }.boxed());
        let mut through = stream::iter(works).buffer_unordered(plan.concurrency.clamp(1, most));
        while let Some((index, outcome)) = through.next().await {
            let Some(outcome) = outcome else { return round };
            progress.done += 1;
            progress.failed += usize::from(matches!(outcome, Outcome::Failed(_)));
            round.note(index, &self.0[index].name, outcome);
            if let Some(report) = &plan.progress {
                // Somebody else's code, as well.
                if std::panic::catch_unwind(AssertUnwindSafe(|| report(progress))).is_err() {
                    tracing::error!("the report of a warm-up's progress panicked");
                }
            }
        }
        round
    }
}

impl<DB: Backend> Item<DB> {
    /// `None` once the executor is gone.
    async fn run(&self, anchor: &Anchor<DB>, refresh: bool) -> Option<Outcome> {
        let executor = anchor.executor()?;
        Some(match &self.work {
            Work::Query { request, one } => {
                let executor = if refresh { executor.refresh() } else { executor };
                match executor.warm_by(request.again(), *one).await {
                    Ok(warm) => Outcome::Warm(warm),
                    Err(error) => Outcome::Failed(error.into()),
                }
            }
            Work::Impossible(why) => Outcome::Failed(why.as_str().into()),
            Work::Task(task) => {
                drop(executor);
                // Somebody else's code: its panic is its own failure.
                match AssertUnwindSafe(async { task().await }).catch_unwind().await {
                    Ok(Ok(())) => Outcome::Task,
                    Ok(Err(error)) => Outcome::Failed(error),
                    Err(_) => Outcome::Failed("it panicked".into()),
                }
            }
        })
    }
}

impl Round {
    fn note(&mut self, index: usize, name: &str, outcome: Outcome) {
        let Self { warmed, again } = self;
        match outcome {
            Outcome::Warm(Warm::Filled) => warmed.filled += 1,
            Outcome::Warm(Warm::Already) => warmed.already += 1,
            Outcome::Task => warmed.tasks += 1,
            Outcome::Warm(Warm::NotKept(reason)) => {
                if passes(reason) {
                    again.push(index);
                }
                warmed.not_kept.push((name.to_owned(), reason));
            }
            Outcome::Failed(error) => {
                again.push(index);
                warmed.failed.push((name.to_owned(), error));
            }
        }
    }
}

/// Whether a reason says something about the moment, and nothing about the query.
fn passes(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Starting
            | Reason::Store
            | Reason::Open
            | Reason::Memory
            | Reason::Fenced
            | Reason::Distrusted
            | Reason::Schema
            | Reason::Session
            | Reason::Unfinished
            | Reason::Value
            | Reason::UnknownRelation
    )
}
