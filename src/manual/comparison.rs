//! Beside other caches of queries: what they do by their own documentation, and where this crate is better and worse by figures of its own.
//!
//! What is said of others was read in the pages that are linked, in 2026, in whatever version they then had; what they do not say is not claimed. Figures are those of `benches/figures/results.md` (2 cores,
//! PostgreSQL 15, Redis 7.0, pgpool-II 4.3, all on one machine; private servers without durability, which flatters the databases).
//!
//! # In one table
//!
//! | | where it stands | what a write ends | what it may miss | writers elsewhere |
//! |---|---|---|---|---|
//! | this crate | in the program, entries in it and in Redis | every answer that depends on a table which the write reaches: views, cascades, triggers, rules, partitions, bodies of functions included | [the limits](super::consistency#writers-from-outside) | not seen, unless followed: [`external_writers`](crate::Builder::external_writers) |
//! | [pgpool-II] | a proxy before PostgreSQL | every answer of the table | it caches no SELECT of a view or an unlogged table unless it is listed; its page does not say that cascades or triggers are followed | not seen |
//! | [Readyset] | a proxy before PostgreSQL or MySQL | nothing: answers are changed incrementally, by the replication stream | an answer is as old as replication lags | seen: it reads the stream |
//! | [ProxySQL] | a proxy before MySQL | nothing: answers expire | all writes until then; it does not work with prepared statements, which sqlx uses | as all writes |
//! | [MySQL's query cache][mysql] | in the server, until 5.7 | every answer of the table | nothing, but where several servers update the same MyISAM files; partitioned tables are left out | seen: all of them write through it |
//! | [MariaDB's][mariadb] | in the server, off by default | as MySQL's | | seen |
//! | [django-cacheops][cacheops] | in the program, entries in Redis | answers whose conditions the changed object meets, before or after | mass updates (unless asked for), raw SQL, conditions of subqueries, objects that `select_related` brought in | not seen |
//! | [django-cachalot][cachalot] | in the program, entries in a cache of Django's | every answer of the table | raw SQL is searched for words and known tables; several machines need synchronised clocks | not seen |
//! | [Hibernate] | in the program | entities by id; answers of queries by a timestamp for each table | native SQL ends everything, [unless told which tables][hhh] | not seen, as its guide says |
//! | [Rails' query cache][rails] | in the program, for one request | it ends with the action | | as old as the request is long |
//! | [`cached`], [`moka`] by hand | in the program | what you delete | what you forget to delete | not seen |
//! | redis-rs by hand | in Redis | what you delete | the same, and the race that [`consistency`](super::consistency#each-race-and-why-it-is-closed) begins with | not seen |
//!
//! [pgpool-II]: https://access.crunchydata.com/documentation/pgpool/latest/runtime-in-memory-query-cache.html
//! [Readyset]: https://github.com/readysettech/readyset
//! [ProxySQL]: https://proxysql.com/documentation/query-cache/
//! [mysql]: https://docs.oracle.com/cd/E17952_01/mysql-5.7-en/query-cache.html
//! [mariadb]: https://mariadb.com/kb/en/mariadb/query-cache/
//! [cacheops]: https://github.com/Suor/django-cacheops#caveats
//! [cachalot]: https://github.com/noripyt/django-cachalot/blob/master/docs/limits.rst
//! [Hibernate]: https://github.com/hibernate/hibernate-orm/blob/main/documentation/src/main/asciidoc/userguide/chapters/caching/Caching.adoc
//! [hhh]: https://hibernate.atlassian.net/browse/HHH-14325
//! [rails]: https://github.com/rails/rails/blob/main/guides/source/caching_with_rails.md
//! [`cached`]: https://docs.rs/cached
//! [`moka`]: https://docs.rs/moka
//!
//! # One by one
//!
//! **pgpool-II's in-memory query cache** needs no change of the program, serves every client of the proxy, and keeps answers by user, database, statement and parameters, in shared memory or memcached. It leaves out functions
//! that are not immutable, `timestamptz`, temporary and unlogged tables, row-level security and results above a limit; ALTER TABLE and REVOKE empty it. Its manual advises to switch it off below a hit ratio of 70 %. Each hit is a
//! round trip to the proxy: a point read took 173 us, where the database took 127 us, a hit in Redis here 93 us, and a near hit 2 us; 1,000 rows 949 us, 1,237 us, 843 us and 645 us; a join of four tables 177 us, 309 us, 98 us and 5 us. With 32 tasks it gave 15,000 point reads a second, the database 20,500, our Redis hits 45,800.
//!
//! **Readyset** goes another way: an answer is not thrown away by a write, but changed. Where one table is written all the time and read in the same few ways, that is what this crate is worst at. It takes a server of its
//! own and the database's replication stream, caches [the queries that it supports](https://github.com/readysettech/readyset/issues/36), and is behind by what replication lags, as an older edition of its
//! [readme](https://github.com/wubx/readyset) says. Since [a release of 2026](https://newreleases.io/project/github/readysettech/readyset/release/stable-260331) caches are *shallow* unless asked otherwise, which need no replication. It was not measured here.
//!
//! **MySQL's query cache** is what everybody remembers: the rule is the same as here (a table's write ends the table's answers), and it was exact, since nobody writes past the server. It was
//! [deprecated in 5.7.20 and removed in 8.0](https://dev.mysql.com/worklog/task/?id=10824). MariaDB keeps it, off by default, since it scales badly with cores where much is asked. What is
//! different here: generations in place of walking through entries, so that a write costs the same however much it ends; no lock that all readers wait at (a second core makes 1.9 times as many near hits); statements whose hits
//! are rare are [passed on](super::under_load#what-is-not-worth-keeping); and the work is done in the programs, not in the database.
//!
//! **ProxySQL, Rails' and Hibernate's caches** answer other questions: some seconds of age for a statement that a DBA chooses; one request; entities by id within a session factory. Hibernate keeps query results only where a
//! query asks for it (its guide holds that most programs gain nothing by it), and says that its caches know nothing of other programs' writes.
//!
//! **cacheops and cachalot** stand where this crate stands, in Django. cacheops is finer: it ends what a changed object's fields may have been found by, so that writes of other rows end nothing; the price is its list of
//! caveats. cachalot is by table, as here. Neither page claims to follow cascades and triggers inside the database.
//!
//! **By hand**, with `redis`, `moka` or `cached`: quicker per hit, since the value is stored as the program wants it, and nothing is validated. `moka` lets concurrent calls share one load, by process; `cached` does where that is
//! asked for.
//!
//! # Where this crate is worse
//!
//! - **Writes to the table that is read.** A write ends every answer of its table. With one write in a hundred operations on the same table, 10,000 rows and 32 tasks: 14,700 operations a second against 29,800 without a cache and
//!   166,000 by hand; with one in five 9,600 against 21,100 and 30,000. Written to another table, the same mix gives 231,000 (1 %) and 28,400 (20 %). Finer tags (rows by key) are not there.
//! - **Writes altogether.** One row takes 446 us with Redis and the near cache, 171 us without a cache: the fence's two round trips, and sleeping servers. With the embedded store 195 us.
//! - **Misses.** 380 us against 115 us with Redis, 146 us with the embedded store.
//! - **Hits that come from Redis, under load.** 70,000 point reads a second by two workers where a `GET` and serde_json give 245,000: each is an `MGET` of four keys or more, is validated, and becomes rows through sqlx's driver. In latency: 93 us
//!   against 64 us; of 1,000 rows 843 us against 433 us. Near hits make up for it (578,000 a second), where answers are asked for again in the same process.
//! - **Long lists.** Rows are decoded at each hit: 1,000 rows take 645 us near, half of what the database takes. [`fetch_all_shared`](crate::CachingExecutor::fetch_all_shared) spares that (0.9 us).
//! - **Against `moka`.** 0.15 us against 2 us, 1.3 us for shared decoded values.
//! - **SQLite.** Cheap queries are as quick as a hit in Redis or quicker, and passed on.
//! - **Reach.** One language, one database library, three databases; what passes through no executor has to be told.
