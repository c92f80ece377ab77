//! The database: whether it answers, how fast, and what the library makes of it.

use super::latency::Latency;
use super::report::Section;
use crate::failure::Failure;
use crate::target::{Database, Target, with_pool};
use crate::units;
use sqlx::Pool;
use sqlx_cached::Backend;

/// So many times it is asked.
const TIMES: usize = 100;

/// Returns how fast it answers.
pub async fn examine(target: &Target, section: &mut Section) -> Option<Latency> {
    if !target.names_database() {
        section.note("connection", "no database is named: set DATABASE_URL, or pass --database-url, to have it examined");
        return None;
    }
    let database = match target.database().await {
        Ok(database) => database,
        Err(Failure::Failed(error) | Failure::Usage(error)) => {
            section.fail("connection", error);
            return None;
        }
        Err(Failure::Closed) => return None,
    };
    match version(&database).await {
        Ok(version) => section.ok("connection", version),
        Err(error) => section.fail("connection", error.to_string()),
    }
    if let Database::Postgres(pool) = &database {
        postgres(pool, section).await;
    }
    with_pool!(&database, pool => library(target, pool.clone(), section).await);
    let latency = with_pool!(&database, pool => {
        let mut connection = pool.acquire().await.inspect_err(|error| section.fail("latency", error.to_string())).ok()?;
        Latency::of(TIMES, async || sqlx::query("SELECT 1").execute(&mut *connection).await.map(drop)).await
    });
    let latency = latency.inspect_err(|error| section.fail("latency", error.to_string())).ok()?;
    section.ok("latency", format!("SELECT 1: {}", latency.said()));
    Some(latency)
}

async fn version(database: &Database) -> Result<String, sqlx::Error> {
    Ok(match database {
        Database::Postgres(pool) => format!("PostgreSQL {}", sqlx::query_scalar::<_, String>("SHOW server_version").fetch_one(pool).await?),
        Database::MySql(pool) => {
            let version: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(pool).await?;
            if version.contains("MariaDB") { version } else { format!("MySQL {version}") }
        }
        Database::Sqlite(pool) => format!("SQLite {}", sqlx::query_scalar::<_, String>("SELECT sqlite_version()").fetch_one(pool).await?),
    })
}

async fn postgres(pool: &sqlx::PgPool, section: &mut Section) {
    let asked =
        sqlx::query_as::<_, (bool, bool)>("SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')");
    if let Ok((replica, stats)) = asked.fetch_one(pool).await {
        if replica {
            section.warn(
                "replica",
                "this server is a replica: what it answers after a write may be old, cache or not. Give the executor a pool of the primary",
            );
        }
        if !stats {
            section.note(
                "rights",
                "without pg_read_all_stats a table that a crashed writer left fenced is not cached for CACHE_FENCE_BOUND (1 h)",
            );
        }
    }
}

/// What an executor makes of it, on a store of its own.
async fn library<DB: Backend>(target: &Target, pool: Pool<DB>, section: &mut Section) {
    match target.bare_executor(pool.clone()).await {
        Ok(executor) => {
            let health = executor.health().await;
            if health.catalog {
                section.ok("catalog", format!("{} tables, views and others are known", units::count(health.relations as u64)));
            } else {
                section.fail("catalog", "the catalog can't be read, and nothing is cached without it");
            }
            if health.rows {
                section.ok("rows", "come back from the cache exactly as from the driver");
            } else if health.catalog {
                section.fail("rows", "don't come back from the cache as they went in, so nothing is cached");
            }
        }
        Err(Failure::Failed(error) | Failure::Usage(error)) => section.fail("catalog", error),
        Err(Failure::Closed) => {}
    }
}
