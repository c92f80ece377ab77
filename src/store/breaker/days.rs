//! Numbers by the day, by the same rules.

use super::Breaker;
use crate::store::StoreError;
use crate::store::days::{DayBatch, DayStore};
use async_trait::async_trait;
use std::collections::BTreeMap;

impl Breaker {
    fn days_within(&self) -> Result<&dyn DayStore, StoreError> {
        self.0.inner.days().ok_or_else(|| StoreError::Refused("it keeps no numbers by the day".into()))
    }
}

#[async_trait]
impl DayStore for Breaker {
    async fn add_to_day(&self, day: &str, numbers: &BTreeMap<String, u64>, batch: DayBatch) -> Result<(), StoreError> {
        let days = self.days_within()?;
        self.pass(|| days.add_to_day(day, numbers, batch)).await
    }

    async fn numbers_of(&self, wanted: &[String]) -> Result<Vec<BTreeMap<String, u64>>, StoreError> {
        let days = self.days_within()?;
        self.pass(|| days.numbers_of(wanted)).await
    }

    async fn forget_days(&self, forgotten: &[String]) -> Result<(), StoreError> {
        let days = self.days_within()?;
        self.pass(|| days.forget_days(forgotten)).await
    }
}
