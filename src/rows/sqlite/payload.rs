//! SQLite rows as bytes: capture, and the checks that come before a replay.
//!
//! Little-endian: `S`, version, row count (`u64`), column count (`u16`); each column's kind (`u8`), name (`u32` length, UTF-8); then the values row
//! by row, each a storage class (`u8`) and what belongs to it. Without rows nobody has seen the columns: both counts are 0.

use crate::rows::reader::Reader;
use crate::rows::{Recording, Split, Unreplayable};
use sqlx::decode::Decode;
use sqlx::sqlite::{SqliteArguments, SqliteColumn, SqliteRow, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Arguments, Column, Row, Sqlite, Type, TypeInfo, Value, ValueRef};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

const MAGIC: [u8; 2] = *b"S\x01";
/// Where the row count stands.
const COUNT: std::ops::Range<usize> = 2..10;

/// The most result columns that any build of SQLite allows.
const MOST_COLUMNS: usize = 32_767;

/// A declared type that sqlx tells from the others. Everything else that a column can declare is to sqlx as if nothing were declared.
#[derive(Debug)]
pub(super) struct Kind {
    /// How sqlx names it.
    name: &'static str,
    /// The type to declare so that sqlx sees it.
    pub(super) declared: &'static str,
}

/// All kinds; a kind's number is its place. sqlx calls [`INT4`] and [`INTEGER`] by one name.
pub(super) static KINDS: [Kind; 10] = [
    Kind { name: "NULL", declared: "" },
    Kind { name: "INTEGER", declared: "INTEGER" },
    Kind { name: "REAL", declared: "REAL" },
    Kind { name: "TEXT", declared: "TEXT" },
    Kind { name: "BLOB", declared: "BLOB" },
    Kind { name: "BOOLEAN", declared: "BOOLEAN" },
    Kind { name: "DATE", declared: "DATE" },
    Kind { name: "TIME", declared: "TIME" },
    Kind { name: "DATETIME", declared: "DATETIME" },
    Kind { name: "INTEGER", declared: "INT4" },
];
const INTEGER: usize = 1;
const INT4: usize = 9;

/// The number of a column's kind.
fn kind(info: &SqliteTypeInfo) -> Result<u8, Unreplayable> {
    let found = KINDS.iter().position(|kind| kind.name == info.name()).ok_or(Unreplayable::ColumnType)?;
    let found = if found == INTEGER && *info == <i32 as Type<Sqlite>>::type_info() { INT4 } else { found };
    u8::try_from(found).map_err(|_| Unreplayable::ColumnType)
}

mod class {
    //! SQLite's storage classes.
    pub(super) const NULL: u8 = 0;
    pub(super) const INTEGER: u8 = 1;
    pub(super) const REAL: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const BLOB: u8 = 4;
}

/// Collects rows.
pub(super) struct Recorder {
    limit: usize,
    out: Vec<u8>,
    rows: u64,
    /// The first row's columns; later rows must have the same.
    columns: Vec<(Box<str>, SqliteTypeInfo)>,
}

impl Recorder {
    pub(super) fn new(limit: usize) -> Self {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&0_u64.to_le_bytes());
        Self { limit, out, rows: 0, columns: Vec::new() }
    }

    fn describe(&mut self, columns: &[SqliteColumn]) -> Result<(), Unreplayable> {
        let count = u16::try_from(columns.len()).map_err(|_| Unreplayable::ColumnType)?;
        self.out.extend_from_slice(&count.to_le_bytes());
        for column in columns {
            let kind = kind(column.type_info())?;
            self.out.push(kind);
            self.counted(column.name().as_bytes())?;
            self.columns.push((column.name().into(), column.type_info().clone()));
        }
        Ok(())
    }

    fn is_described_by(&self, columns: &[SqliteColumn]) -> bool {
        let same =
            |((name, info), column): (&(Box<str>, SqliteTypeInfo), &SqliteColumn)| **name == *column.name() && *info == *column.type_info();
        self.columns.len() == columns.len() && self.columns.iter().zip(columns).all(same)
    }

    fn value(&mut self, row: &SqliteRow, index: usize) -> Result<(), Unreplayable> {
        let value = row.try_get_raw(index).map_err(|_| Unreplayable::Value)?;
        if value.is_null() {
            self.out.push(class::NULL);
            return Ok(());
        }
        // A value that is not NULL tells its storage class, whatever its column declares.
        let info = value.type_info().into_owned();
        match info.name() {
            // Reading a number as a number leaves the value as it is.
            "INTEGER" => {
                let value = <i64 as Decode<Sqlite>>::decode(value).map_err(|_| Unreplayable::Value)?;
                self.out.push(class::INTEGER);
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            "REAL" => {
                let value = <f64 as Decode<Sqlite>>::decode(value).map_err(|_| Unreplayable::Value)?;
                // SQLite has no NaN: it would be bound as NULL.
                if value.is_nan() {
                    return Err(Unreplayable::Value);
                }
                self.out.push(class::REAL);
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            name @ ("TEXT" | "BLOB") => {
                // On a copy: a borrow out of the caller's value would forbid its own later decoding, and reading bytes may change a value's form.
                let owned = value.try_to_owned().map_err(|_| Unreplayable::Value)?;
                let bytes = <&[u8] as Decode<Sqlite>>::decode(owned.as_ref()).map_err(|_| Unreplayable::Value)?;
                // Bytes that are not UTF-8 can be cast to TEXT, but sqlx can't bind them.
                if name == "TEXT" && std::str::from_utf8(bytes).is_err() {
                    return Err(Unreplayable::Value);
                }
                self.out.push(if name == "TEXT" { class::TEXT } else { class::BLOB });
                self.counted(bytes)?;
            }
            _ => return Err(Unreplayable::Value),
        }
        Ok(())
    }

    fn counted(&mut self, bytes: &[u8]) -> Result<(), Unreplayable> {
        // Before the copy: one value may be many times the limit.
        if bytes.len() > self.limit.saturating_sub(self.out.len()) {
            return Err(Unreplayable::TooLarge);
        }
        let count = u32::try_from(bytes.len()).map_err(|_| Unreplayable::TooLarge)?;
        self.out.extend_from_slice(&count.to_le_bytes());
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

impl Recording<Sqlite> for Recorder {
    fn push(&mut self, row: &SqliteRow) -> Result<(), Unreplayable> {
        let columns = row.columns();
        if self.rows == 0 {
            self.describe(columns)?;
        } else if !self.is_described_by(columns) {
            return Err(Unreplayable::MixedColumns);
        }
        if !whole(row) {
            return Err(Unreplayable::MixedColumns);
        }
        for index in 0..columns.len() {
            self.value(row, index)?;
        }
        self.rows += 1;
        if self.out.len() > self.limit { Err(Unreplayable::TooLarge) } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, Unreplayable> {
        if self.rows == 0 {
            self.out.extend_from_slice(&0_u16.to_le_bytes());
        }
        if self.out.len() > self.limit {
            return Err(Unreplayable::TooLarge);
        }
        self.out[COUNT].copy_from_slice(&self.rows.to_le_bytes());
        Ok(self.out)
    }
}

/// Whether the row has a value for each column.
///
/// sqlx keeps a prepared statement's columns when SQLite prepares it anew behind its back. After somebody else's `DROP COLUMN` a row of `SELECT *`
/// has fewer values than columns, and asking for a missing one panics: the caller may never ask, so neither must the cache.
fn whole(row: &SqliteRow) -> bool {
    match row.columns().len().checked_sub(1) {
        Some(last) => catch_unwind(AssertUnwindSafe(|| row.try_get_raw(last).map(|_: SqliteValueRef<'_>| ()).is_ok())).unwrap_or(false),
        None => true,
    }
}

/// A payload that has passed all checks.
#[derive(Debug, Default)]
pub(super) struct Payload {
    /// Names and kinds.
    pub(super) columns: Vec<(Box<str>, u8)>,
    /// How many rows.
    pub(super) rows: usize,
    /// The rows' values, chunk by chunk, as often as was asked for: the height of a statement that takes them, and its arguments: how many rows, and their values in
    /// order. The unbound rest of them is never looked at.
    pub(super) chunks: Vec<(usize, SqliteArguments)>,
}

impl Payload {
    /// Checks everything that the driver would otherwise trip over, and cuts so many copies of the rows into chunks of at most `most` values, or of one row.
    pub(super) fn parse(bytes: &[u8], most: usize, copies: usize) -> Result<Self, &'static str> {
        let mut reader = Reader::new(bytes);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err("it is not SQLite's, or of another version");
        }
        let rows = reader.u64()?;
        let width = usize::from(reader.u16()?);
        if (width == 0) != (rows == 0) || width > MOST_COLUMNS {
            return Err("its counts don't fit");
        }
        let mut columns = Vec::new();
        for _ in 0..width {
            let kind = reader.u8()?;
            if usize::from(kind) >= KINDS.len() {
                return Err("a column is of an unknown kind");
            }
            let name = std::str::from_utf8(reader.take_counted()?).map_err(|_| "a column's name is not text")?;
            if name.contains('\0') {
                return Err("a column's name would end the statement");
            }
            columns.push((name.into(), kind));
        }
        // Every value has at least one byte, so no more room is made than there are bytes.
        let rows = usize::try_from(rows).ok().filter(|rows| rows.checked_mul(width).is_some_and(|values| values <= reader.len()));
        let rows = rows.ok_or("its counts don't fit")?;
        let chunks = chunks(reader, rows, width, most, copies)?;
        Ok(Self { columns, rows, chunks })
    }
}

/// Takes a payload apart.
///
/// # Errors
///
/// What is wrong with it; what it says of its values is not looked at.
pub(super) fn split(payload: &[u8]) -> Result<Split<'_>, &'static str> {
    let mut reader = Reader::new(payload);
    reader.take(COUNT.end)?;
    let width = reader.u16()?;
    let body = payload.len() - reader.len();
    for _ in 0..width {
        reader.u8()?;
        reader.take_counted()?;
    }
    let at = |reader: &Reader<'_>| payload.len() - reader.len();
    let columns = &payload[body..at(&reader)];
    let mut rows = Vec::new();
    while width > 0 && !reader.is_empty() {
        let start = at(&reader);
        for _ in 0..width {
            match reader.u8()? {
                class::NULL => {}
                class::INTEGER | class::REAL => drop(reader.take(8)?),
                class::TEXT | class::BLOB => drop(reader.take_counted()?),
                _ => return Err("a value is of an unknown storage class"),
            }
        }
        rows.push(&payload[start..at(&reader)]);
    }
    Ok(Split { columns, rows })
}

/// The values of so many copies of the rows, in chunks.
fn chunks(first: Reader<'_>, rows: usize, width: usize, most: usize, copies: usize) -> Result<Vec<(usize, SqliteArguments)>, &'static str> {
    let highest = 1 << (most / width.max(1)).max(1).ilog2();
    let mut chunks = Vec::new();
    let mut reader = first;
    let mut left = rows.checked_mul(copies).ok_or("its counts don't fit")?;
    // Rows of this copy that are still to be read.
    let mut unread = rows;
    while left > 0 {
        let height = left.min(highest);
        let mut arguments = SqliteArguments::default();
        arguments.reserve(1 + height * width, 0);
        arguments.add(i64::try_from(height).unwrap_or(i64::MAX)).map_err(|_| "a value can't be bound")?;
        for _ in 0..height {
            if unread == 0 {
                (reader, unread) = (first, rows);
            }
            for _ in 0..width {
                bind(&mut reader, &mut arguments)?;
            }
            unread -= 1;
        }
        // A chunk's height is part of its statement's text, and preparing a statement costs about half of a whole replay. With powers of two, a few statements do
        // for all lists of a shape.
        chunks.push((height.next_power_of_two(), arguments));
        left -= height;
    }
    if reader.is_empty() || copies == 0 { Ok(chunks) } else { Err("it goes on after its last row") }
}

/// Takes one value and adds it to the arguments.
fn bind(reader: &mut Reader<'_>, arguments: &mut SqliteArguments) -> Result<(), &'static str> {
    let added = match reader.u8()? {
        class::NULL => arguments.add(None::<i64>),
        class::INTEGER => arguments.add(reader.i64()?),
        class::REAL => {
            let value = reader.f64()?;
            if value.is_nan() {
                return Err("a number is none");
            }
            arguments.add(value)
        }
        class::TEXT => {
            let text = std::str::from_utf8(reader.take_counted()?).map_err(|_| "a text is not text")?;
            arguments.add(Arc::<str>::from(text))
        }
        class::BLOB => arguments.add(reader.take_counted()?.to_vec()),
        _ => return Err("a value is of an unknown storage class"),
    };
    added.map_err(|_| "a value can't be bound")
}
