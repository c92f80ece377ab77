//! A read whose answer can be kept: from this process's shelf, from the store if it is there, else from the database and into both.
//!
//! A miss joins the flight of those who miss the same answer, or leads it ([`super::lead`]). It reads for itself alone where nothing may be stored, where the last
//! answer could not be kept (whoever waited would wait in vain), and for those who asked to see the database as it is now (`refresh`).

use super::CachingExecutor;
use super::filling::{Filling, Miss};
use super::lead::{Led, Live};
use super::probing::Given;
use super::recall::Recall;
use super::schema::Plan;
use super::shelf::Question;
use crate::database::{Backend, Request};
use crate::engine::{Ages, Answered, Boarded, Engine, Found, Landing, Permit, Renewal};
use crate::insight::{Outcome, note};
use crate::policy::Pressure;
use crate::rows::{ReplayError, Replayed, RowCodec};
use crate::stats::{Reason, count};
use bytes::Bytes;
use futures_util::{FutureExt, TryStreamExt};
use sqlx::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How a read is answered.
#[expect(clippy::large_enum_variant, reason = "taken apart where it is made")]
pub(super) enum Answer<DB: Backend> {
    /// All at once, from the store or by another's read.
    Whole(Replayed<DB>),
    /// As the database gives it to the flight that the caller leads.
    Live(Box<Live<DB>>),
    /// The caller is to read for himself, and to tell about the answer as it comes.
    Alone(Request<DB>, Filling<DB>),
}

/// What a look-up found.
#[expect(clippy::large_enum_variant, reason = "taken apart where it is made")]
enum Looked<DB: Backend> {
    Hit(Replayed<DB>),
    Miss(Miss<DB>),
    /// Nothing, and nothing may be stored.
    Nothing,
}

impl<DB: Backend> CachingExecutor<DB> {
    /// How long this clone keeps an answer.
    pub(crate) fn time_to_live(&self, plan: &Plan) -> Duration {
        self.options.ttl.unwrap_or(plan.ttl)
    }

    /// For how long after that this clone takes it.
    fn time_while_stale(&self, plan: &Plan) -> Duration {
        self.options.stale.unwrap_or(plan.stale)
    }

    /// Answers a read; `one` tells a read of one row from a read of all, whose answers differ.
    pub(super) async fn answer(
        &self,
        plan: &Arc<Plan>,
        request: Request<DB>,
        recalled: Recall<DB>,
        one: bool,
    ) -> Result<Answer<DB>, Error> {
        match self.look_up(plan, &request, recalled, one).await {
            Looked::Hit(replayed) => Ok(Answer::Whole(replayed)),
            Looked::Miss(miss) if self.options.refresh || miss.plan.experience.is_unkept() => Ok(Self::alone(miss, request)),
            Looked::Miss(miss) => self.fly(miss, request).await,
            Looked::Nothing if self.only_warms() => {
                self.note_unreadable();
                Ok(Answer::Whole(Replayed { rows: Vec::new(), result: DB::QueryResult::default() }))
            }
            Looked::Nothing => Ok(Answer::Alone(request, Filling::none(self.shared.engine.clone(), plan))),
        }
    }

    fn alone(miss: Miss<DB>, request: Request<DB>) -> Answer<DB> {
        miss.plan.count_miss();
        Answer::Alone(request, Filling::new(miss))
    }

    /// Joins the flight of those who miss the same, or leads it.
    async fn fly(&self, miss: Miss<DB>, mut request: Request<DB>) -> Result<Answer<DB>, Error> {
        let since = Instant::now();
        loop {
            let landing = match miss.engine.board(&miss.key, &miss.permit, miss.ttl) {
                Boarded::Follows(mut following) => following.landed().await,
                Boarded::Leads(flight) => match self.lead(flight, miss.clone(), request).await {
                    Led::Reading(live) => {
                        // Its task counts it, and knows nothing of whose read it is.
                        note(Outcome::Miss);
                        return Ok(Answer::Live(Box::new(live)));
                    }
                    Led::Failed(error) => return Err(error),
                    Led::NotRead(given_back, mut following) => {
                        request = given_back;
                        following.landed().await
                    }
                },
            };
            match landing {
                Some(Landing::Rows(rows)) => match self.replay(&request, &miss.key, rows).await {
                    Ok(replayed) => {
                        count(&self.shared.counters.joined);
                        note(Outcome::Miss);
                        miss.plan.worth.note_spared();
                        tracing::debug!(key = %miss.key, "joined");
                        return Ok(Answer::Whole(replayed));
                    }
                    Err(_) => return Ok(Self::alone(miss, request)),
                },
                Some(Landing::Alone) => return Ok(Self::alone(miss, request)),
                Some(Landing::PoolClosed) => return Err(Error::PoolClosed),
                Some(Landing::PoolTimedOut) if since.elapsed() >= self.shared.pool.options().get_acquire_timeout() => {
                    return Err(Error::PoolTimedOut);
                }
                // The leader waited for longer than this one has, or is no more: somebody else leads.
                Some(Landing::PoolTimedOut) | None => {}
            }
        }
    }

    /// Looks a read up.
    async fn look_up(&self, plan: &Arc<Plan>, request: &Request<DB>, recalled: Recall<DB>, one: bool) -> Looked<DB> {
        match self.look_up_by(plan, request, recalled, one).await {
            Some(looked) => looked,
            None => {
                // Somebody changed the schema, in another process perhaps: read the catalog, and understand the statement anew.
                let understood = match self.shared.lend().await {
                    Ok(mut connection) => connection.ask(|connection| self.shared.refresh_on(connection, plan.version).boxed()).await,
                    Err(_) => false,
                };
                let plan = if understood { self.shared.plan(request.sql.as_str()) } else { Arc::clone(plan) };
                let looked = match plan.analysis.read {
                    Ok(_) => self.look_up_by(&plan, request, self.recall(&plan, request, one, None), one).await,
                    Err(_) => None,
                };
                looked.unwrap_or_else(|| {
                    self.note_bypass(Reason::Schema);
                    Looked::Nothing
                })
            }
        }
    }

    /// The same; nothing if the schema is not the one that the plan was made with.
    async fn look_up_by(&self, plan: &Arc<Plan>, request: &Request<DB>, recalled: Recall<DB>, one: bool) -> Option<Looked<DB>> {
        let shared = &self.shared;
        let question = match recalled {
            Recall::Ready(replayed) => return Some(Looked::Hit(replayed)),
            Recall::Kept(shelved, question, timed) => {
                let made = self.make(plan, request, &shelved, &question, one).await;
                if let (Some(since), Some(_)) = (timed, &made) {
                    shared.counters.insight.near_hit.note(since.elapsed());
                }
                return Some(made.map_or(Looked::Nothing, Looked::Hit));
            }
            Recall::Unknown(question) => question,
            Recall::Refused(reason) => {
                self.note_bypass(reason);
                return Some(Looked::Nothing);
            }
        };
        let (Some(engine), Some(key)) = (&shared.engine, self.key(plan, request.sql.as_str(), &question, one)) else {
            return Some(Looked::Nothing);
        };
        if self.options.refresh {
            shared.forget(&question);
        }
        let since = Instant::now();
        let found = engine.look_up(&key, &plan.reads, plan.epoch, (!self.options.refresh).then(|| self.ages(plan))).await;
        let (answered, renewal) = match found {
            Found::Hit(answered) => (answered, None),
            Found::Aging(answered, renewal) => (answered, Some(renewal)),
            Found::OtherSchema => return None,
            Found::Miss(permit) => {
                tracing::debug!(%key, "miss");
                plan.worth.note_miss(Some(permit.generations()));
                let miss = self.miss(engine, plan, question, &key, one, permit);
                return Some(Looked::Miss(Miss { since: Some(since), ..miss }));
            }
            Found::Direct(reason) => {
                if reason == Reason::Fenced {
                    plan.worth.note_miss(None);
                }
                self.note_not_stored(reason);
                plan.count_miss();
                tracing::debug!(%key, "miss");
                return Some(Looked::Nothing);
            }
        };
        match self.replay(request, &key, answered.rows.clone()).await {
            Ok(replayed) => {
                let took = since.elapsed();
                plan.count_hit();
                shared.counters.insight.hit.note(took);
                tracing::debug!(%key, "hit");
                if let Some(Renewal { stale, permit }) = renewal {
                    self.renew(self.miss(engine, plan, question.clone(), &key, one, permit), request, stale);
                }
                plan.worth.note_hit(took, answered.cost, &answered.generations);
                if shared.prober.chooses() {
                    let Answered { rows, generations, cost, .. } = &answered;
                    self.probe(plan, request, &question, one, &Given { rows, generations, cost: *cost });
                }
                let rows = engine.to_be_shelved(&answered.rows);
                shared.shelve(engine, plan, question, Answered { rows, ..answered });
                Some(Looked::Hit(replayed))
            }
            Err(error) => {
                if !matches!(error, ReplayError::Driver(_)) {
                    engine.discard(&key).await;
                }
                plan.count_miss();
                Some(Looked::Nothing)
            }
        }
    }

    pub(super) fn miss(
        &self,
        engine: &Arc<Engine>,
        plan: &Arc<Plan>,
        question: Question,
        key: &str,
        one: bool,
        permit: Permit,
    ) -> Miss<DB> {
        Miss {
            executor: self.clone(),
            engine: Arc::clone(engine),
            plan: Arc::clone(plan),
            question,
            key: key.into(),
            one,
            ttl: self.time_to_live(plan),
            stale: self.time_while_stale(plan),
            permit,
            since: None,
        }
    }

    /// How old answers may be that this clone takes.
    pub(super) fn ages(&self, plan: &Plan) -> Ages {
        let ttl = self.time_to_live(plan);
        if let Some(ttl) = plan.worth.back_for().filter(|back_for| *back_for < ttl) {
            return Ages { ttl, stale: Duration::ZERO, early: 0.0 };
        }
        if plan.experience.is_unkept() {
            // To read it anew would be in vain.
            return Ages { ttl, stale: Duration::ZERO, early: 0.0 };
        }
        Ages { ttl, stale: self.time_while_stale(plan), early: self.shared.policy.early }
    }

    async fn replay(&self, request: &Request<DB>, key: &str, rows: Bytes) -> Result<Replayed<DB>, ReplayError> {
        let replayed = self.shared.codec.replay(&self.shared.pool, &request.sql, request.statement.as_ref(), rows).await;
        replayed.inspect_err(|error| self.count_failed(error, key))
    }

    pub(super) fn count_failed(&self, error: &ReplayError, key: &str) {
        let counters = &self.shared.counters;
        count(if matches!(error, ReplayError::Malformed(_)) { &counters.malformed } else { &counters.replay_errors });
        tracing::warn!(%key, %error, "an entry can't be replayed; the database answers");
    }

    /// Reads an answer that is in use anew, in the background: by the flight of its key, so one at a time.
    pub(super) fn renew(&self, miss: Miss<DB>, request: &Request<DB>, stale: bool) {
        let counters = &self.shared.counters;
        if stale {
            count(&counters.served_stale);
        }
        if miss.engine.pressure() == Pressure::Full {
            // What is read anew could not be kept.
            return;
        }
        if let Boarded::Leads(flight) = miss.engine.board(&miss.key, &miss.permit, Duration::MAX) {
            if !stale {
                count(&counters.refreshed_early);
            }
            Self::lead_behind(flight, miss, request.again());
        }
    }

    /// All rows.
    pub(super) async fn read_all(&self, plan: &Arc<Plan>, request: Request<DB>, recalled: Recall<DB>) -> Result<Vec<DB::Row>, Error> {
        let mut rows = Vec::new();
        match self.answer(plan, request, recalled, false).await? {
            Answer::Whole(replayed) => rows = replayed.rows,
            Answer::Live(mut live) => {
                while let Some(step) = live.next().await? {
                    rows.extend(step.right());
                }
            }
            Answer::Alone(request, mut filling) => {
                let sql = request.sql.clone();
                let mut connection = self.shared.lend().await?;
                let mut steps = connection.fetch_many(request);
                while let Some(step) = steps.try_next().await? {
                    filling.see(&step);
                    rows.extend(step.right());
                }
                drop(steps);
                filling.finish(&sql, connection).await.store().await;
            }
        }
        Ok(rows)
    }

    /// The first row, if any.
    pub(super) async fn read_one(&self, plan: &Arc<Plan>, request: Request<DB>, recalled: Recall<DB>) -> Result<Option<DB::Row>, Error> {
        match self.answer(plan, request, recalled, true).await? {
            Answer::Whole(replayed) => Ok(replayed.rows.into_iter().next()),
            Answer::Live(mut live) => {
                let mut first = None;
                while let Some(step) = live.next().await? {
                    first = first.or_else(|| step.right());
                }
                Ok(first)
            }
            Answer::Alone(request, mut filling) => {
                let sql = request.sql.clone();
                let mut connection = self.shared.lend().await?;
                let row = filling.read_one(&mut connection, request).await?;
                filling.finish(&sql, connection).await.store().await;
                Ok(row)
            }
        }
    }
}
