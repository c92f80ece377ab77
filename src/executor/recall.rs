//! What this process itself remembers of a read: asked first, without waiting for anybody.

use super::decoded::Wanted;
use super::probing::Given;
use super::schema::Plan;
use super::shelf::{Asked, Question, Shelved, copies};
use super::{CachingExecutor, NearUse, Shared};
use crate::database::{Backend, Request};
use crate::engine::{Answered, Engine, Renewal, Use};
use crate::entry;
use crate::insight::Insight;
use crate::key;
use crate::rows::{ReplayError, Replayed, RowCodec};
use crate::stats::Reason;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use tokio::time::Instant;

/// Bytes of rows from which on it is measured what it takes to make them. Below that it is next to nothing.
const LONG: usize = 4 << 10;

/// What is remembered.
pub(super) enum Recall<DB: Backend> {
    /// The rows, ready-made.
    Ready(Replayed<DB>),
    /// A valid answer, of which rows are to be made; and when it was asked for, if that is timed.
    Kept(Arc<Shelved<DB>>, Question, Option<Instant>),
    /// Nothing that is valid: the store is to be asked.
    Unknown(Question),
    /// The read is not to be looked up.
    Refused(Reason),
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
        if secured && self.options.scope.is_none() {
            Some(Reason::RowSecurity)
        } else if self.options.refresh {
            // What it reads is to take the old answer's place, which might be given again after the pause.
            None
        } else {
            plan.worth.refusal()
        }
    }

    /// The store's key of a read; `None` before the database is known.
    pub(super) fn key(&self, plan: &Plan, sql: &str, question: &Question, one: bool) -> Option<String> {
        let prefix = self.shared.prefix.get()?;
        let text = plan.hashed.get_or_init(|| key::of_text(prefix, sql));
        Some(key::key(text, &plan.stem, self.options.scope.as_deref(), one, question.arguments()))
    }

    /// The key of a read of all rows without arguments.
    pub(crate) fn key_alone(&self, plan: &Plan, sql: &str) -> Option<String> {
        let question = Asked::with(plan.id, None, false, &DB::Arguments::default(), |asked| asked.to_question())?;
        self.key(plan, sql, &question, false)
    }

    /// Asks this process's memory; `one` tells a read of one row from a read of all, whose answers differ. Where `wanted` values are there, no rows are made.
    pub(super) fn recall(&self, plan: &Arc<Plan>, request: &Request<DB>, one: bool, wanted: Option<&mut Wanted<DB>>) -> Recall<DB> {
        if let Some(reason) = self.refusal(request).or_else(|| self.refusal_of_plan(plan)) {
            return Recall::Refused(reason);
        }
        let (Some(engine), Some(arguments)) = (&self.shared.engine, &request.arguments) else { return Recall::Refused(Reason::RawSql) };
        let timed = Insight::sampled();
        let recalled = Asked::with(plan.id, self.options.scope.as_deref(), one, arguments, |asked| {
            let valid = self.valid(engine, plan, request, &asked, one);
            if let Some(shelved) = valid.as_ref().filter(|_| self.shared.prober.chooses()) {
                let given = Given { rows: &shelved.rows, generations: shelved.sight().generations(), cost: shelved.cost };
                self.probe(plan, request, &asked.to_question(), one, &given);
            }
            match valid {
                None => Recall::Unknown(asked.to_question()),
                Some(shelved) if wanted.is_some_and(|wanted| wanted.find(&shelved)) => {
                    plan.count_near_hit();
                    Recall::Ready(Replayed { rows: Vec::new(), result: DB::QueryResult::default() })
                }
                // Whoever brings a statement of his own is given rows of that.
                Some(shelved) if request.statement.is_some() => Recall::Kept(shelved, asked.to_question(), timed),
                Some(shelved) => match shelved.take() {
                    Some(replayed) => {
                        plan.count_near_hit();
                        Recall::Ready(replayed)
                    }
                    None => Recall::Kept(shelved, asked.to_question(), timed),
                },
            }
        });
        if let (Some(since), Some(Recall::Ready(_))) = (timed, &recalled) {
            self.shared.counters.insight.near_hit.note(since.elapsed());
        }
        recalled.unwrap_or(Recall::Refused(Reason::Arguments))
    }

    /// The answer to this question, if one is within reach and may be given. Sees to it that it is read anew where that is due.
    fn valid(
        &self,
        engine: &Arc<Engine>,
        plan: &Arc<Plan>,
        request: &Request<DB>,
        asked: &Asked<'_>,
        one: bool,
    ) -> Option<Arc<Shelved<DB>>> {
        let shelved = self
            .shared
            .shelf
            .as_ref()
            .filter(|_| !self.options.refresh && engine.may_recall() && engine.trusts(&plan.reads))?
            .get(asked)?;
        // From here on it is a matter of an instant: at this one every generation that it was read under stands.
        let sight = plan.sight(engine)?;
        if !shelved.is_under(&sight) {
            return None;
        }
        let use_of = self.ages(plan).judge(entry::age(shelved.stored), shelved.fresh_for, shelved.cost);
        if use_of != Use::Fresh {
            let renewal = Renewal::of(use_of, shelved.sight().generations(), shelved.stored, plan.epoch);
            if use_of == Use::TooOld || (use_of == Use::Stale && renewal.is_none()) {
                return None;
            }
            if let Some(Renewal { stale, permit }) = renewal {
                let question = asked.to_question();
                let key = self.key(plan, request.sql.as_str(), &question, one)?;
                self.renew(self.miss(engine, plan, question, &key, one, permit), request, stale);
            }
        }
        Some(shelved)
    }

    /// Makes rows of an answer: several copies at once, if it is asked for often. `None` where that fails.
    pub(super) async fn make(
        &self,
        plan: &Plan,
        request: &Request<DB>,
        shelved: &Shelved<DB>,
        question: &Question,
        one: bool,
    ) -> Option<Replayed<DB>> {
        let Shared { codec, pool, .. } = &*self.shared;
        let rows = shelved.rows.clone();
        let since = (rows.len() >= LONG).then(Instant::now);
        let made = if let Some(statement) = &request.statement {
            codec.replay(pool, &request.sql, Some(statement), rows).await
        } else {
            let wanted = shelved.wanted();
            codec.replay_copies(pool, &request.sql, rows, wanted).await.and_then(|mut made| {
                let replayed = made.pop().ok_or(ReplayError::Malformed("no copy was made"))?;
                shelved.stock_up(made, copies(DB::DIALECT, wanted, replayed.rows.len(), shelved.rows.len()));
                Ok(replayed)
            })
        };
        match made {
            Ok(replayed) => {
                plan.count_near_hit();
                if let Some(since) = since {
                    plan.worth.note_made(since.elapsed(), shelved.cost);
                }
                Some(replayed)
            }
            Err(error) => {
                let key = self.key(plan, request.sql.as_str(), question, one).unwrap_or_default();
                self.count_failed(&error, &key);
                self.shared.forget(question);
                if let (Some(engine), false) = (&self.shared.engine, matches!(error, ReplayError::Driver(_))) {
                    engine.discard(&key).await;
                }
                plan.count_miss();
                None
            }
        }
    }
}

impl<DB: Backend> Shared<DB> {
    /// Keeps an answer within reach, if the generations that it was read under still stand as far as this process can tell.
    pub(super) fn shelve(&self, engine: &Engine, plan: &Plan, question: Question, answered: Answered) {
        if let Some(shelf) = &self.shelf
            && let Some(sight) = plan.sight(engine).filter(|sight| sight.generations() == answered.generations)
        {
            shelf.put(question, sight, answered);
        }
    }

    /// What is within reach; `None` where nothing is kept.
    pub(crate) fn near_use(&self) -> Option<NearUse> {
        let mirrored = self.engine.as_ref()?.store().mirrored();
        Some(self.shelf.as_ref()?.in_use(mirrored.unwrap_or_default()))
    }

    /// Takes an answer off the shelf.
    pub(super) fn forget(&self, question: &Question) {
        if let Some(shelf) = &self.shelf {
            shelf.remove(question);
        }
    }
}
