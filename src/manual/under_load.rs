//! What happens when many ask at once, when answers grow old, when keeping them does not pay, and when the store is full.
//!
//! # Misses that meet, and answers that grow old
//!
//! **Single flight.** Reads that miss the same answer at the same time share one read of the database: in a process always, and among the processes of one Redis where the database takes 5 ms or more,
//! or nobody knows yet what it takes. The one that reads does so on a task of its own, so a caller that is slow or gives up holds up nobody. Who joins is given nothing that his own read could
//! not have returned: he joins only a read under the very generations that his own look-up saw. `refresh()` joins nobody.
//!
//! - *Across processes* a lease on the key, one second and renewed, says who reads; the others ask for the entry every 2 to 5 ms, one task a process, and for 5 s at most. If the process
//!   that reads dies, another takes over within the second. The lease costs two round trips of such a miss.
//! - *An answer that can't be kept* (too large, or of a kind that can't be captured) releases all who waited at once, each to read for himself, and until one is kept again nobody waits for it.
//! - *A read that fails* gives its own caller the error. The others try for themselves, all at once; only `PoolClosed`, and `PoolTimedOut` once they have waited for as long as the pool
//!   lets them, is passed on.
//! - A caller that reads slowly gets all his rows all the same: up to the size of an entry they wait in memory.
//!
//! **Early refresh.** An answer that is in use is read anew in the background before its time to live is over, by chance, and the sooner the dearer it was (XFetch; `CACHE_EARLY_REFRESH` is the
//! factor). Cheap ones just expire.
//!
//! **Stale while revalidate.** With `CACHE_STALE_WHILE_REVALIDATE` (or per read, or per statement) an answer that is too old is still given for that much longer, while one read in the
//! background brings the new one. Only for age: what a write has changed is never given, however long the stale time. If the read fails, the old answer goes on until its stale time is over.
//!
//! [`Stats`](crate::Stats) counts `joined`, `refreshed_early` and `served_stale`.
//!
//! # What is not worth keeping
//!
//! A statement is passed on to the database, neither looked up nor stored, while that is the better way (`CACHE_ADMISSION`):
//!
//! - *It is cheap*: hits take longer than the database took for the very same answers, which every entry remembers. Hits in the near cache count as taking no time, but for long answers, whose
//!   rows are made each time. By default this decides for SQLite alone. A hit spares a server work that all processes would wait for, so there it is worth its while even where it is no
//!   faster; SQLite has no server to spare. `cost` applies it to every database, for the shortest time to an answer while the server has time to spare.
//! - *It churns*: look-ups find again and again that the tables were written, and fewer than one read in ten is spared, for three seconds and 192 look-ups at least. A cold
//!   start, a scan over many keys, a burst of writes and a long transaction are no churn.
//!
//! It is tried again after 2 s, then 4 s, up to a minute, and let in again by a clearer margin than put it out. What was stored before is then read anew, so nobody is given
//! older rows than before, and `refresh()` reads and stores as ever. `explain` says `not cached: takes the database less time than the cache; tried again in 2s`, and `Stats::bypasses` counts `Cheap` and `Churn`. With `always` everything is kept. While a
//! statement is passed on, others that read its tables have no near hits from the moment of each of its reads until they have asked Redis once: what it saw may be newer than what is near.
//!
//! # Warm-up
//!
//! [`warm`](crate::CachingExecutor::warm) reads answers before anybody asks for them: at the start, and with `keep()` again whenever the store has lost them. [The recipe](super::how_to#warm-up).
//!
//! - It takes queries as they will be read (`query` for `fetch_all`, `query_one` for `fetch_one` and `fetch_optional`: their answers differ), and tasks of any kind, `task("prices", ...)`; `on_progress` tells how far it is.
//! - Nothing fails but by itself. `Warmed` says of each query that was not kept why, and of each that failed the error. What can't be kept is not read, what would write is not run, and with the store
//!   out of reach the database is not asked in vain.
//! - No more than half of the pool's connections are used. Processes that start together share what they read, as with all misses.
//! - `keep()` gives a handle, and works in the background until that is dropped or stopped, the executor is dropped or the pool is closed. Every 5 s it looks for a value that it has put into the store, and at who answers:
//!   after FLUSHALL, a crash, a restart (from a snapshot, too) or a failover everything is read again. While Redis is away it waits. `keeper.next().await` tells of each round.
//! - `refresh_every(d)` reads the queries anew, with jitter, so that they never grow old. Without it they end with their time to live. What a write has invalidated is no loss: its next reader brings it, or the next refresh.
//!
//! # A store that is full: the memory watch
//!
//! A Redis that evicts is full as a rule, and that is well. Under `noeviction` a full memory refuses everybody's writes, the fences of this library's own among them. `CACHE_MEMORY_WATCH=on` (or [`memory_watch`](crate::Builder::memory_watch)) keeps
//! the cache from filling it up: every 5 s each process asks for `INFO memory`, and at once when a fill was refused.
//!
//! | of `maxmemory`, or of `CACHE_MEMORY_WATCH_LIMIT` if that is less | state | what happens |
//! |---|---|---|
//! | below 80 % | `Normal` | nothing |
//! | from 80 % on, until below 76 % | `Short` | what is filled is kept for a quarter of its time |
//! | from 90 % on, until below 85.5 % | `Full` | nothing is filled, dead entries are unlinked, and answers of queries that stand lose what they have left beyond a quarter of the time to live of data (each by chance, so that they don't end together). In a tenth of the server's time at most, one process at a time |
//!
//! Reads are answered all the while; those that miss at the same time still share one read of the database, but each miss asks the database, also where the near cache would have helped. What is too old and may be given is, without
//! being read anew. What your program keeps under keys of its own is left alone. `Health::memory` shows the state, `Stats::not_stored` counts `Memory`, and the log tells of each change.
//!
//! With Redis out of reach the last state stays until it answers. In a cluster the fullest server counts. Without `+info` there is no watch, which is said once; standing answers are cut short with `+pttl +pexpire`. A Redis with neither
//! `maxmemory` nor a limit has nothing to compare with. The embedded store makes room by itself: nothing is watched there.
