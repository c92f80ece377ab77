//! What holds while nothing fails.

use super::kit::{Given, Home, PATIENCE, drained, on_both_stores, queue};
use serde_json::{Value, json};
use sqlx_cached::{Batch, Cache, Format, ItemId, Pushed};
use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Barrier, Notify};
use tokio::time::timeout;

on_both_stores! {
    items_come_in_order_and_in_batches,
    a_batch_waits_until_it_is_full_or_its_consumer_ends,
    two_consumers_share_a_queue,
    a_consumer_that_is_stopped_or_dropped_finishes_its_batch,
    any_item_comes_back_as_it_was,
    a_full_queue_refuses_and_keeps_what_it_has,
    an_item_that_was_queued_twice_is_known_by_its_name,
    queues_are_told_apart_and_outlive_a_clear,
}

async fn items_come_in_order_and_in_batches(home: &Home) {
    let queue = queue::<u32>(&home.cache).build().unwrap();
    let items: Vec<u32> = (0..1250).collect();
    let ids = queue.push_many(&items).await.unwrap();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 1250);
    assert_eq!((queue.len().await.unwrap(), queue.pending().await.unwrap()), (1250, 0));
    let given = Given::new();
    let consumer = queue.consume(given.handler());
    drained(&queue).await;
    assert_eq!(given.items(), items);
    assert_eq!(given.batches().iter().map(Vec::len).collect::<Vec<_>>(), [[100; 12].as_slice(), &[50]].concat());
    consumer.stop().await;
    // Nobody is there, and then somebody is.
    queue.push(&7).await.unwrap();
    let consumer = queue.clone().consume(given.handler());
    drained(&queue).await;
    assert_eq!(given.items().last(), Some(&7));
    consumer.stop().await;
}

async fn a_batch_waits_until_it_is_full_or_its_consumer_ends(home: &Home) {
    let queue = queue::<u32>(&home.cache).batch(3).linger(Duration::from_secs(600)).build().unwrap();
    let given = Given::new();
    let consumer = queue.consume(given.handler());
    for item in 0..3 {
        queue.push(&item).await.unwrap();
    }
    given.until(3).await;
    assert_eq!(given.batches(), [[0, 1, 2]]);
    drained(&queue).await;
    queue.push(&3).await.unwrap();
    while queue.pending().await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    timeout(PATIENCE, consumer.stop()).await.expect("not the linger");
    assert_eq!(given.batches(), [vec![0, 1, 2], vec![3]]);
    assert!(queue.is_empty().await.unwrap());
}

async fn two_consumers_share_a_queue(home: &Home) {
    let queue = queue::<u32>(&home.cache).batch(1).build().unwrap();
    let (given, both) = (Given::new(), Arc::new(Barrier::new(2)));
    let consume = || {
        let (given, both) = (given.clone(), Arc::clone(&both));
        queue.consume(move |batch: Batch<u32>| {
            let (given, both) = (given.clone(), Arc::clone(&both));
            async move {
                given.note(&batch);
                // Only two at once get through.
                both.wait().await;
                Ok::<_, Infallible>(())
            }
        })
    };
    let consumers = [consume(), consume()];
    queue.push_many(&(0..20).collect::<Vec<_>>()).await.unwrap();
    drained(&queue).await;
    let mut items = given.items();
    items.sort_unstable();
    assert_eq!(items, (0..20).collect::<Vec<_>>());
    for consumer in consumers {
        consumer.stop().await;
    }
}

async fn a_consumer_that_is_stopped_or_dropped_finishes_its_batch(home: &Home) {
    for stop in [true, false] {
        let queue = queue::<u32>(&home.cache).build().unwrap();
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let gates = (Arc::clone(&begun), Arc::clone(&go_on));
        let consumer = queue.consume(move |_: Batch<u32>| {
            let (begun, go_on) = gates.clone();
            async move {
                begun.notify_one();
                go_on.notified().await;
                Ok::<_, Infallible>(())
            }
        });
        queue.push(&1).await.unwrap();
        begun.notified().await;
        let stopped = if stop {
            let stopped = tokio::spawn(consumer.stop());
            tokio::task::yield_now().await;
            assert!(!stopped.is_finished());
            Some(stopped)
        } else {
            drop(consumer);
            None
        };
        assert_eq!(queue.pending().await.unwrap(), 1);
        go_on.notify_one();
        match stopped {
            Some(stopped) => timeout(PATIENCE, stopped).await.expect("its end").unwrap(),
            None => drained(&queue).await,
        }
        assert_eq!((queue.len().await.unwrap(), queue.pending().await.unwrap()), (0, 0));
        // Nobody takes what comes after.
        queue.push(&2).await.unwrap();
        assert_eq!(queue.len().await.unwrap(), 1);
        let consumer = queue.consume(Given::new().handler());
        drained(&queue).await;
        consumer.stop().await;
    }
}

async fn any_item_comes_back_as_it_was(home: &Home) {
    let hostile = vec![
        json!(null),
        json!(""),
        json!([]),
        json!("\0\u{1}\r\n$5\r\n*?[a]{b}"),
        json!("x".repeat(1 << 20)),
        json!((0..=255).collect::<Vec<u8>>()),
        json!({"": {"ü": -0.5, "SQV1": [[[]]]}}),
        json!("SQV1 is how a frame begins"),
        json!(42),
    ];
    for cache in [home.cache.clone(), home.cache.format(Format::MessagePack)] {
        let queue = queue::<Value>(&cache).build().unwrap();
        queue.push_many(&hostile).await.unwrap();
        for item in &hostile {
            queue.push(item).await.unwrap();
        }
        let given = Given::new();
        let consumer = queue.consume(given.handler());
        drained(&queue).await;
        assert_eq!(given.items(), [hostile.clone(), hostile.clone()].concat());
        assert!(queue.dead().is_empty().await.unwrap());
        consumer.stop().await;

        let large = json!("x".repeat(5 << 20));
        assert!(queue.push(&large).await.unwrap_err().is_value());
        assert!(queue.push_many(&[json!(1), large.clone()]).await.unwrap_err().is_value());
        assert!(queue.is_empty().await.unwrap(), "none of them");
        let directly = queue.push_or(&large, async |_| Ok::<_, Infallible>(())).await.unwrap();
        assert!(matches!(directly, Pushed::Directly(_)));
    }
}

async fn a_full_queue_refuses_and_keeps_what_it_has(home: &Home) {
    let queue = queue::<u32>(&home.cache).max_len(3).build().unwrap();
    queue.push_many(&[1, 2]).await.unwrap();
    let error = queue.push_many(&[3, 4]).await.unwrap_err();
    assert!(error.is_full() && error.to_string().contains("\"queue\""), "{error}");
    assert_eq!(queue.len().await.unwrap(), 2, "all or none of a request");
    assert!(matches!(queue.push_or(&3, async |_| Err("no")).await, Ok(Pushed::Queued(_))));
    assert!(queue.push(&4).await.unwrap_err().is_full());
    assert_eq!(queue.push_or(&4, async |_| Err("the direct write's own error")).await, Err("the direct write's own error"));
    assert!(matches!(queue.push_or(&4, async |_| Ok::<_, Infallible>(())).await, Ok(Pushed::Directly(_))));
    let given = Given::new();
    let consumer = queue.consume(given.handler());
    drained(&queue).await;
    queue.push_many(&[5, 6, 7]).await.unwrap();
    drained(&queue).await;
    assert_eq!(given.items(), [1, 2, 3, 5, 6, 7]);
    consumer.stop().await;
}

async fn an_item_that_was_queued_twice_is_known_by_its_name(home: &Home) {
    let queue = queue::<u32>(&home.cache).build().unwrap();
    let ids = [ItemId::fresh(), ItemId::from([7; 16])];
    queue.push_many_as(&[(ids[0], 1), (ids[1], 2), (ids[0], 1)]).await.unwrap();
    queue.push_as(ids[1], &2).await.unwrap();
    assert_eq!(queue.len().await.unwrap(), 4);
    let given = Given::new();
    let noted = given.clone();
    let consumer = queue.consume(move |batch: Batch<u32>| {
        assert_eq!((batch.len(), batch.deliveries()), (2, 1));
        noted.note(&batch);
        std::future::ready(Ok::<_, Infallible>(()))
    });
    drained(&queue).await;
    assert_eq!(given.batches(), [[1, 2]], "once in a batch");
    consumer.stop().await;
}

async fn queues_are_told_apart_and_outlive_a_clear(home: &Home) {
    let scoped = home.cache.scope("tenant");
    let caches: [&Cache; 3] = [&home.cache, &scoped, &home.cache];
    let queues = [("a", 0), ("a", 1), ("a:b", 2)].map(|(name, place)| caches[place].write_behind::<u32>(name).build().unwrap());
    for (number, queue) in queues.iter().enumerate() {
        for _ in 0..=number {
            queue.push(&1).await.unwrap();
        }
    }
    home.cache.set("a", "a value of this name").await.unwrap();
    home.cache.delete_pattern("*").await.unwrap();
    home.cache.clear().await;
    for (number, queue) in queues.iter().enumerate() {
        assert_eq!(queue.len().await.unwrap(), 1 + number as u64);
    }
}

#[tokio::test]
async fn a_cache_that_is_switched_off_queues_nothing() {
    let cache = Cache::builder().enabled(false).build().await.unwrap();
    let queue = queue::<u32>(&cache).build().unwrap();
    assert!(queue.push(&1).await.unwrap_err().is_unsupported());
    assert!(queue.push_many(&[1]).await.unwrap_err().is_unsupported());
    assert!(queue.len().await.unwrap_err().is_unsupported());
    assert!(queue.dead().len().await.unwrap_err().is_unsupported());
    assert!(matches!(queue.push_or(&1, async |_| Ok::<_, Infallible>(())).await, Ok(Pushed::Directly(_))));
    queue.consume(Given::new().handler()).stop().await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named() {
    let cache = Cache::builder().build().await.unwrap();
    let new = || cache.write_behind::<u32>("queue");
    let (none, some) = (Duration::ZERO, Duration::from_secs(1));
    let refused = [
        ("batch", new().batch(0)),
        ("batch", new().batch(10_001)),
        ("retries", new().retries(0)),
        ("claim_idle", new().claim_idle(none)),
        ("claim_idle", new().claim_idle(Duration::MAX)),
        ("linger", new().linger(Duration::MAX)),
        ("backoff", new().backoff(some, Duration::MAX)),
        ("backoff", new().backoff(none, some)),
        ("backoff", new().backoff(some * 2, some)),
        ("max_len", new().max_len(0)),
        ("group", new().group("")),
    ];
    for (setting, builder) in refused {
        let error = builder.build().unwrap_err();
        assert!(error.is_setting() && error.to_string().starts_with(setting), "{setting}: {error}");
    }
    for name in ["", &"x".repeat(251)] {
        assert!(cache.write_behind::<u32>(name).build().unwrap_err().is_key());
    }
    assert!(new().batch(10_000).linger(none).backoff(some, some).build().is_ok());
}
