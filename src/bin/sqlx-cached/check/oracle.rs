//! Who says what the cache makes of a query: a database's catalog, or the text alone.

use super::Kind;
use crate::failure::Failure;
use crate::target::{Database, Target, with_pool};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, Pool, SqlitePool};
use sqlx_cached::{Backend, Explanation};
use std::path::Path;

type Explain = Box<dyn Fn(&str) -> Explanation>;

/// Who is asked.
pub enum Oracle {
    /// Nobody: only what the text tells is known.
    Nobody,
    /// A database.
    Catalog(Kind, Explain),
}

impl Oracle {
    /// The database that is named.
    pub async fn of_database(target: &Target) -> Result<Self, Failure> {
        let database = target.database().await?;
        let kind = match &database {
            Database::Postgres(_) => Kind::Postgres,
            Database::MySql(_) => Kind::Mysql,
            Database::Sqlite(_) => Kind::Sqlite,
        };
        Ok(Self::Catalog(kind, with_pool!(database, pool => explain(target, pool).await?)))
    }

    /// A database in memory, made for the purpose.
    pub async fn of_schema(target: &Target, schema: &Path) -> Result<Self, Failure> {
        let pool = made_by(schema).await.map_err(|error| Failure::of(schema.display(), error))?;
        Ok(Self::Catalog(Kind::Sqlite, explain(target, pool).await?))
    }

    /// The kind of database that is asked.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Nobody => None,
            Self::Catalog(kind, _) => Some(*kind),
        }
    }

    /// What the cache makes of a query.
    pub fn explain(&self, kind: Kind, sql: &str) -> Result<Explanation, String> {
        match self {
            Self::Nobody => Ok(Explanation::offline(kind.dialect(), sql)),
            Self::Catalog(own, explain) if *own == kind => Ok(explain(sql)),
            Self::Catalog(own, _) => {
                Err(format!("is written for {}, and the database is {}: pass --offline, or another database", kind.name(), own.name()))
            }
        }
    }
}

async fn explain<DB: Backend>(target: &Target, pool: Pool<DB>) -> Result<Explain, Failure> {
    let executor = target.bare_executor(pool).await?;
    // Without a catalog everything looks as if it were never cached.
    if !executor.health().await.catalog {
        return Err(Failure::Failed("the database's catalog can't be read".into()));
    }
    Ok(Box::new(move |sql| executor.explain(sql)))
}

/// One connection, for good: each is a database of its own.
async fn made_by(schema: &Path) -> Result<SqlitePool, Box<dyn std::error::Error + Send + Sync>> {
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).connect("sqlite::memory:").await?;
    if schema.is_dir() {
        Migrator::new(schema).await?.run(&pool).await?;
    } else {
        sqlx::raw_sql(AssertSqlSafe(std::fs::read_to_string(schema)?)).execute(&pool).await?;
    }
    Ok(pool)
}
