//! Looking after a cache that is in use: what to watch, what it means, what to do.
//!
//! # Where to look
//!
//! | question | here | from outside |
//! |---|---|---|
//! | Does it cache at all? | [`Health::is_caching`](crate::Health::is_caching) | `sqlx-cached doctor`; `GET info` |
//! | How often is it right away? | [`Stats`](crate::Stats), by table and category; of the last hour: [`history`](crate::CachingExecutor::history) | the metrics; the dashboard |
//! | All processes together, by the day? | [`days`](crate::CachingExecutor::days): seven days, shared in Redis | `sqlx-cached stats`, `sqlx-cached top`; `GET days` |
//! | Is what it says true? | [`Stats::freshness`](crate::Stats::freshness): the probe's finds | `sqlx_cached_freshness_checks_total` |
//! | Why is this query not cached? | [`explain`](crate::CachingExecutor::explain) | `sqlx-cached explain`, `sqlx-cached check` for all queries of a program |
//! | Which misses hurt? | [`slow_misses`](crate::CachingExecutor::slow_misses) | the dashboard |
//! | Was this request answered from the cache? | [`tally`](crate::tally()) | the header `X-Cache` |
//! | What is in Redis? | [`Cache::keys`](crate::Cache::keys) | `sqlx-cached keys`, `get`, `ttl` |
//!
//! # What to be woken for
//!
//! With the metrics of feature `metrics` (or `GET metrics`) in Prometheus:
//!
//! ```text
//! # Somebody was given what the database no longer said. Never without a reason: see below.
//! increase(sqlx_cached_freshness_checks_total{result="stale"}[10m]) > 0
//!
//! # The store is out of reach: every read is the database's.
//! avg_over_time(sqlx_cached_breaker_open[5m]) > 0.5
//!
//! # Writes that the others have not been told of yet.
//! min_over_time(sqlx_cached_distrusted_tables[2m]) > 0
//!
//! # The cache stopped being of use. (Which part is normal is yours to know; look at a week of it first.)
//! sum(rate(sqlx_cached_hits_total[10m])) / (sum(rate(sqlx_cached_hits_total[10m])) + sum(rate(sqlx_cached_misses_total[10m]))) < 0.5
//!
//! # Everything is forgotten again and again: see "everything was forgotten".
//! rate(sqlx_cached_invalidations_of_everything_total[10m]) > 0.1
//! ```
//!
//! None of these is an error of the program's: whatever the cache can't do the database does. What to expect of each fault is in [failure modes](super::failure_modes).
//!
//! # What it may mean
//!
//! ## A stale hit
//!
//! The probe compared a hit with the database, and nothing that the cache knew of had been written in between. One of:
//!
//! - Somebody writes past every executor: another program, `psql`, a job. [`external_writers`](crate::Builder::external_writers) follows them, on PostgreSQL by triggers (`sqlx-cached install-notifications`); without it the answer's time to live is
//!   how long it stays.
//! - Two groups of processes share a database, and not the Redis (`REDIS_URL`, `CACHE_NAMESPACE`): each is another's writer past the cache. `sqlx-cached doctor` in both places shows where they look.
//! - The pool reads from a replica, which is behind.
//! - A defect of ours. The log line has the key, the tables and the statement; `sqlx-cached explain` what it is thought to depend on. Switch the cache off with `REDIS_ENABLED=false` if in doubt, and tell us.
//!
//! ## Few hits
//!
//! `Stats::bypasses` and `not_stored` say why, by reason; `sqlx-cached check` says it of every query before it runs. Common ones:
//!
//! - `function`: `now()` and the like in the text. Bind the time, rounded to what the page needs.
//! - `churn` or `cheap`: [admission](super::under_load) found that keeping these answers costs more than it spares.
//! - misses with fills, and few hits: the tables are written all the time. A write forgets whatever reads its table; what must stay can be a plain value with a time to live, at the price of its age.
//! - `memory`, or many evictions in `INFO stats`: Redis is too small.
//!
//! ## Everything was forgotten
//!
//! A statement that can't be understood, a change of the schema, or a database user who may not read the catalog (a warning at start). `sqlx-cached check --deny everything` finds the statements; [`UnclearWrites`](crate::UnclearWrites) has the
//! database asked instead.
//!
//! # By hand
//!
//! | to do | by |
//! |---|---|
//! | forget what depends on a table | [`invalidate_table`](crate::CachingExecutor::invalidate_table); `sqlx-cached invalidate users`; `POST invalidate/users` |
//! | forget everything (after a restore of the database, say) | [`clear`](crate::CachingExecutor::clear); `sqlx-cached clear --queries`; `POST clear` |
//! | and plain values, too (queues of write-behind stay) | [`Cache::clear`](crate::Cache::clear) as well; `sqlx-cached clear`; `POST clear?values=true` |
//! | switch it off | `REDIS_ENABLED=false` and a restart: the executor is a pool then. In all processes at once, or those that go on caching don't see what the others write |
//! | count from zero | [`reset_stats`](crate::CachingExecutor::reset_stats), `POST reset-stats`: this process's counters; [`reset_days`](crate::CachingExecutor::reset_days), `sqlx-cached stats --reset`: the days of all |
