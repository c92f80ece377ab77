//! What is guaranteed and how, race by race; and what is not.
//!
//! # The guarantee
//!
//! In the mode [`Fenced`](crate::Consistency::Fenced), the default, with the store in reach and every write going through an executor:
//!
//! 1. A read that starts after a write was acknowledged sees that write, in this process and in every other one with the same store.
//! 2. Nobody sees less than anybody saw before.
//! 3. A read returns what the database would have returned at some instant between the call and the answer.
//! 4. Reads inside a transaction come from the database, and what they read is not kept.
//!
//! With the [near cache](#the-near-cache), which is on by default in front of Redis, 1 and 2 hold as they stand within a process. Between processes they hold once the push has come: as a rule
//! within a millisecond, and after `CACHE_NEAR_STALENESS` (250 ms) at the latest. What a failure takes away from the guarantee stands in [`failure_modes`](super::failure_modes).
//!
//! # The protocol
//!
//! Each table has a *generation*, a random token at `sql:<table>:gen`. An entry carries the generations of all tables that it was read under, and **is valid if and only if each of them still
//! stands**. There are no counters and no clocks in it, so whatever a store loses (by eviction, a flush, a failover) can only make entries invalid. A token also names the server that it was made by.
//!
//! - *A look-up* is one `MGET` of the entry and its generations. If all are equal, it is a hit.
//! - *A miss* makes the generations that are absent, *then* reads the database, *then* stores the entry under the generations from before the read.
//! - *A write* is a span. `begin` adds the write's id to the table's *fence* (`sql-fence:<table>`, a sorted set with a lease for each id) and puts a marker in the generation's place; *then*
//!   the statement is sent; `end` takes the id away, and with the last one the generation. While a fence stands nothing is served of the table, and nothing can be stored. Two round trips.
//! - *A transaction* needs its fence only around COMMIT: all tables up, COMMIT, all down. Until then nobody else sees what it wrote.
//! - *An outcome that is unknown* (the connection was lost, the process died) keeps the fence. A living process renews it until the database shows that the session is over. A dead one's lease
//!   runs out; that is only a suspicion. Whoever finds lapsed fences asks the database whether a transaction as old as that still runs, and clears them when none does.
//! - *The schema* has a generation as well, `_schema`. A read is stored only under the one that its catalog was read under, and a write learns at its `end` whether another stands by then.
//!
//! The source says it in full: `src/engine.rs`, `src/engine/fence.rs`, `src/engine/lapse.rs`.
//!
//! # Each race, and why it is closed
//!
//! The tests are those of `cargo test --all-features --test suite <name>`.
//!
//! | race | what closes it | test |
//! |---|---|---|
//! | a reader has the old row in its hands, a writer commits and invalidates, the reader stores what it has | it is stored under generations that fell: dead. (The test also shows cache-aside serving it.) | `faults::races::a_stale_fill_is_never_served` |
//! | the same, and a new generation stands by then | the generations are those from *before* the read | `faults::races::a_slow_reader_stores_nothing_stale` |
//! | a read between commit and invalidation | the generation went at `begin`, before the statement was sent | `faults::races::writers_wait_or_are_dropped_at_every_gate` |
//! | two writers overlap, and the first to end lifts the other's fence | a fence is a set of ids, one a write; the last one out takes the generation along | `faults::races::overlapping_writers_do_not_release_each_other` |
//! | the caller of a write gives up, and the server commits later | the write runs on a task of its own, to its end | `faults::late::an_update_whose_caller_is_gone`, `cancellation` |
//! | `DELETE ... RETURNING` by `fetch_one`: the first row comes before the statement is over | the rest is drained before `end` | `faults::drained` |
//! | the process dies between commit and `end` | the generation went at `begin`; the fence stands until the database is asked | `faults::late::a_process_killed_between_commit_and_end` |
//! | the process dies, and the server commits its statement when a lock clears, long after the lease | the fence stays for as long as the session is seen to run | `faults::late::an_update_whose_process_was_killed` |
//! | COMMIT is not answered | renewed until the session is gone, then invalidated as if it had been committed | `faults::lost` |
//! | the process stands still for longer than its lease before it sends its statement | it sets its fence once more first, which takes along what was stored meanwhile. (A standstill after that can break 2 for the statement's moment, not 1: `end` takes it along.) | `faults::stalled` |
//! | a transaction rolls back, or is dropped | nobody saw its writes, so nothing is forgotten; what an engine without transactions keeps is forgotten at once | `faults::transactions::what_is_undone_forgets_nothing` |
//! | a script run on a connection of the transaction commits it | a connection that was handed out counts as having written anything, also where the transaction rolls back | `faults::handed_out` |
//! | two misses share one read, and a write lies between them | they share it only under the very generations that each one's own look-up returned | `faults::flights::a_flight_of_other_labels_is_not_joined` |
//! | an answer that is too old is served while a write goes on | only age is forgiven, never a generation that fell | `faults::aging::never_past_a_write` |
//! | the store is flushed under a running write | the renewal puts fence and marker back; `end` deletes whatever token stands by then | `faults::by_hand::flushed_while_a_write_waits` |
//! | Redis restarts from an old snapshot, or a replica takes over, with generations from before a write | a token names the server that made it; another server's is a miss | `store_redis::a_restart_makes_every_token_foreign_even_from_a_snapshot`, `topology::failover` |
//! | another process makes a trigger, and this one's catalog knows nothing of it | the schema's generation, compared at `end`, before the write is acknowledged | `faults::races::a_trigger_that_another_process_created` |
//! | a reply from Redis is handled after the push that revokes it (near cache) | drops are counted per table; a reply counts only if there was none since its request was sent | `near`, and the unit tests of `src/store/near.rs` |
//!
//! # What the database's isolation adds
//!
//! - A miss is one statement by itself on a connection of the pool. Its answer is what the session's isolation gives such a statement, and a hit gives back just that: an answer that joins several tables is
//!   of one snapshot, since it is valid only while the generations of all of them stand. The session's default isolation is a part of the key.
//! - Two reads one after the other are two snapshots, as with a pool. What must fit together belongs into one statement or one transaction.
//! - Inside a transaction its own isolation rules, since the cache has no part in it. A hit takes no locks and is not seen by the conflict detection of SERIALIZABLE: what a decision rests on is to be read in the
//!   transaction that makes it. `FOR UPDATE` and `FOR SHARE` are never cached.
//! - **Not below READ COMMITTED.** Where the sessions of the pool read what is not committed (READ UNCOMMITTED on MySQL, `PRAGMA read_uncommitted` with SQLite's shared cache), a read may be
//!   stored while somebody's transaction is open, and a rollback invalidates nothing. Don't cache through such a pool.
//!
//! # Transactions
//!
//! [`begin`](crate::CachingExecutor::begin) gives a [`CachingTransaction`](crate::CachingTransaction): its reads go to its connection, its writes are noted by what the catalog says that they reach, and its commit
//! invalidates them all at once. Statements that commit by themselves (MySQL's DDL and its kin) are fenced and forgotten at once. BEGIN as a text through the pool leaves a connection inside a
//! transaction that nobody knows of: from then on this executor caches nothing ([`Health::session_changed`](crate::Health::session_changed)).
//!
//! # Replicas of the database
//!
//! One executor, one database, and that is the primary. If the pool reads from a replica that lags, a miss shortly after a write may read the old rows and store them under the new generation: then they
//! stay until the next write to that table or the end of their time to live, which is longer than the replica lags. The same goes for a cluster whose nodes apply writes one after
//! the other. Read from replicas by a pool of its own, or set a time to live that you can bear ([`ttl`](crate::CachingExecutor::ttl)).
//!
//! # Several processes
//!
//! Processes share entries if they have the same store, the same `CACHE_NAMESPACE`, the same database (by the database's own identity, or `CACHE_DATABASE_ID`) and equal sessions (role, search path, time zone,
//! `sql_mode` and the like). Processes of different databases or sessions never share entries, but do share the generations of tables that are called alike: that costs misses, nothing else; a namespace each is better.
//! (`faults::identities`.)
//!
//! Alike in all of them must be: `CACHE_CONSISTENCY`, `CACHE_FENCE_GUARD` with `CACHE_FENCE_LEASE`, `CACHE_DENY_TABLES` and `CACHE_DENY_COLUMNS`, `CACHE_ENCRYPTION_KEY`. **A process with `REDIS_ENABLED=false`, in the mode `ttl`, or
//! with an embedded store of its own tells the others nothing of what it writes**: it is a writer from outside. To read past the cache and still invalidate, use [`uncached`](crate::CachingExecutor::uncached).
//!
//! # The near cache
//!
//! In front of the store each process keeps answers within reach, in its own memory (`CACHE_NEAR`): found by the statement's text and its exact arguments, with some rows of those that are asked for often
//! ready-made. A hit there asks nobody and takes about a microsecond. The embedded store is in the same process, so that all of the guarantee holds. Redis pushes to every process which generations have changed (client
//! tracking, Redis 6 and later; with an older server, or a user without the rights, every hit asks Redis, which the log says once).
//!
//! - A process sees its own writes at once, and what it is given of a table never goes back in time. (What it reads by a statement that can't be cached at all may be ahead of a near hit, by
//!   as much as other processes' writes are.)
//! - Another process's write is seen when the push has come. Until then a near hit may be what that write has overwritten. The bound is `CACHE_NEAR_STALENESS`, also where the connection is dead and
//!   nobody knows: near hits are given only as long as a heartbeat that was *sent* so recently has come back through the stream of pushes itself.
//! - With `CACHE_NEAR=off` every hit asks Redis, and the guarantee holds as it stands.
//! - A single entry that is deleted from Redis by hand may still be near. Delete a table's keys, or its generation (`sql:<table>:gen`), and it is gone everywhere.
//! - While near hits are asked for, each process sends one small write (`sql-near:...`) every 83 ms, a third of the bound. An idle one sends nothing.
//! - [`Stats::near_hits`](crate::Stats::near_hits) counts these hits, [`Health::near`](crate::Health::near) says what is held. Reads that do ask Redis at the same time (`join!`, many tasks) share their round trips.
//! - Within a load of [`Cache::get_or_set`](crate::Cache::get_or_set) the near cache of Redis is not asked: what is stored must not be behind.
//!
//! # The weaker modes
//!
//! | `CACHE_CONSISTENCY` | a write's round trips | what is given up |
//! |---|--:|---|
//! | `fenced` | 2 | nothing |
//! | `after_commit` | 1 | between commit and invalidation others may be given the old value, and a process that dies there leaves it until its time to live. A process that only writes learns late of others' DDL |
//! | `ttl` | 0 | writes are not followed at all: entries age |
//!
//! # Writers from outside
//!
//! What passes through no executor is not seen: other programs, `psql`, jobs inside the database, a restored backup, [`pool`](crate::CachingExecutor::pool) and
//! [`acquire`](crate::CachingExecutor::acquire). Three ways to tell the cache:
//!
//! - Call [`invalidate_table`](crate::CachingExecutor::invalidate_table), which also forgets what a write to the table reaches.
//! - Delete `sql:<table>:*` in Redis, from any language: that takes the generation along, so that joins are invalid as well. (Not what triggers and cascades reach.)
//! - [`external_writers(true)`](crate::Builder::external_writers), or `CACHE_EXTERNAL_WRITERS=on`. What they write is forgotten a moment *after* their commit, so that a read may be given the rows from before for as
//!   long; an executor's own writes stay exact. Everything is forgotten at each start, since nobody knows what was written before.
//!
//! How they are followed:
//!
//! - *PostgreSQL*: triggers tell of each write by `NOTIFY`; `db.install_change_notifications(None).await?` puts them on all tables (or on those named; `uninstall_...` takes them away;
//!   the method's documentation has the SQL for a migration). Every executor listens on one connection besides the pool's, which must lead to the server itself, not to a pooler in
//!   transaction mode, and to the primary. While that connection is lost, nothing is served from the cache; when it is back, everything is forgotten first. A connection that died without a
//!   word is noticed within 10 s. An executor's own writes are told as well, so what was read just after one is read once more. Costs: a transaction that notifies takes a lock of the whole server at its
//!   commit, and can't be prepared for a two-phase commit. What logical replication applies fires no statement triggers, and tables created later need another call.
//! - *SQLite*: four times a second each executor asks whether the file changed, and if so forgets everything. It can't tell its own commits from others', so a program that writes all the
//!   time keeps nothing for longer than 250 ms. A database in memory can't be watched.
//! - *MySQL and MariaDB*: there is nothing to listen to. A warning says so; set times to live that you can bear, or call `invalidate_table`.
//!
//! ## DDL behind the back
//!
//! DDL is followed at once where it passes through an executor or [`migrate`](crate::CachingExecutor::migrate) of any process with the same Redis. For all other DDL each executor asks the database for a
//! *fingerprint* of its schema every `CACHE_SCHEMA_REFRESH` (10 s): if it is another one, everything is forgotten and the catalog read anew. Until then a read may be given rows from before the change, and a
//! write may miss what a new trigger or cascade changed. The fingerprint goes with the entries in a shared store, so a migration that ran while no process did is found out at the start.
//!
//! - *PostgreSQL*: hashes over the system catalogs, some 15 ms with 500 tables. Temporary objects, `TRUNCATE`, `VACUUM`, `ANALYZE`, `REFRESH MATERIALIZED VIEW`
//!   and roles that neither are the executor's nor own anything here don't count.
//! - *MySQL and MariaDB*: the server's counters of DDL statements, so DDL in *any* database of the server forgets everything; where that happens all the time, set
//!   `CACHE_SCHEMA_REFRESH=0`. (Then whatever may run dynamic SQL is taken for a change of the schema, and the catalog read anew.) MySQL (not MariaDB) also counts temporary tables.
//! - *SQLite*: `PRAGMA schema_version`, which `VACUUM` changes, too.
//!
//! # How it is shown
//!
//! `cargo test --all-features --test consistency` starts servers of its own, then several processes that read and write the same rows with all that hangs on them (joins, a view, a trigger, a cascade,
//! transactions, deletes), each through an executor of its own, and checks what all of them wrote down, by a clock that they share: that a read which starts after the acknowledgement of a
//! write sees it, that no reader goes back in time, that nobody sees less than anybody saw before, that no answer is torn, that deletes stay deleted. Without arguments every mode has a short run, and two with a
//! part of the protocol left out, which must be caught. `-- --help` tells the options; one run at length, with the near cache and its measured window:
//!
//! ```sh
//! cargo test --all-features --test consistency -- --seconds 60 --seed 7 --database mariadb --near on
//! cargo test --all-features --test consistency -- --campaign --minutes 15
//! ```
//!
//! The second does the same under faults: Redis killed (with and without a snapshot), stopped, flushed, full, read-only, loading; single keys of the bookkeeping deleted; connections killed, delayed, held, cut and
//! closed by half; processes stopped, and killed while their statement waits for a lock; sessions of the database terminated. Where a write proceeds though its fence can't be set, what is stale until the kept
//! invalidation is delivered is counted apart, with the longest time. Logs of a run that broke a promise stay in `target/tmp`.
