//! What the cache costs where it doesn't help: misses, writes, and statements that it must not answer.

use crate::Result;
use crate::dialect::{Dialect, On, text};
use crate::ground::{Ground, How, with_redis};
use crate::measure::{Series, take_turns};
use crate::options::Pace;
use crate::report::{Table, number, part};
use crate::stage::Stage;
use crate::workload::{POINT, Sample, Workload};
use sqlx_cached::{Admission, CachingExecutor};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Who does it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Get,
    Direct,
    Near,
    Redis,
    Memory,
}

impl Who {
    const ALL: [Self; 5] = [Self::Get, Self::Direct, Self::Near, Self::Redis, Self::Memory];

    fn name(self) -> &'static str {
        match self {
            Self::Get | Self::Direct => "",
            Self::Near => "Redis and near cache",
            Self::Redis => "Redis, no near cache",
            Self::Memory => "memory",
        }
    }
}

struct Costs<D: Dialect> {
    ground: &'static Ground<D>,
    /// Executors that share nothing, so that each misses what the others have read.
    redis: CachingExecutor<D>,
    next: AtomicI64,
}

impl<D: Dialect> Costs<D> {
    fn on(&self, who: Who) -> On<'_, D> {
        match who {
            Who::Get | Who::Direct => On::Pool(&self.ground.pool),
            Who::Near => On::Cached(&self.ground.near),
            Who::Redis => On::Cached(&self.redis),
            Who::Memory => On::Cached(&self.ground.memory),
        }
    }

    /// One of 1,000 rows, each in turn.
    fn row(&self) -> i64 {
        1 + self.next.fetch_add(1, Relaxed) % 1_000
    }

    async fn get(&self) -> Result<usize> {
        self.ground.read::<Sample>(How::Get, POINT, 0).await.map(|_| 0)
    }

    async fn miss(&self, who: Who, workload: Workload) -> Result<usize> {
        match who {
            Who::Get => self.get().await,
            _ => Ok(D::read::<Sample>(self.on(who), workload.sql, self.next.fetch_add(1, Relaxed)).await?.len()),
        }
    }

    async fn write(&self, who: Who, sql: &'static str) -> Result<usize> {
        match who {
            Who::Get => self.get().await,
            _ => {
                assert_eq!(D::write(self.on(who), sql, self.row()).await?, 1, "a write of one row");
                Ok(1)
            }
        }
    }

    async fn bypass(&self, who: Who, sql: &'static str) -> Result<usize> {
        match who {
            Who::Get => self.get().await,
            _ => {
                let rows = D::count(self.on(who), sql, self.row()).await?;
                assert_eq!(rows, 1, "{sql}");
                Ok(rows)
            }
        }
    }
}

pub async fn run<D: Dialect>(stage: &Stage<D>, pace: Pace) -> Result<Table> {
    let ground = Ground::new(stage).await?;
    let redis = with_redis(stage, &ground.pool, "apart").near_bytes(0).admission(Admission::Always).build().await?;
    let workload = POINT.on::<D>();
    ground.lay_out::<Sample>(stage, workload, workload.key).await?;
    let costs = Costs { ground, redis, next: AtomicI64::new(10_000) };
    let mut table = Table::new(
        format!("What a cache costs that doesn't help: {}, current-thread runtime", stage.name),
        "Medians; differences are taken within rounds. A miss is a point read of a row that nobody has asked for yet: looked up, read, stored. A write is fenced. A round trip is a raw GET by the Unix socket.",
        ["operation", "direct, us", "ours, us", "difference, us", "in Redis round trips", "ours / direct"],
    );
    let mut add = |name: &str, times: &[Series<Who>]| {
        let of = |who| times.iter().find(|series: &&Series<Who>| series.who == who);
        let (Some(get), Some(direct)) = (of(Who::Get), of(Who::Direct)) else { return };
        table.row([format!("{name}; raw GET in between"), "-".into(), number(get.spread().p50), "-".into(), number(1.0), "-".into()]);
        for ours in times.iter().filter(|series| !matches!(series.who, Who::Get | Who::Direct)) {
            let stored = if ours.who == Who::Memory { "-".into() } else { number(ours.difference_in(direct, get)) };
            table.row([
                format!("{name}; {}", ours.who.name()),
                number(direct.spread().p50),
                number(ours.spread().p50),
                number(ours.difference(direct)),
                stored,
                part(ours.ratio(direct)),
            ]);
        }
    };

    let before = (ground.near.stats(), costs.redis.stats(), ground.memory.stats());
    add("miss", &take_turns(&Who::ALL, pace, |who| costs.miss(who, workload)).await?);
    let after = (ground.near.stats(), costs.redis.stats(), ground.memory.stats());
    assert_eq!(
        (before.0.hits, before.1.hits, before.2.hits),
        (after.0.hits, after.1.hits, after.2.hits),
        "what was timed as a miss was a hit"
    );

    let update = text::<D>("UPDATE sample SET stock = stock + 1 WHERE id = ?");
    add("write of one row", &take_turns(&Who::ALL, pace, |who| costs.write(who, update)).await?);

    let random = match D::NAME {
        "MySQL" => "SELECT RAND() FROM DUAL WHERE ? > 0",
        _ => text::<D>("SELECT random() WHERE ? > 0"),
    };
    add("random()", &take_turns(&Who::ALL, pace, |who| costs.bypass(who, random)).await?);
    if D::NAME != "SQLite" {
        let lock = text::<D>("SELECT id, name, category, price_cents, stock FROM sample WHERE id = ? FOR UPDATE");
        add("SELECT ... FOR UPDATE", &take_turns(&Who::ALL, pace, |who| costs.bypass(who, lock)).await?);
    }
    let lookups = |executor: &CachingExecutor<D>| executor.stats().bypasses.values().sum::<u64>();
    assert!(lookups(&ground.near) > 0 && lookups(&costs.redis) > 0 && lookups(&ground.memory) > 0, "nothing passed by the cache");
    ground.close().await;
    Ok(table)
}
