//! What a command works on: the settings, the store, the database.

use crate::failure::Failure;
use sqlx::pool::PoolOptions;
use sqlx::{MySqlPool, PgPool, SqlitePool};
use sqlx_cached::store::{CacheStore, Keyspace, MemoryStore, RedisAddress, RedisConfig, RedisStore};
use sqlx_cached::{Backend, Builder, Cache, CachingExecutor, Environment};
use std::sync::Arc;
use std::time::Duration;

/// How long Redis may take: a person waits longer than a program's read.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a connection to the database may take.
const CONNECTING: Duration = Duration::from_secs(10);

/// The options of every command. Not to be shown: URLs hold passwords.
#[derive(clap::Args, Clone)]
#[command(next_help_heading = "Options of every command")]
#[expect(clippy::doc_markdown, reason = "--help shows them as they stand")]
pub struct Global {
    /// The Redis to work on: redis://, rediss:// (TLS), redis+unix:// or redis+cluster://. It replaces all that the environment says of Redis' place and login
    #[arg(long, global = true, value_name = "URL")]
    pub redis_url: Option<String>,
    /// The database: postgres://, mysql:// or sqlite:
    #[arg(long, global = true, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// How the keys of plain values begin. Defaults to CACHE_KEY_PREFIX, else to kv
    #[arg(long, global = true)]
    pub prefix: Option<String>,
    /// The first segment of the keys of SQL answers. Defaults to CACHE_NAMESPACE, else to sql
    #[arg(long, global = true)]
    pub namespace: Option<String>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

/// What the options and the environment say together.
pub struct Target {
    pub environment: Environment,
    /// `None`: the program keeps everything in its own memory.
    pub redis: Option<RedisConfig>,
    pub namespace: String,
    pub prefix: String,
    database_url: Option<String>,
}

impl Target {
    /// Reads the environment.
    pub fn of(global: &Global) -> Result<Self, Failure> {
        let environment = Environment::read()?;
        let mut redis = match &global.redis_url {
            Some(url) => {
                // Certificates are no place, and stay: a URL can't name them.
                let mut config = RedisConfig::new(RedisAddress::Url(url.clone()));
                let with_tls = url.starts_with("rediss") || url.starts_with("valkeys");
                config.tls = environment.redis().and_then(|redis| redis.tls.clone()).filter(|_| with_tls);
                Some(config)
            }
            None => environment.redis().cloned(),
        };
        if let Some(redis) = &mut redis {
            redis.timeout = redis.timeout.max(PATIENCE);
            redis.connect_timeout = redis.connect_timeout.max(PATIENCE);
            // Nothing is kept by a process that is about to end.
            redis.near = false;
        }
        Ok(Self {
            redis,
            namespace: global.namespace.clone().unwrap_or_else(|| environment.namespace().to_owned()),
            prefix: global.prefix.as_deref().map_or(environment.prefix(), |prefix| prefix.strip_suffix(':').unwrap_or(prefix)).to_owned(),
            database_url: global.database_url.clone().filter(|url| !url.trim().is_empty()),
            environment,
        })
    }

    /// The Redis that the settings name. Nobody is asked yet.
    pub async fn store(&self) -> Result<Arc<RedisStore>, Failure> {
        let Some(config) = &self.redis else {
            return Err(Failure::Failed("no Redis is named: set REDIS_URL or one of its kin, or pass --redis-url. (A program without keeps its cache in its own memory, where nobody else sees it.)".into()));
        };
        let store = RedisStore::new(config, Keyspace::new(&self.namespace)).map_err(|error| Failure::Failed(error.to_string()))?;
        let store = Arc::new(store);
        // It checks the namespace and the prefix as well.
        self.counted(&store).await?;
        Ok(store)
    }

    /// The same, and it answers.
    pub async fn reached(&self) -> Result<Arc<RedisStore>, Failure> {
        let store = self.store().await?;
        store.ping().await.map_err(|error| Failure::of("Redis can't be asked", error))?;
        Ok(store)
    }

    /// A cache on this store, for what is counted by the day. It counts nothing itself.
    pub async fn counted(&self, store: &Arc<RedisStore>) -> Result<Cache, Failure> {
        let cache = Cache::builder().store(Arc::clone(store) as _).namespace(&self.namespace).prefix(&self.prefix);
        Ok(cache.build().await?)
    }

    /// Whether a database was named.
    pub fn names_database(&self) -> bool {
        self.database_url.is_some()
    }

    /// The database, connected.
    pub async fn database(&self) -> Result<Database, Failure> {
        let Some(url) = &self.database_url else {
            return Err(Failure::Failed("no database is named: set DATABASE_URL, or pass --database-url".into()));
        };
        Database::connect(url.trim()).await
    }

    /// An executor as the program's own, on a store of one's choice. It follows no one: a process that is about to end has nothing to forget.
    pub async fn executor<DB: Backend>(&self, pool: sqlx::Pool<DB>, store: Arc<dyn CacheStore>) -> Result<CachingExecutor<DB>, Failure> {
        let builder = Builder::from_env(pool)?.store(store).namespace(&self.namespace).prefix(&self.prefix);
        // What is done here is not what the program did.
        let builder = builder.daily_counters(false);
        Ok(builder.enabled(true).external_writers(false).near_bytes(0).build().await?)
    }

    /// An executor that keeps nothing, for what is asked of the database and its catalog alone. Its keys are those of the program's.
    pub async fn bare_executor<DB: Backend>(&self, pool: sqlx::Pool<DB>) -> Result<CachingExecutor<DB>, Failure> {
        let keyspace = match &self.redis {
            Some(_) => self.store().await?.keyspace().clone(),
            None => Keyspace::new(&self.namespace),
        };
        self.executor(pool, Arc::new(MemoryStore::new(keyspace, 1 << 20))).await
    }
}

/// A database of any kind.
pub enum Database {
    /// PostgreSQL.
    Postgres(PgPool),
    /// MySQL or MariaDB.
    MySql(MySqlPool),
    /// SQLite.
    Sqlite(SqlitePool),
}

impl Database {
    async fn connect(url: &str) -> Result<Self, Failure> {
        let connected = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => options().connect(url).await.map(Self::Postgres),
            Some("mysql" | "mariadb") => options().connect(url).await.map(Self::MySql),
            Some("sqlite") => options().connect(url).await.map(Self::Sqlite),
            // Not quoted: it may hold a password.
            _ => return Err(Failure::Failed("the database's URL begins with none of postgres:, mysql:, mariadb: and sqlite:".into())),
        };
        connected.map_err(|error| Failure::of("the database can't be reached", error))
    }
}

fn options<DB: sqlx::Database>() -> PoolOptions<DB> {
    PoolOptions::new().max_connections(4).acquire_timeout(CONNECTING)
}

/// The same expression for whichever database it is.
macro_rules! with_pool {
    ($database:expr, $pool:ident => $does:expr) => {
        match $database {
            $crate::target::Database::Postgres($pool) => $does,
            $crate::target::Database::MySql($pool) => $does,
            $crate::target::Database::Sqlite($pool) => $does,
        }
    };
}
pub(crate) use with_pool;
