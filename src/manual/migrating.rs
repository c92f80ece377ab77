//! From a cache by hand: step by step, what to delete, what to keep, and what surprises.
//!
//! # From redis-rs around sqlx
//!
//! This is what there is as a rule:
//!
//! ```text
//! async fn user(pool: &PgPool, redis: &mut MultiplexedConnection, id: i64) -> Result<User> {
//!     let key = format!("user:{id}");
//!     if let Ok(Some(json)) = redis.get::<_, Option<String>>(&key).await {        // 1
//!         if let Ok(user) = serde_json::from_str(&json) { return Ok(user) }        // 2
//!     }
//!     let user = sqlx::query_as("SELECT ... WHERE id = $1").bind(id).fetch_one(pool).await?;
//!     let _: Result<(), _> = redis.set_ex(&key, serde_json::to_string(&user)?, 300).await;   // 3
//!     Ok(user)
//! }
//! async fn rename(...) { UPDATE ...; redis.del(format!("user:{id}")).await }       // 4
//! ```
//!
//! Between 1 and 3 somebody else may write and delete: then 3 stores the old row, which stays for its time to live (`faults::races::a_stale_fill_is_never_served` shows it). 4 knows one key and no join, does
//! nothing if the process dies before it, and comes before a commit if it stands inside the transaction.
//!
//! 1. **Change the type.** `PgPool` becomes [`CachingExecutor<Postgres>`](crate::CachingExecutor), made by `from_env(pool)`; `&mut Transaction<'_, Postgres>` becomes [`CachingTransaction`](crate::CachingTransaction).
//!    The README's table has every case. Nothing is cached twice yet: your own Redis code goes on as before.
//! 2. **Send every write through it**, also those of jobs and admin tools. Search for `pool()`, for pools that are made elsewhere, and for programs in other languages: these are
//!    [writers from outside](super::consistency#writers-from-outside).
//! 3. **Take the code around reads away**, one function at a time: what is left is the query. The steps 1, 2, 3 and 4 above go, with the keys.
//! 4. **Move what is no row** (pages, reports, answers of other services) to [`cache()`](crate::CachingExecutor::cache): `get` and `set` become [`get_or_set`](crate::Cache::get_or_set), and if it is made of tables,
//!    [`depends_on`](crate::Cache::depends_on) takes the place of every `DEL`.
//! 5. **Delete the old keys** by their patterns, once, when no old process is left.
//! 6. **Check**: [`explain`](crate::CachingExecutor::explain) for the statements that matter, `stats()` in production. [Roll it out](super::how_to#roll-it-out) writes first.
//!
//! | by hand | here |
//! |---|---|
//! | names of keys for rows, serialisation of rows, `#[derive(Serialize)]` for the cache's sake | delete: the key is the statement and its arguments, and the rows are the driver's own |
//! | `DEL` after writes, lists of keys that a write touches | delete |
//! | a time to live that was made short because `DEL` might be missed | delete, or lengthen |
//! | a lock or a "loading" key against stampedes | delete: misses that meet share one read, in all processes |
//! | `if let Err(e) = redis... { warn!() }`, a flag for "Redis is down" | delete: breaker and deadlines |
//! | random parts of times to live | delete: `CACHE_TTL_JITTER` |
//! | plain values under keys of your own | [`Cache`](crate::Cache): `CACHE_KEY_PREFIX` in place of your prefix. A value that is plain JSON is read as it stands, so `<prefix>:<key>` of your old program is found |
//! | sessions, rate limits, locks, queues, leaderboards | keep: they are no cache. [`Cache::redis`](crate::Cache::redis) gives a connection |
//! | a pool of connections to Redis | delete, unless something is left of the last row: one multiplexed connection is enough |
//!
//! # From `moka`, `cached` or a map with a lock
//!
//! | there | here |
//! |---|---|
//! | `cache.get_with(key, load)`, `try_get_with` | [`get_or_set`](crate::Cache::get_or_set): shared among tasks and processes; errors are not kept |
//! | `cache.invalidate(&key)`, `invalidate_entries_if` | [`depends_on`](crate::Cache::depends_on), else [`delete`](crate::Cache::delete), [`delete_pattern`](crate::Cache::delete_pattern) |
//! | `time_to_live` | [`time_to_live`](crate::Cache::time_to_live) |
//! | `time_to_idle`, a number of entries | none; the store is bounded in bytes |
//! | `Arc<T>` values | [`fetch_all_shared`](crate::CachingExecutor::fetch_all_shared) and its kin for rows. Plain values are decoded at each hit |
//! | `#[cached]` of the crate `cached` | [`cached`](macro@crate::cached) of this one: the function returns a `Result`, the cache is a parameter, and the key has every argument |
//!
//! Keep `moka` where nothing can change the value but time, and a hit must cost 0.15 us: it is the fastest there is, and knows nothing of writes. Where rows of a database are in it, it is per process, so that each process is
//! old on its own, however well one of them invalidates.
//!
//! # What surprises
//!
//! - **The statement's text is the key.** `SELECT ... WHERE created_at > now()` is never cached, and `WHERE created_at > $1` with the present moment bound is cached and never asked for again. Round the moment.
//! - **`fetch_one` and `fetch_all` keep two answers** of one statement, since they read differently.
//! - **`raw_sql`** and, on PostgreSQL, `persistent(false)` are passed on. So is what needs [a look](crate::CachingExecutor::explain): `explain` says why.
//! - **A write forgets its whole table's answers**, whichever row it changes. Where one table takes a write with every hundredth operation, a hand-written cache that forgets one key was eleven times as fast under load
//!   (166,000 operations a second against 14,700; without any cache 29,800). Keep the hand-written one for such a table, and know that it may be old; or leave it uncached.
//! - **DDL through the pool** of `sqlx::migrate!().run(db.pool())` is found out within ten seconds; [`db.migrate`](crate::CachingExecutor::migrate) is exact.
//! - **`SET`, temporary tables and `BEGIN` as text through the executor** make its connections differ: it then stops caching what that touches, and says so once. Set sessions up in `PoolOptions::after_connect`, alike for all.
//! - **MySQL without the TRIGGER privilege** forgets everything with each write: see the README, "Permissions".
//! - **Tests that mocked Redis** need nothing now: [the embedded store](super::how_to#test-your-own-program).
//! - **A row that must not be in Redis** got there only if somebody wrote it there. Now whatever is read may: [`sensitive_data`](super::sensitive_data).
