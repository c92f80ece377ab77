//! Recipes: one for each thing that a program wants of a cache.
//!
//! They run on SQLite with the embedded store; with `REDIS_URL` and another pool they read the same. Every one is tested. The table at their foundation: `users (id, name, password_hash)`,
//! `orders (id, user_id, cents)`, `downloads (book, count)`. Larger programs are in the crate's `examples`.
//!
//! # Put it where the pool was
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Tested { let (pool, _directory) = shop().await?;
//! use sqlx::Sqlite;
//! use sqlx_cached::CachingExecutor;
//!
//! #[derive(sqlx::FromRow, Debug, PartialEq)]
//! struct User {
//!     id: i64,
//!     name: String,
//! }
//!
//! // `&SqlitePool` before. `impl Executor<'_, Database = Sqlite>` would take either.
//! async fn user(db: &CachingExecutor<Sqlite>, id: i64) -> sqlx::Result<Option<User>> {
//!     sqlx::query_as("SELECT id, name FROM users WHERE id = ?").bind(id).fetch_optional(db).await
//! }
//!
//! let db = CachingExecutor::builder(pool).build().await?; // or `from_env(pool)`
//! assert_eq!(user(&db, 7).await?, user(&db, 7).await?); // a miss, a hit
//! assert_eq!((db.stats().misses, db.stats().hits), (1, 1));
//! # Ok(()) }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/setup.rs"));
//! ```
//!
//! Make one executor and clone it, as you did with the pool: what is kept within reach, and the counters, belong to it and its clones.
//!
//! # Say how long answers are kept
//!
//! By category and table on the builder (or `CACHE_TTL_DATA`, `CACHE_TTL_TABLE_ORDERS`), by clone, or in the statement. The statement wins over the table, the table over the category, and a
//! clone's `ttl` over all of them; of several tables the shortest counts.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Tested { let (pool, _directory) = shop().await?;
//! # use sqlx_cached::{CachingExecutor, Category};
//! use std::time::Duration;
//!
//! let db = CachingExecutor::builder(pool)
//!     .ttl(Category::Data, Duration::from_mins(10))
//!     .table_ttl("orders", Duration::from_secs(30))
//!     .build()
//!     .await?;
//! let ttl = |db: &CachingExecutor<_>, sql| db.explain(sql).read.map(|read| read.ttl.as_secs()).ok();
//! assert_eq!(ttl(&db, "SELECT name FROM users"), Some(600));
//! assert_eq!(ttl(&db, "SELECT name, cents FROM users JOIN orders ON user_id = users.id"), Some(30));
//! assert_eq!(ttl(&db, "SELECT cents FROM orders /* cache: ttl=5s */"), Some(5));
//! assert_eq!(ttl(&db.ttl(Duration::from_secs(1)), "SELECT name FROM users"), Some(1));
//! # Ok(()) }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/setup.rs"));
//! ```
//!
//! # Read past the cache, or read anew
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Tested { let (pool, _directory) = shop().await?;
//! # let db = sqlx_cached::CachingExecutor::builder(pool).build().await?;
//! let count = "SELECT COUNT(*) FROM users";
//! let there: i64 = sqlx::query_scalar(count).fetch_one(&db.uncached()).await?; // from the database, and not kept
//! let there: i64 = sqlx::query_scalar(count).fetch_one(&db.refresh()).await?; // from the database, and kept
//! let there: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users /* cache: off */").fetch_one(&db).await?; // never kept
//! # assert_eq!((there, db.stats().hits, db.stats().fills), (2, 0, 1));
//! # Ok(()) }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/setup.rs"));
//! ```
//!
//! Writes through an uncached clone are followed all the same. Writes through [`pool()`](crate::CachingExecutor::pool) are not.
//!
//! # Read your own writes in a transaction
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Tested { let (pool, _directory) = shop().await?;
//! # let db = sqlx_cached::CachingExecutor::builder(pool).build().await?;
//! let sum = "SELECT SUM(cents) FROM orders WHERE user_id = 7";
//! let mut tx = db.begin().await?;
//! sqlx::query("INSERT INTO orders (user_id, cents) VALUES (7, 1000)").execute(&mut *tx).await?;
//! let own: i64 = sqlx::query_scalar(sum).fetch_one(&mut *tx).await?; // its own write, from the database
//! tx.commit().await?;
//! let ours: i64 = sqlx::query_scalar(sum).fetch_one(&db).await?; // whoever reads from now on sees it
//! assert_eq!((own, ours), (1750, 1750));
//! # Ok(()) }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/setup.rs"));
//! ```
//!
//! What was read inside a transaction must not get into [`cache()`](crate::CachingExecutor::cache): a rollback ends nothing.
//!
//! # Share decoded values
//!
//! For what is read most of all: no row is made and nothing is decoded at a hit.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Tested { let (pool, _directory) = shop().await?;
//! # let db = sqlx_cached::CachingExecutor::builder(pool).build().await?;
//! # use std::sync::Arc;
//! let names: Arc<[String]> = db.fetch_all_shared(sqlx::query_scalar("SELECT name FROM users ORDER BY id")).await?;
//! assert_eq!(*names, ["Grace", "Edsger"]);
//! # Ok(()) }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/setup.rs"));
//! ```
//!
//! It takes `query_as`, `query_scalar`, the macros, and `map` with a closure that captures nothing (a captured value may differ each time, so such values are decoded anew).
//!
//! # Keep what is made of rows
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Tested { let (pool, _directory) = shop().await?;
//! # let db = sqlx_cached::CachingExecutor::builder(pool).build().await?;
//! let report = async || {
//!     let rows = sqlx::query_as::<_, (String, i64)>("SELECT name, SUM(cents) FROM users JOIN orders ON user_id = users.id GROUP BY name ORDER BY name");
//!     // Kept as a whole: the rows need not be kept as well.
//!     let lines = rows.fetch_all(&db.uncached()).await?;
//!     Ok::<_, sqlx::Error>(lines.iter().map(|(name, cents)| format!("{name}: {cents}")).collect::<Vec<_>>())
//! };
//! let cache = db.cache().depends_on(["users", "orders"]);
//! assert_eq!(cache.get_or_set("report", report).await?, ["Edsger: 100", "Grace: 750"]);
//! sqlx::query("DELETE FROM users WHERE id = 8").execute(&db).await?; // the order goes with the user, and the report with both
//! assert_eq!(cache.get_or_set("report", report).await?, ["Grace: 750"]);
//! # Ok(()) }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/setup.rs"));
//! ```
//!
//! For what no table says, leave `depends_on` out, and end values by time ([`time_to_live`](crate::Cache::time_to_live)), by name ([`delete`](crate::Cache::delete),
//! [`delete_pattern`](crate::Cache::delete_pattern)) or by version ([`versioned`](crate::Cache::versioned)). What a caller may choose of a key belongs in [`segment`](crate::segment).
//!
//! # Functions, repositories
//!
//! [`cached`](macro@crate::cached) and [`invalidates`](macro@crate::invalidates) do the same by an attribute, and a [`Repository`](crate::Repository) stands in front of what loads and writes one type of entities.
//! With `depends_on` (and [`TABLES`](crate::CachedEntity::TABLES)) nothing need be invalidated by hand:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Tested { let (pool, _directory) = shop().await?;
//! # use sqlx_cached::CachingExecutor; use sqlx::Sqlite;
//! use sqlx_cached::cached;
//!
//! #[cached(ttl = "5m", prefix = "spent", key = "{user}", depends_on = ["orders"])]
//! async fn spent(db: &CachingExecutor<Sqlite>, user: i64) -> sqlx::Result<i64> {
//!     sqlx::query_scalar("SELECT COALESCE(SUM(cents), 0) FROM orders WHERE user_id = ?").bind(user).fetch_one(&db.uncached()).await
//! }
//!
//! let db = CachingExecutor::builder(pool).build().await?;
//! assert_eq!(spent(&db, 7).await?, 750);
//! sqlx::query("UPDATE orders SET cents = 0 WHERE id = 1").execute(&db).await?;
//! assert_eq!(spent(&db, 7).await?, 250);
//! # Ok(()) }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/setup.rs"));
//! ```
//!
//! # Write behind
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Tested { let (pool, _directory) = shop().await?;
//! # let db = sqlx_cached::CachingExecutor::builder(pool).build().await?;
//! use sqlx_cached::Batch;
//!
//! let downloads = db.cache().write_behind::<(i64, i64)>("downloads").build()?;
//! let applied = db.clone();
//! let consumer = downloads.consume(move |batch: Batch<(i64, i64)>| {
//!     let (db, sums) = (applied.clone(), batch.sums(|item| *item));
//!     async move {
//!         let mut tx = db.begin().await?;
//!         for (book, count) in sums {
//!             sqlx::query("INSERT INTO downloads VALUES (?1, ?2) ON CONFLICT (book) DO UPDATE SET count = count + ?2").bind(book).bind(count).execute(&mut *tx).await?;
//!         }
//!         tx.commit().await
//!     }
//! });
//! for _ in 0..100 {
//!     downloads.push(&(1, 1)).await?; // in Redis when this returns
//! }
//! downloads.drained().await?;
//! consumer.stop().await;
//! assert_eq!(sqlx::query_scalar::<_, i64>("SELECT count FROM downloads").fetch_one(&db).await?, 100);
//! # Ok(()) }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/setup.rs"));
//! ```
//!
//! An item is handled at least once. [`WriteBehind`](crate::WriteBehind) says how to make that once, and what can be lost when.
//!
//! # Warm up
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Tested { let (pool, _directory) = shop().await?;
//! # let db = sqlx_cached::CachingExecutor::builder(pool).build().await?;
//! let name = "SELECT name FROM users WHERE id = ?";
//! let warm = db
//!     .warm()
//!     .queries([7, 8].map(|id: i64| sqlx::query(name).bind(id))) // as `fetch_all` and `fetch` read
//!     .query_one(sqlx::query("SELECT COUNT(*) FROM users")) // as `fetch_one` and `fetch_optional` read
//!     .concurrency(4);
//! assert_eq!(warm.run().await.to_string(), "3 filled, 0 there already, 0 tasks done, 0 not kept, 0 failed");
//! # Ok(()) }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/setup.rs"));
//! ```
//!
//! [`keep`](crate::WarmUp::keep) in place of `run` goes on in the background, and reads everything again whenever the store has lost it.
//!
//! # Sensitive data
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Tested { let (pool, _directory) = shop().await?;
//! # use sqlx_cached::{CachingExecutor, Reason};
//! let db = CachingExecutor::builder(pool).deny_tables(&["downloads"]).deny_columns(&["users.password_hash"]).build().await?;
//! let read = |sql| db.explain(sql).read;
//! assert_eq!(read("SELECT * FROM downloads").err(), Some(Reason::Denied));
//! assert_eq!(read("SELECT upper(password_hash) FROM users").err(), Some(Reason::Denied));
//! assert!(read("SELECT name FROM users").is_ok());
//! # Ok(()) }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/setup.rs"));
//! ```
//!
//! What else there is, encryption for one, stands in [`sensitive_data`](super::sensitive_data).
//!
//! # Tenants
//!
//! A scope has entries and values of its own, which no other scope is given; writes end those of all scopes. Make the clone where you know whose request it is.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Tested { let (pool, _directory) = shop().await?;
//! # let db = sqlx_cached::CachingExecutor::builder(pool).build().await?;
//! let (one, other) = (db.scope("tenant-1"), db.scope("tenant-2"));
//! one.cache().set("theme", "dark").await?;
//! assert_eq!(other.cache().get::<String>("theme").await?, None);
//! # Ok(()) }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/setup.rs"));
//! ```
//!
//! A statement that names its tenant in an argument (`WHERE tenant_id = $1`) needs no scope: other arguments are another key. Row-level security does: see the README, "What is never cached".
//!
//! # A health endpoint
//!
//! The database decides whether the program can work; the cache only whether it is quick.
//!
//! ```
//! use axum::{Json, extract::State, http::StatusCode};
//! use sqlx_cached::CachingExecutor;
//!
//! async fn health(State(db): State<CachingExecutor<sqlx::Sqlite>>) -> (StatusCode, Json<serde_json::Value>) {
//!     let health = db.health().await;
//!     let status = if health.database.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
//!     let body = serde_json::json!({ "caching": health.is_caching(), "breaker_open": health.breaker_open, "distrusted": health.distrusted });
//!     (status, Json(body))
//! }
//! # let _: axum::Router<CachingExecutor<sqlx::Sqlite>> = axum::Router::new().route("/health", axum::routing::get(health));
//! ```
//!
//! # Test your own program
//!
//! Without a Redis in the settings each executor has an embedded store, so tests need no server and share nothing. Two executors on one store are two processes as far as the protocol goes. `Admission::Always` keeps
//! a test from being told that SQLite is quicker.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Tested { let (pool, _directory) = shop().await?;
//! use sqlx_cached::store::{Keyspace, MemoryStore};
//! use sqlx_cached::{Admission, CachingExecutor};
//! use std::sync::Arc;
//!
//! let store = Arc::new(MemoryStore::new(Keyspace::new("test"), 16 << 20));
//! let build = || CachingExecutor::builder(pool.clone()).store(store.clone()).admission(Admission::Always).build();
//! let (one, two) = (build().await?, build().await?);
//! let name = async |db: &CachingExecutor<_>| sqlx::query_scalar::<_, String>("SELECT name FROM users WHERE id = 7").fetch_one(db).await;
//! name(&one).await?;
//! name(&two).await?;
//! assert_eq!((one.stats().misses, two.stats().hits), (1, 1));
//! sqlx::query("UPDATE users SET name = 'Ada' WHERE id = 7").execute(&two).await?;
//! assert_eq!(name(&one).await?, "Ada");
//! # Ok(()) }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/setup.rs"));
//! ```
//!
//! # Roll it out
//!
//! 1. **Writes first.** Deploy executors everywhere, and hand out uncached clones: each write is fenced and invalidates, each read goes to the database. What this costs is two round trips to Redis a write.
//! 2. **Look.** [`explain`](crate::CachingExecutor::explain) your statements; `stats().bypasses` says what is passed on and why, `invalidations_of_everything` whether something forgets too much.
//! 3. **Then reads**, in one process, then in all. Since every process invalidates already, it does not matter which of them read from the cache.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Tested { let (pool, _directory) = shop().await?;
//! # use sqlx_cached::CachingExecutor; let in_canary = false;
//! let db = CachingExecutor::builder(pool).build().await?;
//! let db = if in_canary { db } else { db.uncached() }; // reads past the cache, and still invalidates
//! # sqlx::query("UPDATE users SET name = 'Ada'").execute(&db).await?;
//! # assert!(db.stats().invalidations >= 1);
//! # Ok(()) }
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/setup.rs"));
//! ```
//!
//! `REDIS_ENABLED=false` is the switch for *all* processes at once: an executor that is switched off is a plain pool, and **invalidates nothing**. A canary must not be made with it, nor may one process be switched off while others
//! serve answers and it writes. Before it is switched on again, [`clear`](crate::CachingExecutor::clear) what Redis still holds from before, or take another `CACHE_NAMESPACE`.
