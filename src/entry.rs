//! An entry on its way to a store and back: a header that says under which generations the rows were read, then the rows as opaque bytes, compressed or not.
//!
//! ```text
//! 0..4     magic and version, "SQC2"
//! 4..8     flags: whether the rows are compressed ([`compress`]), whether they are encrypted thereafter ([`encrypt`]), two zeros
//! 8..32    generation of `_all`                      both at a fixed place, so that a reclaim can tell a dead entry
//! 32..56   generation of the first table             by a GETRANGE
//! 56..58   number of tables (u16, little-endian, as all that follows), at least one
//!          the other tables' generations, 24 bytes each
//!          stored at (u64, ms since the epoch), right behind the generations: both together say which answer it is ([`head`])
//!          fresh for (u64, ms from then on): the time to live, jitter taken off. A store may keep it longer, for those who take stale answers
//!          cost of the database's answer (u32, us)
//!          the tables' names, each a u16 length and the text
//!          the key, a u16 length and the text: a copy under another key is nobody's answer
//!          length of the rows (u64), as they stand here; the rows
//! last 8   XXH3 of all that (64 bits): it tells bytes that changed, and keeps nobody out who may write
//! ```
//!
//! Encrypted rows are bound to all that stands in front of their length, so nobody without the key can give them another name, other generations or another age. Who has no key
//! leaves them alone, and who has one believes nothing else. A version that knows no such flags takes them for malformed: a miss, too.

mod compress;
mod describe;
pub(crate) mod encrypt;
#[cfg(test)]
mod tests;

pub use self::compress::{Payload, decompress};
pub use self::describe::EntryDescription;
pub(crate) use self::encrypt::Cipher;

use self::compress::Form;
use crate::store::{ALL_GENERATION, ENTRY_MAGIC, Label, TABLE_GENERATION};
use crate::tag::{Generation, Tag};
use bytes::Bytes;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use xxhash_rust::xxh3::xxh3_64;

/// The bytes of an entry are not what this version writes. They are a miss, are counted, and are to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// What an entry is worth to a reader who sees these labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every generation it was read under still stands.
    Valid {
        /// The rows, uncompressed.
        rows: Bytes,
        /// When it was stored, as the entry spells it.
        stored: Stored,
        /// How long ago that was, by this machine's clock.
        age: Duration,
        /// The age from which on it is stale.
        fresh_for: Duration,
        /// What the database took for it.
        cost: Duration,
    },
    /// Some generation fell.
    Dead,
    /// Compressed rows that another process may keep, and this one may not.
    TooLarge,
    /// It is encrypted and this process has not the key, or it is not and this process has one. Another process may think otherwise, so it is let be.
    Undecryptable {
        /// When it was stored, as the entry spells it.
        stored: Stored,
    },
}

/// A moment as the header spells it: two answers under the same generations differ in it.
pub type Stored = [u8; 8];

/// The second flag of an entry whose rows are not encrypted.
const OPEN: u8 = 0;

/// The one of those that are: XChaCha20-Poly1305.
const SEALED: u8 = 1;

/// What is known of an answer besides its rows.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The age from which on it is stale.
    pub fresh_for: Duration,
    /// What the database took for it.
    pub cost: Duration,
}

/// The part of the header, from [`ALL_GENERATION`]'s place on, that names the generations. What follows it is [`Stored`].
pub fn head(generations: &[Generation]) -> Vec<u8> {
    let mut head = Vec::with_capacity(generations.len() * Generation::LEN + 2);
    let (first, others) = generations.split_at(generations.len().min(2));
    head.extend(first.iter().flat_map(|generation| generation.0));
    head.extend_from_slice(&u16::try_from(generations.len().saturating_sub(1)).unwrap_or(u16::MAX).to_le_bytes());
    head.extend(others.iter().flat_map(|generation| generation.0));
    head
}

/// Puts an entry together. `tags` is `_all`, then the tables; `generations` are theirs, as seen before the database was read. Encrypts it with a cipher.
pub(crate) fn encode<'a>(
    key: &str,
    tags: &[Tag],
    generations: &[Generation],
    facts: Facts,
    rows: impl Into<Payload<'a>>,
    cipher: Option<&Cipher>,
) -> Bytes {
    let Payload { mut flags, bytes: mut rows } = rows.into();
    flags[1] = cipher.map_or(OPEN, |_| SEALED);
    debug_assert!(tags.len() == generations.len() && tags.len() >= 2);
    let mut entry = Vec::with_capacity(TABLE_GENERATION.end + tags.len() * 48 + key.len() + rows.len() + 32);
    entry.extend_from_slice(ENTRY_MAGIC);
    entry.extend_from_slice(&flags);
    entry.extend(head(generations));
    entry.extend_from_slice(&millis(now()).to_le_bytes());
    entry.extend_from_slice(&millis(facts.fresh_for).to_le_bytes());
    entry.extend_from_slice(&u32::try_from(facts.cost.as_micros()).unwrap_or(u32::MAX).to_le_bytes());
    for text in tags[1..].iter().map(Tag::as_str).chain([key]) {
        entry.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
        entry.extend_from_slice(text.as_bytes());
    }
    if let Some(cipher) = cipher {
        rows = cipher.seal(&bound_to(&entry), &rows).into();
    }
    entry.extend_from_slice(&(rows.len() as u64).to_le_bytes());
    entry.extend_from_slice(&rows);
    seal(&mut entry);
    entry.into()
}

/// What encrypted rows are bound to. Other things that the same keys encrypt begin with another word.
fn bound_to(header: &[u8]) -> [&[u8]; 2] {
    [b"entry", header]
}

/// Puts the sum behind the bytes.
pub(crate) fn seal(entry: &mut Vec<u8>) {
    let sum = xxh3_64(entry);
    entry.extend_from_slice(&sum.to_le_bytes());
}

/// The bytes in front of a sum that is theirs. Rows are wrong in more ways than their form can tell: another digit is as good a number.
pub(crate) fn intact(entry: &Bytes) -> Result<Bytes, Malformed> {
    let (bytes, sum) = entry.split_last_chunk().ok_or(Malformed("cut short"))?;
    if xxh3_64(bytes) == u64::from_le_bytes(*sum) { Ok(entry.slice(..bytes.len())) } else { Err(Malformed("sum")) }
}

/// Judges an entry by the labels of `tags` (`_all`, then the tables). An entry that names other tables was written by a process with another idea of
/// the statement, and is dead. Compressed rows are worth something up to `largest` bytes. With a cipher only encrypted ones are, without one only others.
///
/// # Errors
///
/// [`Malformed`] where the bytes are not an entry of this version, or another key's: every length is checked against what is there.
pub(crate) fn judge(
    key: &str,
    entry: &Bytes,
    tags: &[Tag],
    labels: &[Label],
    largest: usize,
    cipher: Option<&Cipher>,
) -> Result<Verdict, Malformed> {
    let entry = &intact(entry)?;
    let mut cursor = Cursor { bytes: entry, at: 0 };
    if cursor.take(4)? != ENTRY_MAGIC {
        return Err(Malformed("magic or version"));
    }
    let mut flags: [u8; 4] = cursor.array()?;
    let sealed = match std::mem::take(&mut flags[1]) {
        OPEN => false,
        SEALED => true,
        _ => return Err(Malformed("flags")),
    };
    let form = Form::of(flags)?;
    debug_assert_eq!(cursor.at, ALL_GENERATION.start);
    let first = cursor.take(2 * Generation::LEN)?;
    let tables = cursor.u16()? as usize;
    if tables == 0 {
        return Err(Malformed("no table"));
    }
    let others = cursor.take((tables - 1) * Generation::LEN)?;
    let mut alive = tables + 1 == tags.len() && tags.len() == labels.len();
    for (index, token) in first.chunks_exact(Generation::LEN).chain(others.chunks_exact(Generation::LEN)).enumerate() {
        alive = alive && matches!(labels[index], Label::Standing(standing) if standing.0 == token);
    }
    let stored: Stored = cursor.array()?;
    let fresh_for = Duration::from_millis(cursor.u64()?);
    let cost = Duration::from_micros(cursor.array().map(u32::from_le_bytes)?.into());
    for index in 0..tables {
        let length = cursor.u16()? as usize;
        let name = cursor.take(length)?;
        alive = alive && tags[index + 1].as_str().as_bytes() == name;
    }
    let length = cursor.u16()? as usize;
    if cursor.take(length)? != key.as_bytes() {
        return Err(Malformed("key"));
    }
    let header = cursor.at;
    let length = usize::try_from(cursor.u64()?).map_err(|_| Malformed("length of the rows"))?;
    if entry.len() - cursor.at != length {
        return Err(Malformed("length of the rows"));
    }
    if !alive {
        return Ok(Verdict::Dead);
    }
    // Only now: what is dead is not worth the work.
    let rows = entry.slice(cursor.at..);
    let opened = match (sealed, cipher) {
        (false, None) => Some(rows),
        (true, Some(cipher)) => cipher.open(&bound_to(&entry[..header]), &rows).map(Bytes::from),
        (true, None) | (false, Some(_)) => None,
    };
    let Some(rows) = opened else { return Ok(Verdict::Undecryptable { stored }) };
    match form.rows(rows, largest)? {
        Some(rows) => Ok(Verdict::Valid { rows, stored, age: age(stored), fresh_for, cost }),
        None => Ok(Verdict::TooLarge),
    }
}

/// When an entry of so many tags (`_all` and the tables) was stored.
pub fn stored(entry: &[u8], tags: usize) -> Option<Stored> {
    let at = ALL_GENERATION.start + tags * Generation::LEN + 2;
    entry.get(at..)?.first_chunk().copied()
}

/// Where an entry has its rows, as they stand there, of which there are so many bytes.
pub fn rows(entry: &[u8], length: usize) -> std::ops::Range<usize> {
    let end = entry.len().saturating_sub(size_of::<u64>());
    end.saturating_sub(length)..end
}

/// How long ago that was, by this machine's clock.
pub fn age(stored: Stored) -> Duration {
    now().saturating_sub(Duration::from_millis(u64::from_le_bytes(stored)))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The labels that an entry would like to see, for a test that believes it.
pub(crate) fn labels(entry: &[u8], tags: usize) -> Vec<Label> {
    let others = TABLE_GENERATION.end + 2;
    let fixed = entry.get(ALL_GENERATION.start..TABLE_GENERATION.end).unwrap_or_default();
    let tokens = fixed.chunks_exact(Generation::LEN).chain(entry.get(others..).unwrap_or_default().chunks_exact(Generation::LEN));
    tokens.take(tags).filter_map(|token| token.try_into().ok()).map(Generation).map(Label::Standing).collect()
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Reads lengths and what they announce, never beyond what is there.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..length)).ok_or(Malformed("cut short"))?;
        self.at += length;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed("cut short"))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }
}
