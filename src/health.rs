//! How the database and the store are.

use crate::database::Backend;
use crate::engine::Engine;
use crate::executor::{NearUse, Shared};
use crate::policy::Pressure;
use crate::serial;
use crate::store::{Memory, Whereabouts};
use futures_util::FutureExt;
use serde::Serialize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;
use tokio::time::Instant;

/// The answer of [`CachingExecutor::health`](crate::CachingExecutor::health).
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent findings, not states")]
pub struct Health {
    /// How long the database took to answer, or what it said.
    #[serde(serialize_with = "serial::answer")]
    pub database: Result<Duration, String>,
    /// How long the store took to answer, or what it said; `None` where the cache is switched off.
    #[serde(serialize_with = "serial::maybe_answer")]
    pub store: Option<Result<Duration, String>>,
    /// Whether the store kept failing and is left alone: reads go straight to the database until it answers a probe.
    pub breaker_open: bool,
    /// What this process's memory in front of the store holds; `None` where there is none.
    pub near: Option<NearUse>,
    /// How much memory the store takes: the embedded one at this moment, Redis as the [`MemoryWatch`](crate::MemoryWatch) saw it last; `None` where nobody watches.
    pub memory: Option<MemoryUse>,
    /// Whether the catalog has been read, without which nothing is cached.
    pub catalog: bool,
    /// How many relations the catalog knows.
    pub relations: usize,
    /// Whether rows came back exactly in the self-test at start.
    pub rows: bool,
    /// Whether the session was changed through the pool, since when nothing is cached.
    pub session_changed: bool,
    /// How many tables wait for the delivery of an invalidation and are read from the database until then.
    pub distrusted: usize,
}

/// How much memory the store takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MemoryUse {
    /// What is in use. Of a shared Redis also by others, of a cluster by its fullest server.
    pub used: u64,
    /// How much there may be; `None` where nobody set a limit.
    pub limit: Option<u64>,
    /// What follows from it for fills.
    pub pressure: Pressure,
}

impl MemoryUse {
    pub(crate) async fn of(engine: &Engine) -> Option<Self> {
        let seen = match engine.store().whereabouts() {
            // Nobody watches it, and it costs nothing to ask.
            Whereabouts::Process => engine.store().memory().await.ok().flatten(),
            Whereabouts::Machine | Whereabouts::Network => engine.memory_seen(),
        };
        seen.map(|Memory { used, limit }| Self { used, limit, pressure: engine.pressure() })
    }
}

impl Health {
    pub(crate) async fn of<DB: Backend>(shared: &Shared<DB>) -> Self {
        let since = Instant::now();
        let database = async {
            shared.lend().await?.ask(|connection| sqlx::Connection::ping(connection).boxed()).await?;
            Ok::<_, sqlx::Error>(since.elapsed())
        };
        let store = async {
            let engine = shared.engine.as_ref()?;
            Some(engine.store().ping().await.map(|_| since.elapsed()).map_err(|error| error.to_string()))
        };
        let (database, store) = tokio::join!(database, store);
        Self {
            database: database.map_err(|error| error.to_string()),
            store,
            breaker_open: shared.counters.breaker_open.load(Relaxed),
            near: shared.near_use(),
            memory: match &shared.engine {
                Some(engine) => MemoryUse::of(engine).await,
                None => None,
            },
            catalog: shared.prefix.get().is_some(),
            relations: shared.schema.load().catalog.len(),
            rows: shared.replays.load(Relaxed),
            session_changed: shared.session_changed.load(SeqCst),
            distrusted: shared.engine.as_ref().map_or(0, |engine| engine.distrusted()),
        }
    }

    /// Whether reads are being answered from the cache where they can be.
    pub fn is_caching(&self) -> bool {
        matches!(self.store, Some(Ok(_))) && self.catalog && self.rows && !self.session_changed
    }
}
