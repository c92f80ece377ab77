//! A queue in this process's memory.

use super::backing::{Backing, Delivery, Fields, Seat};
use crate::store::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

/// The queues of a process, by their names: whoever asks for one by the same name is given the same.
#[derive(Debug, Default)]
pub(crate) struct Queues(Mutex<BTreeMap<String, Arc<LocalQueue>>>);

impl Queues {
    pub(super) fn of(&self, name: &str) -> Arc<LocalQueue> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(name.to_owned()).or_insert_with(|| {
            tracing::info!(queue = name, "a queue is kept in this process's memory, and ends with it");
            Arc::default()
        });
        Arc::clone(queue)
    }
}

#[derive(Debug, Default)]
pub(super) struct LocalQueue {
    items: Mutex<Items>,
    arrived: Notify,
    settled: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Items {
    next: u64,
    waiting: VecDeque<(u64, Fields)>,
    pending: BTreeMap<u64, Pending>,
    dead: BTreeMap<u64, Fields>,
}

#[derive(Debug)]
struct Pending {
    fields: Fields,
    consumer: String,
    /// When its consumer last gave a sign of life; `None` where it left.
    since: Option<Instant>,
    deliveries: u64,
}

impl Items {
    fn place(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn len(&self) -> usize {
        self.waiting.len() + self.pending.len()
    }
}

/// No item has the number zero.
fn number(place: &str) -> u64 {
    place.parse().unwrap_or(0)
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl LocalQueue {
    fn items(&self) -> MutexGuard<'_, Items> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_now(&self, consumer: &str, most: usize) -> Vec<Delivery> {
        let mut items = self.items();
        let taken = most.min(items.waiting.len());
        let taken: Vec<_> = items.waiting.drain(..taken).collect();
        let deliveries = taken.into_iter().map(|(place, fields)| {
            let delivery = Delivery { place: place.to_string(), fields: fields.clone(), deliveries: 1 };
            let pending = Pending { fields, consumer: consumer.to_owned(), since: Some(Instant::now()), deliveries: 1 };
            items.pending.insert(place, pending);
            delivery
        });
        let deliveries = deliveries.collect();
        if !items.waiting.is_empty() {
            // One arrival wakes one consumer.
            self.arrived.notify_one();
        }
        deliveries
    }
}

#[async_trait]
impl Backing for LocalQueue {
    async fn push(&self, new: &[Fields], most: Option<u64>) -> Result<bool, StoreError> {
        let mut items = self.items();
        if most.is_some_and(|most| count(items.len() + new.len()) > most) {
            return Ok(false);
        }
        for fields in new {
            let place = items.place();
            items.waiting.push_back((place, fields.clone()));
        }
        self.arrived.notify_one();
        Ok(true)
    }

    async fn take(&self, seat: &mut Seat, most: usize, wait: Duration) -> Result<Vec<Delivery>, StoreError> {
        let until = Instant::now() + wait;
        loop {
            let taken = self.take_now(&seat.name, most);
            if !taken.is_empty() || timeout_at(until, self.arrived.notified()).await.is_err() {
                return Ok(taken);
            }
        }
    }

    async fn take_over(&self, consumer: &str, silence: Duration, most: usize) -> Result<Vec<Delivery>, StoreError> {
        let mut items = self.items();
        let left = items.pending.iter_mut().filter(|(_, pending)| pending.since.is_none_or(|since| since.elapsed() >= silence));
        let taken = left.take(most).map(|(place, pending)| {
            (pending.consumer, pending.since) = (consumer.to_owned(), Some(Instant::now()));
            Delivery { place: place.to_string(), fields: pending.fields.clone(), deliveries: pending.deliveries }
        });
        Ok(taken.collect())
    }

    async fn begin(&self, consumer: &str, places: &[String], deliveries: u64) -> Result<Vec<String>, StoreError> {
        let mut items = self.items();
        let begun = places.iter().filter(|place| {
            let pending = items.pending.get_mut(&number(place));
            pending.is_some_and(|pending| {
                (pending.consumer, pending.since, pending.deliveries) = (consumer.to_owned(), Some(Instant::now()), deliveries);
                true
            })
        });
        Ok(begun.cloned().collect())
    }

    async fn renew(&self, consumer: &str, places: &[String]) -> Result<(), StoreError> {
        let mut items = self.items();
        for place in places {
            if let Some(pending) = items.pending.get_mut(&number(place)) {
                (pending.consumer, pending.since) = (consumer.to_owned(), Some(Instant::now()));
            }
        }
        Ok(())
    }

    async fn settle(&self, places: &[String]) -> Result<(), StoreError> {
        let mut items = self.items();
        for place in places {
            items.pending.remove(&number(place));
        }
        self.settled.send_replace(());
        Ok(())
    }

    async fn bury(&self, place: &str, letter: &[Bytes]) -> Result<(), StoreError> {
        let mut items = self.items();
        if let Some(pending) = items.pending.remove(&number(place)) {
            let place = items.place();
            items.dead.insert(place, letter.iter().cloned().chain(pending.fields).collect());
        }
        self.settled.send_replace(());
        Ok(())
    }

    async fn leave(&self, seat: &Seat, _: Duration) -> Result<(), StoreError> {
        for pending in self.items().pending.values_mut().filter(|pending| pending.consumer == seat.name) {
            pending.since = None;
        }
        Ok(())
    }

    async fn len(&self) -> Result<u64, StoreError> {
        Ok(count(self.items().len()))
    }

    async fn pending(&self) -> Result<u64, StoreError> {
        Ok(count(self.items().pending.len()))
    }

    async fn dead_len(&self) -> Result<u64, StoreError> {
        Ok(count(self.items().dead.len()))
    }

    async fn dead(&self, behind: Option<&str>, most: usize) -> Result<Vec<(String, Fields)>, StoreError> {
        let first = behind.map_or(0, |place| number(place).saturating_add(1));
        let items = self.items();
        Ok(items.dead.range(first..).take(most).map(|(place, fields)| (place.to_string(), fields.clone())).collect())
    }

    async fn revive(&self, place: &str, item: &[Bytes]) -> Result<(), StoreError> {
        let mut items = self.items();
        if items.dead.remove(&number(place)).is_some() {
            let place = items.place();
            items.waiting.push_back((place, item.to_vec()));
            self.arrived.notify_one();
        }
        Ok(())
    }

    async fn discard(&self, places: &[String]) -> Result<u64, StoreError> {
        let mut items = self.items();
        Ok(count(places.iter().filter(|place| items.dead.remove(&number(place)).is_some()).count()))
    }

    fn settled(&self) -> Option<watch::Receiver<()>> {
        Some(self.settled.subscribe())
    }
}
