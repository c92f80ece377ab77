//! The patterns of a cache beside a database, one by one: loading on demand, writing through and behind, ending by time, by event and by version, warming up, what must not be kept, and
//! what becomes of all that without Redis.
//!
//!     cargo run --example caching_patterns
//!
//! With `REDIS_URL` it also uses Redis' own structures, and the queue of what is written behind outlives the process.

mod habits;

use habits::{Db, Result};
use serde::{Deserialize, Serialize};
use sqlx_cached::{Batch, Cache, segment};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
struct Book {
    id: i64,
    title: String,
    author: String,
    rating: f64,
}

type Preferences = BTreeMap<String, String>;

#[tokio::main]
async fn main() -> Result {
    let (db, _directory) = habits::database(
        "CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT NOT NULL, author_id INTEGER REFERENCES authors (id), rating REAL NOT NULL);
         CREATE VIEW book_details AS SELECT b.id, title, name AS author, rating FROM books b JOIN authors a ON a.id = author_id;
         CREATE TABLE preferences (user_id INTEGER, name TEXT, value TEXT, PRIMARY KEY (user_id, name));
         CREATE TABLE downloads (user_id INTEGER PRIMARY KEY, count INTEGER NOT NULL);
         CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL, password_hash TEXT NOT NULL);
         INSERT INTO authors VALUES (1, 'Ursula'), (2, 'Stanislaw');
         INSERT INTO books VALUES (1, 'Planets', 1, 4.5), (2, 'Robots', 2, 4.25), (3, 'Oceans', 2, 3.5);
         INSERT INTO accounts VALUES (1, 'Ann', 'not for any cache')",
    )
    .await?;
    // `CACHE_KEY_PREFIX`, `CACHE_DEFAULT_TTL` and the rest say how; each kind of value says for how long.
    let cache = db.cache();
    let caching = habits::caching(&cache).await;
    cache.clear().await;

    loading_on_demand(&db, caching).await?;
    writing_through(&db, caching).await?;
    writing_behind(&db, caching).await?;
    ending_by_event(&db, &cache, caching).await?;
    ending_by_version(&cache, caching).await?;
    structures_of_redis(&cache).await?;
    warming_up(&db, caching).await?;
    keeping_secrets(&db, &cache, caching).await?;
    let (sql, values) = (db.stats(), cache.stats());
    println!(
        "SQL: {} hits, {} misses. Values: {} hits, {} misses, {} store errors.",
        sql.hits, sql.misses, values.hits, values.misses, values.store_errors
    );
    cache.clear().await;
    Ok(())
}

async fn book(db: &Db, id: i64) -> sqlx::Result<Option<Book>> {
    sqlx::query_as("SELECT id, title, author, rating FROM book_details WHERE id = ?").bind(id).fetch_optional(db).await
}

/// The query alone does: a hit is a row that needs no key, no TTL in the code, and no deletion. What is made of rows is kept under a key.
async fn loading_on_demand(db: &Db, caching: bool) -> Result {
    let details = |id: i64| {
        let cache = db.cache().time_to_live(HOUR).negative(Duration::from_mins(1)).depends_on(["book_details"]);
        let db = db.uncached();
        async move { cache.get_or_set_optional(&format!("book:metadata:{id}"), || book(&db, id)).await }
    };
    let before = db.cache().stats();
    for _ in 0..2 {
        assert_eq!(details(1).await?.map(|book| book.title).as_deref(), Some("Planets"));
        assert_eq!(details(99).await?, None, "that there is no such book is remembered, too");
    }
    assert_eq!(db.cache().stats().hits - before.hits, if caching { 2 } else { 0 });
    // The view reads the table: both end with this write.
    sqlx::query("UPDATE authors SET name = 'Ursula K.' WHERE id = 1").execute(db).await?;
    assert_eq!(details(1).await?.map(|book| book.author).as_deref(), Some("Ursula K."));
    Ok(())
}

async fn preferences(db: &Db, user: i64) -> sqlx::Result<Preferences> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT name, value FROM preferences WHERE user_id = ?").bind(user).fetch_all(&db.uncached()).await?;
    Ok(rows.into_iter().collect())
}

/// Nobody is given the old value from before the write until its end, and the new one is there at once.
async fn writing_through(db: &Db, caching: bool) -> Result {
    let cache = db.cache().time_to_live(Duration::from_mins(30));
    for theme in ["light", "dark"] {
        let written = cache.write_through("user:preferences:7", async {
            sqlx::query("INSERT OR REPLACE INTO preferences VALUES (7, 'theme', ?)").bind(theme).execute(db).await?;
            preferences(db, 7).await
        });
        assert_eq!(written.await?["theme"], theme);
        assert_eq!(cache.get::<Preferences>("user:preferences:7").await?.is_some(), caching);
        assert_eq!(cache.get_or_set("user:preferences:7", || preferences(db, 7)).await?["theme"], theme);
    }
    Ok(())
}

/// Counted at once, written to the database in batches. With Redis the queue outlives this process; what it can't take is written directly.
async fn writing_behind(db: &Db, caching: bool) -> Result {
    let queue = db.cache().write_behind::<(i64, i64)>("downloads").batch(50).linger(Duration::from_millis(20)).build()?;
    for _ in 0..100 {
        queue.push_or(&(7, 1), async |_| add_downloads(db, [(7, 1)].into()).await).await?;
    }
    let consumer = {
        let db = db.clone();
        queue.consume(move |batch: Batch<(i64, i64)>| {
            let db = db.clone();
            async move { add_downloads(&db, batch.sums(|item| *item)).await }
        })
    };
    if caching {
        tokio::time::timeout(Duration::from_secs(30), queue.drained()).await??;
    }
    consumer.stop().await;
    let count: i64 = sqlx::query_scalar("SELECT count FROM downloads WHERE user_id = 7").fetch_one(db).await?;
    assert_eq!(count, 100);
    Ok(())
}

async fn add_downloads(db: &Db, sums: BTreeMap<i64, i64>) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    for (user, count) in sums {
        sqlx::query("INSERT INTO downloads VALUES (?1, ?2) ON CONFLICT (user_id) DO UPDATE SET count = count + ?2")
            .bind(user)
            .bind(count)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

/// For what no write to a table tells: the event's own code says which keys, or patterns, are over.
async fn ending_by_event(db: &Db, cache: &Cache, caching: bool) -> Result {
    let search = async |words: &str| {
        let key = format!("search:results:{}", segment(words));
        let pattern = format!("%{words}%");
        cache
            .time_to_live(24 * HOUR)
            .get_or_set(&key, || async {
                sqlx::query_scalar::<_, String>("SELECT title FROM books WHERE title LIKE ? ORDER BY id")
                    .bind(&pattern)
                    .fetch_all(&db.uncached())
                    .await
            })
            .await
    };
    assert_eq!(search("o").await?, ["Robots", "Oceans"].map(str::to_owned).to_vec());
    sqlx::query("UPDATE books SET title = 'Seas' WHERE id = 3").execute(db).await?;
    assert_eq!(
        search("o").await?.len(),
        if caching { 2 } else { 1 },
        "nothing ties this value to the table, so it is as old as it may get"
    );
    cache.delete("book:metadata:3").await?;
    cache.delete_pattern("search:results:*").await?;
    assert_eq!(search("o").await?, ["Robots"]);
    Ok(())
}

/// Values that go together are left behind together.
async fn ending_by_version(cache: &Cache, caching: bool) -> Result {
    let cover = async || {
        let key = cache.versioned("book:1").await?;
        let loads = Arc::new(AtomicU64::new(0));
        cache.get_or_set(&format!("{key}:cover"), || async { Ok::<_, sqlx::Error>(loads.fetch_add(1, Relaxed)) }).await?;
        Ok::<_, habits::Failure>((key, loads.load(Relaxed)))
    };
    let (first, loaded) = cover().await?;
    assert_eq!(loaded, 1);
    assert_eq!(cover().await?.1, u64::from(!caching));
    cache.renew_version("book:1").await?;
    let (second, loaded) = cover().await?;
    assert!(first != second && loaded == 1);
    Ok(())
}

/// Sorted sets, hashes, lists and sets are Redis' own business; the cache says how their keys are called and how to get there.
async fn structures_of_redis(cache: &Cache) -> Result {
    #[cfg(feature = "redis")]
    {
        use sqlx_cached::redis::{cmd, pipe};
        let mut redis = match cache.redis("books:popular").await {
            Ok(redis) => redis,
            Err(error) => {
                println!("No structures of Redis: {error}");
                return Ok(());
            }
        };
        let [popular, recent, genres, health] =
            ["books:popular", "searches:recent:7", "user:genres:favorite:7", "health:indexers"].map(|key| cache.name(key));
        let (popular, recent, genres, health) = (popular?, recent?, genres?, health?);
        pipe()
            .atomic()
            .cmd("ZADD")
            .arg(&popular)
            .arg(4.5)
            .arg(1)
            .arg(4.25)
            .arg(2)
            .ignore()
            .cmd("EXPIRE")
            .arg(&popular)
            .arg(HOUR.as_secs())
            .ignore()
            .cmd("LPUSH")
            .arg(&recent)
            .arg("planets")
            .ignore()
            .cmd("LTRIM")
            .arg(&recent)
            .arg(0)
            .arg(99)
            .ignore()
            .cmd("SADD")
            .arg(&genres)
            .arg("science")
            .ignore()
            .cmd("HSET")
            .arg(&health)
            .arg("indexer-1")
            .arg(r#"{"up":true}"#)
            .ignore()
            .exec_async(&mut redis)
            .await?;
        let ranking: Vec<i64> = cmd("ZREVRANGE").arg(&popular).arg(0).arg(-1).query_async(&mut redis).await?;
        assert_eq!(ranking, [1, 2]);
        cmd("ZREM").arg(&popular).arg(2).exec_async(&mut redis).await?;
        assert!(cache.exists("health:indexers").await?, "they are keys like any other: they can be seen, timed and deleted");
        assert!(cache.expire("searches:recent:7", 7 * 24 * HOUR).await? && cache.delete("user:genres:favorite:7").await?);
    }
    Ok(())
}

/// At the start, and again when Redis has lost what it had: `keep()` instead of `run()`.
async fn warming_up(db: &Db, caching: bool) -> Result {
    let popular: Vec<i64> = sqlx::query_scalar("SELECT id FROM books ORDER BY rating DESC, id LIMIT 100").fetch_all(db).await?;
    let details = "SELECT id, title, author, rating FROM book_details WHERE id = ? /* cache: ttl=1h */";
    let warm = db.warm().queries(popular.iter().map(|id| sqlx::query(details).bind(*id))).concurrency(4).on_progress(|progress| {
        println!("warm: {} of {}", progress.done, progress.total);
    });
    let warmed = warm.run().await;
    println!("{warmed:?}");
    let before = db.stats().hits;
    for id in popular {
        let books: Vec<Book> = sqlx::query_as(details).bind(id).fetch_all(db).await?;
        assert_eq!(books.len(), 1);
    }
    assert_eq!(db.stats().hits - before, if caching { 3 } else { 0 });
    Ok(())
}

/// What must not be in a cache: columns by name, everything by encryption (`CACHE_ENCRYPTION_KEY`), and each user's values in a scope of his own.
async fn keeping_secrets(db: &Db, cache: &Cache, caching: bool) -> Result {
    let strict = sqlx_cached::CachingExecutor::builder(db.pool().clone()).deny_columns(&["password_hash"]).build().await?;
    for _ in 0..2 {
        sqlx::query("SELECT id, name, password_hash FROM accounts").fetch_all(&strict).await?;
    }
    assert_eq!(strict.stats().hits, 0);
    println!("{}", strict.explain("SELECT id, name, password_hash FROM accounts"));
    let refused = strict.cache().set("account:1", &serde_json::json!({ "name": "Ann", "password_hash": "x" })).await;
    assert!(refused.is_err_and(|error| error.is_value()));

    let (ann, bob) = (cache.scope("user-ann"), cache.scope("user-bob"));
    ann.set("settings", "hers").await?;
    assert_eq!((ann.exists("settings").await?, bob.exists("settings").await?), (caching, false));
    Ok(())
}
