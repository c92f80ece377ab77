//! Compiled once per database.

use super::{Connection, Db, Home, sql, value};
use crate::databases::Snapshot;
use crate::support::Redis;
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Either, Error, Executor, Pool, SqlSafeStr, Statement as _};
use sqlx_cached::{Builder, CachingExecutor, CachingTransaction, Reason};
use std::fmt::Debug;
use std::time::Duration;

struct Fixture {
    home: Home,
    pool: Pool<Db>,
    db: CachingExecutor<Db>,
}

async fn fixture() -> Fixture {
    fixture_with(|builder| builder).await
}

async fn fixture_with(configure: impl FnOnce(Builder<Db>) -> Builder<Db>) -> Fixture {
    let home = Home::new().await;
    let pool = home.pool().await;
    let statements = "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20)); INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, NULL)";
    sqlx::raw_sql(statements).execute(&pool).await.expect("a table");
    let db = configure(CachingExecutor::builder(home.pool().await)).build().await.expect("an executor");
    Fixture { home, pool, db }
}

/// An error without the number of the prepared statement, which depends on what a connection did before.
fn without_names(error: &Error) -> String {
    let text = format!("{error:?}");
    let parts: Vec<_> = text.split("sqlx_s_").collect();
    parts.iter().map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect()
}

/// Two errors, as far as a program can tell.
fn assert_same_error<T: Debug>(cached: Result<T, Error>, direct: Result<T, Error>, what: &str) {
    let (cached, direct) = (cached.expect_err(what), direct.expect_err(what));
    assert_eq!(format!("{cached:?} {cached}"), format!("{direct:?} {direct}"), "{what}");
    assert_eq!(cached.as_database_error().map(|error| error.kind() as u8), direct.as_database_error().map(|error| error.kind() as u8));
}

async fn name(executor: impl Executor<'_, Database = Db>, id: i32) -> Result<Option<String>, Error> {
    sqlx::query_scalar(AssertSqlSafe(sql("SELECT name FROM t WHERE id = ?"))).bind(id).fetch_one(executor).await
}

const fn is_shared_among_threads<T: Send + Sync + Clone + Unpin + 'static>() {}
const fn is_sent_to_threads<T: Send>() {}
const _: () = is_shared_among_threads::<CachingExecutor<Db>>();
const _: () = is_sent_to_threads::<CachingTransaction<'static, Db>>();
const _: () = is_sent_to_threads::<Builder<Db>>();

#[tokio::test]
async fn errors_are_the_pools() {
    let Fixture { pool, db, home: _home } = fixture().await;
    for text in [
        "SELECT FROM FROM",
        // Not even its first word is understood: who knows what it would have done to the session.
        "SELEKT 1",
        "SELECT * FROM no_such_table",
        "SELECT no_such_column FROM t",
        "UPDATE no_such_table SET a = 1",
        "INSERT INTO t VALUES (1, 'again')",
    ] {
        let query = || sqlx::query(AssertSqlSafe(text));
        for _ in 0..2 {
            assert_same_error(query().fetch_all(&db).await.map(drop), query().fetch_all(&pool).await.map(drop), text);
            assert_same_error(query().fetch_optional(&db).await.map(drop), query().fetch_optional(&pool).await.map(drop), text);
            assert_same_error(query().execute(&db).await.map(drop), query().execute(&pool).await.map(drop), text);
            assert_same_error(query().fetch(&db).try_next().await.map(drop), query().fetch(&pool).try_next().await.map(drop), text);
        }
    }
    // On a miss and on hits.
    for hits in 0..3 {
        assert!(matches!(name(&db, 77).await, Err(Error::RowNotFound)));
        assert_eq!(db.stats().hits, hits);
    }
    let text = "SELECT id, name FROM t WHERE id = 1";
    let wrong = || sqlx::query_as::<_, (i64, i64)>(text);
    assert_same_error(wrong().fetch_all(&db).await, wrong().fetch_all(&pool).await, "a value of another type");
    assert_eq!(sqlx::query(text).fetch_all(&db).await.expect("rows").len(), 1);
    let hits = db.stats().hits;
    assert_same_error(wrong().fetch_all(&db).await, wrong().fetch_all(&pool).await, "a value of another type");
    assert_eq!(db.stats().hits, hits + 1);
    let nothing = |rows: Result<Option<(i32,)>, Error>| assert!(rows.expect("no error").is_none());
    for _ in 0..2 {
        nothing(sqlx::query_as(AssertSqlSafe(sql("SELECT id FROM t WHERE id = ?"))).bind(78).fetch_optional(&db).await);
    }
}

/// Too few arguments, too many: on a miss, and again. (MariaDB hangs up on them.)
#[tokio::test]
async fn a_wrong_number_of_arguments_is_what_the_pool_makes_of_it() {
    if super::NAME == "mariadb" {
        return;
    }
    let Fixture { pool, db, home: _home } = fixture().await;
    for count in 0..4 {
        // A text each: what a connection makes of it depends on the arguments that it was first prepared with.
        let text = sql(&format!("SELECT id, name FROM t WHERE id = ? AND {count} = {count} ORDER BY id"));
        for _ in 0..3 {
            let query = || (0..count).fold(sqlx::query(AssertSqlSafe(text.clone())), |query, number| query.bind(number + 1));
            let (cached, direct) = (query().fetch_all(&db).await, query().fetch_all(&pool).await);
            let shown = |rows: Result<Vec<_>, Error>| {
                rows.map(|rows| format!("{:?}", Snapshot::of(&rows, value))).map_err(|error| without_names(&error))
            };
            assert_eq!(shown(cached), shown(direct), "{count} arguments");
        }
    }
    assert!(db.stats().hits >= 2);
}

#[tokio::test]
async fn a_closed_pool_is_closed_for_hits_of_writes_and_misses() {
    let Fixture { db, home: _home, .. } = fixture().await;
    assert_eq!(name(&db, 1).await.expect("a name").as_deref(), Some("one"));
    assert!(!db.is_closed());
    db.close().await;
    assert!(db.is_closed());
    assert!(matches!(name(&db, 2).await, Err(Error::PoolClosed)));
    assert!(matches!(db.begin().await, Err(Error::PoolClosed)));
    assert!(matches!(db.acquire().await, Err(Error::PoolClosed)));
    assert!(matches!(sqlx::query("DELETE FROM t").execute(&db).await, Err(Error::PoolClosed)));
    assert!(matches!(sqlx::query("BOGUS").execute(&db).await, Err(Error::PoolClosed)));
}

#[tokio::test]
async fn prepared_statements_are_cached_and_described() {
    let Fixture { pool, db, home: _home } = fixture().await;
    let text = sql("SELECT id, name FROM t WHERE id = ?");
    let statement = (&db).prepare(AssertSqlSafe(text.clone()).into_sql_str()).await.expect("a statement");
    let directly = pool.prepare(AssertSqlSafe(text.clone()).into_sql_str()).await.expect("a statement");
    assert_eq!(
        format!("{:?} {:?}", statement.columns(), statement.parameters()),
        format!("{:?} {:?}", directly.columns(), directly.parameters())
    );
    for hits in 0..3 {
        let cached = statement.query().bind(2).fetch_all(&db).await.expect("rows");
        let direct = directly.query().bind(2).fetch_all(&pool).await.expect("rows");
        assert_eq!(Snapshot::of(&cached, value), Snapshot::of(&direct, value));
        let row: (i32, Option<String>) = statement.query_as().bind(2).fetch_one(&db).await.expect("a row");
        assert_eq!(row, (2, Some("two".to_owned())));
        assert_eq!(db.stats().hits, 2 * hits);
    }
    let (cached, direct) =
        ((&db).describe(AssertSqlSafe(text.clone()).into_sql_str()).await, pool.describe(AssertSqlSafe(text).into_sql_str()).await);
    assert_eq!(format!("{:?}", cached.expect("a description")), format!("{:?}", direct.expect("a description")));
    assert_same_error(
        (&db).prepare("SELECT * FROM no_such_table".into_sql_str()).await.map(drop),
        pool.prepare("SELECT * FROM no_such_table".into_sql_str()).await.map(drop),
        "prepare",
    );
}

/// What the database had given by then is kept if it was all, and else nothing is.
#[tokio::test]
async fn a_stream_dropped_half_way_stores_no_half_and_spoils_nothing() {
    let Fixture { db, home: _home, .. } = fixture().await;
    let text = "SELECT id, name FROM t ORDER BY id";
    for taken in 0..3 {
        let mut stream = sqlx::query(text).fetch(&db);
        for _ in 0..taken {
            assert!(stream.try_next().await.expect("a row").is_some());
        }
        drop(stream);
        let stats = db.stats();
        assert_eq!(stats.misses > 0, taken > 0, "the one that was never polled did not begin");
        assert_eq!(stats.misses + stats.hits + stats.joined, taken);
        assert!(stats.fills <= 1 && stats.fills + stats.not_stored.get(&Reason::Unfinished).unwrap_or(&0) <= stats.misses);
    }
    for _ in 0..2 {
        assert_eq!(sqlx::query(text).fetch_all(&db).await.expect("rows").len(), 3);
    }
    let (fills, hits) = (db.stats().fills, db.stats().hits);
    assert!(fills == 1 && hits >= 1);
    // From a hit, too.
    let mut stream = sqlx::query(text).fetch(&db);
    assert!(stream.try_next().await.expect("a row").is_some());
    drop(stream);
    assert_eq!(sqlx::query(text).fetch_all(&db).await.expect("rows").len(), 3);
    assert_eq!((db.stats().fills, db.stats().hits), (1, hits + 2));
    // To its end, but one step at a time.
    let mut steps = db.fetch_many(sqlx::query("SELECT id FROM t ORDER BY id"));
    let mut seen = (0, 0);
    while let Some(step) = steps.try_next().await.expect("a step") {
        match step {
            Either::Left(_) => seen.0 += 1,
            Either::Right(_) => seen.1 += 1,
        }
    }
    drop(steps);
    assert_eq!(seen, (1, 3));
    assert_eq!(db.stats().fills, 2);
}

/// What one asks for with a query whose rows don't matter goes to the database.
#[tokio::test]
async fn execute_and_raw_sql_go_to_the_database() {
    let Fixture { db, home: _home, .. } = fixture().await;
    for _ in 0..2 {
        sqlx::query("SELECT id FROM t").execute(&db).await.expect("a result");
        assert_eq!(sqlx::raw_sql("SELECT id FROM t").fetch_all(&db).await.expect("rows").len(), 3);
        assert_eq!(sqlx::raw_sql("SELECT id FROM t; SELECT name FROM t").fetch_all(&db).await.expect("rows").len(), 6);
    }
    assert_eq!((db.stats().hits, db.stats().fills), (0, 0));
}

/// Changes the table behind the cache's back: whoever still says `before` was answered from the store.
async fn rename(pool: &Pool<Db>, to: &str) {
    sqlx::query(AssertSqlSafe(format!("UPDATE t SET name = '{to}' WHERE id = 1"))).execute(pool).await.expect("an update");
}

async fn first(db: &CachingExecutor<Db>) -> String {
    name(db, 1).await.expect("a name").expect("not NULL")
}

#[tokio::test]
async fn clones_read_by_options_of_their_own() {
    let Fixture { pool, db, home: _home } = fixture().await;
    assert_eq!(first(&db).await, "one");
    rename(&pool, "uno").await;
    assert_eq!(first(&db).await, "one");
    assert_eq!(first(&db.clone()).await, "one");
    assert_eq!(first(&db.uncached()).await, "uno");
    assert_eq!(first(&db).await, "one", "an uncached clone stores nothing");
    assert_eq!(first(&db.scope("a")).await, "uno");
    assert_eq!(first(&db.refresh()).await, "uno");
    assert_eq!(first(&db).await, "uno", "a refreshing clone stores");
    rename(&pool, "un").await;
    assert_eq!(first(&db.scope("a")).await, "uno");
    assert_eq!(first(&db.scope("b")).await, "un");
    assert_eq!(first(&db.scope("a").refresh()).await, "un");
    // A write through any clone is followed by all.
    sqlx::query("UPDATE t SET name = 'eins' WHERE id = 1").execute(&db.uncached().scope("c")).await.expect("an update");
    for executor in [db.clone(), db.scope("a"), db.scope("b"), db.ttl(Duration::from_secs(5))] {
        assert_eq!(first(&executor).await, "eins");
    }
}

#[tokio::test]
async fn entries_age() {
    for with_redis in [false, true] {
        let redis = with_redis.then(Redis::start);
        let Fixture { pool, db, home: _home } = fixture_with(|builder| match &redis {
            Some(redis) => builder.redis_socket(&redis.socket().display().to_string()).redis_timeout(Duration::from_secs(5)),
            None => builder,
        })
        .await;
        let brief = db.ttl(Duration::from_millis(300));
        assert_eq!(first(&brief).await, "one");
        rename(&pool, "uno").await;
        assert_eq!(db.stats().fills, 1);
        // Asked again and again until it has gone; the clock alone decides when.
        while first(&brief).await == "one" {}
        assert_eq!(first(&brief).await, "uno");
        // A clone that wants it younger than it is.
        rename(&pool, "un").await;
        let _ = first(&db.refresh()).await;
        rename(&pool, "eins").await;
        assert_eq!(first(&db).await, "un");
        while first(&db.ttl(Duration::from_millis(50))).await == "un" {}
    }
}

#[tokio::test]
async fn comments_switch_the_cache_off_or_limit_it() {
    let Fixture { pool, db, home: _home } = fixture().await;
    let read = |text: &'static str| {
        let db = db.clone();
        async move { sqlx::query_scalar::<_, String>(text).fetch_one(&db).await.expect("a name") }
    };
    let (plain, off, brief) = (
        "SELECT name FROM t WHERE id = 1",
        "/* cache: off */ SELECT name FROM t WHERE id = 1",
        "/* cache: ttl=300ms */ SELECT name FROM t WHERE id = 1",
    );
    for text in [plain, off, brief] {
        assert_eq!(read(text).await, "one");
    }
    rename(&pool, "uno").await;
    assert_eq!(read(plain).await, "one");
    assert_eq!(read(off).await, "uno");
    while read(brief).await == "one" {}
    assert_eq!(read(plain).await, "one");
    assert_eq!(db.stats().bypasses.get(&Reason::Hint), Some(&2));
}

#[tokio::test]
async fn switched_off_it_is_a_plain_pool() {
    let Fixture { pool, db, home: _home } = fixture_with(|builder| builder.enabled(false)).await;
    assert_eq!(first(&db).await, "one");
    rename(&pool, "uno").await;
    assert_eq!(first(&db).await, "uno");
    let mut transaction = db.begin().await.expect("a transaction");
    sqlx::query("UPDATE t SET name = 'un' WHERE id = 1").execute(&mut *transaction).await.expect("an update");
    transaction.commit().await.expect("a commit");
    assert_eq!(first(&db.refresh()).await, "un");
    assert_eq!((db.invalidate_table("t").await.expect("nothing"), db.clear().await.expect("nothing")), ((), 0));
    assert_eq!((db.stats().hits, db.stats().misses, db.stats().fills), (0, 0, 0));
    assert!(sqlx::query("SELECT * FROM no_such_table").fetch_all(&db).await.is_err());
}

/// A function of the user's, written for a connection.
async fn set(connection: &mut Connection, to: &str) -> Result<u64, Error> {
    let update = sqlx::query(AssertSqlSafe(format!("UPDATE t SET name = '{to}' WHERE id = 1")));
    Ok(update.execute(connection).await?.rows_affected())
}

#[tokio::test]
async fn transactions_are_given_where_connections_were() {
    let Fixture { db, home: _home, .. } = fixture().await;
    assert_eq!(first(&db).await, "one");
    let mut transaction = db.begin().await.expect("a transaction");
    assert_eq!(set(&mut transaction, "uno").await.expect("an update"), 1);
    assert_eq!(name(&mut *transaction, 1).await.expect("a name").as_deref(), Some("uno"));
    assert_eq!(first(&db).await, "one");
    transaction.commit().await.expect("a commit");
    assert_eq!(first(&db).await, "uno");

    // What is rolled back, dropped, or undone by a savepoint leaves every entry as it was.
    let before = db.stats();
    let mut transaction = db.begin().await.expect("a transaction");
    sqlx::query("UPDATE t SET name = 'un' WHERE id = 1").execute(&mut *transaction).await.expect("an update");
    transaction.rollback().await.expect("a rollback");
    let mut transaction = db.begin().await.expect("a transaction");
    sqlx::query("UPDATE t SET name = 'un' WHERE id = 1").execute(&mut *transaction).await.expect("an update");
    drop(transaction);
    assert_eq!(first(&db).await, "uno");
    assert_eq!((db.stats().hits, db.stats().invalidations), (before.hits + 1, before.invalidations));

    let mut transaction = db.begin().await.expect("a transaction");
    let mut savepoint = transaction.begin().await.expect("a savepoint");
    assert_eq!(set(&mut savepoint, "lost").await.expect("an update"), 1);
    savepoint.rollback().await.expect("a rollback");
    let mut savepoint = transaction.begin().await.expect("a savepoint");
    sqlx::query("UPDATE t SET name = 'eins' WHERE id = 1").execute(&mut *savepoint).await.expect("an update");
    savepoint.commit().await.expect("a release");
    transaction.commit().await.expect("a commit");
    assert_eq!(first(&db).await, "eins");
}

#[tokio::test]
async fn secrets_are_not_shown() {
    let redis = Redis::configured().tcp().password("verysecretpassword").start();
    let Fixture { home, db, .. } = fixture_with(|builder| builder.redis_url(&redis.tcp_url())).await;
    let builder = CachingExecutor::builder(home.pool().await).redis_url(&redis.url());
    assert_eq!(first(&db).await, "one");
    let transaction = db.begin().await.expect("a transaction");
    let shown = format!("{db:?} {db:#?} {builder:?} {transaction:?} {:?} {:?}", db.stats(), db.health().await);
    assert!(!shown.contains("verysecret"), "{shown}");
    drop(transaction);
    redis.pause();
    let unreachable = format!("{:?}", db.health().await);
    redis.resume();
    assert!(!unreachable.contains("verysecret"), "{unreachable}");
    // Not in the error of a URL that can't be used either.
    let refused = CachingExecutor::builder(home.pool().await).redis_url("redis://:verysecretpassword@[::1").build().await;
    let refused = refused.expect_err("a URL that is none");
    let refused = format!("{refused} {refused:?}");
    assert!(!refused.contains("verysecret"), "{refused}");
}

#[tokio::test]
async fn the_pools_conveniences_are_there() {
    let Fixture { db, home: _home, .. } = fixture().await;
    assert!(db.size() > 0 && db.num_idle() <= db.size() as usize);
    assert_eq!(db.options().get_max_connections(), 5);
    let mut connection = db.acquire().await.expect("a connection");
    assert_eq!(name(&mut *connection, 2).await.expect("a name").as_deref(), Some("two"));
    drop(connection);
    let begin = if super::NAME == "mariadb" { "START TRANSACTION" } else { "BEGIN" };
    let mut transaction = db.begin_with(begin).await.expect("a transaction");
    sqlx::query("DELETE FROM t WHERE id = 2").execute(&mut *transaction).await.expect("a deletion");
    transaction.commit().await.expect("a commit");
    assert!(matches!(name(&db, 2).await, Err(Error::RowNotFound)));
}
