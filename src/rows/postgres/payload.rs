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

use super::learnt::Learnt;
use super::shape::{self, Fingerprint};
use super::value::{self, Form};
use crate::rows::{Recording, Split, Unreplayable};
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

/// A payload of at least one row, of which only the head has been looked at.
pub struct Payload<'a> {
    rows: usize,
    columns: u16,
    fingerprint: &'a Fingerprint,
    messages: &'a [u8],
}

impl<'a> Payload<'a> {
    /// The fewest bytes that a row takes: `D`, its length, the number of its columns.
    const HEAD: usize = 1 + 4 + 2;

    /// Reads a payload's head; `None` is a result of no rows.
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
        let rows = usize::try_from(rows).ok().filter(|rows| *rows <= messages.len() / Self::HEAD).ok_or("not as many rows as it says")?;
        Ok(Some(Self { rows, columns, fingerprint, messages }))
    }

    /// Checks that the driver can read the rows, and the caller the values of these columns, without a panic. The columns are those that
    /// [`fits`](Self::fits) has found to be the rows'.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn check(&self, learnt: &Learnt) -> Result<(), &'static str> {
        self.check_by(learnt.forms(), |column, value| value::has_form(value, learnt.columns()[column].type_info()))
    }

    /// The same for columns of which only the forms are known.
    #[cfg(any(fuzzing, test))]
    pub fn check_form(&self, forms: &[Form]) -> Result<(), &'static str> {
        self.check_by(forms, |_, _| true)
    }

    fn check_by(&self, forms: &[Form], has_parts: impl Fn(usize, &[u8]) -> bool) -> Result<(), &'static str> {
        let mut found = 0;
        let mut rest = self.messages;
        while !rest.is_empty() {
            rest = row(rest, self.columns, forms, &has_parts)?;
            found += 1;
        }
        if found == self.rows { Ok(()) } else { Err("not as many rows as it says") }
    }

    /// The number of rows, one at least. The payload is long enough for as many, so memory may be reserved for them.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    #[cfg(any(fuzzing, test))]
    pub fn width(&self) -> usize {
        self.columns.into()
    }

    /// The rows as the server sends them.
    pub fn messages(&self) -> &'a [u8] {
        self.messages
    }

    /// Whether the rows have the columns of this statement.
    pub fn fits(&self, learnt: &Learnt) -> bool {
        self.fingerprint == learnt.fingerprint() && usize::from(self.columns) == learnt.columns().len()
    }
}

/// Takes a payload apart.
///
/// # Errors
///
/// What is wrong with it; what it says of its values is not looked at.
pub fn split(payload: &[u8]) -> Result<Split<'_>, &'static str> {
    let Some(Payload { fingerprint, mut messages, .. }) = Payload::parse(payload)? else { return Ok(Split::default()) };
    let mut rows = Vec::new();
    while !messages.is_empty() {
        let [b'D', length @ ..] = messages.first_chunk::<5>().ok_or("no row")? else { return Err("a message that is no row") };
        let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| "a row's length")?;
        let (row, rest) = messages.split_at_checked(1 + length).ok_or("a row longer than the payload")?;
        rows.push(row);
        messages = rest;
    }
    Ok(Split { columns: fingerprint, rows })
}

/// Checks one message, and gives what follows it.
fn row<'a>(bytes: &'a [u8], columns: u16, forms: &[Form], has_parts: impl Fn(usize, &[u8]) -> bool) -> Result<&'a [u8], &'static str> {
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
    for (column, form) in forms.iter().enumerate() {
        let (length, rest) = row.split_first_chunk().ok_or("no length of a value")?;
        let length = i32::from_be_bytes(*length);
        if length == NULL {
            row = rest;
            continue;
        }
        let length = usize::try_from(length).map_err(|_| "a value's length")?;
        let (value, rest) = rest.split_at_checked(length).ok_or("a value longer than its row")?;
        let has_form = match *form {
            Form::Any => true,
            Form::Fixed(length) => value.len() == length,
            Form::Parts => has_parts(column, value),
        };
        if !has_form {
            return Err("a value is not of its column's type");
        }
        row = rest;
    }
    if row.is_empty() { Ok(after) } else { Err("bytes after a row's last value") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// What the fuzzer and the tests check where no statement is known.
    fn parse(bytes: &[u8]) -> Result<Option<Payload<'_>>, &'static str> {
        let payload = Payload::parse(bytes)?;
        if let Some(payload) = &payload {
            payload.check_form(&vec![Form::Any; payload.width()])?;
        }
        Ok(payload)
    }

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
        let payload = parse(&bytes).unwrap().unwrap();
        assert_eq!((payload.rows(), payload.columns, payload.fingerprint), (2, 3, &[7; 32]));
        assert_eq!(payload.messages(), &bytes[8 + 2 + 32..]);
        assert!(parse(&[0; 8]).unwrap().is_none());
    }

    #[test]
    fn it_is_taken_apart_row_by_row() {
        let bytes = payload();
        let split = split(&bytes).unwrap();
        assert_eq!((split.columns, split.rows.len(), split.rows.concat()), (&[7; 32][..], 2, bytes[42..].to_vec()));
        assert_eq!(super::split(&[0; 8]).unwrap(), Split::default());
        for end in 43..bytes.len() {
            assert!(super::split(&bytes[..end]).is_err() || end == bytes.len() - 20, "{end}");
        }
    }

    #[test]
    fn a_part_of_a_payload_or_more_than_it_is_not() {
        let bytes = payload();
        for end in 0..bytes.len() {
            assert!(parse(&bytes[..end]).is_err(), "{end}");
        }
        assert!(parse(&[&bytes[..], b"\0"].concat()).is_err());
        assert!(parse(&[0; 9]).is_err());
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
            assert!(parse(&bytes).is_err(), "{place} {lie:?}");
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
            if let Ok(Some(payload)) = parse(&bytes) {
                // What is accepted is as many rows as it says, each of as many values.
                assert!(payload.rows() <= bytes.len() / 7);
            }
        }
        for length in 0..512 {
            let bytes: Vec<u8> = (0..length).map(|_| random.random()).collect();
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn a_result_without_rows_is_eight_bytes() {
        assert_eq!(Box::new(Recorder::new(8)).finish().unwrap(), [0; 8]);
        assert_eq!(Box::new(Recorder::new(7)).finish(), Err(Unreplayable::TooLarge));
    }
}
