//! SQLite's storage classes and declared types.

pub use crate::databases::sqlite::*;

#[path = "ways.rs"]
mod ways;

use sqlx::FromRow;
use sqlx::types::chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use sqlx::types::{Json, Uuid, time};
use ways::{Case, Ways};

#[derive(Debug, PartialEq, sqlx::Type)]
#[sqlx(rename_all = "lowercase")]
enum Mood {
    Sad,
    Happy,
}

#[derive(Debug, sqlx::Type)]
#[repr(i64)]
enum Level {
    Low = 1,
    High = 2,
}

/// Every storage class in a column of every kind of declared type.
#[tokio::test]
async fn storage_classes() {
    macro_rules! every {
        ($($declared:literal)*) => {
            [$(case!($declared: ;
                "0", "1", "-9223372036854775808", "9223372036854775807", "1.5", "-0.0", "1e300", "9e999", "-9e999", "''", "'text'", "'12'", "'1.50'",
                "'Zürich ☃ \u{10348}'", "'a' || char(0) || 'b'", "x''", "x'00ff00'", "zeroblob(1000)", "'2024-02-29'", "'2024-02-29 12:34:56'",
            )),*]
        };
    }
    let cases = every!(
        "" "INTEGER" "INT" "BIGINT" "INT8" "INT4" "TINYINT" "REAL" "DOUBLE" "FLOAT" "TEXT" "VARCHAR(10)" "CLOB" "BLOB" "NUMERIC" "DECIMAL(10, 5)" "BOOLEAN" "BOOL"
        "DATE" "TIME" "DATETIME" "TIMESTAMP" "JSON" "\"a type of one's own\""
    );
    Ways::check(&cases, "").await;
}

#[tokio::test]
async fn decoded() {
    let cases = [
        case!("BOOLEAN": bool; "TRUE", "FALSE"),
        case!("INTEGER": i64; "-9223372036854775808", "9223372036854775807"),
        case!("INT4": i32, i64, u32; "1", "2147483647"),
        case!("INTEGER": i8, i16, i32, u8, u16, u32, bool, Level; "1", "2"),
        case!("REAL": f64, f32; "1.5", "-0.0", "9e999"),
        case!("TEXT": String, Vec<u8>; "''", "'a' || char(0) || 'b'", "'Zürich ☃ \u{10348}'"),
        case!("TEXT": Mood; "'sad'", "'happy'"),
        case!("BLOB": Vec<u8>; "x''", "x'00ff'"),
        case!("BLOB": Uuid; "x'a0eebc999c0b4ef8bb6d6bb9bd380a11'"),
        case!("TEXT": sqlx::types::uuid::fmt::Hyphenated; "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
        case!("TEXT": serde_json::Value, Json<serde_json::Value>; "'{\"a\":  [1, 2.50, null]}'"),
        case!("DATE": NaiveDate, time::Date; "'2024-02-29'"),
        case!("TIME": NaiveTime, time::Time; "'12:34:56'", "'12:34:56.789'"),
        case!("DATETIME": NaiveDateTime, DateTime<Utc>, time::PrimitiveDateTime; "'2024-02-29 12:34:56'", "'2024-02-29T12:34:56.789'"),
        case!("DATETIME": DateTime<FixedOffset>, time::OffsetDateTime; "'2024-02-29T12:34:56+02:00'"),
        case!("DATETIME": DateTime<Utc>; "1709210096"),
    ];
    Ways::check(&cases, "").await;
}

#[tokio::test]
async fn shapes() {
    let columns: Vec<_> = (0..2_000).map(|number| format!("c{number} INT")).collect();
    let values: Vec<_> = (0..2_000).map(|number| if number % 7 == 0 { "NULL".to_owned() } else { number.to_string() }).collect();
    let ways = Ways::new(&format!(
        "CREATE TABLE wide ({}); INSERT INTO wide VALUES ({}); CREATE TABLE long (id INTEGER PRIMARY KEY, name TEXT, note TEXT);
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
         INSERT INTO long SELECT n, 'name ' || n, CASE WHEN n % 3 = 0 THEN NULL ELSE substr('xxxxxxxxxxxxxxxxxxxxxxxxx', n % 25) END FROM n;
         CREATE TABLE large (id INTEGER PRIMARY KEY, v BLOB); INSERT INTO large VALUES (1, zeroblob(1048576)), (8, randomblob(8388608)), (17, zeroblob(17825792));",
        columns.join(", "),
        values.join(", ")
    ))
    .await;
    ways.read("SELECT * FROM wide").await;
    assert_eq!(ways.read("SELECT * FROM long ORDER BY id").await[4].len(), 10_000);
    for id in ["id = 1", "id = 8", "id = 17", "true"] {
        ways.read_large(&format!("SELECT * FROM large WHERE {id} ORDER BY id")).await;
    }
    ways.read("SELECT id, id, name AS id FROM long AS l WHERE id < 3 ORDER BY l.id").await;
    ways.read("SELECT id AS \"\u{1F980} a \"\"quoted\"\" name; 'and' more\", name AS \"Ünïcode\", note AS \"\" FROM long WHERE id = 1")
        .await;
    ways.read("SELECT count(*), count(*), min(name), 1, 'text', NULL, 1.5, x'00', id + 1, id || 'x' FROM long").await;
    // An expression has no declared type, and its values' types differ from row to row.
    ways.read(
        "SELECT CASE id % 4 WHEN 0 THEN NULL WHEN 1 THEN id WHEN 2 THEN id / 2.0 ELSE name END AS v FROM long WHERE id < 20 ORDER BY id",
    )
    .await;
    ways.decode("SELECT id, name, note FROM long WHERE id IN (3, 4) ORDER BY id", |row| format!("{:?}", Long::from_row(row))).await;
    ways.decode("SELECT id, name FROM long WHERE id = 4", |row| format!("{:?}", <(i64, String)>::from_row(row))).await;
}

#[derive(Debug, FromRow)]
#[expect(dead_code, reason = "compared as text")]
struct Long {
    id: i64,
    #[sqlx(rename = "name")]
    called: String,
    note: Option<String>,
}
