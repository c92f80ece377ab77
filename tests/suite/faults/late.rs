//! Writers whose statement outlives them: blocked on a row lock, their caller gone or their process killed, they commit long after their lease.

use super::killed::Child;
use super::kit::{Cache, Home, LEASE, READ, Server, WRITE, each_on_redis};
use futures_util::future::BoxFuture;
use sqlx::{Executor, MySql, Postgres, Transaction};
use std::time::Duration;

/// Several leases.
pub const LONG: Duration = Duration::from_millis(2000);

each_on_redis! {
    an_update_whose_caller_is_gone: Postgres MySql;
    an_update_whose_process_was_killed: Postgres MySql;
    a_transaction_whose_process_was_killed: Postgres MySql;
    an_update_that_waits_for_its_table_and_whose_process_was_killed: Postgres MySql;
    a_process_killed_between_commit_and_end: Postgres MySql;
}

/// Databases in which writers wait for each other's rows.
pub trait Blocking: Server {
    /// How many of this database's statements wait for a lock.
    const WAITING: &'static str;
    /// Gives the ids of the sessions whose statements do.
    const WAITERS: &'static str;
    /// Makes every later write of `counters` wait before it even begins.
    const LOCK_TABLE: &'static [&'static str];
    const UNLOCK_TABLE: &'static str;

    fn locked(home: &Home<Self>, sql: &'static [&'static str]) -> BoxFuture<'static, Transaction<'static, Self>>;
    fn finish(transaction: Transaction<'static, Self>, sql: &'static str) -> BoxFuture<'static, ()>;
    /// Ends a session, as an administrator would.
    fn kill(home: &Home<Self>, id: i64) -> BoxFuture<'static, ()>;
}

macro_rules! blocking {
    ($Db:ty { $($constants:tt)* } $kill:expr) => {
        impl Blocking for $Db {
            $($constants)*

            fn locked(home: &Home<Self>, sql: &'static [&'static str]) -> BoxFuture<'static, Transaction<'static, Self>> {
                let pool = home.plain.clone();
                Box::pin(async move {
                    let mut transaction = pool.begin().await.unwrap();
                    for statement in sql {
                        (&mut *transaction).execute(*statement).await.unwrap();
                    }
                    transaction
                })
            }

            fn finish(mut transaction: Transaction<'static, Self>, sql: &'static str) -> BoxFuture<'static, ()> {
                Box::pin(async move {
                    (&mut *transaction).execute(sql).await.unwrap();
                    transaction.commit().await.unwrap();
                })
            }

            fn kill(home: &Home<Self>, id: i64) -> BoxFuture<'static, ()> {
                let pool = home.plain.clone();
                Box::pin(async move {
                    sqlx::raw_sql(sqlx::AssertSqlSafe($kill(id))).execute(&pool).await.unwrap();
                })
            }
        }
    };
}

blocking!(Postgres {
    const WAITING: &'static str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    const WAITERS: &'static str = "SELECT pid::int8 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    const LOCK_TABLE: &'static [&'static str] = &["LOCK TABLE counters IN EXCLUSIVE MODE"];
    const UNLOCK_TABLE: &'static str = "SELECT 1";
} |id| format!("SELECT pg_terminate_backend({id})"));

blocking!(MySql {
    const WAITING: &'static str = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND COMMAND IN ('Execute', 'Query') AND ID <> CONNECTION_ID()
        AND INFO LIKE 'UPDATE%' AND TIME_MS > 50";
    const WAITERS: &'static str = "SELECT CAST(max(ID) AS SIGNED) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND COMMAND IN ('Execute', 'Query')
        AND ID <> CONNECTION_ID() AND INFO LIKE 'UPDATE%'";
    const LOCK_TABLE: &'static [&'static str] = &["LOCK TABLES counters READ"];
    const UNLOCK_TABLE: &'static str = "UNLOCK TABLES";
} |id| format!("KILL {id}"));

pub const LOCK_ROW: &[&str] = &["SELECT v FROM counters WHERE id = 1 FOR UPDATE"];

/// Waits until one of the database's statements waits for a lock.
pub async fn blocked<DB: Blocking>(home: &Home<DB>) {
    super::kit::eventually("a statement waits for a lock", async || home.direct(DB::WAITING).await > 0).await;
}

async fn an_update_whose_caller_is_gone<DB: Blocking>(cache: Cache) {
    let home = DB::home().await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    home.resumes(&one, READ).await;
    home.resumes(&two, READ).await;
    let lock = DB::locked(&home, LOCK_ROW).await;
    let given_up = tokio::time::timeout(Duration::from_millis(100), DB::run(&one, WRITE)).await;
    assert!(given_up.is_err(), "the row is locked");
    blocked(&home).await;
    home.check_until(&[&one, &two], tokio::time::sleep(LONG)).await;
    let hits = (one.stats().hits, two.stats().hits);
    home.check_until(&[&one, &two], tokio::time::sleep(LEASE)).await;
    assert_eq!((one.stats().hits, two.stats().hits), hits, "the fence stands for as long as the write is under way");
    committed_late(&home, lock, "SELECT 1", [&one, &two]).await;
}

async fn an_update_whose_process_was_killed<DB: Blocking>(cache: Cache) {
    killed_while_blocked::<DB>(cache, "update", LOCK_ROW, "SELECT 1").await;
}

/// It has no transaction yet, nor a number that a list of transactions would show.
async fn an_update_that_waits_for_its_table_and_whose_process_was_killed<DB: Blocking>(cache: Cache) {
    killed_while_blocked::<DB>(cache, "raw update", DB::LOCK_TABLE, DB::UNLOCK_TABLE).await;
}

async fn killed_while_blocked<DB: Blocking>(cache: Cache, action: &str, lock: &'static [&'static str], unlock: &'static str) {
    let home = DB::home().await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    home.resumes(&one, READ).await;
    home.resumes(&two, READ).await;
    let lock = DB::locked(&home, lock).await;
    let mut child =
        Child::start(DB::NAME, action, &[("url", &home.database.url), ("redis", &cache.server().socket().display().to_string())]);
    blocked(&home).await;
    child.kill();
    home.check_until(&[&one, &two], tokio::time::sleep(LONG)).await;
    if home.direct(DB::WAITING).await == 0 {
        // MariaDB looks after its clients while it waits for a table: there is nothing left to commit, and caching has resumed.
        home.resumes(&one, READ).await;
        DB::finish(lock, unlock).await;
        home.check_until(&[&one, &two], tokio::time::sleep(LEASE)).await;
        assert_eq!(home.direct(READ).await, 0);
        return;
    }
    let hits = (one.stats().hits, two.stats().hits);
    home.check_until(&[&one, &two], tokio::time::sleep(LEASE)).await;
    assert_eq!((one.stats().hits, two.stats().hits), hits, "a lease that ran out is no proof");
    assert_eq!(home.direct(DB::WAITING).await, 1, "the server still works for the dead");
    committed_late(&home, lock, unlock, [&one, &two]).await;
}

/// The lock is released: the late commit happens, nobody is served what was before it, and caching resumes.
async fn committed_late<DB: Blocking>(
    home: &Home<DB>,
    lock: Transaction<'static, DB>,
    unlock: &'static str,
    executors: [&sqlx_cached::CachingExecutor<DB>; 2],
) {
    let old = home.direct(READ).await;
    DB::finish(lock, unlock).await;
    home.check_until(&executors, home.reaches(READ, old + 1)).await;
    for executor in executors {
        let after = home.resumes(executor, READ).await;
        println!("{}: cached again {after:?} after the late commit was seen", DB::NAME);
        assert_eq!(home.check(executor, READ).await, old + 1);
    }
}

/// Its transaction is idle when the process dies: nothing was fenced yet, and the server rolls it back.
async fn a_transaction_whose_process_was_killed<DB: Blocking>(cache: Cache) {
    let home = DB::home().await;
    let one = home.executor(cache.store()).await;
    home.resumes(&one, READ).await;
    let mut child =
        Child::start(DB::NAME, "transaction", &[("url", &home.database.url), ("redis", &cache.server().socket().display().to_string())]);
    child.says("written");
    let hits = one.stats().hits;
    assert_eq!(home.check(&one, READ).await, 0);
    assert_eq!(one.stats().hits, hits + 1, "what is not committed changes nothing");
    child.kill();
    home.check_until(&[&one], tokio::time::sleep(LEASE)).await;
    assert_eq!(cache.server().cli::<i64>(&["EXISTS", "sql-fence:counters"]), 0);
    assert_eq!(home.check(&one, READ).await, 0);
}

async fn a_process_killed_between_commit_and_end<DB: Blocking>(cache: Cache) {
    for action in ["update, no end", "transaction, no end"] {
        let home = DB::home().await;
        let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
        home.resumes(&one, READ).await;
        home.resumes(&two, READ).await;
        let mut child =
            Child::start(DB::NAME, action, &[("url", &home.database.url), ("redis", &cache.server().socket().display().to_string())]);
        child.says("about to end");
        assert_eq!(home.direct(READ).await, 1, "it is committed");
        child.kill();
        for executor in [&one, &two] {
            let after = home.resumes(executor, READ).await;
            println!("{}: cached again {after:?} after the kill", DB::NAME);
            assert_eq!(home.check(executor, READ).await, 1);
        }
    }
}
