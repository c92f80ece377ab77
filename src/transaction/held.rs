//! The sqlx transaction under one of ours, and what becomes of it when a statement of it was dropped before it was answered.

use crate::database::Backend;
use crate::engine::Engine;
use crate::executor::Unanswered;
use sqlx::{Error, Transaction};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// What takes the transaction takes this with it.
const ENDS: &str = "a transaction is there until it ends";

/// Gives the pool no connection that is out of step: there, what one statement is answered is what another asked for, and a COMMIT may seem to be answered
/// before the server has seen it.
pub(super) struct Held<DB: Backend> {
    /// Here until it ends.
    transaction: Option<Transaction<'static, DB>>,
    unanswered: Unanswered,
    engine: Option<Arc<Engine>>,
}

impl<DB: Backend> Held<DB> {
    pub(super) fn new(transaction: Transaction<'static, DB>, unanswered: Unanswered, engine: Option<Arc<Engine>>) -> Self {
        Self { transaction: Some(transaction), unanswered, engine }
    }

    /// The transaction, to be ended.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] where its connection may be out of step: it is closed then, and so the transaction rolled back.
    pub(super) fn into_inner(mut self) -> Result<Transaction<'static, DB>, Error> {
        if self.unanswered.is_so() {
            return Err(Error::Protocol("a statement of this transaction was dropped before it was answered: it is rolled back".into()));
        }
        self.transaction.take().ok_or(Error::WorkerCrashed)
    }
}

impl<DB: Backend> Deref for Held<DB> {
    type Target = Transaction<'static, DB>;

    fn deref(&self) -> &Self::Target {
        self.transaction.as_ref().expect(ENDS)
    }
}

impl<DB: Backend> DerefMut for Held<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.transaction.as_mut().expect(ENDS)
    }
}

impl<DB: Backend> Drop for Held<DB> {
    fn drop(&mut self) {
        if !self.unanswered.is_so() {
            return;
        }
        if let (Some(mut transaction), Some(engine)) = (self.transaction.take(), &self.engine) {
            engine.spawn(async move {
                match DB::dead_end().await {
                    // What the pool gets back is found dead. The other is closed by being dropped, and the server rolls back.
                    Ok(dead) => drop(std::mem::replace(&mut *transaction, dead)),
                    Err(error) => tracing::warn!(%error, "a connection is given back to the pool out of step"),
                }
            });
        }
    }
}
