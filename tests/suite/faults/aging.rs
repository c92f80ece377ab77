//! Answers that grow old: read anew before that if they are dear, served beyond it if that is allowed, and never past a write.

use super::kit::{Cache, Gates, Home, Point, READ, Server, WRITE, each, eventually};
use super::late::{Blocking, blocked};
use sqlx::{Postgres, Sqlite};
use sqlx_cached::{CachingExecutor, Category};
use std::time::{Duration, Instant};

const TTL: Duration = Duration::from_millis(150);
const STALE: Duration = Duration::from_mins(1);

each! {
    a_stale_answer_is_served_and_read_anew: Postgres MySql Sqlite;
    never_past_a_write: Postgres MySql Sqlite;
}

async fn aging<DB: Server>(home: &Home<DB>, store: std::sync::Arc<dyn sqlx_cached::store::CacheStore>) -> CachingExecutor<DB> {
    let configure = |builder: sqlx_cached::Builder<DB>| {
        builder.store(store).default_ttl(TTL).ttl_jitter(0.0).early_refresh(0.0).default_stale_while_revalidate(STALE)
    };
    home.build(configure).await
}

/// Until what was stored so far is too old.
async fn grow_old() {
    tokio::time::sleep(TTL + Duration::from_millis(20)).await;
}

async fn a_stale_answer_is_served_and_read_anew<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let db = aging(&home, cache.store()).await;
    assert_eq!(DB::number(&db, READ).await.unwrap(), 0);
    // Nobody tells the cache.
    home.run(WRITE).await;
    grow_old().await;
    assert_eq!(DB::number(&db, READ).await.unwrap(), 0, "too old, and served all the same");
    let stats = db.stats();
    assert_eq!((stats.served_stale, stats.misses, stats.hits), (1, 1, 1), "{stats}");
    eventually("it is read anew", async || DB::number(&db, READ).await.unwrap() == 1).await;
    assert_eq!(db.stats().misses, 1, "in the background");

    // Whoever asks for less is given less.
    grow_old().await;
    let strict = db.stale_while_revalidate(Duration::ZERO);
    home.run(WRITE).await;
    assert_eq!(DB::number(&strict, READ).await.unwrap(), 2);
    assert_eq!(db.stats().misses, 2);

    // And the other way round: the clone, and the comment, allow what the executor does not.
    let plain = home.build(|builder| builder.store(cache.store()).default_ttl(TTL).ttl_jitter(0.0).database_id("plain")).await;
    let lax = plain.stale_while_revalidate(STALE);
    let hinted = "SELECT v /* cache: swr=1m */ FROM counters WHERE id = 1";
    for (executor, sql) in [(&lax, READ), (&plain, hinted)] {
        let (old, stale) = (DB::number(executor, sql).await.unwrap(), plain.stats().served_stale);
        home.run(WRITE).await;
        grow_old().await;
        assert_eq!(DB::number(executor, sql).await.unwrap(), old);
        assert_eq!(plain.stats().served_stale, stale + 1);
    }
    grow_old().await;
    assert_eq!(DB::number(&plain, READ).await.unwrap(), home.direct(READ).await, "without leave there is nothing stale");
    // By category: a count is not data.
    let counts = home.build(|builder| {
        builder.store(cache.store()).default_ttl(TTL).ttl_jitter(0.0).database_id("counts").stale_while_revalidate(Category::Count, STALE)
    });
    let counts = counts.await;
    for sql in [READ, "SELECT count(*) FROM counters"] {
        DB::number(&counts, sql).await.unwrap();
        grow_old().await;
        DB::number(&counts, sql).await.unwrap();
    }
    assert_eq!(counts.stats().served_stale, 1);
}

/// A write within the stale time, before, during and after the refresh: whoever reads after its acknowledgement sees it.
async fn never_past_a_write<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let gates = Gates::over(cache.store());
    let db = aging(&home, gates.clone()).await;
    let writer = home.executor(cache.store()).await;
    for round in 0..4 {
        let old = DB::number(&db, READ).await.unwrap();
        assert_eq!(old, round * 2);
        grow_old().await;
        DB::run(&writer, WRITE).await.unwrap();
        assert_eq!(DB::number(&db, READ).await.unwrap(), old + 1, "stale only by age");
        grow_old().await;
        // The refresh has read the old value, and stores it after the write.
        let mut held = gates.hold(Point::BeforeFill);
        assert_eq!(DB::number(&db, READ).await.unwrap(), old + 1);
        held.reached().await;
        DB::run(if round % 2 == 0 { &writer } else { &db }, WRITE).await.unwrap();
        held.release();
        for _ in 0..3 {
            assert_eq!(DB::number(&db, READ).await.unwrap(), old + 2, "a refresh brought back what a write had changed");
        }
    }
    assert!(db.stats().served_stale >= 4);
    // All at once, for a while: too old almost always.
    let hasty = db.ttl(Duration::from_millis(1));
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(1500) {
        let reads: Vec<_> = (0..4).map(|_| tokio::spawn(DB::number(&hasty, READ))).collect();
        DB::run(&writer, WRITE).await.unwrap();
        home.check(&hasty, READ).await;
        for read in reads {
            read.await.unwrap().unwrap();
        }
    }
}

/// However many are served it, here and in another process: one read brings the new answer. It fails, and the old one stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refresh_at_a_time() {
    let (home, cache) = (Postgres::home().await, Cache::redis());
    let executors = [aging(&home, cache.store()).await, aging(&home, cache.store()).await];
    let (sql, broken) = ("SELECT 10 / (10 - v) FROM counters WHERE id = 1", "UPDATE counters SET v = 10 WHERE id = 1");
    for executor in &executors {
        // Each has met the statement: its hits ask the database nothing.
        home.resumes(executor, sql).await;
    }
    grow_old().await;
    let lock = Postgres::locked(&home, &["LOCK TABLE counters IN ACCESS EXCLUSIVE MODE"]).await;
    for _ in 0..20 {
        for executor in &executors {
            assert_eq!(Postgres::number(executor, sql).await.unwrap(), 1);
        }
    }
    blocked(&home).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(home.direct(Postgres::WAITING).await, 1);
    Postgres::finish(lock, "SELECT 1").await;
    assert_eq!(executors.iter().map(|executor| executor.stats().served_stale).sum::<u64>(), 40, "{}", executors[0].stats());

    home.run(broken).await;
    grow_old().await;
    for _ in 0..5 {
        assert_eq!(Postgres::number(&executors[0], sql).await.unwrap(), 1, "better than an error");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(executors[0].stats().misses, 1);
}

/// A refresh whose answer can't be kept takes the old one with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_can_not_be_kept() {
    let (home, cache) = (Sqlite::home().await, Cache::memory());
    let configure = |builder: sqlx_cached::Builder<Sqlite>| {
        let builder = builder.store(cache.store()).default_ttl(TTL).ttl_jitter(0.0).max_entry_bytes(2000);
        builder.default_stale_while_revalidate(STALE).schema_refresh(Duration::ZERO)
    };
    let db = home.build(configure).await;
    home.run("CREATE TABLE texts (id BIGINT PRIMARY KEY, text TEXT)").await;
    home.run("INSERT INTO texts VALUES (1, 'short')").await;
    db.clear().await.unwrap();
    let db = {
        drop(db);
        home.build(configure).await
    };
    let length = || async { sqlx::query_scalar::<_, String>("SELECT text FROM texts").fetch_one(&db).await.unwrap().len() };
    assert_eq!(length().await, 5);
    home.run("UPDATE texts SET text = hex(zeroblob(5000))").await;
    grow_old().await;
    assert_eq!(length().await, 5);
    eventually("the old one is gone", async || length().await == 10_000).await;
    for _ in 0..3 {
        assert_eq!(length().await, 10_000);
    }
}

/// A dear answer is replaced before it is too old, so that nobody waits for it; a cheap one is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dear_answers_are_read_anew_early() {
    const LIFE: Duration = Duration::from_millis(2000);
    let (home, cache) = (Postgres::home().await, Cache::memory());
    home.run("CREATE TABLE many (id int8)").await;
    home.run("INSERT INTO many SELECT n FROM generate_series(1, 1800) AS s(n)").await;
    let dear = "SELECT count(*) FROM many AS a, many AS b WHERE a.id + b.id > 0";
    let since = Instant::now();
    home.direct(dear).await;
    println!("the dear read takes {:?}", since.elapsed());
    for (sql, factor, early) in [(READ, 1.0, false), (dear, 3.0, true), (dear, 0.0, false)] {
        let db = home
            .build(|builder| {
                builder.store(cache.store()).default_ttl(LIFE).ttl_jitter(0.0).early_refresh(factor).database_id(&format!("f{factor}"))
            })
            .await;
        let first = Postgres::number(&db, sql).await.unwrap();
        let since = Instant::now();
        // Up to a fifth before its end, where chance alone would have to be thousands of times a cheap read's cost.
        while since.elapsed() < LIFE * 4 / 5 {
            assert_eq!(Postgres::number(&db, sql).await.unwrap(), first);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let stats = db.stats();
        assert_eq!((stats.misses, stats.served_stale), (1, 0), "{stats}");
        assert_eq!(stats.refreshed_early > 0, early, "{sql}, factor {factor}: {stats}");
    }
}
