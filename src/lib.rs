//! A sqlx pool that remembers.
//!
//! Put [`CachingExecutor`] where your `PgPool`, `MySqlPool` or `SqlitePool` was: reads are answered from memory or Redis, writes forget exactly what they
//! changed, and queries give back the driver's own rows, so nothing else in the program changes.
//!
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use sqlx_cached::CachingExecutor;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let url = format!("sqlite:{}?mode=rwc", directory.path().join("shop.db").display());
//! let pool = sqlx::SqlitePool::connect(&url).await?;
//! # sqlx::raw_sql("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO users VALUES (7, 'Grace')").execute(&pool).await?;
//! let db = CachingExecutor::builder(pool).build().await?; // or `from_env(pool)`: with REDIS_URL set, all processes share one cache
//!
//! let name = || sqlx::query_scalar::<_, String>("SELECT name FROM users WHERE id = ?").bind(7);
//! assert_eq!(name().fetch_one(&db).await?, "Grace"); // a miss
//! assert_eq!(name().fetch_one(&db).await?, "Grace"); // a hit
//! sqlx::query("UPDATE users SET name = 'Ada' WHERE id = 7").execute(&db).await?; // forgets what depends on users
//! assert_eq!(name().fetch_one(&db).await?, "Ada"); // a miss
//! assert_eq!((db.stats().hits, db.stats().misses), (1, 2));
//! # Ok(()) }
//! ```
//!
//! # The promise
//!
//! A read that starts after a write was acknowledged sees the write, in this process and in every other one with the same Redis. What can't be proved cacheable
//! is not cached; what can't be proved untouched is forgotten. No cache error reaches the program: if the store is slow, gone or lying, the database answers.
//!
//! # What a write forgets
//!
//! The table that it names, and what the database's own catalog says follows from that: the tables that foreign keys, triggers and rules change, the whole that a partition
//! is a part of, what the bodies of functions and procedures write. A read depends on what it names and on all that lies beneath: a view on its tables. Code
//! that can't be read forgets everything, or the database is asked ([`UnclearWrites`]). Answers that depend on the clock, on chance, on the user or on the session are never cached.
//! [`explain`](CachingExecutor::explain) says what a statement depends on, what it forgets, and why.
//!
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! # use sqlx_cached::CachingExecutor;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let url = format!("sqlite:{}?mode=rwc", directory.path().join("shop.db").display());
//! # let pool = sqlx::SqlitePool::connect(&url).await?;
//! # sqlx::raw_sql("CREATE TABLE users (id INTEGER PRIMARY KEY);
//! #     CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE)").execute(&pool).await?;
//! # let db = CachingExecutor::builder(pool).build().await?;
//! assert_eq!(
//!     db.explain("DELETE FROM users WHERE id = 7").to_string(),
//!     "not cached: it writes; invalidates users, orders; orders: ON DELETE CASCADE from users"
//! );
//! # Ok(()) }
//! ```
//!
//! # How it works
//!
//! ```text
//! executor -> analysis (+ catalog) -> key -> engine -> store -> rows
//! ```
//!
//! The executor asks what a statement means: `sqlparser` reads its text, and the catalog, read from the database, says what each name depends on and brings about. A read gets a key,
//! a SHA-256 over the database's identity, the session, the SQL and the arguments. The engine holds the validity protocol: an entry is valid if and only if every
//! *generation* (one random token per table) it was read under still stands, and a write is a span that is *fenced* from before it starts until its
//! outcome is known. The [store](store::CacheStore) keeps bytes; in front of it an executor keeps answers within reach, found by the statement and its exact arguments. Rows are made of them by sqlx's own driver, to whose private connection we play the server.
//!
//! # Besides
//!
//! [`Cache`] keeps plain values on the same store, or without a database at all: typed, tied to tables, written through or [behind](WriteBehind), by functions that an
#![cfg_attr(feature = "macros", doc = "[attribute](macro@cached) caches")]
#![cfg_attr(not(feature = "macros"), doc = "attribute caches (feature `macros`)")]
//! and in front of [repositories](Repository). Answers can be [read ahead](CachingExecutor::warm). The [manual] says what can be relied
//! on and why, what becomes of failures, what each default is for, and how to do what; [recipes](manual::how_to) are a good place to begin.
//!
//! # Features
//!
//! | feature | what it adds | cost |
//! |---|---|---|
//! | `sqlite` (default) | SQLite | sqlx's driver, which builds SQLite |
//! | `postgres` | PostgreSQL | sqlx's driver |
//! | `mysql` | MySQL and MariaDB | sqlx's driver |
//! | `redis` (default) | the store that processes share | the `redis` crate |
//! | `tls` | TLS to Redis | rustls with ring, which builds C |
//! | `macros` (default) | [`cached`](macro@cached) and [`invalidates`](macro@invalidates) | a macro crate on what sqlx's own macros need |
//! | `msgpack` | MessagePack as a format of plain values | the `rmp-serde` crate |
//! | `encryption` | entries in Redis that only a key opens | `chacha20poly1305` |
#![cfg_attr(
    feature = "axum",
    doc = "| `axum` | [HTTP](http): routes to look after the cache, a dashboard, `X-Cache` | axum without its server, plotters |"
)]
#![cfg_attr(
    not(feature = "axum"),
    doc = "| `axum` | HTTP: routes to look after the cache, a dashboard, `X-Cache` | axum without its server, plotters |"
)]
//! | `metrics` | [metrics] for the program's recorder | the `metrics` facade |
//! | `cli` | the command line tool `sqlx-cached` | all of the above but `macros`, `axum` and `metrics`, `clap`, `ratatui` |
#![cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    allow(unused, reason = "without a database there is nobody to use most of it")
)]

mod analysis;
mod builder;
mod catalog;
mod config;
mod database;
mod days;
mod engine;
mod entry;
mod error;
mod executor;
mod explain;
#[cfg(feature = "macros")]
mod functions;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod health;
#[cfg(feature = "axum")]
pub mod http;
mod insight;
mod key;
mod kv;
#[cfg(doc)]
pub mod manual;
pub mod metrics;
mod policy;
mod rows;
mod serial;
mod stats;
pub mod store;
mod tag;
mod transaction;
mod warm;

pub use analysis::{Category, Dialect};
pub use builder::Builder;
pub use config::Environment;
pub use database::Backend;
pub use days::{DayLatencies, DayLatency, DayStats, OperationStats};
pub use error::{Error, InvalidationPending, WriteRefused};
#[cfg(feature = "postgres")]
pub use executor::CachingCopyIn;
#[doc(hidden)]
pub use executor::Probe;
pub use executor::{CachingExecutor, NearUse, SharedQuery};
pub use explain::{Explanation, Invalidates, ReadExplanation};
#[cfg(feature = "macros")]
pub use functions::{cached, invalidates};
pub use health::{Health, MemoryUse};
pub use insight::{CacheStatus, Freshness, Latencies, Latency, Sample, SlowMiss, Tally, tally};
pub use kv::{Batch, Consumer, DeadLetter, DeadLetters, ItemId, Pushed, WriteBehind, WriteBehindBuilder};
pub use kv::{Cache, CacheBuilder, CacheHealth, CacheStats, Dependent, Format, Pipeline, Remaining, Replies, Seen, segment};
pub use kv::{CacheSource, CachedEntity, EntityStats, Repository};
pub use policy::{Admission, Consistency, Invalidation, MemoryWatch, Pressure, UnclearWrites, UnfencedWrites};
#[cfg(feature = "redis")]
pub use redis;
pub use stats::{Reason, Stats, TableStats};
pub use transaction::{CachingConnection, CachingTransaction};
pub use warm::{Progress, WarmKeeper, WarmUp, Warmed};

/// What the macros' functions call.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private {
    pub use crate::kv::Changes;
    pub use crate::kv::calls::{Call, argument, function, key, key_of, of_type, text};
}
