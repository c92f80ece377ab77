//! A slot that goes over from one server to another, key by key, while it is in use.

use super::kit::{executor, home, names, read, store, store_with, write};
use crate::faults::kit::Server;
use crate::store_contract::{LEASE, TTL, create, entry, id, label, standing, table};
use crate::support::redis_cluster::RedisCluster;
use bytes::Bytes;
use sqlx::Sqlite;
use sqlx_cached::store::{CacheStore, Creation, Label, RedisAddress, Tag};

const ENTRY: &str = "sql:{ta}:data:1";

/// How often the server has answered with this error.
fn said(cluster: &RedisCluster, number: usize, error: &str) -> u64 {
    let info: String = cluster.nodes()[number].cli(&["INFO", "errorstats"]);
    let line = info.lines().find_map(|line| line.strip_prefix("errorstat_")?.strip_prefix(error)?.strip_prefix(":count="));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

#[tokio::test]
async fn a_slot_on_its_way_is_followed_key_by_key() {
    let cluster = RedisCluster::start().await;
    let store = store(&cluster);
    let tag = table("ta");
    let tags = std::slice::from_ref(&tag);
    let (generation, fence) = (names().generation(&tag), names().fence(&tag));
    let before = standing(&store, &tag).await;
    store.fill(ENTRY, &[], Bytes::from_static(b"x"), TTL).await.unwrap();
    let from = cluster.owner(&generation);
    let to = (from + 1) % 3;
    cluster.begin_migration(&generation, to);

    let lookup = store.look_up(ENTRY, tags).await.unwrap();
    assert!(lookup.entry.is_some() && lookup.labels == [Label::Standing(before)], "both are still there");
    cluster.migrate(ENTRY, from, to);
    let lookup = store.look_up(ENTRY, tags).await.unwrap();
    assert!(lookup.entry.is_some(), "each where it is");
    assert_eq!(lookup.labels, [Label::Standing(before)]);
    assert!(said(&cluster, from, "ASK") > 0, "the server must have pointed elsewhere");
    assert!(said(&cluster, to, "TRYAGAIN") + said(&cluster, from, "TRYAGAIN") > 0);
    assert_eq!(store.look_up("sql:{ta}:data:none", tags).await.unwrap().labels, [Label::Standing(before)]);

    // A write, while the fence is nowhere and the generation still here: it must stand before this returns.
    store.begin(tags, &id("a"), LEASE).await.unwrap();
    assert_eq!(label(&store, &tag).await, Label::Fenced);
    assert_eq!(create(&store, &tag).await, Creation::Fenced);
    assert_eq!(
        cluster.nodes()[to].try_cli::<String>(&["GET", &generation]).map_err(|e| e.code().map(str::to_owned)),
        Err(Some("MOVED".into()))
    );
    cluster.migrate(&generation, from, to);
    assert_eq!(label(&store, &tag).await, Label::Fenced, "and after the generation went over");
    assert_eq!(create(&store, &tag).await, Creation::Fenced);
    store.begin(tags, &id("b"), LEASE).await.unwrap();
    store.end(tags, &id("a")).await.unwrap();
    assert_eq!(create(&store, &tag).await, Creation::Fenced, "b still writes");
    store.end(tags, &id("b")).await.unwrap();
    assert_eq!(label(&store, &tag).await, Label::Absent);
    assert_eq!(create(&store, &tag).await, Creation::Fenced, "not while it can't be seen whether a fence stands");
    store.begin(tags, &id("c"), LEASE).await.unwrap();
    assert_eq!(store.delete_matching("sql:{ta}:data:*").await.unwrap(), 1);
    store.invalidate(tags).await.unwrap();

    cluster.end_migration(&generation, from, to);
    assert_eq!(create(&store, &tag).await, Creation::Fenced, "c's fence went over: {fence}");
    assert!(said(&cluster, from, "MOVED") > 0);
    store.end(tags, &id("c")).await.unwrap();
    let after = standing(&store, &tag).await;
    assert_ne!(after.server(), before.server());
    let moved = said(&cluster, from, "MOVED");
    for _ in 0..10 {
        assert_eq!(label(&store, &tag).await, Label::Standing(after));
    }
    assert_eq!(said(&cluster, from, "MOVED"), moved, "it is known by now where the slot is");
}

#[tokio::test]
async fn a_token_that_went_over_is_a_miss_and_the_near_cache_goes_along() {
    let cluster = RedisCluster::start().await;
    for (name, near) in [("ta", false), ("tb", true)] {
        let store = store_with(&cluster, |config| config.near = near);
        let tag = table(name);
        let tags = [tag.clone()];
        let generation = names().generation(&tag);
        let before = standing(&store, &tag).await;
        let key = format!("sql:{{{name}}}:data:1");
        store.fill(&key, &tags, Bytes::from_static(b"x"), TTL).await.unwrap();
        let from = cluster.owner(&generation);
        let to = (from + 1) % 3;
        cluster.begin_migration(&generation, to);
        cluster.end_migration(&generation, from, to);
        let there: Vec<u8> = cluster.nodes()[to].cli(&["GET", &generation]);
        assert_eq!(there, before.0, "the token itself went over");
        assert_eq!(label(&store, &tag).await, Label::Absent);
        assert!(entry(&store, &key).await.is_some());
        assert_ne!(standing(&store, &tag).await, before);
    }
}

/// Through executors, with tables in the moving slot read and written all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_goes_on_while_slots_move() {
    let cluster = RedisCluster::start().await;
    let home = home().await;
    for near in [false, true] {
        let one = executor(&home, RedisAddress::Cluster(cluster.seeds()), near).await;
        let other = executor(&home, RedisAddress::Cluster(cluster.seeds()), near).await;
        // The writer itself must see its writes at once, and others too where nothing is near.
        let check = async || {
            home.check(&one, &read("ta")).await;
            if !near {
                home.check(&other, &read("ta")).await;
            }
        };
        // A table's slot, everything's, and the schema's.
        for tag in [table("ta"), Tag::all(), Tag::schema()] {
            home.resumes(&one, &read("ta")).await;
            home.resumes(&other, &read("ta")).await;
            let generation = names().generation(&tag);
            let from = cluster.owner(&generation);
            let to = (from + 1) % 3;
            cluster.begin_migration(&generation, to);
            for _ in 0..5 {
                check().await;
                Sqlite::run(&one, &write("ta")).await.unwrap();
                check().await;
            }
            cluster.end_migration(&generation, from, to);
            for _ in 0..5 {
                check().await;
                Sqlite::run(&one, &write("ta")).await.unwrap();
                check().await;
            }
            let took = home.resumes(&one, &read("ta")).await.max(home.resumes(&other, &read("ta")).await);
            println!("near {near}: {tag} moved, cached again after {took:?}; store errors {}", one.stats().store_errors);
            cluster.until_whole().await;
        }
        assert_eq!((one.stats().store_errors, other.stats().store_errors), (0, 0));
    }
}
