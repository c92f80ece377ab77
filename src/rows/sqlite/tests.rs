use super::payload::{Payload, Recorder};
use super::{Codec, MOST_VALUES};
use crate::rows::{Recording, ReplayError, Replayed, RowCodec, Unreplayable};
use bytes::Bytes;
use sqlx::decode::Decode;
use sqlx::sqlite::{SqliteConnection, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column, Connection, Executor, Row, SqlStr, Sqlite, Type, Value, ValueRef};
use std::fmt::Debug;

const ANY: usize = 1 << 30;

async fn memory() -> SqliteConnection {
    SqliteConnection::connect(":memory:").await.unwrap()
}

fn capture(rows: &[SqliteRow]) -> Result<Vec<u8>, Unreplayable> {
    let mut recording = Box::new(Recorder::new(ANY));
    for row in rows {
        recording.push(row)?;
    }
    recording.finish()
}

async fn replay(codec: &Codec, payload: Vec<u8>) -> Result<Replayed<Sqlite>, ReplayError> {
    let pool = SqlitePoolOptions::new().connect_lazy("sqlite::memory:").unwrap();
    codec.replay(&pool, &SqlStr::from_static("SELECT"), None, Bytes::from(payload)).await
}

/// What a decode of a value as `T` says, checked as the caller's `try_get` checks or not at all.
fn decoded<'r, T: Decode<'r, Sqlite> + Type<Sqlite> + Debug>(row: &'r SqliteRow, index: usize) -> String {
    format!("{:?} {:?}", row.try_get::<T, _>(index), row.try_get_unchecked::<T, _>(index))
}

/// All that the public interface tells of a row, except for where its columns come from. Decodes without borrowing first.
fn told(row: &SqliteRow) -> Vec<String> {
    let mut told = vec![format!("{} columns", row.len())];
    for (index, column) in row.columns().iter().enumerate() {
        let raw = row.try_get_raw(index).unwrap();
        told.push(format!("{} {:?} {:?}", column.ordinal(), column.name(), column.type_info()));
        told.push(format!("by name {:?}", row.try_get_raw(column.name()).map(|value| value.to_owned().type_info().into_owned())));
        told.push(format!("{:?} {}", raw.type_info(), raw.is_null()));
        told.push(decoded::<Option<f64>>(row, index));
        told.push(format!("{:?}", row.try_get_unchecked::<Option<f64>, _>(index).map(|value| value.map(f64::to_bits))));
        told.push(decoded::<i64>(row, index));
        told.push(decoded::<Option<i32>>(row, index));
        told.push(decoded::<Option<bool>>(row, index));
        told.push(decoded::<Vec<u8>>(row, index));
        told.push(decoded::<Option<String>>(row, index));
        told.push(decoded::<Option<sqlx::types::chrono::NaiveDateTime>>(row, index));
        told.push(decoded::<Option<sqlx::types::chrono::NaiveDate>>(row, index));
        told.push(decoded::<Option<sqlx::types::chrono::NaiveTime>>(row, index));
        told.push(decoded::<Option<sqlx::types::Uuid>>(row, index));
        told.push(decoded::<Option<sqlx::types::JsonValue>>(row, index));
    }
    for index in 0..row.len() {
        // Last, since it forbids other decodings.
        told.push(format!("{:?}", row.try_get_unchecked::<Option<&str>, _>(index)));
    }
    told
}

/// Captures, replays twice (the second time on a connection that knows the statement), and compares.
async fn assert_exact(connection: &mut SqliteConnection, sql: &str) -> usize {
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
    let payload = capture(&rows).unwrap();
    assert_eq!(payload, capture(&rows).unwrap(), "capture leaves the rows as they were");
    let expected: Vec<_> = rows.iter().map(told).collect();
    let codec = Codec::new();
    for _ in 0..2 {
        let replayed = replay(&codec, payload.clone()).await.unwrap();
        assert_eq!(replayed.rows.iter().map(told).collect::<Vec<_>>(), expected, "{sql}");
    }
    let pool = SqlitePoolOptions::new().connect_lazy("sqlite::memory:").unwrap();
    for copies in [0, 1, 3] {
        let all = codec.replay_copies(&pool, &SqlStr::from_static("SELECT"), payload.clone().into(), copies).await.unwrap();
        assert_eq!(all.len(), copies);
        for copy in all {
            assert_eq!(copy.rows.iter().map(told).collect::<Vec<_>>(), expected, "{sql}");
            assert_eq!((copy.result.rows_affected(), copy.result.last_insert_rowid()), (0, 0));
        }
    }
    rows.len()
}

const EVERYTHING: &str = "CREATE TABLE everything (
    id INTEGER PRIMARY KEY, i INT, i4 INT4, i8 INT8, big UNSIGNED BIG INT, r REAL, d DOUBLE PRECISION, t TEXT, v VARCHAR(20), b BLOB,
    o BOOLEAN, o2 BOOL, day DATE, at TIME, stamp DATETIME, ts TIMESTAMP, dec DECIMAL(10,2), num NUMERIC, js JSON, undeclared);
    INSERT INTO everything (id) VALUES (1);
    INSERT INTO everything VALUES (2, 1, 2, 3, 4, 5, 6.5, 'text', 'chars', x'00ff', 1, 0, '2024-02-29', '12:34:56', '2024-02-29 12:34:56',
        1709210096, 12.34, 7, '{\"a\": [1]}', 'x');
    INSERT INTO everything VALUES (9223372036854775807, -9223372036854775808, 'not a number', x'01', 1e300, 9007199254740993, '12', 5, 6.25, 'text in blob',
        2, NULL, 17, 1.5, x'', 'now', 'free', -1, x'7b7d', -0.0);
    INSERT INTO everything VALUES (4, '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '');
    INSERT INTO everything (id, r, d, undeclared) VALUES (5, 9e999, -9e999, 9e999), (6, -0.0, 3, 5e-324), (7, 140737488355328, -140737488355329, 0.1);";

#[tokio::test]
async fn every_declared_type_and_storage_class() {
    let mut connection = memory().await;
    connection.execute(EVERYTHING).await.unwrap();
    assert_eq!(assert_exact(&mut connection, "SELECT * FROM everything").await, 7);
    assert_exact(&mut connection, "SELECT i4, i4 + 1, i, r + 1, count(*), max(day), typeof(b), NULL, CAST(i AS TEXT), (SELECT o FROM everything) FROM everything GROUP BY id").await;
    connection.execute("CREATE VIEW seen AS SELECT id AS a, day AS b, i4 || 'x' AS c FROM everything").await.unwrap();
    assert_exact(&mut connection, "SELECT * FROM seen").await;
    assert_exact(&mut connection, "SELECT i4 FROM everything UNION SELECT t FROM everything").await;
}

#[tokio::test]
async fn names() {
    let mut connection = memory().await;
    for sql in [
        r#"SELECT 1 AS a, 2 AS a, 3 AS "A", 4 AS "", 5 AS "say ""hi""", 6 AS "größe 漢字 🦀", 7 AS "new
line", 8 AS "'; DROP TABLE shape; --", 9 AS "?", 10 AS " padded ", 11 AS """", 12 AS "[x]", 13 AS "`x`", 14 AS "a""""" "#,
        "SELECT 1, 'text', 1 + 1, max(1, 2), NULL, x'00'",
    ] {
        assert_exact(&mut connection, sql).await;
    }
}

#[tokio::test]
async fn extreme_values() {
    let mut connection = memory().await;
    let sql = "SELECT 9223372036854775807 AS i, -9223372036854775808, 0, 9e999, -9e999, -0.0, 0.0, 5e-324, 1.7976931348623157e308, 3.0, \
        'a' || char(0) || 'b', char(0), '', x'', x'00', zeroblob(100000), CAST(zeroblob(3) AS TEXT), '12abc', ' 1 ', '1e3', 'größe 🦀', randomblob(70000), \
        hex(randomblob(70000))";
    assert_exact(&mut connection, sql).await;
    connection.execute("CREATE TABLE stored (x REAL, y)").await.unwrap();
    sqlx::query("INSERT INTO stored VALUES (?, ?), (?, ?)")
        .bind(-0.0_f64)
        .bind(-0.0_f64)
        .bind(1_i64 << 62)
        .bind("a\0b")
        .execute(&mut connection)
        .await
        .unwrap();
    assert_exact(&mut connection, "SELECT x, y, x AS again, -x, x || '' FROM stored").await;
}

#[tokio::test]
async fn many_rows_and_many_columns() {
    let mut connection = memory().await;
    let wide: Vec<String> = (0..2_000).map(|n| format!("{n} AS c{n}")).collect();
    assert_exact(&mut connection, &format!("SELECT {}", wide.join(","))).await;
    for count in [1, 2, 7, 8, 9, 63, 255, 256, 257, 500, 501, 2_048, 2_049, 10_000] {
        let sql = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i, 'row ' || i, i / 2.0, NULL FROM n"
        );
        assert_eq!(assert_exact(&mut connection, &sql).await, count);
    }
}

#[tokio::test]
async fn no_rows() {
    assert_eq!(assert_exact(&mut memory().await, "SELECT 1 WHERE 0").await, 0);
}

#[tokio::test]
async fn utf16_database() {
    let mut connection = memory().await;
    connection
        .execute(
            "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (x TEXT, y); INSERT INTO t VALUES ('größe 🦀', 'a' || char(0) || 'b'), ('', 7)",
        )
        .await
        .unwrap();
    assert_exact(&mut connection, "SELECT x, y, x || 'z' FROM t").await;
}

#[tokio::test]
async fn capture_does_not_hinder_decoding() {
    let mut connection = memory().await;
    let row = connection.fetch_one("SELECT 12, 1.5, 'text', x'ff', '17'").await.unwrap();
    capture(std::slice::from_ref(&row)).unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<i32, _>(0), row.get::<f64, _>(1)), (12, 12, 1.5));
    assert_eq!((row.get_unchecked::<i64, _>(4), row.get_unchecked::<f64, _>(4)), (17, 17.0));
    assert_eq!((row.get::<&str, _>(2), row.get::<&[u8], _>(3), row.get::<&str, _>(4)), ("text", &[0xff][..], "17"));
    assert!(
        row.try_get_unchecked::<i64, _>(4).is_err(),
        "sqlx forbids another decoding after a borrow, which is why capture must not borrow"
    );
    capture(std::slice::from_ref(&row)).unwrap();
}

#[tokio::test]
async fn what_is_refused() {
    let mut connection = memory().await;
    let rows = connection.fetch_all("SELECT CAST(x'ff' AS TEXT)").await.unwrap();
    assert_eq!(capture(&rows), Err(Unreplayable::Value));
    let rows = connection.fetch_all("SELECT 1 AS a; SELECT 1 AS b").await.unwrap();
    assert_eq!(capture(&rows), Err(Unreplayable::MixedColumns));
    let mut small = Recorder::new(1_000);
    let rows = connection.fetch_all("SELECT zeroblob(1000)").await.unwrap();
    assert_eq!(small.push(&rows[0]), Err(Unreplayable::TooLarge));
    let mut small = Recorder::new(1_000);
    let rows = connection.fetch_all("SELECT 1 AS a").await.unwrap();
    assert_eq!((0..1_000).find_map(|_| small.push(&rows[0]).err()), Some(Unreplayable::TooLarge));
}

/// sqlx hands out rows with fewer values than columns after another connection's DROP COLUMN; reading the missing one panics.
#[tokio::test]
async fn row_with_missing_values_is_refused_quietly() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", directory.path().join("db").display());
    let mut one = SqliteConnection::connect(&url).await.unwrap();
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    one.execute("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 2)").await.unwrap();
    let rows = sqlx::query("SELECT * FROM t").fetch_all(&mut one).await.unwrap();
    assert_eq!(rows[0].get::<i64, _>("b"), 2);
    other.execute("ALTER TABLE t DROP COLUMN b").await.unwrap();
    let rows = sqlx::query("SELECT * FROM t").fetch_all(&mut one).await.unwrap();
    assert_eq!(rows[0].len(), 2, "if this fails, sqlx has mended it, and `whole` can go");
    assert_eq!(capture(&rows), Err(Unreplayable::MixedColumns));
    assert_eq!(rows[0].get::<i64, _>("a"), 1);
}

#[tokio::test]
async fn mutated_payloads_never_panic() {
    let mut connection = memory().await;
    connection.execute(EVERYTHING).await.unwrap();
    let rows = sqlx::query("SELECT * FROM everything").fetch_all(&mut connection).await.unwrap();
    let good = capture(&rows).unwrap();
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
        assert!(Payload::parse(&good[..end], MOST_VALUES, 1).is_err());
    }
    let mut replays = 0;
    for _ in 0..20_000 {
        let mut bad = good.clone();
        for _ in 0..=next(3) {
            let at = next(bad.len());
            bad[at] = u8::try_from(next(256)).unwrap();
        }
        if Payload::parse(&bad, MOST_VALUES, 1).is_ok() && replays < 500 {
            replays += 1;
            let _ = replay(&codec, bad).await.unwrap();
        }
    }
    assert!(replays > 100);
    for bytes in [&b""[..], b"S", b"S\x01\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00"] {
        assert!(matches!(replay(&codec, bytes.to_vec()).await, Err(ReplayError::Malformed(_))));
    }
}

#[tokio::test]
async fn cancelled_replays_cost_only_their_connection() {
    let mut connection = memory().await;
    let rows = sqlx::query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i FROM n")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let payload = capture(&rows).unwrap();
    let codec = Codec::new();
    let pool = SqlitePoolOptions::new().connect_lazy("sqlite::memory:").unwrap();
    for micros in (0..20).map(|n| n * 500) {
        let limit = std::time::Duration::from_micros(micros);
        let _ = tokio::time::timeout(limit, replay(&codec, payload.clone())).await;
        let _ = tokio::time::timeout(limit, codec.replay_copies(&pool, &SqlStr::from_static("SELECT"), payload.clone().into(), 3)).await;
    }
    let replayed = replay(&codec, payload).await.unwrap();
    assert_eq!(replayed.rows.iter().map(|row| row.get::<i64, _>(0)).collect::<Vec<_>>(), (1..=20_000).collect::<Vec<_>>());
}
