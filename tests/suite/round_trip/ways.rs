//! The five ways.

use super::{Db, Home, NAME, Row, value};
use crate::databases::Snapshot;
use crate::support::Redis;
use sqlx::{AssertSqlSafe, Pool};
use sqlx_cached::{Builder, CachingExecutor, Stats};
use std::fmt::Write;
use std::time::Duration;

/// One database with executors in front of it.
pub struct Ways {
    pub direct: Pool<Db>,
    memory: CachingExecutor<Db>,
    first: CachingExecutor<Db>,
    second: CachingExecutor<Db>,
    _redis: Redis,
    _home: Home,
}

/// A type and some of its values.
pub struct Case {
    /// The column's type, as declared.
    pub declared: &'static str,
    pub literals: &'static [&'static str],
    /// Reads column 1 as each type that it is meant for.
    pub decode: &'static [fn(&Row) -> String],
}

impl Ways {
    /// Runs the statements, then puts the executors in front.
    pub async fn new(statements: &str) -> Self {
        Self::over(Home::new().await, statements).await
    }

    pub async fn over(home: Home, statements: &str) -> Self {
        let direct = home.pool().await;
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&direct).await.expect("the tables");
        let redis = Redis::start();
        let socket = redis.socket().display().to_string();
        // What other tests change on the same server, grants for one, is found out after a while and costs a miss.
        let large = |builder: Builder<Db>| builder.max_entry_bytes(64 << 20).schema_refresh(Duration::ZERO);
        let with_redis = |pool| large(CachingExecutor::builder(pool)).redis_socket(&socket).redis_timeout(Duration::from_secs(20));
        Self {
            memory: large(CachingExecutor::builder(home.pool().await)).build().await.expect("an executor"),
            first: with_redis(home.pool().await).build().await.expect("an executor"),
            second: with_redis(home.pool().await).build().await.expect("an executor"),
            direct,
            _redis: redis,
            _home: home,
        }
    }

    /// Reads a text every way, asserts that the counters say so and that what came is equal, and returns the rows.
    pub async fn read(&self, text: &str) -> [Vec<Row>; 5] {
        let direct = sqlx::query(AssertSqlSafe(text.to_owned())).fetch_all(&self.direct).await.expect("a direct read");
        let all = [
            direct,
            cached(&self.memory, text, (0, 1)).await,
            cached(&self.memory, text, (1, 0)).await,
            cached(&self.first, text, (0, 1)).await,
            cached(&self.second, text, (1, 0)).await,
        ];
        let expected = Snapshot::of(&all[0], value);
        for (rows, way) in all.iter().zip(["", "a memory miss", "a memory hit", "a Redis miss", "a Redis hit"]).skip(1) {
            let difference = expected.difference(&Snapshot::of(rows, value));
            assert_eq!(difference, None, "{NAME}, {text}: direct / {way}");
        }
        all
    }

    /// The same for what the embedded store may find too large to keep.
    pub async fn read_large(&self, text: &str) {
        let direct = sqlx::query(AssertSqlSafe(text.to_owned())).fetch_all(&self.direct).await.expect("a direct read");
        let expected = Snapshot::of(&direct, value);
        for (executor, hits) in [(&self.memory, 0), (&self.memory, 0), (&self.first, 0), (&self.second, 1)] {
            let before = executor.stats().hits;
            let rows = sqlx::query(AssertSqlSafe(text.to_owned())).fetch_all(executor).await.expect("a read");
            assert_eq!(expected.difference(&Snapshot::of(&rows, value)), None, "{NAME}, {text}");
            assert!(executor.stats().hits >= before + hits, "{NAME}, {text}: {}", executor.stats());
        }
    }

    /// As [`read`](Self::read), and reads the values by `decode`, which must succeed alike.
    pub async fn decode(&self, text: &str, decode: fn(&Row) -> String) {
        for rows in self.compare(text, decode).await {
            assert!(rows.starts_with("Ok("), "{text}: {rows}");
        }
    }

    /// The same, and shows what `decode` made of each row.
    pub async fn compare(&self, text: &str, decode: fn(&Row) -> String) -> Vec<String> {
        let all = self.read(text).await;
        same(text, &all, decode)
    }

    /// Every case in a table of its own: an id, and a column of the type.
    pub async fn check(cases: &[Case], before: &str) {
        let mut statements = before.to_owned();
        for (number, case) in cases.iter().enumerate() {
            let rows: Vec<_> = case.literals.iter().enumerate().map(|(id, literal)| format!("({id}, {literal})")).collect();
            let _ = write!(statements, "CREATE TABLE t{number} (id int PRIMARY KEY, v {});", case.declared);
            let _ = write!(statements, "INSERT INTO t{number} VALUES {}, (1000, NULL);", rows.join(", "));
        }
        let ways = Self::new(&statements).await;
        for (number, case) in cases.iter().enumerate() {
            let text = format!("SELECT id, v FROM t{number} ORDER BY id");
            let all = ways.read(&text).await;
            assert_eq!(all[0].len(), case.literals.len() + 1);
            for decode in case.decode {
                let values = same(case.declared, &all, *decode);
                let ok = values.iter().all(|value| value.starts_with("Ok("));
                assert!(ok && values.last().is_some_and(|value| value == "Ok(None)"), "{}: {values:?}", case.declared);
            }
            // One row is another entry than all rows; an empty answer is one, too.
            ways.read(&format!("SELECT v FROM t{number} WHERE id = 0")).await;
            assert_eq!(ways.read(&format!("SELECT v FROM t{number} WHERE id = -1")).await[4].len(), 0);
        }
    }
}

/// What `decode` makes of each row, the same for every way.
fn same(what: &str, all: &[Vec<Row>; 5], decode: fn(&Row) -> String) -> Vec<String> {
    let direct: Vec<_> = all[0].iter().map(decode).collect();
    for rows in &all[1..] {
        assert_eq!(direct, rows.iter().map(decode).collect::<Vec<_>>(), "{NAME}, {what}");
    }
    direct
}

/// Reads, and asserts by how much the hits and fills have grown.
async fn cached(executor: &CachingExecutor<Db>, text: &str, expected: (u64, u64)) -> Vec<Row> {
    let before = executor.stats();
    let rows = sqlx::query(AssertSqlSafe(text.to_owned())).fetch_all(executor).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    let after = executor.stats();
    let grown = |counter: fn(&Stats) -> u64| counter(&after) - counter(&before);
    assert_eq!((grown(|stats| stats.hits), grown(|stats| stats.fills)), expected, "{NAME}, hits and fills of {text:.200}\n{after}");
    rows
}
