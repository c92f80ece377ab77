//! What teams do by hand around a cache, and what does it here.
//!
//! Five documents describe how five projects keep data of a database in Redis. Whatever they do has its place in this crate; the tables say which, section by section. An example for each document does what
//! its code does, and checks itself, with Redis, without one, and with one that is down.
//!
//! # FolioFox, "Redis Caching Strategy" (example `caching_patterns`)
//!
//! | section | here |
//! |---|---|
//! | Cache layers: application, Redis, database | the near cache ([`NearUse`](crate::NearUse)), the [store](crate::store), the pool |
//! | Strings with a time to live (`book:metadata:{id}`) | [`Cache::get_or_set`](crate::Cache::get_or_set), [`time_to_live`](crate::Cache::time_to_live); or the query itself, which needs no key |
//! | Hashes, sorted sets, lists, sets | [`Cache::redis`](crate::Cache::redis) and [`Cache::name`](crate::Cache::name) |
//! | Cache-aside | [`CachingExecutor`](crate::CachingExecutor) for rows; [`get_or_set_optional`](crate::Cache::get_or_set_optional), tied by [`depends_on`](crate::Cache::depends_on), for what is made of them |
//! | Write-through | [`Cache::write_through`](crate::Cache::write_through) |
//! | Write-behind | [`Cache::write_behind`](crate::Cache::write_behind) |
//! | Invalidation by time | times to live by category, table, query and value, with jitter |
//! | Invalidation by event, with wildcards | by themselves on SQL writes; [`delete_pattern`](crate::Cache::delete_pattern), [`invalidate`](crate::CachingExecutor::invalidate) |
//! | Invalidation by version | [`Cache::versioned`](crate::Cache::versioned), [`renew_version`](crate::Cache::renew_version): random tokens, since a lost counter would come back with old values |
//! | Memory policies | any; see the README, "Redis" |
//! | Memory monitoring | [`Builder::memory_watch`](crate::Builder::memory_watch) |
//! | Cache warming | [`CachingExecutor::warm`](crate::CachingExecutor::warm) |
//! | Hit ratio per operation and day, metrics | [`days`](crate::CachingExecutor::days), by table with its category and by beginning of the key; [`Stats`](crate::Stats), [`CacheStats`](crate::CacheStats), [`metrics`](crate::metrics) |
//! | Data sanitization | [`Builder::deny_columns`](crate::Builder::deny_columns), [`deny_tables`](crate::Builder::deny_tables), and [`encryption_keys`](crate::Builder::encryption_keys) for the rest |
//! | Access control by user | [`Cache::scope`](crate::Cache::scope), [`CachingExecutor::scope`](crate::CachingExecutor::scope) |
//! | Rebuild after a failure | [`WarmUp::keep`](crate::WarmUp::keep) |
//! | Graceful degradation | by itself: the breaker, deadlines, the database answers |
//! | Redis configuration, application configuration | the environment: `REDIS_*`, `CACHE_DEFAULT_TTL`, `CACHE_MAX_KEY_LENGTH`, `CACHE_KEY_PREFIX`, `CACHE_COMPRESSION_THRESHOLD` |
//!
//! # MyFoil, "Phase 4.1: Redis Cache Implementation" (example `cached_endpoints`)
//!
//! | section | here |
//! |---|---|
//! | Core cache module: decorator | [`cached`](macro@crate::cached) |
//! | Manual operations, deletion by pattern | [`Cache`](crate::Cache) |
//! | Statistics | [`Cache::stats`](crate::Cache::stats), [`reset_stats`](crate::Cache::reset_stats) |
//! | Keys out of the arguments | [`cached`](macro@crate::cached): every argument by serde, or a `key` whose parts are escaped |
//! | Cached endpoints (`/api/library/paged`, `/api/system/info`) | the example |
//! | Management endpoints: info, clear, invalidate, reset | [`admin`][admin] (feature `axum`): these and more, behind a token, with a dashboard |
//! | Automatic invalidation when the library changes | [`depends_on`](crate::Cache::depends_on); by hand [`delete_pattern`](crate::Cache::delete_pattern) |
//! | Response headers | [`CacheStatusLayer`][layer] (feature `axum`): `X-Cache`, and `Cache-Control` if asked for |
//! | Best practices: times, patterns, statistics, degradation | as above |
//! | To be done there: warming, compression, eviction, monitoring, cluster | [`warm`](crate::CachingExecutor::warm), `CACHE_COMPRESSION_THRESHOLD`, the embedded store's own, [`metrics`](crate::metrics), the dashboard and the freshness probe ([operations](super::operations)), `REDIS_CLUSTER_NODES` |
//!
//! # Lexikon, "Caching Strategy Guide" (example `cached_functions`)
//!
//! | section | here |
//! |---|---|
//! | Basic operations | [`get`](crate::Cache::get), [`set`](crate::Cache::set), [`delete`](crate::Cache::delete), [`delete_pattern`](crate::Cache::delete_pattern), [`exists`](crate::Cache::exists) |
//! | Batch operations | [`mget`](crate::Cache::mget), [`mset`](crate::Cache::mset), [`pipeline`](crate::Cache::pipeline) |
//! | Smart operations | [`get_or_set`](crate::Cache::get_or_set), [`increment`](crate::Cache::increment), [`health`](crate::Cache::health) |
//! | JSON or Pickle | [`Format`](crate::Format) |
//! | `@cache` | [`cached`](macro@crate::cached) |
//! | `@invalidate_cache` | [`invalidates`](macro@crate::invalidates) |
//! | Cache-aside, write-through, invalidation on write | [`get_or_set`](crate::Cache::get_or_set), [`write_through`](crate::Cache::write_through), [`invalidates`](macro@crate::invalidates) or nothing: SQL writes end what depends on their tables |
//! | What to cache, and what not | [`Admission`](crate::Admission), `CACHE_MAX_ENTRY_BYTES`, [`deny_columns`](crate::Builder::deny_columns) |
//! | Key design | [`segment`](crate::segment) |
//! | Time-based, event-based and explicit invalidation | [`time_to_live`](crate::Cache::time_to_live), [`invalidates`](macro@crate::invalidates), [`delete`](crate::Cache::delete) |
//! | Lazy invalidation | [`Cache::get_if`](crate::Cache::get_if) |
//! | Configuration, environment | [`CacheBuilder`](crate::CacheBuilder); `REDIS_HOST`, `REDIS_PORT`, `REDIS_PASSWORD`, `REDIS_DB`, `REDIS_DEFAULT_TTL` |
//! | Health check and info | [`health`](crate::Cache::health), [`info`](crate::Cache::info); `sqlx-cached doctor` |
//! | Statistics | [`CacheStats::hit_ratio`](crate::CacheStats::hit_ratio) |
//! | Manual management | [`delete_pattern`](crate::Cache::delete_pattern), [`clear`](crate::Cache::clear), [`exists`](crate::Cache::exists) |
//!
//! # Tale Generator, "Redis Caching Implementation" (example `cached_repository`)
//!
//! | section | here |
//! |---|---|
//! | `CacheService` | [`Cache`](crate::Cache) |
//! | `CacheStrategy` per entity | [`CachedEntity`](crate::CachedEntity) |
//! | `CachedRepository` | [`Repository`](crate::Repository) |
//! | Configuration (`REDIS_ENABLED`, `CACHE_HERO_TTL`, ...) | the environment; an entity's [`TIME_TO_LIVE`](crate::CachedEntity::TIME_TO_LIVE) |
//! | Health, manual invalidation, statistics | [`Cache::health`](crate::Cache::health), [`Repository::invalidate`](crate::Repository::invalidate) and [`clear`](crate::Repository::clear), [`Repository::stats`](crate::Repository::stats) |
//! | Keys by id, by attribute, all | [`find`](crate::Repository::find), [`find_by`](crate::Repository::find_by), [`list`](crate::Repository::list) |
//! | Invalidation on save, update, delete | [`save`](crate::Repository::save), [`update`](crate::Repository::update), [`delete`](crate::Repository::delete): all lists of the type, since only the database knows which one it was in before |
//! | Error handling | by itself |
//! | Monitoring, logging | [`metrics`](crate::metrics), the dashboard, [what to be woken for](super::operations); `tracing`: hits and misses at debug, invalidations at info, errors of the store at warn |
//! | Troubleshooting | [`CachingExecutor::explain`](crate::CachingExecutor::explain), [`Cache::health`](crate::Cache::health), `sqlx-cached doctor`, [what it may mean](super::operations) |
//! | Password, TLS | `REDIS_PASSWORD`, `rediss://` (feature `tls`) |
//! | To be done there: warming, two levels, analytics, distributed invalidation | [`warm`](crate::CachingExecutor::warm), the near cache, [`days`](crate::CachingExecutor::days) and [`slow_misses`](crate::CachingExecutor::slow_misses), generations |
//!
//! # `CatFeeder`, "Redis Module" (example `query_results_and_keys`)
//!
//! | section | here |
//! |---|---|
//! | Initialization, configuration | [`CachingExecutor::from_env`](crate::CachingExecutor::from_env), [`Cache::from_env`](crate::Cache::from_env); `REDIS_SOCKET_PATH` |
//! | Read-through | the query, unchanged |
//! | Write-through (update, then invalidate `sql:users:*`) | the write, unchanged |
//! | Key generation (`sql:{table}:data:{hash}`) | the same form, with the whole SHA-256: [`explain`](crate::CachingExecutor::explain) shows it |
//! | Manual key operations | [`Cache`](crate::Cache) |
//! | Invalidation by pattern, by table | [`invalidate`](crate::CachingExecutor::invalidate), [`invalidate_table`](crate::CachingExecutor::invalidate_table), [`clear`](crate::CachingExecutor::clear) |
//! | Times to live by category, custom, none | `CACHE_TTL_DATA` (300), `_SCHEMA` (3600), `_METADATA` (7200), `_COUNT` (60); [`ttl`](crate::CachingExecutor::ttl), `/* cache: ttl=30s */`; [`set_for`](crate::Cache::set_for) with `None` |
//! | Inspection of times | [`ttl_of`](crate::Cache::ttl_of) |
//! | Connection errors, degradation, health check | by themselves; [`health`](crate::Cache::health) |
//! | Batches, pipelines | [`mget`](crate::Cache::mget), [`mset`](crate::Cache::mset), [`pipeline`](crate::Cache::pipeline) |
//! | Compression of large values | `CACHE_COMPRESSION_THRESHOLD` |
//! | Connection pooling | one multiplexed connection; `REDIS_MAX_CONNECTIONS` |
//! | Mocking Redis, integration tests | the embedded store: [`MemoryStore`](crate::store::MemoryStore) |
//! | Statistics, hit rate | [`info`](crate::Cache::info), [`CacheStats::hit_ratio`](crate::CacheStats::hit_ratio), [`Stats`](crate::Stats), [`days`](crate::CachingExecutor::days) |
//! | Key inspection | [`keys`](crate::Cache::keys), [`ttl_of`](crate::Cache::ttl_of), [`redis`](crate::Cache::redis); `sqlx-cached keys`, `get`, `ttl` |
//! | Server configuration | see the README, "Redis" |
//! | What not to do: KEYS, secrets in the clear, results of errors | SCAN throughout, [`encryption_keys`](crate::Builder::encryption_keys), errors are never kept |
//!
#![cfg_attr(feature = "axum", doc = "[admin]: crate::http::admin\n[layer]: crate::http::CacheStatusLayer")]
#![cfg_attr(not(feature = "axum"), doc = "[admin]: crate\n[layer]: crate")]
