//! Functions and the tables that their values are made of.

use super::Runs;
use crate::support::{Redis, Scratch};
use sqlx::{Sqlite, SqlitePool};
use sqlx_cached::{CachingExecutor, cached, invalidates};

#[cached(prefix = "names", key = "{least}", depends_on = ["users"], skip(runs))]
async fn names(db: &CachingExecutor<Sqlite>, least: i64, runs: &Runs) -> sqlx::Result<Vec<String>> {
    runs.again();
    // Past the executor's own cache, so that only the function's is looked at.
    sqlx::query_scalar("SELECT name FROM users WHERE id >= ? ORDER BY id").bind(least).fetch_all(db.pool()).await
}

#[cached(depends_on = "users", none = "1h")]
async fn name(db: &CachingExecutor<Sqlite>, id: i64) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("SELECT name FROM users WHERE id = ?").bind(id).fetch_optional(db.pool()).await
}

#[invalidates(tables("users"))]
async fn add_past_the_executor(db: CachingExecutor<Sqlite>, id: i64, name: &str) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO users VALUES (?, ?)").bind(id).bind(name.to_owned()).execute(db.pool()).await.map(drop)
}

#[tokio::test]
async fn a_write_to_a_table_ends_what_depends_on_it() {
    let redis = Redis::start();
    for url in [None, Some(redis.url())] {
        let scratch = Scratch::new();
        let pool = SqlitePool::connect(&format!("sqlite:{}?mode=rwc", scratch.join("users.db").display())).await.unwrap();
        sqlx::raw_sql("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL); CREATE TABLE other (id INTEGER PRIMARY KEY)")
            .execute(&pool)
            .await
            .unwrap();
        let builder = CachingExecutor::builder(pool);
        let db = match url {
            Some(url) => builder.redis_url(&url).build().await.unwrap(),
            None => builder.build().await.unwrap(),
        };
        let runs = Runs::default();
        assert_eq!(name(&db, 1).await.unwrap(), None);
        for (id, expected) in [(1, vec!["a"]), (2, vec!["a", "b"])] {
            let added = expected.last().unwrap().to_string();
            sqlx::query("INSERT INTO users VALUES (?, ?)").bind(id).bind(added.clone()).execute(&db).await.unwrap();
            for _ in 0..2 {
                assert_eq!(names(&db, 0, &runs).await.unwrap(), expected);
                assert_eq!(name(&db, id).await.unwrap(), Some(added.clone()));
            }
        }
        assert_eq!(runs.so_far(), 2);
        sqlx::query("INSERT INTO other VALUES (1)").execute(&db).await.unwrap();
        assert_eq!(names(&db, 0, &runs).await.unwrap(), ["a", "b"]);
        assert_eq!(runs.so_far(), 2, "a write to another table ended it");

        // What no executor sees, and an SQL answer with it.
        let count = || sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM users");
        assert_eq!(count().fetch_one(&db).await.unwrap(), 2);
        add_past_the_executor(db.clone(), 3, "c").await.unwrap();
        assert_eq!(names(&db, 0, &runs).await.unwrap(), ["a", "b", "c"]);
        assert_eq!(count().fetch_one(&db).await.unwrap(), 3);

        sqlx::query("INSERT INTO users VALUES (4, 'd')").execute(db.pool()).await.unwrap();
        assert_eq!(names(&db, 0, &runs).await.unwrap(), ["a", "b", "c"]);
        db.cache().invalidate_tables(["users"]).await.unwrap();
        assert_eq!(names(&db, 0, &runs).await.unwrap(), ["a", "b", "c", "d"]);
    }
}
