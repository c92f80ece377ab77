//! Writes that are done later: [`WriteBehind`].

mod backing;
mod batch;
mod builder;
mod consumer;
mod dead;
mod item;
mod local;
mod push;
#[cfg(feature = "redis")]
mod stream;
mod work;

pub use self::batch::Batch;
pub use self::builder::WriteBehindBuilder;
pub use self::consumer::Consumer;
pub use self::dead::{DeadLetter, DeadLetters};
pub use self::item::ItemId;
pub use self::push::Pushed;

pub(crate) use self::local::Queues;

use self::backing::Backing;
use super::Cache;
use crate::error::Error;
use crate::store::StoreError;
use futures_util::FutureExt;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// How often the store is asked whether everything is settled, where it does not tell.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A durable queue for writes that must not be lost, but need not be in the database at once: counters, activity logs, search histories. [`Cache::write_behind`] makes one.
///
/// An item is *queued* when its push was acknowledged, *delivered* to a consumer in a batch, and *settled*, which deletes it, when the handler has given back `Ok`. What fails is tried
/// again, alone and with growing pauses, and is a [dead letter](Self::dead) after so many [deliveries](WriteBehindBuilder::retries). So every queued item is handled **at least once**,
/// and in order as far as nothing fails and there is one consumer.
///
#[cfg_attr(feature = "sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
/// use sqlx_cached::{Batch, Cache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// # let directory = tempfile::tempdir()?;
/// # let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}?mode=rwc", directory.path().join("shop.db").display())).await?;
/// # sqlx::raw_sql("CREATE TABLE books (id INTEGER PRIMARY KEY, downloads INTEGER NOT NULL); INSERT INTO books VALUES (7, 0)").execute(&pool).await?;
/// let downloads = cache.write_behind::<(i64, i64)>("downloads").build()?;
/// let database = pool.clone();
/// let consumer = downloads.consume(move |batch: Batch<(i64, i64)>| {
///     let pool = database.clone();
///     async move {
///         let mut transaction = pool.begin().await?;
///         // A hundred downloads of a book are one UPDATE.
///         for (book, by) in batch.sums(|item| *item) {
///             sqlx::query("UPDATE books SET downloads = downloads + ? WHERE id = ?").bind(by).bind(book).execute(&mut *transaction).await?;
///         }
///         transaction.commit().await
///     }
/// });
/// downloads.push(&(7, 1)).await?;
/// downloads.push_many(&[(7, 1), (7, 1)]).await?;
/// downloads.drained().await?;
/// # assert_eq!(sqlx::query_scalar::<_, i64>("SELECT downloads FROM books").fetch_one(&pool).await?, 3);
/// consumer.stop().await;
/// # Ok(()) }
/// ```
///
/// # Each effect once
///
/// A handler is given an item again if its consumer, or Redis, died between the effect and its settlement, and an item is queued twice if the answer to its push was lost. Each has an
/// [`ItemId`] that stays the same through all of that. Write the ids to a table in the transaction of the effect, and leave out those that are there:
///
#[cfg_attr(feature = "sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
/// # use sqlx_cached::{Batch, Cache, ItemId};
/// # use std::collections::HashSet;
/// /// `CREATE TABLE applied (id BLOB PRIMARY KEY, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)`
/// async fn apply(pool: sqlx::SqlitePool, mut batch: Batch<(i64, i64)>) -> Result<(), sqlx::Error> {
///     let mut transaction = pool.begin().await?;
///     let mut insert = sqlx::QueryBuilder::new("INSERT INTO applied (id) ");
///     insert.push_values(batch.ids(), |mut row, id| _ = row.push_bind(id.as_bytes().to_vec()));
///     insert.push(" ON CONFLICT DO NOTHING RETURNING id");
///     let new: Vec<Vec<u8>> = insert.build_query_scalar().fetch_all(&mut *transaction).await?;
///     let new: HashSet<Vec<u8>> = new.into_iter().collect();
///     batch.retain(|id, _| new.contains(&id.as_bytes()[..]));
///     for (book, by) in batch.sums(|item| *item) {
///         sqlx::query("UPDATE books SET downloads = downloads + ? WHERE id = ?").bind(by).bind(book).execute(&mut *transaction).await?;
///     }
///     transaction.commit().await
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// # let directory = tempfile::tempdir()?;
/// # let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}?mode=rwc", directory.path().join("shop.db").display())).await?;
/// # sqlx::raw_sql("CREATE TABLE books (id INTEGER PRIMARY KEY, downloads INTEGER NOT NULL); INSERT INTO books VALUES (7, 0);
/// #     CREATE TABLE applied (id BLOB PRIMARY KEY, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)").execute(&pool).await?;
/// # let downloads = cache.write_behind::<(i64, i64)>("downloads").build()?;
/// let database = pool.clone();
/// let consumer = downloads.consume(move |batch| apply(database.clone(), batch));
/// let id = ItemId::fresh();
/// downloads.push_as(id, &(7, 1)).await?;
/// downloads.push_as(id, &(7, 1)).await?; // As after an error, which does not tell whether the first one was queued.
/// downloads.drained().await?;
/// # assert_eq!(sqlx::query_scalar::<_, i64>("SELECT downloads FROM books").fetch_one(&pool).await?, 1);
/// # consumer.stop().await;
/// # Ok(()) }
/// ```
///
/// Ids may be deleted from that table when their items can't come back any more: when they are older than the longest time that an item waits, as a dead letter too.
///
/// # What can be lost, and when
///
/// | what happens | what becomes of the items |
/// |---|---|
/// | the program is killed before a push is answered | unknown: queued, or not |
/// | a push fails, or its time is up | unknown, unless the queue was [full](Error::is_full) or the [item](Error::is_value) refused: push again [by the same id](Self::push_as) |
/// | the program is killed after a push was answered | nothing is lost |
/// | a consumer is killed | nothing is lost: after [`claim_idle`](WriteBehindBuilder::claim_idle) others take over what it had, and do again what it had not settled: a batch at most |
/// | a consumer stands still for longer than that, and goes on | nothing is lost: its batch may be handled twice |
/// | the connection to Redis breaks | nothing is lost: what was handled is settled as soon as Redis answers |
/// | Redis is killed, `appendonly no` | everything since its last snapshot is lost, and what was settled since may come back |
/// | Redis is killed, `appendonly yes` | with `appendfsync always` or `no` nothing is lost, since Redis writes its log before it answers. With `everysec` (its default) as a rule nothing, but it puts off that writing, for up to two seconds, while the disk is not done with the last sync |
/// | the machine or its power fails | `always`: nothing. `everysec`: up to two seconds. `no`: what the system had not written, half a minute on Linux |
/// | a replica takes over | what had not reached it yet: replication is asynchronous. What was settled meanwhile may come back |
/// | the memory is full (`maxmemory`) | `noeviction` or a `volatile-` policy: pushes are refused, nothing is lost. An `allkeys-` policy may evict the whole queue; the log warns of it once |
/// | `FLUSHALL`, `FLUSHDB`, or the stream is deleted | everything is lost; what is pushed from then on is handled |
/// | [`Cache::clear`], [`delete_pattern`](Cache::delete_pattern) | nothing: queues lie outside the cache's keys, and have no time to live |
/// | the embedded store | it lives in this process: everything is lost with it. Consumers that end lose nothing |
///
/// "May come back", "again" and "twice" are the duplicates that there can be: what was in a consumer's hands unsettled (a batch of each consumer), and what was pushed again.
///
/// # In Redis
///
/// A queue is a stream, `{<prefix>:<name>}:queue`, its dead letters another one, `{<prefix>:<name>}:dead`: in a cluster both are on one server. A fault of Redis' is no error of a consumer: it waits, says
/// so in the log, and goes on when Redis answers, after a restart or a `FLUSHALL` as well. A killed consumer leaves its name in the group, some hundred bytes. Redis 5 or newer; a restricted user needs, on keys
/// `~{<prefix>*`:
///
/// ```text
/// +xadd +xreadgroup +xack +xdel +xclaim +xpending +xlen +xrange +xgroup|create +xgroup|delconsumer +multi +exec +info
/// with max_len: +evalsha +script|load
/// ```
pub struct WriteBehind<T> {
    inner: Arc<Inner>,
    item: PhantomData<fn() -> T>,
}

struct Inner {
    cache: Cache,
    name: String,
    /// With the prefix and the scope.
    whole: String,
    /// None where the cache is switched off.
    backing: Option<Arc<dyn Backing>>,
    settings: Settings,
}

#[derive(Clone, Debug)]
struct Settings {
    batch: usize,
    linger: Duration,
    retries: u64,
    backoff: (Duration, Duration),
    claim_idle: Duration,
    max_len: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch: 100,
            linger: Duration::from_millis(50),
            retries: 20,
            backoff: (Duration::from_millis(100), Duration::from_secs(30)),
            claim_idle: Duration::from_secs(30),
            max_len: None,
        }
    }
}

impl Cache {
    /// A durable queue of this name, for writes that are done later. Everybody who asks for the same name, under the same prefix and scope, has the same queue. Its items are written in this
    /// clone's [format](Self::format).
    pub fn write_behind<T>(&self, name: &str) -> WriteBehindBuilder<T> {
        WriteBehindBuilder::new(self.clone(), name)
    }
}

impl<T> WriteBehind<T> {
    /// Starts a consumer on a task of its own. `handler` is given batches, one at a time; `Ok` settles all of its items. What goes wrong otherwise, a panic included, is tried again item by
    /// item. Several consumers, of any number of processes, share the queue.
    ///
    /// The items of a handler that never ends stay its own, so give it a deadline. Where the cache is switched off there is nothing to consume.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn consume<F, Fut, E>(&self, handler: F) -> Consumer
    where
        T: DeserializeOwned + Send + 'static,
        F: Fn(Batch<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let Some(backing) = &self.inner.backing else { return Consumer::idle() };
        let handler = move |batch| handler(batch).map(|handled| handled.map_err(|error| error.to_string())).boxed();
        Consumer::start(self.clone(), Arc::clone(backing), Box::new(handler))
    }

    /// The items that failed too often, or can't be read.
    pub fn dead(&self) -> DeadLetters<'_, T> {
        DeadLetters(self)
    }

    /// How many items are not settled yet, those in consumers' hands included.
    ///
    /// # Errors
    ///
    /// A store that can't be asked.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn len(&self) -> Result<u64, Error> {
        self.ask("len", self.backing("len")?.len()).await
    }

    /// Whether everything is settled.
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

    /// How many items are in consumers' hands: being handled, waiting to be tried again, or left by a consumer that died.
    ///
    /// # Errors
    ///
    /// A store that can't be asked.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn pending(&self) -> Result<u64, Error> {
        self.ask("pending", self.backing("pending")?.pending()).await
    }

    /// Waits until everything is settled, or dead. A consumer must be at work somewhere.
    ///
    /// # Errors
    ///
    /// A store that can't be asked.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn drained(&self) -> Result<(), Error> {
        let mut settled = self.backing("drained")?.settled();
        while !self.is_empty().await? {
            match &mut settled {
                Some(settled) => _ = settled.changed().await,
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
        Ok(())
    }

    fn backing(&self, operation: &'static str) -> Result<&Arc<dyn Backing>, Error> {
        let backing = self.inner.backing.as_ref();
        backing.ok_or_else(|| Error::unsupported(operation, "can't be done: the cache is switched off"))
    }

    async fn ask<A>(&self, operation: &'static str, answer: impl Future<Output = Result<A, StoreError>>) -> Result<A, Error> {
        answer.await.map_err(|error| self.inner.cache.store_error(operation, error))
    }
}

impl<T> Clone for WriteBehind<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), item: PhantomData }
    }
}

impl<T> fmt::Debug for WriteBehind<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBehind").field("name", &self.inner.name).field("backing", &self.inner.backing).finish_non_exhaustive()
    }
}
