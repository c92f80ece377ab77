//! Writers that use no executor: what the probe is for, where nobody follows them.

use super::kit::{NEAR, found, probing, probing_with, read_until, store};
use crate::faults::kit::{Cache, READ, Server, WRITE, each, eventually};
use sqlx::{MySql, Postgres, Sqlite};

each! {
    what_somebody_else_wrote_is_found: Postgres MySql Sqlite;
}

async fn what_somebody_else_wrote_is_found<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    for near in NEAR {
        let executor = probing(&home, store(&cache, near), near).await;
        for sql in [READ, "SELECT COUNT(*) FROM counters WHERE v > 3", "SELECT MAX(v) FROM counters"] {
            home.resumes(&executor, sql).await;
            executor.reset_stats();
            home.run("UPDATE counters SET v = v + 7").await;
            home.run("INSERT INTO counters SELECT MAX(id) + 1, 9 FROM counters").await;
            read_until(&executor, sql, sql, |found| found.stale > 0).await;
            let now = home.direct(sql).await;
            eventually("the answer is given up", async || DB::number(&executor, sql).await.expect("a number") == now).await;
        }
    }
}

/// Whether the statement determines the order of all its rows, nobody can tell.
macro_rules! another_order_is_no_other_answer {
    ($($name:ident: $Db:ty;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let home = <$Db>::home().await;
            let executor = probing(&home, Cache::memory().store(), NEAR[0]).await;
            let read = async || {
                let ids = sqlx::query_scalar::<_, i64>("SELECT id FROM others ORDER BY v, id").fetch_all(&executor).await;
                ids.expect("numbers")
            };
            assert_eq!(read().await, [1, 2]);
            home.run("UPDATE others SET v = 1 WHERE id = 1").await;
            eventually("a probe", async || read().await == [1, 2] && found(&executor).undecided > 0).await;
            assert_eq!((found(&executor).checked, found(&executor).stale), (0, 0));
            // Nor is it when one row of several is asked for, and it was another one.
            executor.reset_stats();
            let first = async || sqlx::query_scalar::<_, i64>("SELECT id FROM others ORDER BY v").fetch_one(&executor).await.expect("a number");
            assert_eq!(first().await, 2);
            home.run("UPDATE others SET v = 2 WHERE id = 2").await;
            eventually("a probe", async || first().await == 2 && found(&executor).undecided > 0).await;
            assert_eq!(found(&executor).stale, 0);
            // Nor is one of several in no order, whichever the database gives ever after.
            executor.reset_stats();
            home.run("UPDATE others SET v = 3 + id").await;
            let any = async || sqlx::query_scalar::<_, i64>("SELECT id FROM others WHERE v > 4 LIMIT 1").fetch_one(&executor).await;
            assert_eq!(any().await.expect("a number"), 2);
            home.run("UPDATE others SET v = 7 - id").await;
            eventually("a probe", async || any().await.expect("a number") == 2 && found(&executor).undecided > 0).await;
            assert_eq!(found(&executor).stale, 0);
            // One row more is not the same in another order.
            home.run("INSERT INTO others VALUES (3, 0)").await;
            eventually("the stale answer", async || {
                read().await;
                found(&executor).stale > 0
            })
            .await;
        }
    )*};
}

another_order_is_no_other_answer! {
    another_order_is_no_other_answer_on_postgres: Postgres;
    another_order_is_no_other_answer_on_mariadb: MySql;
    another_order_is_no_other_answer_on_sqlite: Sqlite;
}

/// A write that is told of a moment after its commit is none that nobody told of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_are_followed_are_given_the_time_to_say_so() {
    for cache in [Cache::memory(), Cache::redis()] {
        let home = Postgres::home().await;
        let executor = probing_with(&home, store(&cache, NEAR[0]), NEAR[0], |builder| builder.external_writers(true)).await;
        executor.install_change_notifications(None).await.expect("triggers");
        home.resumes(&executor, READ).await;
        for _ in 0..40 {
            home.run(WRITE).await;
            for _ in 0..5 {
                Postgres::number(&executor, READ).await.expect("a number");
                tokio::task::yield_now().await;
            }
        }
        let found = read_until(&executor, READ, "a probe", |found| found.checked > 0).await;
        assert_eq!(found.stale, 0, "{found}");
    }
}
