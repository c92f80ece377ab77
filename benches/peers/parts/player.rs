//! Caches that share nothing, for reads that miss now and then.

use crate::dialect::{Dialect, On};
use crate::ground::{Ground, with_redis};
use crate::stage::Stage;
use crate::workload::{Moka, Sample, Workload};
use crate::{Result, TTL};
use rand_distr::{Distribution, Zipf};
use sqlx_cached::CachingExecutor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

enum Cache<D: Dialect> {
    None,
    Ours(CachingExecutor<D>),
    Aside,
    Moka(Moka),
}

pub struct Player<D: Dialect> {
    pub name: String,
    ground: &'static Ground<D>,
    /// Its number makes its keys its own.
    workload: Workload,
    cache: Cache<D>,
    reads: AtomicU64,
    /// Of the hand-written ones.
    misses: AtomicU64,
}

/// Since the player was made.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    pub reads: u64,
    pub hits: u64,
    pub near: u64,
}

impl<D: Dialect> Player<D> {
    /// As long-lived as the ground.
    fn new(name: impl Into<String>, ground: &'static Ground<D>, workload: Workload, cache: Cache<D>) -> &'static Self {
        Box::leak(Box::new(Self { name: name.into(), ground, workload, cache, reads: AtomicU64::new(0), misses: AtomicU64::new(0) }))
    }

    pub fn direct(ground: &'static Ground<D>, workload: Workload) -> &'static Self {
        Self::new("direct", ground, workload, Cache::None)
    }

    pub fn aside(ground: &'static Ground<D>, workload: Workload) -> &'static Self {
        Self::new("serde_json aside", ground, Workload { number: 100, ..workload }, Cache::Aside)
    }

    pub fn moka(ground: &'static Ground<D>, workload: Workload, entries: u64) -> &'static Self {
        Self::new(format!("moka, {},000 entries", entries / 1_000), ground, workload, Cache::Moka(Moka::new(entries)))
    }

    /// The embedded store, with its defaults.
    pub async fn memory(ground: &'static Ground<D>, workload: Workload) -> Result<&'static Self> {
        let executor = CachingExecutor::builder(ground.pool.clone()).default_ttl(TTL).build().await?;
        Ok(Self::new("memory", ground, workload, Cache::Ours(executor)))
    }

    /// In front of Redis, with so many KiB of near cache.
    pub async fn near(stage: &Stage<D>, ground: &'static Ground<D>, workload: Workload, kib: u64) -> Result<&'static Self> {
        let name = match kib {
            0 => "Redis, no near cache".to_owned(),
            kib if kib % 1024 == 0 => format!("Redis, near {} MiB", kib / 1024),
            kib => format!("Redis, near {kib} KiB"),
        };
        let executor = with_redis(stage, &ground.pool, &format!("near{kib}")).near_bytes(kib * 1024).build().await?;
        Ok(Self::new(name, ground, workload, Cache::Ours(executor)))
    }

    pub async fn read(&self, key: i64) -> Result {
        self.reads.fetch_add(1, Relaxed);
        let sql = self.workload.sql;
        match &self.cache {
            Cache::None => D::read::<Sample>(On::Pool(&self.ground.pool), sql, key).await.map(drop)?,
            Cache::Ours(executor) => D::read::<Sample>(On::Cached(executor), sql, key).await.map(drop)?,
            Cache::Aside => self.ground.aside::<Sample>(self.workload, key, &self.misses).await.map(drop)?,
            Cache::Moka(moka) => self.ground.remembered::<Sample>(moka, self.workload, key, &self.misses).await.map(drop)?,
        }
        Ok(())
    }

    /// Changes a row; `of` says whether it is one that reads ask for. The hand-written cache forgets that key and no other, and nothing if a join showed the row.
    pub async fn write(&self, sql: &'static str, key: i64, of: bool) -> Result {
        match &self.cache {
            Cache::Ours(executor) => D::write(On::Cached(executor), sql, key).await.map(drop)?,
            Cache::None | Cache::Aside | Cache::Moka(_) => D::write(On::Pool(&self.ground.pool), sql, key).await.map(drop)?,
        }
        if of && matches!(self.cache, Cache::Aside) {
            self.ground.forget_aside(self.workload, key).await?;
        }
        Ok(())
    }

    pub fn tally(&self) -> Tally {
        let reads = self.reads.load(Relaxed);
        match &self.cache {
            Cache::None => Tally { reads, hits: 0, near: 0 },
            Cache::Ours(executor) => {
                let stats = executor.stats();
                Tally { reads, hits: stats.hits, near: stats.near_hits }
            }
            Cache::Aside | Cache::Moka(_) => Tally { reads, hits: reads - self.misses.load(Relaxed), near: 0 },
        }
    }
}

impl Tally {
    /// The part of the reads since `before` that were hits, and that were near hits.
    #[expect(clippy::cast_precision_loss, reason = "ratios for people to read")]
    pub fn since(self, before: Self) -> (f64, f64) {
        let reads = (self.reads - before.reads) as f64;
        ((self.hits - before.hits) as f64 / reads, (self.near - before.near) as f64 / reads)
    }

    pub fn add(&mut self, before: Self, after: Self) {
        self.reads += after.reads - before.reads;
        self.hits += after.hits - before.hits;
        self.near += after.near - before.near;
    }
}

/// A million keys out of so many, drawn beforehand and the same for all: the `n`th is there about `1 / n` times as often as the first.
pub fn keys(different: u32) -> Result<Arc<[i64]>> {
    let zipf = Zipf::new(f64::from(different), 1.0)?;
    let mut random = rand::rng();
    #[expect(clippy::cast_possible_truncation, reason = "whole numbers that a u32 holds")]
    let draw = || zipf.sample(&mut random) as i64;
    Ok(std::iter::repeat_with(draw).take(1 << 20).collect())
}
