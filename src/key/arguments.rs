//! A query's arguments as bytes: exact, and the same in every process.
//!
//! The drivers' arguments show what they hold only by `Debug`, which is exact. Its text is long for what it says, so the words that it is made of (fields'
//! names, separators) are each replaced by one or two bytes that no text has.

use std::fmt::{self, Debug, Write};

/// Appends the arguments.
///
/// # Errors
///
/// Where they take more than `limit` bytes; what was appended is then worthless.
pub(crate) fn pack<A: Debug>(into: &mut Vec<u8>, arguments: &A, limit: usize) -> fmt::Result {
    let limit = into.len().saturating_add(limit);
    write!(Packer { into, limit }, "{arguments:?}")
}

struct Packer<'a> {
    into: &'a mut Vec<u8>,
    limit: usize,
}

/// Bytes that UTF-8 never has: what separates two values, and what announces a word.
const COMMA: u8 = 0xFE;
const WORD: u8 = 0xFF;

impl Write for Packer<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        match (piece, word(piece)) {
            (", ", _) => self.into.push(COMMA),
            (_, Some(number)) => self.into.extend_from_slice(&[WORD, number]),
            (_, None) => self.into.extend_from_slice(piece.as_bytes()),
        }
        if self.into.len() > self.limit { Err(fmt::Error) } else { Ok(()) }
    }
}

/// The words' numbers are part of every key: add words, never change them.
fn word(piece: &str) -> Option<u8> {
    Some(match piece {
        ": " => 0,
        " { " => 1,
        " }" => 2,
        "PgArguments" => 3,
        "PgArgumentBuffer" => 4,
        "types" => 5,
        "buffer" => 6,
        "count" => 7,
        "patches" => 8,
        "hole_offsets" => 9,
        "hole_types" => 10,
        "PgTypeInfo" => 11,
        "MySqlArguments" => 12,
        "values" => 13,
        "null_bitmap" => 14,
        "NullBitMap" => 15,
        "bytes" => 16,
        "length" => 17,
        "MySqlTypeInfo" => 18,
        "type" => 19,
        "flags" => 20,
        "collation" => 21,
        "max_size" => 22,
        "SqliteArguments" => 23,
        "SqliteArgumentsBuffer" => 24,
        "Int64" => 25,
        "TextSlice" => 26,
        "None" => 27,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text, put together again.
    fn unpacked(packed: &[u8]) -> String {
        let words: Vec<(u8, &str)> = ["PgArguments", " { ", "types", ": ", " }", "count", "None", "values"]
            .into_iter()
            .filter_map(|text| word(text).map(|number| (number, text)))
            .collect();
        let mut text = Vec::new();
        let mut rest = packed.iter();
        while let Some(byte) = rest.next() {
            match *byte {
                COMMA => text.extend(b", "),
                WORD => {
                    let number = rest.next().unwrap();
                    text.extend(words.iter().find(|(other, _)| other == number).unwrap().1.bytes());
                }
                byte => text.push(byte),
            }
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn nothing_is_lost_and_most_of_it_is_shorter() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "to be shown")]
        struct PgArguments {
            types: Vec<&'static str>,
            count: Option<u8>,
            values: Vec<u8>,
        }
        for text in ["", "types", ", ", "ÿþ\u{ff}\"\\", "a\u{1}"] {
            let arguments = PgArguments { types: vec![text, "count"], count: None, values: vec![0, 1, 255] };
            let mut packed = b"before".to_vec();
            pack(&mut packed, &arguments, 1000).unwrap();
            let packed = packed.strip_prefix(b"before").unwrap();
            assert_eq!(unpacked(packed), format!("{arguments:?}"));
            assert!(packed.len() * 3 < format!("{arguments:?}").len() * 2);
        }
    }

    #[test]
    fn too_long_ones_are_refused() {
        let mut packed = vec![0; 10];
        assert!(pack(&mut packed, &"x".repeat(100), 102).is_ok());
        assert!(pack(&mut packed, &"x".repeat(100), 101).is_err());
    }
}
