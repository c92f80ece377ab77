//! The bytes of a value. One that is JSON, depends on no table and is neither compressed nor encrypted is stored as it is, for everybody to read and write. Anything
//! else wears a frame:
//!
//! ```text
//! 0..4     magic and version, "SQV1", which no JSON begins with
//! 4        kind: zero, or what stands at a key while somebody reads (1) or writes (2) what belongs there: those end behind the name
//! 5        form: 0 JSON, 1 MessagePack, 2 bytes
//! 6        flags: 1 compressed (LZ4), 2 encrypted (after that)
//! 7        zero
//! 8..24    a random name: two values that were stored at one key differ in it
//! 24..26   number of tags (u16, little-endian, as all that follows): none, or `_all`, the tables, `_schema`
//!          of each tag its text's length (u16), the text, and the generation that it was made under (24 bytes)
//!          the value
//! last 8   XXH3 of all that
//! ```
//!
//! An encrypted value is bound to its name and to all that stands in front of it. Whoever has keys believes nothing that is not encrypted, but for whole numbers: sums that Redis adds up
//! can't be.

use crate::entry::{self, Cipher, Cursor, Malformed, Payload};
use crate::policy::Compression;
use crate::store::Whereabouts;
use crate::store::values::{ID_AT, VALUE_MAGIC, frame_of, is_claim};
use crate::tag::{Generation, Tag};
use bytes::Bytes;

const COMPRESSED: u8 = 1;
const ENCRYPTED: u8 = 2;

/// How a value is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// JSON, which every program reads. Floats come back to the last bit, but for NaN and the infinities: JSON writes them as `null`, which is no number, but passes for a `None`.
    #[default]
    Json,
    /// `MessagePack` with the names of fields: about two thirds of JSON's size, and as ready for fields that come and go.
    #[cfg(feature = "msgpack")]
    MessagePack,
}

/// How the bytes of a value are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    #[cfg(feature = "msgpack")]
    MessagePack,
    Bytes,
}

impl From<Format> for Form {
    fn from(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            #[cfg(feature = "msgpack")]
            Format::MessagePack => Self::MessagePack,
        }
    }
}

impl Form {
    pub(super) fn of(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Json),
            #[cfg(feature = "msgpack")]
            1 => Some(Self::MessagePack),
            2 => Some(Self::Bytes),
            _ => None,
        }
    }

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Json => 0,
            #[cfg(feature = "msgpack")]
            Self::MessagePack => 1,
            Self::Bytes => 2,
        }
    }
}

/// A value's bytes and how they are to be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) form: Form,
    pub(super) bytes: Bytes,
}

/// The tags that a value depends on, and the generations that it was made under.
pub(super) type Tied<'a> = Option<(&'a [Tag], &'a [Generation])>;

/// How values are wrapped on their way to a store.
#[derive(Clone, Debug)]
pub(super) struct Wrapping {
    pub(super) compression: Compression,
    /// Bytes of the largest value.
    pub(super) largest: usize,
    /// None where values stay in this process.
    pub(super) cipher: Option<Cipher>,
}

/// What stands at a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Value(Written),
    /// A value that was made under these generations.
    Tied {
        value: Written,
        tags: Vec<Tag>,
        generations: Vec<Generation>,
        id: [u8; 16],
    },
    /// A value, of this name, that is not encrypted by a known key, or, with keys, not encrypted at all.
    Closed {
        id: Option<[u8; 16]>,
    },
    /// Somebody reads, or writes, what belongs there.
    Claimed {
        kind: u8,
        id: [u8; 16],
    },
}

impl Written {
    /// Whether it is written as what says that there is no value.
    pub(super) fn is_null(&self) -> bool {
        match self.form {
            Form::Json => &self.bytes[..] == b"null",
            #[cfg(feature = "msgpack")]
            Form::MessagePack => &self.bytes[..] == b"\xc0",
            Form::Bytes => false,
        }
    }
}

impl Wrapping {
    pub(super) fn wrap(&self, whereabouts: Whereabouts, name: &str, value: &Written, tied: Tied<'_>) -> Bytes {
        let payload = Payload::bound_for(whereabouts, self.compression, &value.bytes);
        if tied.is_none() && !payload.is_compressed() && value.form == Form::Json && self.cipher.is_none() {
            return value.bytes.clone();
        }
        let (tags, generations) = tied.unwrap_or_default();
        let mut frame = Vec::with_capacity(64 + tags.len() * 48 + payload.len());
        frame.extend_from_slice(VALUE_MAGIC);
        let flags = if payload.is_compressed() { COMPRESSED } else { 0 } | if self.cipher.is_some() { ENCRYPTED } else { 0 };
        frame.extend_from_slice(&[0, value.form.byte(), flags, 0]);
        frame.extend_from_slice(&rand::random::<[u8; 16]>());
        frame.extend_from_slice(&u16::try_from(tags.len()).unwrap_or(u16::MAX).to_le_bytes());
        for (tag, generation) in tags.iter().zip(generations) {
            frame.extend_from_slice(&u16::try_from(tag.as_str().len()).unwrap_or(u16::MAX).to_le_bytes());
            frame.extend_from_slice(tag.as_str().as_bytes());
            frame.extend_from_slice(&generation.0);
        }
        match &self.cipher {
            None => frame.extend_from_slice(payload.as_bytes()),
            Some(cipher) => {
                let sealed = cipher.seal(&[name.as_bytes(), &frame], payload.as_bytes());
                frame.extend_from_slice(&sealed);
            }
        }
        entry::seal(&mut frame);
        frame.into()
    }

    /// What these bytes say. Every length is checked against what is there.
    pub(super) fn unwrap(&self, name: &str, bytes: Bytes) -> Result<Stored, Malformed> {
        let Some((kind, id)) = frame_of(&bytes) else {
            if bytes.starts_with(VALUE_MAGIC) {
                return Err(Malformed("cut short"));
            }
            return Ok(if self.cipher.is_some() && !is_number(&bytes) {
                Stored::Closed { id: None }
            } else {
                Stored::Value(Written { form: Form::Json, bytes })
            });
        };
        if kind != 0 {
            // Byte for byte as the stores' scripts take it: what they don't know, nobody would ever settle.
            return if is_claim(&bytes) { Ok(Stored::Claimed { kind, id }) } else { Err(Malformed("claim")) };
        }
        let frame = entry::intact(&bytes)?;
        let (form, flags) = (Form::of(frame[5]).ok_or(Malformed("form"))?, frame[6]);
        if flags & !(COMPRESSED | ENCRYPTED) != 0 || frame[7] != 0 {
            return Err(Malformed("flags"));
        }
        let mut cursor = Cursor::at(&frame, ID_AT + id.len());
        let count = cursor.u16()?;
        let (mut tags, mut generations) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let length = cursor.u16()?.into();
            let text = std::str::from_utf8(cursor.take(length)?).map_err(|_| Malformed("tag"))?;
            tags.push(Tag::of_text(text));
            generations.push(Generation(cursor.array()?));
        }
        let at = cursor.position();
        let opened = match (&self.cipher, flags & ENCRYPTED != 0) {
            (None, false) => Some(frame.slice(at..)),
            (Some(cipher), true) => cipher.open(&[name.as_bytes(), &frame[..at]], &frame[at..]).map(Bytes::from),
            _ => None,
        };
        let Some(bytes) = opened else { return Ok(Stored::Closed { id: Some(id) }) };
        let bytes = if flags & COMPRESSED == 0 { Some(bytes) } else { entry::decompress(bytes, self.largest)? };
        let value = Written { form, bytes: bytes.ok_or(Malformed("more bytes than a value may have"))? };
        Ok(if tags.is_empty() { Stored::Value(value) } else { Stored::Tied { value, tags, generations, id } })
    }
}

/// Whether it is a whole number, as Redis writes them.
fn is_number(bytes: &[u8]) -> bool {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    (1..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::ServerIdentity;

    const WRAPPING: Wrapping = Wrapping { compression: Compression::From(64), largest: 10_000, cipher: None };

    fn json(text: &str) -> Written {
        Written { form: Form::Json, bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }

    fn wrapped(value: &Written, tied: Tied<'_>) -> Bytes {
        WRAPPING.wrap(Whereabouts::Network, "kv:key", value, tied)
    }

    #[test]
    fn short_json_is_stored_as_it_is_and_everything_comes_back() {
        assert_eq!(wrapped(&json("[1,2]"), None), "[1,2]");
        let long = json(&format!("{:?}", "x".repeat(1000)));
        assert!(wrapped(&long, None).len() < 200);
        let bytes = Written { form: Form::Bytes, bytes: Bytes::from_static(b"SQV1 is how it begins") };
        for value in [json("[1,2]"), long, bytes] {
            assert_eq!(WRAPPING.unwrap("kv:key", wrapped(&value, None)).unwrap(), Stored::Value(value.clone()));
            let tags = [Tag::all(), Tag::table("users"), Tag::schema()];
            let generations = [(); 3].map(|()| Generation::fresh(ServerIdentity::default()));
            let tied = WRAPPING.unwrap("kv:key", wrapped(&value, Some((&tags, &generations)))).unwrap();
            let Stored::Tied { value: read, tags: read_tags, generations: read_generations, .. } = tied else { panic!("{tied:?}") };
            assert_eq!((read, read_tags, read_generations), (value, tags.to_vec(), generations.to_vec()));
        }
    }

    #[test]
    fn what_is_no_frame_is_malformed_wherever_it_was_changed() {
        let tags = [Tag::all(), Tag::table("users"), Tag::schema()];
        let generations = [(); 3].map(|()| Generation::fresh(ServerIdentity::default()));
        let frame = wrapped(&json(&format!("{:?}", "x".repeat(1000))), Some((&tags, &generations)));
        for length in 0..frame.len() {
            let cut = WRAPPING.unwrap("kv:key", frame.slice(..length));
            // Shorter than the magic it may be anything, such as JSON that can't be read.
            assert!(cut.is_err() || length < 4, "{length}: {cut:?}");
        }
        for at in 4..frame.len() {
            let mut changed = frame.to_vec();
            changed[at] ^= 0x55;
            let changed = WRAPPING.unwrap("kv:key", changed.into());
            assert!(matches!(changed, Err(_) | Ok(Stored::Claimed { .. })), "{at}: {changed:?}");
        }
    }

    #[test]
    fn a_bomb_takes_no_memory() {
        let bomb = json(&format!("{:?}", "x".repeat(20_000)));
        assert_eq!(WRAPPING.unwrap("kv:key", wrapped(&bomb, None)), Err(Malformed("more bytes than a value may have")));
    }

    #[cfg(feature = "encryption")]
    #[test]
    fn what_is_encrypted_opens_under_its_name_and_key_alone() {
        let wrapping = |keys: &[[u8; 32]]| Wrapping { cipher: Cipher::new(keys).ok(), ..WRAPPING };
        let (old, both) = (wrapping(&[[1; 32]]), wrapping(&[[2; 32], [1; 32]]));
        let value = json(&format!("{:?}", "a marker ".repeat(100)));
        let frame = old.wrap(Whereabouts::Network, "kv:key", &value, None);
        assert!(!frame.windows(6).any(|window| window == b"marker"));
        assert_eq!(both.unwrap("kv:key", frame.clone()).unwrap(), Stored::Value(value.clone()));
        for closed in [
            both.unwrap("kv:other", frame.clone()),
            WRAPPING.unwrap("kv:key", frame),
            old.unwrap("kv:key", both.wrap(Whereabouts::Machine, "kv:key", &value, None)),
        ] {
            assert!(matches!(closed, Ok(Stored::Closed { id: Some(_) })), "{closed:?}");
        }
        assert_eq!(old.unwrap("kv:key", Bytes::from_static(b"{}")).unwrap(), Stored::Closed { id: None });
        assert_eq!(old.unwrap("kv:key", Bytes::from_static(b"-12")).unwrap(), Stored::Value(json("-12")));
    }
}
