//! The handle of a consumer.

use super::WriteBehind;
use super::backing::Backing;
use super::work::{Handler, Work};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Handles the items of a queue, until it is [stopped](Self::stop) or dropped.
///
/// Dropped, it ends as when it is stopped, without anybody waiting for it: the batch at hand is handled and settled, if the runtime lives for so long.
#[derive(Debug)]
#[must_use = "a consumer ends when it is dropped"]
pub struct Consumer {
    /// Dropped, it says that the end has come.
    going: Option<watch::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Consumer {
    /// Ends it, and waits until it has settled the batch at hand. Idle consumers hear of it within half a second. What it could not handle, others take over.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it ends all the same.
    pub async fn stop(mut self) {
        self.going = None;
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }

    /// One that has nothing to do.
    pub(super) fn idle() -> Self {
        Self { going: None, task: None }
    }

    pub(super) fn start<T>(queue: WriteBehind<T>, backing: Arc<dyn Backing>, handle: Handler<T>) -> Self
    where
        T: DeserializeOwned + Send + 'static,
    {
        let (going, stop) = watch::channel(());
        let work = Work::new(queue, backing, handle, stop);
        Self { going: Some(going), task: Some(tokio::spawn(work.run())) }
    }
}
