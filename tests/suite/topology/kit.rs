//! Stores of these servers, and a program with tables on different ones.

use crate::faults::kit::{Home, LEASE, Server};
use crate::store_contract::{keyspace, redis_store_at};
use crate::support::redis_cluster::RedisCluster;
use sqlx::Sqlite;
use sqlx_cached::CachingExecutor;
use sqlx_cached::store::{Keyspace, RedisAddress, RedisConfig, RedisStore};
use std::sync::Arc;
use std::time::Duration;

pub fn names() -> Keyspace {
    keyspace().in_cluster()
}

/// A store of the cluster, with time enough for a busy machine.
pub fn store(cluster: &RedisCluster) -> RedisStore {
    store_with(cluster, |_| ())
}

pub fn store_with(cluster: &RedisCluster, change: impl FnOnce(&mut RedisConfig)) -> RedisStore {
    redis_store_at(RedisAddress::Cluster(cluster.seeds()), change)
}

/// Tables whose generations are on different servers of a cluster that was just formed.
pub const TABLES: [&str; 6] = ["counters", "others", "ta", "tb", "tc", "td"];

/// A database with these tables, each with row 1.
pub async fn home() -> Home<Sqlite> {
    let home = Sqlite::home().await;
    for table in &TABLES[2..] {
        home.run(&format!("CREATE TABLE {table} (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)")).await;
        home.run(&format!("INSERT INTO {table} VALUES (1, 0), (2, 0)")).await;
    }
    home
}

/// The deadlines of a program that does not wait long for its cache, for tests in which servers are lost.
pub fn impatient(config: &mut RedisConfig) {
    config.timeout = Duration::from_millis(400);
    config.connect_timeout = Duration::from_millis(500);
}

/// An executor of this address, as another process would have, with time enough for a busy machine.
pub async fn executor(home: &Home<Sqlite>, address: RedisAddress, near: bool) -> CachingExecutor<Sqlite> {
    executor_with(home, address, |config| config.near = near).await
}

pub async fn executor_with(home: &Home<Sqlite>, address: RedisAddress, change: impl FnOnce(&mut RedisConfig)) -> CachingExecutor<Sqlite> {
    let mut config = RedisConfig::new(address);
    config.near = false;
    (config.timeout, config.connect_timeout) = (Duration::from_secs(10), Duration::from_secs(10));
    change(&mut config);
    let cluster = matches!(config.address, RedisAddress::Cluster(_));
    let names = if cluster { names() } else { keyspace() };
    let store = Arc::new(RedisStore::new(&config, names).expect("an address"));
    home.build(|builder| builder.store(store).fence_lease(LEASE)).await
}

pub fn read(table: &str) -> String {
    format!("SELECT v FROM {table} WHERE id = 1")
}

pub fn write(table: &str) -> String {
    format!("UPDATE {table} SET v = v + 1 WHERE id = 1")
}
