//! MariaDB's types.

pub use crate::databases::mysql::*;

#[path = "ways.rs"]
mod ways;

use sqlx::FromRow;
use sqlx::mysql::types::MySqlTime;
use sqlx::types::chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use sqlx::types::{BigDecimal, Decimal, Uuid, time};
use std::fmt::Write;
use ways::{Case, Ways};

#[derive(Debug, PartialEq, sqlx::Type)]
#[sqlx(rename_all = "lowercase")]
enum Mood {
    Sad,
    Happy,
}

#[derive(Debug, sqlx::Type)]
#[sqlx(transparent)]
struct Age(i32);

#[derive(Debug, sqlx::Type)]
#[repr(i32)]
enum Level {
    Low = 1,
    High = 2,
}

#[tokio::test]
async fn scalars() {
    let cases = [
        case!("TINYINT(1)": bool, i8; "0", "1", "-128"),
        case!("BOOLEAN": bool; "TRUE", "FALSE"),
        case!("TINYINT": i8, i16, i32, i64; "-128", "127"),
        case!("TINYINT UNSIGNED": u8, u64; "0", "255"),
        case!("SMALLINT": i16; "-32768", "32767"),
        case!("SMALLINT UNSIGNED": u16; "65535"),
        case!("MEDIUMINT": i32; "-8388608", "8388607"),
        case!("MEDIUMINT UNSIGNED": u32; "16777215"),
        case!("INT": i32, Age; "-2147483648", "2147483647"),
        case!("INT": Level; "1", "2"),
        case!("INT UNSIGNED": u32; "4294967295"),
        case!("INT(5) ZEROFILL": u32; "42"),
        case!("BIGINT": i64; "-9223372036854775808", "9223372036854775807"),
        case!("BIGINT UNSIGNED": u64; "18446744073709551615"),
        case!("DECIMAL(30, 10)": BigDecimal; "-12345678901234567890.0123456789", "0"),
        case!("DECIMAL(20, 5)": Decimal, BigDecimal; "-1.5", "123456789012345.67891"),
        case!("DECIMAL(65, 0)": BigDecimal; "99999999999999999999999999999999999999999999999999999999999999999"),
        case!("FLOAT": f32; "1.5", "-0.0", "3.4e38"),
        case!("DOUBLE": f64; "1.5", "-0.0", "1.7976931348623157e308", "5e-324"),
        case!("BIT(1)": bool; "b'1'", "b'0'"),
        case!("BIT(20)": u32, u64; "b'10101'", "b'11111111111111111111'"),
        case!("BIT(64)": u64; "b'1111111111111111111111111111111111111111111111111111111111111111'"),
        case!("ENUM('sad', 'happy')": Mood, String; "'sad'", "'happy'"),
        case!("SET('a', 'b', 'c')": String; "''", "'a'", "'a,c'"),
        case!("JSON": serde_json::Value, String; "'{\"a\":  [1, 2.50, null]}'"),
        case!("UUID": String; "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
        case!("INET6": ; "'::1'"),
        case!("BINARY(16)": Uuid, Vec<u8>; "x'a0eebc999c0b4ef8bb6d6bb9bd380a11'"),
        case!("GEOMETRY": ; "ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))')"),
        case!("POINT": ; "ST_GeomFromText('POINT(1 2)')"),
    ];
    Ways::check(&cases, "").await;
}

#[tokio::test]
async fn dates_and_times() {
    let cases = [
        case!("YEAR": u16; "1901", "2155"),
        case!("DATE": NaiveDate, time::Date; "'2024-02-29'", "'1000-01-01'", "'9999-12-31'"),
        case!("TIME": NaiveTime, time::Time, MySqlTime; "'00:00:00'", "'23:59:59'"),
        case!("TIME(6)": MySqlTime; "'-838:59:58.999999'", "'-00:00:00.000001'", "'100:00:00'", "'0'"),
        case!("TIME(3)": std::time::Duration; "'100:00:00.5'"),
        case!("TIME": MySqlTime; "'-12:34:56'"),
        case!("DATETIME": NaiveDateTime, time::PrimitiveDateTime; "'2024-02-29 00:00:00'", "'2024-02-29 12:34:56'"),
        case!("DATETIME(6)": NaiveDateTime, time::PrimitiveDateTime; "'2024-02-29 12:34:56.789012'", "'2024-02-29 12:34:56'"),
        case!("TIMESTAMP(6) NULL": DateTime<Utc>, time::OffsetDateTime; "'2024-02-29 12:34:56.789012'", "'1970-01-01 00:00:01'"),
    ];
    Ways::check(&cases, "").await;
    // They call themselves NULL, and carry bytes all the same.
    let zero = [
        case!("DATE": NaiveDate; "'0000-00-00'"),
        case!("DATETIME": NaiveDateTime; "'0000-00-00 00:00:00'"),
        case!("TIMESTAMP NULL": DateTime<Utc>; "'0000-00-00 00:00:00'"),
        case!("DATE": ; "'2024-00-00'"),
    ];
    Ways::check(&zero, "SET SESSION sql_mode = '';").await;
}

#[tokio::test]
async fn texts_and_bytes() {
    let cases = [
        case!("CHAR(10)": String; "''", "'ab'"),
        case!("VARCHAR(100)": String; "''", "'Zürich ☃ \u{10348}'"),
        case!("VARCHAR(100) CHARACTER SET latin1": String; "'Zürich'"),
        case!("VARCHAR(100) COLLATE utf8mb4_bin": String; "'Zürich'"),
        case!("TINYTEXT": String; "'tiny'", "REPEAT('x', 255)"),
        case!("TEXT": String; "''", "REPEAT('text', 1000)"),
        case!("MEDIUMTEXT": String; "REPEAT('text', 20000)"),
        case!("LONGTEXT": String; "REPEAT('text', 20000)"),
        case!("BINARY(4)": Vec<u8>; "x'00ff'"),
        case!("VARBINARY(300)": Vec<u8>; "x''", "x'00ff00'", "REPEAT(x'ff', 251)"),
        case!("TINYBLOB": Vec<u8>; "x'00'"),
        case!("BLOB": Vec<u8>; "x''", "REPEAT(x'00ff', 30000)"),
        case!("MEDIUMBLOB": Vec<u8>; "REPEAT(x'00ff', 40000)"),
        case!("LONGBLOB": Vec<u8>; "REPEAT(x'00ff', 40000)"),
    ];
    Ways::check(&cases, "").await;
}

#[tokio::test]
async fn shapes() {
    let columns: Vec<_> = (0..1_000).map(|number| format!("c{number} INT")).collect();
    let values: Vec<_> = (0..1_000).map(|number| if number % 7 == 0 { "NULL".to_owned() } else { number.to_string() }).collect();
    let ways = Ways::new(&format!(
        "CREATE TABLE wide ({}); INSERT INTO wide VALUES ({}); CREATE TABLE `long` (id BIGINT, name TEXT, note TEXT);
         INSERT INTO `long` SELECT seq, CONCAT('name ', seq), IF(seq % 3 = 0, NULL, REPEAT('x', seq % 50)) FROM seq_1_to_10000;",
        columns.join(", "),
        values.join(", ")
    ))
    .await;
    ways.read("SELECT * FROM wide").await;
    assert_eq!(ways.read("SELECT * FROM `long` ORDER BY id").await[4].len(), 10_000);
    ways.read("SELECT id, id, name AS id FROM `long` AS l WHERE id < 3 ORDER BY l.id").await;
    ways.read("SELECT id AS `☃ a ``quoted`` name; 'and' more`, name AS `Ünïcode`, note AS `` FROM `long` WHERE id = 1").await;
    ways.read("SELECT COUNT(*), COUNT(*), MIN(name), 1, 'text', NULL, 1.5, SUM(id), AVG(id) FROM `long`").await;
    ways.decode("SELECT id, name, note FROM `long` WHERE id IN (3, 4) ORDER BY id", |row| format!("{:?}", Long::from_row(row))).await;
    ways.decode("SELECT id, name FROM `long` WHERE id = 4", |row| format!("{:?}", <(i64, String)>::from_row(row))).await;
}

/// Over a socket's buffer, and over the 16 MiB at which packets are split.
#[tokio::test]
async fn large_values() {
    let mut statements = "CREATE TABLE large (id INT PRIMARY KEY, v LONGBLOB) ENGINE = MyISAM;".to_owned();
    for (id, bytes) in [1 << 20, 8 << 20, (1 << 24) - 20, (1 << 24) - 1, 1 << 24, 17 << 20].iter().enumerate() {
        let _ = write!(statements, "INSERT INTO large VALUES ({id}, REPEAT('x', {bytes}));");
    }
    let ways = Ways::new(&statements).await;
    for id in 0..6 {
        ways.read_large(&format!("SELECT v FROM large WHERE id = {id}")).await;
    }
    ways.read_large("SELECT id, v, id AS again FROM large WHERE id IN (0, 5) ORDER BY id").await;
}

#[derive(Debug, FromRow)]
#[expect(dead_code, reason = "compared as text")]
struct Long {
    id: i64,
    #[sqlx(rename = "name")]
    called: String,
    note: Option<String>,
}
