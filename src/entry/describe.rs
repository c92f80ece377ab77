//! What an entry says of itself, for people who look into the store.

use super::compress::Form;
use super::{Cursor, Malformed, OPEN, SEALED, intact};
use crate::store::{ENTRY_MAGIC, Label};
use crate::tag::{Generation, Tag};
use bytes::Bytes;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the header of a query's entry says: all but the rows, which are only of use to sqlx's driver. No key is needed for it: of an encrypted entry, only the rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryDescription {
    /// The key under which it is an answer.
    pub key: String,
    /// What it depends on: [`Tag::all`], then its tables, of which the first is the one that it is filed under.
    pub tags: Vec<Tag>,
    /// When it was stored, by the clock of the machine that did.
    pub stored_at: SystemTime,
    /// The age from which on it is too old.
    pub fresh_for: Duration,
    /// What the database took for the answer.
    pub cost: Duration,
    /// Bytes of the rows as they are stored: compressed and encrypted, if they are.
    pub rows_bytes: usize,
    /// Whether the rows are compressed.
    pub compressed: bool,
    /// Whether the rows are encrypted.
    pub encrypted: bool,
    generations: Vec<Generation>,
}

impl EntryDescription {
    /// Reads the bytes that a store keeps under an entry's key; `None` where they are no entry of this version, or not what they were when they were stored.
    pub fn of(entry: &Bytes) -> Option<Self> {
        Self::read(entry).ok()
    }

    /// The tables that it depends on, the one that it is filed under first. What reads the database's own catalog alone is filed under [`Tag::schema`].
    pub fn tables(&self) -> impl Iterator<Item = &Tag> {
        // Every other entry depends on the schema besides.
        self.tags.iter().skip(1).enumerate().filter(|(index, tag)| *index == 0 || **tag != Tag::schema()).map(|(_, tag)| tag)
    }

    /// Whether it may be served, as far as writes are concerned: whether every generation that it was read under still stands. `labels` are those of its [`tags`](Self::tags), as
    /// [`CacheStore::look_up`](crate::store::CacheStore::look_up) gives them.
    pub fn is_valid(&self, labels: &[Label]) -> bool {
        labels.len() == self.generations.len()
            && labels.iter().zip(&self.generations).all(|(label, generation)| *label == Label::Standing(*generation))
    }

    fn read(entry: &Bytes) -> Result<Self, Malformed> {
        let entry = &intact(entry)?;
        let mut cursor = Cursor::at(entry, 0);
        if cursor.take(ENTRY_MAGIC.len())? != ENTRY_MAGIC {
            return Err(Malformed("magic or version"));
        }
        let mut flags: [u8; 4] = cursor.array()?;
        let encrypted = match std::mem::replace(&mut flags[1], OPEN) {
            OPEN => false,
            SEALED => true,
            _ => return Err(Malformed("flags")),
        };
        let compressed = Form::of(flags)? != Form::Plain;
        let mut generations = vec![Generation(cursor.array()?), Generation(cursor.array()?)];
        let tables = cursor.u16()?;
        for _ in 1..tables {
            generations.push(Generation(cursor.array()?));
        }
        let stored_at = UNIX_EPOCH.checked_add(Duration::from_millis(cursor.u64()?)).ok_or(Malformed("time"))?;
        let fresh_for = Duration::from_millis(cursor.u64()?);
        let cost = Duration::from_micros(cursor.array().map(u32::from_le_bytes)?.into());
        let mut tags = vec![Tag::all()];
        for _ in 0..tables {
            tags.push(Tag::of_text(text(&mut cursor)?));
        }
        let key = text(&mut cursor)?.to_owned();
        let rows_bytes = usize::try_from(cursor.u64()?).map_err(|_| Malformed("length of the rows"))?;
        if tags.len() != generations.len() || entry.len() - cursor.position() != rows_bytes {
            return Err(Malformed("lengths"));
        }
        Ok(Self { key, tags, stored_at, fresh_for, cost, rows_bytes, compressed, encrypted, generations })
    }
}

fn text<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Malformed> {
    let length = cursor.u16()?;
    std::str::from_utf8(cursor.take(length.into())?).map_err(|_| Malformed("a text"))
}
