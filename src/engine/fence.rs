//! A write's span: from before the database is written to after its outcome is known.

use super::{Engine, Without};
use crate::database::Running;
use crate::policy::{Consistency, Invalidation};
use crate::store::{FenceId, Label};
use crate::tag::Tag;
use std::sync::Arc;
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
    /// Held while a renewal is under way, so that none reaches the store after `end`; true once there is nothing to renew.
    ended: Arc<Mutex<bool>>,
    /// Whether there is nothing left to do.
    over: bool,
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
        let open = Open { engine: Arc::clone(engine), tags, id, fenced, distrusting: true, ended, over: false };
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
    pub(crate) async fn begin(self: &Arc<Self>, tags: Arc<[Tag]>) -> Span {
        if self.rules.consistency == Consistency::Ttl || tags.is_empty() {
            return Span(None);
        }
        let mut random = [0; 16];
        rand::fill(&mut random);
        let database = self.database.get();
        let id = FenceId(format!("{}{:032x}", database.map(|name| fence_prefix(name)).unwrap_or_default(), u128::from_le_bytes(random)));
        let fenced = self.rules.consistency == Consistency::Fenced && database.is_some() && self.rules.without != Some(Without::Fences);
        let ended = Arc::new(Mutex::new(false));
        let mut open = Open { engine: Arc::clone(self), tags, id, fenced, distrusting: false, ended, over: false };
        if fenced {
            if let Err(error) = self.store.begin(&open.tags, &open.id, self.rules.lease).await {
                self.failed("begin", &error);
                self.distrust.add(&open.tags);
                open.distrusting = true;
            }
            open.renew();
        }
        Span(Some(open))
    }
}

/// The beginning of the ids of a database's fences.
pub(super) fn fence_prefix(database: &str) -> String {
    format!("{database}-")
}

impl Open {
    /// Re-adds the fence every third of its lease, whatever became of it, until the span ends.
    fn renew(&self) {
        let (engine, tags, id, ended) = (Arc::clone(&self.engine), Arc::clone(&self.tags), self.id.clone(), Arc::clone(&self.ended));
        let lease = engine.rules.lease;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(lease / 3).await;
                let ended = ended.lock().await;
                if *ended {
                    return;
                }
                if let Err(error) = engine.store.begin(&tags, &id, lease).await {
                    engine.failed("renew", &error);
                }
            }
        });
    }

    /// Answers what stands at the schema's generation then, where the store said.
    async fn end(mut self) -> Option<Label> {
        *self.ended.lock().await = true;
        let engine = Arc::clone(&self.engine);
        if engine.rules.invalidation == Invalidation::Scan {
            // Before `end`: the fence lies outside these patterns, so nothing can be stored meanwhile.
            for tag in self.tags.iter() {
                if let Err(error) = engine.store.delete_matching(&engine.keyspace.pattern(tag)).await {
                    engine.failed("scan", &error);
                }
            }
        }
        let schema;
        let ended = if self.fenced {
            let ended = engine.store.end(&self.tags, &self.id).await;
            schema = ended.as_ref().ok().copied();
            ended.map(drop)
        } else {
            schema = None;
            engine.store.invalidate(&self.tags).await
        };
        match ended {
            Ok(()) if self.distrusting => engine.distrust.remove(self.tags.iter().map(|tag| (tag, 1))),
            Ok(()) => {}
            Err(error) => {
                engine.failed("end", &error);
                if !self.distrusting {
                    engine.distrust.add(&self.tags);
                }
                // The delivery ends the distrust.
                engine.deliver_later(Arc::clone(&self.tags), self.fenced.then(|| self.id.clone()));
            }
        }
        self.over = true;
        engine.invalidated(&self.tags);
        schema
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
        self.end().await;
    }
}

impl Span {
    /// Closes the span: its outcome is known. When this returns, what the write changed can't be served any more (or, with the store out of reach, is
    /// distrusted here until it has been delivered).
    /// Answers what stands at the schema's generation then, where the store said.
    pub(crate) async fn end(mut self) -> Option<Label> {
        let open = self.0.take()?;
        // On a task of its own, since half an `end` would leave the fence to the database's judgement.
        tokio::spawn(open.end()).await.ok().flatten()
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
