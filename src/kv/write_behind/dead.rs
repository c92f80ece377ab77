//! Items that nobody could handle.

use super::WriteBehind;
use super::backing::{Fields, field};
use super::item::{self, ItemId};
use crate::error::Error;
use crate::kv::Form;
use crate::kv::frame::{Stored, Written};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

/// How many fields, names and values, a letter has before those of its item.
const OWN: usize = 6;

/// Bytes of a reason that are kept at most.
const REASON: usize = 1000;

/// How many are put back or deleted at once.
const AT_ONCE: usize = 100;

/// The items of a queue that failed too often, or can't be read: to be looked at, put back, or deleted. They stay until somebody does.
pub struct DeadLetters<'a, T>(pub(super) &'a WriteBehind<T>);

/// An item that failed too often, or can't be read.
pub struct DeadLetter<T> {
    place: String,
    fields: Fields,
    reason: String,
    item: Result<T, String>,
}

impl<T> DeadLetter<T> {
    /// The item, or why it can't be read.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn item(&self) -> Result<&T, &str> {
        self.item.as_ref().map_err(String::as_str)
    }

    /// Its name, if it has one.
    pub fn id(&self) -> Option<ItemId> {
        item::id_of(&self.fields)
    }

    /// Its bytes as they were queued, which may be compressed or encrypted.
    pub fn raw(&self) -> Option<&[u8]> {
        item::raw_of(&self.fields).map(|bytes| &bytes[..])
    }

    /// What its handler said the last time, cut after 1,000 bytes.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How often it was delivered.
    pub fn deliveries(&self) -> u64 {
        self.number(b"deliveries")
    }

    /// When it died, by its consumer's clock.
    pub fn died(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.number(b"died"))
    }

    fn number(&self, name: &[u8]) -> u64 {
        field(&self.fields, name).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(0)
    }
}

/// What a letter says of its item's death. A reason may quote the item, so it is written as items are.
pub(super) fn letter<T>(queue: &WriteBehind<T>, reason: &str, deliveries: u64) -> Fields {
    let cut = reason.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= REASON).last().unwrap_or(0);
    let written = Written { form: Form::Json, bytes: serde_json::Value::from(&reason[..cut]).to_string().into() };
    let cache = &queue.inner.cache;
    let reason = match &cache.inner.engine {
        Some(engine) => cache.inner.state.wrapping.wrap(engine.whereabouts(), &queue.inner.whole, &written, None),
        None => Bytes::new(),
    };
    let died = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let pairs = [("reason", reason), ("deliveries", deliveries.to_string().into()), ("died", died.to_string().into())];
    pairs.into_iter().flat_map(|(name, value)| [Bytes::from_static(name.as_bytes()), value]).collect()
}

impl<T> DeadLetters<'_, T> {
    /// How many there are.
    ///
    /// # Errors
    ///
    /// A store that can't be asked.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn len(&self) -> Result<u64, Error> {
        self.0.ask("dead", self.0.backing("dead")?.dead_len()).await
    }

    /// Whether there are none.
    ///
    /// # Errors
    ///
    /// A store that can't be asked.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len().await? == 0)
    }

    /// Up to so many of them, the oldest first; behind another one, to go on from there. One whose consumer was not told that it is dead may be there twice, by the same name.
    ///
    /// # Errors
    ///
    /// A store that can't be asked.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn list(&self, behind: Option<&DeadLetter<T>>, most: usize) -> Result<Vec<DeadLetter<T>>, Error>
    where
        T: DeserializeOwned,
    {
        let behind = behind.map(|letter| letter.place.as_str());
        let letters = self.0.ask("dead", self.0.backing("dead")?.dead(behind, most)).await?;
        let inner = &self.0.inner;
        let letters = letters.into_iter().map(|(place, fields)| {
            let reason =
                field(&fields, b"reason").and_then(|reason| inner.cache.inner.state.wrapping.unwrap(&inner.whole, reason.clone()).ok());
            let reason = match reason {
                Some(Stored::Value(written)) => crate::kv::read(&written).ok(),
                _ => None,
            };
            let item = item::open(inner, &fields).map(|(_, item)| item);
            DeadLetter { place, reason: reason.unwrap_or_default(), item, fields }
        });
        Ok(letters.collect())
    }

    /// Puts these back into the queue, under their names, to be tried anew; also where the queue is full.
    ///
    /// # Errors
    ///
    /// A store that fails; the letters before that are back in the queue.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, some are back. None is lost.
    pub async fn requeue(&self, letters: &[DeadLetter<T>]) -> Result<(), Error> {
        for letter in letters {
            self.revive(&letter.place, &letter.fields).await?;
        }
        Ok(())
    }

    /// Puts all that there are now back; returns how many.
    ///
    /// # Errors
    ///
    /// As [`requeue`](Self::requeue).
    ///
    /// # Cancel safety
    ///
    /// As [`requeue`](Self::requeue).
    pub async fn requeue_all(&self) -> Result<u64, Error> {
        // Not those that die again meanwhile.
        let (all, mut done, mut behind) = (self.len().await?, 0, None::<String>);
        while done < all {
            let letters = self.0.ask("dead", self.0.backing("dead")?.dead(behind.as_deref(), AT_ONCE)).await?;
            let Some((last, _)) = letters.last() else { break };
            behind = Some(last.clone());
            for (place, fields) in letters {
                self.revive(&place, &fields).await?;
                done += 1;
            }
        }
        Ok(done)
    }

    async fn revive(&self, place: &str, fields: &[Bytes]) -> Result<(), Error> {
        let item = fields.get(OWN..).unwrap_or_default();
        if item.is_empty() {
            // No letter of ours.
            return Ok(());
        }
        self.0.ask("requeue", self.0.backing("requeue")?.revive(place, item)).await
    }

    /// Deletes these; returns how many there still were.
    ///
    /// # Errors
    ///
    /// A store that fails.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, some may be gone.
    pub async fn discard(&self, letters: &[DeadLetter<T>]) -> Result<u64, Error> {
        let places: Vec<_> = letters.iter().map(|letter| letter.place.clone()).collect();
        let mut discarded = 0;
        for places in places.chunks(AT_ONCE) {
            discarded += self.0.ask("discard", self.0.backing("discard")?.discard(places)).await?;
        }
        Ok(discarded)
    }
}

impl<T> fmt::Debug for DeadLetters<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeadLetters").field(self.0).finish()
    }
}

/// Without the item.
impl<T> fmt::Debug for DeadLetter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("id", &self.id())
            .field("item", &PhantomData::<T>)
            .field("deliveries", &self.deliveries())
            .finish_non_exhaustive()
    }
}
