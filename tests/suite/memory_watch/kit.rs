//! Documents by the page, to fill a small Redis with, and what happened when.

use crate::faults::kit::{Home, LEASE, Server};
use crate::support::Redis;
use sqlx::Sqlite;
use sqlx_cached::{Builder, CachingExecutor, MemoryUse, MemoryWatch, Pressure};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// How long answers are kept where there is room, and for how long otherwise.
pub const TTL: Duration = Duration::from_secs(12);
pub const SHORT: Duration = Duration::from_secs(3);

pub const DOCUMENTS: usize = 700;

/// A Redis of 8 MB that evicts nothing.
pub fn small_redis() -> Redis {
    Redis::configured().arguments(&["--maxmemory", "8mb", "--maxmemory-policy", "noeviction"]).start()
}

/// Documents of 16 KiB, which no compression makes smaller than half of that.
pub async fn documents() -> Home<Sqlite> {
    let home = Sqlite::home().await;
    home.run("CREATE TABLE documents (id INTEGER PRIMARY KEY, body TEXT NOT NULL, v INTEGER NOT NULL)").await;
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {DOCUMENTS})");
    home.run(&format!("INSERT INTO documents {numbers} SELECT i, hex(randomblob(8192)), 0 FROM n")).await;
    home
}

/// A watch that looks often.
pub fn watch() -> MemoryWatch {
    MemoryWatch::new().interval(Duration::from_millis(20))
}

pub async fn executor(
    home: &Home<Sqlite>,
    redis: &Redis,
    configure: impl FnOnce(Builder<Sqlite>) -> Builder<Sqlite>,
) -> CachingExecutor<Sqlite> {
    home.build(|builder| {
        let builder = builder.redis_url(&redis.url()).redis_timeout(Duration::from_secs(5)).fence_lease(LEASE);
        configure(builder.default_ttl(TTL).ttl_jitter(0.0).memory_watch(watch()))
    })
    .await
}

/// Reads a document and compares it with what the database says.
pub async fn read(home: &Home<Sqlite>, db: &CachingExecutor<Sqlite>, id: usize) {
    let id = i64::try_from(id).unwrap();
    let sql = "SELECT body, v FROM documents WHERE id = ?";
    let answer: (String, i64) = sqlx::query_as(sql).bind(id).fetch_one(db).await.expect("no error of the cache reaches a reader");
    let direct: (String, i64) = sqlx::query_as(sql).bind(id).fetch_one(&home.plain).await.unwrap();
    assert!(answer == direct, "document {id} is another one");
}

pub async fn memory(db: &CachingExecutor<Sqlite>) -> Option<MemoryUse> {
    db.health().await.memory
}

pub async fn pressure(db: &CachingExecutor<Sqlite>) -> Pressure {
    memory(db).await.map(|memory| memory.pressure).unwrap_or_default()
}

/// The milliseconds that each entry of the documents has left.
pub fn times_left(redis: &Redis) -> Vec<i64> {
    let keys: Vec<String> = redis.cli(&["KEYS", "sql:documents:data:*"]);
    keys.iter().map(|key| redis.cli::<i64>(&["PTTL", key])).filter(|left| *left != -2).collect()
}

/// What the watch saw, whenever that was something new.
pub struct Timeline {
    since: Instant,
    last: Option<(Pressure, u64)>,
    pub text: String,
}

impl Timeline {
    pub fn new() -> Self {
        Self { since: Instant::now(), last: None, text: String::new() }
    }

    /// Notes a change of state, or of the use by a good part.
    pub async fn note(&mut self, db: &CachingExecutor<Sqlite>, what: &str) -> Pressure {
        let Some(memory) = memory(db).await else { return Pressure::Normal };
        let part = memory.limit.map_or(0, |limit| memory.used * 100 / limit);
        let is_news = self.last.is_none_or(|(state, last)| state != memory.pressure || last.abs_diff(part) >= 5);
        if is_news || !what.is_empty() {
            let (at, limit) = (self.since.elapsed(), memory.limit.unwrap_or_default());
            let fills = db.stats().fills;
            let state = format!("{:?}", memory.pressure);
            let _ = writeln!(
                self.text,
                "{:>6.2} s {:>9} of {limit} B ({part:>3} %) {state:<6} {fills:>4} fills {what}",
                at.as_secs_f64(),
                memory.used
            );
            self.last = Some((memory.pressure, part));
        }
        memory.pressure
    }
}
