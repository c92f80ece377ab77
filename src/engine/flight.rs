//! Single flight: reads of one answer that miss at the same time share one read of the database.
//!
//! A flight is named by the entry's key and the generations that its readers' own look-ups returned; nobody who saw others, or none (a fence, a store out of
//! reach), joins it. **Whoever joins is given nothing that his own read could not have returned:**
//!
//! - Each generation of the flight stood at some instant T of the joiner's look-up, so within his call. A write takes the generations along before it is
//!   committed (`fenced`), or after that and before it is acknowledged (`after_commit`). So no write that was acknowledged before his call lies between the
//!   flight's read and T, however long before T the flight was opened: after such a write other generations stand. In the mode `fenced` nobody can
//!   even have seen such a write.
//! - A write that begins and ends after T overlaps the joiner's call. The flight's read may show it or not, and so might his own.
//! - What keeps an answer from being stored for any reason other than the store's (its columns come from elsewhere, the schema or the session changed, its end
//!   was not seen) keeps it from the joiners as well: they read for themselves.
//! - In the mode `ttl`, and with writers that nobody follows, an answer must not be older than the joiner's time to live: nor does he join a flight that is.
//!
//! The leader reads on a task of its own. Only its end ends the flight: a caller that is slow holds nobody up, one that is dropped leaves the flight to the others,
//! and with the last of them it is given up. A task that dies (its runtime ended, it panicked) closes the flight, and the first joiner to notice opens the next.

use super::{Engine, Permit};
use crate::tag::Generation;
use bytes::Bytes;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::{self, Handle};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// The flights that can be joined.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Course, Weak<Aloft>>>);

/// What names a flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Course {
    key: Box<str>,
    generations: Box<[Generation]>,
}

#[derive(Debug)]
struct Aloft {
    since: Instant,
    /// Where its task runs.
    runtime: Option<runtime::Id>,
    /// A receiver for each who waits, the leader's caller included.
    landing: watch::Sender<Option<Landing>>,
}

/// How a flight ends for those who joined it.
#[derive(Clone, Debug)]
pub(crate) enum Landing {
    /// The answer's rows.
    Rows(Bytes),
    /// No answer that may be shared: read for yourselves, all at once and without another flight.
    Alone,
    /// The pool had no connection in time.
    PoolTimedOut,
    /// The pool was closed.
    PoolClosed,
}

/// What became of an attempt to join.
#[derive(Debug)]
pub(crate) enum Boarded {
    /// Nobody reads this: the caller does.
    Leads(Flight),
    /// Somebody does.
    Follows(Following),
}

/// The leader's end of a flight. Dropped before it landed, it lets the others find another leader.
#[derive(Debug)]
pub(crate) struct Flight {
    engine: Arc<Engine>,
    course: Course,
    aloft: Arc<Aloft>,
}

/// A place in a flight.
#[derive(Debug)]
pub(crate) struct Following {
    landing: watch::Receiver<Option<Landing>>,
    /// For how long to wait at most.
    patience: Duration,
}

/// How long somebody waits for a task of another runtime, which may be one that nobody drives just now.
const PATIENCE: Duration = Duration::from_secs(5);

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<Course, Weak<Aloft>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Joins the flight of this entry under these generations, if there is one that is not older than `ttl`, or opens it.
    pub(crate) fn board(self: &Arc<Self>, key: &str, permit: &Permit, ttl: Duration) -> Boarded {
        let course = Course { key: key.into(), generations: permit.generations.as_slice().into() };
        let runtime = Handle::try_current().ok().map(|handle| handle.id());
        let mut flights = self.flights.lock();
        if let Some(aloft) = flights.get(&course).and_then(Weak::upgrade)
            && aloft.since.elapsed() <= ttl
        {
            return Boarded::Follows(aloft.join(runtime));
        }
        let aloft = Arc::new(Aloft { since: Instant::now(), runtime, landing: watch::Sender::new(None) });
        // One that is too old goes on for those who are in it.
        flights.insert(course.clone(), Arc::downgrade(&aloft));
        Boarded::Leads(Flight { engine: Arc::clone(self), course, aloft })
    }
}

impl Engine {
    /// Joins the flight of this entry under these generations, if there is one.
    pub(crate) fn join(&self, key: &str, generations: &[Generation]) -> Option<Following> {
        let course = Course { key: key.into(), generations: generations.into() };
        let runtime = Handle::try_current().ok().map(|handle| handle.id());
        let flights = self.flights.lock();
        Some(flights.get(&course)?.upgrade()?.join(runtime))
    }
}

impl Aloft {
    /// A place for somebody of this runtime.
    fn join(&self, runtime: Option<runtime::Id>) -> Following {
        let patience = if self.runtime == runtime { Duration::MAX } else { PATIENCE };
        Following { landing: self.landing.subscribe(), patience }
    }
}

impl Flight {
    /// A place for the leader's caller.
    pub(crate) fn follow(&self) -> Following {
        Following { landing: self.aloft.landing.subscribe(), patience: Duration::MAX }
    }

    /// Tells everybody. With rows the flight can still be joined, by those whose look-up was too early for the entry, until it is dropped.
    pub(crate) fn land(&self, landing: Landing) {
        if !matches!(landing, Landing::Rows(_)) {
            self.leave(&mut self.engine.flights.lock());
        }
        self.aloft.landing.send_replace(Some(landing));
    }

    /// Waits until nobody is left who wants the answer; nobody can join from then on.
    pub(crate) async fn abandoned(&self) {
        loop {
            self.aloft.landing.closed().await;
            // Whoever joins does so under this lock.
            let mut flights = self.engine.flights.lock();
            if self.aloft.landing.receiver_count() == 0 {
                self.leave(&mut flights);
                return;
            }
        }
    }

    fn leave(&self, flights: &mut HashMap<Course, Weak<Aloft>>) {
        if let Entry::Occupied(entry) = flights.entry(self.course.clone())
            && std::ptr::eq(entry.get().as_ptr(), Arc::as_ptr(&self.aloft))
        {
            entry.remove();
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.leave(&mut self.engine.flights.lock());
    }
}

impl Following {
    /// Waits for the end; `None` where the leader died.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it can be asked again.
    pub(crate) async fn landed(&mut self) -> Option<Landing> {
        match timeout(self.patience, self.landing.wait_for(Option::is_some)).await {
            Ok(landing) => landing.ok().and_then(|landing| landing.clone()),
            Err(_) => Some(Landing::Alone),
        }
    }
}
