//! What a program can call, one future each.

use super::drops::{When, polled};
use crate::faults::kit::{Home, Options, READ, Server, WRITE};
use crate::support::Scratch;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use sqlx::migrate::Migrator;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, Executor, MySql, Pool, Postgres, SqlSafeStr, Sqlite};
use sqlx_cached::CachingExecutor;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

pub type Outcome = Result<(), String>;

/// What is in the cache when a call begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    Cold,
    Warm,
}

type Ask<DB> = dyn Fn(&CachingExecutor<DB>) -> BoxFuture<'static, Outcome> + Send + Sync;

pub struct Call<DB: Calls> {
    pub name: &'static str,
    pub start: Start,
    pub future: Box<Ask<DB>>,
}

/// All rows of the table that is written.
const ROWS: &str = "SELECT v FROM counters ORDER BY id";

/// A text that no connection has prepared.
fn new(sql: &str) -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("{sql} /* {} */", NUMBER.fetch_add(1, Relaxed))
}

/// What only a concrete database can be asked.
pub trait Calls: Server {
    /// How many transactions are open in this database that do nothing; where it tells.
    const OPEN_TRANSACTIONS: Option<&'static str>;
    const BEGIN: &'static str;
    fn pool_of_one(options: Options<Self>) -> BoxFuture<'static, Pool<Self>>;
    fn optional(executor: CachingExecutor<Self>, sql: &'static str) -> BoxFuture<'static, Outcome>;
    fn fetch_all(executor: CachingExecutor<Self>, sql: &'static str) -> BoxFuture<'static, Outcome>;
    /// So many rows of a stream.
    fn fetch(executor: CachingExecutor<Self>, sql: &'static str, rows: usize) -> BoxFuture<'static, Outcome>;
    fn prepare(executor: CachingExecutor<Self>, sql: String) -> BoxFuture<'static, Outcome>;
    fn columns(executor: CachingExecutor<Self>, sql: String) -> BoxFuture<'static, Outcome>;
    fn migrate(executor: CachingExecutor<Self>, migrator: Migrator) -> BoxFuture<'static, Outcome>;
    /// What only this database has.
    fn own_calls() -> Vec<Call<Self>>;

    fn calls(home: &Home<Self>) -> Vec<Call<Self>> {
        let mut calls = shared_calls::<Self>();
        calls.extend(Self::own_calls());
        calls.push(migration(home));
        calls
    }
}

fn said<T, E: Display>(result: Result<T, E>) -> Outcome {
    result.map(drop).map_err(|error| error.to_string())
}

fn call<DB: Calls, F>(name: &'static str, start: Start, future: impl Fn(CachingExecutor<DB>) -> F + Send + Sync + 'static) -> Call<DB>
where
    F: Future<Output = Outcome> + Send + 'static,
{
    Call { name, start, future: Box::new(move |executor| future(executor.clone()).boxed()) }
}

/// How a transaction, and the savepoint in it, end.
#[derive(Clone, Copy)]
enum End {
    Commit,
    Rollback,
    Drop,
}

async fn transaction<DB: Calls>(executor: CachingExecutor<DB>, begin: Option<&'static str>, inner: End, outer: End) -> Outcome {
    let result: Result<(), sqlx::Error> = async {
        let mut transaction = match begin {
            Some(statement) => executor.begin_with(statement).await?,
            None => executor.begin().await?,
        };
        DB::number_in(&mut transaction, READ).await?;
        DB::run_in(&mut transaction, WRITE).await?;
        let mut savepoint = transaction.begin().await?;
        DB::run_in(&mut savepoint, WRITE).await?;
        match inner {
            End::Commit => savepoint.commit().await?,
            End::Rollback => savepoint.rollback().await?,
            End::Drop => drop(savepoint),
        }
        DB::number_in(&mut transaction, READ).await?;
        match outer {
            End::Commit => transaction.commit().await,
            End::Rollback => transaction.rollback().await,
            End::Drop => Ok(()),
        }
    }
    .await;
    said(result)
}

fn shared_calls<DB: Calls>() -> Vec<Call<DB>> {
    use Start::{Cold, Warm};
    vec![
        call("fetch_one, a miss", Cold, |executor| async move { said(DB::number(&executor, READ).await) }),
        call("fetch_one, a hit", Warm, |executor| async move { said(DB::number(&executor, READ).await) }),
        call("fetch_one, a refresh", Warm, |executor| async move { said(DB::number(&executor.refresh(), READ).await) }),
        call("fetch_one, past the cache", Warm, |executor| async move { said(DB::number(&executor.uncached(), READ).await) }),
        call("fetch_one, of a new text", Cold, |executor| async move { said(DB::number(&executor, &new(READ)).await) }),
        call("fetch_one, of a new text past the cache", Warm, |executor| async move {
            said(DB::number(&executor.uncached(), &new(READ)).await)
        }),
        call("execute, of a new text", Warm, |executor| async move { said(DB::run(&executor, &new(WRITE)).await) }),
        call("a transaction of new texts", Warm, |executor| async move {
            let result = async {
                let mut transaction = executor.begin().await?;
                DB::number_in(&mut transaction, &new(READ)).await?;
                DB::run_in(&mut transaction, &new(WRITE)).await?;
                transaction.commit().await
            };
            said(result.await)
        }),
        call("a transaction that goes on without an answer", Warm, |executor| async move {
            let mut transaction = executor.begin().await.map_err(|error| error.to_string())?;
            polled(1, When::Waiting, DB::run_in(&mut transaction, &new(WRITE))).await;
            // Either way: what matters is that a success is one.
            let _ = transaction.commit().await;
            Ok(())
        }),
        call("fetch_optional", Cold, |executor| DB::optional(executor, READ)),
        call("fetch_all", Cold, |executor| DB::fetch_all(executor, ROWS)),
        call("fetch, all rows", Cold, |executor| DB::fetch(executor, ROWS, usize::MAX)),
        call("fetch, two rows", Cold, |executor| DB::fetch(executor, ROWS, 2)),
        call("fetch, a write's rows", Cold, |executor| DB::fetch(executor, WRITE, 1)),
        call("execute", Warm, |executor| async move { said(DB::run(&executor, WRITE).await) }),
        call("execute, unprepared", Warm, |executor| async move { said(DB::run_raw(&executor, WRITE).await) }),
        call("execute, what can't be understood", Warm, |executor| async move {
            // A write to everything, as far as anybody knows.
            said(DB::run(&executor, "UPDATE counters SET v = v + 1 WHERE id = 1 AND 1 = (SELECT 1) /* and so on */").await)
        }),
        call("a transaction", Warm, |executor| transaction(executor, None, End::Commit, End::Commit)),
        call("a transaction begun by hand", Warm, |executor| transaction(executor, Some(DB::BEGIN), End::Rollback, End::Commit)),
        call("a transaction rolled back", Warm, |executor| transaction(executor, None, End::Commit, End::Rollback)),
        call("a transaction dropped", Warm, |executor| transaction(executor, None, End::Drop, End::Drop)),
        call("a transaction whose savepoint is dropped", Warm, |executor| transaction(executor, None, End::Drop, End::Commit)),
        call("a transaction that reads", Warm, |executor| async move {
            let result = async {
                let mut transaction = executor.begin().await?;
                DB::number_in(&mut transaction, READ).await?;
                transaction.commit().await
            };
            said(result.await)
        }),
        call("invalidate_table", Warm, |executor| async move { said(executor.invalidate_table("counters").await) }),
        call("invalidate", Warm, |executor| async move { said(executor.invalidate("sql:counters:*").await) }),
        call("clear", Warm, |executor| async move { said(executor.clear().await) }),
        call("health", Warm, |executor| async move { said(executor.health().await.database) }),
        call("acquire", Warm, |executor| async move { said(executor.acquire().await) }),
        call("prepare", Warm, |executor| DB::prepare(executor, new(ROWS))),
        call("describe", Warm, |executor| DB::columns(executor, new(ROWS))),
    ]
}

/// A migration that writes, a new one each time.
fn migration<DB: Calls>(home: &Home<DB>) -> Call<DB> {
    let plain = home.plain.clone();
    let (scratch, number) = (Arc::new(Scratch::new()), Arc::new(AtomicUsize::new(1)));
    call("migrate", Start::Warm, move |executor| {
        let (scratch, number, plain) = (Arc::clone(&scratch), number.fetch_add(1, Relaxed), plain.clone());
        let folder = scratch.join(&format!("migrations-{number}"));
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{number}_counts.sql")), WRITE).expect("a migration");
        async move {
            // One that was dropped may have left MySQL's mark of half a migration.
            let _ = DB::run_direct(&plain, "DELETE FROM _sqlx_migrations").await;
            let migrator = Migrator::new(folder).await.expect("a migrator");
            DB::migrate(executor, migrator).await
        }
    })
}

macro_rules! calls {
    ($Db:ty, $Pool:ty, $begin:literal, $open:expr, $own:expr) => {
        impl Calls for $Db {
            const OPEN_TRANSACTIONS: Option<&'static str> = $open;
            const BEGIN: &'static str = $begin;

            fn pool_of_one(options: Options<Self>) -> BoxFuture<'static, Pool<Self>> {
                let pool = <$Pool>::new().max_connections(1).acquire_timeout(Duration::from_secs(12));
                async move { pool.connect_with(options).await.expect("a pool") }.boxed()
            }

            fn optional(executor: CachingExecutor<Self>, sql: &'static str) -> BoxFuture<'static, Outcome> {
                async move { said(sqlx::query(sql).fetch_optional(&executor).await) }.boxed()
            }

            fn fetch_all(executor: CachingExecutor<Self>, sql: &'static str) -> BoxFuture<'static, Outcome> {
                async move { said(sqlx::query(sql).fetch_all(&executor).await) }.boxed()
            }

            fn fetch(executor: CachingExecutor<Self>, sql: &'static str, rows: usize) -> BoxFuture<'static, Outcome> {
                async move { said(sqlx::query(sql).fetch(&executor).take(rows).try_collect::<Vec<_>>().await) }.boxed()
            }

            fn prepare(executor: CachingExecutor<Self>, sql: String) -> BoxFuture<'static, Outcome> {
                async move { said((&executor).prepare(AssertSqlSafe(sql).into_sql_str()).await) }.boxed()
            }

            fn columns(executor: CachingExecutor<Self>, sql: String) -> BoxFuture<'static, Outcome> {
                async move { said((&executor).describe(AssertSqlSafe(sql).into_sql_str()).await) }.boxed()
            }

            fn migrate(executor: CachingExecutor<Self>, migrator: Migrator) -> BoxFuture<'static, Outcome> {
                async move { said(executor.migrate(&migrator).await) }.boxed()
            }

            fn own_calls() -> Vec<Call<Self>> {
                $own
            }
        }
    };
}

calls!(
    Postgres,
    PgPoolOptions,
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    Some("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"),
    copies()
);
calls!(
    MySql,
    MySqlPoolOptions,
    "START TRANSACTION",
    Some(
        "SELECT count(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id \
         WHERE p.db = DATABASE() AND p.id <> CONNECTION_ID()"
    ),
    Vec::new()
);
calls!(
    Sqlite,
    SqlitePoolOptions,
    "BEGIN IMMEDIATE",
    None,
    vec![call("fetch_optional, a write's row", Start::Warm, |executor| Sqlite::optional(
        executor,
        "UPDATE counters SET v = v + 1 WHERE id = 1 RETURNING v"
    ))]
);

fn copies() -> Vec<Call<Postgres>> {
    use Start::Warm;
    vec![
        call("fetch_optional, a write's row", Warm, |executor| {
            Postgres::optional(executor, "UPDATE counters SET v = v + 1 WHERE id = 1 RETURNING v")
        }),
        call("copy_in_raw", Warm, |executor| async move {
            let result = async {
                let row = format!("{}\t0\n", rand::random::<u32>());
                let mut copy = executor.copy_in_raw("COPY counters (id, v) FROM STDIN").await?;
                copy.send(row.as_bytes()).await?;
                copy.finish().await
            };
            said(result.await)
        }),
        call("copy_in_raw, given up", Warm, |executor| async move {
            let mut copy = executor.copy_in_raw("COPY counters (id, v) FROM STDIN").await.map_err(|error| error.to_string())?;
            said(copy.send(&b"7\t0\n"[..]).await)?;
            said(copy.abort("not today").await)
        }),
        call("copy_out_raw", Warm, |executor| async move {
            let result = async { executor.copy_out_raw("COPY counters TO STDOUT").await?.try_collect::<Vec<_>>().await };
            said(result.await)
        }),
        call("copy_out_raw, of a write", Warm, |executor| async move {
            let statement = "COPY (UPDATE counters SET v = v + 1 WHERE id = 1 RETURNING v) TO STDOUT";
            let result = async { executor.copy_out_raw(statement).await?.try_collect::<Vec<_>>().await };
            said(result.await)
        }),
    ]
}
