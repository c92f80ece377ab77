//! Every way to the answer, on one runtime.

use super::dialect::{Dialect, On};
use super::stage::Stage;
use super::workload::{Answer, Moka, Workload};
use super::{Result, TTL};
use redis::aio::MultiplexedConnection;
use sqlx::Pool;
use sqlx_cached::{Admission, Builder, CachingExecutor, Stats};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    Direct,
    Miss,
    PgPool,
    Aside,
    RedisTcp,
    Redis,
    GetTcp,
    Get,
    Memory,
    Near,
    Typed,
    Moka,
}

impl How {
    pub const ALL: [Self; 12] = [
        Self::Direct,
        Self::Miss,
        Self::PgPool,
        Self::Aside,
        Self::RedisTcp,
        Self::Redis,
        Self::GetTcp,
        Self::Get,
        Self::Memory,
        Self::Near,
        Self::Typed,
        Self::Moka,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Miss => "our miss",
            Self::PgPool => "pgpool-II",
            Self::Aside => "serde_json aside",
            Self::RedisTcp => "Redis hit, TCP",
            Self::Redis => "Redis hit",
            Self::GetTcp => "raw GET, TCP",
            Self::Get => "raw GET",
            Self::Memory => "memory hit",
            Self::Near => "near hit",
            Self::Typed => "typed near hit",
            Self::Moka => "moka",
        }
    }
}

/// An answer, as its way gives it.
pub enum Got<T> {
    Rows(Vec<T>),
    Shared(Arc<[T]>),
    Held(Arc<Vec<T>>),
    Bytes(Vec<u8>),
}

impl<T> Got<T> {
    pub fn rows(&self) -> Option<&[T]> {
        match self {
            Self::Rows(rows) => Some(rows),
            Self::Shared(rows) => Some(rows),
            Self::Held(rows) => Some(rows),
            Self::Bytes(_) => None,
        }
    }
}

pub struct Ground<D: Dialect> {
    pub pool: Pool<D>,
    /// The embedded store, with nothing in front of it.
    pub memory: CachingExecutor<D>,
    /// The defaults but for times: Redis by its Unix socket, and a near cache.
    pub near: CachingExecutor<D>,
    pub redis: CachingExecutor<D>,
    redis_tcp: CachingExecutor<D>,
    connection: MultiplexedConnection,
    connection_tcp: MultiplexedConnection,
    pgpool: Option<Pool<D>>,
    moka: Moka,
    /// Reads of the hand-written caches that went to the database.
    misses: AtomicU64,
    fresh: [AtomicI64; 8],
}

impl<D: Dialect> Ground<D> {
    /// Over an empty Redis. Its executors keep everything, also what the database answers sooner: what a hit and a miss take is to be seen. Lives as long as the process, so that tasks can share it without counting references.
    pub async fn new(stage: &Stage<D>) -> Result<&'static Self> {
        let _: () = stage.redis.cli(&["FLUSHALL"]);
        let pool = stage.pool().await?;
        let open = |url: String| redis::Client::open(url);
        let near = with_redis(stage, &pool, "sql").admission(Admission::Always).build().await?;
        Ok(Box::leak(Box::new(Self {
            memory: CachingExecutor::builder(pool.clone()).default_ttl(TTL).near_bytes(0).admission(Admission::Always).build().await?,
            near,
            redis: with_redis(stage, &pool, "sql").near_bytes(0).admission(Admission::Always).build().await?,
            redis_tcp: settings(CachingExecutor::builder(pool.clone()).redis_url(&stage.redis.tcp_url()), "sql")
                .near_bytes(0)
                .admission(Admission::Always)
                .build()
                .await?,
            connection: open(stage.redis.url())?.get_multiplexed_async_connection().await?,
            connection_tcp: open(stage.redis.tcp_url())?.get_multiplexed_async_connection().await?,
            pgpool: stage.pgpool().await?,
            moka: Moka::new(200_000),
            misses: AtomicU64::new(0),
            fresh: [const { AtomicI64::new(1) }; 8],
            pool,
        })))
    }

    /// Gives its connections back: pgpool-II serves 32, and waits with the next.
    pub async fn close(&self) {
        self.pool.close().await;
        if let Some(pool) = &self.pgpool {
            pool.close().await;
        }
    }

    /// Whether it can be had here.
    pub fn has(&self, how: How) -> bool {
        how != How::PgPool || self.pgpool.is_some()
    }

    /// Reads a workload with this key; a miss with one that nobody has asked for yet.
    pub async fn read<T: Answer>(&self, how: How, workload: Workload, key: i64) -> Result<Got<T>> {
        let sql = workload.sql;
        let through = |executor| D::read::<T>(On::Cached(executor), sql, key);
        Ok(match how {
            How::Direct => Got::Rows(D::read(On::Pool(&self.pool), sql, key).await?),
            How::Miss => Got::Rows(D::read(On::Cached(&self.near), sql, self.fresh(workload)).await?),
            How::Memory => Got::Rows(through(&self.memory).await?),
            How::Near => Got::Rows(through(&self.near).await?),
            How::Redis => Got::Rows(through(&self.redis).await?),
            How::RedisTcp => Got::Rows(through(&self.redis_tcp).await?),
            How::Typed => Got::Shared(D::read_shared(&self.near, sql, key).await?),
            How::Get => Got::Bytes(get(&self.connection, &raw(workload.number)).await?.ok_or("no entry")?),
            How::GetTcp => Got::Bytes(get(&self.connection_tcp, &raw(workload.number)).await?.ok_or("no entry")?),
            How::Aside => Got::Rows(self.aside(workload, key, &self.misses).await?),
            How::Moka => Got::Held(self.remembered(&self.moka, workload, key, &self.misses).await?),
            How::PgPool => {
                let pool = self.pgpool.as_ref().ok_or("no pgpool")?;
                Got::Rows(D::read_text(pool, literal(sql, key)).await?)
            }
        })
    }

    /// A key of this workload that this ground has not read yet.
    pub fn fresh(&self, workload: Workload) -> i64 {
        self.fresh[workload.number].fetch_add(1, Relaxed)
    }

    /// Cache-aside as one writes it by hand, with a count of its misses.
    pub async fn aside<T: Answer>(&self, workload: Workload, key: i64, misses: &AtomicU64) -> Result<Vec<T>> {
        let name = format!("aside:{}:{key}", workload.number);
        if let Some(json) = get(&self.connection, &name).await? {
            return Ok(serde_json::from_slice(&json)?);
        }
        misses.fetch_add(1, Relaxed);
        let rows = D::read(On::Pool(&self.pool), workload.sql, key).await?;
        let mut connection = self.connection.clone();
        redis::cmd("SET").arg(name).arg(serde_json::to_vec(&rows)?).arg("EX").arg(TTL.as_secs()).query_async::<()>(&mut connection).await?;
        Ok(rows)
    }

    /// The same with moka.
    pub async fn remembered<T: Answer>(&self, moka: &Moka, workload: Workload, key: i64, misses: &AtomicU64) -> Result<Arc<Vec<T>>> {
        let held = T::held(moka);
        if let Some(rows) = held.get(&(workload.number, key)) {
            return Ok(rows);
        }
        misses.fetch_add(1, Relaxed);
        let rows = Arc::new(D::read(On::Pool(&self.pool), workload.sql, key).await?);
        held.insert((workload.number, key), Arc::clone(&rows));
        Ok(rows)
    }

    /// What the hand-written cache forgets after a write.
    pub async fn forget_aside(&self, workload: Workload, key: i64) -> Result {
        let mut connection = self.connection.clone();
        Ok(redis::cmd("DEL").arg(format!("aside:{}:{key}", workload.number)).query_async::<()>(&mut connection).await?)
    }

    /// Puts the bytes that Redis holds for this read where the raw `GET` finds them, and says how many they are.
    pub async fn lay_out<T: Answer>(&self, stage: &Stage<D>, workload: Workload, key: i64) -> Result<usize> {
        let probe = with_redis(stage, &self.pool, "probe").near_bytes(0).admission(Admission::Always).build().await?;
        D::read::<T>(On::Cached(&probe), workload.sql, key).await?;
        let mut keys: Vec<String> = stage.redis.cli(&["KEYS", "probe:*:*:*"]);
        // What executors tell each other of the schema is no answer.
        keys.retain(|key| !key.starts_with("probe:_"));
        let [entry] = keys.as_slice() else { return Err(format!("entries of one read: {keys:?}").into()) };
        let raw = raw(workload.number);
        let _: i64 = stage.redis.cli(&["COPY", entry, &raw, "REPLACE"]);
        let all: Vec<String> = stage.redis.cli(&["KEYS", "probe:*"]);
        let _: i64 = stage.redis.cli(&[&["DEL".to_owned()], all.as_slice()].concat());
        Ok(stage.redis.cli(&["STRLEN", &raw]))
    }

    /// Hits and misses so far, by the counters of whoever it is; `None` for who has none.
    pub async fn counts(&self, how: How) -> Result<Option<Counts>> {
        let ours = |stats: Stats| Some(Counts { hits: stats.hits, near: stats.near_hits, misses: stats.misses });
        Ok(match how {
            How::Memory => ours(self.memory.stats()),
            How::Redis => ours(self.redis.stats()),
            How::RedisTcp => ours(self.redis_tcp.stats()),
            How::Near | How::Miss | How::Typed => ours(self.near.stats()),
            How::Aside | How::Moka => Some(Counts { hits: 0, near: 0, misses: self.misses.load(Relaxed) }),
            How::PgPool => match &self.pgpool {
                Some(pool) => Some(pgpool_counts::<D>(pool).await?),
                None => None,
            },
            How::Direct | How::Get | How::GetTcp => None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub hits: u64,
    pub near: u64,
    pub misses: u64,
}

impl Counts {
    pub fn since(self, before: Self) -> Self {
        Self { hits: self.hits - before.hits, near: self.near - before.near, misses: self.misses - before.misses }
    }
}

/// With Redis by its Unix socket.
pub fn with_redis<D: Dialect>(stage: &Stage<D>, pool: &Pool<D>, namespace: &str) -> Builder<D> {
    settings(CachingExecutor::builder(pool.clone()).redis_url(&stage.redis.url()), namespace)
}

/// Nothing expires while it is measured, and no pause of the machine is taken for a fault of Redis.
fn settings<D: Dialect>(builder: Builder<D>, namespace: &str) -> Builder<D> {
    builder.namespace(namespace).default_ttl(TTL).redis_timeout(Duration::from_secs(5))
}

fn raw(workload: usize) -> String {
    format!("raw:{workload}")
}

async fn get(connection: &MultiplexedConnection, key: &str) -> Result<Option<Vec<u8>>> {
    Ok(redis::cmd("GET").arg(key).query_async(&mut connection.clone()).await?)
}

/// The statement with its argument in the text.
fn literal(sql: &str, key: i64) -> String {
    sql.replace("$1", &key.to_string())
}

async fn pgpool_counts<D: Dialect>(pool: &Pool<D>) -> Result<Counts> {
    let hits = D::show(pool, "SHOW POOL_CACHE", "num_cache_hits").await?.parse()?;
    Ok(Counts { hits, near: 0, misses: D::show(pool, "SHOW POOL_CACHE", "num_selects").await?.parse()? })
}
