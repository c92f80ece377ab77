//! Different arguments, different keys.

use super::{Runs, caches};
use rand::seq::IndexedRandom;
use serde::Serialize;
use sqlx_cached::{Cache, cached};
use std::collections::BTreeMap;
use std::convert::Infallible;

type Arguments = (String, String, Option<String>);

/// Each gives its own arguments back, so that a key in common hands one what is another's.
#[cached(prefix = "explicit", key = "{a}:{b}:{c:?}")]
async fn explicit(cache: &Cache, a: &str, b: &str, c: Option<&str>) -> Result<Arguments, Infallible> {
    Ok((a.to_owned(), b.to_owned(), c.map(str::to_owned)))
}

#[cached(prefix = "all")]
async fn all(cache: &Cache, a: &str, b: &str, c: Option<&str>) -> Result<Arguments, Infallible> {
    Ok((a.to_owned(), b.to_owned(), c.map(str::to_owned)))
}

#[cached]
async fn by_path(cache: &Cache, a: &str, b: &str, c: Option<&str>) -> Result<Arguments, Infallible> {
    Ok((a.to_owned(), b.to_owned(), c.map(str::to_owned)))
}

/// Few pieces, so that what is escaped wrongly soon comes out the same.
fn hostile() -> String {
    const PIECES: &[&str] = &[
        "",
        "",
        "a",
        "b",
        ":",
        "::",
        "*",
        "?",
        "[a]",
        "[",
        "]",
        "\\",
        "\\*",
        "^",
        "{",
        "}",
        "{a}",
        "%",
        "%3A",
        "%253A",
        "\"",
        "\",\"",
        ",",
        "null",
        " ",
        "\n",
        "\0",
        "\r\n",
        "\u{7f}",
        "ü",
        "\u{202e}",
        "🦀",
        "/",
        "#",
        "None",
        "Some(\"a\")",
    ];
    let mut rng = rand::rng();
    let mut text: String = (0..rand::random_range(0..4)).map(|_| *PIECES.choose(&mut rng).unwrap()).collect();
    if rand::random_ratio(1, 8) {
        // Too long for a key; the ends differ.
        text.insert_str(0, &"ü:".repeat(200));
    }
    text
}

#[tokio::test]
async fn no_two_tuples_of_arguments_share_a_value() {
    for (cache, redis) in caches().await {
        let rounds = if redis.is_some() { 1500 } else { 15_000 };
        let mut pool: Vec<Arguments> = Vec::new();
        for _ in 0..rounds {
            // One in two was asked for before, in this order or another.
            let (a, b, c) = match pool.choose(&mut rand::rng()) {
                Some((a, b, c)) if rand::random() => match rand::random_range(0..3) {
                    0 => (a.clone(), b.clone(), c.clone()),
                    1 => (b.clone(), a.clone(), c.clone()),
                    _ => (format!("{a}:{b}"), String::new(), c.clone()),
                },
                _ => (hostile(), hostile(), rand::random::<bool>().then(hostile)),
            };
            let own = (a.clone(), b.clone(), c.clone());
            assert_eq!(explicit(&cache, &a, &b, c.as_deref()).await.unwrap(), own);
            assert_eq!(all(&cache, &a, &b, c.as_deref()).await.unwrap(), own);
            assert_eq!(by_path(&cache, &a, &b, c.as_deref()).await.unwrap(), own);
            pool.push(own);
        }
        let stats = cache.stats();
        assert!(stats.hits > rounds / 2 && stats.misses > rounds / 2, "{stats:?}");
        let keys = cache.keys("*", 1_000_000).await.unwrap();
        assert!(keys.iter().all(|key| key.len() <= 250 && !key.contains(['\n', '\0', '*'])));
        assert!(keys.iter().any(|key| key.contains('^')), "no key was too long");
        // None too many, none too few.
        let distinct: std::collections::BTreeSet<_> = pool.iter().collect();
        assert_eq!(keys.len(), 3 * distinct.len());
    }
}

#[cached(prefix = "map", skip(runs))]
async fn of_a_map<K: Serialize + Ord + Sync>(cache: &Cache, map: &BTreeMap<K, i64>, runs: &Runs) -> Result<usize, Infallible> {
    Ok(runs.again())
}

/// JSON has no such maps.
#[tokio::test]
async fn an_argument_that_makes_no_key_is_no_error() {
    let (cache, runs) = (Cache::builder().build().await.unwrap(), Runs::default());
    let map = BTreeMap::from([((1, 2), 3)]);
    assert_eq!(of_a_map(&cache, &map, &runs).await, Ok(1));
    assert_eq!(of_a_map(&cache, &map, &runs).await, Ok(2));
    let map = BTreeMap::from([("a", 3)]);
    assert_eq!(of_a_map(&cache, &map, &runs).await, Ok(3));
    assert_eq!(of_a_map(&cache, &map, &runs).await, Ok(3));
}

/// A key that is too short for a hash: nothing is cached, nothing fails.
#[tokio::test]
async fn where_no_hash_has_room_nothing_is_cached() {
    let cache = Cache::builder().max_key_length(20).build().await.unwrap();
    let long = "x".repeat(30);
    assert_eq!(explicit(&cache, &long, "b", None).await.unwrap().0, long);
    assert!(cache.keys("*", 10).await.unwrap().is_empty());
}

/// Two functions of one name, in one function: their paths are the same.
async fn namesakes(cache: &Cache) -> (i64, i64) {
    let one = {
        #[cached]
        async fn number(cache: &Cache) -> Result<i64, Infallible> {
            Ok(1)
        }
        number(cache).await.unwrap()
    };
    let two = {
        #[cached]
        async fn number(cache: &Cache) -> Result<i64, Infallible> {
            Ok(2)
        }
        number(cache).await.unwrap()
    };
    (one, two)
}

#[tokio::test]
async fn functions_of_one_name_share_nothing() {
    let cache = Cache::builder().build().await.unwrap();
    assert_eq!(namesakes(&cache).await, (1, 2));
    assert_eq!(namesakes(&cache).await, (1, 2));
}
