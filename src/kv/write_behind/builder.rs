//! Putting a queue together.

use super::backing::Backing;
use super::{Inner, Settings, WriteBehind};
use crate::error::Error;
use crate::kv::{Cache, segment};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// Sets up a [`WriteBehind`]. Setters take anything; [`build`](Self::build) returns the error, and it names the setting.
#[must_use = "a builder does nothing until it builds"]
pub struct WriteBehindBuilder<T> {
    cache: Cache,
    name: String,
    group: String,
    settings: Settings,
    item: PhantomData<fn() -> T>,
}

/// The clock ends somewhere.
const LONGEST: Duration = Duration::from_hours(24 * 366);

impl<T> WriteBehindBuilder<T> {
    pub(super) fn new(cache: Cache, name: &str) -> Self {
        Self { cache, name: name.to_owned(), group: "consumers".to_owned(), settings: Settings::default(), item: PhantomData }
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self
    }

    /// The name of the consumers' group in Redis. All consumers of a queue must be of one group: what one group has settled is gone for every other. Defaults to `consumers`.
    pub fn group(self, name: &str) -> Self {
        Self { group: name.to_owned(), ..self }
    }

    /// The most items of a batch, 1 to 10,000. Defaults to 100.
    pub fn batch(self, items: usize) -> Self {
        self.set(|settings| settings.batch = items)
    }

    /// How long a batch that has its first item waits for others. Defaults to 50 ms.
    pub fn linger(self, time: Duration) -> Self {
        self.set(|settings| settings.linger = time)
    }

    /// After how many deliveries an item that fails is dead. It must have failed alone: in a batch another one may have been at fault. With the pauses between them, 20 deliveries take six
    /// minutes. Defaults to 20.
    pub fn retries(self, deliveries: u64) -> Self {
        self.set(|settings| settings.retries = deliveries)
    }

    /// The pause before an item that failed is tried again, which doubles with each failure, and the longest. Defaults to 100 ms and 30 s.
    pub fn backoff(self, first: Duration, longest: Duration) -> Self {
        self.set(|settings| settings.backoff = (first, longest))
    }

    /// After what time without a sign of life a consumer counts as dead, so that others take its items over. Consumers give one three times as often, whatever their handlers do.
    /// The same in all consumers of a queue. Defaults to 30 s.
    pub fn claim_idle(self, time: Duration) -> Self {
        self.set(|settings| settings.claim_idle = time)
    }

    /// The most items that may be in the queue, those in consumers' hands included. When there are as many, a push is refused with an error ([`Error::is_full`]); what was acknowledged is never
    /// trimmed. Defaults to no bound but the store's memory.
    pub fn max_len(self, items: u64) -> Self {
        self.set(|settings| settings.max_len = Some(items))
    }

    /// Makes the queue. Nobody is asked yet: Redis need not be up.
    ///
    /// # Errors
    ///
    /// A setting that can't be used; a name that is empty or too long.
    pub fn build(self) -> Result<WriteBehind<T>, Error> {
        let Self { cache, name, group, settings, .. } = self;
        let refuse = |setting, value: &dyn fmt::Debug, reason| Err(Error::setting(setting, format!("{value:?}"), reason));
        if !(1..=10_000).contains(&settings.batch) {
            return refuse("batch", &settings.batch, "is not from 1 to 10,000");
        }
        if settings.retries == 0 {
            return refuse("retries", &settings.retries, "leaves no delivery");
        }
        if settings.claim_idle < Duration::from_millis(10) {
            return refuse("claim_idle", &settings.claim_idle, "is less than 10 ms");
        }
        if settings.backoff.0.is_zero() || settings.backoff.0 > settings.backoff.1 {
            return refuse("backoff", &settings.backoff, "is no pause, or one that is longer than the longest");
        }
        for (setting, time) in [("linger", settings.linger), ("claim_idle", settings.claim_idle), ("backoff", settings.backoff.1)] {
            if time > LONGEST {
                return refuse(setting, &time, "is longer than a year");
            }
        }
        if settings.max_len == Some(0) {
            return refuse("max_len", &0, "leaves room for nothing");
        }
        if group.is_empty() {
            return refuse("group", &group, "is empty");
        }
        cache.name(&name)?;
        let whole = format!("{}:{}", cache.names.prefix(), segment(&name));
        let backing: Option<Arc<dyn Backing>> = match &cache.inner.engine {
            None => None,
            #[cfg(feature = "redis")]
            Some(engine) if engine.store().plain().redis().is_some() => {
                Some(Arc::new(super::stream::StreamQueue::new(Arc::clone(engine), &whole, &group)))
            }
            Some(_) => Some(cache.inner.state.queues.of(&whole)),
        };
        Ok(WriteBehind { inner: Arc::new(Inner { cache, name, whole, backing, settings }), item: PhantomData })
    }
}

impl<T> fmt::Debug for WriteBehindBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBehindBuilder")
            .field("name", &self.name)
            .field("group", &self.group)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
