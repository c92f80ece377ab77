//! What other programs leave at a cache's keys, and values that look like it.

use super::kit::Stage;
use sqlx_cached::Format;
use std::convert::Infallible;
use std::time::{Duration, Instant};

/// Bytes that look like what the cache itself writes.
#[tokio::test]
async fn bytes_that_look_like_frames_are_bytes() {
    let id = [7; 16];
    let looks: Vec<Vec<u8>> = vec![
        b"SQV1".to_vec(),
        b"SQV1\0\0\0\0".to_vec(),
        [b"SQV1\x01\0\0\0", &id[..]].concat(),
        [b"SQV1\x02\0\0\0", &id[..], b"1"].concat(),
        [b"SQV1\0\0\0\0", &id[..], b"\0\0", &[0; 8]].concat(),
        b"null".to_vec(),
        b"\xff\xfe\0".to_vec(),
        vec![],
    ];
    for stage in Stage::all().await {
        for bytes in &looks {
            assert!(stage.cache.set_bytes("v", bytes.clone()).await.unwrap(), "{}", stage.name);
            assert_eq!(stage.cache.get_bytes("v").await.unwrap().as_deref(), Some(&bytes[..]), "{}", stage.name);
            assert!(stage.cache.exists("v").await.unwrap());
            assert_eq!(stage.cache.get::<String>("v").await.unwrap(), None, "bytes are no text");
        }
    }
}

/// Whatever stands there, nobody is given a wrong value, and the next load puts it right.
#[tokio::test]
async fn what_others_planted_is_read_if_it_is_json_and_else_nothing() {
    let id = [7; 16];
    let planted: Vec<(Vec<u8>, Option<u32>)> = vec![
        (b"7".to_vec(), Some(7)),
        (b" \n7\t".to_vec(), Some(7)),
        (b"007".to_vec(), None),
        (b"7 8".to_vec(), None),
        (b"-7".to_vec(), None),
        (b"7.5".to_vec(), None),
        (b"\"7\"".to_vec(), None),
        (b"null".to_vec(), None),
        (b"[".repeat(100_000), None),
        (vec![], None),
        (b"\xff\xfe".to_vec(), None),
        (b"\0".to_vec(), None),
        (b"SQV".to_vec(), None),
        (b"SQV1".to_vec(), None),
        (b"SQV2\0\0\0\0".to_vec(), None),
        ([b"SQV1\0\0\0\0", &id[..]].concat(), None),
        ([b"SQV1\0\x63\xff\xff", &id[..], &[0xff; 100]].concat(), None),
        ([b"SQV1\x07\0\0\0", &id[..]].concat(), None),
        ([b"SQV1\x01\0\0\x01", &id[..]].concat(), None),
        ([b"SQV1\x01\0\0\0", &id[..], b"and more"].concat(), None),
        ([b"SQV1\x02\0\0\0", &id[..]].concat(), None),
        ([b"SQV1\x02\0\0\0", &id[..], b"99999999999999999999"].concat(), None),
        ([b"SQV1\x02\0\0\0", &id[..], b"x"].concat(), None),
    ];
    for stage in Stage::all().await {
        for (bytes, value) in &planted {
            let what = format!("{} {:?}", stage.name, String::from_utf8_lossy(&bytes[..bytes.len().min(30)]));
            stage.plant("v", bytes).await;
            assert_eq!(stage.cache.get::<u32>("v").await.unwrap(), *value, "{what}");
            assert_eq!(stage.cache.mget::<u32>(&["v"]).await.unwrap(), [*value], "{what}");
            let _ = (stage.cache.get_bytes("v").await.unwrap(), stage.cache.exists("v").await.unwrap());
            let replies = stage.cache.pipeline().get("v").unwrap().run().await.unwrap();
            assert_eq!(replies.value::<u32>(0), *value, "{what}");
            let since = Instant::now();
            for _ in 0..2 {
                let read = stage.cache.get_or_set("v", async || Ok::<u32, Infallible>(9)).await.unwrap();
                assert_eq!(read, value.unwrap_or(9), "{what}");
            }
            assert_eq!(stage.cache.get::<u32>("v").await.unwrap(), Some(value.unwrap_or(9)), "{what}: what can't be read is replaced");
            assert!(since.elapsed() < Duration::from_secs(2), "{what}: nobody waits for it");
            stage.plant("v", bytes).await;
            let _ = stage.cache.increment("v", 1).await;
            stage.plant("v", bytes).await;
            let read = stage.cache.depends_on(["counters"]).get_or_set("v", async || Ok::<u32, Infallible>(9)).await.unwrap();
            assert_eq!(read, 9, "{what}: what depends on tables says so");
        }
        stage.cache.set("s", &"text").await.unwrap();
        assert_eq!(
            (stage.cache.get::<u8>("s").await.unwrap(), stage.cache.get::<String>("s").await.unwrap()),
            (None, Some("text".to_owned()))
        );
        assert_eq!(stage.cache.get_or_set("s", async || Ok::<_, Infallible>(5_u8)).await.unwrap(), 5);
        assert_eq!(stage.cache.get::<u8>("s").await.unwrap(), Some(5), "{}: whoever loads says what belongs there", stage.name);
    }
}

/// A value of every format is read by whoever asks in another one.
#[tokio::test]
async fn each_value_tells_how_it_is_to_be_read() {
    for stage in [Stage::embedded().await, Stage::compressed().await] {
        let (json, packed) = (&stage.cache, stage.cache.format(Format::MessagePack));
        let value = vec![Some("x".repeat(3000)), None];
        json.set("v", &value).await.unwrap();
        assert_eq!(packed.get("v").await.unwrap(), Some(value.clone()));
        packed.set("v", &value).await.unwrap();
        assert_eq!(json.get("v").await.unwrap(), Some(value), "{}", stage.name);
    }
}

/// A hash, a list: nobody stumbles over them.
#[tokio::test]
async fn values_of_other_types_are_nothing() {
    for stage in [Stage::redis().await, Stage::compressed().await] {
        let redis = stage.redis.as_ref().unwrap();
        let plants: [&[&str]; 4] =
            [&["HSET", "kv:v", "a", "1"], &["RPUSH", "kv:v", "1"], &["SADD", "kv:v", "1"], &["ZADD", "kv:v", "1", "1"]];
        for plant in plants {
            redis.cli::<()>(&["DEL", "kv:v"]);
            redis.cli::<redis::Value>(plant);
            let cache = &stage.cache;
            assert_eq!((cache.get::<u8>("v").await.unwrap(), cache.get_bytes("v").await.unwrap()), (None, None), "{plant:?}");
            assert!(cache.exists("v").await.unwrap(), "there is something, of whatever type");
            assert!(cache.increment("v", 1).await.unwrap_err().is_store());
            assert!(cache.pipeline().get("v").unwrap().run().await.unwrap_err().is_store());
            assert_eq!(cache.mget::<u8>(&["v", "w"]).await.unwrap(), [None, None]);
            assert!(cache.expire("v", Duration::from_mins(1)).await.unwrap());
            assert_eq!(cache.get_or_set("v", async || Ok::<_, Infallible>(7)).await.unwrap(), 7);
            assert_eq!(cache.get("v").await.unwrap(), Some(7));
        }
    }
}
