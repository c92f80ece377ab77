//! The settings in words, for whoever looks after a running program.

use super::Config;
use crate::policy::{Admission, Compression, Consistency, Invalidation, UnclearWrites, UnfencedWrites};
use crate::store::RedisAddress;
use std::collections::BTreeMap;
use std::time::Duration;

/// By the variable's name.
pub(crate) type Words = BTreeMap<&'static str, String>;

impl Config {
    /// What is set, or holds by default. Nothing secret: neither where Redis is (its URL may hold a password) nor any key.
    pub(crate) fn words(&self) -> Words {
        let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
        let time = |time: Option<Duration>, else_: u64| format!("{:?}", time.or(self.policy.default).unwrap_or(Duration::from_secs(else_)));
        let policy = &self.policy;
        let mut words = Words::from([
            ("REDIS_ENABLED", switch(self.enabled)),
            ("CACHE_NAMESPACE", self.namespace.clone()),
            ("CACHE_KEY_PREFIX", self.prefix.clone()),
            ("CACHE_MAX_KEY_LENGTH", format!("{} bytes", self.max_key)),
            ("CACHE_TTL_DATA", time(policy.data, 300)),
            ("CACHE_TTL_SCHEMA", time(policy.schema, 3600)),
            ("CACHE_TTL_METADATA", time(policy.metadata, 7200)),
            ("CACHE_TTL_COUNT", time(policy.count, 60)),
            ("CACHE_TTL_JITTER", policy.jitter.to_string()),
            ("CACHE_TTL_TABLE_<NAME>", format!("{} tables", policy.tables.len())),
            ("CACHE_EARLY_REFRESH", policy.early.to_string()),
            ("CACHE_STALE_WHILE_REVALIDATE", format!("{:?}", policy.stale.default)),
            ("CACHE_MAX_ENTRY_BYTES", policy.max_entry.to_string()),
            (
                "CACHE_COMPRESSION_THRESHOLD",
                match policy.compression {
                    Compression::Usual => "as it pays".to_owned(),
                    Compression::From(bytes) => format!("{bytes} bytes"),
                    Compression::Never => "never".to_owned(),
                },
            ),
            ("CACHE_DENY_TABLES", format!("{} tables", policy.deny.tables.len())),
            ("CACHE_DENY_COLUMNS", format!("{} columns", policy.deny.columns.len())),
            ("CACHE_ENCRYPTION_KEY", switch(self.encryption.is_some())),
            ("CACHE_EXTERNAL_WRITERS", switch(self.external_writers)),
            ("CACHE_FENCE_GUARD", switch(self.fence_guard)),
            ("CACHE_FENCE_LEASE", format!("{:?}", self.lease)),
            ("CACHE_NEAR_BYTES", self.near_bytes().to_string()),
        ]);
        words.insert(
            "CACHE_CONSISTENCY",
            match self.consistency {
                Consistency::Fenced => "fenced",
                Consistency::AfterCommit => "after_commit",
                Consistency::Ttl => "ttl",
            }
            .to_owned(),
        );
        words.insert(
            "CACHE_INVALIDATION",
            match self.invalidation {
                Invalidation::Generation => "generation",
                Invalidation::Scan => "scan",
            }
            .to_owned(),
        );
        words.insert(
            "CACHE_UNCLEAR_WRITES",
            match policy.unclear {
                UnclearWrites::Forget => "forget",
                UnclearWrites::Ask => "ask",
            }
            .to_owned(),
        );
        words.insert(
            "CACHE_ADMISSION",
            match policy.admission {
                Admission::Auto => "auto",
                Admission::Always => "always",
                Admission::Cost => "cost",
            }
            .to_owned(),
        );
        words.insert(
            "CACHE_UNFENCED_WRITES",
            match self.unfenced {
                UnfencedWrites::Proceed => "proceed",
                UnfencedWrites::Refuse => "refuse",
            }
            .to_owned(),
        );
        let redis = self.redis.as_ref().map(|redis| match redis.address {
            RedisAddress::Url(_) if redis.address.is_cluster() => "a cluster",
            RedisAddress::Url(_) | RedisAddress::Host(..) => "a server",
            RedisAddress::Socket(_) => "a Unix socket",
            RedisAddress::Cluster(_) => "a cluster",
            RedisAddress::Sentinel { .. } => "a master that sentinels watch",
        });
        words.insert("REDIS_URL", redis.unwrap_or("none").to_owned());
        if self.redis.is_none() {
            words.insert("CACHE_MEMORY_BYTES", self.memory.to_string());
        }
        words
    }
}
