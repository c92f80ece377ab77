//! What a recorder is told, and what Prometheus reads.

use crate::faults::kit::{Cache as Place, Home, READ, Server, WRITE, eventually};
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshot};
use sqlx::Sqlite;
use sqlx_cached::{Cache, CachingExecutor, metrics::render, metrics::render_with};
use std::collections::BTreeMap;

/// Metrics by name and labels, as `hits_total{backend="sqlite",cache="shop"}`, without the prefix.
fn told(snapshot: Snapshot) -> BTreeMap<String, (MetricKind, DebugValue)> {
    let line = |(key, _, described, value): (metrics_util::CompositeKey, _, Option<::metrics::SharedString>, DebugValue)| {
        let (kind, key) = key.into_parts();
        assert!(described.is_some(), "{key} is not described");
        let labels: Vec<String> = key.labels().map(|label| format!("{}=\"{}\"", label.key(), label.value())).collect();
        let name = key.name().strip_prefix("sqlx_cached_").expect("its prefix").to_owned();
        (format!("{name}{{{}}}", labels.join(",")), (kind, value))
    };
    snapshot.into_vec().into_iter().map(line).collect()
}

async fn executor(home: &Home<Sqlite>, place: &Place, name: &str) -> CachingExecutor<Sqlite> {
    home.build(|builder| builder.store(place.store()).metrics_name(name)).await
}

/// A debugging recorder hands each counter out once, so all that it ever said is added up here.
#[derive(Default)]
struct Counted(BTreeMap<String, u64>);

impl Counted {
    fn add(&mut self, snapshot: Snapshot) -> &mut Self {
        for (name, (_, value)) in told(snapshot) {
            if let DebugValue::Counter(number) = value {
                *self.0.entry(name).or_default() += number;
            }
        }
        self
    }

    fn of(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }
}

#[tokio::test]
async fn executors_add_up_under_one_name_and_are_told_apart_under_two() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    let (home, place) = (Sqlite::home().await, Place::memory());
    let (one, two, other) =
        (executor(&home, &place, "shop").await, executor(&home, &place, "shop").await, executor(&home, &place, "blog").await);
    for db in [&one, &two, &other] {
        for _ in 0..3 {
            home.check(db, READ).await;
        }
        home.check(&db.uncached(), READ).await;
        db.cache().get::<i32>("user:7").await.unwrap();
    }
    Sqlite::run(&one, WRITE).await.unwrap();
    let mut counted = Counted::default();
    let hits = |name: &str| format!("hits_total{{backend=\"sqlite\",cache=\"{name}\"}}");
    eventually("the pulses publish", async || {
        counted.add(snapshots.snapshot());
        (counted.of(&hits("shop")), counted.of(&hits("blog"))) == (Some(5), Some(3))
            && counted.of("writes_total{backend=\"sqlite\",cache=\"shop\"}") == Some(1)
    })
    .await;
    for (name, expected) in [
        ("misses_total{backend=\"sqlite\",cache=\"shop\"}", 1),
        ("misses_total{backend=\"sqlite\",cache=\"blog\"}", 0),
        ("bypasses_total{backend=\"sqlite\",cache=\"shop\",reason=\"uncached\"}", 2),
        ("bypasses_total{backend=\"sqlite\",cache=\"blog\",reason=\"uncached\"}", 1),
        ("value_misses_total{backend=\"sqlite\",cache=\"shop\"}", 2),
        ("freshness_checks_total{backend=\"sqlite\",cache=\"blog\",result=\"stale\"}", 0),
    ] {
        assert_eq!(counted.of(name), Some(expected), "{name}");
    }
    // What was counted before a reset is not lost, and nothing counts twice after it.
    home.check(&other, READ).await;
    other.reset_stats();
    home.check(&other, READ).await;
    other.cache().reset_stats();
    home.check(&other, READ).await;
    eventually("all of them", async || {
        counted.add(snapshots.snapshot());
        counted.of(&hits("blog")) >= Some(3 + 2)
    })
    .await;
    drop((one, two, other));
    let dropped = async || {
        counted.add(snapshots.snapshot());
        counted.of(&hits("blog")) == Some(3 + 2) && counted.of("misses_total{backend=\"sqlite\",cache=\"blog\"}") == Some(1)
    };
    eventually("what came last", dropped).await;
}

/// A recorder that panics whenever it is told something.
struct Wild;

impl ::metrics::CounterFn for Wild {
    fn increment(&self, _: u64) {
        panic!("a counter");
    }

    fn absolute(&self, _: u64) {
        panic!("a counter");
    }
}

impl ::metrics::HistogramFn for Wild {
    fn record(&self, _: f64) {
        panic!("a histogram");
    }
}

impl ::metrics::Recorder for Wild {
    fn describe_counter(&self, _: ::metrics::KeyName, _: Option<::metrics::Unit>, _: ::metrics::SharedString) {}

    fn describe_gauge(&self, _: ::metrics::KeyName, _: Option<::metrics::Unit>, _: ::metrics::SharedString) {}

    fn describe_histogram(&self, _: ::metrics::KeyName, _: Option<::metrics::Unit>, _: ::metrics::SharedString) {}

    fn register_counter(&self, _: &::metrics::Key, _: &::metrics::Metadata<'_>) -> ::metrics::Counter {
        ::metrics::Counter::from_arc(std::sync::Arc::new(Self))
    }

    fn register_gauge(&self, _: &::metrics::Key, _: &::metrics::Metadata<'_>) -> ::metrics::Gauge {
        panic!("a gauge");
    }

    fn register_histogram(&self, _: &::metrics::Key, _: &::metrics::Metadata<'_>) -> ::metrics::Histogram {
        ::metrics::Histogram::from_arc(std::sync::Arc::new(Self))
    }
}

/// It is the program's own, and yet no read is to fail by it: a miss is timed on a task that others wait for.
#[tokio::test]
async fn a_recorder_that_panics_harms_nobody() {
    let _guard = ::metrics::set_default_local_recorder(&Wild);
    let (home, place) = (Sqlite::home().await, Place::memory());
    let db = home.build(|builder| builder.store(place.store()).near_bytes(0)).await;
    for _ in 0..3 {
        home.check(&db, READ).await;
    }
    let stats = db.stats();
    assert_eq!((stats.hits, stats.misses, stats.latency.hit.count, stats.latency.miss.count), (2, 1, 2, 1));
    db.reset_stats();
    assert_eq!(db.stats().hits, 0);
    assert_eq!(db.days().await.unwrap()[0].hits, 2);
}

#[tokio::test]
async fn times_are_recorded_as_they_are_taken_and_gauges_say_how_things_stand() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    let (home, place) = (Sqlite::home().await, Place::memory());
    let db = home.build(|builder| builder.store(place.store()).near_bytes(0)).await;
    for _ in 0..5 {
        home.check(&db, READ).await;
    }
    let times = told(snapshots.snapshot());
    let taken = |outcome: &str| match times.get(&format!("latency_seconds{{backend=\"sqlite\",cache=\"sql\",outcome=\"{outcome}\"}}")) {
        Some((MetricKind::Histogram, DebugValue::Histogram(times))) => times.iter().map(|time| time.into_inner()).collect(),
        _ => Vec::<f64>::new(),
    };
    assert_eq!((taken("hit").len(), taken("miss").len(), taken("database").len()), (4, 1, 1), "without waiting for a pulse");
    let sane = |time: f64| time > 0.0 && time < 60.0;
    assert!(taken("hit").into_iter().chain(taken("miss")).all(sane) && taken("database")[0] <= taken("miss")[0]);
    let level = |levels: &BTreeMap<String, (MetricKind, DebugValue)>, name: &str| match levels
        .get(&format!("{name}{{backend=\"sqlite\",cache=\"sql\"}}"))
    {
        Some((MetricKind::Gauge, DebugValue::Gauge(level))) => Some(level.into_inner()),
        _ => None,
    };
    let mut levels = BTreeMap::new();
    eventually("the store has something in it", async || {
        levels = told(snapshots.snapshot());
        level(&levels, "store_memory_bytes").is_some_and(|bytes| bytes > 0.0)
    })
    .await;
    assert_eq!((level(&levels, "breaker_open"), level(&levels, "distrusted_tables")), (Some(0.0), Some(0.0)));
    assert_eq!(level(&levels, "store_memory_limit_bytes"), Some(f64::from(64 << 20)));
    assert_eq!(level(&levels, "near_bytes"), None, "there is no near cache");
}

/// A program's recorder and `render` say the same of the same counters.
#[tokio::test]
async fn what_prometheus_is_told_is_what_is_rendered() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    let (home, place) = (Sqlite::home().await, Place::memory());
    let db = executor(&home, &place, "shop").await;
    for _ in 0..3 {
        home.check(&db, READ).await;
    }
    Sqlite::run(&db, WRITE).await.unwrap();
    home.check(&db.uncached(), READ).await;
    db.cache().set("user:7", &1).await.unwrap();
    let labels = [("backend", "sqlite"), ("cache", "shop")];
    let numbers = |text: &str| -> BTreeMap<String, String> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#') && !line.contains("latency_seconds"));
        lines
            .map(|line| line.rsplit_once(' ').expect("a name and a number"))
            .map(|(name, number)| (name.to_owned(), number.to_owned()))
            .collect()
    };
    let (mut rendered, mut scraped) = (String::new(), String::new());
    eventually("a pulse publishes all of it", async || {
        rendered = render_with(&db.stats(), &db.health().await, Some(&db.cache().stats()), &labels);
        scraped = handle.render();
        numbers(&scraped) == numbers(&rendered)
    })
    .await;
    assert_eq!(numbers(&scraped)["sqlx_cached_near_hits_total{backend=\"sqlite\",cache=\"shop\"}"], "2");
    let heads = |text: &str| -> Vec<String> {
        let mut heads: Vec<_> = text.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect();
        heads.sort();
        heads
    };
    assert_eq!(heads(&scraped), heads(&rendered));
    let plain = render(&db.stats(), &db.health().await);
    assert!(plain.contains("\nsqlx_cached_hits_total 2\n") && !plain.contains("value_hits"), "{plain}");
    println!("{scraped}\n{rendered}");
}

#[tokio::test]
async fn a_cache_without_an_executor_publishes_its_values() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    let cache = Cache::builder().metrics_name("values").build().await.unwrap();
    cache.set("user:7", &1).await.unwrap();
    cache.get::<i32>("user:7").await.unwrap();
    let mut counted = Counted::default();
    eventually("its pulse", async || {
        counted.add(snapshots.snapshot());
        counted.of("value_hits_total{backend=\"none\",cache=\"values\"}") == Some(1)
    })
    .await;
    assert_eq!(counted.of("value_sets_total{backend=\"none\",cache=\"values\"}"), Some(1));
    assert!(counted.0.keys().all(|name| name.starts_with("value_")), "{:?}", counted.0);
}
