//! Work that is finished even where the runtime that began it ends: tests have a runtime each, and share an executor. What is left undone is taken on by
//! whoever looks something up next.

use super::Engine;
use super::fence::Orphan;
use futures_core::future::BoxFuture;
use std::pin::Pin;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// What ended runtimes have left.
#[derive(Default)]
pub(super) struct Orphans {
    /// Whether there is any: what the hot path reads.
    any: AtomicBool,
    left: Mutex<Left>,
}

#[derive(Default)]
struct Left {
    /// Statements and commits, to be gone on with. SQLite's worker thread goes on with them anyway; a connection of the network tells that it is dead.
    work: Vec<BoxFuture<'static, ()>>,
    /// Writes whose outcome nobody knows.
    writes: Vec<Orphan>,
}

impl std::fmt::Debug for Orphans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Orphans").field("any", &self.any).finish_non_exhaustive()
    }
}

impl Orphans {
    fn lock(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave_work(&self, work: BoxFuture<'static, ()>) {
        self.lock().work.push(work);
        self.any.store(true, SeqCst);
    }

    pub(super) fn leave_write(&self, write: Orphan) {
        self.lock().writes.push(write);
        self.any.store(true, SeqCst);
    }
}

/// Work on a task, which may be dropped with its runtime.
struct Work {
    engine: Arc<Engine>,
    work: Option<BoxFuture<'static, ()>>,
}

impl Future for Work {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Not put back if it panics: nobody may poll it again.
        let Some(mut work) = self.work.take() else { return Poll::Ready(()) };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.engine.orphans.leave_work(work);
        }
    }
}

impl Engine {
    /// Does this on a task of its own, to its end. The result is only there to be awaited; none where the task panicked.
    pub(crate) fn finish<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let (sender, receiver) = oneshot::channel();
        let work = Box::pin(async move {
            let _ = sender.send(work.await);
        });
        self.spawn(Work { engine: Arc::clone(self), work: Some(work) });
        async { receiver.await.ok() }
    }

    /// Takes on what other runtimes left undone.
    pub(super) fn adopt(self: &Arc<Self>) {
        if !self.orphans.any.load(Relaxed) {
            return;
        }
        self.orphans.any.store(false, SeqCst);
        let Left { work, writes } = std::mem::take(&mut *self.orphans.lock());
        for work in work {
            self.spawn(Work { engine: Arc::clone(self), work: Some(work) });
        }
        for write in writes {
            self.spawn(write.adopted(self));
        }
    }
}
