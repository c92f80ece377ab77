//! PostgreSQL's types.

pub use crate::databases::postgres::*;

#[path = "ways.rs"]
mod ways;

use serde_json::Value as Json;
use sqlx::postgres::types::{
    Oid, PgBox, PgCiText, PgCircle, PgCube, PgHstore, PgInterval, PgLSeg, PgLTree, PgLine, PgMoney, PgPath, PgPoint, PgPolygon, PgRange,
    PgTimeTz,
};
use sqlx::types::chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use sqlx::types::ipnetwork::IpNetwork;
use sqlx::types::mac_address::MacAddress;
use sqlx::types::{BigDecimal, BitVec, Decimal, Uuid, time};
use sqlx::{Column as _, FromRow, Row as _};
use ways::{Case, Ways};

const TYPES: &str = "
    CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION cube;
    CREATE TYPE mood AS ENUM ('sad', 'so so', 'happy');
    CREATE TYPE item AS (name text, price numeric, mood mood);
    CREATE TYPE parcel AS (main item, more item[]);
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
    CREATE DOMAIN good_mood AS mood CHECK (VALUE <> 'sad');
    CREATE TYPE floats AS RANGE (subtype = float8);
";

#[derive(Debug, PartialEq, sqlx::Type)]
#[sqlx(type_name = "mood", rename_all = "lowercase")]
enum Mood {
    Sad,
    #[sqlx(rename = "so so")]
    SoSo,
    Happy,
}

#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "item")]
struct Item {
    name: Option<String>,
    price: Option<BigDecimal>,
    mood: Option<Mood>,
}

#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "parcel")]
struct Parcel {
    main: Option<Item>,
    more: Vec<Item>,
}

// A domain's values are described as its base type's.
#[derive(Debug, sqlx::Type)]
#[sqlx(transparent)]
struct Positive(i32);

#[derive(Debug, sqlx::Type)]
#[sqlx(transparent)]
struct Email(String);

#[tokio::test]
async fn scalars() {
    let cases = [
        case!("bool": bool; "true", "false"),
        case!("\"char\"": i8; "'a'"),
        case!("int2": i16; "-32768", "0", "32767"),
        case!("int4": i32; "-2147483648", "0", "2147483647"),
        case!("int8": i64; "-9223372036854775808", "9223372036854775807"),
        case!("oid": Oid; "0", "4294967295"),
        case!("float4": f32; "1.5", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "1e-40"),
        case!("float8": f64; "1.5", "'-0'", "'NaN'", "'Infinity'", "5e-324", "1.7976931348623157e308"),
        case!("numeric": BigDecimal; "0", "-1.50", "1e1000", "1e-1000", "123456789.987654321"),
        case!("numeric(20, 5)": Decimal, BigDecimal; "0", "-1.5", "123456789012345.67891"),
        case!("numeric": ; "'NaN'", "'Infinity'", "'-Infinity'"),
        case!("money": PgMoney; "'-92233720368547758.08'", "12.34"),
        case!("text": String; "''", "'plain'", "'Zürich ☃ \u{10348}'", "repeat('long ', 2000)"),
        case!("varchar(20)": String; "''", "'varying'"),
        case!("char(5)": String; "''", "'ab'"),
        case!("name": String; "'a name'"),
        case!("citext": PgCiText; "'MiXed'"),
        case!("bytea": Vec<u8>; "''", "'\\x00ff00'", "decode(repeat('00ff', 5000), 'hex')"),
        case!("uuid": Uuid; "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
        case!("json": Json; "'{\"a\":  [1, 2.50, null]}'", "'null'", "'\"text\"'"),
        case!("jsonb": Json, sqlx::types::Json<std::collections::BTreeMap<String, Json>>; "'{\"b\": [1, 2.50, null], \"a\": {}}'"),
        case!("inet": IpNetwork; "'192.168.0.1/24'", "'::1'"),
        case!("cidr": IpNetwork; "'10.0.0.0/8'", "'2001:db8::/32'"),
        case!("macaddr": MacAddress; "'08:00:2b:01:02:03'"),
        case!("macaddr8": ; "'08:00:2b:01:02:03:04:05'"),
        case!("bit(10)": BitVec; "B'1010101010'"),
        case!("varbit": BitVec; "B''", "B'1'", "B'110011001'"),
        case!("xml": ; "'<a>b</a>'"),
        case!("tsvector": ; "'a fat cat'"),
        case!("tsquery": ; "'fat & cat'"),
        case!("pg_lsn": ; "'16/B374D848'"),
        case!("xid": ; "'4294967295'"),
        case!("tid": ; "'(1,2)'"),
        case!("int2vector": ; "'1 2 3'"),
        case!("oidvector": ; "'1 2 3'"),
        case!("regclass": ; "'pg_class'"),
        case!("jsonpath": ; "'$.a[*]'"),
        case!("hstore": PgHstore; "''", "'a=>1, b=>NULL'"),
        case!("ltree": PgLTree; "'Top.Science'"),
        case!("cube": PgCube; "'(1,2),(3,4)'"),
    ];
    Ways::check(&cases, TYPES).await;
}

#[tokio::test]
async fn dates_and_times() {
    let cases = [
        case!("date": NaiveDate, time::Date; "'2024-02-29'", "'0001-01-01'", "'1999-12-31'"),
        case!("date": ; "'infinity'", "'4713-01-01 BC'"),
        case!("time": NaiveTime, time::Time; "'00:00'", "'23:59:59.999999'"),
        case!("timetz": PgTimeTz<NaiveTime, FixedOffset>, PgTimeTz<time::Time, time::UtcOffset>; "'12:34:56.789+05:30'", "'00:00-08'"),
        case!("timestamp": NaiveDateTime, time::PrimitiveDateTime; "'2024-02-29 12:34:56.789012'", "'1969-12-31 23:59:59'"),
        case!("timestamptz": DateTime<Utc>, DateTime<FixedOffset>, time::OffsetDateTime; "'2024-02-29 12:34:56.789012+02'", "'1969-12-31 23:59:59Z'"),
        case!("timestamptz": ; "'infinity'", "'-infinity'"),
        case!("interval": PgInterval; "'1 year 2 months -3 days 04:05:06.789'", "'0'"),
    ];
    Ways::check(&cases, "").await;
}

#[tokio::test]
async fn arrays_and_ranges() {
    let cases = [
        case!("int4[]": Vec<i32>, Vec<Option<i32>>; "'{}'", "'{1,2,3}'"),
        case!("int4[]": ; "'{{1,2},{3,4}}'", "'[5:6]={1,2}'", "'{1,NULL}'"),
        case!("int2[]": Vec<i16>; "'{1,-2}'"),
        case!("int8[]": Vec<i64>; "'{1,-9223372036854775808}'"),
        case!("bool[]": Vec<bool>; "'{t,f}'"),
        case!("float4[]": Vec<f32>; "'{1.5,NaN}'"),
        case!("float8[]": Vec<f64>; "'{1.5,-0}'"),
        case!("numeric[]": Vec<BigDecimal>, Vec<Decimal>; "'{1.50,-2}'"),
        case!("text[]": Vec<Option<String>>; "ARRAY['a', NULL, '', 'NULL', 'a, \"b\" \\ c']"),
        case!("varchar(10)[]": Vec<String>; "'{a,b}'"),
        case!("bytea[]": Vec<Vec<u8>>; "ARRAY['\\x00'::bytea, '']"),
        case!("uuid[]": Vec<Uuid>; "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'"),
        case!("date[]": Vec<NaiveDate>; "'{2024-02-29}'"),
        case!("timestamptz[]": Vec<DateTime<Utc>>; "'{2024-02-29 12:34:56+02}'"),
        case!("interval[]": Vec<PgInterval>; "'{1 day,2 hours}'"),
        case!("jsonb[]": Vec<Json>; "ARRAY['{\"a\": 1}'::jsonb]"),
        case!("inet[]": Vec<IpNetwork>; "'{10.0.0.1}'"),
        case!("macaddr[]": Vec<MacAddress>; "'{08:00:2b:01:02:03}'"),
        case!("varbit[]": Vec<BitVec>; "'{101,1}'"),
        case!("money[]": Vec<PgMoney>; "'{1.00}'"),
        case!("oid[]": Vec<Oid>; "'{1}'"),
        case!("int4range": PgRange<i32>; "'empty'", "'[1,5)'", "'(,5)'", "'(,)'"),
        case!("int8range": PgRange<i64>; "'[1,5]'"),
        case!("numrange": PgRange<BigDecimal>, PgRange<Decimal>; "'[1.5,2.5]'", "'(1.5,)'"),
        case!("daterange": PgRange<NaiveDate>, PgRange<time::Date>; "'[2024-01-01,2024-02-01)'"),
        case!("tsrange": PgRange<NaiveDateTime>; "'[2024-01-01 00:00,2024-02-01 00:00]'"),
        case!("tstzrange": PgRange<DateTime<Utc>>, PgRange<time::OffsetDateTime>; "'[2024-01-01 00:00Z,)'"),
        case!("int4range[]": Vec<PgRange<i32>>; "'{\"[1,5)\",empty}'"),
        case!("floats": ; "'[1.5,2.5)'"),
        case!("point": PgPoint; "'(1,-2.5)'"),
        case!("line": PgLine; "'{1,2,3}'"),
        case!("lseg": PgLSeg; "'[(1,2),(3,4)]'"),
        case!("box": PgBox; "'((1,2),(3,4))'"),
        case!("path": PgPath; "'((1,2),(3,4))'", "'[(1,2),(3,4)]'"),
        case!("polygon": PgPolygon; "'((1,2),(3,4),(5,6))'"),
        case!("circle": PgCircle; "'<(1,2),3>'"),
        case!("point[]": Vec<PgPoint>; "'{\"(1,2)\"}'"),
    ];
    Ways::check(&cases, TYPES).await;
}

#[tokio::test]
async fn types_of_ones_own() {
    let cases = [
        case!("mood": Mood; "'sad'", "'so so'", "'happy'"),
        case!("mood[]": Vec<Mood>, Vec<Option<Mood>>; "'{}'", "'{sad,happy}'"),
        case!("positive": Positive; "1"),
        case!("positive[]": ; "'{1,2}'"),
        case!("email": Email; "'a@b'"),
        case!("good_mood": ; "'happy'"),
        case!("item": Item; "('a', 1.5, 'sad')", "(NULL, NULL, NULL)"),
        case!("item[]": Vec<Item>; "ARRAY[('a', 1.5, 'sad')::item, (NULL, 2, 'happy')::item]"),
        case!("parcel": Parcel; "(('a', 1.5, 'sad')::item, ARRAY[('b', 2, NULL)::item])"),
    ];
    Ways::check(&cases, TYPES).await;
    let ways = Ways::new(&format!("{TYPES} CREATE TABLE t (m mood NOT NULL, n mood[]); INSERT INTO t VALUES ('happy', '{{sad}}')")).await;
    // What a statement of no column of a table gives its columns.
    ways.decode("SELECT ROW('a'::text, 1::int4) AS record FROM t", |row| format!("{:?}", row.try_get::<(String, i32), _>(0))).await;
    ways.decode("SELECT array_agg(m) FROM t", |row| format!("{:?}", row.try_get::<Vec<Mood>, _>(0))).await;
    ways.decode("SELECT NULL AS nothing, m FROM t", |row| format!("{:?}", row.try_get::<Option<String>, _>("nothing"))).await;
    // The type that a caller sees, with its kind, and what he can't decode.
    for type_info in ways
        .compare("SELECT m, n FROM t", |row| {
            format!("{:?} {:?}", row.column(0).type_info(), row.try_get::<i32, _>(0).map_err(|e| e.to_string()))
        })
        .await
    {
        assert!(type_info.contains("happy") && type_info.contains("Err("), "{type_info}");
    }
}

#[tokio::test]
async fn shapes() {
    let columns: Vec<_> = (0..1_600).map(|number| format!("c{number} int4")).collect();
    let values: Vec<_> = (0..1_600).map(|number| if number % 7 == 0 { "NULL".to_owned() } else { number.to_string() }).collect();
    let ways = Ways::new(&format!(
        "CREATE TABLE wide ({}); INSERT INTO wide VALUES ({}); CREATE TABLE long (id int8, name text, note text);
         INSERT INTO long SELECT n, 'name ' || n, CASE WHEN n % 3 = 0 THEN NULL ELSE repeat('x', n % 50) END FROM generate_series(1, 10000) n;
         CREATE TABLE large (id int, v text, b bytea); INSERT INTO large VALUES (1, repeat('abcdefgh', 131072), NULL),
         (8, repeat('abcdefgh', 1048576), decode(repeat('00ff', 4194304), 'hex')); CREATE TABLE nothing ()",
        columns.join(", "),
        values.join(", ")
    ))
    .await;
    ways.read("SELECT * FROM wide").await;
    assert_eq!(ways.read("SELECT * FROM long ORDER BY id").await[4].len(), 10_000);
    for id in ["id = 1", "id = 8", "true"] {
        ways.read_large(&format!("SELECT * FROM large WHERE {id} ORDER BY id")).await;
    }
    ways.read("SELECT id, id, name AS id FROM long AS l WHERE id < 3 ORDER BY l.id").await;
    ways.read("SELECT id AS \"\u{1F980} a \"\"quoted\"\" name; 'and' more\", name AS \"Ünïcode\" FROM long WHERE id = 1").await;
    ways.read("SELECT count(*), count(*), min(name), 1, 'text' FROM long").await;
    ways.read("SELECT FROM long WHERE id < 4").await;
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
