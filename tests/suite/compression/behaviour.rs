//! Compiled once per database.

use super::{Db, Home, value};
use crate::databases::Snapshot;
use crate::support::Redis;
use sqlx::{AssertSqlSafe, Executor, Pool};
use sqlx_cached::{Builder, CachingExecutor};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

const LARGE: &str = "SELECT id, body FROM notes ORDER BY id";
const SMALL: &str = "SELECT id, body FROM notes WHERE id = 7";

const PLAIN: [u8; 4] = [0; 4];
const COMPRESSED: [u8; 4] = [1, 0, 0, 0];

type Answer = Snapshot<super::TypeInfo>;

struct Fixture {
    home: Home,
    pool: Pool<Db>,
    redis: Redis,
}

async fn answer(executor: impl Executor<'_, Database = Db>, sql: &'static str) -> Answer {
    let rows = sqlx::query(sql).fetch_all(executor).await.expect(sql);
    assert!(!rows.is_empty());
    Snapshot::of(&rows, value)
}

async fn fixture() -> Fixture {
    let home = Home::new().await;
    let pool = home.pool().await;
    let notes: Vec<_> = (0..100).map(|id| format!("({id}, 'note {id}, which says nothing new')")).collect();
    let statements = format!("CREATE TABLE notes (id INT PRIMARY KEY, body VARCHAR(60)); INSERT INTO notes VALUES {}", notes.join(", "));
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&pool).await.expect("a table");
    Fixture { home, pool, redis: Redis::start() }
}

impl Fixture {
    /// An executor as another process would have it.
    async fn executor(&self, configure: impl FnOnce(Builder<Db>) -> Builder<Db>) -> CachingExecutor<Db> {
        // A server that tests share counts what others do to their schemas, too.
        let builder = CachingExecutor::builder(self.home.pool().await).schema_refresh(Duration::ZERO);
        let builder = builder.redis_url(&self.redis.url()).redis_timeout(Duration::from_secs(5)).near_bytes(0);
        // Over a Unix socket it would not compress by itself.
        configure(builder.compression_threshold(Some(1024))).build().await.expect("an executor")
    }

    async fn with_threshold(&self, threshold: Option<usize>) -> CachingExecutor<Db> {
        self.executor(|builder| builder.compression_threshold(threshold)).await
    }

    /// The one entry in Redis.
    fn entry(&self) -> (String, Vec<u8>) {
        let keys: Vec<String> = self.redis.cli(&["KEYS", "sql:notes:data:*"]);
        assert_eq!(keys.len(), 1, "{keys:?}");
        let entry = self.redis.cli(&["GET", &keys[0]]);
        (keys[0].clone(), entry)
    }

    /// What such an executor stores.
    async fn stored(&self, executor: &CachingExecutor<Db>, sql: &'static str) -> Vec<u8> {
        self.redis.cli::<()>(&["FLUSHALL"]);
        assert_eq!(answer(executor, sql).await, answer(&self.pool, sql).await);
        self.entry().1
    }

    /// The answer is in Redis, and right.
    async fn hits(&self, executor: &CachingExecutor<Db>, sql: &'static str) {
        let hits = executor.stats().hits;
        assert_eq!(answer(executor, sql).await, answer(&self.pool, sql).await);
        assert_eq!(executor.stats().hits, hits + 1, "{}", executor.stats());
    }
}

#[tokio::test]
async fn a_large_answer_takes_less_of_redis_and_comes_back_equal() {
    let fixture = fixture().await;
    let plain = fixture.stored(&fixture.with_threshold(None).await, LARGE).await;
    assert_eq!(plain[4..8], PLAIN, "off");

    let writer = fixture.executor(|builder| builder).await;
    let compressed = fixture.stored(&writer, LARGE).await;
    assert_eq!(compressed[4..8], COMPRESSED);
    assert!(plain.len() > 4000 && compressed.len() < plain.len() / 2, "{} of {}", compressed.len(), plain.len());
    let stats = writer.stats();
    assert_eq!(stats.uncompressed_bytes - stats.compressed_bytes, (plain.len() - compressed.len()) as u64);
    fixture.hits(&writer, LARGE).await;
    let reader = fixture.executor(|builder| builder).await;
    fixture.hits(&reader, LARGE).await;

    sqlx::query("UPDATE notes SET body = 'changed' WHERE id = 50").execute(&reader).await.unwrap();
    assert_eq!(answer(&writer, LARGE).await, answer(&fixture.pool, LARGE).await);
    fixture.hits(&reader, LARGE).await;
}

#[tokio::test]
async fn a_small_answer_is_stored_as_it_is() {
    let fixture = fixture().await;
    let writer = fixture.executor(|builder| builder).await;
    assert_eq!(fixture.stored(&writer, SMALL).await[4..8], PLAIN);
    assert_eq!((writer.stats().uncompressed_bytes, writer.stats().compressed_bytes), (0, 0));
    fixture.hits(&writer, SMALL).await;
}

#[tokio::test]
async fn executors_that_do_not_agree_read_each_others_entries() {
    let fixture = fixture().await;
    for (writer, reader, flags) in [(None, Some(1), PLAIN), (Some(1), None, COMPRESSED), (Some(1024), Some(1 << 20), COMPRESSED)] {
        let (writer, reader) = (fixture.with_threshold(writer).await, fixture.with_threshold(reader).await);
        assert_eq!(fixture.stored(&writer, LARGE).await[4..8], flags);
        fixture.hits(&reader, LARGE).await;
        assert_eq!(fixture.entry().1[4..8], flags, "as it was");
    }
}

#[tokio::test]
async fn what_is_near_or_embedded_comes_back_equal_too() {
    let fixture = fixture().await;
    let near = fixture.executor(|builder| builder.near_bytes(16 << 20)).await;
    fixture.stored(&near, LARGE).await;
    for _ in 0..2000 {
        if near.stats().near_hits > 2 {
            break;
        }
        fixture.hits(&near, LARGE).await;
    }
    assert!(near.stats().near_hits > 2, "{}", near.stats());

    let embedded = CachingExecutor::builder(fixture.home.pool().await).schema_refresh(Duration::ZERO).build().await.unwrap();
    for _ in 0..2 {
        assert_eq!(answer(&embedded, LARGE).await, answer(&fixture.pool, LARGE).await);
    }
    let stats = embedded.stats();
    assert_eq!((stats.hits, stats.uncompressed_bytes), (1, 0), "{stats}");
}

#[tokio::test]
async fn by_default_the_way_to_redis_decides() {
    let mut fixture = fixture().await;
    fixture.redis = Redis::configured().tcp().start();
    for (url, flags) in [(fixture.redis.url(), PLAIN), (fixture.redis.tcp_url(), COMPRESSED)] {
        let builder = CachingExecutor::builder(fixture.home.pool().await).schema_refresh(Duration::ZERO);
        let executor = builder.redis_url(&url).redis_timeout(Duration::from_secs(5)).near_bytes(0).build().await.unwrap();
        assert_eq!(fixture.stored(&executor, LARGE).await[4..8], flags, "{url}");
        fixture.hits(&executor, LARGE).await;
    }
}

/// The smaller limit is a matter of its own process: others keep what they may keep.
#[tokio::test]
async fn who_may_keep_less_leaves_it_to_others() {
    let fixture = fixture().await;
    let writer = fixture.executor(|builder| builder).await;
    let entry = fixture.stored(&writer, LARGE).await;
    let small = fixture.executor(|builder| builder.max_entry_bytes(2000)).await;
    for _ in 0..3 {
        assert_eq!(answer(&small, LARGE).await, answer(&fixture.pool, LARGE).await);
    }
    let stats = small.stats();
    assert_eq!((stats.hits, stats.fills, stats.malformed_entries), (0, 0, 0), "{stats}");
    assert_eq!(fixture.entry().1, entry);
    fixture.hits(&writer, LARGE).await;
}

/// As somebody may write them who knows the sum.
#[tokio::test]
async fn lies_about_compressed_rows_are_deleted() {
    let fixture = fixture().await;
    let entry = fixture.stored(&fixture.executor(|builder| builder).await, LARGE).await;
    let (key, _) = fixture.entry();
    // Behind the key: the length of what follows, the length of the rows, the block.
    let at = entry.windows(key.len()).position(|bytes| bytes == key.as_bytes()).expect("the key") + key.len();
    let (head, block) = (&entry[..at], &entry[at + 16..entry.len() - 8]);
    let rows = u64::from_le_bytes(entry[at + 8..at + 16].try_into().unwrap());
    let sealed = |flags: [u8; 4], told: u64, block: &[u8]| {
        let length = (block.len() as u64 + 8).to_le_bytes();
        let mut bytes = [head, &length, &told.to_le_bytes(), block].concat();
        bytes[4..8].copy_from_slice(&flags);
        let sum = xxh3_64(&bytes);
        [&bytes[..], &sum.to_le_bytes()].concat()
    };
    assert_eq!(sealed(COMPRESSED, rows, block), entry);
    let mut flipped = block.to_vec();
    // The first token: how many literals follow.
    flipped[0] ^= 0x80;
    for (what, lie) in [
        ("plain", sealed(PLAIN, rows, block)),
        ("of a later version", sealed([2, 0, 0, 0], rows, block)),
        ("shorter", sealed(COMPRESSED, rows - 1, block)),
        ("longer", sealed(COMPRESSED, rows + 1, block)),
        ("a bomb", sealed(COMPRESSED, u64::MAX, block)),
        ("cut", sealed(COMPRESSED, rows, &block[..block.len() / 2])),
        ("changed", sealed(COMPRESSED, rows, &flipped)),
        ("nothing", sealed(COMPRESSED, rows, &[])),
    ] {
        fixture.redis.cli::<()>(&[b"SET".as_slice(), key.as_bytes(), &lie, b"KEEPTTL"]);
        let reader = fixture.executor(|builder| builder).await;
        assert_eq!(answer(&reader, LARGE).await, answer(&fixture.pool, LARGE).await, "{what}");
        let stats = reader.stats();
        // What is told to be plain is no entry's fault: its rows are no rows.
        let noticed = stats.malformed_entries + stats.replay_errors;
        assert!(stats.hits == 0 && noticed == 1 && stats.store_errors == 0, "{what}: {stats}");
        assert_ne!(fixture.redis.cli::<Vec<u8>>(&["GET", &key]), lie, "{what} is deleted, or something better stands there");
        // It fills what could not be replayed.
        assert_eq!(answer(&reader, LARGE).await, answer(&fixture.pool, LARGE).await, "{what}");
        fixture.hits(&reader, LARGE).await;
    }
}
