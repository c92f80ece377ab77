//! Plain values, by the same rules.

use super::Breaker;
use crate::store::{Claim, Claimed, Operation, Outcome, Peeked, RedisStore, Settled, StoreError, StoreInfo, ValueStore};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

impl Breaker {
    fn inner(&self) -> &dyn ValueStore {
        self.0.inner.plain()
    }
}

#[async_trait]
impl ValueStore for Breaker {
    async fn values(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.pass(|| self.inner().values(keys)).await
    }

    async fn set_values(&self, values: &[(String, Bytes)], ttl: Option<Duration>) -> Result<u64, StoreError> {
        self.pass(|| self.inner().set_values(values, ttl)).await
    }

    async fn delete_values(&self, keys: &[String]) -> Result<u64, StoreError> {
        self.pass(|| self.inner().delete_values(keys)).await
    }

    async fn peek(&self, key: &str) -> Result<Option<Peeked>, StoreError> {
        self.pass(|| self.inner().peek(key)).await
    }

    async fn expire(&self, key: &str, ttl: Option<Duration>) -> Result<bool, StoreError> {
        self.pass(|| self.inner().expire(key, ttl)).await
    }

    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, StoreError> {
        self.pass(|| self.inner().increment(key, by, ttl)).await
    }

    async fn batch(&self, operations: &[Operation]) -> Result<Vec<Outcome>, StoreError> {
        self.pass(|| self.inner().batch(operations)).await
    }

    async fn claim(&self, key: &str, claim: &Claim, time: Duration) -> Result<Claimed, StoreError> {
        self.pass(|| self.inner().claim(key, claim, time)).await
    }

    async fn settle_claim(&self, key: &str, claim: &Claim, settled: &Settled) -> Result<bool, StoreError> {
        self.pass(|| self.inner().settle_claim(key, claim, settled)).await
    }

    async fn names(&self, pattern: &str, most: usize) -> Result<Vec<String>, StoreError> {
        self.pass(|| self.inner().names(pattern, most)).await
    }

    async fn delete_names(&self, pattern: &str) -> Result<u64, StoreError> {
        self.pass(|| self.inner().delete_names(pattern)).await
    }

    async fn info(&self) -> Result<StoreInfo, StoreError> {
        self.pass(|| self.inner().info()).await
    }

    fn redis(&self) -> Option<&RedisStore> {
        self.inner().redis()
    }
}
