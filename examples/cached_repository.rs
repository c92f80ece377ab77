//! A repository that reads a database, and the same behind a cache: found by id, by attributes and all at once; what is saved, changed or deleted ends what it was in.
//!
//!     cargo run --example cached_repository
//!
//! With `REDIS_URL` all processes share it; with a Redis that is down it is the repository that it was.

mod habits;

use habits::{Db, Result};
use serde::{Deserialize, Serialize};
use sqlx_cached::{CachedEntity, Remaining, Repository};
use std::time::{Duration, Instant};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
struct Hero {
    id: i64,
    name: String,
    language: String,
}

/// The strategy: how its keys begin, what it is found by, how long it is kept.
impl CachedEntity for Hero {
    type Id = i64;
    const NAME: &'static str = "hero";
    const TIME_TO_LIVE: Option<Duration> = Some(Duration::from_hours(1));
}

trait Heroes {
    async fn find_by_id(&self, id: i64) -> sqlx::Result<Option<Hero>>;
    async fn find_by_language(&self, language: &str) -> sqlx::Result<Vec<Hero>>;
    async fn list_all(&self) -> sqlx::Result<Vec<Hero>>;
    async fn save(&self, name: &str, language: &str) -> sqlx::Result<Hero>;
    async fn update(&self, hero: &Hero) -> sqlx::Result<Hero>;
    async fn delete(&self, id: i64) -> sqlx::Result<()>;
}

/// The repository as it was.
struct InDatabase(Db);

impl Heroes for InDatabase {
    async fn find_by_id(&self, id: i64) -> sqlx::Result<Option<Hero>> {
        sqlx::query_as("SELECT id, name, language FROM heroes WHERE id = ?").bind(id).fetch_optional(&self.0).await
    }

    async fn find_by_language(&self, language: &str) -> sqlx::Result<Vec<Hero>> {
        sqlx::query_as("SELECT id, name, language FROM heroes WHERE language = ? ORDER BY id").bind(language).fetch_all(&self.0).await
    }

    async fn list_all(&self) -> sqlx::Result<Vec<Hero>> {
        sqlx::query_as("SELECT id, name, language FROM heroes ORDER BY id").fetch_all(&self.0).await
    }

    async fn save(&self, name: &str, language: &str) -> sqlx::Result<Hero> {
        sqlx::query_as("INSERT INTO heroes (name, language) VALUES (?, ?) RETURNING id, name, language")
            .bind(name)
            .bind(language)
            .fetch_one(&self.0)
            .await
    }

    async fn update(&self, hero: &Hero) -> sqlx::Result<Hero> {
        let update = "UPDATE heroes SET name = ?, language = ? WHERE id = ? RETURNING id, name, language";
        sqlx::query_as(update).bind(&hero.name).bind(&hero.language).bind(hero.id).fetch_one(&self.0).await
    }

    async fn delete(&self, id: i64) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM heroes WHERE id = ?").bind(id).execute(&self.0).await.map(drop)
    }
}

/// The same, with a cache in front of it.
struct Cached<R> {
    base: R,
    cache: Repository<Hero>,
}

impl<R: Heroes> Heroes for Cached<R> {
    async fn find_by_id(&self, id: i64) -> sqlx::Result<Option<Hero>> {
        self.cache.find(&id, || self.base.find_by_id(id)).await
    }

    async fn find_by_language(&self, language: &str) -> sqlx::Result<Vec<Hero>> {
        self.cache.find_by("lang", &[&language], || self.base.find_by_language(language)).await
    }

    async fn list_all(&self) -> sqlx::Result<Vec<Hero>> {
        self.cache.list(|| self.base.list_all()).await
    }

    async fn save(&self, name: &str, language: &str) -> sqlx::Result<Hero> {
        self.cache.save(self.base.save(name, language), |hero| &hero.id).await
    }

    async fn update(&self, hero: &Hero) -> sqlx::Result<Hero> {
        self.cache.update(&hero.id, self.base.update(hero)).await
    }

    async fn delete(&self, id: i64) -> sqlx::Result<()> {
        self.cache.delete(&id, self.base.delete(id)).await
    }
}

#[tokio::main]
async fn main() -> Result {
    let (db, _directory) = habits::database(
        "CREATE TABLE heroes (id INTEGER PRIMARY KEY, name TEXT NOT NULL, language TEXT NOT NULL);
         INSERT INTO heroes VALUES (1, 'Ivan', 'ru'), (2, 'Alice', 'en'), (3, 'Robin', 'en')",
    )
    .await?;
    let cache = db.cache();
    let caching = habits::caching(&cache).await;
    cache.clear().await;

    // Past the executor's own cache, so that what follows is the repository's doing. In a program of one's own that is not needed.
    let base = InDatabase(db.uncached());
    time("the database alone", &base).await?;
    let heroes = Cached { base, cache: Repository::new(&cache) };
    time("with the cache, first", &heroes).await?;
    time("with the cache, then", &heroes).await?;
    assert_eq!(cache.stats().hits, if caching { 3 * (ROUNDS + ROUNDS - 1) } else { 0 });

    let stats = heroes.cache.stats().await?;
    println!("{stats:?}");
    assert_eq!(stats.all_cached, caching);
    assert!(stats.all_remaining.is_none_or(|left| matches!(left, Remaining::Left(left) if left <= Duration::from_hours(1))));

    // A change ends the hero, the lists of both languages, and the list of all.
    let alice = heroes.update(&Hero { id: 2, name: "Alisa".into(), language: "ru".into() }).await?;
    assert_eq!(heroes.find_by_id(2).await?, Some(alice));
    assert_eq!((heroes.find_by_language("en").await?.len(), heroes.find_by_language("ru").await?.len()), (1, 2));
    assert_eq!(heroes.list_all().await?[1].name, "Alisa");

    let merlin = heroes.save("Merlin", "en").await?;
    assert_eq!((heroes.find_by_language("en").await?.len(), heroes.list_all().await?.len()), (2, 4));
    heroes.delete(merlin.id).await?;
    assert_eq!((heroes.find_by_id(merlin.id).await?, heroes.list_all().await?.len()), (None, 3));

    // By hand, for whoever writes past the repository.
    sqlx::query("UPDATE heroes SET name = 'Robyn' WHERE id = 3").execute(db.pool()).await?;
    heroes.cache.invalidate(&3).await;
    assert_eq!(heroes.find_by_id(3).await?.map(|hero| hero.name).as_deref(), Some("Robyn"));
    heroes.cache.clear().await;
    assert!(!heroes.cache.stats().await?.all_cached);
    Ok(())
}

const ROUNDS: u64 = 50;

async fn time(what: &str, heroes: &impl Heroes) -> Result {
    let since = Instant::now();
    for _ in 0..ROUNDS {
        assert_eq!(heroes.find_by_id(1).await?.map(|hero| hero.name).as_deref(), Some("Ivan"));
        assert_eq!(heroes.find_by_language("en").await?.len(), 2);
        assert_eq!(heroes.list_all().await?.len(), 3);
    }
    println!("{what}: {:.0?} a round", since.elapsed() / u32::try_from(ROUNDS)?);
    Ok(())
}
