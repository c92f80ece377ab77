//! Whom the routes are about: an executor, or a cache of plain values.

use super::failure::Failure;
use super::keys::keys;
use crate::database::Backend;
use crate::error::Error;
use crate::executor::CachingExecutor;
use crate::insight::Sample;
use crate::kv::Cache;
use async_trait::async_trait;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long the database and the store are given to show how they are. A pool that can't connect would wait for half a minute.
const HEALTH: Duration = Duration::from_secs(5);

/// What the routes ask.
#[async_trait]
pub trait Subject: Send + Sync {
    async fn info(&self) -> Value;

    fn stats(&self) -> Value;

    fn history(&self) -> Vec<Sample>;

    async fn keys(&self, pattern: Option<&str>, limit: usize) -> Result<Value, Failure>;

    /// Forgets answers of queries, and plain values where `values` says so; returns how many keys there were.
    async fn clear(&self, values: bool) -> Result<u64, Failure>;

    async fn invalidate(&self, table: &str) -> Result<(), Failure>;

    fn reset_stats(&self);

    fn explain(&self, sql: &str) -> Result<Value, Failure>;
}

/// What [`admin`](super::admin) can look after: a [`CachingExecutor`], or a [`Cache`] without a database.
pub trait Administered: sealed::Subjects {}

pub(super) mod sealed {
    use super::{Arc, Subject};

    pub trait Subjects {
        fn subject(&self) -> Arc<dyn Subject>;
    }
}

impl<DB: Backend> Administered for CachingExecutor<DB> {}

impl<DB: Backend> sealed::Subjects for CachingExecutor<DB> {
    fn subject(&self) -> Arc<dyn Subject> {
        Arc::new(self.clone())
    }
}

impl Administered for Cache {}

impl sealed::Subjects for Cache {
    fn subject(&self) -> Arc<dyn Subject> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl<DB: Backend> Subject for CachingExecutor<DB> {
    async fn info(&self) -> Value {
        let cache = self.cache();
        let (health, mut info) = tokio::join!(tokio::time::timeout(HEALTH, self.health()), Subject::info(&cache));
        info["database"] = json!(DB::NAME);
        info["caching"] = json!(health.as_ref().is_ok_and(crate::Health::is_caching));
        info["health"] = match health {
            Ok(health) => value(&health),
            Err(_) => json!({ "error": format!("no answer within {HEALTH:?}") }),
        };
        info
    }

    fn stats(&self) -> Value {
        let stats = CachingExecutor::stats(self);
        let mut all = Subject::stats(&self.cache());
        all["hit_ratio"] = json!(stats.hit_ratio());
        all["sql"] = value(&stats);
        all["slow_misses"] = value(&self.slow_misses());
        all
    }

    fn history(&self) -> Vec<Sample> {
        CachingExecutor::history(self)
    }

    async fn keys(&self, pattern: Option<&str>, limit: usize) -> Result<Value, Failure> {
        let cache = self.cache();
        let engine = self.shared.engine.as_ref().ok_or_else(off)?;
        let (entries, [values, scopes]) = (format!("{}:", engine.keyspace()), cache.beginnings());
        let pattern = pattern.map_or_else(|| format!("{entries}*"), str::to_owned);
        keys(engine.store(), &[&entries, &values, &scopes], &pattern, limit).await
    }

    async fn clear(&self, values: bool) -> Result<u64, Failure> {
        let deleted = CachingExecutor::clear(self).await?;
        Ok(deleted + if values { self.cache().clear().await } else { 0 })
    }

    async fn invalidate(&self, table: &str) -> Result<(), Failure> {
        Ok(self.invalidate_table(table).await?)
    }

    fn reset_stats(&self) {
        CachingExecutor::reset_stats(self);
        self.cache().reset_stats();
    }

    fn explain(&self, sql: &str) -> Result<Value, Failure> {
        let explanation = CachingExecutor::explain(self, sql);
        Ok(json!({ "text": explanation.to_string(), "explanation": value(&explanation) }))
    }
}

#[async_trait]
impl Subject for Cache {
    async fn info(&self) -> Value {
        let told = async {
            let info = Cache::info(self).await;
            (self.health().await, info)
        };
        let store = match tokio::time::timeout(HEALTH, told).await {
            Ok((health, info)) => json!({
                "healthy": health.is_healthy(),
                "kept_deletions": health.kept,
                "info": info.map_or_else(|error| json!({ "error": error.to_string() }), |info| value(&info)),
            }),
            Err(_) => json!({ "healthy": false, "error": format!("no answer within {HEALTH:?}") }),
        };
        json!({ "version": env!("CARGO_PKG_VERSION"), "caching": store["healthy"], "store": store, "settings": self.words() })
    }

    fn stats(&self) -> Value {
        json!({ "values": value(&Cache::stats(self)) })
    }

    fn history(&self) -> Vec<Sample> {
        Vec::new()
    }

    async fn keys(&self, pattern: Option<&str>, limit: usize) -> Result<Value, Failure> {
        let engine = self.engine().ok_or_else(off)?;
        let [values, scopes] = self.beginnings();
        let pattern = pattern.map_or_else(|| format!("{values}*"), str::to_owned);
        keys(engine.store(), &[&values, &scopes], &pattern, limit).await
    }

    async fn clear(&self, _: bool) -> Result<u64, Failure> {
        Ok(Cache::clear(self).await)
    }

    async fn invalidate(&self, table: &str) -> Result<(), Failure> {
        Ok(self.invalidate_tables([table]).await?)
    }

    fn reset_stats(&self) {
        Cache::reset_stats(self);
    }

    fn explain(&self, _: &str) -> Result<Value, Failure> {
        Err(Failure::new(StatusCode::NOT_IMPLEMENTED, "a cache of plain values reads no SQL"))
    }
}

fn off() -> Failure {
    Error::unsupported("keys", "can't be listed: the cache is switched off").into()
}

/// Types of this crate all have a form in JSON.
fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}
