//! What the suites need to know about each database, under the same names: a suite is written once and compiled against each of these modules.

pub mod mysql;
pub mod postgres;
pub mod sqlite;

use sqlx::{Column, Database, Row, TypeInfo};
use std::fmt::Write;

/// A value's own type name, and its bytes unless it is NULL.
pub type Value = (String, Option<Vec<u8>>);

/// All that a caller can see of some rows: column names and types, and the bytes of every value as the driver holds them.
#[derive(Debug, PartialEq)]
pub struct Snapshot<T> {
    columns: Vec<(String, T)>,
    rows: Vec<Vec<Value>>,
}

impl<T: TypeInfo> Snapshot<T> {
    pub fn of<R: Row<Database: Database<TypeInfo = T>>>(rows: &[R], value: fn(&R, usize) -> Value) -> Self {
        let columns = |row: &R| -> Vec<_> {
            row.columns().iter().map(|column| (column.name().to_owned(), Column::type_info(column).clone())).collect()
        };
        let first = rows.first().map(columns).unwrap_or_default();
        if let Some(last) = rows.last() {
            assert!(columns(last) == first, "the rows of one answer differ in their columns");
        }
        let values = |row: &R| (0..row.len()).map(|index| value(row, index)).collect();
        Self { columns: first, rows: rows.iter().map(values).collect() }
    }

    /// Where two snapshots differ, in a few words: a large answer says nothing when it is printed as a whole.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let mut text = String::new();
        if self.columns != other.columns {
            let _ = write!(text, "columns {:?} / {:?}; ", self.columns, other.columns);
        }
        if self.rows.len() != other.rows.len() {
            let _ = write!(text, "{} / {} rows; ", self.rows.len(), other.rows.len());
        }
        if let Some(number) = self.rows.iter().zip(&other.rows).position(|(one, two)| one != two) {
            let values = self.rows[number].iter().zip(&other.rows[number]);
            if let Some((column, (one, two))) = values.enumerate().find(|(_, (one, two))| one != two) {
                let _ = write!(text, "row {number}, value {column}: {} / {}; ", short(one), short(two));
            }
        }
        (!text.is_empty()).then_some(text)
    }
}

fn short((name, bytes): &Value) -> String {
    match bytes {
        None => format!("{name} NULL"),
        Some(bytes) => format!("{name} of {} bytes \"{}\"", bytes.len(), bytes[..bytes.len().min(60)].escape_ascii()),
    }
}

/// A small generator of random numbers that gives the same ones for the same seed for ever (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// From 0 to `end - 1`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("smaller than a usize")
    }

    /// From 0 to `end - 1`, small ones far more often.
    pub fn skewed(&mut self, end: usize) -> usize {
        let end = self.below(end) + 1;
        let end = self.below(end) + 1;
        let end = self.below(end) + 1;
        self.below(end)
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
