//! The cache of a repository: no list and no entity is old after a write, whatever became of it.

use crate::macros::{Runs, caches, gone};
use crate::support::Redis;
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use sqlx_cached::{Cache, CachedEntity, CachingExecutor, Repository};
use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Hero {
    id: String,
    name: String,
    language: String,
}

impl CachedEntity for Hero {
    type Id = str;
    const NAME: &'static str = "hero";
    const TIME_TO_LIVE: Option<Duration> = Some(Duration::from_hours(1));
    const NONE: Option<Duration> = Some(Duration::from_mins(1));
}

fn hero(id: &str, language: &str) -> Hero {
    Hero { id: id.to_owned(), name: format!("hero of {language}"), language: language.to_owned() }
}

/// A repository as a program has it: a database, here in memory, and the cache in front.
struct Heroes {
    cached: Repository<Hero>,
    rows: Mutex<Vec<Hero>>,
    reads: Runs,
}

impl Heroes {
    fn new(cache: &Cache, rows: &[Hero]) -> Self {
        Self { cached: Repository::new(cache), rows: Mutex::new(rows.to_vec()), reads: Runs::default() }
    }

    fn select(&self, of: impl Fn(&Hero) -> bool) -> Vec<Hero> {
        self.reads.again();
        self.rows.lock().unwrap().iter().filter(|hero| of(hero)).cloned().collect()
    }

    fn write(&self, hero: &Hero) {
        let mut rows = self.rows.lock().unwrap();
        rows.retain(|row| row.id != hero.id);
        rows.push(hero.clone());
    }

    async fn find(&self, id: &str) -> Option<Hero> {
        self.cached.find(id, async || Ok::<_, Infallible>(self.select(|hero| hero.id == id).pop())).await.unwrap()
    }

    async fn by_language(&self, language: &str) -> Vec<Hero> {
        let load = async || Ok::<_, Infallible>(self.select(|hero| hero.language == language));
        self.cached.find_by("lang", &[&language], load).await.unwrap()
    }

    async fn list(&self) -> Vec<Hero> {
        self.cached.list(async || Ok::<_, Infallible>(self.select(|_| true))).await.unwrap()
    }

    /// What the cache gives is what the rows are; returns how many reads it took.
    async fn check(&self) -> usize {
        let (before, rows) = (self.reads.so_far(), self.rows.lock().unwrap().clone());
        for id in ["1", "2", "all", "lang:en", "*"] {
            assert_eq!(self.find(id).await, rows.iter().find(|hero| hero.id == id).cloned(), "{id}");
        }
        for language in ["en", "ru", ""] {
            let expected: Vec<_> = rows.iter().filter(|hero| hero.language == language).cloned().collect();
            assert_eq!(self.by_language(language).await, expected, "{language}");
        }
        assert_eq!(self.list().await, rows);
        self.reads.so_far() - before
    }
}

const READS: usize = 9;

#[tokio::test]
async fn reads_are_given_what_the_last_write_left() {
    for (cache, redis) in caches().await {
        let heroes = Heroes::new(&cache, &[hero("1", "en"), hero("all", "en")]);
        assert_eq!((heroes.check().await, heroes.check().await), (READS, 0));
        if let Some(redis) = &redis {
            for key in ["kv:hero:1", "kv:hero:all", "kv:hero:lang:en", "kv:hero:%61ll", "kv:hero:lang%3Aen", "kv:hero:%2A"] {
                assert!(redis.cli::<bool>(&["EXISTS", key]), "{key}");
            }
        }
        let stats = heroes.cached.stats().await.unwrap();
        assert!(stats.entity == "hero" && stats.all_cached && stats.all_remaining.is_some(), "{stats:?}");

        // Created: it was remembered that there was none.
        let created = hero("2", "ru");
        let write = async {
            heroes.write(&created);
            Ok::<_, Infallible>(created.clone())
        };
        heroes.cached.save(write, |hero| &hero.id).await.unwrap();
        assert!(!heroes.cached.stats().await.unwrap().all_cached);
        assert_eq!((heroes.check().await, heroes.check().await), (5, 0), "the lists, and the one that was created");

        // From one list to another; the new one is stored.
        let moved = hero("1", "ru");
        let write = async {
            heroes.write(&moved);
            Ok::<_, Infallible>(moved.clone())
        };
        heroes.cached.update("1", write).await.unwrap();
        assert_eq!(cache.get::<Hero>("hero:1").await.unwrap().as_ref(), Some(&moved));
        assert_eq!((heroes.check().await, heroes.check().await), (4, 0), "the lists");

        let write = async {
            heroes.rows.lock().unwrap().retain(|hero| hero.id != "1");
            Ok::<_, Infallible>(())
        };
        heroes.cached.delete("1", write).await.unwrap();
        assert_eq!((heroes.check().await, heroes.check().await), (5, 0), "the lists, and the one that was deleted");

        // Past the repository.
        heroes.write(&hero("2", "en"));
        heroes.cached.invalidate("2").await;
        assert_eq!(heroes.check().await, 5);
        heroes.rows.lock().unwrap().clear();
        heroes.cached.clear().await;
        assert_eq!(heroes.check().await, READS);
    }
}

#[tokio::test]
async fn a_write_that_fails_or_is_given_up_may_have_been_committed() {
    for (cache, _redis) in caches().await {
        let heroes = Heroes::new(&cache, &[hero("1", "en")]);
        heroes.check().await;
        // What a writer does whose answer is lost.
        let lost = |row: Hero| {
            heroes.write(&row);
            Err::<Hero, _>("the connection was lost")
        };
        heroes.cached.save(async { lost(hero("2", "ru")) }, |hero| &hero.id).await.unwrap_err();
        heroes.check().await;
        heroes.cached.update("1", async { lost(hero("1", "ru")) }).await.unwrap_err();
        heroes.check().await;
        heroes.cached.delete("1", async { lost(hero("1", "en")) }).await.unwrap_err();
        heroes.check().await;

        let (given_up, now) = (std::future::pending::<Result<Hero, Infallible>>, Duration::ZERO);
        heroes.write(&hero("1", "ru"));
        tokio::time::timeout(now, heroes.cached.update("1", given_up())).await.unwrap_err();
        heroes.check().await;
        heroes.write(&hero("2", "en"));
        tokio::time::timeout(now, heroes.cached.delete("2", given_up())).await.unwrap_err();
        heroes.check().await;
        heroes.write(&hero("*", "en"));
        tokio::time::timeout(now, heroes.cached.save(given_up(), |hero| &hero.id)).await.unwrap_err();
        heroes.check().await;
    }
}

/// A list whose load began before the write and ended after it.
#[tokio::test]
async fn a_list_that_was_overtaken_is_not_kept() {
    for (cache, _redis) in caches().await {
        let heroes = Heroes::new(&cache, &[hero("1", "en")]);
        let overtaken = async || {
            let rows = heroes.select(|_| true);
            let write = async {
                heroes.write(&hero("2", "en"));
                Ok::<_, Infallible>(())
            };
            heroes.cached.delete("2", write).await?;
            Ok::<_, Infallible>(rows)
        };
        assert_eq!(heroes.cached.list(overtaken).await.unwrap().len(), 1);
        heroes.check().await;
    }
}

#[tokio::test]
async fn without_redis_the_database_answers() {
    let heroes = Heroes::new(&gone().await, &[hero("1", "en")]);
    assert_eq!((heroes.check().await, heroes.check().await), (READS, READS));
    heroes.cached.update("1", async { Ok::<_, Infallible>(hero("1", "en")) }).await.unwrap();
    assert!(!heroes.cached.stats().await.unwrap().all_cached);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
struct Story {
    id: i64,
    language: String,
}

impl CachedEntity for Story {
    type Id = i64;
    const NAME: &'static str = "story";
    const TABLES: &'static [&'static str] = &["stories"];
}

#[tokio::test]
async fn with_tables_sql_writes_end_what_they_change() {
    let redis = Redis::start();
    let scratch = crate::support::Scratch::new();
    let pool = SqlitePool::connect(&format!("sqlite:{}?mode=rwc", scratch.join("stories.db").display())).await.unwrap();
    sqlx::raw_sql("CREATE TABLE stories (id INTEGER PRIMARY KEY, language TEXT NOT NULL); INSERT INTO stories VALUES (1, 'en')")
        .execute(&pool)
        .await
        .unwrap();
    let db = CachingExecutor::builder(pool).redis_url(&redis.url()).build().await.unwrap();
    let (stories, reads) = (Repository::<Story>::new(&db), Runs::default());
    let story = async || {
        let load = async || {
            reads.again();
            sqlx::query_as("SELECT id, language FROM stories WHERE id = ?").bind(1).fetch_optional(db.pool()).await
        };
        stories.find(&1, load).await.unwrap().map(|story: Story| story.language)
    };
    let list = async |language: &'static str| {
        let load = async || {
            reads.again();
            sqlx::query_as("SELECT id, language FROM stories WHERE language = ?").bind(language).fetch_all(db.pool()).await
        };
        stories.find_by("lang", &[&language], load).await.unwrap().len()
    };
    for _ in 0..2 {
        assert_eq!((story().await.as_deref(), list("en").await, list("ru").await), (Some("en"), 1, 0));
    }
    assert_eq!(reads.so_far(), 3);
    sqlx::query("UPDATE stories SET language = 'ru'").execute(&db).await.unwrap();
    for _ in 0..2 {
        assert_eq!((story().await.as_deref(), list("en").await, list("ru").await), (Some("ru"), 0, 1));
    }
    assert_eq!(reads.so_far(), 6);
    let write = async {
        let story: Story = sqlx::query_as("UPDATE stories SET language = 'de' RETURNING id, language").fetch_one(&db).await?;
        Ok::<_, sqlx::Error>(story)
    };
    assert_eq!(stories.update(&1, write).await.unwrap().language, "de");
    assert_eq!((story().await.as_deref(), list("ru").await), (Some("de"), 0));
}
