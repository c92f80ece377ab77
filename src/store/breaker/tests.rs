//! When it opens and when not, in time that only passes where it is waited for.

use super::*;
use crate::store::Keyspace;
use std::collections::VecDeque;
use std::sync::LazyLock;
use std::sync::atomic::AtomicUsize;

const DEADLINE: Duration = Duration::from_millis(100);

/// What the store does with an operation.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answer,
    Refuse,
    /// Says nothing until the deadline.
    Hang,
    Break,
}

/// A store that does as it is told.
#[derive(Debug)]
struct Told {
    does: Mutex<(VecDeque<Does>, Does)>,
    asked: AtomicUsize,
    pinged: AtomicUsize,
}

impl Told {
    fn to(does: Does) -> (Arc<Self>, Breaker, Arc<Counters>) {
        let store =
            Arc::new(Self { does: Mutex::new((VecDeque::new(), does)), asked: AtomicUsize::default(), pinged: AtomicUsize::default() });
        let counters = Arc::new(Counters::default());
        (Arc::clone(&store), Breaker::new(store, Arc::clone(&counters)), counters)
    }

    fn now(&self, does: Does) {
        self.does.lock().unwrap().1 = does;
    }

    fn first(&self, does: impl IntoIterator<Item = Does>) {
        self.does.lock().unwrap().0.extend(does);
    }

    async fn act<T>(&self, answer: T) -> Result<T, StoreError> {
        let does = {
            let mut does = self.does.lock().unwrap();
            let next = does.0.pop_front();
            next.unwrap_or(does.1)
        };
        match does {
            Does::Answer => Ok(answer),
            Does::Refuse => Err(StoreError::Refused("OOM".into())),
            Does::Break => Err(StoreError::Backend("connection refused".into())),
            Does::Hang => {
                tokio::time::sleep(DEADLINE).await;
                Err(StoreError::Deadline(DEADLINE))
            }
        }
    }

    async fn do_<T>(&self, answer: T) -> Result<T, StoreError> {
        self.asked.fetch_add(1, SeqCst);
        self.act(answer).await
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    fn pinged(&self) -> usize {
        self.pinged.load(SeqCst)
    }
}

#[async_trait]
impl CacheStore for Told {
    async fn look_up(&self, _: &str, _: &[Tag]) -> Result<Lookup, StoreError> {
        self.do_(Lookup { entry: None, labels: Vec::new() }).await
    }
    async fn create(&self, _: &[Tag]) -> Result<Vec<Creation>, StoreError> {
        self.do_(Vec::new()).await
    }
    async fn fill(&self, _: &str, _: &[Tag], _: Bytes, _: Duration) -> Result<(), StoreError> {
        self.do_(()).await
    }
    async fn lease(&self, _: &str, _: &Wish, _: Duration) -> Result<Lease, StoreError> {
        self.do_(Lease::Granted).await
    }
    async fn settle_lease(&self, _: &str, _: &Wish, _: LeaseFate) -> Result<(), StoreError> {
        self.do_(()).await
    }
    async fn discard(&self, _: &str) -> Result<(), StoreError> {
        self.do_(()).await
    }
    async fn begin(&self, _: &[Tag], _: &FenceId, _: Duration) -> Result<(), StoreError> {
        self.do_(()).await
    }
    async fn end(&self, _: &[Tag], _: &FenceId) -> Result<Label, StoreError> {
        self.do_(Label::Absent).await
    }
    async fn clear_lapsed(&self, _: &Tag, _: &[FenceId]) -> Result<(), StoreError> {
        self.do_(()).await
    }
    async fn invalidate(&self, _: &[Tag]) -> Result<(), StoreError> {
        self.do_(()).await
    }
    async fn reclaim(&self, _: &Tag) -> Result<u64, StoreError> {
        self.do_(0).await
    }
    async fn delete_matching(&self, _: &str) -> Result<u64, StoreError> {
        self.do_(0).await
    }
    async fn ping(&self) -> Result<ServerIdentity, StoreError> {
        self.pinged.fetch_add(1, SeqCst);
        self.act(ServerIdentity::default()).await
    }
    fn whereabouts(&self) -> Whereabouts {
        Whereabouts::Network
    }
    fn sight(&self, _: &[Tag]) -> Option<Sight> {
        None
    }

    fn forget_near(&self, _: &[Tag]) {}
    fn keyspace(&self) -> &Keyspace {
        static NAMES: LazyLock<Keyspace> = LazyLock::new(|| Keyspace::new("sql"));
        &NAMES
    }

    fn mirrored(&self) -> Option<usize> {
        None
    }

    fn plain(&self) -> &dyn ValueStore {
        static NOBODYS: LazyLock<crate::store::MemoryStore> = LazyLock::new(|| crate::store::MemoryStore::new(Keyspace::new("sql"), 0));
        &*NOBODYS
    }
}

async fn read(breaker: &Breaker) -> Result<Lookup, StoreError> {
    breaker.look_up("key", &[]).await
}

fn is_open(breaker: &Breaker) -> bool {
    breaker.0.open.load().is_some()
}

/// Every operation fails at once, and none reaches the store.
async fn leaves_it_alone(store: &Told, breaker: &Breaker) {
    let (asked, since) = (store.asked(), Instant::now());
    let (tags, id) = ([Tag::all()], FenceId("x".into()));
    let refused = [
        breaker.look_up("key", &tags).await.map(drop),
        breaker.create(&tags).await.map(drop),
        breaker.fill("key", &tags, Bytes::new(), DEADLINE).await,
        breaker.discard("key").await,
        breaker.begin(&tags, &id, DEADLINE).await,
        breaker.end(&tags, &id).await.map(drop),
        breaker.clear_lapsed(&tags[0], &[]).await,
        breaker.invalidate(&tags).await,
        breaker.reclaim(&tags[0]).await.map(drop),
        breaker.delete_matching("sql:*").await.map(drop),
        breaker.ping().await.map(drop),
    ];
    for outcome in refused {
        assert!(matches!(outcome, Err(StoreError::Open(_))), "{outcome:?}");
    }
    assert!(store.asked() == asked && since.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn three_deadlines_open_it_and_an_answered_probe_closes_it() {
    let (store, breaker, counters) = Told::to(Does::Hang);
    let since = Instant::now();
    while !is_open(&breaker) {
        assert!(matches!(read(&breaker).await, Err(StoreError::Deadline(_))));
    }
    assert_eq!((since.elapsed(), store.asked()), (DEADLINE * 3, 3));
    let error = read(&breaker).await.unwrap_err();
    assert!(error.to_string().contains("no answer from the store within 100ms"), "{error}");
    leaves_it_alone(&store, &breaker).await;
    // However many come by: one probes, and less and less often.
    tokio::time::sleep(Duration::from_secs(60)).await;
    leaves_it_alone(&store, &breaker).await;
    let pings = store.pinged();
    assert!((95..=105).contains(&pings), "{pings} in a minute");
    store.now(Does::Answer);
    tokio::time::sleep(PAUSES.1 + DEADLINE).await;
    read(&breaker).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(store.pinged() <= pings + 2, "nobody probes any more");
    assert_eq!((counters.breaker_opened.load(Relaxed), counters.breaker_open.load(Relaxed)), (1, false));
}

/// Whatever is under way fails together, which is one failure.
#[tokio::test(start_paused = true)]
async fn a_hiccup_does_not_open_it() {
    let (store, breaker, _) = Told::to(Does::Answer);
    for _ in 0..20 {
        for _ in 0..2 {
            store.first([Does::Hang; 50]);
            let burst = (0..50).map(|_| read(&breaker));
            assert!(futures_util::future::join_all(burst).await.iter().all(Result::is_err));
        }
        for _ in 0..500 {
            read(&breaker).await.unwrap();
        }
        assert!(!is_open(&breaker));
        tokio::time::sleep(WINDOW).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_opens_it_as_fast_as_one_reader_does() {
    let (store, breaker, _) = Told::to(Does::Hang);
    let since = Instant::now();
    let reader = || async {
        while !is_open(&breaker) {
            let _ = read(&breaker).await;
        }
    };
    futures_util::future::join_all((0..100).map(|_| reader())).await;
    assert_eq!((since.elapsed(), store.asked()), (DEADLINE * 3, 300));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_one_in_three_is_too_slow() {
    let (store, breaker, _) = Told::to(Does::Hang);
    let since = Instant::now();
    while !is_open(&breaker) {
        store.first([Does::Hang, Does::Hang, Does::Answer]);
        for _ in 0..3 {
            let _ = read(&breaker).await;
        }
        assert!(since.elapsed() < WINDOW);
    }
    // One in ten is bearable.
    let (store, breaker, _) = Told::to(Does::Answer);
    for _ in 0..100 {
        store.first([Does::Break]);
        for _ in 0..10 {
            let _ = read(&breaker).await;
        }
    }
    assert!(!is_open(&breaker));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_answer() {
    let (store, breaker, _) = Told::to(Does::Refuse);
    for _ in 0..100 {
        assert!(matches!(read(&breaker).await, Err(StoreError::Refused(_))));
    }
    for _ in 0..10 {
        store.first([Does::Break, Does::Break, Does::Refuse]);
        for _ in 0..3 {
            let _ = read(&breaker).await;
        }
        tokio::time::sleep(WINDOW * 2).await;
    }
    assert!(!is_open(&breaker));
    // To a probe, too.
    store.first([Does::Break; 3]);
    for _ in 0..3 {
        let _ = read(&breaker).await;
    }
    assert!(is_open(&breaker));
    tokio::time::sleep(PAUSES.0 + DEADLINE).await;
    assert!(!is_open(&breaker));
}

/// It answers pings and nothing else: the pauses grow, so that ever fewer readers wait.
#[tokio::test(start_paused = true)]
async fn a_store_that_only_pings_is_asked_less_and_less() {
    let (store, breaker, counters) = Told::to(Does::Hang);
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        if is_open(&breaker) {
            store.first([Does::Answer]);
            while is_open(&breaker) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let _ = read(&breaker).await;
    }
    let opened = counters.breaker_opened.load(Relaxed);
    // 300 ms until it opens, then half a second.
    assert!((70..=80).contains(&opened), "{opened}");
}

#[test]
fn a_probe_may_lose_its_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (store, breaker, _) = Told::to(Does::Break);
    runtime().block_on(async {
        for _ in 0..3 {
            let _ = read(&breaker).await;
        }
        assert!(is_open(&breaker));
    });
    store.now(Does::Answer);
    runtime().block_on(async {
        while read(&breaker).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

#[tokio::test(start_paused = true)]
async fn the_probe_does_not_outlive_the_store() {
    let (store, breaker, _) = Told::to(Does::Break);
    for _ in 0..3 {
        let _ = read(&breaker).await;
    }
    drop(breaker);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((store.pinged(), Arc::strong_count(&store)), (0, 1));
}
