//! DDL hidden in dynamic SQL that passes through an executor, with nobody comparing fingerprints: a later write reaches what it now reaches, here and in
//! another process.

use crate::faults::kit::{Cache, Server};
use sqlx::Postgres;
use sqlx_cached::{CachingExecutor, UnclearWrites};
use std::time::Duration;

const SEEN: &str = "SELECT v FROM seen";

/// Code that nobody can see into, a table whose trigger is such code, and a view.
const SETUP: &str = "
    CREATE FUNCTION run(what text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; RETURN 1; END $$;
    CREATE TABLE orders (what text);
    CREATE FUNCTION obey() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE NEW.what; RETURN NULL; END $$;
    CREATE TRIGGER obey AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION obey();
    CREATE VIEW seen AS SELECT v FROM counters WHERE id = 1;";

/// By which way the code is run.
#[derive(Clone, Copy, Debug)]
enum Way {
    Call,
    Transaction,
    Trigger,
    CopyIn,
    CopyOut,
}

async fn change(executor: &CachingExecutor<Postgres>, way: Way, ddl: &str) {
    let call = format!("SELECT run('{ddl}')");
    match way {
        Way::Call => Postgres::run(executor, &call).await.expect("a call"),
        Way::Trigger => Postgres::run(executor, &format!("INSERT INTO orders VALUES ('{ddl}')")).await.expect("an order"),
        Way::Transaction => {
            let mut transaction = executor.begin().await.expect("a transaction");
            Postgres::run_in(&mut transaction, &call).await.expect("a call");
            transaction.commit().await.expect("a commit");
        }
        Way::CopyIn => {
            let mut copy = executor.copy_in_raw("COPY orders FROM STDIN").await.expect("a copy");
            copy.send(format!("{ddl}\n").into_bytes()).await.expect("an order");
            assert_eq!(copy.finish().await.expect("the end"), 1);
        }
        Way::CopyOut => {
            let mut chunks = executor.copy_out_raw(&format!("COPY ({call}) TO STDOUT")).await.expect("a copy");
            while let Some(chunk) = futures_util::StreamExt::next(&mut chunks).await {
                chunk.expect("a chunk");
            }
        }
    }
}

async fn reaches(unclear: UnclearWrites) {
    for way in [Way::Call, Way::Transaction, Way::Trigger, Way::CopyIn, Way::CopyOut] {
        let (home, cache) = (Postgres::home().await, Cache::redis());
        home.run(SETUP).await;
        let executor =
            async || home.build(|builder| builder.store(cache.store()).schema_refresh(Duration::ZERO).unclear_writes(unclear)).await;
        let (one, two) = (executor().await, executor().await);
        for executor in [&one, &two] {
            home.resumes(executor, SEEN).await;
        }
        change(&one, way, "CREATE OR REPLACE VIEW seen AS SELECT v + 1000 AS v FROM others WHERE id = 1").await;
        for (writer, reader) in [(&one, &one), (&two, &one), (&one, &two), (&two, &two)] {
            for executor in [&one, &two] {
                home.resumes(executor, SEEN).await;
            }
            Postgres::run(writer, "UPDATE others SET v = v + 1 WHERE id = 1").await.expect("a write");
            let value = home.check(reader, SEEN).await;
            assert!(value > 1000, "{way:?}: {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_forgotten() {
    reaches(UnclearWrites::Forget).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for() {
    reaches(UnclearWrites::Ask).await;
}
