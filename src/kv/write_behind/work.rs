//! A consumer's loop: take, handle, settle; and what becomes of what failed.

use super::backing::{Backing, Delivery, Seat};
use super::item::{self, ItemId};
use super::{Batch, WriteBehind, dead};
use crate::store::StoreError;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// A consumer waits no longer than this at a time, so that it hears of its end: its wait can't be broken off, since what it is given meanwhile would lie until others take it over.
const SLICE: Duration = Duration::from_millis(500);

/// The pauses between attempts to reach a store that fails.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// When so many items in a row have failed, and none has succeeded, it isn't the items: the others need not be tried, nor counted.
const IN_A_ROW: usize = 3;

/// How often a consumer that is to end tries to settle what it has done.
const LAST_TRIES: u32 = 3;

/// What a program does with a batch, or why it could not.
pub(super) type Handler<T> = Box<dyn Fn(Batch<T>) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

pub(super) struct Work<T> {
    queue: WriteBehind<T>,
    backing: Arc<dyn Backing>,
    handle: Handler<T>,
    seat: Seat,
    stop: watch::Receiver<()>,
    /// What is to be tried again.
    later: Vec<Later>,
    /// What is dead, and why, but could not be put among the dead letters.
    doomed: Vec<(Delivery, String)>,
    /// When to look next for what dead consumers left.
    next_sweep: Instant,
    /// The places of the items in hand, for which signs of life are given.
    held: Arc<Mutex<BTreeSet<String>>>,
    uncertain: Arc<AtomicBool>,
    /// The next pause, while the store fails.
    in_trouble: Option<Duration>,
}

/// An item that is to be tried again.
struct Later {
    due: Instant,
    /// It failed, or may be what its consumers died of.
    alone: bool,
    delivery: Delivery,
}

impl<T: DeserializeOwned + Send + 'static> Work<T> {
    pub(super) fn new(queue: WriteBehind<T>, backing: Arc<dyn Backing>, handle: Handler<T>, stop: watch::Receiver<()>) -> Self {
        Self {
            queue,
            backing,
            handle,
            seat: Seat { name: ItemId::fresh().to_string(), ..Seat::default() },
            stop,
            later: Vec::new(),
            doomed: Vec::new(),
            next_sweep: Instant::now(),
            held: Arc::default(),
            uncertain: Arc::default(),
            in_trouble: None,
        }
    }

    pub(super) async fn run(mut self) {
        let (beating, ended) = watch::channel(());
        let silence = self.queue.inner.settings.claim_idle;
        let beats = beat(
            Arc::clone(&self.backing),
            self.seat.name.clone(),
            silence / 3,
            Arc::clone(&self.held),
            Arc::clone(&self.uncertain),
            ended,
        );
        let beats = tokio::spawn(beats);
        while !self.is_over() {
            if let Err(error) = self.turn().await {
                self.trouble("consume", &error).await;
            } else if self.in_trouble.take().is_some() {
                tracing::info!(queue = self.queue.inner.name, "the queue's store answers again");
            }
        }
        drop(beating);
        // No sign of life may come after the name is gone.
        let _ = beats.await;
        self.seat.uncertain |= self.uncertain.load(Relaxed);
        if let Err(error) = self.backing.leave(&self.seat, silence).await {
            tracing::debug!(queue = self.queue.inner.name, %error, "a consumer could not say that it leaves");
        }
    }

    fn is_over(&self) -> bool {
        self.stop.has_changed().is_err()
    }

    /// Waits, but not beyond the end.
    async fn pause(&mut self, time: Duration) {
        let _ = timeout(time, self.stop.changed()).await;
    }

    async fn trouble(&mut self, operation: &'static str, error: &StoreError) {
        self.queue.inner.cache.inner.failed(operation, error);
        let pause = self.in_trouble.unwrap_or_else(|| {
            tracing::warn!(queue = self.queue.inner.name, %error, "the queue's store fails: its items wait");
            PAUSES.0
        });
        self.in_trouble = Some((pause * 2).min(PAUSES.1));
        self.pause(pause).await;
    }

    async fn turn(&mut self) -> Result<(), StoreError> {
        let (now, most) = (Instant::now(), self.queue.inner.settings.batch);
        if now >= self.next_sweep {
            for (delivery, reason) in std::mem::take(&mut self.doomed) {
                self.bury(delivery, &reason).await;
            }
            self.take_over(most).await?;
        }
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.later).into_iter().partition(|later| later.due <= now);
        self.later = later;
        if !due.is_empty() {
            let (alone, together): (Vec<_>, Vec<_>) = due.into_iter().partition(|later| later.alone);
            let deliveries = |due: Vec<Later>| due.into_iter().map(|later| later.delivery).collect();
            self.together_again(deliveries(together)).await?;
            return self.one_by_one(deliveries(alone)).await;
        }
        let next = self.later.iter().map(|later| later.due).min().unwrap_or(self.next_sweep).min(self.next_sweep);
        let wait = next.saturating_duration_since(now).min(SLICE);
        if self.later.len() >= most {
            // Whatever is wrong, more items would not help.
            self.pause(wait).await;
            return Ok(());
        }
        let taken = self.gather(most, wait).await?;
        if !taken.is_empty() {
            self.together(taken, 1).await;
        }
        Ok(())
    }

    /// What dead consumers left. It is tried together once more, as a rule they just ended; but if others died of it as well, one by one.
    async fn take_over(&mut self, most: usize) -> Result<(), StoreError> {
        let silence = self.queue.inner.settings.claim_idle;
        let room = most.saturating_sub(self.later.len());
        let left = self.backing.take_over(&self.seat.name, silence, room).await.inspect_err(|_| self.seat.uncertain = true)?;
        // What is there to do comes first, and then it is looked for more.
        self.next_sweep = Instant::now() + if left.is_empty() || left.len() < room { silence / 2 } else { Duration::ZERO };
        let due = Instant::now();
        for delivery in left {
            if self.hold(&delivery) {
                self.later.push(Later { due, alone: delivery.deliveries > 1, delivery });
            }
        }
        Ok(())
    }

    async fn together_again(&mut self, mut left: Vec<Delivery>) -> Result<(), StoreError> {
        if left.is_empty() {
            return Ok(());
        }
        let places: Vec<_> = left.iter().map(|delivery| delivery.place.clone()).collect();
        let begun: BTreeSet<_> = match self.backing.begin(&self.seat.name, &places, 2).await {
            Ok(begun) => begun.into_iter().collect(),
            Err(error) => {
                self.seat.uncertain = true;
                self.put_off(Instant::now(), left);
                return Err(error);
            }
        };
        self.let_go(&places.into_iter().filter(|place| !begun.contains(place)).collect::<Vec<_>>());
        left.retain_mut(|delivery| {
            delivery.deliveries = 2;
            begun.contains(&delivery.place)
        });
        self.together(left, 2).await;
        Ok(())
    }

    /// These are to be tried again, alone.
    fn put_off(&mut self, due: Instant, deliveries: impl IntoIterator<Item = Delivery>) {
        self.later.extend(deliveries.into_iter().map(|delivery| Later { due, alone: true, delivery }));
    }

    /// Up to so many new items: the first one starts the clock.
    async fn gather(&mut self, most: usize, wait: Duration) -> Result<Vec<Delivery>, StoreError> {
        let mut taken = self.backing.take(&mut self.seat, most, wait).await?;
        self.hold_all(&taken);
        let until = Instant::now() + self.queue.inner.settings.linger;
        while !taken.is_empty() && taken.len() < most && !self.is_over() {
            let left = until.saturating_duration_since(Instant::now());
            if left < Duration::from_millis(1) {
                break;
            }
            match self.backing.take(&mut self.seat, most - taken.len(), left.min(SLICE)).await {
                Ok(more) => {
                    self.hold_all(&more);
                    taken.extend(more);
                }
                // The next turn will say so.
                Err(_) => break,
            }
        }
        Ok(taken)
    }

    /// Handles items together. If that fails, each will be tried alone.
    async fn together(&mut self, taken: Vec<Delivery>, deliveries: u64) {
        let (mut items, mut places, mut whole) = (Vec::with_capacity(taken.len()), Vec::new(), Vec::new());
        for delivery in taken {
            match item::open(&self.queue.inner, &delivery.fields) {
                Ok(item) => {
                    items.push(item);
                    places.push(delivery.place.clone());
                    whole.push(delivery);
                }
                Err(reason) => self.bury(delivery, &reason).await,
            }
        }
        if items.is_empty() {
            return;
        }
        let alone = items.len() == 1;
        match self.handle(Batch::new(items, deliveries)).await {
            Ok(()) => self.settle(places).await,
            Err(reason) if alone => _ = self.failed_alone(whole.remove(0), &reason).await,
            Err(reason) => {
                tracing::warn!(queue = self.queue.inner.name, items = whole.len(), reason, "a batch failed, and is tried item by item");
                let due = Instant::now() + self.queue.inner.settings.backoff.0;
                self.put_off(due, whole);
            }
        }
    }

    async fn one_by_one(&mut self, due: Vec<Delivery>) -> Result<(), StoreError> {
        let (mut in_a_row, mut rest) = (0, due.into_iter());
        while let Some(mut delivery) = rest.next() {
            if self.is_over() {
                return Ok(());
            }
            if delivery.deliveries >= self.queue.inner.settings.retries.max(3) {
                // The third time at the latest it was begun alone, and its consumer did not live to tell.
                self.bury(delivery, "its consumers ended while they handled it").await;
                continue;
            }
            let place = std::slice::from_ref(&delivery.place);
            match self.backing.begin(&self.seat.name, place, delivery.deliveries + 1).await {
                Ok(begun) if begun.is_empty() => {
                    self.let_go(place);
                    continue;
                }
                Ok(_) => delivery.deliveries += 1,
                Err(error) => {
                    self.seat.uncertain = true;
                    self.put_off(Instant::now(), [delivery].into_iter().chain(rest));
                    return Err(error);
                }
            }
            let failed = match item::open(&self.queue.inner, &delivery.fields) {
                Ok(item) => self.handle(Batch::new(vec![item], delivery.deliveries)).await,
                Err(reason) => {
                    self.bury(delivery, &reason).await;
                    continue;
                }
            };
            match failed {
                Ok(()) => {
                    in_a_row = 0;
                    self.settle(vec![delivery.place]).await;
                }
                Err(reason) => {
                    in_a_row += 1;
                    let due = self.failed_alone(delivery, &reason).await;
                    if in_a_row >= IN_A_ROW {
                        self.put_off(due, rest);
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Says when the next attempt may be.
    async fn failed_alone(&mut self, delivery: Delivery, reason: &str) -> Instant {
        let settings = &self.queue.inner.settings;
        let (first, longest) = settings.backoff;
        let doublings = u32::try_from(delivery.deliveries.saturating_sub(1)).unwrap_or(u32::MAX).min(30);
        let due = Instant::now() + first.saturating_mul(1 << doublings).min(longest);
        if delivery.deliveries >= settings.retries {
            self.bury(delivery, reason).await;
        } else {
            tracing::debug!(queue = self.queue.inner.name, deliveries = delivery.deliveries, reason, "an item failed");
            self.put_off(due, [delivery]);
        }
        due
    }

    async fn handle(&self, batch: Batch<T>) -> Result<(), String> {
        let handled = AssertUnwindSafe(async { (self.handle)(batch).await }).catch_unwind().await;
        handled.unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Err(format!("the handler panicked: {}", message.unwrap_or("without a word")))
        })
    }

    /// What was handled must not be handled again: nothing else is done until the store has heard of it, but for the end.
    async fn settle(&mut self, places: Vec<String>) {
        let mut last_tries = 0;
        while let Err(error) = self.backing.settle(&places).await {
            if self.is_over() {
                last_tries += 1;
                if last_tries > LAST_TRIES {
                    tracing::warn!(queue = self.queue.inner.name, items = places.len(), %error, "handled items can't be settled, and will be delivered again");
                    break;
                }
                tokio::time::sleep(PAUSES.0).await;
            }
            self.trouble("settle", &error).await;
        }
        self.let_go(&places);
    }

    async fn bury(&mut self, delivery: Delivery, reason: &str) {
        let letter = dead::letter(&self.queue, reason, delivery.deliveries);
        match self.backing.bury(&delivery.place, &letter).await {
            Ok(()) => {
                tracing::warn!(queue = self.queue.inner.name, deliveries = delivery.deliveries, reason, "an item is dead");
                self.let_go(std::slice::from_ref(&delivery.place));
            }
            Err(error) => {
                self.queue.inner.cache.inner.failed("bury", &error);
                self.doomed.push((delivery, reason.to_owned()));
            }
        }
    }

    /// Whether it wasn't held already.
    fn hold(&self, delivery: &Delivery) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(delivery.place.clone())
    }

    fn hold_all(&self, deliveries: &[Delivery]) {
        for delivery in deliveries {
            self.hold(delivery);
        }
    }

    fn let_go(&self, places: &[String]) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for place in places {
            held.remove(place);
        }
    }
}

/// Gives signs of life for what is in hand.
async fn beat(
    backing: Arc<dyn Backing>,
    name: String,
    every: Duration,
    held: Arc<Mutex<BTreeSet<String>>>,
    uncertain: Arc<AtomicBool>,
    mut ended: watch::Receiver<()>,
) {
    while timeout(every, ended.changed()).await.is_err() {
        let places: Vec<_> = held.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        if !places.is_empty() && backing.renew(&name, &places).await.is_err() {
            uncertain.store(true, Relaxed);
        }
    }
}
