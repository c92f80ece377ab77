//! What is made of an answer in advance: rows, and values that a program decoded of them.

use crate::analysis::Dialect;
use crate::database::Backend;
use crate::rows::Replayed;
use std::any::{Any, TypeId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Copies of an answer that are made at once, at most.
const MOST_COPIES: usize = 16;

/// Rows and bytes of all of them together, at most: whoever has them made waits for it. SQLite, which binds each value, gains nothing by more.
const MOST_ROWS: usize = 64;
const MOST_SQLITE_ROWS: usize = 16;
const MOST_BYTES: usize = 32 << 10;

/// What is ready.
pub(super) struct Stock<DB: Backend> {
    pub(super) ready: Vec<Replayed<DB>>,
    /// How many copies to make next: more each time, so that what is asked for once is made once.
    pub(super) wanted: usize,
    /// By the type that names the decoding, with the bytes that it takes.
    pub(super) decoded: Vec<(TypeId, Arc<dyn Any + Send + Sync>, u64)>,
}

impl<DB: Backend> Default for Stock<DB> {
    fn default() -> Self {
        Self { ready: Vec::new(), wanted: 1, decoded: Vec::new() }
    }
}

impl<DB: Backend> Stock<DB> {
    pub(super) fn take(&mut self) -> Option<Replayed<DB>> {
        self.ready.pop()
    }
}

/// How many copies are made next of an answer of so many rows and bytes, of which so many were made last.
pub(in crate::executor) fn copies(dialect: Dialect, last: usize, rows: usize, bytes: usize) -> usize {
    let most_rows = if dialect == Dialect::Sqlite { MOST_SQLITE_ROWS } else { MOST_ROWS };
    let most = MOST_COPIES.min(most_rows / rows.max(1)).min(MOST_BYTES / bytes.max(1)).max(1);
    (last * 2).min(most)
}

/// Bytes that all stocks of an executor share.
pub(super) struct Spare {
    budget: u64,
    taken: AtomicU64,
}

impl Spare {
    pub(super) fn new(budget: u64) -> Self {
        Self { budget, taken: AtomicU64::new(0) }
    }

    /// Takes so many, if there are.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let fits = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= self.budget);
        self.taken.fetch_update(Relaxed, Relaxed, fits).is_ok()
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Relaxed);
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_grow_up_to_what_one_may_wait_for() {
        let grown_on = |dialect, rows, bytes| {
            let mut made = vec![1];
            while made.len() < 6 {
                made.push(copies(dialect, made[made.len() - 1], rows, bytes));
            }
            made
        };
        assert_eq!(grown_on(Dialect::Sqlite, 1, 100), [1, 2, 4, 8, 16, 16]);
        assert_eq!(grown_on(Dialect::Sqlite, 20, 2000), [1; 6]);
        let grown = |rows, bytes| grown_on(Dialect::Postgres, rows, bytes);
        assert_eq!(grown(1, 100), [1, 2, 4, 8, 16, 16]);
        assert_eq!(grown(0, 8), [1, 2, 4, 8, 16, 16]);
        assert_eq!(grown(20, 2000), [1, 2, 3, 3, 3, 3]);
        assert_eq!(grown(100, 8000), [1; 6]);
        assert_eq!(grown(1, 20_000), [1; 6]);
    }

    #[test]
    fn no_more_is_taken_than_there_is() {
        let spare = Spare::new(10);
        assert!(spare.take(6) && !spare.take(5) && spare.take(4) && !spare.take(1));
        spare.give_back(4);
        assert!(spare.take(3) && !spare.take(u64::MAX));
        assert_eq!(spare.taken(), 9);
    }
}
