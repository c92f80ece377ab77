//! A write's span: from before the database is written to after its outcome is known.

use super::{Engine, Without};
use crate::database::Running;
use crate::error::WriteRefused;
use crate::policy::{Consistency, Invalidation};
use crate::stats::count;
use crate::store::{FenceId, Label, StoreError};
use crate::tag::Tag;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How often the database is asked whether a transaction of unknown outcome still runs.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// A write under way. It ends by [`Span::end`] when the outcome is known; any other way, dropping included, counts as unknown.
#[derive(Debug)]
#[must_use = "a span that is dropped counts as a write of unknown outcome"]
pub(crate) struct Span(Option<Open>);

#[derive(Debug)]
struct Open {
    engine: Arc<Engine>,
    tags: Arc<[Tag]>,
    /// Fresh per write, never per process: overlapping writes must not release each other.
    id: FenceId,
    /// Whether a fence was asked for. Not in the modes that set none, nor before the database is known: nobody could judge such a fence.
    fenced: bool,
    /// Whether the tags were put under distrust because the fence could not be set.
    distrusting: bool,
    /// When the last begin or renewal that the store confirmed was sent: its lease began later.
    confirmed: Arc<Confirmed>,
    /// Held while a renewal is under way, so that none reaches the store after `end`; true once there is nothing to renew.
    ended: Arc<Mutex<bool>>,
    /// Whether there is nothing left to do.
    over: bool,
}

type Confirmed = std::sync::Mutex<Option<Instant>>;

/// How a span ended.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Ended {
    /// What stands at the schema's generation, where the store said.
    pub(crate) schema: Option<Label>,
    /// Why it was not delivered. Only where refusals were asked for: nobody else wants to know.
    pub(crate) undelivered: Option<StoreError>,
    /// Whether the fence certainly stood until the outcome was known.
    pub(crate) covered: bool,
}

/// What is left of a write whose task ended before it did, with its runtime.
#[derive(Debug)]
pub(super) struct Orphan {
    tags: Arc<[Tag]>,
    id: FenceId,
    fenced: bool,
    ended: Arc<Mutex<bool>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if !self.distrusting {
            self.engine.distrust.add(&self.tags);
        }
        let orphan = Orphan { tags: Arc::clone(&self.tags), id: self.id.clone(), fenced: self.fenced, ended: Arc::clone(&self.ended) };
        self.engine.orphans.leave_write(orphan);
    }
}

impl Orphan {
    /// Keeps the fence that may still stand, and ends it when the database shows that the write is over.
    pub(super) fn adopted(self, engine: &Arc<Engine>) -> impl Future<Output = ()> + Send + 'static {
        let Self { tags, id, fenced, ended } = self;
        let confirmed = Arc::default();
        let open = Open { engine: Arc::clone(engine), tags, id, fenced, distrusting: true, confirmed, ended, over: false };
        async move {
            *open.ended.lock().await = false;
            if open.fenced {
                open.renew();
            }
            open.end_when_over(std::future::ready(())).await;
        }
    }
}

impl Engine {
    /// Opens a write's span: the fence stands when this returns, or the tags are distrusted in this process.
    ///
    /// # Errors
    ///
    /// The fence can't be set, and refusals were asked for.
    pub(crate) async fn begin(self: &Arc<Self>, tags: Arc<[Tag]>) -> Result<Span, sqlx::Error> {
        if self.rules.consistency == Consistency::Ttl || tags.is_empty() {
            return Ok(Span(None));
        }
        let mut random = [0; 16];
        rand::fill(&mut random);
        let database = self.database.get();
        let id = FenceId(format!("{}{:032x}", database.map(|name| fence_prefix(name)).unwrap_or_default(), u128::from_le_bytes(random)));
        let fenced = self.rules.consistency == Consistency::Fenced && database.is_some() && self.rules.without != Some(Without::Fences);
        let (ended, confirmed) = (Arc::new(Mutex::new(false)), Arc::default());
        let mut open = Open { engine: Arc::clone(self), tags, id, fenced, distrusting: false, confirmed, ended, over: false };
        let failure = if fenced { open.add_in_time().await.err() } else { None };
        if let Some(error) = &failure {
            self.failed("begin", error);
        }
        if self.refuses() && (failure.is_some() || !fenced) {
            count(&self.counters.refused_writes);
            open.over = true;
            return Err(match failure {
                Some(error) => {
                    if !matches!(error, StoreError::Open(_)) {
                        // It may stand all the same.
                        self.withdraw(Arc::clone(&open.tags), open.id.clone());
                    }
                    WriteRefused::because(error)
                }
                None => WriteRefused::because("the database has not been asked yet who it is"),
            });
        }
        if failure.is_some() {
            self.distrust.add(&open.tags);
            open.distrusting = true;
        }
        if fenced {
            open.renew();
        }
        Ok(Span(Some(open)))
    }
}

async fn add(engine: &Engine, tags: &[Tag], id: &FenceId, confirmed: &Confirmed) -> Result<(), StoreError> {
    let sent = Instant::now();
    engine.store.begin(tags, id, engine.rules.lease).await?;
    *confirmed.lock().unwrap_or_else(PoisonError::into_inner) = Some(sent);
    Ok(())
}

/// The beginning of the ids of a database's fences.
pub(super) fn fence_prefix(database: &str) -> String {
    format!("{database}-")
}

impl Open {
    /// Adds the write to the fence, or adds it again.
    async fn add(&self) -> Result<(), StoreError> {
        add(&self.engine, &self.tags, &self.id, &self.confirmed).await
    }

    /// Adds the write to the fence, and again where this process stood still meanwhile: others may have seen the lease lapse and nothing run, and have cleared it.
    async fn add_in_time(&self) -> Result<(), StoreError> {
        let lease = self.engine.rules.lease;
        for _ in 0..3 {
            let sent = Instant::now();
            self.add().await?;
            if sent.elapsed() < lease / 2 {
                return Ok(());
            }
        }
        Err(StoreError::Deadline(lease / 2))
    }

    /// Whether the fence stands for certain at this moment, by the store's last word.
    fn is_covered(&self) -> bool {
        let confirmed = *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        confirmed.is_some_and(|sent| sent.elapsed() < self.engine.rules.lease)
    }

    /// Re-adds the fence every third of its lease, whatever became of it, until the span ends.
    fn renew(&self) {
        let (engine, tags, id, ended) = (Arc::clone(&self.engine), Arc::clone(&self.tags), self.id.clone(), Arc::clone(&self.ended));
        let confirmed = Arc::clone(&self.confirmed);
        let lease = engine.rules.lease;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(lease / 3).await;
                let ended = ended.lock().await;
                if *ended {
                    return;
                }
                if let Err(error) = add(&engine, &tags, &id, &confirmed).await {
                    engine.failed("renew", &error);
                }
            }
        });
    }

    async fn end(mut self) -> Ended {
        let covered = self.is_covered();
        *self.ended.lock().await = true;
        let engine = Arc::clone(&self.engine);
        if engine.rules.invalidation == Invalidation::Scan {
            // Before `end`: the fence lies outside these patterns, so nothing can be stored meanwhile.
            for tag in self.tags.iter() {
                if let Err(error) = engine.store.delete_matching(&engine.keyspace().pattern(tag)).await {
                    engine.failed("scan", &error);
                }
            }
        }
        let ended = if self.fenced {
            engine.store.end(&self.tags, &self.id).await.map(Some)
        } else {
            engine.store.invalidate(&self.tags).await.map(|()| None)
        };
        let mut answer = Ended { covered, ..Ended::default() };
        match ended {
            Ok(schema) => {
                if self.distrusting {
                    engine.distrust.remove(self.tags.iter().map(|tag| (tag, 1)));
                }
                answer.schema = schema;
            }
            Err(error) => {
                engine.failed("end", &error);
                if !self.distrusting {
                    engine.distrust.add(&self.tags);
                }
                // The delivery ends the distrust.
                engine.deliver_later(&self.tags, self.fenced.then(|| self.id.clone()));
                answer.undelivered = engine.refuses().then_some(error);
            }
        }
        self.over = true;
        engine.invalidated(&self.tags);
        answer
    }

    /// Keeps the fence until the database shows that nothing which runs now runs any more, then does what is left to do and ends.
    async fn end_when_over(mut self, left_to_do: impl Future<Output = ()>) {
        let engine = Arc::clone(&self.engine);
        if !self.fenced {
            // Without a fence the best there is: forget now, and again when it is over.
            let _ = engine.invalidate(&self.tags).await;
        }
        let since = Instant::now();
        let mut waiting: Option<std::collections::BTreeSet<String>> = None;
        loop {
            if engine.witness.is_closed() {
                // Nobody here can tell any more. Unrenewed, the fence lapses, and another process proves it over.
                *self.ended.lock().await = true;
                self.over = true;
                return;
            }
            match engine.witness.running().await {
                Some(Running::Transactions(running)) => {
                    let left = match waiting {
                        Some(waiting) => &waiting & &running,
                        None => running,
                    };
                    if left.is_empty() {
                        break;
                    }
                    waiting = Some(left);
                }
                Some(Running::NotPermitted) if since.elapsed() >= engine.rules.fence_bound => break,
                Some(Running::NotPermitted) | None => {}
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        left_to_do.await;
        let _ = self.end().await;
    }
}

impl Span {
    /// Closes the span: its outcome is known. When this returns, what the write changed can't be served any more (or, with the store out of reach, is
    /// distrusted here until it has been delivered).
    pub(crate) async fn end(mut self) -> Ended {
        let Some(open) = self.0.take() else { return Ended::default() };
        // On a task of its own, since half an `end` would leave the fence to the database's judgement.
        tokio::spawn(open.end()).await.unwrap_or_default()
    }

    /// Leaves the span open until the database shows that the write is over, and then until this has been done: its outcome is unknown.
    pub(crate) fn end_when_over(mut self, left_to_do: impl Future<Output = ()> + Send + 'static) {
        self.leave(left_to_do);
    }

    fn leave(&mut self, left_to_do: impl Future<Output = ()> + Send + 'static) {
        if let Some(open) = self.0.take() {
            tracing::warn!(tags = ?open.tags, "the outcome of a write is unknown; its fence stands until the database shows that it is over");
            let engine = Arc::clone(&open.engine);
            engine.spawn(open.end_when_over(left_to_do));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.leave(std::future::ready(()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Rules, Witness};
    use crate::key::Keyspace;
    use crate::policy::UnfencedWrites;
    use crate::stats::Counters;
    use crate::store::MemoryStore;
    use std::sync::atomic::Ordering::Relaxed;

    #[derive(Debug)]
    struct Nobody;

    #[async_trait::async_trait]
    impl Witness for Nobody {
        async fn running(&self) -> Option<Running> {
            None
        }

        fn is_closed(&self) -> bool {
            false
        }
    }

    /// Nobody could judge a fence whose database nobody knows, so none is set: then a write is refused, too.
    #[tokio::test]
    async fn before_the_database_is_known_writes_are_refused_where_asked_for() {
        for unfenced in [UnfencedWrites::Proceed, UnfencedWrites::Refuse] {
            let (keyspace, counters) = (Keyspace::new("sql"), Arc::new(Counters::default()));
            let rules = Rules {
                consistency: Consistency::Fenced,
                invalidation: Invalidation::Generation,
                unfenced,
                lease: Duration::from_secs(10),
                fence_bound: Duration::from_secs(10),
                without: None,
                compression: crate::policy::Compression::Never,
                cipher: None,
                max_entry: 0,
            };
            let store = Arc::new(MemoryStore::new(keyspace.clone(), 1 << 20));
            let engine = Arc::new(Engine::new(store, rules, Arc::clone(&counters), Arc::new(Nobody)));
            let begin = || engine.begin([Tag::table("t")].into());
            let refuses = unfenced == UnfencedWrites::Refuse;
            match begin().await {
                Ok(span) => assert!(!refuses && span.end().await.undelivered.is_none()),
                Err(error) => assert!(refuses && WriteRefused::of(&error).is_some(), "{error}"),
            }
            assert_eq!(counters.refused_writes.load(Relaxed), u64::from(refuses));
            assert_eq!(engine.distrusted(), 0);
            engine.set_database("it");
            let _ = begin().await.unwrap().end().await;
        }
    }
}
