//! Single flight across processes: whoever leads a flight also asks the store for a lease on the answer.
//!
//! The lease bars nobody. It lives for a second and is renewed while the database reads, so a process that dies leaves it to the next within that time. One task per
//! process waits for an answer under another's lease: it asks every few milliseconds, in one round trip, for the entry and else for the lease. The entry must
//! carry the generations of the waiter's own look-up, so taking it is no different from a hit at that instant.
//!
//! A lease costs two round trips of a read, one before and one after it; the executor asks for one only where the database takes its time.

use super::{Engine, Permit};
use crate::entry::{self, Verdict};
use crate::policy::Pressure;
use crate::store::{Label, Lease, LeaseFate, Wish};
use crate::tag::Tag;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// How long a lease stands without renewal: how long others wait for a dead process.
const TIME: Duration = Duration::from_secs(1);

/// How long others read for themselves after an answer could not be kept or a read failed.
const ALONE: Duration = Duration::from_secs(1);

/// How long somebody waits between two questions, in milliseconds: not in step with others.
const PAUSE: std::ops::Range<u64> = 2..5;

/// How long at most one waits for a lease that is renewed again and again: something may hold up its process alone.
const PATIENCE: Duration = Duration::from_secs(5);

/// A lease, asked for or held.
#[derive(Debug)]
pub(crate) struct Leasing {
    engine: Arc<Engine>,
    key: String,
    wish: Wish,
}

/// What the store says to one who wants to read the database.
#[derive(Debug)]
pub(crate) enum Leave {
    /// Go ahead, under the lease.
    Leased(Leasing),
    /// Go ahead without.
    Unleased,
    /// Another process has read it: these are the rows.
    Answered(Bytes),
    /// Another process found that the answer can't be shared.
    Alone,
    /// Another process is at it, and the caller does not want to wait.
    Held,
}

impl Engine {
    /// Asks for leave to read the database for an entry's answer, which may be up to `ttl` old. Waits, if it may, while another process reads it.
    pub(crate) async fn ask_leave(self: &Arc<Self>, key: &str, tags: &[Tag], permit: &Permit, ttl: Duration, wait: bool) -> Leave {
        if self.pressure() == Pressure::Full {
            // What nobody will store, others would wait for in vain.
            return Leave::Unleased;
        }
        let mut holder = [0; 16];
        rand::fill(&mut holder);
        let wish = Wish { head: entry::head(&permit.generations), except: permit.except, holder };
        let mut leasing = Leasing { engine: Arc::clone(self), key: key.to_owned(), wish };
        let labels: Vec<Label> = permit.generations.iter().copied().map(Label::Standing).collect();
        let since = tokio::time::Instant::now();
        while since.elapsed() < PATIENCE {
            match leasing.ask().await {
                Some(Lease::Granted) => return Leave::Leased(leasing),
                Some(Lease::Alone) => return Leave::Alone,
                Some(Lease::Held) if !wait => return Leave::Held,
                Some(Lease::Held) => tokio::time::sleep(Duration::from_millis(rand::random_range(PAUSE))).await,
                Some(Lease::Entry(entry)) => {
                    match entry::judge(key, &entry, tags, &labels, self.rules.max_entry, self.rules.cipher.as_ref()) {
                        Ok(Verdict::Valid { rows, age, fresh_for, .. }) if age <= ttl.min(fresh_for) => return Leave::Answered(rows),
                        Ok(Verdict::Valid { stored, .. } | Verdict::Undecryptable { stored }) if leasing.wish.except != Some(stored) => {
                            leasing.wish.except = Some(stored);
                        }
                        _ => return Leave::Unleased,
                    }
                }
                None => return Leave::Unleased,
            }
        }
        Leave::Unleased
    }
}

impl Leasing {
    /// `None` where the store failed.
    async fn ask(&self) -> Option<Lease> {
        match self.engine.store.lease(&self.key, &self.wish, TIME).await {
            Ok(lease) => Some(lease),
            Err(error) => {
                self.engine.failed("lease", &error);
                None
            }
        }
    }

    /// Keeps the lease until it is dropped.
    pub(crate) async fn renew(&self) {
        loop {
            tokio::time::sleep(TIME / 3).await;
            // Whatever becomes of it: the read goes on.
            self.settle(LeaseFate::Renewed(TIME)).await;
        }
    }

    /// Gives it back. If it is not shared, all read for themselves, and for a while nobody waits for anybody.
    pub(crate) async fn release(self, shared: bool) {
        self.settle(if shared { LeaseFate::Free } else { LeaseFate::Alone(ALONE) }).await;
    }

    async fn settle(&self, fate: LeaseFate) {
        if let Err(error) = self.engine.store.settle_lease(&self.key, &self.wish, fate).await {
            self.engine.failed("settle_lease", &error);
        }
    }
}
