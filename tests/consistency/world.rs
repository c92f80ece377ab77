//! The rows that everybody reads and writes, on either database, and how statements are run there.
//!
//! An *item* has a version, which a trigger copies to `totals` and a cascade to `followers`; a view shows it as well. A *pair* is two rows in two tables that
//! only ever change together: their sum is zero. A *ghost* comes and goes: its `clock` counts, and at even numbers it is there and bears that number.

use super::log::Object;
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use sqlx::{AssertSqlSafe, Column, Error, Executor, MySql, Pool, Postgres, Row, Transaction};
use sqlx_cached::{Backend, CachingExecutor, CachingTransaction};

pub const ITEMS: i64 = 3;
pub const PAIRS: i64 = 2;
pub const GHOSTS: i64 = 2;

/// The number of a row among all that are followed.
pub fn item(id: i64) -> Object {
    Object::try_from(id).unwrap_or_default()
}

pub fn pair(id: i64) -> Object {
    100 + item(id)
}

pub fn ghost(id: i64) -> Object {
    200 + item(id)
}

/// By which of sqlx's ways rows are fetched.
#[derive(Clone, Copy, Debug)]
pub enum How {
    All,
    One,
    Optional,
    Stream,
}

/// A value of each column.
pub type Rows = Vec<Vec<i64>>;

/// What a statement runs on.
pub enum On<'e, DB: Backend> {
    Cached(&'e CachingExecutor<DB>),
    Transaction(&'e mut CachingTransaction<'static, DB>),
    Direct(&'e Pool<DB>),
}

/// The two databases under one interface. SQL is written with `$1` and `{int}`, and told to each in its own words.
pub trait World: Backend {
    /// Its name in arguments.
    const WORD: &'static str;
    /// A server that gives the new version with the statement that makes it, rather than by its last insert id.
    const RETURNS: bool;
    const SCHEMA: &'static [&'static str];

    fn fetch<'e>(on: On<'e, Self>, sql: &'static str, arguments: Vec<i64>, how: How) -> BoxFuture<'e, Result<Rows, Error>>;
    /// Answers what the statement gave as its last insert id, where the database does such a thing.
    fn execute<'e>(on: On<'e, Self>, sql: &'static str, arguments: Vec<i64>) -> BoxFuture<'e, Result<i64, Error>>;
    fn run(pool: &Pool<Self>, sql: String) -> BoxFuture<'static, Result<(), Error>>;
    /// How many statements wait for a lock.
    const BLOCKED: &'static str;
    /// A connection on which somebody else's statement runs.
    const BUSY: &'static str;
    /// Ends it.
    const TERMINATE: &'static str;
    /// Locks every item against writers until the transaction ends.
    fn lock(pool: &Pool<Self>) -> BoxFuture<'static, Result<Transaction<'static, Self>, Error>>;
}

macro_rules! world {
    ($Db:ty, $word:literal, $returns:literal, $last:expr, $schema:expr, [$blocked:literal, $busy:literal, $terminate:literal]) => {
        impl World for $Db {
            const WORD: &'static str = $word;
            const RETURNS: bool = $returns;
            const SCHEMA: &'static [&'static str] = $schema;

            fn fetch<'e>(on: On<'e, Self>, sql: &'static str, arguments: Vec<i64>, how: How) -> BoxFuture<'e, Result<Rows, Error>> {
                async fn on_any<'e, E>(executor: E, sql: &'static str, arguments: Vec<i64>, how: How) -> Result<Rows, Error>
                where
                    E: Executor<'e, Database = $Db> + 'e,
                {
                    let mut query = sqlx::query::<$Db>(sql);
                    for argument in arguments {
                        query = query.bind(argument);
                    }
                    let decode = |row: <$Db as sqlx::Database>::Row| -> Result<Vec<i64>, Error> {
                        row.columns().iter().map(|column| row.try_get(column.ordinal())).collect()
                    };
                    match how {
                        How::All => query.fetch_all(executor).await?.into_iter().map(decode).collect(),
                        How::One => Ok(vec![decode(query.fetch_one(executor).await?)?]),
                        How::Optional => query.fetch_optional(executor).await?.into_iter().map(decode).collect(),
                        How::Stream => {
                            let mut stream = query.fetch(executor);
                            let mut rows = Vec::new();
                            while let Some(row) = stream.try_next().await? {
                                rows.push(decode(row)?);
                                tokio::task::yield_now().await;
                            }
                            Ok(rows)
                        }
                    }
                }
                Box::pin(async move {
                    match on {
                        On::Cached(executor) => on_any(executor, sql, arguments, how).await,
                        On::Transaction(transaction) => on_any(&mut **transaction, sql, arguments, how).await,
                        On::Direct(pool) => on_any(pool, sql, arguments, how).await,
                    }
                })
            }

            fn execute<'e>(on: On<'e, Self>, sql: &'static str, arguments: Vec<i64>) -> BoxFuture<'e, Result<i64, Error>> {
                Box::pin(async move {
                    let mut query = sqlx::query::<$Db>(sql);
                    for argument in arguments {
                        query = query.bind(argument);
                    }
                    let done = match on {
                        On::Cached(executor) => query.execute(executor).await?,
                        On::Transaction(transaction) => query.execute(&mut **transaction).await?,
                        On::Direct(pool) => query.execute(pool).await?,
                    };
                    Ok($last(done))
                })
            }

            fn run(pool: &Pool<Self>, sql: String) -> BoxFuture<'static, Result<(), Error>> {
                let pool = pool.clone();
                Box::pin(async move { sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await.map(drop) })
            }

            const BLOCKED: &'static str = $blocked;
            const BUSY: &'static str = $busy;
            const TERMINATE: &'static str = $terminate;

            fn lock(pool: &Pool<Self>) -> BoxFuture<'static, Result<Transaction<'static, Self>, Error>> {
                let pool = pool.clone();
                Box::pin(async move {
                    let mut transaction = pool.begin().await?;
                    sqlx::query("SELECT v FROM items ORDER BY id FOR UPDATE").fetch_all(&mut *transaction).await?;
                    Ok(transaction)
                })
            }
        }
    };
}

world!(
    Postgres,
    "postgres",
    true,
    |_| 0,
    &[
        "CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN UPDATE totals SET v = NEW.v WHERE id = NEW.id; RETURN NULL; END $$",
        "CREATE TRIGGER follow AFTER UPDATE ON items FOR EACH ROW EXECUTE FUNCTION follow()",
    ],
    [
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        "SELECT CAST(pid AS bigint) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND state <> 'idle' AND backend_type = 'client backend' ORDER BY random() LIMIT 1",
        "SELECT pg_terminate_backend({id})"
    ]
);

world!(
    MySql,
    "mariadb",
    false,
    |done: sqlx::mysql::MySqlQueryResult| i64::try_from(done.last_insert_id()).unwrap_or_default(),
    &["CREATE TRIGGER follow AFTER UPDATE ON items FOR EACH ROW UPDATE totals SET v = NEW.v WHERE id = NEW.id"],
    [
        // The list of InnoDB's transactions is a tenth of a second old.
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() AND command <> 'Sleep' AND time_ms > 10",
        "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()
         AND command <> 'Sleep' ORDER BY RAND() LIMIT 1",
        "KILL {id}"
    ]
);

/// Makes the tables, with every version at zero and every ghost there.
pub async fn create<DB: World>(pool: &Pool<DB>) {
    let tables = [
        "CREATE TABLE items (id BIGINT PRIMARY KEY, v BIGINT NOT NULL, UNIQUE (id, v))",
        "CREATE TABLE totals (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)",
        "CREATE TABLE followers (id BIGINT PRIMARY KEY, v BIGINT NOT NULL, FOREIGN KEY (id, v) REFERENCES items (id, v) ON UPDATE CASCADE)",
        "CREATE VIEW watched AS SELECT id, v FROM items WHERE v >= 0",
        "CREATE TABLE lefts (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)",
        "CREATE TABLE rights (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)",
        "CREATE TABLE ghosts (id BIGINT PRIMARY KEY, inc BIGINT NOT NULL)",
        "CREATE TABLE clocks (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)",
    ];
    let filled = [
        ("items", ITEMS),
        ("totals", ITEMS),
        ("followers", ITEMS),
        ("lefts", PAIRS),
        ("rights", PAIRS),
        ("ghosts", GHOSTS),
        ("clocks", GHOSTS),
    ];
    let inserts = filled.into_iter().map(|(table, rows)| {
        let values: Vec<String> = (1..=rows).map(|id| format!("({id}, 0)")).collect();
        format!("INSERT INTO {table} VALUES {}", values.join(", "))
    });
    for statement in tables.map(str::to_owned).into_iter().chain(inserts).chain(DB::SCHEMA.iter().map(|&sql| sql.to_owned())) {
        DB::run(pool, statement.clone()).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

/// A statement in the database's own words.
pub fn told<DB: World>(sql: &str) -> String {
    if DB::RETURNS {
        return sql.replace("{int}", "BIGINT");
    }
    let mut text = sql.replace("{int}", "SIGNED");
    for number in 1..=4 {
        text = text.replace(&format!("${number}"), "?");
    }
    text
}
