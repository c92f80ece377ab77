//! Numbers by the day, which all who share a store add to: what [`CachingExecutor::days`](crate::CachingExecutor::days) stands on.

use super::StoreError;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How many days are kept, the one that is under way among them.
pub(crate) const KEPT: usize = 7;

/// How many numbers a day may have. Of those that belong to an operation (`hits@users:data`) more are added up under `other`.
pub(crate) const MOST: usize = 4096;

/// Which of several that a process sends, one after another: a batch that arrives twice, or late, is added once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayBatch {
    /// A random name of whoever sends it.
    pub writer: u64,
    /// Its number; a later batch has a greater one.
    pub number: u64,
}

/// A place that keeps numbers by the day. Days are named as `2026-11-22`.
///
/// # Cancel safety
///
/// A dropped future may or may not have taken effect; a batch may be sent again.
#[async_trait]
pub trait DayStore: Send + Sync {
    /// Adds to the numbers of a day, which is kept for seven days from then on.
    async fn add_to_day(&self, day: &str, numbers: &BTreeMap<String, u64>, batch: DayBatch) -> Result<(), StoreError>;

    /// The numbers of these days, in their order; none of a day that has none.
    async fn numbers_of(&self, days: &[String]) -> Result<Vec<BTreeMap<String, u64>>, StoreError>;

    /// Forgets the numbers of these days.
    async fn forget_days(&self, days: &[String]) -> Result<(), StoreError>;
}

/// The days of one process, for a store in its memory.
#[derive(Debug, Default)]
pub(crate) struct DayBook(Mutex<BTreeMap<String, BTreeMap<String, u64>>>);

#[async_trait]
impl DayStore for DayBook {
    async fn add_to_day(&self, day: &str, numbers: &BTreeMap<String, u64>, _batch: DayBatch) -> Result<(), StoreError> {
        let mut days = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = days.entry(day.to_owned()).or_default();
        for (name, number) in numbers {
            let sum = match name.split_once('@') {
                Some((what, _)) if kept.len() >= MOST && !kept.contains_key(name) => kept.entry(format!("{what}@other")).or_default(),
                _ => kept.entry(name.clone()).or_default(),
            };
            *sum = sum.saturating_add(*number);
        }
        while days.len() > KEPT {
            days.pop_first();
        }
        Ok(())
    }

    async fn numbers_of(&self, wanted: &[String]) -> Result<Vec<BTreeMap<String, u64>>, StoreError> {
        let days = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(wanted.iter().map(|day| days.get(day).cloned().unwrap_or_default()).collect())
    }

    async fn forget_days(&self, forgotten: &[String]) -> Result<(), StoreError> {
        let mut days = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for day in forgotten {
            days.remove(day);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_book_keeps_seven_days_and_so_many_numbers() {
        let (book, batch) = (DayBook::default(), DayBatch { writer: 1, number: 1 });
        for day in 10..20 {
            book.add_to_day(&format!("2026-11-{day}"), &[("hits".to_owned(), day)].into(), batch).await.unwrap();
        }
        let days: Vec<String> = (12..14).map(|day| format!("2026-11-{day}")).collect();
        assert_eq!(book.numbers_of(&days).await.unwrap(), [[].into(), [("hits".to_owned(), 13)].into()]);
        let many = (0..2 * MOST).map(|operation| (format!("hits@{operation:05}"), 1)).collect();
        book.add_to_day("2026-11-19", &many, batch).await.unwrap();
        let day = &book.numbers_of(&["2026-11-19".to_owned()]).await.unwrap()[0];
        assert_eq!((day.len(), day["hits"]), (MOST + 1, 19));
        assert_eq!(day["hits@other"], (2 * MOST + 1 - MOST) as u64);
    }
}
