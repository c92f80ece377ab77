//! The replay connections that nobody uses just now.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Connections at rest, and leave for so many at work.
///
/// A connection is taken by value, so that one whose replay is cancelled or fails is dropped with the replay: what it still holds (half an
/// answer, a worker on its way) would be the next replay's.
pub(super) struct Idle<T> {
    connections: Mutex<Vec<T>>,
    leave: Semaphore,
}

impl<T> Idle<T> {
    /// At most `most` connections at work at once, and so at most so many in all.
    pub(super) fn new(most: usize) -> Self {
        Self { connections: Mutex::new(Vec::new()), leave: Semaphore::new(most) }
    }

    /// Leave to use one connection until the permit is dropped, and a connection if one is at rest.
    pub(super) async fn take(&self) -> (Option<SemaphorePermit<'_>>, Option<T>) {
        // The semaphore is never closed; if it were, replays would go on without a bound.
        let leave = self.leave.acquire().await.ok();
        (leave, self.lock().pop())
    }

    /// Puts back a connection that has nothing unread. To be called before the permit is dropped, or there can be more than the bound.
    pub(super) fn put(&self, connection: T) {
        self.lock().push(connection);
    }

    /// How many nobody uses.
    pub(super) fn at_rest(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<T>> {
        // Push and pop leave the list whole whatever happens.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Idle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle").field("at_rest", &self.at_rest()).finish_non_exhaustive()
    }
}
