//! What fails, what the program sees of it, what the cache does, how one notices, and which test shows it.
//!
//! The tests are run by `cargo test --all-features --test suite <name>`; *campaign* is `cargo test --all-features --test consistency -- --campaign`, which does these things to several
//! processes at work and checks what all of them saw. Fields are those of [`Stats`](crate::Stats) (`db.stats()`) and [`Health`](crate::Health) (`db.health().await`), and logs are `tracing` events.
//!
//! # Redis
//!
//! | what fails | the program sees | the cache does | one notices | shown by |
//! |---|---|---|---|---|
//! | it is slow for a moment | one read waits for the deadline (100 ms) | the database answers; the breaker stays closed | `Stats::store_errors`; warnings | `pressure::breaker::one_slow_command_does_not_open_it` |
//! | it hangs | up to three deadlines, once; then nothing | the breaker opens after 200 to 300 ms: reads go straight to the database, near hits end, a probe closes it again | `Health::breaker_open`, `Stats::breaker_opened`, `not_stored[Open]`; a warning | `pressure::breaker::hangs_postgres`, `hangs_sqlite` |
//! | it is gone, or not there yet | nothing | the same; what cannot be invalidated is kept and [distrusted](#writes-that-redis-is-not-told-of) | the same, and `Health::distrusted`, `Stats::undelivered_invalidations` | `faults::degraded::never_there`, `killed_and_started_again` |
//! | it comes back empty | misses | kept invalidations are delivered first; generations are made anew | hit ratio; `WarmKeeper` tells | `warm::lost::after_a_crash_and_a_restart_empty` |
//! | it comes back with old data | misses | a generation names the server's run, so all that was there before is invalid | hit ratio | `faults::degraded::started_again_from_an_old_snapshot` |
//! | it is flushed, or keys are deleted by hand | misses | fences and markers of running writes are put back within a third of the lease | hit ratio | `faults::by_hand`, `store_redis::a_flush_under_a_running_write_is_healed_by_its_renewal_and_its_end` |
//! | it evicts, bookkeeping included | misses | what is absent is not valid; see [lost fences](#lost-fences) | Redis' `evicted_keys` | `faults::degraded::evicting_everything`, `topology::scarce::what_is_evicted_is_a_miss` |
//! | its memory is full (`noeviction`) | nothing | hits go on, nothing is stored; writes go on and are kept, as above. The [memory watch](crate::Builder::memory_watch) keeps it from coming to that | `Stats::store_errors`; with the watch `Health::memory`, `not_stored[Memory]` | `pressure::answers::out_of_memory`, `memory_watch` |
//! | it can't write its snapshot, is read-only, is loading | nothing | it still answers look-ups where it may; writes are kept | `Stats::store_errors` | `pressure::answers` |
//! | a replica takes over (Sentinel, Cluster) | nothing | what the new master has is never trusted: everything on it is read anew | hit ratio; a log line when a slot moves | `topology::failover`, `topology::sentinel::a_failover_is_followed` |
//! | a master that was replaced goes on answering those who reach it alone | old values, by these processes only, until it learns of its replacement (in a cluster at most `cluster-node-timeout`) | nothing: no client can know | - | (none: a limit) |
//! | slots move | nothing | they are followed key by key | a log line | `topology::migration` |
//! | the user may not do something | nothing | what needs it is left out, or the database answers | a warning, once | `topology::rights::a_right_less_is_told_and_harms_nobody` |
//! | the password is wrong | nothing | as if it were gone | warnings; no password in them | `faults::degraded::refuses_the_password`, `topology::rights::a_wrong_password_is_told_and_not_shown` |
//! | somebody writes rubbish to its keys | nothing | what is no entry, or another key's, is a miss and is deleted | `Stats::malformed_entries`, `replay_errors` | `faults::degraded::lying`, `poisoned` |
//! | somebody writes forged entries | nothing, if entries are [encrypted](crate::Builder::encryption_keys); else his rows | what no key opens is a miss | `Stats::undecryptable_entries` | `privacy::encrypted` |
//! | what a connection sent arrives after it was given up (a proxy in between) | nothing, of queries and of values tied to tables: they are judged by their generations. Of other plain values one that was deleted since, until its time to live | requests are repeated at most once, increments and pipelines never | - | `kv::random`; a value that arrives late: (none: a limit) |
//! | its pushes stop, and the connection looks alive | old near hits, for `CACHE_NEAR_STALENESS` at most | near hits end when no heartbeat has come back for that long | `Stats::near_hits` stands still | `near::a_server_that_hangs_is_believed_no_longer_than_the_bound` |
//! | the network between one process and Redis is cut | nothing there; others may be given old values of what it writes | the same as gone; a choice, [below](#writes-that-redis-is-not-told-of) | `Health::distrusted` | *campaign* ("ways") |
//!
//! ## The breaker
//!
//! It opens when Redis does not answer three times running, or when one operation in five fails within a second. A probe (after 100 ms, then less often, at least twice a second) closes it again. A burst counts once, so
//! that one slow command does not open it. Nor does a Redis that answers and refuses (no memory, no snapshot): it still answers look-ups. What a hanging Redis costs is measured by `cargo bench --bench degraded --all-features`.
//!
//! ## Writes that Redis is not told of
//!
//! By default a write whose fence can't be set goes on: the database is not held up by its cache. This process then reads the tables concerned from the database until the invalidation has been delivered; it is
//! repeated, and goes first when Redis answers again (`pressure::kept::the_delivery_comes_before_any_trust`). Other processes may serve old values until then, where they can reach Redis; no protocol can avoid that. There are at
//! most some 4,000 kept invalidations: more become one of everything. If the process dies before the delivery, what it wrote stays unknown until the entries' time to live is over. [`close`](crate::CachingExecutor::close)
//! waits up to two seconds for the delivery.
//!
//! With `CACHE_UNFENCED_WRITES=refuse` a write that can't be fenced is not sent to the database, and fails with an error that [`WriteRefused::of`](crate::WriteRefused::of) finds (a transaction at its commit, rolled back):
//! `Stats::refused_writes`. Rarely a write was fenced and committed before its fence was lost sight of: that one fails with one that [`InvalidationPending::of`](crate::InvalidationPending::of) finds, and must not be tried
//! again. (`pressure::refuse`.)
//!
//! ## Lost fences
//!
//! Redis may lose a running write's fence: by eviction, by hand, by a failover. Its process adds it again within a third of the lease. If that process dies just then, an old answer may be stored after somebody saw the
//! new one, and stays until its time to live. `CACHE_FENCE_GUARD=on` (in all processes, with the same lease) closes that: after such a loss, and at a table's first use, nothing of it is cached for one
//! lease. (A dead process' statement that goes on in the database for longer than a lease is still such a case.) It keeps a key per table in Redis. (`pressure::guard`, with and without.)
//!
//! # The database
//!
//! | what fails | the program sees | the cache does | one notices | shown by |
//! |---|---|---|---|---|
//! | it is gone | the pool's errors for misses, writes and transactions. Answers that are kept are still given, in PostgreSQL of statements that this process has prepared before | a failed read stores nothing, and each caller gets an error of his own | `Health::database` | `faults::flights_lost::a_read_that_fails`; (hits meanwhile: no test) |
//! | it is not there at the start | `build` succeeds; the pool's errors | nothing is cached until the catalog was read; tried again in the background | `Health::catalog`, `bypasses[Starting]`; a warning | `faults::scarce::a_schema_change_while_starting`, `pressure::refuse::reads_before_the_catalog_is_there` |
//! | the connection is lost under a write or a COMMIT | the driver's error: outcome unknown | the fence stands until the database shows that the session is over, then everything it wrote is forgotten | `not_stored[Fenced]`; a warning | `faults::lost` |
//! | the session may not see running transactions (`PROCESS`, `pg_read_all_stats`) | nothing | a fence that lapsed stands for `CACHE_FENCE_BOUND` (1 h): its table is not cached meanwhile | `not_stored[Fenced]` | (none) |
//! | the pool is exhausted | `PoolTimedOut`, as with the pool | reads that can be answered from the cache need no connection | - | `faults::flights::a_pool_that_is_exhausted_or_closed`, `faults::scarce` |
//! | it is restored from a backup | rows from before the restore | nothing: nobody told it. Call [`clear`](crate::CachingExecutor::clear) | - | (none: a limit) |
//!
//! # The process
//!
//! | what happens | what becomes of it | one notices | shown by |
//! |---|---|---|---|
//! | killed in the middle of a write | the fence stands without renewal, for its lease (10 s); then a reader's process asks the database, and clears it when nothing that old runs. The table is read from the database until then | `not_stored[Fenced]`; "lapsed writes are proven over" at info | `faults::late` |
//! | killed while it reads for others | its lease ends within a second, and another process reads | - | `faults::flights_across::a_killed_leaders_lease_runs_out` |
//! | killed with kept invalidations | see [above](#writes-that-redis-is-not-told-of) | - | *campaign* |
//! | stands still (stopped, swapped out, moved) | its leases run out as if it were dead; when it goes on it sets its fences again before it writes | - | `faults::stalled`, *campaign* ("processes paused") |
//! | a caller drops a future | a write goes on to its end, a read is given up | - | `cancellation`: every public future, dropped at each of its awaits |
//! | the tokio runtime ends before the executor | what is left of writes is taken on by the next who looks something up | - | `faults::runtimes` |
//! | no Unix socket can be made for replaying rows of PostgreSQL and MySQL (no writable directory) | rows can't be made of entries: nothing is cached | `Health::rows` is false, `bypasses[Rows]`; an error in the log | (none) |
//!
//! # Clocks
//!
//! Nothing that decides whether an entry is valid looks at a clock. Leases of fences are counted by Redis' clock alone: if it jumps ahead they lapse early, which the database is asked about; if it jumps back they stand
//! longer. The near cache's bound and the renewal of leases are counted by each process's monotonic clock, which does not jump. The *age* of an answer is this machine's clock minus that of the machine that stored it: if these differ, answers are read anew, or count as stale, by so much too early or too late. Redis deletes
//! them by its own clock all the same. (No test.)
//!
//! # Deploys and changes of the schema
//!
//! | what changes | what becomes of it | shown by |
//! |---|---|---|
//! | the program's version, with the same version of this crate | entries are shared; an answer belongs to the statement's exact text | - |
//! | the key format, or sqlx's minor version | another hash: entries of the one are not found by the other, and end with their time. Generations and fences are shared, so both invalidate for both | the changelog calls it out |
//! | the entry format, or its flags | what a build can't read is a miss, and is deleted: two builds side by side take turns | `compression`, `privacy::encrypted::who_can_not_read_it_misses` |
//! | a migration by [`migrate`](crate::CachingExecutor::migrate), DDL through an executor | everything is forgotten, and the catalog read anew, in all processes, before it is acknowledged | `faults::races::a_view_that_another_process_put_in_a_tables_place` |
//! | DDL by others | noticed within `CACHE_SCHEMA_REFRESH` (10 s), or at the start | `outside::ddl` |
//! | the columns of a table, under `SELECT *` | DDL, as above; on PostgreSQL an entry also carries a fingerprint of its columns, and other columns are a miss | `cargo test --all-features --lib other_columns_are_a_miss` |
//! | a right is taken away (REVOKE, policies) | through an executor: everything is forgotten. By others: as other DDL | `outside::fingerprint` |
//! | the cache was switched off for a while (`REDIS_ENABLED=false`), and is switched on again | **Redis may still have answers from before, and nobody invalidated them meanwhile**: call [`clear`](crate::CachingExecutor::clear), or take another `CACHE_NAMESPACE` | - |
//!
//! # What the cache itself gets wrong
//!
//! It looks for its own mistakes and stops rather than goes on: a self-test at the start replays a known row of every kind (`Health::rows`); at each fill the database says which tables the columns come from, and one
//! that the analysis did not name is `not_stored[Origin]` and an error in the log: please report it. The [freshness probe](crate::Builder::freshness_probe) compares a share of hits with the database; a stale one is an error in the log, and what it depends on is forgotten
//! ([`Stats::freshness`](crate::Stats::freshness)). [`explain`](crate::CachingExecutor::explain) says what it makes of a statement.
