//! Keys and values that somebody chose to do harm, and what other programs leave at a cache's keys.

use super::kit::{Stage, cache_of, cache_on, memory};
use crate::store_contract::keyspace;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx_cached::store::{CacheStore, MemoryStore};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;

/// No two of them may be taken for each other.
fn keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        " ",
        "\n",
        "\r\n",
        "\0",
        "\u{7f}",
        "*",
        "?",
        "[a]",
        "[",
        "]",
        "\\",
        "\\*",
        "^",
        "%",
        "%2A",
        "%s%n",
        "{",
        "}",
        "{}",
        "{a}",
        "{a}b",
        "a}b{",
        ":",
        "::",
        "/",
        "kv",
        "kv:k",
        "k:lease",
        "sql:users:gen",
        "../..",
        "ü",
        "u\u{308}",
        "\u{202e}",
        "日本",
        "🦀",
        "SQV1",
        "SQV1\u{1}\0\0\0",
        "'; DROP TABLE users; --",
        "$-1\r\n",
        "*3\r\n$3\r\nSET\r\n",
        "null",
        "\"",
        "_all",
        "_schema",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.extend(["a".repeat(250), "a".repeat(249), "ü".repeat(125), "*".repeat(250), "\0".repeat(250)]);
    keys
}

#[tokio::test]
async fn keys_are_texts_and_nothing_else() {
    for stage in Stage::all().await {
        let cache = stage.cache.scope("hostile");
        let keys = keys();
        for (number, key) in keys.iter().enumerate() {
            assert!(cache.set(key, &number).await.unwrap(), "{key:?}");
        }
        for (number, key) in keys.iter().enumerate() {
            let name = stage.name;
            assert_eq!(cache.get(key).await.unwrap(), Some(number), "{name} {key:?}");
            assert_eq!(cache.get_or_set(key, async || Ok::<usize, Infallible>(0)).await.unwrap(), number, "{name} {key:?}");
            assert!(cache.exists(key).await.unwrap() && cache.expire(key, None).await.unwrap(), "{name} {key:?}");
            let replies = cache.pipeline().get(key).unwrap().run().await.unwrap();
            assert_eq!(replies.value(0), Some(number), "{name} {key:?}");
        }
        assert_eq!(cache.mget::<usize>(&keys).await.unwrap(), (0..keys.len()).map(Some).collect::<Vec<_>>());
        let mut found = cache.keys("*", 1000).await.unwrap();
        let mut expected = keys.clone();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{}", stage.name);
        for key in &keys {
            // A pattern is limited as keys are, escaped or not.
            let pattern = sqlx_cached::Cache::escape(key);
            if pattern.len() <= 250 {
                assert_eq!(cache.keys(&pattern, 10).await.unwrap(), [key.as_str()], "{}", stage.name);
                assert_eq!(cache.delete_pattern(&pattern).await.unwrap(), 1, "{} {key:?}", stage.name);
            } else {
                assert!(cache.delete_pattern(&pattern).await.unwrap_err().is_key());
                assert!(cache.delete(key).await.unwrap());
            }
            assert!(!cache.exists(key).await.unwrap());
        }
        assert_eq!(cache.clear().await, 0);
    }
}

#[tokio::test]
async fn a_key_that_can_not_be_used_is_an_error_that_says_why() {
    for stage in [Stage::embedded().await, Stage::redis().await] {
        let cache = &stage.cache;
        for (key, words) in [(String::new(), "empty"), ("a".repeat(251), "CACHE_MAX_KEY_LENGTH"), ("ü".repeat(126), "252 bytes")] {
            let errors = [
                cache.get::<u8>(&key).await.unwrap_err(),
                cache.get_bytes(&key).await.unwrap_err(),
                cache.get_if(&key, async |_: &u8| true).await.unwrap_err(),
                cache.set(&key, &1).await.unwrap_err(),
                cache.set_bytes(&key, "x").await.unwrap_err(),
                cache.mget::<u8>(&["fine", &key]).await.unwrap_err(),
                cache.mset(&[("fine", 1), (&key, 1)]).await.unwrap_err(),
                cache.delete(&key).await.unwrap_err(),
                cache.delete_many(&["fine", &key]).await.unwrap_err(),
                cache.delete_pattern(&key).await.unwrap_err(),
                cache.exists(&key).await.unwrap_err(),
                cache.ttl_of(&key).await.unwrap_err(),
                cache.expire(&key, None).await.unwrap_err(),
                cache.increment(&key, 1).await.unwrap_err(),
                cache.keys(&key, 1).await.unwrap_err(),
                cache.pipeline().set(&key, &1).unwrap_err(),
                cache.name(&key).unwrap_err(),
            ];
            for error in errors {
                assert!(error.is_key() && error.to_string().contains(words), "{error}");
                assert!(error.to_string().len() < 400, "a long key is not repeated whole: {error}");
            }
            // The loader's value needs no key.
            assert_eq!(cache.get_or_set(&key, async || Ok::<_, Infallible>(7)).await.unwrap(), 7);
            assert_eq!(cache.depends_on(["t"]).get_or_set(&key, async || Ok::<_, Infallible>(7)).await.unwrap(), 7);
            assert_eq!(cache.refresh(&key, async || Ok::<_, Infallible>(7)).await.unwrap(), 7);
            assert_eq!(cache.write_through(&key, async { Ok::<_, Infallible>(7) }).await.unwrap(), 7);
        }
        assert!(!cache.exists("fine").await.unwrap(), "all keys are checked before any is used");
    }
}

/// Stored, loaded and given back as it was.
async fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(stage: &Stage, value: T) {
    let name = stage.name;
    assert!(stage.cache.set("v", &value).await.unwrap(), "{name}: {value:?}");
    assert_eq!(stage.cache.get::<T>("v").await.unwrap().as_ref(), Some(&value), "{name}");
    stage.cache.delete("v").await.unwrap();
    for _ in 0..2 {
        let loaded = stage.cache.get_or_set("v", async || Ok::<_, Infallible>(&value).map(|value| Again(value).give())).await.unwrap();
        assert_eq!(loaded, value, "{name}");
    }
    assert_eq!(stage.cache.mget::<T>(&["v"]).await.unwrap(), [Some(value)], "{name}");
}

/// Another one of the same value, by another way than the one under test.
struct Again<'a, T>(&'a T);

impl<T: Serialize + DeserializeOwned> Again<'_, T> {
    fn give(&self) -> T {
        rmp_serde::from_slice(&rmp_serde::to_vec_named(self.0).expect("a value")).expect("the same")
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Tuple(u8, String),
    Struct { x: Option<i64> },
}

#[tokio::test]
async fn values_come_back_as_they_were() {
    for stage in Stage::all().await {
        let stage = &stage;
        comes_back(stage, None::<u8>).await;
        comes_back(stage, Some(0_u8)).await;
        comes_back(stage, ()).await;
        comes_back(stage, String::new()).await;
        comes_back(stage, "\0\u{1}\u{7f}\"\\\u{2028}🦀".repeat(1000)).await;
        comes_back(stage, Vec::<u8>::new()).await;
        comes_back(stage, (0..=255).collect::<Vec<u8>>()).await;
        comes_back(stage, [u64::MAX, 0]).await;
        comes_back(stage, [i64::MIN, i64::MAX]).await;
        comes_back(stage, [i128::MIN, i128::MAX]).await;
        comes_back(stage, u128::MAX).await;
        comes_back(stage, [true, false]).await;
        comes_back(stage, 'ü').await;
        comes_back(stage, (1, "two".to_owned(), [3.5])).await;
        comes_back(stage, vec![Shape::Unit, Shape::Tuple(1, String::new()), Shape::Struct { x: None }, Shape::Struct { x: Some(-1) }])
            .await;
        comes_back(stage, HashMap::from([(String::new(), vec![None, Some(1)]), ("a\0".to_owned(), vec![])])).await;
        comes_back(stage, BTreeMap::from([(u64::MAX, "integers are keys in JSON, too".to_owned())])).await;
        comes_back(stage, "SQV1".to_owned()).await;
    }
}

/// The nearest one is not near enough.
#[tokio::test]
async fn floats_come_back_to_the_last_bit() {
    for stage in [Stage::embedded().await, Stage::message_pack().await] {
        let mut floats = vec![0.0, -0.0, f64::MIN, f64::MAX, f64::MIN_POSITIVE, f64::EPSILON, 5e-324, 0.1 + 0.2, 1.0 / 3.0];
        floats.extend(std::iter::repeat_with(|| f64::from_bits(rand::random())).filter(|float| float.is_finite()).take(20_000));
        stage.cache.set("f", &floats).await.unwrap();
        let read: Vec<f64> = stage.cache.get("f").await.unwrap().unwrap();
        let wrong: Vec<_> = floats.iter().zip(&read).filter(|(a, b)| a.to_bits() != b.to_bits()).collect();
        assert!(wrong.is_empty(), "{}: {} of {}, such as {:?}", stage.name, wrong.len(), floats.len(), wrong[0]);
        let floats: Vec<f32> =
            std::iter::repeat_with(|| f32::from_bits(rand::random())).filter(|float| float.is_finite()).take(5000).collect();
        stage.cache.set("f", &floats).await.unwrap();
        assert_eq!(stage.cache.get::<Vec<f32>>("f").await.unwrap().unwrap(), floats);
    }
}

struct Broken;

impl Serialize for Broken {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("broken"))
    }
}

/// Either an error, or nothing, or the loader's: never another value.
#[tokio::test]
async fn what_a_format_can_not_write_is_an_error_or_nothing() {
    for stage in [Stage::embedded().await, Stage::redis().await, Stage::message_pack().await] {
        let is_json = stage.name != "MessagePack";
        let pairs = BTreeMap::from([((1, 2), 3)]);
        let set = stage.cache.set("v", &pairs).await;
        assert_eq!(set.is_err(), is_json, "{}", stage.name);
        if let Err(error) = set {
            assert!(error.is_value() && error.to_string().contains("JSON"), "{error}");
        }
        for _ in 0..2 {
            assert_eq!(stage.cache.get_or_set("v", async || Ok::<_, Infallible>(pairs.clone())).await.unwrap(), pairs);
            let read = stage.cache.get_or_set("nan", async || Ok::<_, Infallible>(f64::NAN)).await.unwrap();
            assert!(read.is_nan(), "{}", stage.name);
        }
        stage.cache.set("inf", &[f64::INFINITY]).await.unwrap();
        assert_eq!(stage.cache.get::<[f64; 1]>("inf").await.unwrap(), (!is_json).then_some([f64::INFINITY]), "{}", stage.name);
        stage.cache.set("old", &1).await.unwrap();
        let errors = [
            stage.cache.set("old", &Broken).await.unwrap_err(),
            stage.cache.mset(&[("old", Broken)]).await.unwrap_err(),
            stage.cache.pipeline().set("old", &Broken).unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.is_value() && error.to_string().contains("broken")), "{errors:?}");
        assert_eq!(stage.cache.get("old").await.unwrap(), Some(1));
        // Of a write that was made, the old value is no answer.
        assert!(stage.cache.write_through("old", async { Ok::<_, Infallible>(Broken) }).await.is_ok());
        assert!(!stage.cache.exists("old").await.unwrap(), "{}", stage.name);
    }
}

#[tokio::test]
async fn values_of_the_limit_are_kept_and_of_one_byte_more_refused() {
    const LIMIT: usize = 4 << 20;
    // Of the embedded store no value takes more than a part, which depends on how many cores there are.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let large: Arc<dyn CacheStore> = Arc::new(MemoryStore::new(keyspace(), cores * 4 * (20 << 20)));
    let embedded = Stage { cache: cache_on(&large).await, store: large, ..Stage::embedded().await };
    for stage in [embedded, Stage::redis().await, Stage::compressed().await, Stage::message_pack().await] {
        let bytes = |length: usize| (0..length).map(|at| u8::try_from(at * at % 251).unwrap()).collect::<Vec<u8>>();
        assert!(stage.cache.set_bytes("v", bytes(LIMIT)).await.unwrap(), "{}", stage.name);
        assert_eq!(stage.cache.get_bytes("v").await.unwrap().unwrap(), bytes(LIMIT), "{}", stage.name);
        let error = stage.cache.set_bytes("v", bytes(LIMIT + 1)).await.unwrap_err();
        assert!(error.is_value() && error.to_string().contains("CACHE_MAX_ENTRY_BYTES"), "{error}");
        assert_eq!(stage.cache.get_bytes("v").await.unwrap().unwrap().len(), LIMIT, "what was there is there");
        // As text: five bytes of MessagePack's header, or two quotes.
        let most = LIMIT - if stage.name == "MessagePack" { 5 } else { 2 };
        assert!(stage.cache.set("t", &"x".repeat(most)).await.unwrap());
        assert_eq!(stage.cache.get::<String>("t").await.unwrap().unwrap().len(), most);
        assert!(stage.cache.set("t", &"x".repeat(most + 1)).await.unwrap_err().is_value());
        stage.cache.delete("t").await.unwrap();
        for _ in 0..2 {
            let large = stage.cache.get_or_set("t", async || Ok::<_, Infallible>("x".repeat(most + 1))).await.unwrap();
            assert_eq!(large.len(), most + 1);
        }
        assert!(!stage.cache.exists("t").await.unwrap());
    }
    let small = cache_of(&memory(), |builder| builder.max_value_bytes(3).max_key_length(1)).await;
    assert!(small.set("k", &100).await.unwrap() && small.set("k", &1000).await.is_err() && small.set("kk", &1).await.is_err());
}
