//! Plain values with fields that must not be kept, and values of tables of which nothing is.

use super::kit::{MARKER, Place};
use crate::support::Redis;
use serde::Serialize;
use serde::ser::SerializeMap;
use sqlx::Sqlite;
use sqlx_cached::{Cache, CacheBuilder, Format};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

#[derive(Clone, Serialize, serde::Deserialize)]
struct User {
    name: String,
    password_hash: String,
}

/// What JSON can't write, and other formats can.
#[derive(Clone, Serialize, serde::Deserialize)]
struct Odd {
    by_place: BTreeMap<(i32, i32), i32>,
    password_hash: String,
}

/// Its field is spelled in another way.
struct Shouted;

impl Serialize for Shouted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("Password_Hash", MARKER)?;
        map.end()
    }
}

async fn cache(redis: &Redis, configure: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Cache {
    let builder = Cache::builder().redis_url(&redis.url()).compression_threshold(None);
    configure(builder).build().await.unwrap()
}

fn told(redis: &Redis) -> bool {
    let keys: Vec<String> = redis.cli(&["KEYS", "*"]);
    keys.iter().any(|key| {
        let bytes: Vec<u8> = redis.cli(&["DUMP", key]);
        bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes())
    })
}

#[tokio::test]
async fn no_field_that_is_denied_gets_into_the_store() {
    let redis = Redis::configured().arguments(&["--rdbcompression", "no"]).start();
    let denying = cache(&redis, |builder| builder.deny_columns(&["users.Password_Hash"])).await;
    let user = User { name: "Ada".to_owned(), password_hash: MARKER.to_owned() };
    let odd = Odd { by_place: [((1, 2), 3)].into(), password_hash: MARKER.to_owned() };
    let large: BTreeMap<&str, u128> = [("large", u128::MAX)].into();
    for cache in [denying.clone(), denying.format(Format::MessagePack)] {
        assert!(cache.set("k", &user).await.unwrap_err().is_value());
        assert!(cache.set("k", &[Some((1, &user))]).await.unwrap_err().is_value());
        assert!(cache.set("k", &odd).await.unwrap_err().is_value());
        assert!(cache.set("k", &Shouted).await.unwrap_err().is_value());
        assert!(cache.set("k", &large).await.is_err(), "nobody could look into it");
        assert!(cache.mset(&[("k", &user)]).await.is_err());
        assert!(cache.pipeline().set("k", &odd).is_err());
        let loaded = cache.get_or_set("k", async || Ok::<_, Infallible>(odd.clone())).await.unwrap();
        assert_eq!(loaded.password_hash, MARKER);
        cache.depends_on(["users"]).get_or_set("t", async || Ok::<_, Infallible>(user.clone())).await.unwrap();
        assert!(cache.depends_on(["users"]).seen().await.set("t", &odd).await.is_err());
        cache.write_through("w", async { Ok::<_, Infallible>(odd.clone()) }).await.unwrap();
        let queue = cache.write_behind::<Odd>("queue").build().unwrap();
        assert!(queue.push(&odd).await.unwrap_err().is_value());
        assert!(!told(&redis));
    }
    assert!(denying.set("k", &("password_hash", &user.name)).await.unwrap(), "a value is no field");
    assert!(cache(&redis, |builder| builder).await.set("k", &user).await.unwrap() && told(&redis), "else this test shows nothing");
}

#[tokio::test]
async fn nothing_is_kept_of_a_table_that_is_denied() {
    let redis = Redis::start();
    let cache = cache(&redis, |builder| builder.deny_tables(&["app.Secrets"])).await;
    for (table, kept) in [("secrets", false), ("APP.secrets", false), ("\"app\".\"Secrets\"", false), ("users", true)] {
        for tables in [vec![table], vec![table, "users"]] {
            let values = cache.depends_on(&tables);
            for value in [1, 2] {
                let loaded = values.get_or_set("k", async || Ok::<_, Infallible>(value)).await.unwrap();
                assert_eq!(loaded, if kept { 1 } else { value }, "{table}");
            }
            assert_eq!(values.seen().await.set("k", &1).await.unwrap(), kept);
            cache.delete("k").await.unwrap();
        }
    }
    // Without a table's name nobody knows.
    assert!(cache.time_to_live(Duration::from_mins(1)).set("k", &1).await.unwrap());
}

/// A value of a table with a column that is denied is kept, if it has no such field.
#[tokio::test]
async fn what_is_made_of_other_columns_is_kept() {
    let place = Place::<Sqlite>::new().await;
    let executor = place.executor(|builder| builder.deny_columns(&["users.password_hash"]).deny_tables(&["secrets"])).await;
    for (table, kept) in [("users", true), ("people", true), ("secrets", false), ("opened_again", false)] {
        let values = executor.cache().depends_on([table]);
        for _ in 0..3 {
            values.get_or_set("k", async || Ok::<_, Infallible>("Ada".to_owned())).await.unwrap();
        }
        assert_eq!(values.get::<String>("k").await.unwrap().is_some(), kept, "{table}");
        executor.cache().delete("k").await.unwrap();
    }
}
