//! What a queue stands on: a stream in Redis, or this process's memory.

use crate::store::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;
use std::time::Duration;
use tokio::sync::watch;

/// Names and values in turn.
pub(super) type Fields = Vec<Bytes>;

/// The value of a field.
pub(super) fn field<'a>(fields: &'a [Bytes], name: &[u8]) -> Option<&'a Bytes> {
    fields.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| &pair[1])
}

/// An item in a consumer's hands.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    /// Where it is in the queue.
    pub(super) place: String,
    pub(super) fields: Fields,
    /// How often it was delivered, this time included where it was.
    pub(super) deliveries: u64,
}

/// A consumer's place at the queue.
#[derive(Default)]
pub(super) struct Seat {
    /// A fresh random name.
    pub(super) name: String,
    /// Where it waits for items.
    #[cfg(feature = "redis")]
    pub(super) connection: Option<redis::aio::MultiplexedConnection>,
    /// A request in its name was not answered, and may still take effect.
    pub(super) uncertain: bool,
}

/// A place that keeps items until they are settled.
///
/// No method loses an item if its future is dropped; whether it took effect is then unknown.
#[async_trait]
pub(super) trait Backing: Debug + Send + Sync {
    /// Adds items, unless there would be more than `most` of them: then none, and the answer is false. May be done twice.
    async fn push(&self, items: &[Fields], most: Option<u64>) -> Result<bool, StoreError>;

    /// Up to so many items that nobody was given yet, as soon as there is one, or none after `wait`.
    async fn take(&self, seat: &mut Seat, most: usize, wait: Duration) -> Result<Vec<Delivery>, StoreError>;

    /// Makes up to so many items this consumer's whose consumers gave no sign of life for so long. That does not count as a delivery yet.
    async fn take_over(&self, consumer: &str, silence: Duration, most: usize) -> Result<Vec<Delivery>, StoreError>;

    /// Notes a delivery before it is tried, so that what kills its consumer is counted, too. Gives back the places of those that nobody else has settled meanwhile.
    async fn begin(&self, consumer: &str, places: &[String], deliveries: u64) -> Result<Vec<String>, StoreError>;

    /// A sign of life.
    async fn renew(&self, consumer: &str, places: &[String]) -> Result<(), StoreError>;

    /// These are done with.
    async fn settle(&self, places: &[String]) -> Result<(), StoreError>;

    /// Puts an item among the dead letters, as it is, with these fields before its own.
    async fn bury(&self, place: &str, letter: &[Bytes]) -> Result<(), StoreError>;

    /// Whatever this consumer still has is anybody's now.
    async fn leave(&self, seat: &Seat, silence: Duration) -> Result<(), StoreError>;

    /// How many items there are, those in consumers' hands included.
    async fn len(&self) -> Result<u64, StoreError>;

    /// How many are in consumers' hands.
    async fn pending(&self) -> Result<u64, StoreError>;

    /// How many dead letters there are.
    async fn dead_len(&self) -> Result<u64, StoreError>;

    /// Up to so many dead letters behind this one, the oldest first.
    async fn dead(&self, behind: Option<&str>, most: usize) -> Result<Vec<(String, Fields)>, StoreError>;

    /// Puts a dead letter's item back into the queue.
    async fn revive(&self, place: &str, item: &[Bytes]) -> Result<(), StoreError>;

    /// Deletes dead letters; returns how many there were.
    async fn discard(&self, places: &[String]) -> Result<u64, StoreError>;

    /// Tells when items are settled, where that can be told without asking.
    fn settled(&self) -> Option<watch::Receiver<()>>;
}
