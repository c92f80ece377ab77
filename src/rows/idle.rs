//! The replay connections that nobody uses just now.

use std::fmt;
use std::mem;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use tokio::sync::Notify;

/// Connections at rest, and leave for so many in all.
///
/// A connection is taken by value, so that one whose replay is cancelled or fails is dropped with the replay: what it still holds (half an
/// answer, a worker on its way) would be the next replay's.
///
/// Each thread has a place of its own to take from and put back to, and rather than wait for a lock goes on to the next place: with as many
/// connections as threads replay at once, nobody ever waits and no line of memory is passed between cores. Only who finds nothing at rest counts.
pub(super) struct Idle<T> {
    places: Box<[Place<T>]>,
    /// Connections there may be, at rest and at work together.
    most: usize,
    made: AtomicUsize,
    waiting: AtomicUsize,
    freed: Notify,
}

/// Two neighbours never share a line of memory, nor a pair that is fetched together.
#[repr(align(128))]
struct Place<T>(Mutex<Vec<T>>);

impl<T> Idle<T> {
    /// At most `least` connections, or one for each core where there are more of those.
    pub(super) fn new(least: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            places: (0..cores).map(|_| Place(Mutex::new(Vec::new()))).collect(),
            most: least.max(cores),
            made: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            freed: Notify::new(),
        }
    }

    /// A connection if one is at rest, else leave to make one. Waits only where there are already as many as may be, and all at work.
    ///
    /// # Cancel safety
    ///
    /// Safe: a dropped call takes nothing.
    pub(super) async fn take(&self) -> (Leave<'_, T>, Option<T>) {
        match self.pop() {
            Some(connection) => (Leave(self), Some(connection)),
            None => Box::pin(self.wait()).await,
        }
    }

    async fn wait(&self) -> (Leave<'_, T>, Option<T>) {
        // Said before the places are looked at: whoever puts a connection where it has been looked in vain sees that somebody waits.
        let _said = Waiting::say(&self.waiting);
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(connection) = self.places.iter().find_map(|place| lock(place).pop()) {
                return (Leave(self), Some(connection));
            }
            let more = |made| (made < self.most).then_some(made + 1);
            if self.made.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok() {
                return (Leave(self), None);
            }
            freed.await;
        }
    }

    fn pop(&self) -> Option<T> {
        self.mine_first().find_map(|place| try_lock(place)?.pop())
    }

    fn push(&self, connection: T) {
        let free = self.mine_first().find_map(try_lock);
        free.unwrap_or_else(|| lock(&self.places[0])).push(connection);
        self.wake();
    }

    fn wake(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_one();
        }
    }

    /// All places, this thread's first.
    fn mine_first(&self) -> impl Iterator<Item = &Place<T>> {
        let (before, after) = self.places.split_at(mine() % self.places.len());
        after.iter().chain(before)
    }

    /// How many nobody uses.
    #[cfg(test)]
    pub(super) fn at_rest(&self) -> usize {
        self.places.iter().map(|place| lock(place).len()).sum()
    }
}

/// Leave to have one connection, for as long as this lives or the connection rests.
pub(super) struct Leave<'a, T>(&'a Idle<T>);

impl<T> Leave<'_, T> {
    /// Puts back a connection that has nothing unread.
    pub(super) fn put(self, connection: T) {
        self.0.push(connection);
        // It still counts.
        mem::forget(self);
    }
}

impl<T> Drop for Leave<'_, T> {
    fn drop(&mut self) {
        self.0.made.fetch_sub(1, Ordering::SeqCst);
        self.0.wake();
    }
}

/// One who waits, counted.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn say(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// This thread's number.
fn mine() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed));
    // A replay may be dropped by a thread that ends.
    MINE.try_with(|mine| *mine).unwrap_or_default()
}

fn try_lock<T>(place: &Place<T>) -> Option<MutexGuard<'_, Vec<T>>> {
    match place.0.try_lock() {
        Ok(guard) => Some(guard),
        // Push and pop leave the list whole whatever happens.
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

fn lock<T>(place: &Place<T>) -> MutexGuard<'_, Vec<T>> {
    place.0.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> fmt::Debug for Idle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle").field("made", &self.made).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::polled;
    use std::sync::Arc;
    use std::task::Poll;

    /// As many as may be, each made by its taker.
    async fn all(idle: &Idle<usize>) -> Vec<Leave<'_, usize>> {
        let mut leaves = Vec::new();
        for _ in 0..idle.most {
            let (leave, none) = idle.take().await;
            assert!(none.is_none());
            leaves.push(leave);
        }
        leaves
    }

    #[tokio::test]
    async fn who_waits_gets_what_is_put_back_and_leave_for_what_is_dropped() {
        let idle = Idle::new(3);
        let mut leaves = all(&idle).await;
        let mut one = pin!(idle.take());
        let mut other = pin!(idle.take());
        assert!(polled(&mut one).await.is_pending() && polled(&mut other).await.is_pending());
        leaves.pop().unwrap().put(7);
        let (leave, connection) = one.await;
        assert_eq!(connection, Some(7));
        assert!(polled(&mut other).await.is_pending(), "there are as many as may be");
        drop(leave);
        assert!(other.await.1.is_none());
        // What a dropped call was told, the next one hears.
        let mut gone = Box::pin(idle.take());
        leaves.push(idle.take().await.0);
        assert!(polled(&mut gone).await.is_pending());
        let mut last = pin!(idle.take());
        assert!(polled(&mut last).await.is_pending());
        leaves.pop().unwrap().put(8);
        drop(gone);
        assert!(matches!(polled(&mut last).await, Poll::Ready((_, Some(8)))));
        drop(leaves);
        assert_eq!((idle.waiting.load(Ordering::SeqCst), idle.made.load(Ordering::SeqCst)), (0, 0));
    }

    #[test]
    fn a_place_that_is_in_use_is_passed_over() {
        let idle = Idle::new(3);
        let held = lock(&idle.places[mine() % idle.places.len()]);
        if idle.places.len() > 1 {
            idle.push(1);
            assert_eq!(idle.pop(), Some(1));
        }
        drop(held);
        idle.push(2);
        // Another thread's place, as a rule; what rests there is for everyone.
        std::thread::scope(|scope| assert_eq!(scope.spawn(|| idle.pop()).join().unwrap(), Some(2)));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_threads_share_few_connections_and_none_is_lost() {
        let idle = Arc::new(Idle::new(1));
        let made = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let (idle, made) = (Arc::clone(&idle), Arc::clone(&made));
                tokio::spawn(async move {
                    for turn in 0..500 {
                        let (leave, connection) = idle.take().await;
                        let connection = connection.unwrap_or_else(|| made.fetch_add(1, Ordering::SeqCst));
                        tokio::task::yield_now().await;
                        if turn % 50 < 49 {
                            leave.put(connection);
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            tokio::time::timeout(std::time::Duration::from_secs(60), task).await.expect("nobody waits for ever").unwrap();
        }
        assert!(idle.at_rest() <= idle.most && idle.made.load(Ordering::SeqCst) == idle.at_rest());
        assert_eq!(made.load(Ordering::SeqCst), 64 * 10 + idle.at_rest(), "those thrown away were made anew, and no others");
    }
}
