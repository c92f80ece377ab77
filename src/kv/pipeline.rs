//! Several operations at once.

use super::Cache;
use crate::error::Error;
use crate::store::{Operation, Outcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Operations that are done together: by one request, and in Redis as one transaction, undisturbed by others. In a cluster they must be about one slot's keys: give them the
/// same part in braces, `{user:7}:name`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = sqlx_cached::Cache::builder().build().await?;
/// let replies = cache.pipeline().set("name", "Grace")?.increment("visits", 1)?.get("name")?.run().await?;
/// assert_eq!((replies.number(1), replies.value::<String>(2).as_deref()), (Some(1), Some("Grace")));
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "nothing is done until it runs"]
pub struct Pipeline {
    cache: Cache,
    operations: Vec<Operation>,
}

/// What became of the operations of a [`Pipeline`], by their places.
#[derive(Debug)]
pub struct Replies {
    cache: Cache,
    replies: Vec<(String, Reply)>,
}

#[derive(Debug)]
enum Reply {
    Value(Option<super::Written>),
    Done(bool),
    Number(i64),
}

impl Cache {
    /// Operations to be done together.
    pub fn pipeline(&self) -> Pipeline {
        Pipeline { cache: self.clone(), operations: Vec::new() }
    }
}

impl Pipeline {
    fn add(mut self, key: &str, operation: impl FnOnce(String) -> Operation) -> Result<Self, Error> {
        let name = self.cache.names.of(key)?;
        self.operations.push(operation(name));
        Ok(self)
    }

    /// Gives the value at a key.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    pub fn get(self, key: &str) -> Result<Self, Error> {
        self.add(key, Operation::Get)
    }

    /// Stores a value for the clone's time to live.
    ///
    /// # Errors
    ///
    /// As [`Cache::set`].
    pub fn set<T: Serialize + ?Sized>(self, key: &str, value: &T) -> Result<Self, Error> {
        let ttl = self.cache.ttl();
        self.set_for(key, value, ttl)
    }

    /// Stores a value for a time of its own; `None` for without end.
    ///
    /// # Errors
    ///
    /// As [`Cache::set`].
    pub fn set_for<T: Serialize + ?Sized>(self, key: &str, value: &T, ttl: impl Into<Option<Duration>>) -> Result<Self, Error> {
        let value = self.cache.write(key, value)?;
        let Some((engine, _)) = self.cache.inner.plain() else { return Ok(self) };
        let name = self.cache.names.of(key)?;
        let bytes = self.cache.inner.state.wrapping.wrap(engine.whereabouts(), &name, &value, None);
        self.add(key, |name| Operation::Set(name, bytes, ttl.into()))
    }

    /// Deletes a value.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    pub fn delete(self, key: &str) -> Result<Self, Error> {
        self.add(key, Operation::Delete)
    }

    /// Gives a value another time to live; `None` for without end.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    pub fn expire(self, key: &str, ttl: impl Into<Option<Duration>>) -> Result<Self, Error> {
        self.add(key, |name| Operation::Expire(name, ttl.into()))
    }

    /// Adds to the number at a key.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    pub fn increment(self, key: &str, by: i64) -> Result<Self, Error> {
        self.add(key, |name| Operation::Increment(name, by, None))
    }

    /// Does all of it.
    ///
    /// # Errors
    ///
    /// A store that can't be asked; an operation that it refused, such as to add to what is no number: the others were done all the same. If the connection broke, or the time of one request was up (a pipeline is one, however
    /// long), all may have been.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, all may have been done, or nothing.
    pub async fn run(self) -> Result<Replies, Error> {
        let Self { cache, operations } = self;
        let (_, store) = cache.plain("pipeline")?;
        for operation in &operations {
            cache.deliver("pipeline", operation.key())?;
        }
        let outcomes = store.batch(&operations).await.map_err(|error| cache.store_error("pipeline", error))?;
        let mut replies = Vec::with_capacity(outcomes.len());
        for (operation, outcome) in operations.iter().zip(outcomes) {
            let name = operation.key();
            let reply = match outcome {
                Outcome::Value(None) => Reply::Value(None),
                Outcome::Value(Some(bytes)) => Reply::Value(cache.inner.valid(name, bytes).await),
                Outcome::Done(done) => Reply::Done(done),
                Outcome::Number(number) => Reply::Number(number),
            };
            replies.push((name.to_owned(), reply));
        }
        Ok(Replies { cache, replies })
    }
}

impl Replies {
    /// The value that the operation at this place, a `get`, gave; none where there was none, or one of another type.
    pub fn value<T: DeserializeOwned>(&self, place: usize) -> Option<T> {
        match self.replies.get(place) {
            Some((name, Reply::Value(Some(value)))) => self.cache.inner.read(name, value),
            _ => None,
        }
    }

    /// The sum that the operation at this place, an `increment`, gave.
    pub fn number(&self, place: usize) -> Option<i64> {
        match self.replies.get(place) {
            Some((_, Reply::Number(number))) => Some(*number),
            _ => None,
        }
    }

    /// Whether the operation at this place, any other, found its key; of a `set`, whether it was stored.
    pub fn done(&self, place: usize) -> Option<bool> {
        match self.replies.get(place) {
            Some((_, Reply::Done(done))) => Some(*done),
            _ => None,
        }
    }

    /// How many operations were done.
    pub fn len(&self) -> usize {
        self.replies.len()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }
}
