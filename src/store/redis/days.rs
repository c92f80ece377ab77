//! Numbers by the day: a hash a day, outside `<namespace>:*`, so that nothing which clears the namespace takes them along.

use super::connection::Connection;
use super::{Place, RedisStore, Request};
use crate::store::StoreError;
use crate::store::days::{DayBatch, DayStore, KEPT, MOST};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use redis::{Cmd, Script};
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

static ADD_TO_DAY: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("add_to_day.lua")));

const DAY: u64 = 24 * 60 * 60 * 1000;

/// How long it is known which batches of a process have arrived: far longer than it goes on sending one.
const RECEIPT: u64 = DAY / 24;

#[async_trait]
impl DayStore for RedisStore {
    /// One round trip. Both keys are one server's.
    async fn add_to_day(&self, day: &str, numbers: &BTreeMap<String, u64>, batch: DayBatch) -> Result<(), StoreError> {
        let arguments = |command: &mut Cmd, _: &Connection| {
            command.arg(KEPT as u64 * DAY).arg(RECEIPT).arg(batch.number).arg(MOST);
            for (name, number) in numbers {
                // What HINCRBY can take.
                command.arg(name).arg((*number).min(i64::MAX as u64));
            }
        };
        let keys = [self.keyspace.day(day), self.keyspace.day_receipt(day, batch.writer)];
        self.ask(&Request::script(&ADD_TO_DAY, &keys, &arguments)).await.map(drop)
    }

    async fn numbers_of(&self, days: &[String]) -> Result<Vec<BTreeMap<String, u64>>, StoreError> {
        // Written side by side: without a cluster one round trip.
        try_join_all(days.iter().map(|day| async {
            let key = self.keyspace.day(day);
            let (answer, _) = self.ask(&Request::command("HGETALL", Place::Key(key.as_bytes()), &|command| _ = command.arg(&key))).await?;
            let fields: HashMap<Vec<u8>, Vec<u8>> =
                redis::from_redis_value(answer).map_err(|error| StoreError::Protocol(format!("HGETALL: {error}")))?;
            // What is no text is none of ours.
            let number = |(name, number): (Vec<u8>, Vec<u8>)| {
                Some((String::from_utf8(name).ok()?, std::str::from_utf8(&number).ok()?.parse().ok()?))
            };
            Ok(fields.into_iter().filter_map(number).collect())
        }))
        .await
    }

    async fn forget_days(&self, days: &[String]) -> Result<(), StoreError> {
        try_join_all(days.iter().map(|day| async { self.unlink(&[self.keyspace.day(day).into_bytes()]).await })).await.map(drop)
    }
}
