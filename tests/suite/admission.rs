//! What is not worth keeping is passed on, and comes back; nobody is given anything stale or older meanwhile.

use crate::faults::kit::{Home, READ, Server, WRITE, eventually};
use crate::support::Redis;
use crate::support::proxy::Proxy;
use sqlx::{Postgres, Sqlite};
use sqlx_cached::{Admission, CachingExecutor, Reason};
use std::time::{Duration, Instant};

/// Some milliseconds' work for SQLite, and one number.
const DEAR: &str = "SELECT COUNT(*) + MIN(c.v) FROM many AS a, many AS b, counters AS c WHERE a.id * b.id % 7 = 3 AND c.id = ?";

const BY_ID: &str = "SELECT v FROM counters WHERE id = ?";

/// What a hit takes while Redis is slow.
const DELAY: Duration = Duration::from_millis(40);

fn passed_on<DB: Server>(executor: &CachingExecutor<DB>, reason: Reason) -> u64 {
    executor.stats().bypasses.get(&reason).copied().unwrap_or_default()
}

/// An executor whose every hit asks a Redis behind a proxy.
async fn far<DB: Server>(home: &Home<DB>, proxy: &Proxy, admission: Admission) -> CachingExecutor<DB> {
    let socket = proxy.socket().display().to_string();
    home.build(|builder| builder.redis_socket(&socket).redis_timeout(Duration::from_secs(10)).near_bytes(0).admission(admission)).await
}

async fn dear(executor: &CachingExecutor<Sqlite>, id: i64) -> i64 {
    sqlx::query_scalar(DEAR).bind(id).fetch_one(executor).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sqlite_answers_sooner_is_passed_on_until_redis_is_quick_again() {
    let (home, redis) = (Sqlite::home().await, Redis::start());
    home.run("CREATE TABLE many (id INTEGER PRIMARY KEY); INSERT INTO many WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300) SELECT i FROM n")
        .await;
    let proxy = Proxy::start(&redis.socket());
    let executor = far(&home, &proxy, Admission::Auto).await;
    let ids = [1, 2, 101, 102];
    for _ in 0..20 {
        for id in ids {
            dear(&executor, id).await;
        }
    }
    assert_eq!((executor.stats().misses, passed_on(&executor, Reason::Cheap)), (4, 0), "{}", executor.stats());

    proxy.delay(DELAY);
    let mut reads = 0;
    while passed_on(&executor, Reason::Cheap) == 0 {
        dear(&executor, ids[reads % ids.len()]).await;
        reads += 1;
        assert!(reads < 200, "{}", executor.stats());
    }
    let explained = executor.explain(DEAR);
    assert_eq!(explained.read, Err(Reason::Cheap));
    assert!(explained.to_string().starts_with("not cached: takes the database less time than the cache; tried again in "), "{explained}");
    assert!(executor.stats().to_string().contains("x takes the database less time than the cache"), "{}", executor.stats());

    // Somebody writes whom nobody follows. Who has seen it here is not given the old answers, which are still there, thereafter; a program that knows of it may have
    // one read anew, for the others, too.
    let before = dear(&executor, 1).await;
    home.run("UPDATE counters SET v = v + 1").await;
    assert_eq!(dear(&executor.refresh(), 2).await, before + 1);
    let other = home.build(|builder| builder.redis_url(&redis.url()).redis_timeout(Duration::from_secs(10)).near_bytes(0)).await;
    assert_eq!([dear(&other, 1).await, dear(&other, 2).await], [before, before + 1]);
    assert_eq!(other.stats().hits, 2);
    for id in ids {
        assert_eq!(dear(&executor, id).await, before + 1);
    }
    proxy.delay(Duration::ZERO);
    let hits = executor.stats().hits;
    eventually("it is looked up again", async || {
        for id in ids {
            assert_eq!(dear(&executor, id).await, before + 1);
        }
        executor.stats().hits >= hits + 100
    })
    .await;
    assert!(executor.explain(DEAR).read.is_ok());
}

/// Whatever it takes: a hit spares the server. Unless somebody wants to save time above all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_answers_sooner_is_not_passed_on_unless_asked_for() {
    let (home, redis) = (Postgres::home().await, Redis::start());
    let proxy = Proxy::start(&redis.socket());
    let [auto, cost] = [far(&home, &proxy, Admission::Auto).await, far(&home, &proxy, Admission::Cost).await];
    for executor in [&auto, &cost] {
        home.resumes(executor, READ).await;
    }
    proxy.delay(DELAY);
    for _ in 0..40 {
        tokio::join!(home.check(&auto, READ), home.check(&cost, READ));
    }
    assert_eq!((passed_on(&auto, Reason::Cheap), auto.stats().misses), (0, 1), "{}", auto.stats());
    assert!(passed_on(&cost, Reason::Cheap) > 0, "{}", cost.stats());
}

async fn churn<DB: Server>() {
    let home = DB::home().await;
    let executor = home.build(|builder| builder.admission(Admission::Auto)).await;
    let always = home.build(|builder| builder.admission(Admission::Always)).await;
    let others = "SELECT v FROM others WHERE id = 1";
    home.resumes(&executor, others).await;
    let since = Instant::now();
    while passed_on(&executor, Reason::Churn) < 20 {
        DB::run(&executor, WRITE).await.unwrap();
        home.check(&executor, READ).await;
        assert!(since.elapsed() < Duration::from_secs(30), "{}", executor.stats());
    }
    println!("{} is passed on after {:?}: {} misses", DB::NAME, since.elapsed(), executor.stats().misses);
    assert!(executor.stats().misses > 100, "not by a test's few reads");
    assert_eq!(executor.explain(READ).read, Err(Reason::Churn));
    assert!(executor.explain(others).read.is_ok(), "another table's reads are as before");

    let since = Instant::now();
    let old = home.check(&executor, READ).await;
    DB::run(&executor, WRITE).await.unwrap();
    assert_eq!(home.check(&executor, READ).await, old + 1);
    let took = home.resumes(&executor, READ).await;
    println!("looked up again after {took:?}");
    assert!(since.elapsed() > Duration::from_millis(500) && executor.explain(READ).read.is_ok());
    DB::run(&executor, WRITE).await.unwrap();
    assert_eq!(home.check(&executor, READ).await, old + 2);

    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(3) {
        DB::run(&always, WRITE).await.unwrap();
        home.check(&always, READ).await;
    }
    assert!(always.stats().bypasses.is_empty(), "{}", always.stats());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_before_every_read_is_passed_on_until_the_writes_stop_postgres() {
    churn::<Postgres>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_before_every_read_is_passed_on_until_the_writes_stop_sqlite() {
    churn::<Sqlite>().await;
}

/// A read that is passed on may see what another process has just written, before the push that tells of it. Nobody in this process is given less from then on; and what is near of
/// other tables stays near.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_near_is_no_older_than_what_was_passed_on() {
    let (home, redis) = (Sqlite::home().await, Redis::start());
    let proxy = Proxy::start(&redis.socket());
    let socket = proxy.socket().display().to_string();
    let here = home
        .build(|builder| {
            let builder = builder.redis_socket(&socket).redis_timeout(Duration::from_secs(10)).near_bytes(1 << 20);
            builder.near_staleness(Duration::from_secs(30)).admission(Admission::Auto)
        })
        .await;
    let there = home.build(|builder| builder.redis_url(&redis.url()).redis_timeout(Duration::from_secs(10))).await;

    // Found in Redis, each but once, so that next to none is near; and Redis is slow.
    home.run("INSERT INTO counters WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n LIMIT 500) SELECT i, 0 FROM n").await;
    let by_id =
        async |executor: &CachingExecutor<Sqlite>, id: i64| sqlx::query_scalar::<_, i64>(BY_ID).bind(id).fetch_one(executor).await.unwrap();
    let mut ids = 1000..1500;
    for id in ids.clone() {
        by_id(&there, id).await;
    }
    let near = async |sql: &str| {
        let before = here.stats().near_hits;
        home.check(&here, sql).await;
        here.stats().near_hits > before
    };
    let others = "SELECT v FROM others WHERE id = 1";
    eventually("it is near", async || near(others).await).await;
    proxy.delay(DELAY);
    loop {
        let before = passed_on(&here, Reason::Cheap);
        while passed_on(&here, Reason::Cheap) == before {
            assert_eq!(by_id(&here, ids.next().expect("one that is not near")).await, 0, "{}", here.stats());
        }
        eventually("both are near", async || near(others).await && near(READ).await).await;
        let (before, old) = (passed_on(&here, Reason::Cheap), home.check(&here, READ).await);
        Sqlite::run(&there, WRITE).await.unwrap();
        assert_eq!(by_id(&here, 1).await, old + 1);
        assert_eq!(home.check(&here, READ).await, old + 1);
        by_id(&here, 1).await;
        // On a busy machine the pause is over too soon. The next is longer.
        if passed_on(&here, Reason::Cheap) == before + 2 {
            break;
        }
    }
    assert!(near(others).await);
}
