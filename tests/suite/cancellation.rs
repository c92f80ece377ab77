//! Every public future, dropped at every one of its awaits. Whatever was under way then, nobody reads an old value, every fence goes, caching resumes, and
//! the pool of one connection works on.

mod calls;
mod drops;
mod pauses;

use calls::{Call, Calls, Start};
use drops::{When, panics, polled, runtime};
use pauses::Pauses;

use crate::faults::kit::{Cache, Home, LEASE, READ, eventually};
use sqlx::{Database, MySql, Postgres, Sqlite};
use sqlx_cached::CachingExecutor;
use sqlx_cached::store::{CacheStore, Tag};
use std::time::Duration;

/// How long a caller may wait for another's fence, connection or read.
const PATIENCE: Duration = Duration::from_secs(15);

/// No call here has as many awaits.
const MOST: usize = 300;

/// What another caller writes through the same pool: acknowledged, it must be there.
const BESIDE: &str = "UPDATE others SET v = v + 1 WHERE id = 1";
const BESIDE_READ: &str = "SELECT v FROM others WHERE id = 1";

/// Whose calls are dropped, and who looks on with a pool and a connection to the store of its own.
struct Scene<DB: Calls> {
    home: Home<DB>,
    cache: Cache,
    one: CachingExecutor<DB>,
    two: CachingExecutor<DB>,
}

impl<DB: Calls> Scene<DB> {
    async fn open(cache: Cache) -> Self {
        let home = DB::home().await;
        let pool = DB::pool_of_one(home.database.options.clone()).await;
        let mut builder =
            CachingExecutor::builder(pool).admission(sqlx_cached::Admission::Always).store(Pauses::over(cache.store())).fence_lease(LEASE);
        if DB::NAME == MySql::NAME {
            builder = builder.schema_refresh(Duration::ZERO);
        }
        let one = builder.build().await.expect("an executor");
        let two = home.executor(cache.store()).await;
        Self { home, cache, one, two }
    }

    /// Drops a call after one await more each time, until it comes to its end.
    async fn try_call(&self, call: &Call<DB>) -> usize {
        for awaits in 0..MOST {
            let mut ended = false;
            for when in [When::Waiting, When::Woken] {
                match call.start {
                    Start::Cold => self.two.invalidate_table("counters").await.expect("the store"),
                    Start::Warm => drop(self.home.resumes(&self.one, READ).await),
                }
                // Somebody who wants the same, and may have joined it.
                let follower = (when == When::Woken).then(|| tokio::spawn(DB::number(&self.one, READ)));
                let result = polled(awaits, when, (call.future)(&self.one)).await;
                let what = format!("{}: {} dropped after {awaits} awaits, {when:?}", DB::NAME, call.name);
                ended |= matches!(result, Some(Ok(())));
                if let Some(Err(error)) = result {
                    panic!("{what}: {error}");
                }
                self.all_is_well(&what).await;
                if let Some(follower) = follower {
                    let value = tokio::time::timeout(PATIENCE, follower).await.unwrap_or_else(|_| panic!("{what}: a follower hangs"));
                    value.expect("no panic").unwrap_or_else(|error| panic!("{what}: a follower fails: {error}"));
                }
                assert!(panics().is_empty(), "{what}: {:?}", panics());
            }
            if ended {
                return awaits;
            }
        }
        panic!("{}: {} does not come to its end within {MOST} awaits", DB::NAME, call.name);
    }

    async fn all_is_well(&self, what: &str) {
        let (home, one, two) = (&self.home, &self.one, &self.two);
        let well = async {
            for executor in [two, one, two] {
                home.check(executor, READ).await;
            }
            // The only connection is not inside a transaction that nobody knows of.
            let before = home.direct(BESIDE_READ).await;
            DB::run(one, BESIDE).await.unwrap_or_else(|error| panic!("{what}: the pool's next write fails: {error}"));
            assert_eq!(home.direct(BESIDE_READ).await, before + 1, "{what}: an acknowledged write was not committed");
            assert_eq!(home.check(two, BESIDE_READ).await, before + 1, "{what}");
            home.resumes(two, READ).await;
            home.resumes(one, READ).await;
            if let Some(redis) = &self.cache.redis {
                eventually(&format!("the fences are gone, {what}"), async || redis.cli::<Vec<String>>(&["KEYS", "sql-fence:*"]).is_empty())
                    .await;
            }
            if let Some(open) = DB::OPEN_TRANSACTIONS {
                eventually(&format!("no transaction is open, {what}"), async || home.direct(open).await == 0).await;
            }
        };
        tokio::time::timeout(2 * PATIENCE, well).await.unwrap_or_else(|_| panic!("{what}: something hangs"));
    }
}

async fn every_call<DB: Calls>(cache: Cache) {
    let scene = Scene::<DB>::open(cache).await;
    scene.all_is_well("before").await;
    for call in DB::calls(&scene.home) {
        let awaits = scene.try_call(&call).await;
        println!("{}: {}: {awaits} awaits", DB::NAME, call.name);
    }
    let stats = scene.one.stats();
    assert!(stats.store_errors == 0 && stats.replay_errors == 0 && stats.malformed_entries == 0, "{stats}");
}

macro_rules! every_call {
    ($($name:ident: $Db:ty, $cache:ident;)*) => {$(
        #[test]
        fn $name() {
            runtime().block_on(every_call::<$Db>(Cache::$cache()));
        }
    )*};
}

every_call! {
    postgres_in_memory: Postgres, memory;
    postgres_in_redis: Postgres, redis;
    mariadb_in_memory: MySql, memory;
    mariadb_in_redis: MySql, redis;
    sqlite_in_memory: Sqlite, memory;
    sqlite_in_redis: Sqlite, redis;
}

#[test]
fn a_gate_store_stops_at_every_await() {
    runtime().block_on(async {
        let pauses = Pauses::over(Cache::memory().store());
        let tags = [Tag::all()];
        for awaits in 0..2 {
            assert!(polled(awaits, When::Waiting, pauses.look_up("sql:a:data:0", &tags)).await.is_none());
        }
        assert!(polled(3, When::Waiting, pauses.look_up("sql:a:data:0", &tags)).await.is_some());
    });
}
