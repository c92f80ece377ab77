//! Handlers that fail, consumers that die, items that can't be read.

use super::kit::{Given, Home, PATIENCE, drained, on_both_stores, queue};
use sqlx_cached::Batch;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;
use tokio::time::timeout;

on_both_stores! {
    a_poison_item_dies_alone_and_may_be_requeued,
    a_handler_that_panics_has_failed,
    an_outage_is_no_poison,
    what_cannot_be_read_is_dead_as_it_is,
    a_dead_consumer_is_succeeded_and_a_slow_one_is_not,
    what_a_consumer_could_not_handle_is_left_to_others,
    what_kills_its_consumers_dies_in_the_end,
}

async fn a_poison_item_dies_alone_and_may_be_requeued(home: &Home) {
    let queue = queue::<u32>(&home.cache).retries(4).build().unwrap();
    let (given, tried, cured) = (Given::new(), Given::new(), Arc::new(AtomicBool::new(false)));
    let shared = (given.clone(), tried.clone(), Arc::clone(&cured));
    let consumer = queue.consume(move |batch: Batch<u32>| {
        let (given, tried, cured) = shared.clone();
        async move {
            tried.note(&batch);
            if batch.items().contains(&5) && !cured.load(SeqCst) {
                return Err("5 is poison");
            }
            given.note(&batch);
            Ok(())
        }
    });
    let before = SystemTime::now() - Duration::from_secs(1);
    let ids = queue.push_many(&(0..10).collect::<Vec<_>>()).await.unwrap();
    drained(&queue).await;
    let mut good = given.items();
    good.sort_unstable();
    assert_eq!(good, [0, 1, 2, 3, 4, 6, 7, 8, 9]);
    // Once with its neighbours, if they came together, and then alone.
    let of_poison = tried.batches().into_iter().filter(|batch| batch.contains(&5)).collect::<Vec<_>>();
    assert_eq!(of_poison.len(), 4);
    assert!(of_poison[1..].iter().all(|batch| *batch == [5]), "{of_poison:?}");
    assert!(tried.batches().iter().flatten().filter(|item| **item == 7).count() <= 2);

    let dead = queue.dead();
    let letters = dead.list(None, 10).await.unwrap();
    assert_eq!((letters.len(), dead.len().await.unwrap()), (1, 1));
    let letter = &letters[0];
    assert_eq!((letter.item(), letter.id(), letter.reason(), letter.deliveries()), (Ok(&5), Some(ids[5]), "5 is poison", 4));
    assert!(letter.died() > before && letter.died() <= SystemTime::now());
    assert_eq!(letter.raw(), Some(&b"5"[..]));

    cured.store(true, SeqCst);
    dead.requeue(&letters).await.unwrap();
    drained(&queue).await;
    assert_eq!(given.items().last(), Some(&5));
    assert!(dead.is_empty().await.unwrap());

    cured.store(false, SeqCst);
    queue.push_many(&[5; 3]).await.unwrap();
    drained(&queue).await;
    let first = dead.list(None, 1).await.unwrap();
    let others = dead.list(first.first(), 10).await.unwrap();
    assert_eq!((first.len(), others.len()), (1, 2));
    assert_eq!(dead.discard(&first).await.unwrap(), 1);
    assert_eq!(dead.discard(&first).await.unwrap(), 0);
    cured.store(true, SeqCst);
    assert_eq!(dead.requeue_all().await.unwrap(), 2);
    drained(&queue).await;
    assert!(dead.is_empty().await.unwrap());
    consumer.stop().await;
}

async fn a_handler_that_panics_has_failed(home: &Home) {
    let queue = queue::<u32>(&home.cache).retries(2).build().unwrap();
    let given = Given::new();
    let noted = given.clone();
    let consumer = queue.consume(move |batch: Batch<u32>| {
        assert!(!batch.items().contains(&13), "13 is bad luck");
        noted.note(&batch);
        std::future::ready(Ok::<_, Infallible>(()))
    });
    queue.push_many(&[12, 13, 14]).await.unwrap();
    drained(&queue).await;
    let mut good = given.items();
    good.sort_unstable();
    assert_eq!(good, [12, 14]);
    let letters = queue.dead().list(None, 10).await.unwrap();
    assert_eq!(letters[0].reason(), "the handler panicked: 13 is bad luck");
    consumer.stop().await;
}

async fn an_outage_is_no_poison(home: &Home) {
    let queue = queue::<u32>(&home.cache).retries(3).build().unwrap();
    let (given, calls) = (Given::new(), Arc::new(AtomicUsize::new(0)));
    let shared = (given.clone(), Arc::clone(&calls));
    queue.push_many(&(0..50).collect::<Vec<_>>()).await.unwrap();
    let consumer = queue.consume(move |batch: Batch<u32>| {
        let failing = shared.1.fetch_add(1, SeqCst) < 7;
        if !failing {
            shared.0.note(&batch);
        }
        std::future::ready(if failing { Err("the database is down") } else { Ok(()) })
    });
    drained(&queue).await;
    // Seven calls: the batch, and twice the same three items. The others were not counted down with them.
    assert_eq!((queue.dead().len().await.unwrap(), given.items().len()), (3, 47));
    consumer.stop().await;
}

async fn what_cannot_be_read_is_dead_as_it_is(home: &Home) {
    let texts = queue::<String>(&home.cache).build().unwrap();
    let numbers = queue::<u32>(&home.cache).build().unwrap();
    numbers.push(&1).await.unwrap();
    texts.push(&"two".to_owned()).await.unwrap();
    numbers.push(&3).await.unwrap();
    let given = Given::new();
    let consumer = numbers.consume(given.handler());
    drained(&numbers).await;
    consumer.stop().await;
    assert_eq!(given.items(), [1, 3]);
    let letters = numbers.dead().list(None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].item().is_err() && letters[0].reason().contains("invalid type"), "{:?}", letters[0].reason());
    assert_eq!(letters[0].raw(), Some(&b"\"two\""[..]));
    assert!(!format!("{letters:?}").contains("two"));

    numbers.dead().requeue(&letters).await.unwrap();
    let given = Given::new();
    let consumer = texts.consume(given.handler());
    drained(&texts).await;
    assert_eq!(given.items(), ["two"]);
    consumer.stop().await;
}

/// Runs a consumer that never ends its batch, on a runtime of its own, until it is told to die: then nothing of it runs any more.
async fn consumer_that_dies(home: &Home, batch: usize) -> impl FnOnce() {
    let (begun, die) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let told = (Arc::clone(&begun), Arc::clone(&die));
    let (memory, server) = (home.cache.clone(), home.server.as_ref().map(crate::support::Redis::socket));
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let consumer = runtime.block_on(async {
            let cache = match server {
                Some(socket) => super::kit::cache_at(&socket).await,
                None => memory,
            };
            let queue = queue::<u32>(&cache).batch(batch).claim_idle(IDLE).build().unwrap();
            let consumer = queue.consume(move |_: Batch<u32>| {
                begun.notify_one();
                std::future::pending::<Result<(), Infallible>>()
            });
            die.notified().await;
            consumer
        });
        runtime.shutdown_background();
        drop(consumer);
    });
    timeout(PATIENCE, told.0.notified()).await.expect("a batch in its hands");
    move || {
        told.1.notify_one();
        thread.join().unwrap();
    }
}

/// After so long a consumer counts as dead.
const IDLE: Duration = Duration::from_secs(1);

async fn a_dead_consumer_is_succeeded_and_a_slow_one_is_not(home: &Home) {
    let cache = home.another_cache().await;
    let queue = queue::<u32>(&cache).claim_idle(IDLE).build().unwrap();
    queue.push_many(&[1, 2, 3]).await.unwrap();
    let kill = consumer_that_dies(home, 2).await;
    let given = Given::new();
    let consumer = queue.consume(given.handler());
    given.until(1).await;
    // More than twice as long as it takes to be dead.
    tokio::time::sleep(IDLE * 5 / 2).await;
    assert_eq!((given.items(), queue.pending().await.unwrap()), (vec![3], 2), "its consumer is alive");
    kill();
    drained(&queue).await;
    assert_eq!(given.batches(), [vec![3], vec![1, 2]]);
    consumer.stop().await;
}

async fn what_a_consumer_could_not_handle_is_left_to_others(home: &Home) {
    let hour = Duration::from_secs(3600);
    let queue = queue::<u32>(&home.cache).backoff(hour, hour).claim_idle(hour).build().unwrap();
    let failed = Arc::new(Notify::new());
    let notify = Arc::clone(&failed);
    let consumer = queue.consume(move |_: Batch<u32>| {
        notify.notify_one();
        std::future::ready(Err("not by me"))
    });
    queue.push(&1).await.unwrap();
    failed.notified().await;
    consumer.stop().await;
    assert_eq!(queue.pending().await.unwrap(), 1);
    let given = Given::new();
    let consumer = queue.consume(given.handler());
    drained(&queue).await;
    assert_eq!(given.items(), [1]);
    consumer.stop().await;
}

async fn what_kills_its_consumers_dies_in_the_end(home: &Home) {
    let cache = home.another_cache().await;
    let queue = queue::<u32>(&cache).retries(2).claim_idle(IDLE).build().unwrap();
    let id = queue.push(&1).await.unwrap();
    for _ in 0..3 {
        // Twice with others, as far as anybody knows, and then alone.
        let kill = consumer_that_dies(home, 1).await;
        kill();
    }
    let given = Given::new();
    let consumer = queue.consume(given.handler());
    drained(&queue).await;
    let letters = queue.dead().list(None, 10).await.unwrap();
    assert_eq!((letters.len(), letters[0].id(), letters[0].deliveries()), (1, Some(id), 3));
    assert!(letters[0].reason().contains("consumers ended") && given.items().is_empty());
    consumer.stop().await;
}
