//! A read whose answer can be kept: from the store if it is there, else from the database and into the store.
//!
//! A miss joins the flight of those who miss the same answer, or leads it ([`super::lead`]). It reads for itself alone where nothing may be stored, where the last
//! answer could not be kept (whoever waited would wait in vain), and for those who asked to see the database as it is now (`refresh`).

use super::CachingExecutor;
use super::filling::{Filling, Miss};
use super::lead::{Led, Live};
use super::schema::Plan;
use crate::database::{Backend, Request};
use crate::engine::{Ages, Boarded, Found, Landing, Renewal};
use crate::rows::{ReplayError, Replayed, RowCodec};
use crate::stats::{Reason, count};
use bytes::Bytes;
use futures_util::{FutureExt, TryStreamExt};
use sqlx::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
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
enum Looked<DB: Backend> {
    Hit(Replayed<DB>),
    Miss(Miss<DB>),
    /// Nothing, and nothing may be stored.
    Nothing,
}

impl<DB: Backend> CachingExecutor<DB> {
    /// Why this clone does not look this read up, though its text could be.
    fn refusal(&self, request: &Request<DB>) -> Option<Reason> {
        if request.arguments.is_none() {
            Some(Reason::RawSql)
        } else if !request.persistent && DB::Codec::KEEPS_STATEMENTS {
            Some(Reason::NotPersistent)
        } else {
            self.refusal_of_text()
        }
    }

    /// The same, for any arguments.
    pub(crate) fn refusal_of_text(&self) -> Option<Reason> {
        let shared = &self.shared;
        if self.options.uncached {
            Some(Reason::Uncached)
        } else if shared.engine.is_none() {
            Some(Reason::Off)
        } else if shared.session_changed.load(SeqCst) {
            Some(Reason::Session)
        } else if shared.prefix.get().is_none() {
            shared.load_later();
            Some(Reason::Starting)
        } else if !shared.replays.load(Relaxed) {
            Some(Reason::Rows)
        } else {
            None
        }
    }

    /// Why this clone does not look this plan up.
    pub(crate) fn refusal_of_plan(&self, plan: &Plan) -> Option<Reason> {
        let secured = plan.analysis.read.as_ref().is_ok_and(|read| read.secured);
        (secured && self.options.scope.is_none()).then_some(Reason::RowSecurity)
    }

    /// The key of a read with these arguments; `None` where they are too large to hash.
    pub(crate) fn key(&self, plan: &Plan, sql: &str, arguments: &DB::Arguments, one: bool) -> Option<String> {
        let prefix = self.shared.prefix.get()?;
        crate::key::key(prefix, &plan.stem, self.options.scope.as_deref(), sql, arguments, one)
    }

    /// How long this clone keeps an answer.
    pub(crate) fn time_to_live(&self, plan: &Plan) -> Duration {
        self.options.ttl.unwrap_or(plan.ttl)
    }

    /// For how long after that this clone takes it.
    fn time_while_stale(&self, plan: &Plan) -> Duration {
        self.options.stale.unwrap_or(plan.stale)
    }

    /// Answers a read; `one` tells a read of one row from a read of all, whose answers differ.
    pub(super) async fn answer(&self, plan: &Arc<Plan>, request: Request<DB>, one: bool) -> Result<Answer<DB>, Error> {
        match self.look_up(plan, &request, one).await {
            Looked::Hit(replayed) => Ok(Answer::Whole(replayed)),
            Looked::Miss(miss) if self.options.refresh || miss.plan.experience.is_unkept() => Ok(self.alone(miss, request)),
            Looked::Miss(miss) => self.fly(miss, request).await,
            Looked::Nothing => Ok(Answer::Alone(request, Filling::none(self.shared.engine.clone(), plan))),
        }
    }

    fn alone(&self, miss: Miss<DB>, request: Request<DB>) -> Answer<DB> {
        self.count_miss(&miss.plan);
        Answer::Alone(request, Filling::new(miss))
    }

    fn count_miss(&self, plan: &Plan) {
        count(&self.shared.counters.misses);
        count(&plan.counters.misses);
    }

    /// Joins the flight of those who miss the same, or leads it.
    async fn fly(&self, miss: Miss<DB>, mut request: Request<DB>) -> Result<Answer<DB>, Error> {
        let since = Instant::now();
        loop {
            let landing = match miss.engine.board(&miss.key, &miss.permit, miss.ttl) {
                Boarded::Follows(mut following) => following.landed().await,
                Boarded::Leads(flight) => match self.lead(flight, miss.clone(), request).await {
                    Led::Reading(live) => return Ok(Answer::Live(Box::new(live))),
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
                        tracing::debug!(key = %miss.key, "joined");
                        return Ok(Answer::Whole(replayed));
                    }
                    Err(_) => return Ok(self.alone(miss, request)),
                },
                Some(Landing::Alone) => return Ok(self.alone(miss, request)),
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
    async fn look_up(&self, plan: &Arc<Plan>, request: &Request<DB>, one: bool) -> Looked<DB> {
        match self.look_up_by(plan, request, one).await {
            Some(looked) => looked,
            None => {
                // Somebody changed the schema, in another process perhaps: read the catalog, and understand the statement anew.
                let understood = match self.shared.lend().await {
                    Ok(mut connection) => connection.ask(|connection| self.shared.refresh_on(connection, plan.version).boxed()).await,
                    Err(_) => false,
                };
                let plan = if understood { self.shared.plan(request.sql.as_str()) } else { Arc::clone(plan) };
                let looked = if plan.analysis.read.is_ok() { self.look_up_by(&plan, request, one).await } else { None };
                looked.unwrap_or_else(|| {
                    self.shared.counters.bypass(Reason::Schema);
                    Looked::Nothing
                })
            }
        }
    }

    /// The same; nothing if the schema is not the one that the plan was made with.
    async fn look_up_by(&self, plan: &Arc<Plan>, request: &Request<DB>, one: bool) -> Option<Looked<DB>> {
        let shared = &self.shared;
        let Some(engine) = &shared.engine else { return Some(Looked::Nothing) };
        let refusal = self.refusal(request).or_else(|| self.refusal_of_plan(plan));
        let key = match (refusal, &request.arguments) {
            (None, Some(arguments)) => self.key(plan, request.sql.as_str(), arguments, one).ok_or(Reason::Arguments),
            (reason, _) => Err(reason.unwrap_or(Reason::RawSql)),
        };
        let key = match key {
            Ok(key) => key,
            Err(reason) => {
                shared.counters.bypass(reason);
                return Some(Looked::Nothing);
            }
        };
        let found = engine.look_up(&key, &plan.reads, plan.epoch, (!self.options.refresh).then(|| self.ages(plan))).await;
        let miss = |permit| Miss {
            executor: self.clone(),
            engine: Arc::clone(engine),
            plan: Arc::clone(plan),
            key: key.as_str().into(),
            one,
            ttl: self.time_to_live(plan),
            stale: self.time_while_stale(plan),
            permit,
        };
        let (rows, renewal) = match found {
            Found::Hit(rows) => (rows, None),
            Found::Aging(rows, renewal) => (rows, Some(renewal)),
            Found::OtherSchema => return None,
            Found::Miss(permit) => {
                tracing::debug!(%key, "miss");
                return Some(Looked::Miss(miss(permit)));
            }
            Found::Direct(reason) => {
                shared.counters.not_stored(reason);
                self.count_miss(plan);
                tracing::debug!(%key, "miss");
                return Some(Looked::Nothing);
            }
        };
        match self.replay(request, &key, rows).await {
            Ok(replayed) => {
                count(&shared.counters.hits);
                count(&plan.counters.hits);
                tracing::debug!(%key, "hit");
                if let Some(Renewal { stale, permit }) = renewal {
                    self.renew(miss(permit), request, stale);
                }
                Some(Looked::Hit(replayed))
            }
            Err(error) => {
                if !matches!(error, ReplayError::Driver(_)) {
                    engine.discard(&key).await;
                }
                self.count_miss(plan);
                Some(Looked::Nothing)
            }
        }
    }

    /// How old answers may be that this clone takes.
    fn ages(&self, plan: &Plan) -> Ages {
        let ttl = self.time_to_live(plan);
        if plan.experience.is_unkept() {
            // To read it anew would be in vain.
            return Ages { ttl, stale: Duration::ZERO, early: 0.0 };
        }
        Ages { ttl, stale: self.time_while_stale(plan), early: self.shared.policy.early }
    }

    async fn replay(&self, request: &Request<DB>, key: &str, rows: Bytes) -> Result<Replayed<DB>, ReplayError> {
        let replayed = self.shared.codec.replay(&self.shared.pool, &request.sql, request.statement.as_ref(), rows).await;
        if let Err(error) = &replayed {
            let counters = &self.shared.counters;
            count(if matches!(error, ReplayError::Malformed(_)) { &counters.malformed } else { &counters.replay_errors });
            tracing::warn!(%key, %error, "an entry can't be replayed; the database answers");
        }
        replayed
    }

    /// Reads an answer that is in use anew, in the background: by the flight of its key, so one at a time.
    fn renew(&self, miss: Miss<DB>, request: &Request<DB>, stale: bool) {
        let counters = &self.shared.counters;
        if stale {
            count(&counters.served_stale);
        }
        if let Boarded::Leads(flight) = miss.engine.board(&miss.key, &miss.permit, Duration::MAX) {
            if !stale {
                count(&counters.refreshed_early);
            }
            Self::lead_behind(flight, miss, request.again());
        }
    }

    /// All rows.
    pub(super) async fn read_all(&self, plan: &Arc<Plan>, request: Request<DB>) -> Result<Vec<DB::Row>, Error> {
        let mut rows = Vec::new();
        match self.answer(plan, request, false).await? {
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
    pub(super) async fn read_one(&self, plan: &Arc<Plan>, request: Request<DB>) -> Result<Option<DB::Row>, Error> {
        match self.answer(plan, request, true).await? {
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
