//! What Redis can do to a queue.

use super::kit::{Given, cache, cache_with, drained, queue};
use crate::support::Redis;
use crate::support::log::Log;
use crate::support::redis_cluster::RedisCluster;
use sqlx_cached::store::{RedisAddress, RedisConfig};
use sqlx_cached::{Batch, Cache, Pushed, WriteBehind};
use std::convert::Infallible;
use std::time::Duration;
use tracing::Level;

const STREAM: &str = "{kv:queue}:queue";

/// Until a push is taken again.
async fn push(queue: &WriteBehind<u32>, item: u32) {
    let id = sqlx_cached::ItemId::fresh();
    while queue.push_as(id, &item).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_queue_outlives_a_killed_redis_that_writes_its_log() {
    for sync in ["always", "no"] {
        let mut server = Redis::configured().arguments(&["--appendonly", "yes", "--appendfsync", sync]).start();
        let queue = queue::<u32>(&cache(&server).await).build().unwrap();
        queue.push_many(&[1, 2]).await.unwrap();
        server.restart();
        push(&queue, 3).await;
        let given = Given::new();
        let consumer = queue.consume(given.handler());
        drained(&queue).await;
        server.restart();
        push(&queue, 4).await;
        given.until(4).await;
        drained(&queue).await;
        assert_eq!(given.items(), [1, 2, 3, 4]);
        consumer.stop().await;
    }
}

#[tokio::test]
async fn a_consumer_outlives_a_flush_and_a_stranger_at_its_key() {
    let server = Redis::start();
    let queue = queue::<u32>(&cache(&server).await).build().unwrap();
    let given = Given::new();
    let consumer = queue.consume(given.handler());
    push(&queue, 1).await;
    given.until(1).await;
    server.cli::<()>(&["FLUSHALL"]);
    push(&queue, 2).await;
    given.until(2).await;

    server.cli::<()>(&["DEL", STREAM]);
    push(&queue, 3).await;
    given.until(3).await;
    drained(&queue).await;

    server.cli::<()>(&["SET", STREAM, "a string"]);
    let error = queue.push(&4).await.unwrap_err();
    assert!(error.is_store() && error.to_string().contains("WRONGTYPE"), "{error}");
    assert!(matches!(queue.push_or(&4, async |_| Ok::<_, Infallible>(())).await, Ok(Pushed::Directly(_))));
    assert!(queue.len().await.is_err());
    server.cli::<()>(&["DEL", STREAM]);
    push(&queue, 5).await;
    given.until(4).await;
    drained(&queue).await;
    assert_eq!(given.items(), [1, 2, 3, 5]);

    consumer.stop().await;
    let consumers: Vec<redis::Value> = server.cli(&["XINFO", "CONSUMERS", STREAM, "consumers"]);
    assert!(consumers.len() <= 1, "names that were given up go, unless something may still be given to them: {consumers:?}");
}

#[tokio::test]
async fn redis_may_come_later() {
    let mut server = Redis::start();
    server.stop();
    let cache = cache_with(&server, |config| config.timeout = Duration::from_millis(500)).await;
    let queue = queue::<u32>(&cache).build().unwrap();
    let given = Given::new();
    let consumer = queue.consume(given.handler());
    assert!(queue.push(&1).await.unwrap_err().is_store());
    assert!(matches!(queue.push_or(&1, async |_| Ok::<_, Infallible>(())).await, Ok(Pushed::Directly(_))));
    server.restart();
    push(&queue, 2).await;
    given.until(1).await;
    drained(&queue).await;
    assert_eq!(given.items(), [2]);
    // One that can't say goodbye ends all the same.
    server.stop();
    consumer.stop().await;
}

#[tokio::test]
async fn a_server_that_may_evict_queues_is_warned_of_once() {
    for (policy, warned) in [("allkeys-lru", 1), ("noeviction", 0), ("volatile-ttl", 0)] {
        let server = Redis::configured().arguments(&["--maxmemory-policy", policy]).start();
        let (log, _listening) = Log::start(Level::WARN);
        let queue = queue::<u32>(&cache(&server).await).build().unwrap();
        queue.push(&1).await.unwrap();
        queue.push(&2).await.unwrap();
        assert_eq!(log.text().matches("evicts any key").count(), warned, "{policy}: {}", log.text());
    }
}

#[tokio::test]
async fn the_documented_rights_are_enough() {
    let documented = include_str!("../../../src/kv/write_behind.rs").split_once("/// +xadd").expect("the rights").1;
    let rights = documented.split_once("```").unwrap().0;
    let mut rules: Vec<String> =
        format!("+xadd{rights}").split_whitespace().filter(|word| word.starts_with('+')).map(str::to_owned).collect();
    assert_eq!(rules.len(), 15, "{rules:?}");
    rules.extend(["on", ">secret", "resetkeys", "~{kv*"].map(str::to_owned));
    let server = Redis::configured().user("queues", &rules.iter().map(String::as_str).collect::<Vec<_>>()).start();
    let cache = cache_with(&server, |config| {
        config.username = Some("queues".into());
        config.password = Some("secret".into());
    })
    .await;
    let queue = queue::<u32>(&cache).max_len(10).retries(2).build().unwrap();
    let unbounded = super::kit::queue::<u32>(&cache).build().unwrap();
    let poison = Given::new();
    let noted = poison.clone();
    let consumer = queue.consume(move |batch: Batch<u32>| {
        noted.note(&batch);
        std::future::ready(if batch.items().contains(&3) { Err("poison") } else { Ok(()) })
    });
    queue.push_many(&[1, 2, 3]).await.unwrap();
    unbounded.push(&4).await.unwrap();
    drained(&queue).await;
    let letters = queue.dead().list(None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    queue.dead().requeue(&letters).await.unwrap();
    drained(&queue).await;
    assert_eq!(queue.dead().discard(&queue.dead().list(None, 10).await.unwrap()).await.unwrap(), 1);
    consumer.stop().await;
    let consumers: Vec<redis::Value> = server.cli(&["XINFO", "CONSUMERS", STREAM, "consumers"]);
    assert!(consumers.is_empty(), "{consumers:?}");
    // But for the near cache's, which a queue does without.
    let denied: Vec<Vec<redis::Value>> = server.cli(&["ACL", "LOG"]);
    let denied = denied.iter().map(|entry| format!("{:?}", entry[7])).filter(|what| !what.contains("client|")).collect::<Vec<_>>();
    assert!(denied.is_empty(), "{denied:?}");
}

#[cfg(feature = "encryption")]
#[tokio::test]
async fn nothing_of_an_encrypted_item_is_in_redis() {
    let server = Redis::start();
    let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
    let executor = |key: u8| {
        sqlx_cached::CachingExecutor::builder(pool.clone())
            .redis_url(&server.url())
            .redis_timeout(Duration::from_secs(5))
            .encryption_keys(&[[key; 32]])
            .build()
    };
    let (with, without) = (executor(1).await.unwrap().cache(), executor(2).await.unwrap().cache());
    let queue = |cache: &Cache| super::kit::queue::<String>(cache).retries(1).build().unwrap();
    let (queue, other) = (queue(&with), queue(&without));
    queue.push(&"a secret".to_owned()).await.unwrap();
    let consumer = queue.consume(|batch: Batch<String>| std::future::ready(Err(format!("can't apply {:?}", batch.items()))));
    drained(&queue).await;
    consumer.stop().await;
    for stream in [STREAM, "{kv:queue}:dead"] {
        let entries: redis::Value = server.cli(&["XRANGE", stream, "-", "+"]);
        assert!(!format!("{entries:?}").contains("secret"), "{entries:?}");
    }
    let letters = queue.dead().list(None, 1).await.unwrap();
    assert_eq!((letters[0].item().unwrap().as_str(), letters[0].reason()), ("a secret", "can't apply [\"a secret\"]"));
    let closed = other.dead().list(None, 1).await.unwrap();
    assert!(closed[0].item().is_err() && closed[0].reason().is_empty());

    // Whoever hasn't got the key doesn't destroy it.
    queue.dead().requeue(&letters).await.unwrap();
    let consumer = other.consume(Given::new().handler());
    drained(&queue).await;
    consumer.stop().await;
    assert_eq!(queue.dead().requeue_all().await.unwrap(), 1);
    let given = Given::new();
    let consumer = queue.consume(given.handler());
    drained(&queue).await;
    assert_eq!(given.items(), ["a secret"]);
    consumer.stop().await;
}

#[cfg(feature = "encryption")]
#[tokio::test]
async fn an_item_that_somebody_without_a_key_put_there_is_none() {
    let server = Redis::start();
    let cache = Cache::builder().redis_url(&server.url()).encryption_keys(&[[1; 32]]).build().await.unwrap();
    let queue = super::kit::queue::<i64>(&cache).retries(1).build().unwrap();
    queue.push(&7).await.unwrap();
    server.cli::<String>(&["XADD", STREAM, "*", "id", "0123456789abcdef", "item", "1000000"]);
    let given = Given::new();
    let consumer = queue.consume(given.handler());
    drained(&queue).await;
    consumer.stop().await;
    assert_eq!((given.items(), queue.dead().len().await.unwrap()), (vec![7], 1));
}

#[tokio::test]
async fn queues_live_in_a_cluster() {
    let mut cluster = RedisCluster::start().await;
    let mut config = RedisConfig::new(RedisAddress::Cluster(cluster.seeds()));
    config.timeout = Duration::from_secs(5);
    config.connect_timeout = Duration::from_secs(5);
    let cache = Cache::builder().redis(config).build().await.unwrap();
    let names: Vec<String> = (0..8).map(|number| format!("queue {number}")).collect();
    let mut owners = std::collections::HashSet::new();
    for name in &names {
        let queue = cache.write_behind::<u32>(name).linger(Duration::ZERO).retries(1).max_len(100).build().unwrap();
        let consumer =
            queue.consume(|batch: Batch<u32>| std::future::ready(if batch.items().contains(&3) { Err("poison") } else { Ok(()) }));
        queue.push_many(&[1, 2, 3]).await.unwrap();
        queue.push(&4).await.unwrap();
        drained(&queue).await;
        assert_eq!(queue.dead().requeue_all().await.unwrap(), 1);
        drained(&queue).await;
        assert_eq!(queue.dead().len().await.unwrap(), 1);
        consumer.stop().await;
        owners.insert(cluster.owner(&format!("{{kv:{}}}:queue", sqlx_cached::segment(name))));
    }
    assert!(owners.len() > 1, "they are spread");

    // A master is lost while its queue is consumed; what it had told its replica is there.
    let queue = queue::<u32>(&cache).claim_idle(Duration::from_millis(300)).build().unwrap();
    let given = Given::new();
    let consumer = queue.consume(given.handler());
    push(&queue, 1).await;
    given.until(1).await;
    let owner = cluster.owner(STREAM);
    cluster.node_mut(owner).kill();
    push(&queue, 2).await;
    given.until(2).await;
    assert!(given.items().contains(&2));
    consumer.stop().await;
}
