//! What can be cached, and what becomes of a call.

use super::{Runs, caches, gone};
use async_trait::async_trait;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sqlx_cached::{Cache, CacheSource, Remaining, cached};
use std::fmt::Debug;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::{Barrier, Semaphore};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: i64,
    name: String,
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("there was an error")]
struct Failed;

impl From<std::num::ParseIntError> for Failed {
    fn from(_: std::num::ParseIntError) -> Self {
        Self
    }
}

fn user(id: i64, runs: usize) -> User {
    User { id, name: format!("user {id}, run {runs}") }
}

/// With `?`, `return`, and what is borrowed.
#[cached(ttl = "5m", prefix = "user", key = "{id}", skip(runs))]
async fn find(cache: &Cache, id: &str, runs: &Runs) -> Result<User, Failed> {
    let runs = runs.again();
    let id = id.parse()?;
    if id == 0 {
        return Err(Failed);
    }
    if id == 1 {
        return Ok(user(1, runs));
    }
    let name = tokio::task::yield_now().await;
    let () = name;
    Ok(user(id, runs))
}

#[tokio::test]
async fn a_value_is_computed_once_and_an_error_never_kept() {
    for (cache, _redis) in caches().await {
        let runs = Runs::default();
        for id in ["7", "1"] {
            let first = find(&cache, id, &runs).await.unwrap();
            assert_eq!(find(&cache, id, &runs).await.unwrap(), first);
            assert_eq!(cache.get::<User>(&format!("user:{id}")).await.unwrap(), Some(first));
        }
        assert_eq!(runs.so_far(), 2);
        let Some(Remaining::Left(left)) = cache.ttl_of("user:7").await.unwrap() else { panic!("it has no end") };
        assert!(left > Duration::from_secs(290) && left <= Duration::from_mins(5), "{left:?}");
        for id in ["0", "0", "seven", "seven"] {
            assert_eq!(find(&cache, id, &runs).await, Err(Failed));
        }
        assert_eq!(runs.so_far(), 6, "an error was kept");
    }
}

#[tokio::test]
async fn without_redis_the_function_works() {
    let (cache, runs) = (gone().await, Runs::default());
    for run in 1..=3 {
        assert_eq!(find(&cache, "7", &runs).await.unwrap(), user(7, run));
    }
    let off = Cache::builder().enabled(false).build().await.unwrap();
    assert_eq!(find(&off, "7", &runs).await.unwrap(), user(7, 4));
}

#[cached(prefix = "slow", key = "{id}", skip(runs, go))]
async fn slow(cache: Cache, id: i64, runs: Arc<Runs>, go: Arc<Semaphore>) -> Result<User, Failed> {
    let runs = runs.again();
    let _ = go.acquire().await;
    Ok(user(id, runs))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_at_once_share_one_run() {
    for (cache, _redis) in caches().await {
        let (runs, go, ready) = (Arc::new(Runs::default()), Arc::new(Semaphore::new(0)), Arc::new(Barrier::new(101)));
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (cache, runs, go, ready) = (cache.clone(), Arc::clone(&runs), Arc::clone(&go), Arc::clone(&ready));
                // Spawned: the future is `Send`.
                tokio::spawn(async move {
                    ready.wait().await;
                    slow(cache, 7, runs, go).await
                })
            })
            .collect();
        ready.wait().await;
        while runs.so_far() == 0 {
            tokio::task::yield_now().await;
        }
        go.add_permits(1000);
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap(), user(7, 1));
        }
        assert_eq!(runs.so_far(), 1);
    }
}

#[cached(none = "30s", skip(runs))]
async fn maybe(cache: &Cache, id: i64, runs: &Runs) -> Result<Option<User>, Failed> {
    let runs = runs.again();
    Ok((id > 0).then(|| user(id, runs)))
}

#[cached(skip(runs))]
async fn maybe_not(cache: &Cache, id: i64, runs: &Runs) -> Result<Option<User>, Failed> {
    let runs = runs.again();
    Ok((id > 0).then(|| user(id, runs)))
}

#[tokio::test]
async fn nothing_is_kept_only_where_that_is_said() {
    for (cache, _redis) in caches().await {
        let (kept, asked) = (Runs::default(), Runs::default());
        for _ in 0..3 {
            assert_eq!(maybe(&cache, 0, &kept).await, Ok(None));
            assert_eq!(maybe_not(&cache, 0, &asked).await, Ok(None));
            assert_eq!(maybe(&cache, 1, &kept).await, Ok(Some(user(1, 2))));
        }
        assert_eq!((kept.so_far(), asked.so_far()), (2, 3));
    }
}

#[derive(Debug)]
struct Shop {
    cache: Cache,
    tenant: String,
    runs: Runs,
}

impl CacheSource for Shop {
    fn cache(&self) -> Cache {
        self.cache.clone()
    }
}

trait Finds {
    async fn find(&self, id: i64) -> Result<User, Failed>;
}

#[async_trait]
trait FindsBoxed: Send + Sync {
    async fn find_boxed(&self, id: i64, kind: &str) -> Result<User, Failed>;
}

impl Shop {
    #[cached]
    pub(crate) async fn plain(&self, id: i64) -> Result<User, Failed> {
        Ok(user(id, self.runs.again()))
    }

    #[cached(prefix = "tenant", key = "{self.tenant}:{id:03}", cache = self.cache.scope("inner"))]
    async fn of_tenant(&self, id: i64) -> Result<User, Failed> {
        Ok(user(id, self.runs.again()))
    }

    #[cached(cache = shop.cache)]
    async fn associated(shop: &Shop, id: i64) -> Result<User, Failed> {
        Ok(user(id, shop.runs.again()))
    }

    #[cached]
    async fn shared(self: Arc<Self>, (id, name): (i64, String)) -> Result<User, Failed> {
        self.runs.again();
        Ok(User { id, name })
    }

    #[cached]
    fn opaque(&self, id: i64) -> impl Future<Output = Result<User, Failed>> + Send {
        async move { Ok(user(id, self.runs.again())) }
    }
}

impl Finds for Shop {
    #[cached]
    async fn find(&self, id: i64) -> Result<User, Failed> {
        Ok(user(id, self.runs.again()))
    }
}

#[async_trait]
impl FindsBoxed for Shop {
    #[cached(ttl = 60)]
    async fn find_boxed(&self, id: i64, kind: &str) -> Result<User, Failed> {
        if kind == "none" {
            return Err(Failed);
        }
        Ok(user(id, self.runs.again()))
    }
}

#[tokio::test]
async fn methods_of_every_kind_are_cached_each_for_itself() {
    for (cache, _redis) in caches().await {
        let shop = Arc::new(Shop { cache: cache.clone(), tenant: "a:b".to_owned(), runs: Runs::default() });
        for _ in 0..2 {
            assert_eq!(shop.plain(7).await, Ok(user(7, 1)));
            assert_eq!(shop.of_tenant(7).await, Ok(user(7, 2)));
            assert_eq!(Shop::associated(&shop, 7).await, Ok(user(7, 3)));
            assert_eq!(Arc::clone(&shop).shared((7, "Grace".to_owned())).await, Ok(User { id: 7, name: "Grace".to_owned() }));
            assert_eq!(shop.opaque(7).await, Ok(user(7, 5)));
            assert_eq!(shop.find(7).await, Ok(user(7, 6)));
            assert_eq!(shop.find_boxed(7, "any").await, Ok(user(7, 7)));
            assert_eq!(shop.find_boxed(7, "none").await, Err(Failed));
        }
        assert_eq!(shop.runs.so_far(), 7);
        assert!(cache.scope("inner").exists("tenant:a%3Ab:007").await.unwrap());
        let mut keys = cache.keys("*", 100).await.unwrap();
        // A claim that is being given up.
        keys.retain(|key| !key.contains("none"));
        keys.sort();
        assert_eq!(keys.len(), 6, "{keys:?}");
        assert!(keys.iter().all(|key| key.contains("macros.functions") && key.contains("Shop")), "{keys:?}");
    }
}

/// A type of its own per type that it is generic over.
#[derive(Debug)]
struct Store<T> {
    cache: Cache,
    of: T,
}

impl<T: Clone + Serialize + DeserializeOwned + Debug> CacheSource for Store<T> {
    fn cache(&self) -> Cache {
        self.cache.clone()
    }
}

impl<T: Clone + Serialize + DeserializeOwned + Debug> Store<T> {
    #[cached]
    async fn by_path(&self) -> Result<T, Failed> {
        Ok(self.of.clone())
    }

    #[cached(prefix = "store", key = "{Self}")]
    async fn by_prefix(&self) -> Result<T, Failed> {
        Ok(self.of.clone())
    }
}

#[cached]
async fn generic<T>(cache: &Cache, value: &str) -> Result<T, Failed>
where
    T: Serialize + DeserializeOwned + std::str::FromStr<Err = std::num::ParseIntError>,
{
    Ok(value.parse()?)
}

#[cached(prefix = "generic")]
async fn generic_with_prefix<T: Serialize + DeserializeOwned + Default, const N: usize>(cache: &Cache) -> Result<Vec<T>, Failed> {
    Ok((0..N).map(|_| T::default()).collect())
}

#[cached(prefix = "generic-key", key = "{T}:{N}")]
async fn generic_with_key<T: Serialize + DeserializeOwned + Default, const N: usize>(cache: &Cache) -> Result<Vec<T>, Failed> {
    Ok((0..N).map(|_| T::default()).collect())
}

#[cached]
async fn opaque_argument(cache: &Cache, id: impl Into<i64> + Serialize + Copy) -> Result<i64, Failed> {
    Ok(id.into() * i64::try_from(size_of_val(&id)).unwrap())
}

#[tokio::test]
async fn what_is_generic_is_cached_for_each_type() {
    for (cache, _redis) in caches().await {
        for _ in 0..2 {
            let (narrow, wide) = (Store { cache: cache.clone(), of: 1_u8 }, Store { cache: cache.clone(), of: 2_u64 });
            assert_eq!((narrow.by_path().await, wide.by_path().await), (Ok(1), Ok(2)));
            assert_eq!((narrow.by_prefix().await, wide.by_prefix().await), (Ok(1), Ok(2)));
            assert_eq!((generic::<u8>(&cache, "7").await, generic::<i64>(&cache, "-7").await), (Ok(7), Ok(-7)));
            assert_eq!(generic_with_prefix::<u8, 2>(&cache).await.unwrap(), [0, 0]);
            assert_eq!(generic_with_prefix::<String, 2>(&cache).await.unwrap(), ["", ""]);
            assert_eq!(generic_with_key::<u8, 2>(&cache).await.unwrap(), [0, 0]);
            assert_eq!(generic_with_key::<u8, 3>(&cache).await.unwrap(), [0, 0, 0]);
            assert_eq!((opaque_argument(&cache, 5_u8).await, opaque_argument(&cache, 5_i32).await), (Ok(5), Ok(20)));
        }
        assert!(cache.stats().hits >= 10, "{:?}", cache.stats());
    }
}

static CACHE: LazyLock<tokio::sync::OnceCell<Cache>> = LazyLock::new(tokio::sync::OnceCell::new);

/// Moved arguments, a pattern, a mutable one, a time that is known at run time, and a cache that is awaited.
#[cached(cache = CACHE.get_or_init(async || Cache::builder().build().await.unwrap()).await, ttl = Duration::from_secs(u64::from(hours)) * 3600)]
async fn awaited(mut names: Vec<String>, User { id, .. }: User, hours: u32) -> Result<Vec<String>, Failed> {
    names.push(format!("{id}, {hours}"));
    Ok(names)
}

#[tokio::test]
async fn the_cache_may_be_awaited() {
    for _ in 0..2 {
        assert_eq!(awaited(vec!["a".to_owned()], user(7, 0), 2).await.unwrap(), ["a", "7, 2"]);
    }
    assert_eq!(CACHE.get().unwrap().stats().hits, 1);
}
