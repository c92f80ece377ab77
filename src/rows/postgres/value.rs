//! Whether a value's bytes are of the form that its type has.
//!
//! The driver trusts its server: where a number, an array or a record ends too early, its decoders panic, in the caller's task. What the values mean is not
//! looked at, nor types that are no server's own and have no parts (those of extensions).

use sqlx::postgres::{PgTypeInfo, PgTypeKind};

/// Types of one length, by their OIDs.
const FIXED: [(u32, usize); 22] = [
    // bool, "char", int8, int2, int4, oid
    (16, 1),
    (18, 1),
    (20, 8),
    (21, 2),
    (23, 4),
    (26, 4),
    // point, lseg, box, line, circle
    (600, 16),
    (601, 32),
    (603, 32),
    (628, 24),
    (718, 24),
    // float4, float8, money
    (700, 4),
    (701, 8),
    (790, 8),
    // macaddr8, macaddr
    (774, 8),
    (829, 6),
    // date, time, timestamp, timestamptz, interval, timetz
    (1082, 4),
    (1083, 8),
    (1114, 8),
    (1184, 8),
    (1186, 16),
    (1266, 12),
];

const UUID: u32 = 2950;
const CIDR: u32 = 650;
const INET: u32 = 869;
const PATH: u32 = 602;
const POLYGON: u32 = 604;
const BIT: u32 = 1560;
const VARBIT: u32 = 1562;
const NUMERIC: u32 = 1700;
const JSONB: u32 = 3802;
const RECORD: u32 = 2249;

/// What the values of a column look like, as far as it can be said once for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Anything.
    Any,
    /// So many bytes.
    Fixed(usize),
    /// To be looked at, each.
    Parts,
}

/// What the values of this type look like.
pub(super) fn form(info: &PgTypeInfo) -> Form {
    let Some(oid) = info.oid() else { return Form::Parts };
    match info.kind() {
        PgTypeKind::Simple | PgTypeKind::Pseudo => match oid.0 {
            UUID => Form::Fixed(16),
            JSONB | INET | CIDR | NUMERIC | BIT | VARBIT | POLYGON | PATH | RECORD => Form::Parts,
            oid => FIXED.iter().find(|(fixed, _)| *fixed == oid).map_or(Form::Any, |(_, length)| Form::Fixed(*length)),
        },
        PgTypeKind::Enum(_) => Form::Any,
        PgTypeKind::Domain(base) => form(base),
        PgTypeKind::Array(_) | PgTypeKind::Range(_) | PgTypeKind::Composite(_) => Form::Parts,
    }
}

/// Whether these bytes, which are not NULL's, have the form of this type.
pub(super) fn has_form(bytes: &[u8], info: &PgTypeInfo) -> bool {
    let Some(oid) = info.oid() else { return false };
    match info.kind() {
        PgTypeKind::Simple | PgTypeKind::Pseudo => simple(bytes, oid.0),
        PgTypeKind::Enum(_) => true,
        PgTypeKind::Domain(base) => has_form(bytes, base),
        PgTypeKind::Array(element) => array(bytes, element).is_some(),
        PgTypeKind::Range(bound) => range(bytes, bound).is_some(),
        PgTypeKind::Composite(attributes) => {
            let mut types = attributes.iter().map(|(_, info)| info);
            let known = |oid: u32, bytes: Option<&[u8]>| {
                types
                    .next()
                    .is_some_and(|info| info.oid().is_some_and(|its| its.0 == oid) && bytes.is_none_or(|bytes| has_form(bytes, info)))
            };
            record(bytes, known) == Some(attributes.len())
        }
    }
}

fn simple(bytes: &[u8], oid: u32) -> bool {
    match oid {
        UUID => bytes.len() == 16,
        JSONB => bytes.first() == Some(&1),
        // Family, bits, whether it is a net, length.
        INET | CIDR => {
            matches!(bytes, [2, 0..=32, _, 4, rest @ ..] if rest.len() == 4)
                || matches!(bytes, [3, 0..=128, _, 16, rest @ ..] if rest.len() == 16)
        }
        // Digits (of 10,000), weight, sign, scale.
        NUMERIC => bytes.split_first_chunk().is_some_and(|(count, rest)| {
            let digits = rest.get(6..).unwrap_or_default();
            rest.len() >= 6
                && digits.len() == 2 * usize::from(u16::from_be_bytes(*count))
                && digits.chunks_exact(2).all(|digit| u16::from_be_bytes([digit[0], digit[1]]) < 10_000)
        }),
        BIT | VARBIT => count(bytes).is_some_and(|(bits, rest)| rest.len() == bits.div_ceil(8)),
        POLYGON => points(bytes),
        PATH => bytes.split_first().is_some_and(|(_, rest)| points(rest)),
        // The types of its fields are not described.
        RECORD => record(bytes, |oid, bytes| bytes.is_none_or(|bytes| simple(bytes, oid))).is_some(),
        _ => FIXED.iter().find(|(fixed, _)| *fixed == oid).is_none_or(|(_, length)| bytes.len() == *length),
    }
}

fn points(bytes: &[u8]) -> bool {
    count(bytes).is_some_and(|(points, rest)| points.checked_mul(16) == Some(rest.len()))
}

/// Takes a number that counts something.
fn count(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (count, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(i32::from_be_bytes(*count)).ok()?, rest))
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

/// Takes a value behind its length; none for NULL.
fn counted(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if let Some((u32::MAX, rest)) = number(bytes) {
        return Some((None, rest));
    }
    let (length, rest) = count(bytes)?;
    let (value, rest) = rest.split_at_checked(length)?;
    Some((Some(value), rest))
}

/// Dimensions, flags, the elements' type, each dimension's length and first index, the elements.
fn array(bytes: &[u8], element: &PgTypeInfo) -> Option<()> {
    let (dimensions, rest) = count(bytes).filter(|(dimensions, _)| *dimensions <= 6)?;
    let (_, rest) = number(rest)?;
    let (oid, mut rest) = number(rest)?;
    element.oid().filter(|element| element.0 == oid)?;
    let mut elements = usize::from(dimensions > 0);
    for _ in 0..dimensions {
        let (length, after) = count(rest)?;
        elements = elements.checked_mul(length)?;
        rest = number(after)?.1;
    }
    for _ in 0..elements {
        let (value, after) = counted(rest)?;
        value.is_none_or(|value| has_form(value, element)).then_some(())?;
        rest = after;
    }
    rest.is_empty().then_some(())
}

/// Flags, then the bounds that are there.
fn range(bytes: &[u8], bound: &PgTypeInfo) -> Option<()> {
    const EMPTY: u8 = 1;
    const NO_LOWER: u8 = 8;
    const NO_UPPER: u8 = 16;
    let (flags, mut rest) = bytes.split_first()?;
    for absent in [NO_LOWER, NO_UPPER] {
        if flags & (EMPTY | absent) == 0 {
            let (value, after) = counted(rest)?;
            value.is_none_or(|value| has_form(value, bound)).then_some(())?;
            rest = after;
        }
    }
    rest.is_empty().then_some(())
}

/// The number of fields, then each one's type and value, which must be what is known of it. Gives the number.
fn record(bytes: &[u8], mut known: impl FnMut(u32, Option<&[u8]>) -> bool) -> Option<usize> {
    let (fields, mut rest) = count(bytes)?;
    for _ in 0..fields {
        let (oid, after) = number(rest)?;
        let (value, after) = counted(after)?;
        known(oid, value).then_some(())?;
        rest = after;
    }
    rest.is_empty().then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::statement;
    use super::*;
    use sqlx::{Column, Statement};

    /// A value that is right; cut anywhere, and with a byte more, it is wrong.
    async fn exact(oid: u32, bytes: &[u8]) {
        let statement = statement(&[("a", oid)]).await;
        let info = statement.columns()[0].type_info();
        assert!(has_form(bytes, info), "{info:?} {bytes:?}");
        for end in 0..bytes.len() {
            assert!(!has_form(&bytes[..end], info), "{info:?} cut to {end}");
        }
        assert!(!has_form(&[bytes, b"\0"].concat(), info), "{info:?} and a byte");
    }

    #[tokio::test]
    async fn values_have_the_length_of_their_types() {
        for (oid, length) in FIXED {
            exact(oid, &vec![0; length]).await;
        }
        exact(UUID, &[7; 16]).await;
        exact(INET, &[2, 24, 0, 4, 10, 0, 0, 1]).await;
        exact(CIDR, &[[3, 128, 1, 16].as_slice(), &[0; 16]].concat()).await;
        exact(NUMERIC, &[0, 2, 0, 0, 0, 0, 0, 2, 0, 12, 13, 0x48]).await;
        exact(NUMERIC, &[0, 0, 0, 0, 0xc0, 0, 0, 0]).await;
        exact(VARBIT, &[0, 0, 0, 9, 0xff, 0x80]).await;
        exact(POLYGON, &[[0, 0, 0, 1].as_slice(), &[0; 16]].concat()).await;
        exact(PATH, &[[1, 0, 0, 0, 1].as_slice(), &[0; 16]].concat()).await;
        exact(RECORD, b"\0\0\0\x02\0\0\0\x17\0\0\0\x04\0\0\0\x07\0\0\0\x19\xff\xff\xff\xff").await;
        for bytes in [&b""[..], b"\x02{}"] {
            assert!(!simple(bytes, JSONB));
        }
        assert!(simple(b"\x01{}", JSONB) && simple(b"", 25) && simple(b"x", 17));
        assert!(!simple(&[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10], NUMERIC), "a digit of 10,000");
    }

    #[tokio::test]
    async fn what_has_parts_is_looked_at_part_by_part() {
        const INTS: u32 = 1007;
        const INT_RANGE: u32 = 3904;
        let head = b"\0\0\0\x01\0\0\0\0\0\0\0\x17\0\0\0\x02\0\0\0\x01".as_slice();
        exact(INTS, &[head, b"\0\0\0\x04\0\0\0\x05\xff\xff\xff\xff"].concat()).await;
        exact(INTS, b"\0\0\0\0\0\0\0\0\0\0\0\x17").await;
        exact(INT_RANGE, b"\x02\0\0\0\x04\0\0\0\x01\0\0\0\x04\0\0\0\x05").await;
        exact(INT_RANGE, b"\x08\0\0\0\x04\0\0\0\x01").await;
        exact(INT_RANGE, b"\x01").await;
        let statement = statement(&[("a", INTS), ("b", INT_RANGE)]).await;
        let [ints, range] = [0, 1].map(|index| statement.columns()[index].type_info().clone());
        let lies = [
            // An element of three bytes, of another type, and more of them than anybody could have.
            [head, b"\0\0\0\x03\0\0\x05\xff\xff\xff\xff"].concat(),
            [&head[..8], b"\0\0\0\x14", &head[12..], b"\xff\xff\xff\xff\xff\xff\xff\xff"].concat(),
            b"\0\0\0\x01\0\0\0\0\0\0\0\x17\x7f\xff\xff\xff\0\0\0\x01".to_vec(),
            [b"\0\0\0\x06\0\0\0\0\0\0\0\x17".as_slice(), &b"\x7f\xff\xff\xff\0\0\0\x01".repeat(6)].concat(),
            b"\xff\xff\xff\xff\0\0\0\0\0\0\0\x17".to_vec(),
        ];
        for lie in lies {
            assert!(!has_form(&lie, &ints), "{lie:?}");
        }
        assert!(!has_form(b"\x08\0\0\0\x03\0\0\x01", &range));
    }
}
