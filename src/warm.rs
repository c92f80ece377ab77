//! Warm-up: answers that are there before anybody asks for them, and again after the store has lost them.

mod canary;
mod keep;
mod round;

pub use self::keep::WarmKeeper;

use self::round::{Item, Items, Work};
use crate::database::{Backend, Request};
use crate::executor::CachingExecutor;
use crate::stats::Reason;
use futures_util::FutureExt;
use sqlx::Execute;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The longest pause: the clock ends somewhere.
const LONGEST: Duration = Duration::from_hours(24 * 366);

type BoxError = Box<dyn Error + Send + Sync>;

/// Queries to be read ahead, made by [`CachingExecutor::warm`]. [`run`](Self::run) reads them once; [`keep`](Self::keep) also after the store has lost what it held.
///
/// Nothing fails but by itself: what becomes of each query is said in [`Warmed`]. What can't be kept is not read, and what would write is not run.
#[must_use = "a warm-up does nothing until it is run or kept"]
pub struct WarmUp<DB: Backend> {
    executor: CachingExecutor<DB>,
    items: Vec<Item<DB>>,
    plan: Plan,
}

/// How a warm-up goes.
#[derive(Clone)]
struct Plan {
    concurrency: usize,
    progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    look_every: Duration,
    refresh_every: Option<Duration>,
}

/// How far a warm-up is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Queries and tasks that are through, whatever became of them.
    pub done: usize,
    /// Those of them that failed.
    pub failed: usize,
    /// All of them.
    pub total: usize,
}

/// What became of a warm-up.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Warmed {
    /// Answers that were read and stored.
    pub filled: usize,
    /// Answers that were there already, or that another read was about to bring.
    pub already: usize,
    /// Tasks that succeeded.
    pub tasks: usize,
    /// Queries whose answers were not kept: their texts, and why.
    pub not_kept: Vec<(String, Reason)>,
    /// Queries and tasks that failed: their texts or names, and the errors.
    pub failed: Vec<(String, BoxError)>,
}

impl<DB: Backend> WarmUp<DB> {
    pub(crate) fn new(executor: CachingExecutor<DB>) -> Self {
        let plan = Plan { concurrency: 4, progress: None, look_every: Duration::from_secs(5), refresh_every: None };
        Self { executor, items: Vec::new(), plan }
    }

    fn add(mut self, name: String, work: Work<DB>) -> Self {
        self.items.push(Item { name, work });
        self
    }

    fn add_query<'q>(self, query: impl Execute<'q, DB>, one: bool) -> Self {
        match Request::new(query) {
            Ok(request) => self.add(request.sql.as_str().to_owned(), Work::Query { request, one }),
            // An argument that can't be encoded has taken the text along.
            Err(error) => self.add("a query".to_owned(), Work::Impossible(error.to_string())),
        }
    }

    /// A query that the program will read with `fetch_all` or `fetch`: made by `query`, `query_as`, `query_scalar` or one of the macros.
    pub fn query<'q>(self, query: impl Execute<'q, DB>) -> Self {
        self.add_query(query, false)
    }

    /// A query that the program will read with `fetch_one` or `fetch_optional`: its answer is another one than that of `fetch_all`.
    pub fn query_one<'q>(self, query: impl Execute<'q, DB>) -> Self {
        self.add_query(query, true)
    }

    /// Several, as [`query`](Self::query).
    pub fn queries<'q, E: Execute<'q, DB>>(self, queries: impl IntoIterator<Item = E>) -> Self {
        queries.into_iter().fold(self, Self::query)
    }

    /// Whatever else is to be done, such as to fill entries of one's own. It may be called again and again. Should it hold a clone of the executor or its cache, a
    /// [`WarmKeeper`] does not end with the executor, but when it is dropped or the pool is closed.
    pub fn task<F, Fut, E>(self, name: &str, task: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let task = move || {
            let done = task();
            async move { done.await.map_err(Into::into) }.boxed()
        };
        self.add(name.to_owned(), Work::Task(Box::new(task)))
    }

    /// How many are under way at once. Never more than half of the pool's connections, and one at least: others want to read, too. Defaults to 4.
    pub fn concurrency(mut self, number: usize) -> Self {
        self.plan.concurrency = number;
        self
    }

    /// Called whenever one is through, in a round of a [`WarmKeeper`] as well: it should be quick.
    pub fn on_progress(mut self, report: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.plan.progress = Some(Arc::new(report));
        self
    }

    /// How often a [`WarmKeeper`] looks whether the store still has what was warmed; 10 ms at least, and a year at most. Defaults to 5 s.
    pub fn look_every(mut self, pause: Duration) -> Self {
        self.plan.look_every = pause.clamp(Duration::from_millis(10), LONGEST);
        self
    }

    /// How often a [`WarmKeeper`] reads its queries anew (not its tasks), a tenth less by chance, so that they never grow old: set it below their time to live. While it reads one, others who ask for
    /// that read for themselves. Zero for never, which is the default; and 10 ms at least, a year at most.
    pub fn refresh_every(mut self, pause: Duration) -> Self {
        self.plan.refresh_every = (!pause.is_zero()).then(|| pause.clamp(Duration::from_millis(10), LONGEST));
        self
    }

    /// Reads all of them once.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it stops: what was read is kept, the rest is not begun.
    pub async fn run(self) -> Warmed {
        let Self { executor, items, plan } = self;
        let items = Items::new(items);
        items.run(&executor.anchor(), &plan, items.all(), false).await.warmed
    }

    /// Reads all of them in the background, now and whenever the store has lost them: because it was flushed or restarted, or another server took its place. If
    /// it can't be reached, the warm-up waits until it can.
    ///
    /// What failed, or could not be kept for a reason that passes, is tried again after a while. What a write has invalidated is not: the next reader brings it, or the next
    /// [refresh](Self::refresh_every).
    pub fn keep(self) -> WarmKeeper {
        let Self { executor, items, plan } = self;
        WarmKeeper::start(&executor, Items::new(items), plan)
    }
}

impl Warmed {
    /// How many queries and tasks it was about.
    pub fn total(&self) -> usize {
        self.filled + self.already + self.tasks + self.not_kept.len() + self.failed.len()
    }
}

/// In a few words, without texts and errors.
impl fmt::Display for Warmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filled, already, tasks, not_kept, failed } = self;
        write!(f, "{filled} filled, {already} there already, {tasks} tasks done, {} not kept, {} failed", not_kept.len(), failed.len())
    }
}

impl<DB: Backend> fmt::Debug for WarmUp<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarmUp").field("items", &self.items.len()).finish_non_exhaustive()
    }
}
