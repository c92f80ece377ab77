//! Transactions that are begun by a statement sent through the pool. sqlx does not know of them, so the next one to commit on that connection commits their
//! writes: the COMMIT itself, a `begin` of sqlx, or one of MySQL's many statements that do it on the side. This process caches nothing any more, others do.

use super::kit::{Cache, READ, Server, WRITE, each_on_redis};
use sqlx::pool::PoolOptions;
use sqlx_cached::CachingExecutor;

each_on_redis! {
    and_ended_by_hand: Postgres MySql Sqlite;
    and_ended_by_a_transaction: Postgres MySql;
    and_ended_on_the_side: MySql;
}

async fn and_ended_by_hand<DB: Server>(cache: Cache) {
    begun_and_ended::<DB>(&cache, "BEGIN", "COMMIT").await;
    if DB::NAME == "SQLite" {
        begun_and_ended::<DB>(&cache, "SAVEPOINT a", "RELEASE a").await;
    }
}

async fn and_ended_on_the_side<DB: Server>(cache: Cache) {
    begun_and_ended::<DB>(&cache, "SET autocommit = 0", "SET autocommit = 1").await;
    for end in [
        "START TRANSACTION",
        "BEGIN",
        "ANALYZE TABLE others",
        "OPTIMIZE TABLE others",
        "LOCK TABLES others READ",
        "CREATE TABLE made (a INT)",
    ] {
        begun_and_ended::<DB>(&cache, "BEGIN", end).await;
    }
}

async fn and_ended_by_a_transaction<DB: Server>(cache: Cache) {
    begun_and_ended::<DB>(&cache, "BEGIN", "").await;
}

async fn begun_and_ended<DB: Server>(cache: &Cache, begin: &str, end: &str) {
    let home = DB::home().await;
    let pool = PoolOptions::<DB>::new().max_connections(1).connect_with(home.database.options.clone()).await.unwrap();
    let one = CachingExecutor::builder(pool).store(cache.store()).build().await.unwrap();
    let two = home.executor(cache.store()).await;
    DB::run_raw(&one, begin).await.unwrap();
    DB::run(&one, WRITE).await.unwrap();
    home.resumes(&two, READ).await;
    assert_eq!(DB::number(&two, READ).await.unwrap(), 0, "{begin}: not committed yet");
    if end.is_empty() {
        one.begin().await.unwrap().commit().await.unwrap();
    } else {
        DB::run_raw(&one, end).await.unwrap();
    }
    assert_eq!(home.direct(READ).await, 1, "{end:?} commits");
    assert_eq!(DB::number(&two, READ).await.unwrap(), 1, "{begin}, and then {end:?}, was not seen to commit");
    // Locks die with their session.
    one.acquire().await.unwrap().close().await.unwrap();
}
