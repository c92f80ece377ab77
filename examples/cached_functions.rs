//! Functions whose results are kept, and functions that end what they change: an attribute each. Then the same by hand, and the four ways by which a value ends.
//!
//!     cargo run --example cached_functions
//!
//! With `REDIS_URL` all processes share the values; with a Redis that is down every function runs, and is right.

mod habits;

use habits::{Db, Result};
use serde::{Deserialize, Serialize};
use sqlx_cached::{Cache, cached, invalidates};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
struct User {
    id: String,
    email: String,
}

/// How often a body ran.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// One key a user, `user:<id>`. That there is no such user is remembered for a moment.
#[cached(ttl = "1h", prefix = "user", key = "{id}", none = "10s")]
async fn user(db: &Db, id: &str) -> sqlx::Result<Option<User>> {
    RUNS.fetch_add(1, Relaxed);
    // Past the SQL cache, which would follow the writes below by itself: here the functions say what ends.
    sqlx::query_as("SELECT id, email FROM users WHERE id = ?").bind(id).fetch_optional(&db.uncached()).await
}

/// A key of several parts: `term_search:<name>:<user>`, each part its own whatever is in it.
#[cached(ttl = "2h", prefix = "term_search", key = "{name}:{user_id}")]
async fn search_terms(db: &Db, name: &str, user_id: &str) -> sqlx::Result<Vec<String>> {
    RUNS.fetch_add(1, Relaxed);
    let pattern = format!("%{name}%");
    sqlx::query_scalar("SELECT name FROM terms WHERE name LIKE ? AND created_by = ? ORDER BY name")
        .bind(pattern)
        .bind(user_id)
        .fetch_all(&db.uncached())
        .await
}

/// Nothing to say but what it is made of: the arguments are the key, and a write to the table ends it.
#[cached(depends_on = ["terms"])]
async fn terms_of(db: &Db, user_id: &str, page: i64) -> sqlx::Result<Vec<String>> {
    RUNS.fetch_add(1, Relaxed);
    sqlx::query_scalar("SELECT name FROM terms WHERE created_by = ? ORDER BY name LIMIT 10 OFFSET ?")
        .bind(user_id)
        .bind(page * 10)
        .fetch_all(&db.uncached())
        .await
}

#[invalidates("user:{id}", "user:{id}:*")]
async fn update_email(db: &Db, id: &str, email: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE users SET email = ? WHERE id = ?").bind(email).bind(id).execute(db).await.map(drop)
}

#[invalidates("term_search:*")]
#[invalidates("user:{user_id}:terms")]
async fn create_term(db: &Db, name: &str, user_id: &str) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO terms (name, created_by) VALUES (?, ?)").bind(name).bind(user_id).execute(db).await.map(drop)
}

#[tokio::main]
async fn main() -> Result {
    let (db, _directory) = habits::database(
        "CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT NOT NULL, changed INTEGER NOT NULL DEFAULT 1);
         CREATE TABLE terms (id INTEGER PRIMARY KEY, name TEXT NOT NULL, created_by TEXT NOT NULL);
         INSERT INTO users (id, email) VALUES ('ann', 'ann@example.com'), ('bob', 'bob@example.com');
         INSERT INTO terms (name, created_by) VALUES ('python', 'ann'), ('pythagoras', 'ann'), ('rust', 'bob')",
    )
    .await?;
    let cache = db.cache();
    let caching = habits::caching(&cache).await;
    cache.clear().await;
    functions(&db, caching).await?;
    by_hand(&db, &cache, caching).await?;
    four_ways_to_end(&db, &cache, caching).await?;

    let stats = cache.stats();
    println!("{stats:?}: {:.0}% hits", 100.0 * stats.hit_ratio().unwrap_or_default());
    let health = cache.health().await;
    assert_eq!(health.is_healthy(), caching, "{health:?}");
    if let Ok(info) = cache.info().await {
        println!("{} KiB, {} clients, {} commands", info.used_memory >> 10, info.connected_clients, info.commands_processed);
    }
    cache.clear().await;
    Ok(())
}

/// Runs this, and says how often a body ran.
async fn runs<T>(work: impl Future<Output = T>) -> (T, u64) {
    let before = RUNS.load(Relaxed);
    let done = work.await;
    (done, RUNS.load(Relaxed) - before)
}

async fn functions(db: &Db, caching: bool) -> Result {
    let saved = |bodies: u64| if caching { 0 } else { bodies };
    user(db, "ann").await?;
    let (ann, ran) = runs(user(db, "ann")).await;
    assert_eq!((ann?.map(|ann| ann.email).as_deref(), ran), (Some("ann@example.com"), saved(1)));
    update_email(db, "ann", "new@example.com").await?;
    let (ann, ran) = runs(user(db, "ann")).await;
    assert_eq!((ann?.map(|ann| ann.email).as_deref(), ran), (Some("new@example.com"), 1));

    assert_eq!(search_terms(db, "pyth", "ann").await?.len(), 2);
    create_term(db, "pythia", "ann").await?;
    assert_eq!(search_terms(db, "pyth", "ann").await?.len(), 3);
    assert_eq!(search_terms(db, "p:a", "nn").await?, search_terms(db, "p", "a:nn").await?, "both are empty, and they are two keys");

    assert_eq!(terms_of(db, "ann", 0).await?.len(), 3);
    let (terms, ran) = runs(terms_of(db, "ann", 0)).await;
    assert_eq!((terms?.len(), ran), (3, saved(1)));
    sqlx::query("DELETE FROM terms WHERE name = 'python'").execute(db).await?;
    assert_eq!(terms_of(db, "ann", 0).await?.len(), 2, "nobody said what this write ends");
    Ok(())
}

async fn by_hand(db: &Db, cache: &Cache, caching: bool) -> Result {
    // Load if missing.
    let profile = async || {
        cache
            .time_to_live(Duration::from_hours(1))
            .get_or_set("user:bob:profile", || async {
                sqlx::query_as::<_, User>("SELECT id, email FROM users WHERE id = 'bob'").fetch_one(&db.uncached()).await
            })
            .await
    };
    assert_eq!(profile().await?.email, "bob@example.com");

    // Write through.
    let bob = cache
        .write_through("user:bob:profile", async {
            sqlx::query_as::<_, User>("UPDATE users SET email = 'bob@example.org' WHERE id = 'bob' RETURNING id, email").fetch_one(db).await
        })
        .await?;
    assert_eq!(profile().await?, bob);

    // One by one, many at once, counted.
    cache.mset(&[("project:456:terms", vec!["a", "b"]), ("project:457:terms", vec![])]).await?;
    let terms = cache.mget::<Vec<String>>(&["project:456:terms", "project:457:terms", "project:458:terms"]).await?;
    assert_eq!(terms.iter().flatten().count(), if caching { 2 } else { 0 });
    match cache.increment_for("api_calls:ann", 1, Duration::from_mins(1)).await {
        Ok(calls) => assert_eq!(calls, 1),
        Err(error) => assert!(error.is_store() && !caching, "{error}"),
    }
    assert_eq!(cache.delete_pattern("project:*").await?, if caching { 2 } else { 0 });
    Ok(())
}

async fn four_ways_to_end(db: &Db, cache: &Cache, caching: bool) -> Result {
    // By time.
    cache.set_for("stats:live", &1, Duration::from_millis(20)).await?;
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(!cache.exists("stats:live").await?);

    // By an event: `#[invalidates]`, above.

    // By a look at whether it is still right, for what changes where nobody tells.
    cache.set("version:ann", &(1, "the settings")).await?;
    let settings = async || {
        cache
            .get_if("version:ann", async |(version, _): &(i64, String)| {
                let changed = sqlx::query_scalar::<_, i64>("SELECT changed FROM users WHERE id = 'ann'").fetch_one(&db.uncached()).await;
                changed.is_ok_and(|changed| changed == *version)
            })
            .await
    };
    assert_eq!(settings().await?.is_some(), caching);
    sqlx::query("UPDATE users SET changed = 2 WHERE id = 'ann'").execute(db).await?;
    assert_eq!(settings().await?, None);
    assert!(!cache.exists("version:ann").await?, "what is found to be old is deleted");

    // By name.
    cache.set("user:ann:oauth_accounts", &["example.com"]).await?;
    assert_eq!(cache.delete("user:ann:oauth_accounts").await?, caching);
    Ok(())
}
