//! The reads. Each tells versions of rows, whatever table, view, join or stream it reads them through, and knows which of its parts belong together.

use super::log::{Object, Value};
use super::world::{GHOSTS, How, ITEMS, PAIRS, Rows, World, ghost, item, pair, told};

/// What a read's rows say.
#[derive(Clone, Copy, Debug)]
enum Says {
    /// One row, whose columns are all the version of the item that was asked for.
    Item,
    /// A row for each item: its id, then its version as often as there are columns.
    Items,
    /// One row: both parts of a pair.
    Pair,
    /// A sum over pairs.
    Zero,
    /// No row, or the ghost's number.
    Ghost,
    /// How many such ghosts there are.
    Ghosts,
}

pub struct Shape {
    pub sql: &'static str,
    pub how: How,
    says: Says,
}

/// What a read has seen.
pub enum Seen {
    Values(Vec<(Object, Value)>),
    /// Parts that no instant of the database had together.
    Torn(String),
}

/// Text, way, meaning.
const SHAPES: &[(&str, How, Says)] = &[
    ("SELECT v FROM items WHERE id = $1", How::One, Says::Item),
    ("SELECT v FROM items WHERE id = $1", How::Optional, Says::Item),
    ("SELECT id, v FROM items ORDER BY id", How::All, Says::Items),
    ("SELECT id, v, v FROM items ORDER BY id", How::Stream, Says::Items),
    ("SELECT v FROM watched WHERE id = $1", How::All, Says::Item),
    ("SELECT v FROM totals WHERE id = $1", How::One, Says::Item),
    ("SELECT v FROM followers WHERE id = $1", How::Stream, Says::Item),
    (
        "SELECT i.v, t.v, f.v FROM items i JOIN totals t ON t.id = i.id JOIN followers f ON f.id = i.id WHERE i.id = $1",
        How::One,
        Says::Item,
    ),
    ("SELECT w.id, w.v, t.v FROM watched w JOIN totals t ON t.id = w.id ORDER BY w.id", How::All, Says::Items),
    ("WITH mine AS (SELECT v FROM totals WHERE id = $1) SELECT v, (SELECT v FROM followers WHERE id = $2) FROM mine", How::All, Says::Item),
    ("SELECT l.v, r.v FROM lefts l JOIN rights r ON r.id = l.id WHERE l.id = $1", How::One, Says::Pair),
    ("SELECT l.v, r.v FROM lefts l JOIN rights r ON r.id = l.id WHERE l.id = $1", How::Stream, Says::Pair),
    (
        "SELECT CAST(SUM(v) AS {int}) FROM (SELECT v FROM lefts WHERE id = $1 UNION ALL SELECT v FROM rights WHERE id = $2) AS both_of_them",
        How::One,
        Says::Zero,
    ),
    ("SELECT inc FROM ghosts WHERE id = $1", How::Optional, Says::Ghost),
    ("SELECT inc FROM ghosts WHERE id = $1", How::All, Says::Ghost),
    ("SELECT COUNT(*) FROM ghosts WHERE id = $1", How::One, Says::Ghosts),
];

/// Every shape, in a database's words; they last as long as the process.
pub fn shapes<DB: World>() -> Vec<Shape> {
    SHAPES.iter().map(|&(sql, how, says)| Shape { sql: told::<DB>(sql).leak(), how, says }).collect()
}

/// What a shape is called in a report.
pub fn name(shape: u16) -> String {
    SHAPES.get(usize::from(shape)).map_or_else(|| "read in a transaction".to_owned(), |(sql, how, _)| format!("{how:?}: {sql}"))
}

impl Shape {
    /// How many rows may be asked for by their ids.
    pub fn ids(&self) -> i64 {
        match self.says {
            Says::Item | Says::Items => ITEMS,
            Says::Pair | Says::Zero => PAIRS,
            Says::Ghost | Says::Ghosts => GHOSTS,
        }
    }

    pub fn arguments(&self, id: i64) -> Vec<i64> {
        let count = self.sql.matches('?').count().max(if self.sql.contains("$2") { 2 } else { usize::from(self.sql.contains("$1")) });
        vec![id; count]
    }

    pub fn seen(&self, id: i64, rows: &Rows) -> Seen {
        let torn = || Seen::Torn(format!("{rows:?}"));
        let one = |object, version| Seen::Values(vec![(object, Value::Version(version))]);
        let alike = |versions: &[i64]| versions.windows(2).all(|two| two[0] == two[1]);
        match (self.says, &rows[..]) {
            (Says::Item, [versions]) if alike(versions) => one(item(id), versions[0]),
            (Says::Items, rows) => {
                let whole = rows.iter().map(|row| row[0]).eq(1..=ITEMS) && rows.iter().all(|row| alike(&row[1..]));
                if whole { Seen::Values(rows.iter().map(|row| (item(row[0]), Value::Version(row[1]))).collect()) } else { torn() }
            }
            (Says::Pair, [both]) if both[0] + both[1] == 0 => one(pair(id), both[0]),
            (Says::Zero, [sum]) if sum[0] == 0 => Seen::Values(Vec::new()),
            (Says::Ghost, []) => Seen::Values(vec![(ghost(id), Value::Absent)]),
            (Says::Ghost, [number]) => one(ghost(id), number[0]),
            (Says::Ghosts, [count]) if count[0] == 0 => Seen::Values(vec![(ghost(id), Value::Absent)]),
            (Says::Ghosts, [count]) if count[0] == 1 => Seen::Values(vec![(ghost(id), Value::Present)]),
            _ => torn(),
        }
    }
}
