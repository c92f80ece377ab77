//! Plain values of the embedded store. They share its bytes with the entries: what is used least leaves first.

use super::MemoryStore;
#[cfg(feature = "redis")]
use crate::store::RedisStore;
use crate::store::values::{FILLING, WRITING, claim_bytes, frame_of, is_claim};
use crate::store::{Claim, Claimed, Operation, Outcome, Peeked, Purpose, Settled, StoreError, StoreInfo, TimeLeft, ValueStore, glob};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// The name of the claim of several writers.
const NOBODY: [u8; 16] = [0; 16];

impl MemoryStore {
    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The other functions of this kind are called with [`Self::change`] held.
    fn put(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> bool {
        self.entries.insert(key, value, ttl.unwrap_or(Duration::MAX))
    }

    /// One that is too large leaves nothing: the old value must not pass for the new one.
    fn replace(&self, key: &str, value: &Bytes, ttl: Option<Duration>) -> bool {
        let kept = self.put(key, value.clone(), ttl);
        if !kept {
            self.entries.remove(key);
        }
        kept
    }

    fn delete(&self, key: &str) -> bool {
        let there = self.entries.get(key).is_some();
        self.entries.remove(key);
        there
    }

    fn give_time(&self, key: &str, ttl: Option<Duration>) -> bool {
        self.entries.get(key).is_some_and(|value| self.put(key, value, ttl))
    }

    /// The number at a key after an addition, and how long it lives; nothing is stored.
    fn sum(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<(i64, Option<Duration>), StoreError> {
        let Some((value, left)) = self.entries.get_with_time(key) else { return Ok((by, ttl)) };
        let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse::<i64>().ok());
        match number.and_then(|number| number.checked_add(by)) {
            Some(sum) => Ok((sum, left)),
            None => Err(StoreError::Refused(format!("the value at {key:?} is no number, or the sum is too large for one").into())),
        }
    }

    fn add(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, StoreError> {
        let (sum, left) = self.sum(key, by, ttl)?;
        self.put(key, Bytes::from(sum.to_string()), left);
        Ok(sum)
    }

    /// What a claim says, if one stands here: its kind, its name, and the writers that it stands for.
    fn claimed(&self, key: &str) -> Option<(u8, [u8; 16], u64, Option<Duration>)> {
        let (value, left) = self.entries.get_with_time(key)?;
        let (kind, id) = frame_of(&value)?;
        let writers = value.get(24..).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(1);
        is_claim(&value).then_some((kind, id, writers, left))
    }
}

#[async_trait]
impl ValueStore for MemoryStore {
    async fn values(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, StoreError> {
        Ok(keys.iter().map(|key| self.entries.get(key)).collect())
    }

    async fn set_values(&self, values: &[(String, Bytes)], ttl: Option<Duration>) -> Result<u64, StoreError> {
        let _changing = self.change();
        Ok(values.iter().map(|(key, value)| u64::from(self.replace(key, value, ttl))).sum())
    }

    async fn delete_values(&self, keys: &[String]) -> Result<u64, StoreError> {
        let _changing = self.change();
        Ok(keys.iter().map(|key| u64::from(self.delete(key))).sum())
    }

    async fn peek(&self, key: &str) -> Result<Option<Peeked>, StoreError> {
        Ok(self
            .entries
            .get_with_time(key)
            .map(|(value, left)| Peeked { head: value.slice(..value.len().min(8)), left: left.map_or(TimeLeft::Endless, TimeLeft::Left) }))
    }

    async fn expire(&self, key: &str, ttl: Option<Duration>) -> Result<bool, StoreError> {
        let _changing = self.change();
        Ok(self.claimed(key).is_none() && self.give_time(key, ttl))
    }

    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, StoreError> {
        let _changing = self.change();
        self.add(key, by, ttl)
    }

    async fn batch(&self, operations: &[Operation]) -> Result<Vec<Outcome>, StoreError> {
        let _changing = self.change();
        let mut refusal = None;
        let mut outcomes = Vec::with_capacity(operations.len());
        for operation in operations {
            outcomes.push(match operation {
                Operation::Get(key) => Outcome::Value(self.entries.get(key)),
                Operation::Set(key, value, ttl) => Outcome::Done(self.replace(key, value, *ttl)),
                Operation::Delete(key) => Outcome::Done(self.delete(key)),
                Operation::Expire(key, ttl) => Outcome::Done(self.give_time(key, *ttl)),
                Operation::Increment(key, by, ttl) => match self.add(key, *by, *ttl) {
                    Ok(sum) => Outcome::Number(sum),
                    Err(error) => {
                        refusal.get_or_insert(error);
                        continue;
                    }
                },
            });
        }
        refusal.map_or(Ok(outcomes), Err)
    }

    async fn claim(&self, key: &str, claim: &Claim, time: Duration) -> Result<Claimed, StoreError> {
        let _changing = self.change();
        let bytes = match claim.purpose {
            Purpose::Write => {
                let others = match self.claimed(key) {
                    Some((WRITING, id, writers, _)) if id != claim.id => writers,
                    _ => 0,
                };
                // Of several nobody knows whose write comes last.
                claim_bytes(WRITING, if others > 0 { NOBODY } else { claim.id }, others + 1)
            }
            Purpose::Fill { except } => {
                let is_there = |value: &Bytes| match frame_of(value) {
                    Some((kind, id)) => Some(id) != except && (kind, id) != (FILLING, claim.id),
                    None => true,
                };
                if let Some(value) = self.entries.get(key).filter(is_there) {
                    return Ok(Claimed::There(value));
                }
                claim_bytes(FILLING, claim.id, 0)
            }
        };
        self.put(key, bytes.into(), Some(time));
        Ok(Claimed::Yes)
    }

    async fn settle_claim(&self, key: &str, claim: &Claim, settled: &Settled) -> Result<bool, StoreError> {
        let _changing = self.change();
        let claimed = self.claimed(key);
        let ours = claimed.is_some_and(|(_, id, ..)| id == claim.id);
        let among = claim.purpose == Purpose::Write && matches!(claimed, Some((WRITING, NOBODY, ..)));
        match settled {
            Settled::Renewed(time) => return Ok((ours || among) && self.give_time(key, Some(*time))),
            Settled::Value(value, ttl) if ours => return Ok(self.replace(key, value, *ttl)),
            Settled::Nothing if ours => return Ok(self.delete(key)),
            Settled::Value(..) | Settled::Nothing => {}
        }
        if claim.purpose == Purpose::Write {
            match claimed {
                // Of several this is one; another's alone overlapped with ours, and must not store what it wrote.
                Some((WRITING, id, writers, left)) if writers > u64::from(id == NOBODY) => {
                    self.put(key, claim_bytes(WRITING, NOBODY, writers - u64::from(id == NOBODY)).into(), left);
                }
                // The claim was deleted, and whoever read since may have read too early.
                _ => self.entries.remove(key),
            }
        }
        Ok(false)
    }

    async fn names(&self, pattern: &str, most: usize) -> Result<Vec<String>, StoreError> {
        Ok(self.entries.keys_where(|key| glob::matches(pattern, key), most))
    }

    async fn delete_names(&self, pattern: &str) -> Result<u64, StoreError> {
        let _changing = self.change();
        Ok(self.entries.remove_where(|key, _| glob::matches(pattern, key)))
    }

    async fn info(&self) -> Result<StoreInfo, StoreError> {
        Ok(StoreInfo {
            used_memory: self.entries.weight(),
            max_memory: Some(self.entries.budget()),
            keys: self.entries.len(),
            evicted_keys: self.entries.evictions(),
            ..StoreInfo::default()
        })
    }

    #[cfg(feature = "redis")]
    fn redis(&self) -> Option<&RedisStore> {
        None
    }
}
