//! Loads beside a near cache that is behind: what is stored for all must not be what one process has not heard of yet.

use super::kit::{PATIENCE, memory};
use crate::faults::kit::{Home, READ, Server, WRITE};
use async_trait::async_trait;
use bytes::Bytes;
use sqlx::Sqlite;
use sqlx_cached::CachingExecutor;
use sqlx_cached::store::{
    CacheStore, Changes, Creation, FenceId, Generation, Keyspace, Label, Lease, LeaseFate, Lookup, ServerIdentity, Sight, StoreError, Tag,
    ValueStore, Whereabouts, Wish,
};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A store elsewhere whose pushes never come: what is mirrored is dropped by this process's own doing alone.
#[derive(Debug)]
struct Behind {
    inner: Arc<dyn CacheStore>,
    mirror: Mutex<HashMap<Tag, (Option<Generation>, Changes)>>,
}

impl Behind {
    fn over(inner: &Arc<dyn CacheStore>) -> Arc<dyn CacheStore> {
        Arc::new(Self { inner: Arc::clone(inner), mirror: Mutex::default() })
    }

    fn confirm(&self, tags: &[Tag], labels: &[Label]) {
        let mut mirror = self.mirror.lock().expect("the mirror");
        for (tag, label) in tags.iter().zip(labels) {
            let (mirrored, changes) = mirror.entry(tag.clone()).or_default();
            let standing = if let Label::Standing(generation) = label { Some(*generation) } else { None };
            if *mirrored != standing {
                changes.note();
                *mirrored = standing;
            }
        }
    }
}

#[async_trait]
impl CacheStore for Behind {
    async fn look_up(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        let found = self.inner.look_up(key, tags).await?;
        self.confirm(tags, &found.labels);
        Ok(found)
    }

    async fn create(&self, tags: &[Tag]) -> Result<Vec<Creation>, StoreError> {
        self.inner.create(tags).await
    }

    async fn fill(&self, key: &str, tags: &[Tag], entry: Bytes, ttl: Duration) -> Result<(), StoreError> {
        self.inner.fill(key, tags, entry, ttl).await?;
        self.confirm(tags, &self.inner.look_up(key, tags).await?.labels);
        Ok(())
    }

    async fn lease(&self, key: &str, wish: &Wish, time: Duration) -> Result<Lease, StoreError> {
        self.inner.lease(key, wish, time).await
    }

    async fn settle_lease(&self, key: &str, wish: &Wish, fate: LeaseFate) -> Result<(), StoreError> {
        self.inner.settle_lease(key, wish, fate).await
    }

    async fn discard(&self, key: &str) -> Result<(), StoreError> {
        self.inner.discard(key).await
    }

    async fn begin(&self, tags: &[Tag], id: &FenceId, lease: Duration) -> Result<(), StoreError> {
        self.inner.begin(tags, id, lease).await
    }

    async fn end(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError> {
        self.inner.end(tags, id).await
    }

    async fn clear_lapsed(&self, tag: &Tag, ids: &[FenceId]) -> Result<(), StoreError> {
        self.inner.clear_lapsed(tag, ids).await
    }

    async fn invalidate(&self, tags: &[Tag]) -> Result<(), StoreError> {
        self.inner.invalidate(tags).await
    }

    async fn reclaim(&self, tag: &Tag) -> Result<u64, StoreError> {
        self.inner.reclaim(tag).await
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, StoreError> {
        self.inner.delete_matching(pattern).await
    }

    async fn ping(&self) -> Result<ServerIdentity, StoreError> {
        self.inner.ping().await
    }

    fn whereabouts(&self) -> Whereabouts {
        Whereabouts::Machine
    }

    fn sight(&self, tags: &[Tag]) -> Option<Sight> {
        let mirror = self.mirror.lock().expect("the mirror");
        let slots: Option<Vec<_>> =
            tags.iter().map(|tag| mirror.get(tag).and_then(|(mirrored, changes)| Some(((*mirrored)?, changes)))).collect();
        Some(Sight::new(0, slots?))
    }

    fn forget_near(&self, tags: &[Tag]) {
        self.confirm(tags, &vec![Label::Absent; tags.len()]);
    }

    fn keyspace(&self) -> &Keyspace {
        self.inner.keyspace()
    }

    fn mirrored(&self) -> Option<usize> {
        Some(0)
    }

    fn plain(&self) -> &dyn ValueStore {
        self.inner.plain()
    }
}

/// An executor that is behind, and another one, of the same database and store.
async fn both() -> (Home<Sqlite>, CachingExecutor<Sqlite>, CachingExecutor<Sqlite>) {
    let (home, store) = (Sqlite::home().await, memory());
    let behind = home.executor(Behind::over(&store)).await;
    let other = home.executor(store).await;
    (home, behind, other)
}

/// Reads until the answer is near.
async fn near(executor: &CachingExecutor<Sqlite>) -> i64 {
    let since = Instant::now();
    let hits = executor.stats().near_hits;
    loop {
        let value = Sqlite::number(executor, READ).await.unwrap();
        if executor.stats().near_hits > hits {
            return value;
        }
        assert!(since.elapsed() < PATIENCE, "no near hit: {}", executor.stats());
    }
}

#[tokio::test]
async fn what_is_loaded_after_a_deletion_is_no_near_hit_from_before_it() {
    let (_home, here, there) = both().await;
    let cache = here.cache();
    let old = near(&here).await;
    Sqlite::run(&there, WRITE).await.unwrap();
    there.cache().delete("k").await.unwrap();
    assert_eq!(near(&here).await, old, "no push has come: else this test shows nothing");
    let loaded = cache.get_or_set("k", async || Sqlite::number(&here, READ).await).await.unwrap();
    assert_eq!(loaded, old + 1);
    assert_eq!(there.cache().get("k").await.unwrap(), Some(old + 1), "nor is it stored for everybody");
}

#[tokio::test]
async fn what_is_read_after_a_look_at_the_tables_is_no_near_hit_from_before_it() {
    let (_home, here, there) = both().await;
    let counters = here.cache().depends_on(["counters", "others"]);
    let old = near(&here).await;
    Sqlite::run(&there, WRITE).await.unwrap();
    assert_eq!(near(&here).await, old, "no push has come: else this test shows nothing");
    let seen = counters.seen().await;
    let read = Sqlite::number(&here, READ).await.unwrap();
    assert_eq!(read, old + 1);
    assert!(seen.set("k", &read).await.unwrap());
    assert_eq!(there.cache().get("k").await.unwrap(), Some(old + 1));
}

#[tokio::test]
async fn a_value_of_tables_within_a_load_is_none_from_before_it() {
    let (_home, here, there) = both().await;
    let (cache, counters) = (here.cache(), here.cache().depends_on(["counters"]));
    near(&here).await;
    assert!(counters.seen().await.set("inner", &0).await.unwrap());
    near(&here).await;
    assert_eq!(cache.get("inner").await.unwrap(), Some(0));
    Sqlite::run(&there, WRITE).await.unwrap();
    let outer = cache.get_or_set("outer", async || Ok::<_, sqlx_cached::Error>(cache.get::<i64>("inner").await?)).await.unwrap();
    assert_eq!(outer, None, "the write has ended it");
}

#[tokio::test]
async fn a_load_that_asks_for_itself_does_not_wait_for_itself() {
    let (_home, here, _) = both().await;
    let cache = here.cache();
    let since = Instant::now();
    let load = async || {
        let middle = async || cache.get_or_set("k", async || Ok::<_, Infallible>(1)).await.map(|inner| inner + 1);
        cache.get_or_set("other", middle).await.map(|middle| middle + 1)
    };
    assert_eq!(cache.get_or_set("k", load).await.unwrap(), 3);
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    assert_eq!(cache.get("k").await.unwrap(), Some(3), "it is kept all the same");
}
