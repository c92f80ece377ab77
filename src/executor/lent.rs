//! A connection of the pool, lent to statements that their caller may drop half-way.
//!
//! sqlx's MySQL driver keeps no count of what a Prepare will be answered with. Dropped before the answer, it leaves the connection out of step: the next statement
//! is answered with what this one asked for, and that would be kept as its answer. (With the pool alone it is only given.)

use super::Shared;
use crate::database::{Backend, Request, Steps};
use futures_core::future::BoxFuture;
use futures_util::StreamExt;
use sqlx::pool::PoolConnection;
use sqlx::{Error, Pool};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tokio::time::timeout;

/// How long an idle connection may take to be given: it is asked whether it lives.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Whether a statement was sent to which the server has not begun to answer. From then on every driver keeps count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unanswered(Arc<AtomicBool>);

impl Unanswered {
    pub(crate) fn is_so(&self) -> bool {
        self.0.load(SeqCst)
    }

    pub(crate) fn set(&self, unanswered: bool) {
        self.0.store(unanswered, SeqCst);
    }

    /// `Executor::fetch_many` that says when it is answered.
    pub(crate) fn fetch_many<'c, DB: Backend>(&self, connection: &'c mut DB::Connection, request: Request<DB>) -> Steps<'c, DB> {
        let steps = DB::fetch_many(connection, request);
        if DB::CANCEL_SAFE {
            return steps;
        }
        let unanswered = self.clone();
        async_stream::stream! {
            let mut steps = steps;
            unanswered.set(true);
            while let Some(step) = steps.next().await {
                unanswered.set(false);
                yield step;
            }
            unanswered.set(false);
        }
        .boxed()
    }

    /// Anything else that is one question and its answer.
    pub(crate) async fn until<T>(&self, safe: bool, asking: impl Future<Output = T>) -> T {
        self.set(!safe);
        let answer = asking.await;
        self.set(false);
        answer
    }
}

/// Closed rather than given back, where it may be out of step.
pub(crate) struct Lent<DB: Backend> {
    connection: PoolConnection<DB>,
    unanswered: Unanswered,
}

impl<DB: Backend> Shared<DB> {
    pub(crate) async fn lend(&self) -> Result<Lent<DB>, Error> {
        Ok(Lent { connection: self.pool.acquire().await?, unanswered: Unanswered::default() })
    }
}

impl<DB: Backend> Lent<DB> {
    /// One that nobody needs just now, for what can be left undone.
    pub(crate) async fn of_idle(pool: &Pool<DB>) -> Option<Self> {
        if pool.num_idle() == 0 {
            return None;
        }
        // Not `try_acquire`, which leaves out what the pool does to a connection before it gives it away.
        let connection = timeout(AT_ONCE, pool.acquire()).await.ok()?.ok()?;
        Some(Self { connection, unanswered: Unanswered::default() })
    }

    pub(crate) fn fetch_many(&mut self, request: Request<DB>) -> Steps<'_, DB> {
        self.unanswered.fetch_many::<DB>(&mut self.connection, request)
    }

    pub(crate) async fn fetch_optional(&mut self, request: Request<DB>) -> Result<Option<DB::Row>, Error> {
        self.ask(|connection| DB::fetch_optional(connection, request)).await
    }

    /// Anything that leaves more behind than an answer where it is dropped half-way.
    pub(crate) async fn closed_if_dropped<'c, T>(&'c mut self, work: impl FnOnce(&'c mut DB::Connection) -> BoxFuture<'c, T>) -> T {
        self.unanswered.until(false, work(&mut self.connection)).await
    }

    /// One question and its answer.
    pub(crate) async fn ask<'c, T>(&'c mut self, question: impl FnOnce(&'c mut DB::Connection) -> BoxFuture<'c, T>) -> T {
        self.unanswered.until(DB::CANCEL_SAFE, question(&mut self.connection)).await
    }
}

impl<DB: Backend> Deref for Lent<DB> {
    type Target = PoolConnection<DB>;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<DB: Backend> DerefMut for Lent<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

impl<DB: Backend> Drop for Lent<DB> {
    fn drop(&mut self) {
        if self.unanswered.is_so() {
            self.connection.close_on_drop();
        }
    }
}
