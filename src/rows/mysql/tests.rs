use super::Codec;
use super::payload::{Answer, Recorder};
use super::wire::{self, ColumnDefinition};
use crate::rows::{Recording, ReplayError, Replayed, RowCodec, Unreplayable};
use bytes::Bytes;
use sqlx::decode::Decode;
use sqlx::mysql::{MySqlPoolOptions, MySqlRow};
use sqlx::{Column, MySql, Row, SqlStr, Type, ValueRef};
use std::fmt::Debug;

const ANY: usize = 1 << 30;

fn capture(rows: &[MySqlRow]) -> Result<Vec<u8>, Unreplayable> {
    let mut recording = Box::new(Recorder::new(ANY));
    for row in rows {
        recording.push(row)?;
    }
    recording.finish()
}

async fn replay(codec: &Codec, payload: Vec<u8>) -> Result<Replayed<MySql>, ReplayError> {
    let pool = MySqlPoolOptions::new().connect_lazy("mysql://nobody@localhost/nowhere").unwrap();
    codec.replay(&pool, &SqlStr::from_static("SELECT"), None, Bytes::from(payload)).await
}

/// What a decode of a value as `T` says, checked as the caller's `try_get` checks or not at all.
fn decoded<'r, T: Decode<'r, MySql> + Type<MySql> + Debug>(row: &'r MySqlRow, index: usize) -> String {
    format!("{:?} {:?}", row.try_get::<T, _>(index), row.try_get_unchecked::<T, _>(index))
}

/// All that the public interface tells of a row.
fn told(row: &MySqlRow) -> Vec<String> {
    use sqlx::types::{BigDecimal, Decimal, JsonValue, Uuid, chrono, time};
    let mut told = vec![format!("{} columns", row.len())];
    for (index, column) in row.columns().iter().enumerate() {
        let raw = row.try_get_raw(index).unwrap();
        // The debug form has flags, collation, size and origin.
        told.push(format!("{column:?} {:?} {}", raw.type_info(), raw.is_null()));
        told.push(format!("by name {:?}", row.try_get_raw(column.name()).map(|value| value.type_info().into_owned())));
        told.push(format!("{:?}", <&[u8] as Decode<MySql>>::decode(raw).ok()));
        told.push(decoded::<Option<i64>>(row, index));
        told.push(decoded::<Option<u64>>(row, index));
        told.push(decoded::<Option<bool>>(row, index));
        told.push(decoded::<Option<f64>>(row, index));
        told.push(decoded::<Option<String>>(row, index));
        told.push(decoded::<Vec<u8>>(row, index));
        told.push(decoded::<Option<Decimal>>(row, index));
        told.push(decoded::<Option<BigDecimal>>(row, index));
        told.push(decoded::<Option<Uuid>>(row, index));
        told.push(decoded::<Option<JsonValue>>(row, index));
        if ["DATE", "DATETIME", "TIMESTAMP", "TIME"].contains(&sqlx::TypeInfo::name(column.type_info())) {
            told.push(decoded::<Option<chrono::NaiveDateTime>>(row, index));
            told.push(format!("{:?}", row.try_get::<Option<chrono::NaiveDate>, _>(index)));
            told.push(format!("{:?}", row.try_get::<Option<time::PrimitiveDateTime>, _>(index)));
            told.push(format!("{:?}", row.try_get::<Option<sqlx::mysql::types::MySqlTime>, _>(index)));
        }
    }
    told
}

/// A payload made by hand: one column of each given type, its name from its place, and the rows' packets.
fn payload(types: &[u8], rows: &[&[u8]]) -> Vec<u8> {
    let mut out = b"M\x01".to_vec();
    out.extend_from_slice(&(rows.len() as u64).to_le_bytes());
    let mut put = |packet: &[u8]| {
        out.extend_from_slice(&u32::try_from(packet.len()).unwrap().to_le_bytes());
        out.extend_from_slice(packet);
    };
    let mut count = Vec::new();
    wire::put_integer(&mut count, types.len() as u64);
    put(&count);
    for (number, type_number) in types.iter().enumerate() {
        let name = format!("c{number}");
        let table = if number % 2 == 0 { "" } else { "schema.table" };
        let alias = if number % 4 == 1 { "größe \"🦀\"" } else { "" };
        let mut packet = Vec::new();
        let max_size = u32::try_from(number).unwrap();
        ColumnDefinition { table, name: &name, alias, collation: 45, max_size, type_number: *type_number, flags: 0x8001 }.put(&mut packet);
        put(&packet);
    }
    for row in rows {
        put(row);
    }
    put(&wire::END);
    out
}

/// One value of every layout, and a row of NULLs.
fn sample() -> Vec<u8> {
    let types = [0x01, 0x02, 0x03, 0x08, 0x04, 0x05, 0xfd, 0xf6, 0x0c, 0x0a, 0x0b, 0x0b, 0x06, 0xf7, 0x10, 0xfc];
    let mut row = vec![0, 0, 0b0100_0000, 0];
    row.extend_from_slice(&[0xff, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0x80]);
    row.extend_from_slice(&1.5_f32.to_le_bytes());
    row.extend_from_slice(&(-0.0_f64).to_le_bytes());
    row.extend_from_slice(b"\x04text\x0512.34");
    row.extend_from_slice(&[7, 0xe8, 7, 2, 29, 12, 34, 56, 0, 12, 1, 34, 0, 0, 0, 22, 59, 59, 1, 0, 0, 0, 8, 0, 1, 0, 0, 0, 1, 2, 3]);
    row.extend_from_slice(b"\x03red\x01\x05");
    row.extend_from_slice(&[0xfc, 0x2c, 0x01]);
    row.extend_from_slice(&[7; 300]);
    payload(&types, &[&row, &[0, 0xfc, 0xff, 0x03]])
}

#[tokio::test]
async fn rows_made_by_hand_come_back_and_are_captured_alike() {
    let codec = Codec::new();
    let mut last = None;
    for _ in 0..3 {
        let replayed = replay(&codec, sample()).await.unwrap();
        let row = &replayed.rows[0];
        assert_eq!((row.get::<i8, _>(0), row.get::<i64, _>("c3"), row.get::<String, _>("c6")), (-1, i64::MIN + 3, "text".to_owned()));
        assert_eq!(capture(&replayed.rows).unwrap(), sample());
        let now: Vec<_> = replayed.rows.iter().map(told).collect();
        assert!(last.replace(now.clone()).is_none_or(|last| last == now));
    }
}

#[tokio::test]
async fn long_values_and_wide_rows() {
    let codec = Codec::new();
    for length in
        [250, 251, 0xffff, 0x1_0000, 0xff_ffff - 8, 0xff_ffff - 7, 0xff_ffff - 6, 0xff_ffff, 0x1ff_fffe - 11, 0x1ff_fffe - 10, 40 << 20]
    {
        let mut row = vec![0, 0];
        wire::put_bytes(&mut row, &vec![b'x'; length]);
        let bytes = payload(&[0xfb], &[&row, &[0, 4], &row]);
        let replayed = replay(&codec, bytes.clone()).await.unwrap();
        assert_eq!(
            replayed.rows.iter().map(|row| row.get_unchecked::<Option<&[u8]>, _>(0).map(<[u8]>::len)).collect::<Vec<_>>(),
            [Some(length), None, Some(length)]
        );
        assert!(capture(&replayed.rows).unwrap() == bytes);
    }
    for width in [1, 6, 7, 250, 251, 1_000, 4_096] {
        let mut row = vec![0; 1 + wire::null_bytes(width)];
        row.extend((0..width).flat_map(|number| u16::try_from(number).unwrap().to_le_bytes()));
        let replayed = replay(&codec, payload(&vec![2; width], &[&row])).await.unwrap();
        assert_eq!(replayed.rows[0].len(), width);
        assert_eq!(usize::from(replayed.rows[0].get_unchecked::<u16, _>(width - 1)), width - 1);
    }
}

#[tokio::test]
async fn copies_are_what_a_replay_gives() {
    let codec = Codec::new();
    let pool = MySqlPoolOptions::new().connect_lazy("mysql://nobody@localhost/nowhere").unwrap();
    let sql = SqlStr::from_static("SELECT");
    let mut long = vec![0, 0];
    wire::put_bytes(&mut long, &vec![b'x'; 0xff_ffff]);
    let many = payload(&[0x02], &vec![&[0, 0, 1, 2][..]; 20_000]);
    for bytes in [capture(&[]).unwrap(), sample(), payload(&[0x06], &[&[0, 4]]), many, payload(&[0xfb], &[&long, &[0, 4]])] {
        let one = replay(&codec, bytes.clone()).await.unwrap();
        // To decode a long value in every way takes seconds; its bytes are compared below.
        let looked_at = if bytes.len() > 1 << 20 { 0 } else { 10 };
        let told_of: Vec<_> = one.rows.iter().take(looked_at).map(told).collect();
        // The large ones are larger than a socket's buffer as they are.
        for copies in [0, 1, if bytes.len() > 100_000 { 2 } else { 16 }] {
            let all = codec.replay_copies(&pool, &sql, bytes.clone().into(), copies).await.unwrap();
            assert_eq!(all.len(), copies);
            for copy in all {
                assert_eq!(
                    (copy.result.rows_affected(), copy.result.last_insert_id()),
                    (one.result.rows_affected(), one.result.last_insert_id())
                );
                assert!(copy.rows.iter().take(looked_at).map(told).eq(told_of.iter().cloned()));
                assert!(capture(&copy.rows).unwrap() == bytes);
            }
        }
    }
}

#[tokio::test]
async fn what_is_trusted_is_read_alike_or_refused() {
    let good = sample();
    let parsed = Answer::parse(&good.clone().into()).unwrap();
    assert_eq!(Answer::trust(&good.clone().into()).unwrap(), parsed);
    assert_eq!([parsed.columns(), parsed.messages(), parsed.end()].concat(), good[10..]);
    assert_eq!(parsed.end()[4..], wire::END);
    for end in 0..good.len() {
        assert!(Answer::trust(&Bytes::copy_from_slice(&good[..end])).is_err(), "{end}");
    }
    // Rows that aren't there.
    for (rows, refused) in [(0xff, true), (3, false)] {
        let mut lie = good.clone();
        lie[2] = rows;
        assert_eq!(Answer::trust(&Bytes::from(lie.clone())).is_err(), refused && good.len() / 5 < 0xff);
        let pool = MySqlPoolOptions::new().connect_lazy("mysql://nobody@localhost/nowhere").unwrap();
        assert!(Codec::new().replay_copies(&pool, &SqlStr::from_static("SELECT"), lie.into(), 2).await.is_err());
    }
}

#[tokio::test]
async fn no_rows() {
    let replayed = replay(&Codec::new(), capture(&[]).unwrap()).await.unwrap();
    assert_eq!((replayed.rows.len(), replayed.result.rows_affected()), (0, 0));
}

#[tokio::test]
async fn mutated_payloads_never_panic() {
    let good = sample();
    let codec = Codec::new();
    let mut state = 1_u64;
    let mut next = |below: usize| {
        // xorshift: the same bytes each time.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for end in 0..good.len() {
        assert!(Answer::parse(&Bytes::copy_from_slice(&good[..end])).is_err());
    }
    let mut replays = 0;
    for _ in 0..50_000 {
        let mut bad = good.clone();
        for _ in 0..=next(3) {
            // The long value at the end would take most of the hits.
            let at = next(bad.len() - 320);
            bad[at] = u8::try_from(next(256)).unwrap();
        }
        if Answer::parse(&Bytes::copy_from_slice(&bad)).is_ok() && replays < 2_000 {
            replays += 1;
            // What passes the checks is what the driver takes without an error, not only without a panic.
            let replayed = replay(&codec, bad).await.unwrap();
            assert_eq!(replayed.rows.len(), 2);
        }
    }
    assert!(replays > 1_000);
    for bytes in [
        &b""[..],
        b"M",
        b"M\x01\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0\xfa",
        b"M\x01\x01\0\0\0\0\0\0\0\x09\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert!(matches!(replay(&codec, bytes.to_vec()).await, Err(ReplayError::Malformed(_))));
    }
}

#[tokio::test]
async fn limits() {
    let replayed = replay(&Codec::new(), sample()).await.unwrap();
    for limit in 0..sample().len() {
        let mut recording = Box::new(Recorder::new(limit));
        let result = replayed.rows.iter().try_for_each(|row| recording.push(row));
        assert_eq!(result.and_then(|()| recording.finish().map(|_| ())), Err(Unreplayable::TooLarge));
    }
    let other = replay(&Codec::new(), payload(&[1], &[&[0, 0, 5]])).await.unwrap();
    let mut recording = Recorder::new(ANY);
    recording.push(&replayed.rows[0]).unwrap();
    assert_eq!(recording.push(&other.rows[0]), Err(Unreplayable::MixedColumns));
}

#[tokio::test]
async fn cancelled_replays_cost_only_their_connection() {
    let mut row = vec![0, 0];
    wire::put_bytes(&mut row, &vec![b'x'; 1 << 20]);
    let bytes = payload(&[0xfb], &[&row[..]; 8]);
    let codec = Codec::new();
    for micros in (0..20).map(|number| number * 300) {
        let _ = tokio::time::timeout(std::time::Duration::from_micros(micros), replay(&codec, bytes.clone())).await;
    }
    assert!(capture(&replay(&codec, bytes.clone()).await.unwrap().rows).unwrap() == bytes);
}
