//! The few parts of the MySQL protocol that a replay speaks.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>, <https://mariadb.com/kb/en/clientserver-protocol/>

use crate::rows::reader::Reader;

/// A packet's length has three bytes; one of this length is followed by another part, an empty one if need be.
pub(super) const FULL: usize = 0xff_ff_ff;

/// The last packet of a result: an OK packet that says nothing, in the form that has replaced EOF. With two bytes more, sqlx would not know it
/// when it drains an unread result, and wait for ever.
pub(super) const END: [u8; 7] = [0xfe, 0, 0, 2, 0, 0, 0];

/// All that our end says before the first result, in one go: the driver reads no further than it must.
pub(super) fn welcome() -> Vec<u8> {
    // CLIENT_PROTOCOL_41 and CLIENT_DEPRECATE_EOF; without the rest there is no plug-in, no salt's second half, no TLS.
    const CAPABILITIES: u32 = (1 << 9) | (1 << 24);
    let [low0, low1, high0, high1] = CAPABILITIES.to_le_bytes();
    let mut handshake = vec![10];
    handshake.extend_from_slice(b"8.0.0-rows\0");
    // Connection id, salt, its end.
    handshake.extend_from_slice(&[1, 0, 0, 0, b'r', b'o', b'w', b's', b'r', b'o', b'w', b's', 0]);
    // Capabilities around collation (utf8mb4_general_ci) and status (autocommit).
    handshake.extend_from_slice(&[low0, low1, 45, 2, 0, high0, high1]);
    // Salt length, reserved, MariaDB's own capabilities.
    handshake.extend_from_slice(&[0; 11]);
    let signed_in = [0, 0, 0, 2, 0, 0, 0];
    // Statement 1, no columns, no parameters: sqlx reads the columns that come with each result.
    let prepared = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut out = Vec::new();
    for packet in [&handshake[..], &signed_in, &prepared] {
        put_packet(&mut out, packet);
    }
    out
}

/// Appends one packet, in as many parts as it needs. Sequence numbers are left out: sqlx doesn't check them.
pub(super) fn put_packet(out: &mut Vec<u8>, mut packet: &[u8]) {
    loop {
        let (part, rest) = packet.split_at(packet.len().min(FULL));
        let [a, b, c, ..] = part.len().to_le_bytes();
        out.extend_from_slice(&[a, b, c, 0]);
        out.extend_from_slice(part);
        packet = rest;
        if part.len() < FULL {
            return;
        }
    }
}

/// Appends a length-encoded integer.
pub(super) fn put_integer(out: &mut Vec<u8>, value: u64) {
    let [a, b, c, ..] = value.to_le_bytes();
    match value {
        0..=0xfa => out.push(a),
        0xfb..=0xffff => out.extend_from_slice(&[0xfc, a, b]),
        0x1_0000..=0xff_ffff => out.extend_from_slice(&[0xfd, a, b, c]),
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
}

/// Appends bytes behind their length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_integer(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes a length-encoded integer. Refuses 0xfb and 0xff, which stand for NULL and for an error, but which sqlx takes for numbers.
pub(super) fn integer(reader: &mut Reader<'_>) -> Result<u64, &'static str> {
    match reader.u8()? {
        0xfc => reader.u16().map(u64::from),
        0xfd => reader.take(3).map(|bytes| bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))),
        0xfe => reader.u64(),
        0xfb | 0xff => Err("a length is none"),
        small => Ok(u64::from(small)),
    }
}

/// Takes bytes behind their length.
pub(super) fn bytes<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], &'static str> {
    let length = usize::try_from(integer(reader)?).map_err(|_| "a length is too long")?;
    reader.take(length)
}

fn text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, &'static str> {
    std::str::from_utf8(bytes(reader)?).map_err(|_| "a name is not text")
}

/// How a binary row holds the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// So many bytes.
    Fixed(usize),
    /// A length-encoded length, then the bytes.
    Counted,
    /// A length byte, which sqlx leaves on the value, then as many bytes: one of these.
    Dated(&'static [u8]),
    /// Only NULL; sqlx panics at anything else.
    Null,
}

impl Layout {
    /// Whether a value, as sqlx hands it out, fits.
    pub(super) fn fits(self, value: &[u8]) -> bool {
        match self {
            Self::Fixed(length) => value.len() == length,
            Self::Counted => true,
            Self::Dated(lengths) => {
                value.split_first().is_some_and(|(length, rest)| usize::from(*length) == rest.len() && lengths.contains(length))
            }
            Self::Null => false,
        }
    }
}

const DATE: Layout = Layout::Dated(&[0, 4, 7, 11]);
const TIME: Layout = Layout::Dated(&[0, 8, 12]);

/// The column types that sqlx knows: its name in sqlx's serde form, its number in the protocol, how its values lie.
const TYPES: [(&str, u8, Layout); 27] = [
    ("Decimal", 0x00, Layout::Counted),
    ("Tiny", 0x01, Layout::Fixed(1)),
    ("Short", 0x02, Layout::Fixed(2)),
    ("Long", 0x03, Layout::Fixed(4)),
    ("Float", 0x04, Layout::Fixed(4)),
    ("Double", 0x05, Layout::Fixed(8)),
    ("Null", 0x06, Layout::Null),
    ("Timestamp", 0x07, DATE),
    ("LongLong", 0x08, Layout::Fixed(8)),
    ("Int24", 0x09, Layout::Fixed(4)),
    ("Date", 0x0a, DATE),
    ("Time", 0x0b, TIME),
    ("Datetime", 0x0c, DATE),
    ("Year", 0x0d, Layout::Fixed(2)),
    ("VarChar", 0x0f, Layout::Counted),
    ("Bit", 0x10, Layout::Counted),
    ("Json", 0xf5, Layout::Counted),
    ("NewDecimal", 0xf6, Layout::Counted),
    ("Enum", 0xf7, Layout::Counted),
    ("Set", 0xf8, Layout::Counted),
    ("TinyBlob", 0xf9, Layout::Counted),
    ("MediumBlob", 0xfa, Layout::Counted),
    ("LongBlob", 0xfb, Layout::Counted),
    ("Blob", 0xfc, Layout::Counted),
    ("VarString", 0xfd, Layout::Counted),
    ("String", 0xfe, Layout::Counted),
    ("Geometry", 0xff, Layout::Counted),
];

/// The column flags that sqlx keeps, by their names in its serde form.
const FLAGS: [(&str, u16); 15] = [
    ("NOT_NULL", 1),
    ("PRIMARY_KEY", 1 << 1),
    ("UNIQUE_KEY", 1 << 2),
    ("MULTIPLE_KEY", 1 << 3),
    ("BLOB", 1 << 4),
    ("UNSIGNED", 1 << 5),
    ("ZEROFILL", 1 << 6),
    ("BINARY", 1 << 7),
    ("ENUM", 1 << 8),
    ("AUTO_INCREMENT", 1 << 9),
    ("TIMESTAMP", 1 << 10),
    ("SET", 1 << 11),
    ("NO_DEFAULT_VALUE", 1 << 12),
    ("ON_UPDATE_NOW", 1 << 13),
    ("NUM", 1 << 15),
];

/// What the protocol calls a column's type by name.
pub(super) fn type_number(name: &str) -> Option<(u8, Layout)> {
    TYPES.iter().find(|(known, ..)| *known == name).map(|(_, number, layout)| (*number, *layout))
}

/// The bits of flags such as `NOT_NULL | UNSIGNED`; `None` if one is unknown.
pub(super) fn flag_bits(names: &str) -> Option<u16> {
    let bit = |name: &str| FLAGS.iter().find(|(known, _)| *known == name.trim()).map(|(_, bit)| *bit);
    names.split('|').filter(|name| !name.trim().is_empty()).try_fold(0, |bits, name| Some(bits | bit(name)?))
}

/// A column definition: as much of it as sqlx keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ColumnDefinition<'a> {
    /// The table it comes from, with its schema; empty for an expression.
    pub(super) table: &'a str,
    /// Its name in that table, and in the result unless there is an alias.
    pub(super) name: &'a str,
    /// Its name in the result, if another.
    pub(super) alias: &'a str,
    pub(super) collation: u16,
    pub(super) max_size: u32,
    pub(super) type_number: u8,
    pub(super) flags: u16,
}

impl<'a> ColumnDefinition<'a> {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        // Catalog, schema and the table's alias are empty: sqlx joins schema and table, so we send them joined.
        for text in ["", "", "", self.table, self.alias, self.name] {
            put_bytes(out, text.as_bytes());
        }
        out.push(0x0c);
        out.extend_from_slice(&self.collation.to_le_bytes());
        out.extend_from_slice(&self.max_size.to_le_bytes());
        out.push(self.type_number);
        out.extend_from_slice(&self.flags.to_le_bytes());
        // Decimals, which sqlx drops, and two bytes of filling.
        out.extend_from_slice(&[0; 3]);
    }

    /// Takes a definition that [`put`](Self::put) could have made, and nothing else.
    pub(super) fn parse(packet: &'a [u8]) -> Result<(Self, Layout), &'static str> {
        let mut reader = Reader::new(packet);
        if reader.take(3)? != [0; 3] {
            return Err("a column has a catalog");
        }
        let table = text(&mut reader)?;
        let alias = text(&mut reader)?;
        let name = text(&mut reader)?;
        if reader.u8()? != 0x0c {
            return Err("a column's fixed part has another length");
        }
        let collation = reader.u16()?;
        let max_size = reader.u32()?;
        let type_number = reader.u8()?;
        let flags = reader.u16()?;
        let layout = TYPES.iter().find(|(_, number, _)| *number == type_number).ok_or("a column is of an unknown type")?.2;
        if flags & !FLAGS.iter().fold(0, |all, (_, bit)| all | bit) != 0 {
            return Err("a column has an unknown flag");
        }
        if reader.take(3)? != [0; 3] || !reader.is_empty() {
            return Err("a column's definition goes on after its end");
        }
        Ok((Self { table, name, alias, collation, max_size, type_number, flags }, layout))
    }
}

/// How many bytes mark a binary row's NULLs. The first two bits are not used.
pub(super) fn null_bytes(columns: usize) -> usize {
    columns.saturating_add(9) / 8
}

/// Takes a binary row of such columns apart, without a look at the values themselves.
pub(super) fn check_row(packet: &[u8], columns: &[Layout]) -> Result<(), &'static str> {
    let mut reader = Reader::new(packet);
    if reader.u8()? != 0 {
        return Err("a row is none");
    }
    let nulls = reader.take(null_bytes(columns.len()))?;
    for (index, layout) in columns.iter().enumerate() {
        if nulls[(index + 2) / 8] >> ((index + 2) % 8) & 1 == 1 {
            continue;
        }
        match layout {
            Layout::Fixed(length) => {
                reader.take(*length)?;
            }
            Layout::Counted => {
                bytes(&mut reader)?;
            }
            Layout::Dated(lengths) => {
                let length = reader.u8()?;
                if !lengths.contains(&length) {
                    return Err("a date has another length");
                }
                reader.take(usize::from(length))?;
            }
            Layout::Null => return Err("a column of NULLs has a value"),
        }
    }
    if reader.is_empty() { Ok(()) } else { Err("a row goes on after its last value") }
}
