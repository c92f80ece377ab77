//! The attribute macros, as they are to be used.

/// Keeps what an async function or method returns: the next call with the same arguments is given the value from the cache, and the body is not run.
///
#[cfg_attr(all(feature = "sqlite", feature = "redis"), doc = "```")]
#[cfg_attr(not(all(feature = "sqlite", feature = "redis")), doc = "```ignore")]
/// use sqlx::Sqlite;
/// use sqlx_cached::{CachingExecutor, cached, invalidates};
///
/// #[cached(ttl = "5m", prefix = "user", key = "{id}", depends_on = ["users"], none = "30s")]
/// async fn name(db: &CachingExecutor<Sqlite>, id: i64) -> Result<Option<String>, sqlx::Error> {
///     sqlx::query_scalar("SELECT name FROM users WHERE id = ?").bind(id).fetch_optional(db).await
/// }
///
/// #[invalidates(tables("users"))] // or "user:{id}", if no SQL answer were cached
/// async fn rename(db: &CachingExecutor<Sqlite>, id: i64, name: &str) -> Result<(), sqlx::Error> {
///     let rename = sqlx::query("UPDATE users SET name = ? WHERE id = ?").bind(name.to_owned()).bind(id);
///     rename.execute(db.pool()).await.map(drop) // past the executor, which sees nothing of it
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let url = format!("sqlite:{}?mode=rwc", directory.path().join("shop.db").display());
/// # let pool = sqlx::SqlitePool::connect(&url).await?;
/// # sqlx::raw_sql("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT INTO users VALUES (7, 'Grace')").execute(&pool).await?;
/// # let db = CachingExecutor::builder(pool).build().await?;
/// assert_eq!(name(&db, 7).await?.as_deref(), Some("Grace"));
/// assert_eq!(db.cache().get::<String>("user:7").await?.as_deref(), Some("Grace"));
/// rename(&db, 7, "Ada").await?;
/// assert_eq!(name(&db, 7).await?.as_deref(), Some("Ada"));
/// # Ok(()) }
/// ```
///
/// The function returns a `Result`: errors are returned to their caller, and never stored. The value is written and read by serde. Calls that miss at the same time share one run of the body, in this process and
/// in others ([`Cache::get_or_set`](crate::Cache::get_or_set)). What goes wrong in the cache is no error here: then the body is run. Methods will do, also generic ones, `async fn` in traits, those
/// of `#[async_trait]` (outside of this attribute), and functions that return `impl Future<Output = Result<..>>`.
///
/// | option | what it says | otherwise |
/// |---|---|---|
/// | `ttl = "5m"` | how long a value lives: seconds, a text with `ms`, `s`, `m`, `h` or `d`, `"forever"`, or an expression for a `Duration` | the cache's time to live |
/// | `prefix = "user"` | how the keys begin, so that `user:*` matches them | the function's path, with its type and what it is generic over, and its place in the file |
/// | `key = "{id}:{filter.name}"` | what follows: parameters, their fields, `self`'s fields, types (`{T}`, `{Self}`), formatted as by `format!` and escaped by [`segment`](crate::segment) | every parameter, as JSON |
/// | `skip(a, b)` | parameters on which the value does not depend | |
/// | `depends_on = ["users"]` | tables that the value is made of: see [`Cache::depends_on`](crate::Cache::depends_on) | none |
/// | `none = "30s"` | how long `Ok(None)` is remembered | not at all |
/// | `cache = self.cache` | where the cache is: an expression for a [`CacheSource`](crate::CacheSource) | the parameter called `cache` or `db`, else `self` |
///
/// # Keys
///
/// Different arguments make different keys: what an argument holds of separators and glob characters is escaped, two of them must have a `:` between them, and a parameter that is neither in the key nor
/// skipped is a compile error. A key that is longer than the cache allows ends with a hash of the whole. `self` is in the key where `key` says so, and nowhere else: write `{self.tenant}` if that matters.
/// JSON knows neither NaN nor infinity; functions of floats that may be either need a `key`.
///
/// The prefix says whose values they are. Without one no two functions share a key, but path and place are as the compiler writes them, and change with the program: what was stored by the one before is then not found. With one, functions (and types: in an `impl<T>`
/// write `{Self}`) of the same prefix and the same `key` share values, so give each kind of value a prefix, or a `key`, of its own.
///
/// # What must not be cached
///
/// What was read inside a transaction: others would be given what may yet be rolled back. A parameter that is `&mut` is a compile error for that reason, but one that is an `impl Executor` is not.
///
/// # Cancel safety
///
/// As the body's. One that is dropped is given up; those who waited for it run their own.
pub use sqlx_cached_macros::cached;

/// Deletes from the cache what an async function or method changes, after it has run.
///
/// ```
/// use sqlx_cached::{Cache, invalidates};
///
/// #[invalidates("user:{id}", "term:search:*")]
/// async fn rename(cache: &Cache, id: i64, name: &str) -> Result<(), std::io::Error> {
///     // ...
/// #   let _ = name;
///     Ok(())
/// }
/// ```
///
/// A text is a key, or, if `*`, `?`, `[..]` or `\` stand in it, a glob pattern (a SCAN of the store). Parameters are interpolated and escaped as in the `key` of [`cached`](macro@crate::cached), so that
/// they match nothing but themselves. `tables("users", "orders")` ends all that depends on these tables, SQL entries included ([`Cache::invalidate_tables`](crate::Cache::invalidate_tables)): for writes that go through no
/// executor. `cache = ...` as there. Several of these attributes may stand before one function.
///
/// It deletes whatever the function returns, since a write that failed may have been committed, and where its caller gave up (then in the background, and this process takes for gone what is to be deleted from
/// that moment on). What the database goes on to commit after its caller gave up may be later than that: values that must not be old then should [depend on tables](crate::Cache::depends_on),
/// which an executor's writes end when they are over. What can't be deleted since the store is out of reach is kept, and deleted later.
///
/// Inside a transaction that is committed after the function it comes too early: put it before the function that commits.
///
/// # Cancel safety
///
/// As the body's.
pub use sqlx_cached_macros::invalidates;
