//! COPY, which no `Executor` method runs: exact all the same.

use crate::faults::kit::{Cache, Home, READ, Server, eventually};
use futures_util::TryStreamExt;
use sqlx::Postgres;
use sqlx::postgres::{PgPoolCopyExt, PgPoolOptions};
use sqlx_cached::{CachingExecutor, Invalidates};
use std::time::Duration;

const COUNT: &str = "SELECT count(*) FROM counters WHERE id > 1000";
const COPY: &str = "COPY counters (id, v) FROM STDIN";

async fn number(executor: &CachingExecutor<Postgres>, sql: &str) -> i64 {
    Postgres::number(executor, sql).await.expect("a number")
}

/// Whether a read is answered from the store.
async fn hits(executor: &CachingExecutor<Postgres>, sql: &str) -> bool {
    let before = executor.stats().hits;
    number(executor, sql).await;
    executor.stats().hits > before
}

async fn both() -> [(Home<Postgres>, CachingExecutor<Postgres>, CachingExecutor<Postgres>); 2] {
    let mut both = Vec::new();
    for cache in [Cache::memory(), Cache::redis()] {
        let home = Postgres::home().await;
        let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
        // The Redis must live as long as they do.
        Box::leak(Box::new(cache));
        both.push((home, one, two));
    }
    both.try_into().unwrap_or_else(|_| panic!("two"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_is_seen_when_it_is_finished_and_not_before() {
    for (home, one, two) in both().await {
        for round in 1..=3_i64 {
            home.resumes(&one, COUNT).await;
            home.resumes(&two, COUNT).await;
            let before = number(&one, COUNT).await;
            let mut copy = one.copy_in_raw(COPY).await.expect("a copy");
            assert!(copy.is_textual() && copy.num_columns() == 2 && copy.column_is_textual(1));
            let rows = format!("{}\t1\n{}\t2\n", 1000 + round * 10, 1001 + round * 10);
            // In pieces that are no rows.
            let (head, tail) = rows.as_bytes().split_at(6);
            copy.send(head).await.expect("sent").send(tail).await.expect("sent");
            copy.read_from(format!("{}\t3\n", 1002 + round * 10).as_bytes()).await.expect("read");
            assert!(hits(&one, COUNT).await && hits(&two, COUNT).await, "nothing is copied yet");
            assert_eq!(number(&two, COUNT).await, before);
            assert_eq!(copy.finish().await.expect("copied"), 3);
            assert_eq!((number(&one, COUNT).await, number(&two, COUNT).await), (before + 3, before + 3));
        }
        assert_eq!(one.stats().invalidations_of_everything, 0, "only its table");
        assert_eq!(one.stats().writes, 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_that_comes_to_nothing_forgets_nothing() {
    for (home, one, two) in both().await {
        home.resumes(&one, COUNT).await;
        home.resumes(&two, COUNT).await;
        let mut copy = one.copy_in_raw(COPY).await.expect("a copy");
        copy.send(b"2000\t1\n".as_slice()).await.expect("sent");
        copy.abort("no more").await.expect("aborted");
        let mut copy = one.copy_in_raw(COPY).await.expect("a copy");
        copy.send(b"2000\t1\n".as_slice()).await.expect("sent");
        drop(copy);
        // Whatever became of the connections, the next ones work.
        for _ in 0..10 {
            assert_eq!(home.check(&one, READ).await, 0);
        }
        assert_eq!(home.direct(COUNT).await, 0);
        assert!(hits(&one, COUNT).await && hits(&two, COUNT).await);
        // Refused by the server at its end: the table was fenced, and nothing is wrong.
        let mut copy = one.copy_in_raw(COPY).await.expect("a copy");
        copy.send(b"3000\t1\n1\t1\n".as_slice()).await.expect("sent");
        let error = copy.finish().await.expect_err("a duplicate");
        assert!(error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation), "{error}");
        assert_eq!((number(&one, COUNT).await, number(&two, COUNT).await), (0, 0));
        home.resumes(&one, COUNT).await;
    }
}

#[tokio::test]
async fn what_sqlx_can_not_run_to_its_end_is_not_begun() {
    let home = Postgres::home().await;
    let executor = home.build(|builder| builder).await;
    for statement in [
        "INSERT INTO counters VALUES (5000, 1)",
        "COPY others FROM STDIN; INSERT INTO counters VALUES (5000, 1)",
        "COPY counters TO STDOUT",
    ] {
        let error = executor.copy_in_raw(statement).await.expect_err(statement);
        assert!(matches!(error, sqlx::Error::Protocol(_)), "{error}");
    }
    assert!(executor.copy_in_raw("COPY nowhere FROM STDIN").await.expect_err("no such table").as_database_error().is_some());
    assert_eq!(home.direct(COUNT).await, 0);
}

/// The caller gives up waiting for its end; the server does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_whose_caller_goes_away_is_finished() {
    for (home, one, two) in both().await {
        // Its end waits for a lock.
        home.run(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END';
             CREATE TRIGGER wait AFTER INSERT ON counters FOR EACH STATEMENT EXECUTE FUNCTION wait()",
        )
        .await;
        let mut holder = home.plain.begin().await.expect("a transaction");
        sqlx::query("SELECT pg_advisory_xact_lock(7)").execute(&mut *holder).await.expect("a lock");
        home.resumes(&two, COUNT).await;
        let mut copy = one.copy_in_raw(COPY).await.expect("a copy");
        copy.send(b"2000\t1\n".as_slice()).await.expect("sent");
        tokio::time::timeout(Duration::from_millis(100), copy.finish()).await.expect_err("it waits");
        home.check(&two, COUNT).await;
        assert!(!hits(&two, COUNT).await, "it is fenced");
        holder.rollback().await.expect("a rollback");
        home.reaches(COUNT, 1).await;
        assert_eq!(number(&two, COUNT).await, 1);
        home.resumes(&two, COUNT).await;
        assert_eq!(number(&two, COUNT).await, 1);
    }
}

/// Its backend is killed at the end: nobody knows whether it was copied, until the database shows that it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_whose_backend_is_killed() {
    for (home, one, two) in both().await {
        home.run(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END';
             CREATE TRIGGER wait AFTER INSERT ON counters FOR EACH STATEMENT EXECUTE FUNCTION wait()",
        )
        .await;
        let mut holder = home.plain.begin().await.expect("a transaction");
        sqlx::query("SELECT pg_advisory_xact_lock(7)").execute(&mut *holder).await.expect("a lock");
        let mut copy = one.copy_in_raw(COPY).await.expect("a copy");
        copy.send(b"2000\t1\n".as_slice()).await.expect("sent");
        let finishing = tokio::spawn(copy.finish());
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%' AND wait_event_type = 'Lock'";
        eventually("it is killed", async || home.direct(kill).await == 1).await;
        finishing.await.expect("no panic").expect_err("it was killed");
        holder.rollback().await.expect("a rollback");
        home.resumes(&one, COUNT).await;
        home.resumes(&two, COUNT).await;
        assert_eq!(home.direct(COUNT).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn out_is_a_read_unless_it_writes() {
    for (home, one, two) in both().await {
        home.run("INSERT INTO counters SELECT n, n FROM generate_series(2001, 3000) n").await;
        for executor in [&one, &two] {
            executor.clear().await.expect("cleared");
            home.resumes(executor, COUNT).await;
        }
        let text = |chunks: Vec<bytes::Bytes>| String::from_utf8(chunks.concat()).expect("text");
        let chunks = one.copy_out_raw("COPY (SELECT id FROM counters WHERE id > 1000 ORDER BY id) TO STDOUT").await.expect("a copy");
        let lines = text(chunks.try_collect().await.expect("chunks"));
        assert!(lines.lines().count() == 1000 && lines.starts_with("2001\n"));
        assert!(hits(&one, COUNT).await && hits(&two, COUNT).await);
        let deleting = "COPY (DELETE FROM counters WHERE id BETWEEN 2001 AND 2010 RETURNING id) TO STDOUT";
        assert!(matches!(one.explain(deleting).invalidates, Invalidates::Tables(_)));
        let chunks = one.copy_out_raw(deleting).await.expect("a copy");
        assert_eq!(text(chunks.try_collect().await.expect("chunks")).lines().count(), 10);
        assert_eq!((number(&one, COUNT).await, number(&two, COUNT).await), (990, 990));
        home.resumes(&two, COUNT).await;
        drop(one.copy_out_raw("COPY (DELETE FROM counters WHERE id > 2010 RETURNING id) TO STDOUT").await.expect("a copy"));
        eventually("it goes on without a reader", async || home.direct(COUNT).await == 0).await;
        eventually("and is seen", async || number(&two, COUNT).await == 0).await;
    }
}

/// sqlx leaves what follows a failed COPY unread, and the next statement takes it for its own answer: of no rows.
#[tokio::test]
async fn a_connection_out_of_step_poisons_nothing() {
    let home = Postgres::home().await;
    home.run("INSERT INTO counters SELECT n, n FROM generate_series(2001, 90000) n").await;
    let pool = PgPoolOptions::new().max_connections(1).connect_with(home.database.options.clone()).await.expect("a pool");
    let executor = CachingExecutor::builder(pool.clone()).build().await.expect("an executor");
    home.resumes(&executor, READ).await;
    // Ours closes it.
    for statement in ["COPY nowhere TO STDOUT", "COPY (DELETE FROM nowhere RETURNING 1) TO STDOUT", "INSERT INTO others VALUES (70, 1)"] {
        executor.copy_out_raw(statement).await.map(drop).expect_err(statement);
        let read = sqlx::query_scalar::<_, i64>(READ).fetch_optional(&executor.uncached()).await;
        assert_eq!(read.expect("an answer"), Some(0), "{statement}");
    }
    drop(executor.copy_out_raw("COPY counters TO STDOUT").await.expect("a copy"));
    assert_eq!(sqlx::query_scalar::<_, i64>(READ).fetch_optional(&executor.uncached()).await.expect("an answer"), Some(0));
    // What happens on the pool itself is not ours to mend, but to keep.
    pool.copy_out_raw("COPY nowhere TO STDOUT").await.map(drop).expect_err("no such table");
    executor.invalidate_table("counters").await.expect("an invalidation");
    let fills = executor.stats().fills;
    let lie = sqlx::query_scalar::<_, i64>(READ).fetch_optional(&executor).await;
    println!("out of step: {lie:?}");
    assert!(matches!(lie, Ok(Some(0))) || executor.stats().fills == fills, "a lie is kept: {}", executor.stats());
}
