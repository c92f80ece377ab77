//! Invalidations that can't be delivered are kept, and no more of them than some thousand.

use super::kit::{ALL, Failing, Op};
use crate::faults::kit::{Cache, READ, Server, WRITE, eventually};
use sqlx::Sqlite;
use sqlx_cached::store::Tag;

const OTHERS: &str = "SELECT v FROM others WHERE id = 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_tables_than_are_kept_become_everything() {
    let home = Sqlite::home().await;
    let store = Failing::over(Cache::memory().store());
    let executor = home.executor(store.clone()).await;
    home.resumes(&executor, READ).await;
    home.resumes(&executor, OTHERS).await;
    store.fail(&[Op::Invalidate]);
    for number in 0..4000 {
        assert!(executor.invalidate_table(&format!("table_{number}")).await.unwrap_err().is_store());
    }
    assert_eq!(executor.health().await.distrusted, 4000);
    // What is none of theirs is trusted.
    let hits = executor.stats().hits;
    home.check(&executor, OTHERS).await;
    assert_eq!(executor.stats().hits, hits + 1);
    for number in 4000..4200 {
        assert!(executor.invalidate_table(&format!("table_{number}")).await.is_err());
    }
    let distrusted = executor.health().await.distrusted;
    assert!((1..=200).contains(&distrusted), "{distrusted}");
    home.check(&executor, OTHERS).await;
    assert_eq!(executor.stats().hits, hits + 1, "everything is distrusted");
    assert!(store.invalidated().is_empty());
    store.mend();
    eventually("everything is delivered", async || executor.health().await.distrusted == 0).await;
    let delivered = store.invalidated().concat();
    assert!(delivered.contains(&Tag::all()) && delivered.len() <= 200, "{} tags", delivered.len());
    home.check(&executor, OTHERS).await;
    assert_eq!(executor.stats().hits, hits + 1, "what was kept in the store is dead");
    home.resumes(&executor, OTHERS).await;
}

/// The store comes back: what is kept goes first, and until it has gone no look-up is trusted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_delivery_comes_before_any_trust() {
    let home = Sqlite::home().await;
    let store = Failing::over(Cache::memory().store());
    let executor = home.executor(store.clone()).await;
    for _ in 0..5 {
        home.resumes(&executor, READ).await;
        store.fail(&ALL);
        let old = home.direct(READ).await;
        Sqlite::run(&executor, WRITE).await.unwrap();
        // Reads are answered again, but nothing is delivered yet.
        store.mend();
        store.fail(&[Op::Invalidate]);
        for _ in 0..20 {
            assert_eq!(home.check(&executor, READ).await, old + 1);
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        assert_eq!(executor.health().await.distrusted, 1);
        store.mend();
        assert_eq!(home.check(&executor, READ).await, old + 1);
        home.resumes(&executor, READ).await;
    }
    eventually("no fence stays", async || store.fences() == 0).await;
}
