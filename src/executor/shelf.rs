//! Answers within reach: in this process, in the form nearest to what the program asks for.
//!
//! A store keeps entries, as bytes under hashed keys; in front of it an executor keeps answers, found by the statement's plan and its exact arguments, without a
//! hash that could collide and without a round trip. An answer is valid under the one rule of the house: the generations it was read under must all stand. Whether
//! they do is told by a [`Sight`] of the store, without a lock.
//!
//! Rows are made by sqlx's driver, and a few rows cost little more than one. So an answer that is asked for again and again has a stock of ready-made rows
//! ([`stock`]), which a hit only takes.

mod question;
mod stock;

pub(super) use question::{Asked, Question};
pub(super) use stock::copies;

use self::question::Hashed;
use self::stock::{Spare, Stock};
use crate::database::Backend;
use crate::engine::Answered;
use crate::entry::Stored;
use crate::rows::Replayed;
use crate::store::{Sight, bounded};
use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of an answer besides its rows and its question: two allocations, their headers, and its place in the table.
const OVERHEAD: u64 = 180;

/// The part of the budget that ready-made rows and decoded values may take besides.
const SPARE_PART: u64 = 4;

/// Bytes of the driver's read buffer (8 KiB) that each of the copies made together keeps.
const BUFFER_PART: usize = 512;

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct NearUse {
    /// Answers, dead ones included.
    pub entries: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Bytes, roughly, that ready-made rows and decoded values take besides.
    pub spare_bytes: u64,
    /// Tables whose generations are mirrored from a store elsewhere.
    pub mirrored: usize,
}

/// The answers of an executor and its clones.
pub(crate) struct Shelf<DB: Backend> {
    answers: Cache<Question, Arc<Shelved<DB>>, Weight, Hashed>,
    /// Weight above which an answer is not kept.
    largest: u64,
    spare: Arc<Spare>,
}

/// An answer.
pub(super) struct Shelved<DB: Backend> {
    pub(super) rows: Bytes,
    /// The generations that it was read under.
    sight: Arc<Sight>,
    pub(super) stored: Stored,
    pub(super) fresh_for: Duration,
    /// What the database took for it.
    pub(super) cost: Duration,
    /// Made when it is first asked for.
    stock: Mutex<Option<Box<Stock<DB>>>>,
    spare: Arc<Spare>,
}

impl<DB: Backend> Shelf<DB> {
    /// Holds up to so many bytes of answers, and a quarter of that of what is made of them in advance.
    pub(crate) fn new(budget: u64) -> Self {
        let (answers, largest) = bounded::cache(budget, Weight, Hashed::default());
        Self { answers, largest, spare: Arc::new(Spare::new(budget / SPARE_PART)) }
    }

    pub(super) fn get(&self, asked: &Asked<'_>) -> Option<Arc<Shelved<DB>>> {
        self.answers.get(asked)
    }

    /// Keeps an answer that was read under the generations of this sight.
    pub(super) fn put(&self, question: Question, sight: Arc<Sight>, answered: Answered) {
        let Answered { rows, stored, fresh_for, cost, .. } = answered;
        if weight(&question, &rows) <= self.largest {
            let spare = Arc::clone(&self.spare);
            self.answers.insert(question, Arc::new(Shelved { rows, sight, stored, fresh_for, cost, stock: Mutex::default(), spare }));
        }
    }

    pub(super) fn remove(&self, question: &Question) {
        self.answers.remove(question);
    }

    pub(crate) fn in_use(&self, mirrored: usize) -> NearUse {
        NearUse { entries: self.answers.len() as u64, bytes: self.answers.weight(), spare_bytes: self.spare.taken(), mirrored }
    }
}

impl<DB: Backend> Shelved<DB> {
    /// Whether it was read under what is seen now.
    pub(super) fn is_under(&self, now: &Arc<Sight>) -> bool {
        Arc::ptr_eq(&self.sight, now) || self.sight.is_like(now)
    }

    pub(super) fn sight(&self) -> &Sight {
        &self.sight
    }

    /// Takes ready-made rows, if there are any and nobody else is at it.
    pub(super) fn take(&self) -> Option<Replayed<DB>> {
        let mut stock = self.stock.try_lock().ok()?;
        let taken = stock.as_mut()?.take()?;
        self.spare.give_back(self.size_of(&taken));
        Some(taken)
    }

    /// How many copies of the rows to make next.
    pub(super) fn wanted(&self) -> usize {
        self.lock().get_or_insert_default().wanted
    }

    /// Puts copies into stock, as far as there is room, and says how many are wanted next time.
    pub(super) fn stock_up(&self, made: Vec<Replayed<DB>>, wanted: usize) {
        let mut stock = self.lock();
        let stock = stock.get_or_insert_default();
        stock.wanted = wanted;
        for replayed in made {
            if !self.spare.take(self.size_of(&replayed)) {
                stock.wanted = 1;
                break;
            }
            stock.ready.push(replayed);
        }
    }

    /// What somebody decoded of it before by the decoding of this type.
    pub(super) fn decoded(&self, decoding: TypeId) -> Option<Arc<dyn Any + Send + Sync>> {
        self.lock().as_ref()?.decoded.iter().find(|(other, ..)| *other == decoding).map(|(_, value, _)| Arc::clone(value))
    }

    /// Keeps what was decoded, of so many bytes by a rough estimate, if there is room.
    pub(super) fn keep_decoded(&self, decoding: TypeId, value: Arc<dyn Any + Send + Sync>, bytes: u64) {
        let mut stock = self.lock();
        let stock = stock.get_or_insert_default();
        if stock.decoded.iter().all(|(other, ..)| *other != decoding) && self.spare.take(bytes) {
            stock.decoded.push((decoding, value, bytes));
        }
    }

    // Whoever panicked while holding it left it whole: every change is one push or pop.
    fn lock(&self) -> MutexGuard<'_, Option<Box<Stock<DB>>>> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows share the driver's buffer, which is larger than what they need of it.
    fn size_of(&self, replayed: &Replayed<DB>) -> u64 {
        (BUFFER_PART + self.rows.len() + replayed.rows.len() * 64) as u64
    }
}

impl<DB: Backend> Drop for Shelved<DB> {
    fn drop(&mut self) {
        if let Some(stock) = self.lock().take() {
            let ready: u64 = stock.ready.iter().map(|replayed| self.size_of(replayed)).sum();
            self.spare.give_back(ready + stock.decoded.iter().map(|(.., bytes)| bytes).sum::<u64>());
        }
    }
}

#[derive(Clone)]
struct Weight;

impl<DB: Backend> Weighter<Question, Arc<Shelved<DB>>> for Weight {
    fn weight(&self, question: &Question, shelved: &Arc<Shelved<DB>>) -> u64 {
        weight(question, &shelved.rows)
    }
}

fn weight(question: &Question, rows: &Bytes) -> u64 {
    (question.len() + rows.len()) as u64 + OVERHEAD
}

impl<DB: Backend> fmt::Debug for Shelf<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("answers", &self.answers.len()).field("bytes", &self.answers.weight()).finish_non_exhaustive()
    }
}
