//! Invalidation that was broken on purpose shows in the rate, and does less harm.

use super::kit::{Deaf, NEAR, found, probing, probing_with, read_until, store};
use crate::faults::kit::{Cache, READ, Server, WRITE, each};
use crate::support::log::Log;
use sqlx::Sqlite;
use sqlx_cached::Consistency;
use tracing::Level;

each! {
    what_no_invalidation_reaches_is_found: Postgres MySql Sqlite;
}

async fn what_no_invalidation_reaches_is_found<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    for near in NEAR {
        let deaf = Deaf::over(store(&cache, near));
        let executor = probing(&home, deaf.clone(), near).await;
        home.resumes(&executor, READ).await;
        let healthy = read_until(&executor, READ, "a probe", |found| found.checked > 0).await;
        assert_eq!((healthy.stale, healthy.rate()), (0, Some(0.0)), "{}", DB::NAME);

        let before = home.direct(READ).await;
        deaf.set(true);
        DB::run(&executor, WRITE).await.expect("a write");
        assert_eq!(DB::number(&executor, READ).await.expect("a number"), before, "the switch breaks what it is to break");
        let broken = read_until(&executor, READ, "the stale answer", |found| found.stale > 0).await;
        assert!(broken.rate().is_some_and(|rate| rate > 0.0) && broken.rate_below().is_none(), "{broken}");
        assert!(executor.stats().to_string().contains(" stale, "));

        // What it found stale is not given for much longer.
        let after = home.direct(READ).await;
        assert_eq!(after, before + 1);
        crate::faults::kit::eventually("the answer is given up", async || DB::number(&executor, READ).await.expect("a number") == after)
            .await;
        executor.reset_stats();
        let mended = read_until(&executor, READ, "a probe", |found| found.checked > 0).await;
        assert_eq!(mended.stale, 0);
    }
}

/// The other switch: entries are believed whatever generation stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_served_past_its_generation_is_found() {
    let home = Sqlite::home().await;
    let executor = probing_with(&home, Cache::memory().store(), NEAR[0], |builder| builder.generation_check(false)).await;
    home.resumes(&executor, READ).await;
    Sqlite::run(&executor, WRITE).await.expect("a write");
    // Who misses makes the generation that stands from now on.
    Sqlite::number(&executor, "SELECT MAX(v) FROM counters").await.expect("a number");
    read_until(&executor, READ, "the stale answer", |found| found.stale > 0).await;
}

/// One thread, whose log is listened to.
#[tokio::test]
async fn the_log_names_the_statement_and_no_value() {
    let (log, listening) = Log::start(Level::INFO);
    let home = Sqlite::home().await;
    home.run("CREATE TABLE secrets (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await;
    home.run("INSERT INTO secrets VALUES (1, 271828182)").await;
    let executor = probing(&home, Cache::memory().store(), NEAR[0]).await;
    const SECRET: &str = "SELECT v FROM secrets WHERE id = ? AND v <> ?";
    let ask = async || {
        let query = sqlx::query_scalar::<_, i64>(SECRET).bind(1).bind(141_421_356);
        query.fetch_one(&executor).await.expect("a number")
    };
    ask().await;
    home.run("UPDATE secrets SET v = 314159265").await;
    crate::faults::kit::eventually("the stale answer", async || {
        ask().await;
        found(&executor).stale > 0
    })
    .await;
    drop(listening);
    let text = log.text();
    let line = text.lines().find(|line| line.contains("ERROR")).unwrap_or_else(|| panic!("no error in {text}"));
    assert!(line.contains(SECRET) && line.contains("secrets") && line.contains("sql:secrets:data:"), "{line}");
    for value in ["271828182", "314159265", "141421356"] {
        assert!(!text.contains(value), "{value} in {text}");
    }
}

/// Where writes are not followed the rate tells what that costs, and nobody complains.
#[tokio::test]
async fn where_answers_only_age_they_are_counted_and_left_alone() {
    let (log, listening) = Log::start(Level::WARN);
    let home = Sqlite::home().await;
    let executor = probing_with(&home, Cache::memory().store(), NEAR[0], |builder| builder.consistency(Consistency::Ttl)).await;
    home.resumes(&executor, READ).await;
    let old = home.direct(READ).await;
    Sqlite::run(&executor, WRITE).await.expect("a write");
    read_until(&executor, READ, "the stale answer", |found| found.stale > 0).await;
    assert_eq!(Sqlite::number(&executor, READ).await.expect("a number"), old);
    drop(listening);
    assert!(!log.text().contains("ERROR"), "{}", log.text());
}
