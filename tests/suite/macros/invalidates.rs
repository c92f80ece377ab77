//! What is deleted, and when.

use super::{Runs, caches, gone};
use crate::support::Redis;
use sqlx_cached::{Cache, CacheSource, cached, invalidates};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Clone, Debug)]
struct Users(Cache, Arc<Runs>);

impl CacheSource for Users {
    fn cache(&self) -> Cache {
        self.0.clone()
    }
}

impl Users {
    #[cached(prefix = "user", key = "{id}:{part}")]
    async fn read(&self, id: &str, part: &str) -> Result<usize, Infallible> {
        Ok(self.1.again())
    }

    #[invalidates("user:{id}:{part}")]
    async fn write(&self, id: &str, part: &str) -> Result<(), Infallible> {
        // Stored while the write runs: by somebody who may have read before it.
        self.0.set(&format!("user:{}:{}", sqlx_cached::segment(id), sqlx_cached::segment(part)), &0).await.ok();
        Ok(())
    }

    #[invalidates("user:{id}:*")]
    async fn write_all(&self, id: &str) -> Result<(), Infallible> {
        Ok(())
    }

    #[invalidates("user:*")]
    #[invalidates("term:search:*")]
    async fn fail(&self) -> Result<(), &'static str> {
        Err("it may have been committed")
    }

    #[invalidates("user:{id}:*", "user:?:b")]
    async fn stop(&self, id: String, started: &Notify) -> Result<(), Infallible> {
        started.notify_one();
        std::future::pending().await
    }

    #[invalidates("user:{id}:*")]
    async fn panics(&self, id: i64) -> i64 {
        assert!(id != 7, "as it must");
        id
    }
}

async fn users() -> [(Users, Option<Redis>); 2] {
    caches().await.map(|(cache, redis)| (Users(cache, Arc::default()), redis))
}

#[tokio::test]
async fn a_write_deletes_what_it_names_and_nothing_else() {
    let long = "x".repeat(300);
    let ids = ["7", "8", "*", "?", "[7]", "", "7:8", "\\*", "ü\n", "%2A", "^", &long];
    for (users, _redis) in users().await {
        for written in ids {
            let mut before = Vec::new();
            for id in ids {
                for part in ["a", "b"] {
                    before.push((id, part, users.read(id, part).await.unwrap()));
                }
            }
            users.write(written, "a").await.unwrap();
            for (id, part, run) in before {
                let again = users.read(id, part).await.unwrap();
                assert_eq!(
                    again == run,
                    !(id == written && part == "a"),
                    "{written:?} was written, and {id:?} {part} is {again}, was {run}"
                );
            }
            let runs = users.1.so_far();
            users.write_all(written).await.unwrap();
            users.read(written, "a").await.unwrap();
            users.read(written, "b").await.unwrap();
            assert_eq!(users.1.so_far(), runs + 2, "{written:?} was written, and is still there");
        }
    }
}

#[tokio::test]
async fn several_stand_before_one_function_and_a_failure_counts() {
    for (users, _redis) in users().await {
        users.read("7", "a").await.unwrap();
        users.0.set("term:search:x", &1).await.unwrap();
        users.0.set("term:7", &1).await.unwrap();
        users.fail().await.unwrap_err();
        assert_eq!(users.0.keys("*", 10).await.unwrap(), ["term:7"]);
    }
}

/// Waits until nothing of these keys is left in the store, whoever is asked.
async fn until_gone(cache: &Cache, keys: &[&str]) {
    let gone = async {
        while cache.health().await.kept > 0 || cache.mget::<usize>(keys).await.unwrap() != vec![None; keys.len()] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("what was to be deleted is there");
}

#[tokio::test]
async fn a_write_whose_caller_gives_up_deletes_all_the_same() {
    for (users, redis) in users().await {
        for key in ["user:7:a", "user:8:b", "user:8:a"] {
            users.0.set(key, &1).await.unwrap();
        }
        let started = Notify::new();
        tokio::select! {
            _ = users.stop("7".to_owned(), &started) => unreachable!(),
            () = started.notified() => {}
        }
        // At once in this process...
        assert_eq!(users.0.get::<usize>("user:7:a").await.unwrap(), None);
        // ... and soon in the store.
        until_gone(&users.0, &["user:7:a", "user:8:b"]).await;
        if let Some(redis) = &redis {
            assert_eq!(redis.cli::<Vec<String>>(&["KEYS", "kv:*"]), ["kv:user:8:a"]);
        }
        assert_eq!(users.0.get::<usize>("user:8:a").await.unwrap(), Some(1));

        users.0.set("user:7:a", &1).await.unwrap();
        let copy = users.clone();
        tokio::spawn(async move { copy.panics(7).await }).await.unwrap_err();
        until_gone(&users.0, &["user:7:a"]).await;
        users.0.set("user:6:a", &1).await.unwrap();
        assert_eq!(users.panics(6).await, 6);
        assert_eq!(users.0.get::<usize>("user:6:a").await.unwrap(), None);
    }
}

/// Where there is no runtime any more, nothing can be deleted, and nothing panics.
#[test]
fn without_a_runtime_nothing_panics() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let users = Users(runtime.block_on(async { Cache::builder().build().await.unwrap() }), Arc::default());
    let (copy, started) = (users.clone(), Arc::new(Notify::new()));
    let told = Arc::clone(&started);
    let mut stopped = Box::pin(async move { copy.stop("7".to_owned(), &told).await });
    runtime.block_on(async {
        tokio::select! {
            _ = &mut stopped => unreachable!(),
            () = started.notified() => {}
        }
    });
    drop(runtime);
    drop(stopped);
    drop(users);
}

#[tokio::test]
async fn what_redis_was_not_told_is_delivered_later() {
    let mut redis = Redis::start();
    let cache = Cache::builder().redis_url(&redis.url()).build().await.unwrap();
    let users = Users(cache.clone(), Arc::default());
    for key in ["user:7:a", "user:8:a"] {
        assert!(cache.set(key, &1).await.unwrap());
    }
    redis.cli::<()>(&["SAVE"]);
    redis.kill();
    users.write_all("7").await.unwrap();
    redis.restart();
    // Not before it was told, and nothing but that.
    let answers = async {
        while !cache.health().await.is_healthy() {
            assert_eq!(cache.get::<usize>("user:7:a").await.unwrap(), None);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), answers).await.unwrap();
    assert_eq!(cache.get::<usize>("user:7:a").await.unwrap(), None);
    until_gone(&cache, &["user:7:a"]).await;
    assert_eq!(redis.cli::<Vec<String>>(&["KEYS", "kv:*"]), ["kv:user:8:a"]);

    let users = Users(gone().await, Arc::default());
    users.write_all("7").await.unwrap();
    assert_eq!(users.fail().await, Err("it may have been committed"));
}
