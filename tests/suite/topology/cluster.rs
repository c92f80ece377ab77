//! A cluster at rest: every operation finds its server, and every answer is judged by that server's identity.

use super::kit::{TABLES, executor, home, names, read, store, store_with, write};
use crate::faults::kit::Server;
use crate::store_contract::{LEASE, TTL, contract_of_many, create, entry, entry_of, id, label, redis_store_at, standing, table};
use crate::support::Redis;
use crate::support::redis_cluster::RedisCluster;
use bytes::Bytes;
use sqlx::Sqlite;
use sqlx_cached::CachingExecutor;
use sqlx_cached::store::{CacheStore, Creation, Generation, Keyspace, Label, RedisAddress, RedisConfig, RedisStore, Tag};
use std::collections::HashSet;
use std::time::Duration;

#[tokio::test]
async fn a_cluster_keeps_the_contract() {
    let cluster = RedisCluster::start().await;
    contract_of_many(&store(&cluster), &names()).await;
    contract_of_many(&store_with(&cluster, |config| config.connections = 3), &names()).await;
    contract_of_many(&store_with(&cluster, |config| config.near = true), &names()).await;
    // By URL, and whatever the keyspace says.
    let nodes: Vec<String> = cluster.seeds().iter().map(|(host, port)| format!("{host}:{port}")).collect();
    let mut config = RedisConfig::new(RedisAddress::Url(format!("redis+cluster://{}", nodes.join(","))));
    config.timeout = Duration::from_secs(5);
    contract_of_many(&RedisStore::new(&config, Keyspace::new("sql")).unwrap(), &names()).await;
}

#[tokio::test]
async fn tokens_name_the_servers_that_keep_them() {
    let cluster = RedisCluster::start().await;
    let store = store(&cluster);
    let tags: Vec<Tag> = TABLES.iter().map(|name| table(name)).chain([Tag::all(), Tag::schema()]).collect();
    let mut servers = HashSet::new();
    let mut owners = HashSet::new();
    let created = store.create(&tags).await.unwrap();
    for (tag, creation) in tags.iter().zip(&created) {
        let Creation::Standing(generation) = creation else { panic!("{creation:?}") };
        let owner = cluster.owner(&names().generation(tag));
        assert_eq!(cluster.nodes()[owner].cli::<Vec<u8>>(&["GET", &names().generation(tag)]), generation.0, "on the server of its slot");
        servers.insert(generation.server());
        owners.insert(owner);
    }
    assert_eq!((servers.len(), owners.len()), (3, 3), "the tests' tables must be on all servers");
    // A token of one server at another's key is a miss, wherever it comes from.
    let Creation::Standing(elsewhere) = created[tags.len() - 1] else { panic!() };
    let other = tags.iter().zip(&created).find(|(_, c)| !matches!(c, Creation::Standing(g) if g.server() == elsewhere.server())).unwrap().0;
    let key = names().generation(other);
    cluster.nodes()[cluster.owner(&key)].cli::<()>(&[b"SET", key.as_bytes(), &elsewhere.0]);
    assert_eq!(label(&store, other).await, Label::Absent);

    let before = store.ping().await.unwrap();
    assert_eq!(store.ping().await.unwrap(), before);
    cluster.nodes()[0].cli::<()>(&["DEBUG", "CHANGE-REPL-ID"]);
    assert_ne!(store.ping().await.unwrap(), before, "one of them has become another");
}

#[tokio::test]
async fn everything_is_reclaimed_and_deleted_wherever_it_is() {
    let cluster = RedisCluster::start().await;
    let store = store(&cluster);
    let all = standing(&store, &Tag::all()).await;
    let dead = Generation::fresh(all.server());
    for name in TABLES {
        let live = standing(&store, &table(name)).await;
        for number in 0..40 {
            let key = format!("sql:{{{name}}}:data:{number}");
            let entry = match number % 4 {
                0 => entry_of(all, live),
                1 => entry_of(all, dead),
                2 => entry_of(dead, live),
                // Cut off before the generations: dead for whoever has no token to compare with, too.
                _ => entry_of(all, live).slice(..20),
            };
            store.fill(&key, &[], entry, TTL).await.unwrap();
        }
    }
    assert_eq!(store.reclaim(&table("ta")).await.unwrap(), 20, "a quarter by its own generation, and a quarter cut off");
    assert_eq!(store.reclaim(&Tag::all()).await.unwrap(), 10 + 5 * 20, "a quarter by everything's, and a quarter cut off");
    store.invalidate(&[Tag::all()]).await.unwrap();
    assert_eq!(store.reclaim(&Tag::all()).await.unwrap(), 10 + 5 * 20, "the rest");
    for name in TABLES {
        store.fill(&format!("sql:{{{name}}}:data:x"), &[], Bytes::from_static(b"x"), TTL).await.unwrap();
    }
    assert_eq!(store.delete_matching("sql:*:data:*").await.unwrap(), 6);
    assert_eq!(store.delete_matching("sql:*").await.unwrap(), 6, "the tables' generations");
    assert_eq!(entry(&store, "sql:{ta}:data:0").await, None);
}

/// Through the executor: hits, misses, joins and writes over tables of different servers; another process is told.
#[tokio::test]
async fn tables_of_different_servers_are_read_joined_and_written() {
    let cluster = RedisCluster::start().await;
    let home = home().await;
    for near in [false, true] {
        let one = executor(&home, RedisAddress::Cluster(cluster.seeds()), near).await;
        let other = executor(&home, RedisAddress::Cluster(cluster.seeds()), near).await;
        let join = "SELECT counters.v + others.v + ta.v + tb.v + tc.v + td.v FROM counters, others, ta, tb, tc, td \
                    WHERE counters.id = 1 AND others.id = 1 AND ta.id = 1 AND tb.id = 1 AND tc.id = 1 AND td.id = 1";
        let ask = async |executor: &CachingExecutor<Sqlite>, sql: &str| Sqlite::number(executor, sql).await.unwrap();
        for table in TABLES {
            home.resumes(&one, &read(table)).await;
            home.resumes(&other, &read(table)).await;
        }
        home.resumes(&one, join).await;
        home.resumes(&other, join).await;
        for table in TABLES {
            let hits = other.stats().hits;
            let (sum, value) = (ask(&other, join).await, ask(&other, &read(table)).await);
            assert_eq!(other.stats().hits, hits + 2, "cached for both");
            Sqlite::run(&one, &write(table)).await.unwrap();
            if near {
                // Told by a push, not at once.
                while ask(&other, join).await == sum || ask(&other, &read(table)).await == value {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            assert_eq!((ask(&other, join).await, ask(&other, &read(table)).await), (sum + 1, value + 1), "{table}");
            home.resumes(&one, join).await;
            home.resumes(&other, join).await;
        }
        assert_eq!((one.stats().store_errors, other.stats().store_errors), (0, 0));
        let nearby = other.stats().near_hits;
        assert!(near == (nearby > 0), "{nearby} near hits");
        // A transaction over tables of all servers.
        let mut transaction = one.begin().await.unwrap();
        for table in TABLES {
            Sqlite::run_in(&mut transaction, &write(table)).await.unwrap();
        }
        let before = home.direct(join).await;
        transaction.commit().await.unwrap();
        if !near {
            assert_eq!(ask(&other, join).await, before + 6);
        }
        let fences: usize = cluster.nodes().iter().map(|node| node.cli::<Vec<String>>(&["KEYS", "sql-fence:*"]).len()).sum();
        assert_eq!(fences, 0);
        one.clear().await.unwrap();
        let left: usize = cluster.nodes()[..3].iter().map(|node| node.cli::<Vec<String>>(&["KEYS", "sql:{*}:data:*"]).len()).sum();
        assert_eq!(left, 0);
    }
}

#[tokio::test]
async fn scripts_that_servers_forgot_are_loaded_again_and_a_restart_brings_no_old_token_back() {
    let mut cluster = RedisCluster::start().await;
    let store = store(&cluster);
    let tags: Vec<Tag> = TABLES.iter().map(|name| table(name)).collect();
    store.create(&tags).await.unwrap();
    for node in cluster.nodes() {
        node.cli::<()>(&["SCRIPT", "FLUSH"]);
    }
    store.begin(&tags, &id("a"), LEASE).await.unwrap();
    assert_eq!(store.create(&tags).await.unwrap(), vec![Creation::Fenced; tags.len()]);
    store.end(&tags, &id("a")).await.unwrap();

    let key = names().generation(&tags[0]);
    let before = standing(&store, &tags[0]).await;
    let owner = cluster.owner(&key);
    cluster.nodes()[owner].cli::<()>(&["SAVE"]);
    cluster.node_mut(owner).restart();
    cluster.until_whole().await;
    assert_eq!(cluster.nodes()[cluster.owner(&key)].cli::<Vec<u8>>(&["GET", &key]), before.0, "the old token is there");
    assert_eq!(label(&store, &tags[0]).await, Label::Absent);
    assert!(matches!(create(&store, &tags[0]).await, Creation::Standing(after) if after.server() != before.server()));
}

/// Somebody who takes a cluster's server for one alone is told what to set, and the other way round.
#[tokio::test]
async fn a_mistaken_address_is_explained() {
    let cluster = RedisCluster::start().await;
    let alone = redis_store_at(RedisAddress::Host("127.0.0.1".into(), cluster.nodes()[0].port()), |_| ());
    let error = alone.ping().await.unwrap_err().to_string();
    assert!(error.contains("REDIS_CLUSTER_NODES"), "{error}");
    let redis = Redis::configured().tcp().start();
    let together = redis_store_at(RedisAddress::Cluster(vec![("127.0.0.1".into(), redis.port())]), |_| ());
    let error = together.ping().await.unwrap_err().to_string();
    assert!(error.contains("cluster support disabled"), "{error}");
}
