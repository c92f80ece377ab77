//! What the cache did for one piece of a program: a request, say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

tokio::task_local! {
    static TALLY: Arc<Counts>;
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    bypasses: AtomicU64,
    /// What runs this one within itself sees its reads as well.
    outer: Option<Arc<Counts>>,
}

/// What became of a read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Hit,
    Miss,
    Bypass,
}

/// The reads of a piece of a program by what became of them: SQL reads, and those of a [`Cache`](crate::Cache).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Tally {
    /// Reads that the cache answered.
    pub hits: u64,
    /// Reads that were looked up in vain. Those that joined another's read are among them: they waited for the database as well.
    pub misses: u64,
    /// Reads that were not looked up, those within transactions among them.
    pub bypasses: u64,
}

/// What became of a piece of a program's reads, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// The cache answered all of them.
    Hit,
    /// At least one was looked up in vain.
    Miss,
    /// At least one was not looked up, and none in vain.
    Bypass,
}

impl CacheStatus {
    /// `HIT`, `MISS` or `BYPASS`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Bypass => "BYPASS",
        }
    }
}

impl Tally {
    /// In a word; `None` where nothing was read.
    pub fn status(&self) -> Option<CacheStatus> {
        match self {
            Self { misses: 1.., .. } => Some(CacheStatus::Miss),
            Self { bypasses: 1.., .. } => Some(CacheStatus::Bypass),
            Self { hits: 1.., .. } => Some(CacheStatus::Hit),
            Self { .. } => None,
        }
    }
}

/// Runs a future, and tells what became of the reads that it made, through whichever executors and caches. Reads of tasks that it spawns are not among them.
///
/// # Cancel safety
///
/// The future's.
pub async fn tally<T>(future: impl Future<Output = T>) -> (T, Tally) {
    let counts = Arc::new(Counts { outer: TALLY.try_with(Arc::clone).ok(), ..Counts::default() });
    let output = TALLY.scope(Arc::clone(&counts), future).await;
    let read = |count: &AtomicU64| count.load(Relaxed);
    (output, Tally { hits: read(&counts.hits), misses: read(&counts.misses), bypasses: read(&counts.bypasses) })
}

/// Counts a read for whoever runs it, if he asked.
pub(crate) fn note(outcome: Outcome) {
    // Nobody asked.
    let _ = TALLY.try_with(|counts| {
        for counts in std::iter::successors(Some(counts), |counts| counts.outer.as_ref()) {
            let count = match outcome {
                Outcome::Hit => &counts.hits,
                Outcome::Miss => &counts.misses,
                Outcome::Bypass => &counts.bypasses,
            };
            count.fetch_add(1, Relaxed);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_counts_what_runs_within_it() {
        note(Outcome::Hit);
        let (inner, outer) = tally(async {
            note(Outcome::Hit);
            tally(async { note(Outcome::Bypass) }).await.1
        })
        .await;
        assert_eq!(inner, Tally { bypasses: 1, ..Tally::default() });
        assert_eq!(outer, Tally { hits: 1, bypasses: 1, misses: 0 });
        assert_eq!(outer.status(), Some(CacheStatus::Bypass));
        let (status, tally) = tally(async { Tally { misses: 1, ..outer }.status() }).await;
        assert_eq!((status, tally.status()), (Some(CacheStatus::Miss), None));
    }
}
