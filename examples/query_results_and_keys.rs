//! A cache for SQL results and for plain keys behind one door: results by themselves, keys by hand, and what each costs in care.
//!
//!     cargo run --example query_results_and_keys
//!
//! Everything is kept in this process's memory; `REDIS_URL=redis://localhost` or `REDIS_SOCKET_PATH=...` keep it in Redis. With a Redis that is down it ends just as well.

mod habits;

use habits::{Db, Result};
use serde::{Deserialize, Serialize};
use sqlx_cached::{Cache, Remaining};
use std::time::Duration;

#[derive(Debug, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
struct User {
    id: i64,
    username: String,
    email: String,
}

const USERS: &str = "SELECT id, username, email FROM users ORDER BY id";

#[tokio::main]
async fn main() -> Result {
    let (db, _directory) = habits::database(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT NOT NULL, email TEXT NOT NULL);
         INSERT INTO users VALUES (1, 'felix', 'felix@example.com'), (2, 'tom', 'tom@example.com')",
    )
    .await?;
    let cache = db.cache();
    let caching = habits::caching(&cache).await;
    query_results(&db, caching).await?;
    keys_by_hand(&cache, caching).await?;
    deleting(&db, &cache, caching).await?;
    times_to_live(&db, &cache, caching).await?;
    many_at_once(&cache, caching).await?;
    if caching {
        looking_inside(&db, &cache).await?;
    }
    cache.clear().await;
    println!("{:?}", cache.stats());
    Ok(())
}

/// Read-through and write-through need no code: the query is the key, and the write knows what it changes.
async fn query_results(db: &Db, caching: bool) -> Result {
    for _ in 0..2 {
        let users: Vec<User> = sqlx::query_as(USERS).fetch_all(db).await?;
        assert_eq!(users.len(), 2);
    }
    assert_eq!(db.stats().hits, u64::from(caching), "the second one came from the cache");
    println!("{}", db.explain(USERS));

    sqlx::query("UPDATE users SET email = 'new@example.com' WHERE id = 1").execute(db).await?;
    let users: Vec<User> = sqlx::query_as(USERS).fetch_all(db).await?;
    assert_eq!(users[0].email, "new@example.com");
    Ok(())
}

async fn keys_by_hand(cache: &Cache, caching: bool) -> Result {
    let settings = serde_json::json!({ "theme": "dark", "portions": [3, 4] });
    assert_eq!(cache.time_to_live(Duration::from_mins(10)).set("settings", &settings).await?, caching);
    assert_eq!(cache.get("settings").await?, caching.then_some(settings));
    assert_eq!(cache.exists("settings").await?, caching);
    assert_eq!(cache.delete("settings").await?, caching);
    assert_eq!(cache.get::<serde_json::Value>("settings").await?, None);
    Ok(())
}

async fn deleting(db: &Db, cache: &Cache, caching: bool) -> Result {
    cache.mset(&[("report:1", 1), ("report:2", 2), ("other", 3)]).await?;
    assert_eq!(cache.delete_pattern("report:*").await?, if caching { 2 } else { 0 });

    // SQL entries, by table or by pattern; without a store these say that they could not, and are done later.
    for invalidated in
        [db.invalidate_table("users").await, db.invalidate("sql:users:data:*").await.map(drop), db.invalidate("sql:*").await.map(drop)]
    {
        assert_eq!(invalidated.is_ok(), caching, "{invalidated:?}");
    }
    Ok(())
}

async fn times_to_live(db: &Db, cache: &Cache, caching: bool) -> Result {
    let _recent: Vec<User> = sqlx::query_as(USERS).fetch_all(&db.ttl(Duration::from_secs(30))).await?;
    let _static: Vec<User> = sqlx::query_as("SELECT * FROM users /* cache: ttl=1d */").fetch_all(db).await?;

    cache.set_for("fleeting", &1, Duration::from_millis(20)).await?;
    cache.set_for("for ever", &1, None).await?;
    assert_eq!(cache.ttl_of("for ever").await?, caching.then_some(Remaining::Endless));
    assert_eq!(cache.ttl_of("nobody").await?, None);
    if let Some(Remaining::Left(left)) = cache.ttl_of("fleeting").await? {
        assert!(left <= Duration::from_millis(20));
        tokio::time::sleep(left + Duration::from_millis(5)).await;
    }
    assert_eq!(cache.get::<i32>("fleeting").await?, None);
    Ok(())
}

async fn many_at_once(cache: &Cache, caching: bool) -> Result {
    cache.mset(&[("key1", "a"), ("key2", "b")]).await?;
    assert_eq!(cache.mget::<String>(&["key1", "key2", "key3"]).await?, [caching.then(|| "a".into()), caching.then(|| "b".into()), None]);
    match cache.pipeline().set("key3", "c")?.increment("meals", 2)?.get("key3")?.run().await {
        Ok(replies) => assert_eq!((replies.number(1), replies.value::<String>(2).as_deref()), (Some(2), Some("c"))),
        // A sum that nobody can tell is the one thing that must be an error.
        Err(error) => assert!(error.is_store() && !caching, "{error}"),
    }
    Ok(())
}

async fn looking_inside(db: &Db, cache: &Cache) -> Result {
    let info = cache.info().await?;
    println!(
        "{} bytes in use, {} clients, {} keys, {} commands so far",
        info.used_memory, info.connected_clients, info.keys, info.commands_processed
    );
    let stats = db.stats();
    println!(
        "SQL: {} hits, {} misses; plain values: {:.0}% hits",
        stats.hits,
        stats.misses,
        100.0 * cache.stats().hit_ratio().unwrap_or_default()
    );
    for key in cache.keys("*", 10).await? {
        println!("  {} lives {:?}", cache.name(&key)?, cache.ttl_of(&key).await?);
    }
    // Whatever else Redis can do, on a connection of one's own.
    #[cfg(feature = "redis")]
    match cache.redis("visits").await {
        Ok(mut redis) => {
            use sqlx_cached::redis::cmd;
            let visits = cache.name("visits")?;
            cmd("PFADD").arg(&visits).arg("felix").arg("tom").arg("felix").exec_async(&mut redis).await?;
            assert_eq!(cmd("PFCOUNT").arg(&visits).query_async::<u64>(&mut redis).await?, 2);
        }
        Err(error) => assert!(error.is_unsupported(), "{error}"),
    }
    Ok(())
}
