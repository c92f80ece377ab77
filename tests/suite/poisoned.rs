//! A Redis that somebody else writes to, under an executor of each database that also keeps entries near: every answer is the database's, nobody sees an error,
//! and what is poisoned stays nowhere.

use crate::faults::kit::{Cache, Home, LEASE, READ, Server, eventually};
use crate::support::Redis;
use sqlx::{MySql, Postgres, Sqlite};
use sqlx_cached::CachingExecutor;
use std::time::Duration;

const OTHER: &str = "SELECT v FROM counters WHERE id = 2";
const OTHERS: &str = "SELECT v FROM others WHERE id = 1";

async fn executor<DB: Server>(home: &Home<DB>, redis: &Redis, near: bool) -> CachingExecutor<DB> {
    let socket = redis.socket();
    home.build(|builder| {
        let builder = builder.redis_socket(socket.to_str().unwrap()).redis_timeout(Duration::from_secs(5)).fence_lease(LEASE);
        if near { builder } else { builder.near_bytes(0) }
    })
    .await
}

/// The one key of this pattern that is not among these.
fn key(redis: &Redis, pattern: &str, but: &[&str]) -> String {
    let keys: Vec<String> = redis.cli(&["KEYS", pattern]);
    keys.into_iter().find(|key| !but.contains(&key.as_str())).expect("an entry")
}

fn set(redis: &Redis, key: &str, bytes: &[u8]) {
    redis.cli::<i64>(&["DEL", key]);
    redis.cli::<String>(&[b"SET".as_slice(), key.as_bytes(), bytes]);
}

async fn poisoned<DB: Server>(near: bool) {
    let home = DB::home().await;
    home.run("UPDATE counters SET v = 7 WHERE id = 2").await;
    home.run("UPDATE others SET v = 9 WHERE id = 1").await;
    let cache = Cache::redis();
    let redis = cache.server();
    let writer = executor(&home, redis, false).await;
    home.resumes(&writer, READ).await;
    let ours = key(redis, "sql:counters:data:*", &[]);
    home.resumes(&writer, OTHER).await;
    let other = key(redis, "sql:counters:data:*", &[&ours]);
    home.resumes(&writer, OTHERS).await;
    let others = key(redis, "sql:others:data:*", &[]);
    let get = |key: &str| -> Vec<u8> { redis.cli(&["GET", key]) };
    let entry = get(&ours);
    let mut lies =
        vec![("of another key", get(&other)), ("of another table", get(&others)), ("nothing", Vec::new()), ("long", vec![b'x'; 1 << 20])];
    let mut changed = |what, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = entry.clone();
        change(&mut bytes);
        lies.push((what, bytes));
    };
    changed("cut", &|bytes| bytes.truncate(bytes.len() / 2));
    changed("doubled", &|bytes| bytes.extend(bytes.clone()));
    // The length of the rows stands before them; their last bytes are the sum's and the value's.
    for back in [9, 12, 20, 40, 70] {
        changed("a flipped bit", &move |bytes| {
            let at = bytes.len().saturating_sub(back);
            bytes[at] ^= 1;
        });
    }
    changed("huge lengths", &|bytes| bytes[56..].fill(0xff));
    changed("a huge count", &|bytes| bytes[56..58].fill(0xff));

    for (what, bytes) in &lies {
        set(redis, &ours, bytes);
        // One that has nothing near yet, as after a start.
        let reader = executor(&home, redis, near).await;
        assert_eq!(home.check(&reader, READ).await, 0, "{}: {what}", DB::NAME);
        let stats = reader.stats();
        assert!(stats.malformed_entries == 1 && stats.hits == 0 && stats.store_errors == 0, "{}: {what}: {stats}", DB::NAME);
        assert_ne!(&get(&ours), bytes, "{what} is deleted, or something better stands there");
        home.resumes(&reader, READ).await;
        if near {
            eventually("near hits", async || {
                home.check(&reader, READ).await;
                reader.stats().near_hits > 2
            })
            .await;
            // What is near is not looked at again in Redis, whatever becomes of it there.
            set(redis, &ours, bytes);
            for _ in 0..10 {
                assert_eq!(home.check(&reader, READ).await, 0, "{}: near, {what}", DB::NAME);
            }
        }
        DB::run(&reader, "UPDATE others SET v = v + 1 WHERE id = 1").await.expect("a write");
    }
    for words in [vec!["LPUSH", &ours, "x"], vec!["SADD", &ours, "x"], vec!["HSET", &ours, "a", "x"]] {
        redis.cli::<i64>(&["DEL", &ours]);
        redis.cli::<i64>(&words);
        let reader = executor(&home, redis, near).await;
        assert_eq!(home.check(&reader, READ).await, 0, "{}: {words:?}", DB::NAME);
        home.resumes(&reader, READ).await;
    }
}

macro_rules! poisoned {
    ($($name:ident: $Db:ty, $near:literal;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            poisoned::<$Db>($near).await;
        }
    )*};
}

poisoned! {
    postgres: Postgres, false;
    postgres_near: Postgres, true;
    mariadb: MySql, false;
    mariadb_near: MySql, true;
    sqlite: Sqlite, false;
    sqlite_near: Sqlite, true;
}
