//! The bytes of an entry's rows.
//!
//! No rows: eight zero bytes. Otherwise
//!
//! | bytes | what |
//! |---|---|
//! | 8 | the number of rows, little-endian |
//! | 2 | the number of columns, little-endian |
//! | 32 | the fingerprint of the columns |
//! | rest | for each row a `DataRow` message as the server sends it: `D`, length, number of columns, and for each column length and bytes |
//!
//! The messages are kept as they are sent, so that a replay copies none of them
//! (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).

use super::shape::{self, Fingerprint};
use super::value;
use crate::rows::{Recording, Unreplayable};
use sqlx::postgres::{PgColumn, PgRow, PgValueFormat};
use sqlx::{Column, Postgres, Row, ValueRef};

const NULL: i32 = -1;

/// Collects rows as messages.
pub struct Recorder {
    bytes: Vec<u8>,
    limit: usize,
    rows: u64,
    columns: Vec<PgColumn>,
}

impl Recorder {
    pub fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, rows: 0, columns: Vec::new() }
    }

    fn begin(&mut self, columns: &[PgColumn]) -> Result<(), Unreplayable> {
        let count = u16::try_from(columns.len()).map_err(|_| Unreplayable::ColumnType)?;
        let fingerprint = shape::fingerprint(columns)?;
        self.columns = columns.to_vec();
        // The number of rows comes last.
        self.append(&[0; 8])?;
        self.append(&count.to_le_bytes())?;
        self.append(&fingerprint)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Unreplayable> {
        if bytes.len() > self.limit.saturating_sub(self.bytes.len()) {
            return Err(Unreplayable::TooLarge);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

impl Recording<Postgres> for Recorder {
    fn push(&mut self, row: &PgRow) -> Result<(), Unreplayable> {
        let columns = row.columns();
        if self.rows == 0 {
            self.begin(columns)?;
        } else if !shape::same(columns, &self.columns) {
            return Err(Unreplayable::MixedColumns);
        }
        self.append(b"D")?;
        let start = self.bytes.len();
        self.append(&[0; 4])?;
        let count = u16::try_from(columns.len()).map_err(|_| Unreplayable::MixedColumns)?;
        self.append(&count.to_be_bytes())?;
        for index in 0..columns.len() {
            let value = row.try_get_raw(index).map_err(|_| Unreplayable::Value)?;
            if value.format() != PgValueFormat::Binary {
                return Err(Unreplayable::TextProtocol);
            }
            if value.is_null() {
                self.append(&NULL.to_be_bytes())?;
            } else {
                let bytes = value.as_bytes().map_err(|_| Unreplayable::Value)?;
                self.append(&length(bytes.len())?)?;
                self.append(bytes)?;
            }
        }
        let length = length(self.bytes.len() - start)?;
        self.bytes[start..start + 4].copy_from_slice(&length);
        self.rows += 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, Unreplayable> {
        if self.rows == 0 {
            self.append(&[0; 8])?;
        }
        self.bytes[..8].copy_from_slice(&self.rows.to_le_bytes());
        Ok(self.bytes)
    }
}

/// A length as it goes over the wire, where it is an `Int32`.
fn length(length: usize) -> Result<[u8; 4], Unreplayable> {
    i32::try_from(length).map(i32::to_be_bytes).map_err(|_| Unreplayable::TooLarge)
}

/// A payload of at least one row that the driver can read: every count and length in it has been checked.
pub struct Payload<'a> {
    rows: usize,
    columns: u16,
    fingerprint: &'a Fingerprint,
    messages: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Reads and checks a payload; `None` is a result of no rows.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<Self>, &'static str> {
        let (rows, rest) = bytes.split_first_chunk().ok_or("no number of rows")?;
        let rows = u64::from_le_bytes(*rows);
        if rows == 0 {
            return if rest.is_empty() { Ok(None) } else { Err("bytes after no rows") };
        }
        let (columns, rest) = rest.split_first_chunk().ok_or("no number of columns")?;
        let columns = u16::from_le_bytes(*columns);
        let (fingerprint, messages) = rest.split_first_chunk().ok_or("no fingerprint")?;
        let mut found = 0;
        let mut rest = messages;
        while !rest.is_empty() {
            rest = row(rest, columns)?;
            found += 1;
        }
        if found != rows {
            return Err("not as many rows as it says");
        }
        let rows = usize::try_from(rows).map_err(|_| "more rows than can be counted")?;
        Ok(Some(Self { rows, columns, fingerprint, messages }))
    }

    /// The number of rows, one at least. The payload really has as many, so memory may be reserved for them.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows as the server sends them.
    pub fn messages(&self) -> &'a [u8] {
        self.messages
    }

    /// Whether the rows have these columns, which have this fingerprint.
    pub fn fits(&self, fingerprint: &Fingerprint, columns: &[PgColumn]) -> bool {
        self.fingerprint == fingerprint && usize::from(self.columns) == columns.len()
    }

    /// Whether every value has the form of its column's type. There are as many columns as the rows have values.
    pub fn has_form_of(&self, columns: &[PgColumn]) -> bool {
        const HEAD: usize = 1 + 4 + 2;
        let mut rest = self.messages;
        while let Some(mut values) = rest.get(HEAD..) {
            for column in columns {
                let Some((value, after)) = value::counted(values) else { return false };
                if !value.is_none_or(|value| value::has_form(value, column.type_info())) {
                    return false;
                }
                values = after;
            }
            rest = values;
        }
        rest.is_empty()
    }
}

/// Checks one message, and gives what follows it.
fn row(bytes: &[u8], columns: u16) -> Result<&[u8], &'static str> {
    let (b"D", rest) = bytes.split_first_chunk().ok_or("no row")? else {
        return Err("a message that is no row");
    };
    let (length, rest) = rest.split_first_chunk().ok_or("no length of a row")?;
    // The length counts itself.
    let length = usize::try_from(i32::from_be_bytes(*length)).ok().and_then(|length| length.checked_sub(4)).ok_or("a row's length")?;
    let (row, after) = rest.split_at_checked(length).ok_or("a row longer than the payload")?;
    let (count, mut row) = row.split_first_chunk().ok_or("no number of a row's columns")?;
    if u16::from_be_bytes(*count) != columns {
        return Err("a row of another number of columns");
    }
    for _ in 0..columns {
        let (length, rest) = row.split_first_chunk().ok_or("no length of a value")?;
        let length = match i32::from_be_bytes(*length) {
            NULL => 0,
            length => usize::try_from(length).map_err(|_| "a value's length")?,
        };
        row = rest.get(length..).ok_or("a value longer than its row")?;
    }
    if row.is_empty() { Ok(after) } else { Err("bytes after a row's last value") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// Two rows of three columns.
    fn payload() -> Vec<u8> {
        let mut payload = 2u64.to_le_bytes().to_vec();
        payload.extend(3u16.to_le_bytes());
        payload.extend([7; 32]);
        payload.extend(b"D\0\0\0\x15\0\x03\0\0\0\x03abc\xff\xff\xff\xff\0\0\0\0");
        payload.extend(b"D\0\0\0\x13\0\x03\0\0\0\0\0\0\0\x01x\xff\xff\xff\xff");
        payload
    }

    #[test]
    fn a_whole_payload_is_read() {
        let bytes = payload();
        let payload = Payload::parse(&bytes).unwrap().unwrap();
        assert_eq!((payload.rows(), payload.columns, payload.fingerprint), (2, 3, &[7; 32]));
        assert_eq!(payload.messages(), &bytes[8 + 2 + 32..]);
        assert!(Payload::parse(&[0; 8]).unwrap().is_none());
    }

    #[test]
    fn a_part_of_a_payload_or_more_than_it_is_not() {
        let bytes = payload();
        for end in 0..bytes.len() {
            assert!(Payload::parse(&bytes[..end]).is_err(), "{end}");
        }
        assert!(Payload::parse(&[&bytes[..], b"\0"].concat()).is_err());
        assert!(Payload::parse(&[0; 9]).is_err());
    }

    #[test]
    fn counts_and_lengths_are_not_believed() {
        // Each is the place of a count or a length, and what it says that isn't so.
        let lies: [(usize, &[u8]); 13] = [
            (0, &[1]),
            (0, &[3]),
            (0, &[0xff; 8]),
            (8, &[2]),
            (8, &[0xff, 0xff]),
            (42, b"d"),
            (43, &[0, 0, 0, 0]),
            (43, &[0, 0, 0, 3]),
            (43, &[0x7f, 0xff, 0xff, 0xff]),
            (43, &[0xff, 0xff, 0xff, 0xff]),
            (47, &[0xff, 0xff]),
            (49, &[0x7f, 0xff, 0xff, 0xff]),
            // NULL is -1; the driver takes any negative number for it, and would not see where the next value starts.
            (49, &[0xff, 0xff, 0xff, 0xfe]),
        ];
        for (place, lie) in lies {
            let mut bytes = payload();
            bytes[place..place + lie.len()].copy_from_slice(lie);
            assert!(Payload::parse(&bytes).is_err(), "{place} {lie:?}");
        }
    }

    #[test]
    fn nothing_panics_on_arbitrary_bytes() {
        let mut random = rand::rng();
        for _ in 0..200_000 {
            let mut bytes = payload();
            for _ in 0..random.random_range(1..4) {
                let place = random.random_range(0..bytes.len());
                match random.random_range(0..4) {
                    0 => bytes[place] = random.random(),
                    1 => bytes[place] ^= 1 << random.random_range(0..8),
                    2 => bytes.insert(place, random.random()),
                    _ => drop(bytes.remove(place)),
                }
            }
            if let Ok(Some(payload)) = Payload::parse(&bytes) {
                // What is accepted is as many rows as it says, each of as many values.
                assert!(payload.rows() <= bytes.len() / 7);
            }
        }
        for length in 0..512 {
            let bytes: Vec<u8> = (0..length).map(|_| random.random()).collect();
            let _ = Payload::parse(&bytes);
        }
    }

    #[test]
    fn a_result_without_rows_is_eight_bytes() {
        assert_eq!(Box::new(Recorder::new(8)).finish().unwrap(), [0; 8]);
        assert_eq!(Box::new(Recorder::new(7)).finish(), Err(Unreplayable::TooLarge));
    }
}
