//! Several steps at once.

use super::{MINUTE, about, left, set, text};
use sqlx_cached::store::{Operation, Outcome, StoreError, ValueStore};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

pub async fn batches(store: &dyn ValueStore) {
    // Braces, so that a cluster keeps them together.
    let key = |name: &str| format!("{{batch}}:{name}");
    set(store, &key("old"), "x").await;
    let operations = [
        Operation::Get(key("a")),
        Operation::Set(key("a"), text("1"), Some(MINUTE)),
        Operation::Get(key("a")),
        Operation::Increment(key("a"), 4, Some(10 * MINUTE)),
        Operation::Increment(key("n"), 4, Some(MINUTE)),
        Operation::Expire(key("a"), None),
        Operation::Expire(key("a"), None),
        Operation::Expire(key("none"), None),
        Operation::Expire(key("none"), Some(MINUTE)),
        Operation::Expire(key("a"), Some(MINUTE)),
        Operation::Delete(key("old")),
        Operation::Delete(key("old")),
        Operation::Get(key("old")),
    ];
    let outcomes = [
        Outcome::Value(None),
        Outcome::Done(true),
        Outcome::Value(Some(text("1"))),
        Outcome::Number(5),
        Outcome::Number(4),
        Outcome::Done(true),
        Outcome::Done(true),
        Outcome::Done(false),
        Outcome::Done(false),
        Outcome::Done(true),
        Outcome::Done(true),
        Outcome::Done(false),
        Outcome::Value(None),
    ];
    assert_eq!(store.batch(&operations).await.unwrap(), outcomes);
    assert!(about(left(store, &key("a")).await, MINUTE));
    assert!(about(left(store, &key("n")).await, MINUTE));
    assert_eq!(store.batch(&[]).await.unwrap(), []);

    // A step that is refused refuses the answer, not the other steps.
    set(store, &key("word"), "word").await;
    let refused = store
        .batch(&[
            Operation::Set(key("before"), text("1"), None),
            Operation::Increment(key("word"), 1, None),
            Operation::Set(key("after"), text("2"), None),
        ])
        .await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    let keys = ["before", "word", "after"].map(key);
    assert_eq!(store.values(&keys).await.unwrap(), [Some(text("1")), Some(text("word")), Some(text("2"))]);

    nobody_sees_half_of_it(store, &key("one"), &key("two")).await;
}

/// Two keys that are always written together are never seen apart.
async fn nobody_sees_half_of_it(store: &dyn ValueStore, one: &str, two: &str) {
    let done = AtomicBool::new(false);
    let write = async {
        for round in 0..200 {
            let value = text(&round.to_string());
            let set = |key: &str| Operation::Set(key.to_owned(), value.clone(), None);
            let _ = store.batch(&[set(one), Operation::Get(one.to_owned()), set(two)]).await.unwrap();
        }
        done.store(true, SeqCst);
    };
    let read = async {
        while !done.load(SeqCst) {
            let outcomes = store.batch(&[Operation::Get(one.to_owned()), Operation::Get(two.to_owned())]).await.unwrap();
            assert_eq!(outcomes[0], outcomes[1]);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(write, read);
}
