//! Rows on their way to a store elsewhere: fewer bytes of them, where that pays.
//!
//! What it is worth depends on the way there, so [`Whereabouts`] decides, unless the user does. `benches/compression.rs` measured (rows as the PostgreSQL codec writes them: narrow ones of numbers
//! and times, wide ones with text and jsonb; stored bytes in percent of theirs; `hit` is a GET and the decompression; all times in microseconds):
//!
//! ```text
//!                  stored %    compress   decompress   hit, Unix socket   hit, 10 Gbit/s     hit, 1 Gbit/s
//!                 lz4 zstd1   lz4 zstd1   lz4  zstd1   none  lz4 zstd1    none  lz4 zstd1    none   lz4 zstd1
//! narrow   2 KB    45   27      2     7   0.6    1.6     31   32    33      41   41    42      56    48    46
//! narrow  16 KB    39   23     15    33     4     13     29   35    44      47   47    54     166    94    81
//! wide    16 KB    62   42     18    41     5     13     29   35    44      46   48    56     159   118   103
//! wide   128 KB    54   37    277   352    34     89     52   74   124     162  136   167    1084   637   511
//! wide     1 MB    54   35   2273  2927   373    754    266  525   861    1068  961  1151    8471  4935  3755
//! mean from 1 KB   50   32                                1 1.22  1.62       1 0.91  1.05       1  0.67  0.59
//! ```
//!
//! - **Over a Unix socket: none.** A byte comes in a quarter of a nanosecond, and LZ4 takes a third of one to make a byte. Only room in Redis is saved, half of it, for those who ask for
//!   that. TCP to the same machine is no slower, but a tunnel looks alike.
//! - **Behind a network: LZ4 at any size from 1 KiB on.** It pays below some 15 Gbit/s. zstd stores a third less again and is quicker still at 1 Gbit/s, yet slower than nothing at 10 Gbit/s, dearer to
//!   fill, and C. Its levels 3 and 9 store hardly less than level 1 does, and 9 takes 20 ms for 1 MB. Below 1 KiB at most 2 us are gained at 1 Gbit/s, and no more bytes than
//!   the header and Redis add.
//! - **What does not shrink is stored as it is.** LZ4 finds that out at 20 GB/s.
//!
//! What the flags of a compressed entry stand for, behind the length that the header gives:
//!
//! ```text
//! 0..8     length of the rows (u64, little-endian)
//! 8..      the rows, as one block of LZ4
//! ```

use super::Malformed;
use crate::policy::Compression;
use crate::store::Whereabouts;
use bytes::Bytes;
use lz4_flex::block;
use std::borrow::Cow;

/// The flags of an entry whose rows are as the codec wrote them.
const PLAIN: [u8; 4] = [0; 4];

/// The flags of one whose rows are compressed.
const LZ4: [u8; 4] = [1, 0, 0, 0];

/// From how many bytes on it pays on a network.
const THRESHOLD: usize = 1 << 10;

/// Less than one byte in so many saved is not worth the reader's work.
const LEAST_SAVED: usize = 10;

/// A block of LZ4 holds at most so many times its own length: what claims more is a lie.
const MOST_HELD: usize = 255;

/// The rows' part of an entry.
#[derive(Debug)]
pub struct Payload<'a> {
    pub(super) flags: [u8; 4],
    pub(super) bytes: Cow<'a, [u8]>,
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    /// As they are.
    fn from(rows: &'a [u8]) -> Self {
        Self { flags: PLAIN, bytes: rows.into() }
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(rows: &'a [u8; N]) -> Self {
        rows.as_slice().into()
    }
}

impl<'a> Payload<'a> {
    /// As it pays for a store at this distance, or as the user wishes.
    pub fn bound_for(whereabouts: Whereabouts, wish: Compression, rows: &'a [u8]) -> Self {
        match (whereabouts, wish) {
            (Whereabouts::Process, _) | (Whereabouts::Machine, Compression::Usual) | (_, Compression::Never) => rows.into(),
            (Whereabouts::Network, Compression::Usual) => Self::compressed(rows, THRESHOLD),
            (_, Compression::From(threshold)) => Self::compressed(rows, threshold),
        }
    }

    /// Compressed, if there are so many bytes of them and it pays.
    pub fn compressed(rows: &'a [u8], threshold: usize) -> Self {
        if rows.len() < threshold {
            return rows.into();
        }
        let mut bytes = vec![0; 8 + block::get_maximum_output_size(rows.len())];
        bytes[..8].copy_from_slice(&(rows.len() as u64).to_le_bytes());
        match block::compress_into(rows, &mut bytes[8..]) {
            Ok(length) if 8 + length <= rows.len() - rows.len().div_ceil(LEAST_SAVED) => {
                bytes.truncate(8 + length);
                Self { flags: LZ4, bytes: bytes.into() }
            }
            _ => rows.into(),
        }
    }

    pub fn is_compressed(&self) -> bool {
        self.flags != PLAIN
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The bytes of a payload that [`Payload::is_compressed`]; `None` where there are more than `largest` of them.
pub fn decompress(payload: Bytes, largest: usize) -> Result<Option<Bytes>, Malformed> {
    Form::Lz4.rows(payload, largest)
}

/// What becomes of a payload's bytes in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Lz4,
}

impl Form {
    /// What an entry's flags say.
    pub(super) fn of(flags: [u8; 4]) -> Result<Self, Malformed> {
        match flags {
            PLAIN => Ok(Self::Plain),
            LZ4 => Ok(Self::Lz4),
            _ => Err(Malformed("flags")),
        }
    }

    /// The rows; `None` where there are more than `largest` bytes of them. No memory is taken for them before their length is known to be possible and allowed.
    pub(super) fn rows(self, payload: Bytes, largest: usize) -> Result<Option<Bytes>, Malformed> {
        if self == Self::Plain {
            return Ok(Some(payload));
        }
        let (length, block) = payload.split_first_chunk().ok_or(Malformed("cut short"))?;
        let wrong = Malformed("length of the compressed rows");
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| wrong)?;
        if length > block.len().saturating_mul(MOST_HELD) {
            return Err(wrong);
        }
        if length > largest {
            return Ok(None);
        }
        let mut rows = vec![0; length];
        match block::decompress_into(block, &mut rows) {
            Ok(held) if held == length => Ok(Some(rows.into())),
            Ok(_) => Err(wrong),
            Err(_) => Err(Malformed("compressed rows")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    const LARGEST: usize = 1 << 20;

    /// Rows as they come: alike, but not the same.
    fn alike(length: usize) -> Vec<u8> {
        let rows = (0_u32..).flat_map(|row| [&[0, 0, 0, 8][..], &row.to_be_bytes(), b"\0\0\0\x05draft\xff\xff\xff\xff"].concat());
        rows.take(length).collect()
    }

    fn random(length: usize) -> Vec<u8> {
        let mut rng = StdRng::seed_from_u64(1);
        (0..length).map(|_| rng.random()).collect()
    }

    fn back(payload: &Payload<'_>, largest: usize) -> Result<Option<Bytes>, Malformed> {
        Form::of(payload.flags)?.rows(Bytes::copy_from_slice(&payload.bytes), largest)
    }

    #[test]
    fn what_pays_is_compressed_and_everything_comes_back() {
        for length in [0, 1, 11, 12, 13, 64, 1023, 1024, 1025, 65_534, 65_535, 65_536, 300_000] {
            for (rows, pays) in [(alike(length), length >= 64), (random(length), false), (vec![0; length], length >= 64)] {
                for threshold in [0, 1, 1024] {
                    let payload = Payload::compressed(&rows, threshold);
                    if pays || length == 0 {
                        assert_eq!(payload.is_compressed(), pays && length >= threshold, "{length} bytes from {threshold} on");
                    }
                    assert!(!payload.is_compressed() || payload.len() * 10 <= length * 9, "{length} bytes: {}", payload.len());
                    assert_eq!(back(&payload, LARGEST), Ok(Some(rows.clone().into())));
                }
            }
            assert!(!Payload::compressed(&random(length), 0).is_compressed(), "{length} random bytes");
        }
    }

    #[test]
    fn where_they_go_decides_unless_somebody_wishes() {
        let (small, large) = (alike(1023), alike(1024));
        let compressed = |whereabouts, wish| [&small, &large].map(|rows| Payload::bound_for(whereabouts, wish, rows).is_compressed());
        for (whereabouts, usual, wished) in [
            (Whereabouts::Process, [false, false], [false, false]),
            (Whereabouts::Machine, [false, false], [true, true]),
            (Whereabouts::Network, [false, true], [true, true]),
        ] {
            assert_eq!(compressed(whereabouts, Compression::Usual), usual, "{whereabouts:?}");
            assert_eq!(compressed(whereabouts, Compression::From(1023)), wished, "{whereabouts:?}");
            assert_eq!(compressed(whereabouts, Compression::Never), [false, false], "{whereabouts:?}");
        }
    }

    #[test]
    fn more_than_is_allowed_does_not_come_back() {
        let rows = alike(5000);
        let payload = Payload::compressed(&rows, 0);
        assert_eq!(back(&payload, 4999), Ok(None));
        assert_eq!(back(&payload, 5000), Ok(Some(rows.clone().into())));
        assert_eq!(back(&Payload::from(&rows[..]), 10), Ok(Some(rows.into())), "it is in memory already");
    }

    #[test]
    fn a_length_that_is_not_theirs_is_malformed() {
        let rows = alike(5000);
        let payload = Payload::compressed(&rows, 0);
        let told = |length: u64, largest| {
            let bytes = [&length.to_le_bytes(), &payload.bytes[8..]].concat();
            Form::Lz4.rows(bytes.into(), largest)
        };
        assert_eq!(told(5000, LARGEST), Ok(Some(rows.clone().into())));
        for length in [0, 1, 4999, 5001, 6000] {
            assert!(told(length, LARGEST).is_err(), "{length}");
        }
        // Longer than the block could be, whatever is allowed: nothing is reserved for it.
        for length in [255 * payload.len() as u64, 1 << 40, u64::MAX] {
            assert_eq!(told(length, usize::MAX), Err(Malformed("length of the compressed rows")), "{length}");
        }
        for cut in 0..8 {
            assert_eq!(Form::Lz4.rows(Bytes::from(vec![0; cut]), LARGEST), Err(Malformed("cut short")));
        }
    }

    /// A block that is 255 times as long when it is unpacked, told as shorter: it ends where its room does.
    #[test]
    fn a_bomb_gets_the_room_that_it_asked_for() {
        let zeros = vec![0; LARGEST];
        let bomb = Payload::compressed(&zeros, 0);
        assert!(bomb.len() < LARGEST / 200);
        let lie = [&1000_u64.to_le_bytes(), &bomb.bytes[8..]].concat();
        assert_eq!(Form::Lz4.rows(lie.into(), LARGEST), Err(Malformed("compressed rows")));
        assert_eq!(back(&bomb, LARGEST - 1), Ok(None));
        assert_eq!(back(&bomb, LARGEST), Ok(Some(zeros.into())));
    }

    #[test]
    fn cut_and_changed_bytes_never_panic_nor_grow() {
        let rows = alike(3000);
        let payload = Payload::compressed(&rows, 0).bytes.into_owned();
        for length in 0..payload.len() {
            assert!(Form::Lz4.rows(Bytes::copy_from_slice(&payload[..length]), LARGEST).is_err(), "cut to {length}");
        }
        let mut rng = StdRng::seed_from_u64(2);
        let mut refused = 0;
        for _ in 0..20_000 {
            let mut bytes = payload.clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            match Form::Lz4.rows(bytes.into(), 4000) {
                Ok(Some(rows)) => assert!(rows.len() <= 4000),
                Ok(None) => {}
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 1000, "{refused}");
    }

    #[test]
    fn other_flags_are_another_versions() {
        for flags in [[2, 0, 0, 0], [3, 0, 0, 0], [0, 0, 0, 1], [1, 1, 0, 0], [0xff; 4]] {
            assert_eq!(Form::of(flags), Err(Malformed("flags")), "{flags:?}");
        }
    }
}
