//! Fences that are lost under a running write whose process then dies, so that nobody adds them again: with the guard nobody is served less than anybody saw.

use crate::faults::kit::{Home, LEASE, READ, Server, WRITE, eventually};
use crate::support::Redis;
use sqlx::{Connection, MySql, Postgres, Sqlite};
use sqlx_cached::CachingExecutor;
use sqlx_cached::store::{CacheStore, Creation, FenceId, Keyspace, Label, RedisAddress, RedisConfig, RedisStore, Tag};
use std::time::{Duration, Instant};

fn guarded(redis: &Redis, guard: bool) -> RedisStore {
    let mut config = RedisConfig::new(RedisAddress::Url(redis.url()));
    config.timeout = Duration::from_secs(5);
    config.near = false;
    config.fence_guard = guard.then_some(LEASE);
    RedisStore::new(&config, Keyspace::new("sql")).unwrap()
}

async fn executor<DB: Server>(home: &Home<DB>, redis: &Redis, guard: bool) -> CachingExecutor<DB> {
    home.build(|builder| {
        let builder = builder.redis_url(&redis.url()).redis_timeout(Duration::from_secs(5)).near_bytes(0);
        builder.fence_lease(LEASE).fence_guard(guard)
    })
    .await
}

/// How bookkeeping is lost.
#[derive(Clone, Copy)]
enum Loss {
    ByHand,
    Flush,
}

/// A process begins a write and sends it. Its fence is lost, it dies, and the server commits a moment later. Whether somebody was then served what was before, though
/// he or somebody else had seen the new.
async fn is_served_less<DB: Server + Writes>(guard: bool, by: Loss) -> bool {
    let (home, redis) = (DB::home().await, Redis::start());
    let executor = executor(&home, &redis, guard).await;
    home.resumes(&executor, READ).await;
    let mut served_less = false;
    for _ in 0..3 {
        let old = home.direct(READ).await;
        // What is left of the process: its fence, which nobody renews, and its statement.
        let dead = guarded(&redis, guard);
        dead.begin(&[Tag::table("counters")], &FenceId("somebody-1".into()), LEASE).await.unwrap();
        let mut connection = DB::Connection::connect_with(&home.database.options).await.unwrap();
        let mut statement = connection.begin().await.unwrap();
        DB::write_by(&mut statement).await;
        match by {
            Loss::ByHand => assert_eq!(redis.cli::<i64>(&["DEL", "sql-fence:counters", "sql:counters:gen"]), 2),
            Loss::Flush => _ = redis.cli::<String>(&["FLUSHALL"]),
        }
        let since = Instant::now();
        while since.elapsed() < LEASE / 4 {
            assert_eq!(DB::number(&executor, READ).await.unwrap(), old);
        }
        statement.commit().await.unwrap();
        assert_eq!(home.direct(READ).await, old + 1, "somebody saw it");
        while since.elapsed() < LEASE * 2 {
            served_less |= DB::number(&executor, READ).await.unwrap() <= old;
        }
        executor.invalidate_table("counters").await.unwrap();
        home.resumes(&executor, READ).await;
    }
    served_less
}

/// A write through a connection of the database's own.
trait Writes: sqlx::Database {
    fn write_by(connection: &mut Self::Connection) -> impl Future<Output = ()> + Send;
}

macro_rules! writes {
    ($($database:ty)+) => {$(
        impl Writes for $database {
            async fn write_by(connection: &mut Self::Connection) {
                sqlx::query(WRITE).execute(connection).await.unwrap();
            }
        }
    )+};
}
writes!(Postgres MySql);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_guard_nobody_is_served_less() {
    for loss in [Loss::ByHand, Loss::Flush] {
        assert!(!is_served_less::<Postgres>(true, loss).await);
        assert!(!is_served_less::<MySql>(true, loss).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_it_somebody_is() {
    for loss in [Loss::ByHand, Loss::Flush] {
        assert!(is_served_less::<Postgres>(false, loss).await);
        assert!(is_served_less::<MySql>(false, loss).await);
    }
}

async fn create(store: &RedisStore, tag: &Tag) -> Creation {
    store.create(std::slice::from_ref(tag)).await.unwrap().remove(0)
}

async fn label(store: &RedisStore, tag: &Tag) -> Label {
    store.look_up("sql:x", std::slice::from_ref(tag)).await.unwrap().labels[0]
}

/// Waits until a generation may be created; at least a lease, but for `slack`.
async fn after_a_lease(store: &RedisStore, tag: &Tag) {
    let since = Instant::now();
    assert_eq!(create(store, tag).await, Creation::Fenced);
    eventually("a generation may be created", async || matches!(create(store, tag).await, Creation::Standing(_))).await;
    // The server counts whole milliseconds, and began before we did.
    assert!(since.elapsed() + Duration::from_millis(10) >= LEASE, "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_fence_is_trusted_once_it_was_kept_for_a_lease() {
    let redis = Redis::start();
    let (store, tag, id) = (guarded(&redis, true), Tag::table("t"), FenceId("db-1".into()));
    let tags = std::slice::from_ref(&tag);
    after_a_lease(&store, &tag).await;
    // From then on a write costs nothing more.
    store.begin(tags, &id, LEASE).await.unwrap();
    assert_eq!((label(&store, &tag).await, create(&store, &tag).await), (Label::Fenced, Creation::Fenced));
    store.end(tags, &id).await.unwrap();
    assert_eq!(label(&store, &tag).await, Label::Absent, "the guard is no write");
    assert!(matches!(create(&store, &tag).await, Creation::Standing(_)));
    // Nor is it among those whose leases ran out, or kept by their being cleared.
    store.begin(tags, &id, Duration::from_millis(30)).await.unwrap();
    eventually("it lapses", async || create(&store, &tag).await == Creation::Lapsed(vec![id.clone()])).await;
    store.clear_lapsed(&tag, std::slice::from_ref(&id)).await.unwrap();
    assert!(matches!(create(&store, &tag).await, Creation::Standing(_)));
    // What stands goes on standing when the fence is lost; nothing new is created.
    let standing = label(&store, &tag).await;
    redis.cli::<i64>(&["DEL", "sql-fence:t"]);
    assert!(standing != Label::Absent && label(&store, &tag).await == standing);
    store.invalidate(tags).await.unwrap();
    after_a_lease(&store, &tag).await;
    // Lost under a write that renews: it stands again, and its end is the end of the fence, not of the waiting.
    store.begin(tags, &id, LEASE).await.unwrap();
    redis.cli::<i64>(&["DEL", "sql-fence:t"]);
    store.begin(tags, &id, LEASE).await.unwrap();
    store.end(tags, &id).await.unwrap();
    after_a_lease(&store, &tag).await;
    // Another program's value.
    redis.cli::<i64>(&["DEL", "sql-fence:t", "sql:t:gen"]);
    redis.cli::<String>(&["SET", "sql-fence:t", "no sorted set"]);
    after_a_lease(&store, &tag).await;
}

/// Another server, or the same from a snapshot, may have lost the last that was told.
#[tokio::test]
async fn another_servers_fence_is_not() {
    let mut redis = Redis::start();
    let tag = Tag::table("t");
    after_a_lease(&guarded(&redis, true), &tag).await;
    redis.cli::<String>(&["SAVE"]);
    redis.restart();
    let store = guarded(&redis, true);
    after_a_lease(&store, &tag).await;
    assert_eq!(redis.cli::<i64>(&["ZCARD", "sql-fence:t"]), 1, "the former server's is gone");
    // Whoever has no guard does not count it as a write, either.
    let other = guarded(&redis, false);
    store.invalidate(std::slice::from_ref(&tag)).await.unwrap();
    assert!(matches!(create(&other, &tag).await, Creation::Standing(_)));
}

/// The first use of a table waits for a lease, and no error says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_use_waits() {
    let (home, redis) = (Sqlite::home().await, Redis::start());
    let executor = executor(&home, &redis, true).await;
    let since = Instant::now();
    home.resumes(&executor, READ).await;
    assert!(since.elapsed() >= LEASE / 2, "{:?}", since.elapsed());
    let mut shortest = Duration::MAX;
    for _ in 0..5 {
        let since = Instant::now();
        Sqlite::run(&executor, WRITE).await.unwrap();
        home.resumes(&executor, READ).await;
        shortest = shortest.min(since.elapsed());
    }
    assert!(shortest < LEASE, "a write waits: {shortest:?}");
}
