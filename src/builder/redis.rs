//! Where Redis is, and how to speak with it; the store that follows from it.

use super::Builder;
use crate::config::Config;
use crate::database::Backend;
use crate::error::Error;
use crate::key::Keyspace;
use crate::stats::Counters;
use crate::store::{CacheStore, MemoryStore, RedisAddress, RedisConfig, RedisTls};
use std::sync::Arc;
use std::time::Duration;

impl<DB: Backend> Builder<DB> {
    /// Keeps entries in the Redis of this URL: `redis://[user[:password]@]host[:port][/db]`, or `redis+unix:///path`. Defaults to the embedded store.
    pub fn redis_url(self, url: &str) -> Self {
        self.set(|config| config.redis = Some(RedisConfig::new(RedisAddress::Url(url.to_owned()))))
    }

    /// Keeps entries in the Redis behind this Unix socket. Defaults to the embedded store.
    pub fn redis_socket(self, path: &str) -> Self {
        self.set(|config| config.redis = Some(RedisConfig::new(RedisAddress::Socket(path.into()))))
    }

    /// Keeps entries in the Redis Cluster of these nodes, `host:port`, of which one that is up will do; the others are learned. Defaults to the embedded store.
    pub fn redis_cluster(self, nodes: &[&str]) -> Self {
        let address = RedisAddress::Cluster(nodes.iter().map(|node| redis_node(node, 6379)).collect());
        self.set(|config| config.redis = Some(RedisConfig::new(address)))
    }

    /// Keeps entries in the Redis master of this name that these sentinels, `host:port`, watch: name all of them. Defaults to the embedded store.
    pub fn redis_sentinels(self, sentinels: &[&str], master: &str) -> Self {
        let sentinels = sentinels.iter().map(|node| redis_node(node, 26379)).collect();
        self.set(|config| config.redis = Some(RedisConfig::new(RedisAddress::Sentinel { sentinels, master: master.to_owned() })))
    }

    /// How to log in to the sentinels. Set it after the address. Defaults to not at all.
    pub fn redis_sentinel_login(self, username: Option<&str>, password: &str) -> Self {
        self.set_redis(|redis| {
            redis.sentinel_username = username.map(str::to_owned);
            redis.sentinel_password = Some(password.to_owned());
        })
    }

    /// How to log in to Redis, to all nodes of a cluster alike. Set it after the address. Defaults to what the URL says, else to not at all.
    pub fn redis_login(self, username: Option<&str>, password: &str) -> Self {
        self.set_redis(|redis| {
            redis.username = username.map(str::to_owned);
            redis.password = Some(password.to_owned());
        })
    }

    /// Speaks TLS with Redis, and with the sentinels; needs the crate's feature `tls`. A URL has to say so as well, `rediss://`. Set it after the address. Defaults to no.
    pub fn redis_tls(self, tls: RedisTls) -> Self {
        self.set_redis(|redis| redis.tls = Some(tls))
    }

    pub(super) fn set_redis(self, set: impl FnOnce(&mut RedisConfig)) -> Self {
        self.set(|config| {
            if let Some(redis) = &mut config.redis {
                set(redis);
            }
        })
    }

    /// How long a Redis operation may take before the database is asked instead. Set it after the address. Defaults to 100 ms.
    pub fn redis_timeout(self, timeout: Duration) -> Self {
        self.set_redis(|redis| redis.timeout = timeout)
    }

    /// How many multiplexed connections to Redis are kept. Set it after the address. Defaults to 1.
    pub fn redis_connections(self, connections: usize) -> Self {
        self.set_redis(|redis| redis.connections = connections)
    }
}

/// What can't be read is a host without a name, which is refused by [`Builder::build`].
fn redis_node(text: &str, port: u16) -> (String, u16) {
    crate::store::redis_nodes(text, port)
        .filter(|nodes| nodes.len() == 1)
        .and_then(|mut nodes| nodes.pop())
        .unwrap_or((String::new(), port))
}

/// The store that the settings name.
pub(crate) fn open(config: &Config, keyspace: &Keyspace, counters: &Arc<Counters>) -> Result<Arc<dyn CacheStore>, Error> {
    match &config.redis {
        None => {
            tracing::info!(bytes = config.memory, "no Redis is configured: entries are kept in this process's memory");
            Ok(Arc::new(MemoryStore::new(keyspace.clone(), config.memory)))
        }
        Some(settings) => {
            let mut settings = settings.clone();
            settings.near = config.near_bytes() > 0;
            settings.fence_guard = config.fence_guard.then_some(config.lease);
            redis(&settings, keyspace, counters)
        }
    }
}

#[cfg(feature = "redis")]
fn redis(config: &RedisConfig, keyspace: &Keyspace, counters: &Arc<Counters>) -> Result<Arc<dyn CacheStore>, Error> {
    use crate::store::{Breaker, RedisStore};
    let store = RedisStore::new(config, keyspace.clone()).map_err(|error| {
        let variable = match error.setting() {
            "socket" => "REDIS_SOCKET_PATH",
            "timeout" => "REDIS_SOCKET_TIMEOUT",
            "connect_timeout" => "REDIS_SOCKET_CONNECT_TIMEOUT",
            "connections" => "REDIS_MAX_CONNECTIONS",
            "near_staleness" => "CACHE_NEAR_STALENESS",
            other => &format!("REDIS_{}", other.to_uppercase()),
        };
        // The value stays out of the message: a URL may hold a password.
        Error::secret_setting(variable, error.reason())
    })?;
    Ok(Arc::new(Breaker::new(Arc::new(store), Arc::clone(counters))))
}

#[cfg(not(feature = "redis"))]
fn redis(_: &RedisConfig, _: &Keyspace, _: &Arc<Counters>) -> Result<Arc<dyn CacheStore>, Error> {
    Err(Error::secret_setting("Redis' address", "needs the crate's feature `redis`"))
}
