//! Values that depend on tables: ended by every write that reaches them, on each database and both stores.

use super::kit::eventually;
use crate::faults::kit::{Cache, Home, READ, Server, WRITE, each};
use sqlx::{MySql, Postgres, Sqlite};
use sqlx_cached::{CachingExecutor, Dependent};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

each! {
    a_write_ends_what_depends_on_its_table: Postgres MySql Sqlite;
    what_was_read_before_a_write_is_never_given_after_it: Postgres MySql Sqlite;
    what_lies_beneath_and_beside_counts_too: Postgres MySql Sqlite;
    a_view_that_is_made_anew: Postgres MySql Sqlite;
    names_of_every_kind: Postgres MySql Sqlite;
}

async fn load(dependent: &Dependent, key: &str, value: i64) -> i64 {
    dependent.get_or_set(key, async || Ok::<_, Infallible>(value)).await.expect("no error")
}

/// Loads until the value is kept: the catalog may have to be read first.
async fn kept(dependent: &Dependent, key: &str, value: i64) {
    eventually("the value is kept", async || {
        load(dependent, key, value).await;
        dependent.get::<i64>(key).await.expect("no error") == Some(value)
    })
    .await;
}

async fn a_write_ends_what_depends_on_its_table<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let (here, there) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    let values = here.cache();
    let counters = values.depends_on(["counters"]);
    for round in 0..4 {
        kept(&counters, "k", round).await;
        kept(&values.depends_on(["others"]), "other", 7).await;
        kept(&values.depends_on(["others", "counters"]), "both", 7).await;
        assert_eq!(there.cache().get("k").await.unwrap(), Some(round), "a value tells what it depends on");
        match round {
            0 => DB::run(&here, WRITE).await.unwrap(),
            1 => DB::run(&there, WRITE).await.unwrap(),
            2 => here.invalidate_table("counters").await.unwrap(),
            _ => {
                let mut transaction = there.begin().await.unwrap();
                DB::run_in(&mut transaction, WRITE).await.unwrap();
                transaction.commit().await.unwrap();
            }
        }
        for cache in [&values, &there.cache()] {
            assert_eq!(cache.get::<i64>("k").await.unwrap(), None, "{} {round}", DB::NAME);
            assert_eq!(cache.mget::<i64>(&["k", "both", "other"]).await.unwrap(), [None, None, Some(7)], "{} {round}", DB::NAME);
            assert_eq!((cache.exists("k").await.unwrap(), cache.ttl_of("both").await.unwrap()), (false, None));
            assert!(!cache.expire("k", None).await.unwrap());
            let replies = cache.pipeline().get("k").unwrap().get("other").unwrap().run().await.unwrap();
            assert_eq!((replies.value::<i64>(0), replies.value(1)), (None, Some(7)));
            assert!(cache.get_bytes("both").await.unwrap().is_none());
        }
        // By whoever asks for it without its tables, too.
        assert_eq!(values.get_or_set("both", async || Ok::<_, Infallible>(9)).await.unwrap(), 9);
        values.delete("both").await.unwrap();
    }
    kept(&counters, "k", 1).await;
    here.clear().await.unwrap();
    assert_eq!(values.get::<i64>("k").await.unwrap(), None, "what depends on tables is forgotten with them");
}

async fn what_was_read_before_a_write_is_never_given_after_it<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let (here, there) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    let counters = here.cache().depends_on(["counters"]);
    kept(&counters, "warm", 0).await;
    for writer in [&here, &there] {
        // The load reads, and the write comes before it is done.
        let (read, has_read) = oneshot::channel();
        let (go, going) = oneshot::channel::<()>();
        let loading = tokio::spawn({
            let (counters, here) = (counters.clone(), here.clone());
            async move {
                let load = async || {
                    let value = DB::number(&here, READ).await;
                    let _ = read.send(());
                    let _ = going.await;
                    value
                };
                counters.get_or_set("k", load).await.unwrap()
            }
        });
        has_read.await.unwrap();
        let before = home.direct(READ).await;
        DB::run(writer, WRITE).await.unwrap();
        // Whoever comes now joins nothing that began before the write.
        let since = Instant::now();
        let value = counters.get_or_set("k", async || DB::number(&here, READ).await).await.unwrap();
        assert_eq!(value, before + 1, "{}", DB::NAME);
        assert!(since.elapsed() < Duration::from_secs(3), "nobody waits for what will be dead: {:?}", since.elapsed());
        go.send(()).unwrap();
        assert_eq!(loading.await.unwrap(), before);
        for _ in 0..3 {
            assert_ne!(counters.get::<i64>("k").await.unwrap(), Some(before));
            assert_eq!(counters.get_or_set("k", async || DB::number(&here, READ).await).await.unwrap(), before + 1);
        }

        // The same by hand.
        let seen = counters.seen().await;
        let value = DB::number(&here, READ).await.unwrap();
        DB::run(writer, WRITE).await.unwrap();
        seen.set("k", &value).await.unwrap();
        assert_eq!(counters.get::<i64>("k").await.unwrap(), None, "{}: stored dead", DB::NAME);
        eventually("and alive without a write", async || {
            let seen = counters.seen().await;
            let value = DB::number(&here, READ).await.unwrap();
            seen.set("k", &value).await.unwrap() && counters.get("k").await.unwrap() == Some(value)
        })
        .await;
        here.cache().delete("k").await.unwrap();
    }
}

async fn related<DB: Server>(home: &Home<DB>) {
    home.run("CREATE TABLE parents (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)").await;
    home.run("CREATE TABLE orders (id BIGINT PRIMARY KEY, parent BIGINT NOT NULL, n BIGINT NOT NULL, FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE)").await;
    home.run("CREATE TABLE sums (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)").await;
    home.run("CREATE VIEW order_view AS SELECT id, n FROM orders").await;
    home.run("CREATE VIEW outer_view AS SELECT id FROM order_view").await;
    home.run("INSERT INTO parents VALUES (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)").await;
    home.run("INSERT INTO orders VALUES (1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 4, 0), (5, 5, 0)").await;
    let trigger = match DB::NAME {
        Postgres::NAME => {
            "CREATE FUNCTION summed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE sums SET n = n + 1; RETURN NULL; END $$; \
             CREATE TRIGGER summing AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION summed()"
        }
        MySql::NAME => "CREATE TRIGGER summing AFTER UPDATE ON orders FOR EACH ROW UPDATE sums SET n = n + 1",
        _ => "CREATE TRIGGER summing AFTER UPDATE ON orders BEGIN UPDATE sums SET n = n + 1; END",
    };
    home.run(trigger).await;
}

use sqlx::Database;

async fn what_lies_beneath_and_beside_counts_too<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    related(&home).await;
    let (here, there) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    let values = here.cache();
    let writes = [
        ("orders", "DELETE FROM parents WHERE id = 1", "a cascade"),
        ("order_view", "DELETE FROM parents WHERE id = 2", "a cascade beneath a view"),
        ("outer_view", "UPDATE orders SET n = 1 WHERE id = 3", "a view of a view"),
        ("sums", "UPDATE orders SET n = 2 WHERE id = 3", "a trigger"),
        ("order_view", "DELETE FROM orders WHERE id = 4", "a view"),
    ];
    for (table, write, what) in writes {
        let dependent = values.depends_on([table]);
        kept(&dependent, "k", 1).await;
        DB::run(&there, "UPDATE others SET v = v + 1 WHERE id = 1").await.unwrap();
        assert_eq!(values.get("k").await.unwrap(), Some(1), "{}: what it doesn't depend on", DB::NAME);
        DB::run(&there, write).await.unwrap();
        assert_eq!(values.get::<i64>("k").await.unwrap(), None, "{}: {what}", DB::NAME);
    }
}

async fn a_view_that_is_made_anew<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    related(&home).await;
    let (here, there) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    let dependent = here.cache().depends_on(["order_view"]);
    kept(&dependent, "k", 1).await;
    DB::run(&there, "DROP VIEW outer_view").await.unwrap();
    DB::run(&there, "DROP VIEW order_view").await.unwrap();
    assert_eq!(dependent.get::<i64>("k").await.unwrap(), None);
    assert_eq!(load(&dependent, "k", 2).await, 2, "a view that is not there is no obstacle");
    DB::run(&there, "CREATE VIEW order_view AS SELECT id, v FROM counters").await.unwrap();
    assert_eq!(load(&dependent, "k", 3).await, 3, "{}: nothing that was stored before the view", DB::NAME);
    kept(&dependent, "k", 3).await;
    DB::run(&there, WRITE).await.unwrap();
    assert_eq!(dependent.get::<i64>("k").await.unwrap(), None, "{}: it reads another table now", DB::NAME);
}

async fn names_of_every_kind<DB: Server>(cache: Cache) {
    let home = DB::home().await;
    let quote = if DB::NAME == MySql::NAME { '`' } else { '"' };
    let quoted = |name: &str| format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")));
    let odd = ["Order", "select", "odd name", "ünlïcode", "per%cent", "semi;colon", "a-b", "1st", "q\"uote", "it's", "back`tick"];
    for name in odd {
        home.run(&format!("CREATE TABLE {} (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)", quoted(name))).await;
        home.run(&format!("INSERT INTO {} VALUES (1, 0)", quoted(name))).await;
    }
    let mut names: Vec<(String, String)> = odd.map(|name| (name.to_owned(), quoted(name))).to_vec();
    match DB::NAME {
        Postgres::NAME => {
            home.run("CREATE SCHEMA app").await;
            home.run("CREATE TABLE app.things (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await;
            home.run("INSERT INTO app.things VALUES (1, 0)").await;
            names.extend([("app.things".to_owned(), "app.things".to_owned()), ("public.counters".to_owned(), "counters".to_owned())]);
            names.push(("COUNTERS".to_owned(), "counters".to_owned()));
        }
        Sqlite::NAME => names.extend([("main.counters", "counters"), ("COUNTERS", "counters")].map(|(a, b)| (a.to_owned(), b.to_owned()))),
        _ => names.push((format!("{}.counters", home.database.name), "counters".to_owned())),
    }
    let executor: CachingExecutor<DB> = home.executor(cache.store()).await;
    let values = executor.cache();
    for (name, table) in &names {
        let dependent = values.depends_on([name]);
        kept(&dependent, "k", 1).await;
        DB::run(&executor, &format!("UPDATE {table} SET v = v + 1 WHERE id = 1")).await.unwrap();
        assert_eq!(values.get::<i64>("k").await.unwrap(), None, "{}: {name}", DB::NAME);
    }
    // What can't be followed is not kept, and what is no name does nothing.
    let hostile = [
        "nope",
        "",
        " ",
        ".",
        "a.b.c.d",
        "\0",
        "counters; DROP TABLE counters",
        "counters WHERE 1 = 0 --",
        "counters, others",
        "(SELECT 1)",
        "*",
        "_all",
    ];
    for name in hostile {
        for tables in [vec![name], vec!["counters", name]] {
            let dependent = values.depends_on(&tables);
            for value in [1, 2] {
                assert_eq!(load(&dependent, "k", value).await, value, "{}: {tables:?} is kept", DB::NAME);
            }
            assert!(!dependent.seen().await.set("k", &1).await.unwrap());
            assert_eq!(values.get::<i64>("k").await.unwrap(), None, "{}: {tables:?}", DB::NAME);
        }
    }
    assert_eq!(load(&values.depends_on([] as [&str; 0]), "k", 1).await, 1);
    assert_eq!(values.get::<i64>("k").await.unwrap(), None, "of no table nothing can be followed");
    assert_eq!(home.direct(READ).await, home.direct(READ).await);
}
