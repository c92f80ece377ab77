//! The misses that took longest, by statement.

use crate::serial;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So many statements are kept.
const KEPT: usize = 20;

/// So many characters of a statement's text are kept.
const TEXT: usize = 2000;

/// A statement whose misses take long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SlowMiss {
    /// Its text without arguments, at most 2,000 characters of it.
    pub sql: String,
    /// The table that its entries are filed under.
    pub table: Option<String>,
    /// How many misses there were since it is among the slow ones.
    pub count: u64,
    /// The longest of them.
    #[serde(rename = "worst_seconds", serialize_with = "serial::seconds")]
    pub worst: Duration,
    /// Their mean.
    #[serde(rename = "mean_seconds", serialize_with = "serial::seconds")]
    pub mean: Duration,
}

#[derive(Debug)]
struct Kept {
    table: Option<String>,
    count: u64,
    worst: Duration,
    total: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct SlowMisses(Mutex<HashMap<String, Kept>>);

impl SlowMisses {
    pub(super) fn note(&self, sql: &str, table: Option<&str>, took: Duration) {
        let text = sql.char_indices().nth(TEXT).map_or(sql, |(end, _)| &sql[..end]);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get_mut(text) {
            known.count += 1;
            known.worst = known.worst.max(took);
            known.total = known.total.saturating_add(took);
            return;
        }
        if kept.len() >= KEPT {
            let fastest = kept.iter().min_by_key(|(_, kept)| kept.worst).map(|(text, kept)| (text.clone(), kept.worst));
            match fastest {
                Some((fastest, worst)) if worst < took => drop(kept.remove(&fastest)),
                _ => return,
            }
        }
        kept.insert(text.to_owned(), Kept { table: table.map(str::to_owned), count: 1, worst: took, total: took });
    }

    /// The slowest first.
    pub(crate) fn snapshot(&self) -> Vec<SlowMiss> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slow = kept.iter().map(|(sql, Kept { table, count, worst, total })| {
            let mean = total.div_f64(f64::from(u32::try_from(*count).unwrap_or(u32::MAX)));
            SlowMiss { sql: sql.clone(), table: table.clone(), count: *count, worst: *worst, mean }
        });
        let mut slow: Vec<_> = slow.collect();
        slow.sort_by(|one, other| other.worst.cmp(&one.worst).then_with(|| one.sql.cmp(&other.sql)));
        slow
    }

    pub(super) fn reset(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_statements_stay() {
        let slow = SlowMisses::default();
        for millis in 1..=100 {
            slow.note(&format!("SELECT {millis}"), Some("t"), Duration::from_millis(millis));
        }
        slow.note("SELECT 100", Some("t"), Duration::from_millis(50));
        slow.note("SELECT 1", Some("t"), Duration::from_millis(1));
        let kept = slow.snapshot();
        assert_eq!(kept.len(), KEPT);
        assert_eq!(
            kept[0],
            SlowMiss {
                sql: "SELECT 100".into(),
                table: Some("t".into()),
                count: 2,
                worst: Duration::from_millis(100),
                mean: Duration::from_millis(75)
            }
        );
        assert_eq!(kept[KEPT - 1].sql, "SELECT 81");
        slow.note(&"é".repeat(3000), None, Duration::from_secs(1));
        assert_eq!(slow.snapshot()[0].sql.chars().count(), TEXT);
        slow.reset();
        assert_eq!(slow.snapshot(), []);
    }
}
