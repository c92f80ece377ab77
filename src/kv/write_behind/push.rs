//! Into the queue.

use super::WriteBehind;
use super::backing::Fields;
use super::item::{self, ItemId};
use crate::error::Error;
use bytes::Bytes;
use serde::Serialize;
use std::borrow::Borrow;

/// What one request carries at most, unless it is a single item.
const AT_ONCE: (usize, usize) = (500, 1 << 20);

/// What became of [`WriteBehind::push_or`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is queued.
    Queued(ItemId),
    /// It was written directly.
    Directly(ItemId),
}

impl<T> WriteBehind<T> {
    /// Queues an item; once this has given back its name, the item is handled at least once. It takes no longer than an operation of the cache's may.
    ///
    /// # Errors
    ///
    /// An item that can't be written ([`Error::is_value`]), a queue that is full ([`Error::is_full`]), a cache that is switched off ([`Error::is_unsupported`]): nothing was queued. A store that
    /// fails, or does not answer in time: whether the item was queued is unknown. To push again without a second effect, give it an id of its own: [`push_as`](Self::push_as).
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it may or may not be queued.
    pub async fn push(&self, item: &T) -> Result<ItemId, Error>
    where
        T: Serialize,
    {
        let id = ItemId::fresh();
        self.push_as(id, item).await?;
        Ok(id)
    }

    /// The same under a name of the caller's: that of a push that failed, or one that was made of what the item stands for.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Cancel safety
    ///
    /// As [`push`](Self::push).
    pub async fn push_as(&self, id: ItemId, item: &T) -> Result<(), Error>
    where
        T: Serialize,
    {
        let fields = self.close(id, item)?;
        self.push_fields(&[fields]).await
    }

    /// Queues items in their order, up to 500 (or a megabyte) by one request.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push). If one of them can't be written, none is queued. Otherwise some may have been queued; use [`push_many_as`](Self::push_many_as) to push them again.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, some may be queued.
    pub async fn push_many(&self, items: &[T]) -> Result<Vec<ItemId>, Error>
    where
        T: Serialize,
    {
        let items: Vec<_> = items.iter().map(|item| (ItemId::fresh(), item)).collect();
        self.push_many_as(&items).await?;
        Ok(items.into_iter().map(|(id, _)| id).collect())
    }

    /// The same under names of the caller's.
    ///
    /// # Errors
    ///
    /// As [`push_many`](Self::push_many).
    ///
    /// # Cancel safety
    ///
    /// As [`push_many`](Self::push_many).
    pub async fn push_many_as<I: Borrow<T>>(&self, items: &[(ItemId, I)]) -> Result<(), Error>
    where
        T: Serialize,
    {
        let items: Vec<Fields> = items.iter().map(|(id, item)| self.close(*id, item.borrow())).collect::<Result<_, _>>()?;
        let (most, bytes) = AT_ONCE;
        let mut rest = &items[..];
        while !rest.is_empty() {
            let mut size = 0;
            let fitting = rest.iter().take(most).take_while(|item| {
                size += item.iter().map(Bytes::len).sum::<usize>();
                size <= bytes
            });
            let (now, later) = rest.split_at(fitting.count().max(1));
            self.push_fields(now).await?;
            rest = later;
        }
        Ok(())
    }

    /// Queues an item, or writes it directly where the queue can't take it: it is full, out of reach, or switched off. `direct` is given the item's name: since a push that failed may have been queued all the
    /// same, only a write that notes it (see "Each effect once") is done once.
    ///
    /// # Errors
    ///
    /// Those of `direct`.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it may be queued, or written as far as `direct` came.
    pub async fn push_or<E, F, Fut>(&self, item: &T, direct: F) -> Result<Pushed, E>
    where
        T: Serialize,
        F: FnOnce(ItemId) -> Fut,
        Fut: Future<Output = Result<(), E>>,
    {
        let id = ItemId::fresh();
        match self.push_as(id, item).await {
            Ok(()) => Ok(Pushed::Queued(id)),
            Err(error) => {
                tracing::debug!(queue = self.inner.name, %error, "an item is written directly");
                direct(id).await.map(|()| Pushed::Directly(id))
            }
        }
    }

    fn close(&self, id: ItemId, item: &T) -> Result<Fields, Error>
    where
        T: Serialize,
    {
        let (engine, _) = self.inner.cache.plain("push")?;
        item::close(&self.inner, engine, id, item)
    }

    async fn push_fields(&self, items: &[Fields]) -> Result<(), Error> {
        let most = self.inner.settings.max_len;
        let fitted = self.ask("push", self.backing("push")?.push(items, most)).await?;
        if fitted { Ok(()) } else { Err(Error::full(&self.inner.name, most.unwrap_or(u64::MAX))) }
    }
}
