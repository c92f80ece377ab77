//! Replays without a server: what a server would say of a statement, we say ourselves.

use super::rehearsal::{nowhere, statement};
use super::*;
use crate::rows::Unreplayable;
use rand::RngExt;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Column, Row, SqlSafeStr, Statement, ValueRef};
use std::task::Poll;

const TEXT: u32 = 25;
const INT4: u32 = 23;

type Values = Vec<Option<Vec<u8>>>;

fn payload(statement: &PgStatement, rows: &[Values]) -> Vec<u8> {
    let columns = u16::try_from(statement.columns().len()).unwrap();
    let mut bytes = (rows.len() as u64).to_le_bytes().to_vec();
    if rows.is_empty() {
        return bytes;
    }
    bytes.extend(columns.to_le_bytes());
    bytes.extend(shape::fingerprint(statement.columns()).unwrap());
    for values in rows {
        let mut row = columns.to_be_bytes().to_vec();
        for value in values {
            let length = value.as_ref().map_or(-1, |value| i32::try_from(value.len()).unwrap());
            row.extend(length.to_be_bytes());
            row.extend(value.iter().flatten());
        }
        bytes.push(b'D');
        bytes.extend(u32::try_from(row.len() + 4).unwrap().to_be_bytes());
        bytes.extend(row);
    }
    bytes
}

fn values(row: &PgRow) -> Values {
    let value = |index| row.try_get_raw(index).unwrap();
    (0..row.columns().len()).map(|index| (!value(index).is_null()).then(|| value(index).as_bytes().unwrap().to_vec())).collect()
}

/// Replays, compares, and records what came out.
async fn round_trip(codec: &Codec, statement: &PgStatement, rows: &[Values]) {
    let bytes = payload(statement, rows);
    let replayed = codec.replay(&nowhere(), statement.sql(), Some(statement), bytes.clone().into()).await.unwrap();
    assert_eq!(replayed.result.rows_affected(), rows.len() as u64);
    assert!(replayed.rows.iter().map(values).eq(rows.iter().cloned()));
    let mut recording = codec.record(bytes.len());
    for row in &replayed.rows {
        assert!(row.columns().iter().map(Column::name).eq(statement.columns().iter().map(Column::name)));
        recording.push(row).unwrap();
    }
    assert!(recording.finish().unwrap() == bytes);
}

#[tokio::test]
async fn rows_come_back_to_the_byte() {
    let codec = Codec::new();
    let few = statement(&[("a", TEXT), ("a", INT4), ("", TEXT), ("\u{e9} \"", TEXT)]).await;
    let row = vec![Some(b"x".to_vec()), Some(vec![0, 0, 0, 7]), None, Some(Vec::new())];
    round_trip(&codec, &few, &[]).await;
    round_trip(&codec, &few, std::slice::from_ref(&row)).await;
    round_trip(&codec, &few, &vec![row.clone(); 1000]).await;
    // Over any socket's buffer, in many messages and in one.
    round_trip(&codec, &few, &vec![row.clone(); 100_000]).await;
    round_trip(&codec, &few, &[vec![Some(vec![1; 5 << 20]), None, None, None], row]).await;
    round_trip(&codec, &statement(&[]).await, &vec![Vec::new(); 3]).await;
    let wide = statement(&vec![("c", INT4); 1664]).await;
    round_trip(&codec, &wide, &vec![vec![Some(vec![0; 4]); 1664]; 30]).await;
}

#[tokio::test]
async fn a_connection_serves_replay_after_replay() {
    let codec = Codec::new();
    let one = statement(&[("a", TEXT)]).await;
    let other = statement(&[("b", INT4), ("c", INT4)]).await;
    // What the driver sends must not pile up; and the columns of one replay must not be those of another.
    for _ in 0..3000 {
        round_trip(&codec, &one, &[vec![Some(b"x".to_vec())]]).await;
        round_trip(&codec, &other, &[vec![None, None]]).await;
    }
    assert_eq!(codec.replayers.at_rest(), (1, 0));
}

/// A text for a statement, so that it is replayed as one that was learnt.
fn text(number: usize) -> SqlStr {
    AssertSqlSafe(format!("SELECT {number}")).into_sql_str()
}

#[tokio::test]
async fn copies_are_what_a_replay_gives() {
    let codec = Codec::new();
    let columns = statement(&[("a", TEXT), ("b", INT4)]).await;
    let row = vec![Some(b"x".to_vec()), None];
    let large = vec![Some(vec![1; 3 << 20]), Some(vec![0; 4])];
    for (number, rows) in
        [vec![], vec![row.clone()], vec![row.clone(); 100], vec![row.clone(); 20_000], vec![large, row]].iter().enumerate()
    {
        let bytes = Bytes::from(payload(&columns, rows));
        for sql in [text(number), AssertSqlSafe(format!("SHOW {number}")).into_sql_str()] {
            codec.teach(&sql, columns.clone());
            let pool = nowhere();
            let one = codec.replay(&pool, &sql, None, bytes.clone()).await.unwrap();
            // The large ones are larger than a socket's buffer as they are.
            for copies in [0, 1, if bytes.len() > 100_000 { 2 } else { 16 }] {
                let all = codec.replay_copies(&pool, &sql, bytes.clone(), copies).await.unwrap();
                assert_eq!(all.len(), copies);
                for copy in all {
                    assert_eq!(copy.result.rows_affected(), one.result.rows_affected());
                    assert!(copy.rows.iter().map(values).eq(rows.iter().cloned()));
                    assert!(
                        copy.rows
                            .iter()
                            .zip(&one.rows)
                            .all(|(copy, row)| format!("{:?}", copy.columns()) == format!("{:?}", row.columns()))
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn copies_of_other_columns_or_of_fewer_rows_are_refused() {
    let codec = Codec::new();
    let columns = statement(&[("a", TEXT)]).await;
    let sql = text(1);
    codec.teach(&sql, columns.clone());
    let mut bytes = payload(&columns, &vec![vec![None]; 3]);
    bytes[0] = 2;
    let result = codec.replay_copies(&nowhere(), &sql, bytes.clone().into(), 2).await;
    assert!(matches!(result, Err(ReplayError::Driver(_))), "{result:?}");
    bytes[0] = 0xff;
    let result = codec.replay_copies(&nowhere(), &sql, bytes.into(), 2).await;
    assert!(matches!(result, Err(ReplayError::Malformed(_))), "{result:?}");
    let bytes = payload(&columns, &[vec![None]]);
    codec.teach(&sql, statement(&[("a", INT4)]).await);
    let result = codec.replay_copies(&nowhere(), &sql, bytes.into(), 2).await;
    assert!(matches!(result, Err(ReplayError::Columns)), "{result:?}");
}

/// The driver looks at a statement's columns once, and then at its text only.
#[tokio::test]
async fn a_text_that_is_learnt_anew_is_replayed_with_its_new_columns() {
    let codec = Codec::new();
    let (sql, pool) = (text(1), nowhere());
    for turn in 0..3 {
        for oid in [TEXT, INT4] {
            let columns = statement(&[("a", oid)]).await;
            codec.teach(&sql, columns.clone());
            let bytes = Bytes::from(payload(&columns, &[vec![Some(vec![0; 4])]]));
            for _ in 0..2 {
                let replayed = codec.replay(&pool, &sql, None, bytes.clone()).await.unwrap();
                assert_eq!(replayed.rows[0].columns()[0].type_info().oid().map(|oid| oid.0), Some(oid), "{turn}");
            }
        }
    }
    assert_eq!(codec.replayers.at_rest(), (1, 0));
}

/// Were a connection kept for ever, the driver would ask in the end that a statement be closed, and wait for an answer.
#[tokio::test]
async fn a_connection_that_has_met_many_statements_is_given_up() {
    let codec = Codec::new();
    let columns = statement(&[("a", TEXT)]).await;
    let bytes = Bytes::from(payload(&columns, &[vec![None]]));
    let pool = nowhere();
    for number in 0..600 {
        codec.teach(&text(number), columns.clone());
        for _ in 0..2 {
            codec.replay(&pool, &text(number), None, bytes.clone()).await.unwrap();
        }
    }
    assert_eq!(codec.replayers.at_rest(), (1, 0));
}

#[tokio::test]
async fn a_statement_is_known_again_by_all_that_a_row_tells_of_it() {
    let mine = Learnt::named(statement(&[("a", TEXT), ("b", INT4)]).await).unwrap();
    assert!(mine.is(mine.statement()) && mine.is(&statement(&[("a", TEXT), ("b", INT4)]).await));
    for other in [&[("a", TEXT)][..], &[("a", TEXT), ("c", INT4)], &[("a", TEXT), ("b", TEXT)]] {
        assert!(!mine.is(&statement(other).await), "{other:?}");
    }
    let origin = rehearsal::statement_of(&[("a", TEXT), ("b", INT4)], 16_384).await;
    assert!(!mine.is(&origin) && mine.fingerprint() == Learnt::unnamed(origin).unwrap().fingerprint());
}

#[tokio::test]
async fn other_columns_are_a_miss() {
    let codec = Codec::new();
    let columns = statement(&[("a", TEXT)]).await;
    let bytes = payload(&columns, &[vec![None]]);
    for others in [&[("a", INT4)][..], &[("b", TEXT)], &[("a", TEXT), ("a", TEXT)], &[]] {
        let others = statement(others).await;
        let result = codec.replay(&nowhere(), columns.sql(), Some(&others), bytes.clone().into()).await;
        assert!(matches!(result, Err(ReplayError::Columns)));
    }
    let malformed = codec.replay(&nowhere(), columns.sql(), Some(&columns), bytes[..bytes.len() - 1].to_vec().into()).await;
    assert!(matches!(malformed, Err(ReplayError::Malformed(_))));
}

#[tokio::test]
async fn rows_of_other_columns_and_too_many_bytes_are_refused() {
    let codec = Codec::new();
    let mut rows = Vec::new();
    for name in ["a", "b"] {
        let statement = statement(&[(name, TEXT)]).await;
        let bytes = payload(&statement, &[vec![Some(b"value".to_vec())]]);
        rows.extend(codec.replay(&nowhere(), statement.sql(), Some(&statement), bytes.into()).await.unwrap().rows);
    }
    let mut recording = codec.record(usize::MAX);
    assert_eq!(recording.push(&rows[0]), Ok(()));
    assert_eq!(recording.push(&rows[1]), Err(Unreplayable::MixedColumns));
    for limit in 0..58 {
        let mut recording = codec.record(limit);
        assert_eq!(recording.push(&rows[0]), Err(Unreplayable::TooLarge), "{limit}");
    }
    assert_eq!(codec.record(58).push(&rows[0]), Ok(()));
}

#[tokio::test]
async fn a_mutated_payload_gives_rows_or_an_error() {
    let codec = Codec::new();
    let statement = statement(&[("a", TEXT), ("b", INT4)]).await;
    let whole = payload(&statement, &vec![vec![Some(b"some text".to_vec()), None]; 3]);
    let mut random = rand::rng();
    for _ in 0..5000 {
        let mut bytes = whole.clone();
        let place = random.random_range(0..bytes.len());
        bytes[place] = random.random();
        match codec.replay(&nowhere(), statement.sql(), Some(&statement), bytes.into()).await {
            Ok(replayed) => assert_eq!(replayed.rows.iter().map(values).count(), 3),
            Err(ReplayError::Driver(error)) => panic!("the check let something through: {error}"),
            Err(_) => {}
        }
    }
}

#[tokio::test]
async fn a_dropped_replay_costs_only_its_connection() {
    let codec = Codec::new();
    let statement = statement(&[("a", TEXT)]).await;
    let small = [vec![Some(b"x".to_vec())]];
    round_trip(&codec, &statement, &small).await;
    round_trip(&codec, &statement, &[vec![Some(vec![1; 100 << 10])]]).await;
    assert_eq!(codec.replayers.at_rest(), (1, 1));
    let large = Bytes::from(payload(&statement, &[vec![Some(vec![1; 5 << 20])]]));
    let pool = nowhere();
    let mut replay = codec.replay(&pool, statement.sql(), Some(&statement), large);
    // It takes the connection that the replay before left, and can't finish at once.
    assert!(std::future::poll_fn(|context| Poll::Ready(replay.as_mut().poll(context).is_pending())).await);
    assert_eq!(codec.replayers.at_rest(), (1, 0));
    drop(replay);
    assert_eq!(codec.replayers.at_rest(), (1, 0));
    round_trip(&codec, &statement, &small).await;

    // Of many copies, some may have come out by then.
    codec.teach(statement.sql(), statement.clone());
    let bytes = Bytes::from(payload(&statement, &vec![small[0].clone(); 50_000]));
    let mut replay = codec.replay_copies(&pool, statement.sql(), bytes, 16);
    assert!(std::future::poll_fn(|context| Poll::Ready(replay.as_mut().poll(context).is_pending())).await);
    drop(replay);
    assert_eq!(codec.replayers.at_rest(), (1, 0));
    round_trip(&codec, &statement, &small).await;
}

/// The connections of small answers belong to no runtime, so they outlive whichever was there first.
#[test]
fn a_connection_outlives_the_runtime_that_needed_it_first() {
    let codec = Codec::new();
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { round_trip(&codec, &statement(&[("a", TEXT)]).await, &[vec![Some(b"x".to_vec())]]).await });
        assert_eq!(codec.replayers.at_rest(), (1, 0));
    }
}

/// As where the system's administrator has made the sockets' buffers small.
#[tokio::test]
async fn where_an_answer_does_not_fit_the_driver_is_one_that_is_watched() {
    let codec = Codec::new();
    let statement = statement(&[("a", TEXT)]).await;
    let small = [vec![Some(b"x".to_vec())]];
    round_trip(&codec, &statement, &small).await;
    assert!(!codec.replayers.gives_up(&sqlx::Error::WorkerCrashed) && codec.replayers.of(7).1);
    assert!(codec.replayers.gives_up(&sqlx::Error::Io(std::io::ErrorKind::WouldBlock.into())) && !codec.replayers.of(7).1);
    round_trip(&codec, &statement, &small).await;
    assert_eq!(codec.replayers.at_rest(), (1, 1));
}

#[test]
fn only_show_and_explain_are_not_counted() {
    for sql in
        ["SELECT 1", " (select 1)", "WITH a AS (SELECT 1) TABLE a", "", "-- show", "/* /* */ show */ select 1", "showing", "VALUES (1)"]
    {
        assert!(counts(sql), "{sql}");
    }
    for sql in ["SHOW server_version", "\n--select\n explain select 1", "/* a /* b */ c*/EXPLAIN(COSTS off) SELECT 1", "/**/show all"] {
        assert!(!counts(sql), "{sql}");
    }
}
