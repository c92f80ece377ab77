//! Readers and writers on fixed schedules: each step of the protocol is a gate at which one of them waits while the others go on, or is dropped.

use super::kit::{Cache, Gates, Point, READ, Server, WRITE, each};
use sqlx::Postgres;
use sqlx_cached::CachingExecutor;
use std::collections::HashMap;
use std::sync::Mutex;

each! {
    a_stale_fill_is_never_served: Postgres MySql Sqlite;
    a_slow_reader_stores_nothing_stale: Postgres MySql Sqlite;
    readers_wait_or_are_dropped_at_every_gate: Postgres MySql Sqlite;
    writers_wait_or_are_dropped_at_every_gate: Postgres MySql Sqlite;
    overlapping_writers_do_not_release_each_other: Postgres MySql Sqlite;
}

/// The race that caches lose: a reader has the old row in its hands, a writer commits and invalidates, and then the reader stores what it has.
async fn a_stale_fill_is_never_served<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let gates = Gates::over(cache.store());
    let reader = home.executor(gates.clone()).await;
    for writer in [reader.clone(), home.executor(cache.store()).await] {
        let old = home.direct(READ).await;
        writer.invalidate_table("counters").await.unwrap();
        let mut held = gates.hold(Point::BeforeFill);
        let read = tokio::spawn(DB::number(&reader, READ));
        held.reached().await;
        DB::run(&writer, WRITE).await.unwrap();
        held.release();
        assert_eq!(read.await.unwrap().unwrap(), old, "it overlapped the write");
        for executor in [&reader, &writer] {
            assert_eq!(DB::number(executor, READ).await.unwrap(), old + 1, "a stale fill was served");
        }
        home.resumes(&reader, READ).await;
        home.resumes(&writer, READ).await;
    }
    assert!(reader.stats().fills >= 2 && reader.stats().hits >= 2);
    cache_aside_serves_it::<DB>(&cache).await;
}

/// The same with the gate right after the database's row: what is stored is labelled by what stood before it was read.
async fn a_slow_reader_stores_nothing_stale<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let (reader, writer) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    for warm in [false, true] {
        writer.invalidate_table("counters").await.unwrap();
        if warm {
            // The generation stands before the read.
            home.check(&writer, "SELECT v FROM counters WHERE id = 2").await;
        }
        let old = home.direct(READ).await;
        let fills = reader.stats().fills;
        let (write, read_again) = (DB::run(&writer, WRITE), DB::number(&writer, "SELECT v FROM counters WHERE id = 2"));
        let between = Box::pin(async move {
            write.await.unwrap();
            // Now a new generation stands.
            read_again.await.unwrap();
        });
        assert_eq!(DB::number_slowly(&reader, READ, between).await.unwrap(), old);
        assert_eq!(reader.stats().fills, fills + 1, "it was stored, dead");
        for executor in [&reader, &writer] {
            // In the same way: a read of one row has an entry of its own.
            let value = DB::number_slowly(executor, READ, Box::pin(async {})).await.unwrap();
            assert_eq!(value, old + 1, "a stale fill was served");
        }
        settled(&home, &[&reader, &writer]).await;
    }
}

/// The same schedule on a plain cache-aside: look up, read the database, set; a writer deletes the key. It serves the stale value for ever.
async fn cache_aside_serves_it<DB: Server>(cache: &Cache) {
    let home = DB::home().await;
    let memory = Mutex::new(HashMap::new());
    let get = || match &cache.redis {
        Some(redis) => redis.cli::<Option<i64>>(&["GET", "aside"]),
        None => memory.lock().unwrap().get("aside").copied(),
    };
    let set = |value: i64| match &cache.redis {
        Some(redis) => redis.cli::<()>(&["SET", "aside", &value.to_string()]),
        None => drop(memory.lock().unwrap().insert("aside", value)),
    };
    let delete = || match &cache.redis {
        Some(redis) => redis.cli::<()>(&["DEL", "aside"]),
        None => drop(memory.lock().unwrap().remove("aside")),
    };
    assert_eq!(get(), None);
    let read = home.direct(READ).await;
    home.run(WRITE).await;
    delete();
    set(read);
    assert_eq!(get(), Some(read));
    assert_ne!(get(), Some(home.direct(READ).await), "cache-aside would have been right: this schedule is no race");
}

async fn readers_wait_or_are_dropped_at_every_gate<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let gates = Gates::over(cache.store());
    let reader = home.executor(gates.clone()).await;
    let writer = home.executor(cache.store()).await;
    for point in [Point::LookedUp, Point::BeforeCreate, Point::Created, Point::BeforeFill] {
        for (warm, drops) in [(false, false), (false, true), (true, false), (true, true)] {
            if warm && point != Point::LookedUp {
                continue;
            }
            // A look-up that hits when warm; one that has everything before it else.
            writer.invalidate_table("counters").await.unwrap();
            if warm {
                home.resumes(&reader, READ).await;
            }
            let mut held = gates.hold(point);
            let read = tokio::spawn(DB::number(&reader, READ));
            held.reached().await;
            if drops {
                read.abort();
                assert!(read.await.unwrap_err().is_cancelled());
                DB::run(&writer, WRITE).await.unwrap();
                held.release();
            } else {
                let old = home.direct(READ).await;
                DB::run(&writer, WRITE).await.unwrap();
                held.release();
                let value = read.await.unwrap().unwrap();
                assert!(value == old || value == old + 1, "{point:?}: {value} is neither {old} nor one more");
            }
            settled(&home, &[&reader, &writer]).await;
        }
    }
}

async fn writers_wait_or_are_dropped_at_every_gate<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let gates = Gates::over(cache.store());
    let writer = home.executor(gates.clone()).await;
    let reader = home.executor(cache.store()).await;
    for in_transaction in [false, true] {
        for point in [Point::BeforeBegin, Point::Begun, Point::BeforeEnd, Point::Ended] {
            for drops in [false, true] {
                home.resumes(&reader, READ).await;
                let old = home.direct(READ).await;
                let mut held = gates.hold(point);
                let write = tokio::spawn(write(writer.clone(), in_transaction));
                held.reached().await;
                if drops {
                    write.abort();
                    assert!(write.await.unwrap_err().is_cancelled());
                    for _ in 0..3 {
                        home.check(&reader, READ).await;
                    }
                    held.release();
                    // The write goes on without its caller.
                    home.reaches(READ, old + 1).await;
                } else {
                    for executor in [&reader, &writer, &reader] {
                        home.check(executor, READ).await;
                    }
                    held.release();
                    write.await.unwrap();
                    assert_eq!(DB::number(&reader, READ).await.unwrap(), old + 1, "{point:?}, acknowledged");
                }
                settled(&home, &[&reader, &writer]).await;
                if let Some(redis) = &cache.redis {
                    super::kit::eventually("the fence is gone", async || redis.cli::<i64>(&["ZCARD", "sql-fence:counters"]) == 0).await;
                }
            }
        }
    }
}

async fn write<DB: Server>(writer: CachingExecutor<DB>, in_transaction: bool) {
    if in_transaction {
        let mut transaction = writer.begin().await.unwrap();
        DB::run_in(&mut transaction, WRITE).await.unwrap();
        transaction.commit().await.unwrap();
    } else {
        DB::run(&writer, WRITE).await.unwrap();
    }
}

/// The first writer's `end` must not lift the fence of the second.
async fn overlapping_writers_do_not_release_each_other<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let gates = Gates::over(cache.store());
    let slow = home.executor(gates.clone()).await;
    let quick = home.executor(cache.store()).await;
    home.resumes(&quick, READ).await;
    let mut held = gates.hold(Point::BeforeEnd);
    let write = tokio::spawn(write(slow.clone(), false));
    held.reached().await;
    DB::run(&quick, "UPDATE counters SET v = v + 1 WHERE id = 2").await.unwrap();
    let hits = quick.stats().hits;
    for _ in 0..3 {
        home.check(&quick, READ).await;
    }
    assert_eq!(quick.stats().hits, hits, "a fence stands");
    held.release();
    write.await.unwrap();
    settled(&home, &[&quick, &slow]).await;
}

/// No stale read, and hits again.
async fn settled<DB: Server>(home: &super::kit::Home<DB>, executors: &[&CachingExecutor<DB>]) {
    for executor in executors {
        home.check(executor, READ).await;
    }
    for executor in executors {
        home.resumes(executor, READ).await;
    }
}

/// Another process creates a trigger, through the cache even: this one's catalog knows nothing of it until its write ends.
#[tokio::test]
async fn a_trigger_that_another_process_created() {
    let cache = Cache::redis();
    let home = Postgres::home().await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    let second = "SELECT v FROM others WHERE id = 1";
    home.resumes(&one, second).await;
    let function = "CREATE FUNCTION also() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE others SET v = v + 1; RETURN NULL; END $$";
    Postgres::run_raw(&two, function).await.unwrap();
    Postgres::run_raw(&two, "CREATE TRIGGER also AFTER UPDATE ON counters FOR EACH STATEMENT EXECUTE FUNCTION also()").await.unwrap();
    // The first one only writes from now on: nothing but its writes can tell it.
    home.resumes(&two, second).await;
    Postgres::run(&one, WRITE).await.unwrap();
    home.check(&two, second).await;
    home.resumes(&two, second).await;
    // By now it knows, also within a transaction.
    let mut transaction = one.begin().await.unwrap();
    Postgres::run_in(&mut transaction, WRITE).await.unwrap();
    transaction.commit().await.unwrap();
    home.check(&two, second).await;
}

/// Another process puts a view in the place of a table: what this one's catalog calls a table must not be cached any more.
#[tokio::test]
async fn a_view_that_another_process_put_in_a_tables_place() {
    let cache = Cache::redis();
    let home = Postgres::home().await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    let second = "SELECT v FROM others WHERE id = 1";
    home.resumes(&one, second).await;
    for change in ["ALTER TABLE others RENAME TO base", "CREATE VIEW others AS SELECT id, v FROM base"] {
        Postgres::run_raw(&two, change).await.unwrap();
    }
    for _ in 0..3 {
        home.check(&one, second).await;
        Postgres::run_raw(&two, "UPDATE base SET v = v + 1").await.unwrap();
    }
    home.check(&one, second).await;
}
