//! Every step of a claim: of who loads what belongs at a key, and of who writes it.

use super::{MINUTE, SHORT, about, delete, get, left, set, text};
use bytes::Bytes;
use sqlx_cached::store::{Claim, Claimed, Purpose, Settled, TimeLeft, ValueStore};
use std::time::Duration;

pub fn fill() -> Claim {
    fill_except(None)
}

pub fn fill_except(except: Option<[u8; 16]>) -> Claim {
    Claim { id: rand::random(), purpose: Purpose::Fill { except } }
}

pub fn write() -> Claim {
    Claim { id: rand::random(), purpose: Purpose::Write }
}

pub fn value(value: &str) -> Settled {
    Settled::Value(text(value), Some(MINUTE))
}

pub async fn claim(store: &dyn ValueStore, key: &str, claim: &Claim) -> Claimed {
    store.claim(key, claim, MINUTE).await.unwrap()
}

pub async fn settle(store: &dyn ValueStore, key: &str, claim: &Claim, settled: &Settled) -> bool {
    store.settle_claim(key, claim, settled).await.unwrap()
}

/// What stands at the key is nobody's value.
pub async fn is_claimed(store: &dyn ValueStore, key: &str) -> bool {
    get(store, key).await.is_some_and(|bytes| bytes.starts_with(b"SQV1"))
}

pub async fn a_load_is_stored_while_its_claim_stands(store: &dyn ValueStore) {
    let key = "claim:load";
    let (first, second) = (fill(), fill());
    assert_eq!(claim(store, key, &first).await, Claimed::Yes);
    assert!(is_claimed(store, key).await);
    let Claimed::There(there) = claim(store, key, &second).await else { panic!("claimed twice") };
    assert_eq!(Some(there), get(store, key).await, "whoever finds a claim is shown it");
    assert_eq!(claim(store, key, &first).await, Claimed::Yes, "repeated");
    assert!(!settle(store, key, &second, &value("second")).await && !settle(store, key, &second, &Settled::Nothing).await);
    assert!(!settle(store, key, &second, &Settled::Renewed(MINUTE)).await);
    assert!(settle(store, key, &first, &Settled::Renewed(10 * MINUTE)).await);
    assert!(about(left(store, key).await, 10 * MINUTE));
    for ttl in [None, Some(MINUTE)] {
        assert!(!store.expire(key, ttl).await.unwrap() && about(left(store, key).await, 10 * MINUTE), "a claim's time is its holder's");
    }
    assert!(settle(store, key, &first, &value("first")).await);
    assert_eq!(get(store, key).await, Some(text("first")));
    assert!(about(left(store, key).await, MINUTE));
    // The same requests once more, as after a connection that broke.
    assert!(!settle(store, key, &first, &value("again")).await && !settle(store, key, &first, &Settled::Nothing).await);
    assert_eq!(get(store, key).await, Some(text("first")));
    assert_eq!(claim(store, key, &second).await, Claimed::There(text("first")), "a value is not overwritten");

    // Without end, and given up.
    for (settled, found, time) in
        [(Settled::Value(text("x"), None), Some(text("x")), Some(TimeLeft::Endless)), (Settled::Nothing, None, None)]
    {
        delete(store, key).await;
        assert_eq!(claim(store, key, &first).await, Claimed::Yes);
        assert!(settle(store, key, &first, &settled).await);
        assert_eq!((get(store, key).await, left(store, key).await), (found, time));
    }

    // Deleted by its name, by a pattern, overwritten: what was read is not stored.
    for fate in 0..3 {
        delete(store, key).await;
        assert_eq!(claim(store, key, &first).await, Claimed::Yes);
        match fate {
            0 => assert!(delete(store, key).await),
            1 => assert_eq!(store.delete_names("claim:l*").await.unwrap(), 1),
            _ => set(store, key, "theirs").await,
        }
        assert!(!settle(store, key, &first, &value("stale")).await);
        assert!(!settle(store, key, &first, &Settled::Renewed(MINUTE)).await);
        assert_eq!(get(store, key).await, (fate == 2).then(|| text("theirs")));
    }

    // A framed value may be named that is no answer; any other is.
    let id: [u8; 16] = rand::random();
    let frame = Bytes::from([&b"SQV1\0\0\0\0"[..], &id, b"whatever is in it"].concat());
    store.set_values(&[(key.to_owned(), frame.clone())], None).await.unwrap();
    for other in [None, Some([0; 16]), Some(rand::random())] {
        assert_eq!(claim(store, key, &fill_except(other)).await, Claimed::There(frame.clone()));
    }
    let again = fill_except(Some(id));
    assert_eq!(claim(store, key, &again).await, Claimed::Yes);
    assert_eq!(claim(store, key, &again).await, Claimed::Yes, "repeated");
    assert_eq!(claim(store, key, &fill_except(Some(id))).await, Claimed::There(get(store, key).await.unwrap()));
    assert!(settle(store, key, &again, &value("fresh")).await);
    set(store, key, "").await;
    assert_eq!(claim(store, key, &fill_except(Some([0; 16]))).await, Claimed::There(Bytes::new()), "nothing is a value, too");
    delete(store, key).await;
}

pub async fn of_writers_that_overlap_none_stores(store: &dyn ValueStore) {
    let key = "claim:writers";
    // Alone, over whatever is there.
    set(store, key, "old").await;
    let alone = write();
    assert_eq!(claim(store, key, &alone).await, Claimed::Yes);
    assert_eq!(claim(store, key, &alone).await, Claimed::Yes, "repeated");
    assert!(settle(store, key, &alone, &value("new")).await);
    assert_eq!(get(store, key).await, Some(text("new")));
    assert_eq!(claim(store, key, &alone).await, Claimed::Yes);
    assert!(settle(store, key, &alone, &Settled::Nothing).await);
    assert_eq!(get(store, key).await, None);

    // Two or three at once, ending in each order.
    for order in [vec![0, 1], vec![1, 0], vec![0, 1, 2], vec![2, 0, 1], vec![1, 2, 0]] {
        let writers: Vec<_> = order.iter().map(|_| write()).collect();
        for writer in &writers {
            assert_eq!(claim(store, key, writer).await, Claimed::Yes);
        }
        for (ended, place) in order.iter().enumerate() {
            assert!(is_claimed(store, key).await, "{order:?}: until the last one is done nothing is known");
            assert!(matches!(claim(store, key, &fill()).await, Claimed::There(_)));
            assert!(settle(store, key, &writers[*place], &Settled::Renewed(MINUTE)).await, "each of them keeps it");
            assert!(about(left(store, key).await, MINUTE));
            assert!(!settle(store, key, &writers[*place], &value("whose?")).await, "{order:?} {ended}");
        }
        assert_eq!(get(store, key).await, None, "{order:?}");
    }

    // One more comes while the first of two is done: still none.
    let [a, b, c] = [write(), write(), write()];
    claim(store, key, &a).await;
    claim(store, key, &b).await;
    assert!(!settle(store, key, &a, &value("a")).await);
    claim(store, key, &c).await;
    assert!(!settle(store, key, &b, &value("b")).await && is_claimed(store, key).await);
    assert!(!settle(store, key, &c, &value("c")).await);
    assert_eq!(get(store, key).await, None);

    // The claim was deleted under its writer: whoever read since may have read too early.
    for meanwhile in ["", "read too early"] {
        claim(store, key, &a).await;
        delete(store, key).await;
        if !meanwhile.is_empty() {
            let reader = fill();
            claim(store, key, &reader).await;
            assert!(settle(store, key, &reader, &value(meanwhile)).await);
        }
        assert!(!settle(store, key, &a, &value("a")).await);
        assert_eq!(get(store, key).await, None);
    }
    // Deleted under the first of two, and the other one claims: they overlap all the same.
    claim(store, key, &a).await;
    delete(store, key).await;
    claim(store, key, &b).await;
    assert!(!settle(store, key, &a, &value("a")).await && is_claimed(store, key).await);
    assert!(!settle(store, key, &b, &value("b")).await);
    assert_eq!(get(store, key).await, None);
}

pub async fn a_write_and_a_load(store: &dyn ValueStore) {
    let key = "claim:both";
    // The write takes the load's claim along, in each order of their ends.
    for write_first in [true, false] {
        let (load, writer) = (fill(), write());
        assert_eq!(claim(store, key, &load).await, Claimed::Yes);
        assert_eq!(claim(store, key, &writer).await, Claimed::Yes);
        assert!(!settle(store, key, &load, &Settled::Renewed(MINUTE)).await);
        if write_first {
            assert!(settle(store, key, &writer, &value("new")).await);
            assert!(!settle(store, key, &load, &value("old")).await);
            assert_eq!(get(store, key).await, Some(text("new")));
        } else {
            assert!(!settle(store, key, &load, &value("old")).await);
            assert!(!settle(store, key, &load, &Settled::Nothing).await);
            assert!(is_claimed(store, key).await, "a load that ends leaves the write's claim");
            assert!(settle(store, key, &writer, &value("new")).await);
        }
        delete(store, key).await;
    }
    // A load under way when a write ends whose claim was deleted: it may have begun before the commit.
    let (load, writer) = (fill(), write());
    claim(store, key, &writer).await;
    delete(store, key).await;
    claim(store, key, &load).await;
    assert!(!settle(store, key, &writer, &value("new")).await);
    assert!(!settle(store, key, &load, &value("old")).await);
    assert_eq!(get(store, key).await, None);
}

pub async fn claims_run_out(store: &dyn ValueStore) {
    let key = "claim:time";
    let (load, writer) = (fill(), write());
    store.claim(key, &load, SHORT).await.unwrap();
    tokio::time::sleep(SHORT + Duration::from_millis(5)).await;
    assert!(!settle(store, key, &load, &Settled::Renewed(MINUTE)).await, "one that ran out does not come back");
    assert!(!settle(store, key, &load, &value("late")).await);
    assert_eq!(get(store, key).await, None);
    store.claim(key, &writer, SHORT).await.unwrap();
    tokio::time::sleep(SHORT + Duration::from_millis(5)).await;
    claim(store, key, &load).await;
    assert!(settle(store, key, &load, &value("read too early")).await);
    assert!(!settle(store, key, &writer, &value("late")).await);
    assert_eq!(get(store, key).await, None);
}
