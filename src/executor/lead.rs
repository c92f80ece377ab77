//! The leader of a flight: reads the database on a task of its own, for its caller and for all who joined.
//!
//! The task hands each row to its caller at once and records it. Up to the limit of an entry it does not wait for the caller, so that a slow one holds nobody
//! up; that limit bounds what piles up. Once the answer turns out to be none that can be kept, the flight is over: those who joined read for themselves, and
//! the caller's pace is the database's, as with a pool.
//!
//! How a read ends that fails: a caller gets his own error. Those who joined try for themselves, each alone, since an error may be one connection's; but for
//! [`Error::PoolTimedOut`], once they have waited for as long as the pool would have let them, and [`Error::PoolClosed`].

use super::CachingExecutor;
use super::filling::{Filling, Finished, Miss};
use super::lent::Lent;
use crate::database::{Backend, Request, Step};
use crate::engine::{Flight, Following, Landing, Leasing, Leave};
use crate::stats::count;
use either::Either;
use futures_util::TryStreamExt;
use sqlx::{Error, SqlStr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::Instrument;

/// Rows that wait for a slow caller once the answer can't be kept.
const WAITING: usize = 64;

/// What the database must take for a read, at least, to be worth a lease; or nobody knows yet. Two round trips to a store take a part of it.
const WORTH_A_LEASE: Duration = Duration::from_millis(5);

/// What a leader tells its caller.
enum Told<DB: Backend> {
    Step(Step<DB>),
    /// Nothing more will come.
    End,
    Failed(Error),
    /// The database was not asked: the flight's landing says why. The request is given back.
    NotRead(Request<DB>),
}

/// The caller's end.
pub(super) struct Live<DB: Backend> {
    first: Option<Told<DB>>,
    early: mpsc::UnboundedReceiver<Told<DB>>,
    late: mpsc::Receiver<Told<DB>>,
    /// Held so that the flight is known to have somebody who wants it.
    following: Following,
}

/// The leader's end.
struct Teller<DB: Backend> {
    /// Until the answer is given up.
    early: Option<mpsc::UnboundedSender<Told<DB>>>,
    late: mpsc::Sender<Told<DB>>,
}

/// How a flight began for its caller.
pub(super) enum Led<DB: Backend> {
    Reading(Live<DB>),
    /// Without the database.
    NotRead(Request<DB>, Following),
    Failed(Error),
}

/// The task.
struct Leader<DB: Backend> {
    flight: Flight,
    miss: Miss<DB>,
    sql: SqlStr,
    /// None in the background.
    teller: Option<Teller<DB>>,
}

impl<DB: Backend> CachingExecutor<DB> {
    /// Leads a flight. Returns when the database's answer begins, or the database need not be asked.
    pub(super) async fn lead(&self, flight: Flight, miss: Miss<DB>, request: Request<DB>) -> Led<DB> {
        let (early_sender, early) = mpsc::unbounded_channel();
        let (late_sender, late) = mpsc::channel(WAITING);
        let mut live = Live { first: None, early, late, following: flight.follow() };
        let teller = Teller { early: Some(early_sender), late: late_sender };
        let engine = Arc::clone(&miss.engine);
        let leader = Leader { flight, miss, sql: request.sql.clone(), teller: Some(teller) };
        engine.spawn(leader.run(request).in_current_span());
        match live.told().await {
            Told::NotRead(request) => Led::NotRead(request, live.following),
            Told::Failed(error) => Led::Failed(error),
            told => {
                live.first = Some(told);
                Led::Reading(live)
            }
        }
    }

    /// Leads a flight for nobody in particular.
    pub(super) fn lead_behind(flight: Flight, miss: Miss<DB>, request: Request<DB>) {
        let engine = Arc::clone(&miss.engine);
        let leader = Leader { flight, miss, sql: request.sql.clone(), teller: None };
        engine.spawn(leader.run(request).in_current_span());
    }
}

impl<DB: Backend> Live<DB> {
    async fn told(&mut self) -> Told<DB> {
        if let Some(told) = self.first.take() {
            return told;
        }
        if let Some(told) = self.early.recv().await {
            return told;
        }
        // A task that panicked, or whose runtime is gone: that must not pass for the end of the rows.
        self.late.recv().await.unwrap_or(Told::Failed(Error::WorkerCrashed))
    }

    /// The next step of the answer; none at its end.
    pub(super) async fn next(&mut self) -> Result<Option<Step<DB>>, Error> {
        match self.told().await {
            Told::Step(step) => Ok(Some(step)),
            Told::End | Told::NotRead(_) => Ok(None),
            Told::Failed(error) => Err(error),
        }
    }
}

impl<DB: Backend> Teller<DB> {
    /// Waits for the caller only after [`Self::slow_down`].
    async fn tell(&self, told: Told<DB>) {
        // A caller that is gone is noticed by the flight.
        match &self.early {
            Some(early) => drop(early.send(told)),
            None => drop(self.late.send(told).await),
        }
    }

    fn slow_down(&mut self) {
        self.early = None;
    }
}

impl<DB: Backend> Leader<DB> {
    async fn run(self, request: Request<DB>) {
        let answer = match self.teller {
            // Whoever waits may leave while another process reads.
            Some(_) => tokio::select! {
                biased;
                answer = self.ask_leave() => answer,
                () = self.flight.abandoned() => return,
            },
            None => self.ask_leave().await,
        };
        match answer {
            Leave::Leased(lease) => self.read_and_keep(request, Some(lease)).await,
            Leave::Unleased => self.read_and_keep(request, None).await,
            Leave::Answered(rows) if self.miss.still_holds(&self.sql) => {
                // It came past what is mirrored here, and may be newer.
                self.miss.engine.forget_near(&self.miss.plan.reads);
                self.not_read(Landing::Rows(rows), request).await;
            }
            Leave::Answered(_) | Leave::Alone => self.not_read(Landing::Alone, request).await,
            // In the background: the other process does. Whoever joined here meanwhile leads, and waits for it.
            Leave::Held => {}
        }
    }

    /// Asks the store whether another process is at it, where that is worth the time.
    async fn ask_leave(&self) -> Leave {
        let Miss { engine, plan, key, permit, ttl, .. } = &self.miss;
        let in_background = self.teller.is_none();
        if in_background || plan.experience.cost().is_none_or(|cost| cost >= WORTH_A_LEASE) {
            engine.ask_leave(key, &plan.reads, permit, *ttl, !in_background).await
        } else {
            Leave::Unleased
        }
    }

    async fn not_read(self, landing: Landing, request: Request<DB>) {
        self.flight.land(landing);
        if let Some(teller) = &self.teller {
            teller.tell(Told::NotRead(request)).await;
        }
    }

    async fn read_and_keep(self, request: Request<DB>, lease: Option<Leasing>) {
        let Self { flight, miss, sql, mut teller } = self;
        let in_background = teller.is_none();
        if !in_background {
            count(&miss.plan.counters.misses);
        }
        let (engine, executor) = (Arc::clone(&miss.engine), miss.executor.clone());
        let (key, question) = (miss.key.clone(), miss.question.clone());
        let read = tokio::select! {
            biased;
            read = read(&flight, miss, &mut teller, request) => Some(read),
            () = flight.abandoned(), if !in_background => None,
            () = renew(lease.as_ref()) => None,
        };
        let shared = match read {
            None => true,
            Some(Ok((filling, connection))) => match filling.finish(&sql, connection).await {
                Finished::Whole(kept) => {
                    let rows = kept.rows.clone();
                    // First: a fill's reply tells whether what is mirrored here is as new as what the others are about to see.
                    kept.store().await;
                    flight.land(Landing::Rows(rows));
                    true
                }
                Finished::Unkept => {
                    flight.land(Landing::Alone);
                    if in_background {
                        // The old answer must not outlive one that would not have been kept, here or in the store.
                        engine.discard(&key).await;
                        executor.shared.forget(&question);
                    }
                    false
                }
                // Something about this process.
                Finished::Refused => {
                    flight.land(Landing::Alone);
                    true
                }
            },
            Some(Err(error)) => {
                flight.land(match &error {
                    Error::PoolTimedOut => Landing::PoolTimedOut,
                    Error::PoolClosed => Landing::PoolClosed,
                    _ => Landing::Alone,
                });
                // A pool's troubles are its process's own.
                let shared = matches!(error, Error::PoolTimedOut | Error::PoolClosed);
                if let Some(teller) = teller.take() {
                    teller.tell(Told::Failed(error)).await;
                }
                shared
            }
        };
        // From here on nobody joins, and the next who misses asks for a lease of his own.
        drop(flight);
        if let Some(lease) = lease {
            lease.release(shared).await;
        }
        if let Some(teller) = teller {
            teller.tell(Told::End).await;
        }
    }
}

async fn renew(lease: Option<&Leasing>) {
    match lease {
        Some(lease) => lease.renew().await,
        None => std::future::pending().await,
    }
}

/// Reads the database: every step to the caller, and into the recording.
async fn read<DB: Backend>(
    flight: &Flight,
    miss: Miss<DB>,
    teller: &mut Option<Teller<DB>>,
    request: Request<DB>,
) -> Result<(Filling<DB>, Lent<DB>), Error> {
    let one = miss.one;
    let mut connection = miss.executor.shared.lend().await?;
    let mut filling = Filling::new(miss);
    if one {
        let row = filling.read_one(&mut connection, request).await?;
        if let (Some(row), Some(teller)) = (row, &teller) {
            teller.tell(Told::Step(Either::Right(row))).await;
        }
        return Ok((filling, connection));
    }
    let mut given_up = false;
    let mut steps = connection.fetch_many(request);
    while let Some(step) = steps.try_next().await? {
        filling.see(&step);
        if filling.is_given_up() && !given_up {
            given_up = true;
            flight.land(Landing::Alone);
            if let Some(teller) = teller {
                teller.slow_down();
            }
        }
        if let Some(teller) = &teller {
            teller.tell(Told::Step(step)).await;
        }
    }
    drop(steps);
    Ok((filling, connection))
}
