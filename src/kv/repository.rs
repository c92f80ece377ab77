//! A repository's cache: [`Repository`].

use super::changes::Changes;
use super::{Cache, CacheSource, Dependent, Remaining, segment};
use crate::error::Error;
use crate::tag::Tag;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::time::Duration;

/// What a [`Repository`] keeps, and how.
pub trait CachedEntity: Serialize + DeserializeOwned {
    /// What one of them is found by.
    type Id: Display + ?Sized;

    /// How their keys begin: `hero` makes `hero:7`, `hero:lang:en` and `hero:all`.
    const NAME: &'static str;

    /// How long they live. Defaults to the cache's time to live.
    const TIME_TO_LIVE: Option<Duration> = None;

    /// How long it is remembered that there is none of an id. Defaults to not at all.
    const NONE: Option<Duration> = None;

    /// The tables that they are made of, if every write to these goes through an executor: then any such write ends what is cached, whether the repository knows of it or not. Defaults to
    /// none: only what goes through the repository is known of.
    const TABLES: &'static [&'static str] = &[];
}

/// A cache in front of whatever loads and writes the entities of one type: by id, by attributes, all of them.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sqlx_cached::{Cache, CachedEntity, Repository};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// struct Hero {
///     id: i64,
///     language: String,
/// }
///
/// impl CachedEntity for Hero {
///     type Id = i64;
///     const NAME: &'static str = "hero";
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # #[cfg(feature = "redis")] {
/// # let cache = Cache::builder().build().await?;
/// # let hero = Hero { id: 7, language: "en".to_owned() };
/// # let database = async |_: &str| Ok::<_, sqlx::Error>(vec![hero.clone()]);
/// # let write = async |hero: &Hero| Ok::<_, sqlx::Error>(hero.clone());
/// let heroes = Repository::<Hero>::new(&cache);
/// let one = heroes.find(&7, async || Ok::<_, sqlx::Error>(database("id = 7").await?.pop())).await?;
/// let english = heroes.find_by("lang", &[&"en"], async || database("language = 'en'").await).await?;
/// assert_eq!(one, english.first().cloned());
/// heroes.update(&7, write(&Hero { language: "ru".to_owned(), ..hero.clone() })).await?; // ends both lists, and `hero:all`
/// # }
/// # Ok(()) }
/// ```
///
/// # What a write ends
///
/// The entity's own key, and every list there is of its type: of all, and by whatever attribute. Which lists an entity was in before an update only the database knows, so none is left to
/// be right by chance. Lists carry a *generation* of their type, which a write replaces: that costs one request however many lists there are, and a list whose load overlapped with the
/// write is stored dead. That holds whatever the write returns, since one that failed may have been committed, and where its caller gives up.
///
/// Writes past the repository are not seen, unless [`TABLES`](CachedEntity::TABLES) says what the entities are made of.
pub struct Repository<E> {
    cache: Cache,
    entity: PhantomData<fn() -> E>,
}

/// What is cached of an entity type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntityStats {
    /// [`CachedEntity::NAME`].
    pub entity: &'static str,
    /// Whether the list of all is cached.
    pub all_cached: bool,
    /// How long that list still lives.
    pub all_remaining: Option<Remaining>,
}

impl<E: CachedEntity> Repository<E> {
    /// In a cache, or an executor's.
    pub fn new(source: &(impl CacheSource + ?Sized)) -> Self {
        let mut cache = source.cache();
        if let Some(ttl) = E::TIME_TO_LIVE {
            cache = cache.time_to_live(ttl);
        }
        if let Some(ttl) = E::NONE {
            cache = cache.negative(ttl);
        }
        Self { cache, entity: PhantomData }
    }

    /// The one of this id, or what `load` gives.
    ///
    /// # Errors
    ///
    /// `load`'s, which are not cached.
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::get_or_set`].
    pub async fn find<Err, F, Fut>(&self, id: &E::Id, load: F) -> Result<Option<E>, Err>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<E>, Err>>,
    {
        let key = self.key_of(id);
        if E::TABLES.is_empty() {
            self.cache.get_or_set_optional(&key, load).await
        } else {
            self.cache.depends_on(E::TABLES).get_or_set_optional(&key, load).await
        }
    }

    /// Those with these values of an attribute (or of several, under a name for the lot), or what `load` gives: `find_by("lang", &[&"en"], ...)`.
    ///
    /// # Errors
    ///
    /// `load`'s, which are not cached.
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::get_or_set`].
    pub async fn find_by<Err, F, Fut>(&self, attribute: &str, values: &[&(dyn Display + Sync)], load: F) -> Result<Vec<E>, Err>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Vec<E>, Err>>,
    {
        let mut key = format!("{}:{}:", segment(E::NAME), segment(attribute));
        let values: Vec<_> = values.iter().map(|value| segment(&value.to_string())).collect();
        // None is something else than an empty one.
        key.push_str(if values.is_empty() { "%" } else { "" });
        key.push_str(&values.join(":"));
        self.lists().get_or_set(&self.cache.fitting(key), load).await
    }

    /// All of them, or what `load` gives.
    ///
    /// # Errors
    ///
    /// `load`'s, which are not cached.
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::get_or_set`].
    pub async fn list<Err, F, Fut>(&self, load: F) -> Result<Vec<E>, Err>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Vec<E>, Err>>,
    {
        self.lists().get_or_set(&all::<E>(), load).await
    }

    /// Runs a write that creates one, whose id only the database may know, and ends the lists. `id` says which one was created, so that it is no longer remembered as missing. The entity itself is cached
    /// when it is first found: what is stored only after the commit may be older already than what another writer stored. ([`update`](Self::update) stores, for those who know the id before.)
    ///
    /// # Errors
    ///
    /// `write`'s.
    ///
    /// # Cancel safety
    ///
    /// As `write`'s; what is cached of this type is then ended, every one of them.
    pub async fn save<T, Err>(&self, write: impl Future<Output = Result<T, Err>>, id: impl FnOnce(&T) -> &E::Id) -> Result<T, Err> {
        // Where the write does not say which one it was, each may be meant.
        let changes = self.everything();
        let written = write.await;
        if let Ok(saved) = &written {
            let one = self.changes(id(saved));
            changes.instead(one).done().await;
        } else {
            changes.done().await;
        }
        written
    }

    /// Runs a write that changes the one of this id and gives it as it is now; ends the lists and stores the new entity (but where [`TABLES`](CachedEntity::TABLES) are
    /// named: then it is cached when it is next found). From before the write until its end nobody is given the old one.
    ///
    /// # Errors
    ///
    /// `write`'s; then nothing is stored, and what was is ended all the same.
    ///
    /// # Cancel safety
    ///
    /// As `write`'s. Then the lists are ended, and the entity is not cached for half a minute: what the database commits later than that is seen when the time to live is over, but with
    /// [`TABLES`](CachedEntity::TABLES) at once.
    pub async fn update<Err>(&self, id: &E::Id, write: impl Future<Output = Result<E, Err>>) -> Result<E, Err> {
        if !E::TABLES.is_empty() {
            return self.delete(id, write).await;
        }
        // The key is the write's own business: it has the new value afterwards, or none.
        let lists = Changes::new(&self.cache).tag(tag::<E>());
        let written = self.cache.write_through(&self.key_of(id), write).await;
        lists.done().await;
        written
    }

    /// Runs a write that deletes the one of this id, or changes it in a way that it does not tell; ends its key and the lists.
    ///
    /// # Errors
    ///
    /// `write`'s; then what is cached is ended all the same.
    ///
    /// # Cancel safety
    ///
    /// As `write`'s; the key and the lists are then ended. What the database commits after that is seen when the time to live is over, but with [`TABLES`](CachedEntity::TABLES) at once.
    pub async fn delete<T, Err>(&self, id: &E::Id, write: impl Future<Output = Result<T, Err>>) -> Result<T, Err> {
        let changes = self.changes(id);
        let written = write.await;
        changes.done().await;
        written
    }

    /// Ends what is cached of the one of this id: its key, and the lists it may be in. For writes past the repository.
    ///
    /// # Cancel safety
    ///
    /// What is not ended yet is then ended in the background.
    pub async fn invalidate(&self, id: &E::Id) {
        self.changes(id).done().await;
    }

    /// Ends everything that is cached of this type. Takes a SCAN of the store.
    ///
    /// # Cancel safety
    ///
    /// As [`invalidate`](Self::invalidate).
    pub async fn clear(&self) {
        self.everything().done().await;
    }

    /// What is cached of this type.
    ///
    /// # Errors
    ///
    /// A [`NAME`](CachedEntity::NAME) that is too long for a key.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn stats(&self) -> Result<EntityStats, Error> {
        let all_remaining = self.cache.ttl_of(&all::<E>()).await?;
        Ok(EntityStats { entity: E::NAME, all_cached: all_remaining.is_some(), all_remaining })
    }

    fn key_of(&self, id: &E::Id) -> String {
        let id = match segment(&id.to_string()) {
            // Not the key of all. No other id is written so.
            all if all == "all" => "%61ll".to_owned(),
            id => id,
        };
        self.cache.fitting(format!("{}:{id}", segment(E::NAME)))
    }

    fn lists(&self) -> Dependent {
        self.cache.depends_on(E::TABLES).and_on(tag::<E>())
    }

    fn changes(&self, id: &E::Id) -> Changes {
        Changes::new(&self.cache).tag(tag::<E>()).key(self.key_of(id))
    }

    fn everything(&self) -> Changes {
        Changes::new(&self.cache).tag(tag::<E>()).pattern(&format!("{}:*", Cache::escape(&segment(E::NAME))))
    }
}

fn all<E: CachedEntity>() -> String {
    format!("{}:all", segment(E::NAME))
}

/// What all lists of a type depend on. No table is called so: in a table's tag a `%` is followed by two hexadecimal digits.
fn tag<E: CachedEntity>() -> Tag {
    Tag::of_text(&format!("%entity.{}", segment(E::NAME)))
}

impl<E> Clone for Repository<E> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone(), entity: PhantomData }
    }
}

impl<E: CachedEntity> fmt::Debug for Repository<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").field("entity", &E::NAME).field("cache", &self.cache).finish()
    }
}
