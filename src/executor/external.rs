//! Writers that don't use an executor. The database tells of their writes as far as it can ([`Backend::watch`]); what they wrote is forgotten as if it had been written here.
//! That is later than with an executor's writes, which are fenced before they commit: a moment after the commit.
//!
//! While nobody listens everything is in doubt, from before the first attempt on. Once somebody does, what was missed is forgotten, and only then trust returns.

use super::Shared;
use crate::database::{Backend, Watching, Written};
use crate::engine::{Doubt, Engine};
use crate::tag::Tag;
use futures_util::FutureExt;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long `build` waits for the first attempt, which goes on without it.
const FIRST_ATTEMPT: Duration = Duration::from_secs(3);

/// How long an attempt may take.
const ATTEMPT: Duration = Duration::from_secs(15);

/// The pauses between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

impl<DB: Backend> Shared<DB> {
    /// Follows other writers, until the executor is dropped. Returns when they are followed, or the first attempt failed.
    pub(crate) async fn follow_others(self: &Arc<Self>) {
        let Some(engine) = &self.engine else { return };
        let (doubt, shared) = (engine.doubt(), Arc::downgrade(self));
        let (gone, mut closed) = (self.alive.gone(), self.pool.close_event());
        let (tried, first) = oneshot::channel();
        tokio::spawn(async move {
            let over = tokio::select! {
                () = gone => return,
                () = &mut closed => None,
                over = AssertUnwindSafe(follow(&shared, doubt, tried)).catch_unwind() => over.ok(),
            };
            if let (None, Some(shared)) = (over, shared.upgrade())
                && let Some(engine) = &shared.engine
            {
                // Nobody listens any more, and what the store holds would be served for ever.
                engine.doubt().stay();
            }
        });
        let _ = timeout(FIRST_ATTEMPT, first).await;
    }

    /// What a write to a table by somebody else may have changed, whichever write it was.
    fn tags_of_external_write(&self, schema: &str, table: &str) -> Vec<Tag> {
        let catalog = &self.schema.load().catalog;
        // What is told of and can't be named is everything.
        catalog.reached(&catalog.key(schema, table)).unwrap_or_else(|| vec![Tag::all()])
    }

    async fn forget_written(self: &Arc<Self>, written: &BTreeSet<Written>) {
        let Some(engine) = &self.engine else { return };
        let mut tags = BTreeSet::new();
        for write in written {
            match write {
                Written::Table { schema, table } => tags.extend(self.tags_of_external_write(schema, table)),
                Written::Anything => _ = tags.insert(Tag::all()),
            }
        }
        let tags: Vec<Tag> = if tags.contains(&Tag::all()) { vec![Tag::all()] } else { tags.into_iter().collect() };
        // An error is taken care of: it is delivered later, and distrusted until then.
        let _ = engine.invalidate(&tags).await;
    }
}

/// Ends when the executor is gone, or there is nothing to follow.
async fn follow<DB: Backend>(shared: &Weak<Shared<DB>>, doubt: Doubt, tried: oneshot::Sender<()>) {
    let (mut doubt, mut tried) = (Some(doubt), Some(tried));
    let mut pause = PAUSES.0;
    loop {
        // Asked for each time: a password may have been changed.
        let Some(options) = shared.upgrade().map(|shared| (*shared.pool.connect_options()).clone()) else { return };
        match timeout(ATTEMPT, DB::watch(options)).await {
            Ok(Ok(Watching::Impossible(why))) => {
                // Before `tried`, whose end lets the executor out.
                drop(doubt.take());
                tracing::warn!(
                    "other writers can't be followed: {why}. What they write is served when its entries' time to live is over: set one that you can bear"
                );
                return;
            }
            Ok(Ok(Watching::By(mut watch))) => {
                let Some(listening) = shared.upgrade() else { return };
                // What was written while nobody listened.
                listening.forget_written(&BTreeSet::from([Written::Anything])).await;
                drop((doubt.take(), listening));
                tried.take().map(|tried| tried.send(()));
                tracing::info!("other writers are followed");
                pause = PAUSES.0;
                let error = loop {
                    match watch.next().await {
                        Ok(written) => {
                            let Some(shared) = shared.upgrade() else { return };
                            shared.forget_written(&written).await;
                        }
                        Err(error) => break error,
                    }
                };
                let Some(shared) = shared.upgrade() else { return };
                doubt = shared.engine.as_ref().map(Engine::doubt);
                tracing::warn!(%error, "other writers can't be followed any more; the database answers until they are again");
            }
            Ok(Err(error)) => complain(tried.is_some(), &error),
            Err(late) => complain(tried.is_some(), &late),
        }
        tried.take().map(|tried| tried.send(()));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn complain(first: bool, error: &dyn std::fmt::Display) {
    if first {
        tracing::warn!(%error, "other writers can't be followed yet; the database answers until they are");
    } else {
        tracing::debug!(%error, "other writers can't be followed yet");
    }
}
