//! Each setting, its default, why that, and when to change it.
//!
//! The README's table says what each variable means and how it is written; [`Builder`](crate::Builder) has a method for each. Figures are of one machine of 2 cores with the servers on it: `benches/figures/results.md`,
//! and the benches that are named.
//!
//! # What is kept, and for how long
//!
//! | setting | default | why | change it when |
//! |---|---|---|---|
//! | `REDIS_ENABLED` | `true` | | the cache shall be out of the way in *all* processes. A process that is switched off invalidates nothing ([rolling out](super::how_to#roll-it-out)) |
//! | no Redis variable | the embedded store | the program works without a server, and within one process nothing is faster: a miss costs 33 us more than the read alone, against 261 us with Redis (PostgreSQL) | there is more than one process |
//! | `CACHE_TTL_DATA` | 300 s | writes end answers, not time. It bounds what nobody told the cache of, and what a lost fence together with a dead process leaves | writers from outside: what you can bear. None: longer, but in Redis generations live for a day, and so do answers at most |
//! | `CACHE_TTL_COUNT` | 60 s | a count is asked for as an indication, and often of tables that grow from outside | as above |
//! | `CACHE_TTL_SCHEMA`, `_METADATA` | 1 h, 2 h | changes of the schema are noticed in another way | |
//! | `CACHE_DEFAULT_TTL` | not set; 1 h for plain values | | all categories shall have one time |
//! | `CACHE_TTL_JITTER` | 0.1 | what was filled together shall not expire together | tests that count on exact times: 0 |
//! | `CACHE_MAX_ENTRY_BYTES` | 4 MiB | 1 MB in one row takes 1.6 ms from Redis against 3.3 ms from the database, so large answers still pay; larger ones hold up the one connection, and others' answers behind them | the answers that matter are larger |
//! | `CACHE_MAX_KEY_LENGTH` | 250 bytes | plain values' keys are for people; what is longer is data | |
//! | `CACHE_ADMISSION` | `auto` | on a server a hit spares the server even where it is no quicker. SQLite has none: a point read takes 57 us, a hit in Redis 92 us (2 workers), so there the quicker way is taken. What is written before each read is not worth a look-up anywhere | tests: `always`. A database with time to spare, and readers in a hurry: `cost` |
//! | `CACHE_EARLY_REFRESH` | 1 | XFetch's own optimum; an answer that took 1 ms is read anew in its last milliseconds, one of 10 s within its last minute as a rule | dear answers whose expiry is felt: more. None: 0 |
//! | `CACHE_STALE_WHILE_REVALIDATE` | 0 | old answers are given to those who ask for them | waiting is worse than age |
//! | `CACHE_DENY_TABLES`, `_COLUMNS`, `CACHE_ENCRYPTION_KEY` | none | nobody else knows what is secret | [`sensitive_data`](super::sensitive_data) |
//!
//! # Redis
//!
//! | setting | default | why | change it when |
//! |---|---|---|---|
//! | `REDIS_SOCKET_TIMEOUT` | 100 ms | a hit over a Unix socket has its p99 at 0.2 ms and its p99.9 at 2 ms (point read), so this is a fault and no slowness. Three of them, at most, is what a hanging Redis costs a reader | Redis is far away: more. Requests have a tight budget: less, but a deadline near the usual p99.9 may open the breaker for nothing |
//! | `REDIS_SOCKET_CONNECT_TIMEOUT` | 500 ms | name, TCP, TLS and login | |
//! | `REDIS_MAX_CONNECTIONS` | 1 | a connection is multiplexed: 256 tasks read 61,000 (one worker) to 85,000 rows (two) a second over one | a core can't keep up with decoding the answers: many cores, large answers |
//! | `CACHE_COMPRESSION_THRESHOLD` | 1024 bytes; over a Unix socket `off` | LZ4 stores half. With it a hit takes 0.91 of the time at 10 Gbit/s, 0.67 at 1 Gbit/s, and 1.22 over a Unix socket (`cargo bench --bench compression`, means from 1 KiB on) | room in Redis matters more than time: a number also over a socket. Lengths must not tell anything: `off` |
//! | `CACHE_NAMESPACE` | `sql` | | several databases or programs share a Redis: one each. It is the one way to start anew without deleting |
//! | `CACHE_KEY_PREFIX` | `kv` | | the same, for plain values |
//! | `CACHE_DATABASE_ID` | the database's own identity | two hosts both say localhost, and a database that was made anew is another one | a role may not call what tells the identity (said in the log), and processes shall share all the same; never the same for two databases |
//! | `CACHE_MEMORY_WATCH` | `off` | a Redis that evicts is full as a rule, and that is well | `noeviction`, or a Redis that others need: [`under_load`](super::under_load#a-store-that-is-full-the-memory-watch) |
//! | `CACHE_MEMORY_WATCH_INTERVAL`, `_FACTOR` | 5 s, 4 | one `INFO memory` each; what lives a quarter as long takes a quarter of the room in the long run | |
//!
//! # Memory of this process
//!
//! | setting | default | why | change it when |
//! |---|---|---|---|
//! | `CACHE_NEAR` | `on` | a near hit takes 2 us where a hit in Redis takes 93 us and the database 127 us (point read) | another process's write must be seen at once, not when the push has come: `off` |
//! | `CACHE_NEAR_BYTES` | 64 MiB, a quarter of it more for what is made in advance; no more than a quarter of the embedded store's | with 100,000 Zipf-distributed rows 64 MiB answered 99.8 % of the hits near, 2 MiB 81 % | `Health::near` shows it full, and `Stats::near_hits` falls behind `hits` |
//! | `CACHE_NEAR_STALENESS` | 250 ms | three heartbeats: one may be late. It counts only where a connection died without a word; else the push counts | the bound matters more than twelve small writes a second and process |
//! | `CACHE_MEMORY_BYTES` | 256 MiB | a part of a small server | |
//!
//! # How strictly writes are followed
//!
//! | setting | default | why | change it when |
//! |---|---|---|---|
//! | `CACHE_CONSISTENCY` | `fenced` | never a wrong row. A write of one row takes 446 us against 171 us without a cache (PostgreSQL and Redis by Unix sockets); the other modes are cheaper and give something up | a moment of age after a write does no harm: `after_commit`. Nobody minds: `ttl` |
//! | `CACHE_UNFENCED_WRITES` | `proceed` | the program goes on without its cache | an old row is worse than a write that fails: `refuse` |
//! | `CACHE_FENCE_LEASE` | 10 s | renewed every third of it. It is how long the table of a killed writer is read from the database before somebody asks, and how long a process may stand still unsuspected | processes pause for longer: more |
//! | `CACHE_FENCE_BOUND` | 1 h | only where the session may not see running transactions. It must be longer than any statement | a statement timeout is set: that, and a little; better grant `pg_read_all_stats` or `PROCESS` |
//! | `CACHE_FENCE_GUARD` | `off` | with it a table's first use waits for a lease, and so does each after a loss; without it an old answer may stay for its time to live if a fence is lost *and* its writer dies at that moment | Redis evicts, or fails over, and that is too much |
//! | `CACHE_INVALIDATION` | `generation` | to forget a table takes as long with a million entries as with a thousand (`cargo bench --bench invalidation`) | others share the keyspace and want to see keys gone: `scan` |
//! | `CACHE_UNCLEAR_WRITES` | `forget` | it costs nothing but hits | writes run code that can't be read often, and on PostgreSQL four round trips more (one in a transaction) are less than the hits: `ask` |
//! | `CACHE_SCHEMA_REFRESH` | 10 s | one query, 15 ms with 500 tables (PostgreSQL). So long a read may be of a schema that somebody changed behind the back | migrations by other means while programs run: less. DDL all the time on a shared MySQL server: `0` |
//! | `CACHE_EXTERNAL_WRITERS` | `off` | on PostgreSQL it takes triggers, a connection, and a server-wide lock at each commit that notifies | somebody else writes to your tables |
//!
//! # What is told
//!
//! | setting | default | why | change it when |
//! |---|---|---|---|
//! | `CACHE_FRESHNESS_PROBE` | 0.0001, from an executor's second minute on | a cache that claims to be exact should show it; one read in 10,000 hits is not felt | a tighter bound of the stale rate is wanted: more. The database has nothing to spare: 0 |
//! | `CACHE_DAILY_COUNTERS` | `on` | each process adds what it counted every two seconds | nobody looks at them |
//! | `CACHE_METRICS_NAME` | the namespace | | several executors of one process are to be told apart |
//!
//! # What can't be set
//!
//! | limit | value | why |
//! |---|---|---|
//! | arguments of a statement | 128 KiB, packed | more are not worth hashing; such a read is passed on (`bypasses[Arguments]`) |
//! | the breaker | three failures running, or one in five within a second; probes after 100 to 500 ms | three deadlines are what a reader waits at most; a burst counts once |
//! | single flight across processes | where the database takes 5 ms or more, or nobody knows | it costs two round trips |
//! | a lease of such a read | 1 s, renewed | how long others wait for a dead process |
//! | kept invalidations | 4096 tables, then everything | memory is bounded while Redis is away |
//! | plans of statements | 4096 texts and 16 MiB | a text that is met again is not read again |
