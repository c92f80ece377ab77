//! MySQL rows as bytes: capture, and the checks that come before a replay.
//!
//! Little-endian: `M`, version, row count (`u64`); then, if there are rows, the packets of the answer as the server would send them (column
//! count, column definitions, binary rows, end), each behind its length (`u32`). For a packet of less than 16 MiB those four bytes are the
//! protocol's own header, so the answer is written to the driver as it lies there.

use super::wire::{self, ColumnDefinition, Layout};
use crate::rows::reader::Reader;
use crate::rows::{Recording, Split, Unreplayable};
use bytes::Bytes;
use sqlx::decode::Decode;
use sqlx::mysql::{MySqlColumn, MySqlRow, MySqlTypeInfo, MySqlValueRef};
use sqlx::{Column, MySql, Row, TypeInfo};
use std::num::ParseIntError;
use std::str::Utf8Error;

const MAGIC: [u8; 2] = *b"M\x01";
/// Where the row count stands.
const COUNT: std::ops::Range<usize> = 2..10;

/// The most columns that a result of MySQL or MariaDB can have.
const MOST_COLUMNS: u64 = 65_535;

/// Collects rows.
pub(super) struct Recorder {
    limit: usize,
    out: Vec<u8>,
    rows: u64,
    /// The first row's columns; later rows must have the same.
    columns: Vec<Known>,
    /// Whether a value has shown that the rows are in the binary protocol.
    is_binary: bool,
}

struct Known {
    name: Box<str>,
    info: MySqlTypeInfo,
    layout: Layout,
}

impl Recorder {
    pub(super) fn new(limit: usize) -> Self {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&0_u64.to_le_bytes());
        Self { limit, out, rows: 0, columns: Vec::new(), is_binary: false }
    }

    /// Appends a packet behind its length.
    fn packet(&mut self, fill: impl FnOnce(&mut Self) -> Result<(), Unreplayable>) -> Result<(), Unreplayable> {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        fill(self)?;
        let length = u32::try_from(self.out.len() - start - 4).map_err(|_| Unreplayable::TooLarge)?;
        self.out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        if self.out.len() > self.limit { Err(Unreplayable::TooLarge) } else { Ok(()) }
    }

    fn describe(&mut self, columns: &[MySqlColumn]) -> Result<(), Unreplayable> {
        self.packet(|this| {
            wire::put_integer(&mut this.out, columns.len() as u64);
            Ok(())
        })?;
        for column in columns {
            let origin = column.origin();
            let origin = origin.table_column();
            let (table, name) = origin.map_or(("", column.name()), |origin| (&*origin.table, &*origin.name));
            let alias = if name == column.name() { "" } else { column.name() };
            // Neither can come from the driver: without an alias it takes the name, and without a table the origin is an expression.
            if (alias.is_empty() && name != column.name()) || (origin.is_some() && table.is_empty()) {
                return Err(Unreplayable::ColumnType);
            }
            let (type_number, layout, flags, collation, max_size) = exact(column.type_info()).ok_or(Unreplayable::ColumnType)?;
            let definition = ColumnDefinition { table, name, alias, collation, max_size, type_number, flags };
            self.packet(|this| {
                definition.put(&mut this.out);
                Ok(())
            })?;
            self.columns.push(Known { name: column.name().into(), info: column.type_info().clone(), layout });
        }
        Ok(())
    }

    /// Whether another row has the same columns, as far as decoding can tell. The rows of one result share their columns, so this is only for
    /// statements with several results; there sqlx reuses the memory, so that comparing addresses would not do.
    fn is_described_by(&self, columns: &[MySqlColumn]) -> bool {
        let same = |(known, column): (&Known, &MySqlColumn)| {
            *known.name == *column.name() && known.info == *column.type_info() && known.info.name() == column.type_info().name()
        };
        self.columns.len() == columns.len() && self.columns.iter().zip(columns).all(same)
    }

    fn row(&mut self, row: &MySqlRow) -> Result<(), Unreplayable> {
        self.out.push(0);
        let nulls = self.out.len();
        self.out.resize(nulls + wire::null_bytes(self.columns.len()), 0);
        for index in 0..self.columns.len() {
            let raw = || row.try_get_raw(index).map_err(|_| Unreplayable::Value);
            // Not `is_null`, which is also true of a zero date, whose bytes are there. Undecodable means absent here.
            let Ok(value) = <&[u8] as Decode<MySql>>::decode(raw()?) else {
                self.out[nulls + (index + 2) / 8] |= 1 << ((index + 2) % 8);
                continue;
            };
            if !self.is_binary {
                if is_text(raw()?, value) {
                    return Err(Unreplayable::TextProtocol);
                }
                self.is_binary = true;
            }
            let layout = self.columns[index].layout;
            if !layout.fits(value) {
                return Err(Unreplayable::Value);
            }
            // Before the copy: one value may be many times the limit.
            if value.len() > self.limit.saturating_sub(self.out.len()) {
                return Err(Unreplayable::TooLarge);
            }
            if layout == Layout::Counted {
                wire::put_bytes(&mut self.out, value);
            } else {
                self.out.extend_from_slice(value);
            }
        }
        Ok(())
    }
}

impl Recording<MySql> for Recorder {
    fn push(&mut self, row: &MySqlRow) -> Result<(), Unreplayable> {
        if self.rows == 0 {
            self.describe(row.columns())?;
        } else if !self.is_described_by(row.columns()) {
            return Err(Unreplayable::MixedColumns);
        }
        self.packet(|this| this.row(row))?;
        self.rows += 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, Unreplayable> {
        if self.rows > 0 {
            self.packet(|this| {
                this.out.extend_from_slice(&wire::END);
                Ok(())
            })?;
        }
        self.out[COUNT].copy_from_slice(&self.rows.to_le_bytes());
        if self.out.len() > self.limit { Err(Unreplayable::TooLarge) } else { Ok(self.out) }
    }
}

/// Type, layout, flags, collation and size of a column, out of the only public form that has them all.
fn exact(info: &MySqlTypeInfo) -> Option<(u8, Layout, u16, u16, u32)> {
    let form = serde_json::to_value(info).ok()?;
    let (number, layout) = wire::type_number(form.get("type")?.as_str()?)?;
    let flags = wire::flag_bits(form.get("flags")?.as_str()?)?;
    let collation = u16::try_from(form.get("collation")?.as_u64()?).ok()?;
    let max_size = u32::try_from(form.get("max_size")?.as_u64()?).ok()?;
    Some((number, layout, flags, collation, max_size))
}

/// Whether a value is in the text protocol.
///
/// sqlx keeps the format to itself, but reads integers differently: as text it parses digits, and fails as parsing does; as binary it takes up
/// to 8 bytes as they are, and fails with a message of its own. (No number's digits, read as little-endian bytes, are that number.) Without a
/// value the two formats don't differ: a row of NULLs replays alike.
fn is_text(value: MySqlValueRef<'_>, bytes: &[u8]) -> bool {
    match <i64 as Decode<MySql>>::decode(value) {
        Ok(number) => bytes.len() > 8 || number != little_endian(bytes),
        Err(error) => error.is::<ParseIntError>() || error.is::<Utf8Error>(),
    }
}

/// Up to 8 bytes as a signed number.
fn little_endian(bytes: &[u8]) -> i64 {
    let sign = if bytes.last().is_some_and(|last| last & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().rev().fold(sign, |number, byte| number << 8 | i64::from(*byte))
}

/// A payload that the driver can read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// How many rows.
    pub(super) rows: usize,
    /// What the driver is to read; empty without rows.
    wire: Bytes,
    /// Where in it the columns end and the rows begin.
    columns: usize,
}

impl Answer {
    /// Checks everything that the driver would otherwise trip over: it trusts its server and panics at a value that ends too early.
    pub(super) fn parse(payload: &Bytes) -> Result<Self, &'static str> {
        let mut layouts = Vec::new();
        let Some((rows, body, columns)) = head(payload, |packet| {
            layouts.push(ColumnDefinition::parse(packet)?.1);
            Ok(())
        })?
        else {
            return Ok(Self { rows: 0, wire: Bytes::new(), columns: 0 });
        };
        let mut reader = Reader::new(&payload[columns..]);
        let mut longest = 0;
        for _ in 0..rows {
            let packet = reader.take_counted()?;
            longest = longest.max(packet.len());
            wire::check_row(packet, &layouts)?;
        }
        if reader.take_counted()? != wire::END || !reader.is_empty() {
            return Err("it goes on after its last row");
        }
        // All columns together, since no one of them is as long then either.
        if longest < wire::FULL && columns - body < wire::FULL {
            return Ok(Self { rows, wire: payload.slice(body..), columns: columns - body });
        }
        let mut wire = Vec::with_capacity(payload.len() + payload.len() / wire::FULL * 4 + 4);
        in_parts(&payload[body..columns], &mut wire)?;
        let columns_in_parts = wire.len();
        in_parts(&payload[columns..], &mut wire)?;
        Ok(Self { rows, wire: wire.into(), columns: columns_in_parts })
    }

    /// The same for a payload that has been checked before: only the rows are looked for, not at.
    pub(super) fn trust(payload: &Bytes) -> Result<Self, &'static str> {
        if payload.len() >= wire::FULL {
            // Some packet may have to be sent in parts.
            return Self::parse(payload);
        }
        let Some((rows, body, columns)) = head(payload, |_| Ok(()))? else {
            return Ok(Self { rows: 0, wire: Bytes::new(), columns: 0 });
        };
        let answer = Self { rows, wire: payload.slice(body..), columns: columns - body };
        // Each row has a length and a byte at the least.
        if answer.end() != END_PACKET || rows > answer.messages().len() / 5 {
            return Err("it ends too early");
        }
        Ok(answer)
    }

    /// How many bytes the driver is to read.
    pub(super) fn len(&self) -> usize {
        self.wire.len()
    }

    /// The number of columns and their definitions.
    pub(super) fn columns(&self) -> &[u8] {
        self.wire.get(..self.columns).unwrap_or_default()
    }

    /// The rows.
    pub(super) fn messages(&self) -> &[u8] {
        self.wire.get(self.columns..self.wire.len().saturating_sub(END_PACKET.len())).unwrap_or_default()
    }

    /// What ends the result.
    pub(super) fn end(&self) -> &[u8] {
        self.wire.get(self.wire.len().saturating_sub(END_PACKET.len())..).unwrap_or_default()
    }
}

/// Takes a payload apart.
///
/// # Errors
///
/// What is wrong with it; what it says of its values is not looked at.
pub(super) fn split(payload: &[u8]) -> Result<Split<'_>, &'static str> {
    let Some((_, body, columns)) = head(payload, |_| Ok(()))? else { return Ok(Split::default()) };
    let end = payload.len().checked_sub(END_PACKET.len()).filter(|end| *end >= columns).ok_or("it ends too early")?;
    let mut reader = Reader::new(&payload[columns..end]);
    let mut rows = Vec::new();
    while !reader.is_empty() {
        rows.push(reader.take_counted()?);
    }
    Ok(Split { columns: &payload[body..columns], rows })
}

/// [`wire::END`] behind its length.
const END_PACKET: [u8; 11] = [7, 0, 0, 0, wire::END[0], wire::END[1], wire::END[2], wire::END[3], wire::END[4], wire::END[5], wire::END[6]];

/// Reads a payload up to its first row: how many rows, where the columns begin, and where the rows do; nothing without rows.
fn head(
    payload: &[u8],
    mut definition: impl FnMut(&[u8]) -> Result<(), &'static str>,
) -> Result<Option<(usize, usize, usize)>, &'static str> {
    let mut reader = Reader::new(payload);
    if reader.take(MAGIC.len())? != MAGIC {
        return Err("it is not MySQL's, or of another version");
    }
    let rows = usize::try_from(reader.u64()?).map_err(|_| "its counts don't fit")?;
    let body = payload.len() - reader.len();
    if rows == 0 {
        return if reader.is_empty() { Ok(None) } else { Err("it goes on after its last row") };
    }
    let mut counter = Reader::new(reader.take_counted()?);
    let width = wire::integer(&mut counter)?;
    if width == 0 || width > MOST_COLUMNS || !counter.is_empty() {
        return Err("its counts don't fit");
    }
    for _ in 0..width {
        definition(reader.take_counted()?)?;
    }
    Ok(Some((rows, body, payload.len() - reader.len())))
}

/// Appends the packets, the long ones in parts.
fn in_parts(body: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let mut reader = Reader::new(body);
    while !reader.is_empty() {
        wire::put_packet(out, reader.take_counted()?);
    }
    Ok(())
}
