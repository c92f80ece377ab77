//! Connections that are lost in the middle of a write or a COMMIT: whether it happened, only the database can tell.

use super::kit::{Cache, Home, LEASE, Options, READ, Server, WRITE, each_on_redis, eventually};
use super::late::{Blocking, LOCK_ROW, LONG, blocked};
use crate::support::proxy::Proxy;
use sqlx::{MySql, Postgres};
use sqlx_cached::CachingExecutor;
use std::sync::Arc;

each_on_redis! {
    a_blocked_update_whose_session_is_killed: Postgres MySql;
    a_blocked_update_whose_connection_is_cut: Postgres MySql;
    a_commit_whose_connection_is_cut: Postgres MySql;
}

/// Databases that are reached over a Unix socket.
trait Socket: Blocking {
    fn socket(options: &Options<Self>) -> std::path::PathBuf;
    fn through(options: Options<Self>, proxy: &Proxy) -> Options<Self>;
}

impl Socket for Postgres {
    fn socket(options: &Options<Self>) -> std::path::PathBuf {
        options.get_socket().expect("a socket").join(".s.PGSQL.5432")
    }

    fn through(options: Options<Self>, proxy: &Proxy) -> Options<Self> {
        options.socket(&proxy.directory)
    }
}

impl Socket for MySql {
    fn socket(options: &Options<Self>) -> std::path::PathBuf {
        options.get_socket().expect("a socket").clone()
    }

    fn through(options: Options<Self>, proxy: &Proxy) -> Options<Self> {
        options.socket(proxy.directory.join("socket"))
    }
}

/// An executor whose connections can be cut.
async fn through_proxy<DB: Socket>(home: &Home<DB>, cache: &Cache) -> (Arc<Proxy>, CachingExecutor<DB>) {
    let options = home.database.options.clone();
    let proxy = Arc::new(Proxy::start(&DB::socket(&options)));
    let pool = DB::pool(DB::through(options, &proxy)).await;
    let executor = CachingExecutor::builder(pool)
        .admission(sqlx_cached::Admission::Always)
        .store(cache.store())
        .fence_lease(LEASE)
        .build()
        .await
        .expect("an executor");
    (proxy, executor)
}

async fn no_fence(cache: &Cache) {
    let redis = cache.server();
    eventually("no fence is left", async || redis.cli::<Vec<String>>(&["KEYS", "sql-fence:*"]).is_empty()).await;
}

async fn a_blocked_update_whose_session_is_killed<DB: Socket>(cache: Cache) {
    let home = DB::home().await;
    let (one, two) = (home.executor(cache.store()).await, home.executor(cache.store()).await);
    home.resumes(&two, READ).await;
    let lock = DB::locked(&home, LOCK_ROW).await;
    let write = tokio::spawn(DB::run(&one, WRITE));
    blocked(&home).await;
    DB::kill(&home, home.direct(DB::WAITERS).await).await;
    assert!(home.check_until(&[&one, &two], write).await.unwrap().is_err());
    DB::finish(lock, "SELECT 1").await;
    no_fence(&cache).await;
    home.resumes(&one, READ).await;
    home.resumes(&two, READ).await;
    assert_eq!(home.direct(READ).await, 0, "it was killed before it wrote");
}

async fn a_blocked_update_whose_connection_is_cut<DB: Socket>(cache: Cache) {
    let home = DB::home().await;
    let (proxy, one) = through_proxy(&home, &cache).await;
    let two = home.executor(cache.store()).await;
    home.resumes(&two, READ).await;
    let lock = DB::locked(&home, LOCK_ROW).await;
    let write = tokio::spawn(DB::run(&one, WRITE));
    blocked(&home).await;
    proxy.cut();
    assert!(write.await.unwrap().is_err(), "the connection is gone");
    let hits = two.stats().hits;
    home.check_until(&[&one, &two], tokio::time::sleep(LONG)).await;
    assert_eq!(two.stats().hits, hits, "the server still works on it");
    DB::finish(lock, "SELECT 1").await;
    home.check_until(&[&one, &two], home.reaches(READ, 1)).await;
    for executor in [&one, &two] {
        home.resumes(executor, READ).await;
        assert_eq!(home.check(executor, READ).await, 1);
    }
    no_fence(&cache).await;
}

async fn a_commit_whose_connection_is_cut<DB: Socket>(cache: Cache) {
    let home = DB::home().await;
    let (proxy, one) = through_proxy(&home, &cache).await;
    let two = home.executor(cache.store()).await;
    home.resumes(&two, READ).await;
    let mut transaction = one.begin().await.unwrap();
    DB::run_in(&mut transaction, WRITE).await.unwrap();
    assert_eq!(home.check(&two, READ).await, 0);
    proxy.cut_after(b"COMMIT");
    assert!(transaction.commit().await.is_err(), "nobody said what became of it");
    home.check_until(&[&one, &two], home.reaches(READ, 1)).await;
    for executor in [&one, &two] {
        home.resumes(executor, READ).await;
        assert_eq!(home.check(executor, READ).await, 1);
    }
    no_fence(&cache).await;
}

/// A deferred trigger makes COMMIT wait for a lock: meanwhile its connection is cut, or its session is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_waits_and_is_cut_or_killed() {
    for killed in [false, true] {
        let cache = Cache::redis();
        let home = Postgres::home().await;
        home.run(
            "CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM v FROM others WHERE id = 1 FOR UPDATE; RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER waits AFTER UPDATE ON counters DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION waits()",
        )
        .await;
        let (proxy, one) = through_proxy(&home, &cache).await;
        let two = home.executor(cache.store()).await;
        home.resumes(&two, READ).await;
        let lock = Postgres::locked(&home, &["SELECT v FROM others WHERE id = 1 FOR UPDATE"]).await;
        let mut transaction = one.begin().await.unwrap();
        Postgres::run_in(&mut transaction, WRITE).await.unwrap();
        let commit = tokio::spawn(transaction.commit());
        blocked(&home).await;
        if killed {
            Postgres::kill(&home, home.direct(Postgres::WAITERS).await).await;
        } else {
            proxy.cut();
        }
        assert!(home.check_until(&[&one, &two], commit).await.unwrap().is_err());
        if !killed {
            let hits = two.stats().hits;
            home.check_until(&[&one, &two], tokio::time::sleep(LONG)).await;
            assert_eq!(two.stats().hits, hits, "the server is still about to commit");
        }
        Postgres::finish(lock, "SELECT 1").await;
        let value = i64::from(!killed);
        home.check_until(&[&one, &two], home.reaches(READ, value)).await;
        for executor in [&one, &two] {
            home.resumes(executor, READ).await;
            assert_eq!(home.check(executor, READ).await, value);
        }
        no_fence(&cache).await;
    }
}
