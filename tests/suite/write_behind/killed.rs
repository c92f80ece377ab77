//! A hundred thousand increments, while their consumer's process and Redis are killed again and again.
//!
//! The consumer is this test binary, run again. With each batch it writes to SQLite, in one transaction: the increments that are new by their ids, all increments, and every id that it was given.

use super::kit::{PATIENCE, cache};
use crate::support::process::ServerProcess;
use crate::support::{Redis, Scratch};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx_cached::{Batch, Cache, ItemId, WriteBehind};
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const VARIABLE: &str = "SQLX_CACHED_QUEUE_CHILD";

/// How many increments, where it shall be another number.
const ITEMS: &str = "SQLX_CACHED_QUEUE_ITEMS";

/// Items of a batch, and of a push.
const BATCH: usize = 500;

/// How often each is killed.
const KILLS: usize = 5;

const SCHEMA: &str = "CREATE TABLE counter (name TEXT PRIMARY KEY, n INTEGER NOT NULL);
    INSERT INTO counter VALUES ('by id', 0), ('without', 0);
    CREATE TABLE applied (id TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE given (id TEXT)";

fn queue(cache: &Cache) -> WriteBehind<u32> {
    let builder = cache.write_behind("increments").batch(BATCH).claim_idle(Duration::from_millis(300));
    builder.linger(Duration::from_millis(20)).build().unwrap()
}

async fn database(path: &Path) -> SqlitePool {
    // Processes are killed, not the machine.
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).busy_timeout(PATIENCE);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Off);
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.expect("the database")
}

async fn apply(pool: SqlitePool, mut batch: Batch<u32>) -> Result<(), sqlx::Error> {
    let ids = serde_json::to_string(&batch.ids().iter().map(ToString::to_string).collect::<Vec<_>>()).expect("JSON");
    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO given SELECT value FROM json_each(?)").bind(&ids).execute(&mut *transaction).await?;
    count(&mut transaction, "without", &batch).await?;
    let insert = "INSERT INTO applied SELECT value FROM json_each(?) WHERE true ON CONFLICT DO NOTHING RETURNING id";
    let new: HashSet<String> = sqlx::query_scalar(insert).bind(&ids).fetch_all(&mut *transaction).await?.into_iter().collect();
    batch.retain(|id, _| new.contains(&id.to_string()));
    count(&mut transaction, "by id", &batch).await?;
    transaction.commit().await
}

async fn count(transaction: &mut sqlx::SqliteConnection, name: &'static str, batch: &Batch<u32>) -> Result<(), sqlx::Error> {
    for (name, by) in batch.sums(|by| (name, i64::from(*by))) {
        sqlx::query("UPDATE counter SET n = n + ? WHERE name = ?").bind(by).bind(name).execute(&mut *transaction).await?;
    }
    Ok(())
}

/// No test, unless the test below asks for it: then it is the consumer.
#[test]
fn child() {
    let Ok(task) = std::env::var(VARIABLE) else { return };
    let (socket, path) = task.split_once('\n').expect("where things are");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let pool = database(Path::new(path)).await;
        let mut config = sqlx_cached::store::RedisConfig::new(sqlx_cached::store::RedisAddress::Socket(PathBuf::from(socket)));
        config.timeout = Duration::from_secs(5);
        let cache = Cache::builder().redis(config).build().await.expect("a cache");
        let _consumer = queue(&cache).consume(move |batch| apply(pool.clone(), batch));
        std::future::pending::<()>().await;
    });
}

struct Child {
    process: ServerProcess,
    _scratch: Scratch,
}

impl Child {
    fn start(socket: &Path, path: &Path) -> Self {
        let scratch = Scratch::new();
        let mut arguments: Vec<OsString> = vec![format!("{VARIABLE}={}\n{}", socket.display(), path.display()).into()];
        arguments.push(std::env::current_exe().expect("this binary").into());
        arguments.extend(["write_behind::killed::child", "--exact", "--nocapture"].map(OsString::from));
        let process = ServerProcess::spawn(None, Path::new("/usr/bin/env"), &arguments, &scratch.join("log"), "KILL");
        Self { process, _scratch: scratch }
    }
}

async fn number(pool: &SqlitePool, sql: &'static str) -> usize {
    let number: i64 = sqlx::query_scalar(sql).fetch_one(pool).await.expect("a number");
    usize::try_from(number).expect("no less than zero")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_increment_is_lost() {
    let since = Instant::now();
    let all: usize = std::env::var(ITEMS).map_or(100_000, |items| items.parse().expect("a number of items"));
    // With `everysec` Redis may answer before it writes its log, while the disk is slow: see the table in the documentation.
    let mut server = Redis::configured().arguments(&["--appendonly", "yes", "--appendfsync", "always"]).start();
    let scratch = Scratch::new();
    let path = scratch.join("counters");
    let pool = database(&path).await;
    sqlx::raw_sql(SCHEMA).execute(&pool).await.unwrap();
    let queue = queue(&cache(&server).await);

    // Pushes what there is to push; what was not acknowledged, again by the same ids.
    let pushing = tokio::spawn({
        let queue = queue.clone();
        async move {
            let (mut unanswered, mut done) = (0, 0);
            while done < all {
                let items: Vec<(ItemId, u32)> = (0..BATCH.min(all - done)).map(|_| (ItemId::fresh(), 1)).collect();
                let (started, mut first) = (Instant::now(), true);
                while let Err(error) = queue.push_many_as(&items).await {
                    assert!(error.is_store() && started.elapsed() < PATIENCE, "{error}");
                    unanswered += if std::mem::take(&mut first) { items.len() } else { 0 };
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                done += items.len();
            }
            unanswered
        }
    });
    let socket = server.socket();
    let mut child = Child::start(&socket, &path);
    for kill in 1..=KILLS {
        // While it is at work: some way further than the last time.
        let aim = all * kill / (KILLS + 1);
        let started = Instant::now();
        while number(&pool, "SELECT n FROM counter WHERE name = 'by id'").await < aim {
            assert!(started.elapsed() < PATIENCE, "no progress towards {aim}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        child.process.end("KILL");
        child = Child::start(&socket, &path);
        // The new consumer is in the middle of something, or about to begin.
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..150))).await;
        server.restart();
    }
    let unanswered = pushing.await.expect("the pushes");
    let drained = async {
        // Until Redis is up.
        while queue.drained().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, drained).await.expect("drained in time");
    child.process.end("KILL");

    let by_id = number(&pool, "SELECT n FROM counter WHERE name = 'by id'").await;
    let without = number(&pool, "SELECT n FROM counter WHERE name = 'without'").await;
    let given = number(&pool, "SELECT count(*) FROM given").await;
    let distinct = number(&pool, "SELECT count(DISTINCT id) FROM given").await;
    let dead = queue.dead().len().await.unwrap();
    println!(
        "acknowledged {all}; pushed again for want of an answer {unanswered}; delivered {given}, {distinct} of them different: {} duplicates; counted by id {by_id}, without {without}; \
         {KILLS} kills of the consumer, {KILLS} of Redis; {dead} dead letters; {:?}",
        given - distinct,
        since.elapsed()
    );
    assert_eq!((by_id, distinct, dead), (all, all, 0), "each increment once, and none is lost");
    assert_eq!(without, given, "without the ids, as often as it was given");
    // A batch in the hands of each killed consumer, and with each Redis that was killed a push without an answer, which the store sends once more of itself.
    assert!(given - distinct <= 3 * KILLS * BATCH, "{} duplicates", given - distinct);
}
