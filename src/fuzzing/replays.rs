//! Payloads that pass the checks, given to the drivers.

use crate::database::Backend;
use crate::rows::postgres::{self, rehearsal};
use crate::rows::{ReplayError, Replayed, RowCodec, mysql, sqlite};
use bytes::Bytes;
use sqlx::postgres::PgStatement;
use sqlx::types::JsonValue;
use sqlx::{ColumnIndex, Database, Error, MySql, Pool, Postgres, Row, SqlStr, Sqlite, ValueRef};
use std::collections::HashMap;
use std::fmt;
use std::hint::black_box;
use std::sync::Mutex;
use tokio::runtime::Runtime;

/// PostgreSQL's types that a payload can be taken for, by their OIDs: of fixed length, of any, with a form of their own, arrays.
const TYPES: [u32; 24] =
    [16, 17, 18, 20, 21, 23, 25, 26, 114, 700, 701, 790, 869, 1007, 1009, 1022, 1043, 1082, 1114, 1184, 1266, 1560, 2950, 3802];

/// What the replay of any payload is tried with: the codecs, and no database.
pub struct Replays {
    runtime: Runtime,
    postgres: (postgres::Codec, Pool<Postgres>),
    mysql: (mysql::Codec, Pool<MySql>),
    sqlite: (sqlite::Codec, Pool<Sqlite>),
    /// By the columns' types.
    statements: Mutex<HashMap<Vec<u32>, PgStatement>>,
}

impl fmt::Debug for Replays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replays")
    }
}

impl Default for Replays {
    fn default() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _entered = runtime.enter();
        Self {
            postgres: (postgres::Codec::new(), rehearsal::nowhere()),
            mysql: (mysql::Codec::new(), Pool::connect_lazy("mysql://nobody@localhost/nowhere").expect("a URL")),
            sqlite: (sqlite::Codec::new(), Pool::connect_lazy("sqlite::memory:").expect("a URL")),
            statements: Mutex::default(),
            runtime,
        }
    }
}

/// Reads a value as a caller might, whether or not the type fits.
macro_rules! read {
    ($row:expr, $index:expr, $($checked:ty)*; $($any:ty)*) => {
        $(black_box($row.try_get::<$checked, _>($index).is_ok());)*
        $(black_box($row.try_get_unchecked::<$any, _>($index).is_ok());)*
    };
}

impl Replays {
    /// Replays bytes as the payload of each database, and reads every value. Whether any of them took the bytes for rows of its own.
    ///
    /// # Panics
    ///
    /// Where a driver does not take what has passed the checks, or panics over it.
    pub fn check(&self, bytes: &[u8]) -> bool {
        self.runtime.block_on(async {
            let sql = SqlStr::from_static("SELECT");
            let bytes = Bytes::copy_from_slice(bytes);
            let (codec, pool) = &self.mysql;
            let replayed = codec.replay(pool, &sql, None, bytes.clone()).await;
            copied(codec, pool, &sql, &bytes, &replayed).await;
            let in_mysql = taken(
                replayed,
                |_| false,
                |row, index| {
                    read!(row, index, Option<bool> Option<f64> Option<JsonValue>; Option<i64> Option<f64> Option<String> Vec<u8>);
                },
            );
            let (codec, pool) = &self.sqlite;
            // SQLite has limits of its own on columns, names and lengths, and says so when it prepares.
            let refused = |error: &Error| matches!(error, Error::Database(_));
            let replayed = codec.replay(pool, &sql, None, bytes.clone()).await;
            copied(codec, pool, &sql, &bytes, &replayed).await;
            let in_sqlite = taken(replayed, refused, |row, index| {
                read!(row, index, Option<bool> Option<f64> Option<JsonValue>; Option<i64> Option<f64> Option<String> Vec<u8>);
            });
            in_mysql | in_sqlite | self.check_postgres(&sql, bytes).await
        })
    }

    /// With a statement of whose columns they are: how many is said in the bytes, and where they have a fingerprint, each byte stands for a type.
    async fn check_postgres(&self, sql: &SqlStr, bytes: Bytes) -> bool {
        let mut bytes = bytes.to_vec();
        let width = bytes.get(8..10).map_or(0, |width| usize::from(u16::from_le_bytes([width[0], width[1]])));
        let Some(kinds) = bytes.get(postgres::FINGERPRINT).filter(|_| width <= 6) else { return false };
        let types: Vec<u32> = kinds.iter().take(width).map(|kind| TYPES[usize::from(*kind) % TYPES.len()]).collect();
        let known = self.statements.lock().expect("no panic goes on").get(&types).cloned();
        let statement = match known {
            Some(statement) => statement,
            None => {
                let statement = rehearsal::statement(&types.iter().map(|oid| ("a", *oid)).collect::<Vec<_>>()).await;
                let mut statements = self.statements.lock().expect("no panic goes on");
                if statements.len() > 10_000 {
                    statements.clear();
                }
                statements.entry(types).or_insert(statement).clone()
            }
        };
        bytes[postgres::FINGERPRINT].copy_from_slice(&postgres::fingerprint(&statement));
        let (codec, pool) = &self.postgres;
        let bytes = Bytes::from(bytes);
        let replayed = codec.replay(pool, sql, Some(&statement), bytes.clone()).await;
        codec.teach(sql, statement);
        copied(codec, pool, sql, &bytes, &replayed).await;
        taken(
            replayed,
            |_| false,
            |row, index| {
                read!(row, index, Option<bool> Option<f32> Option<f64> Option<JsonValue> Vec<i32> Vec<String> Vec<f64>; Option<i64> Option<String> Vec<u8>);
            },
        )
    }
}

/// What has been replayed once is replayed again, and more than once at a time.
async fn copied<DB: Backend>(
    codec: &DB::Codec,
    pool: &Pool<DB>,
    sql: &SqlStr,
    bytes: &Bytes,
    replayed: &Result<Replayed<DB>, ReplayError>,
) {
    if let Ok(replayed) = replayed {
        let copies = codec.replay_copies(pool, sql, bytes.clone(), 3).await.expect("what was replayed before");
        assert_eq!(copies.iter().map(|copy| copy.rows.len()).collect::<Vec<_>>(), [replayed.rows.len(); 3]);
    }
}

/// Whether these are rows; their values were then read.
fn taken<DB: Database>(
    replayed: Result<Replayed<DB>, ReplayError>,
    refused: impl Fn(&Error) -> bool,
    read: impl Fn(&DB::Row, usize),
) -> bool
where
    usize: ColumnIndex<DB::Row>,
{
    match replayed {
        Ok(replayed) => {
            for row in &replayed.rows {
                for (index, column) in row.columns().iter().enumerate() {
                    black_box(format!("{column:?}"));
                    black_box(row.try_get_raw(index).expect("a value").is_null());
                    read(row, index);
                }
            }
            true
        }
        Err(ReplayError::Driver(error)) => {
            assert!(refused(&error), "passed the checks, and the driver does not take it: {error}");
            false
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use std::path::Path;

    /// What `fuzz/run` begins with.
    fn seeds() -> Vec<(String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
    }

    #[test]
    fn the_fuzzers_seeds_are_replayed_and_so_is_what_passes_of_their_mutations() {
        let replays = Replays::default();
        let mut rng = StdRng::seed_from_u64(7);
        let seeds = seeds();
        assert!(seeds.len() >= 6, "of each database some");
        for (name, seed) in &seeds {
            assert!(replays.check(seed), "{name}");
            let taken = (0..500).filter(|_| {
                let mut bytes = seed.clone();
                let at = rng.random_range(0..bytes.len());
                bytes[at] ^= 1 << rng.random_range(0..8);
                replays.check(&bytes)
            });
            let taken = taken.count();
            assert!((1..500).contains(&taken), "{name}: {taken} of 500 mutations pass");
        }
    }
}
