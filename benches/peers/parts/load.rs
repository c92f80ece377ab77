//! Point reads of 1,000 rows by 1, 32 and 256 tasks at once.

use crate::Result;
use crate::dialect::Dialect;
use crate::ground::{Ground, How};
use crate::measure::{Load, load};
use crate::options::Pace;
use crate::report::{Table, number, part};
use crate::stage::Stage;
use crate::workload::{POINT, Sample, Workload};

pub const TASKS: [usize; 3] = [1, 32, 256];

const WAYS: [How; 9] = [How::Direct, How::PgPool, How::Aside, How::Get, How::Redis, How::Memory, How::Near, How::Typed, How::Moka];

const KEYS: i64 = 1_000;

/// What so many tasks achieved.
pub struct Measured {
    pub tasks: usize,
    loads: Vec<(How, Load)>,
}

impl Measured {
    pub fn per_second(&self, how: How) -> Option<f64> {
        self.loads.iter().find(|(who, _)| *who == how).map(|(_, load)| load.per_second())
    }
}

pub async fn run<D: Dialect>(stage: &Stage<D>, pace: Pace) -> Result<Vec<Measured>> {
    let ground = Ground::new(stage).await?;
    let workload = POINT.on::<D>();
    let ways: Vec<_> = WAYS.into_iter().filter(|how| ground.has(*how)).collect();
    ground.lay_out::<Sample>(stage, workload, workload.key).await?;
    warm_up(ground, workload, &ways).await?;
    let mut all = Vec::new();
    for tasks in TASKS {
        let mut loads: Vec<_> = ways.iter().map(|how| (*how, Load::default())).collect();
        let before = misses(ground, &ways).await?;
        for slice in 0..pace.slices {
            for turn in 0..loads.len() {
                let next = (slice + turn) % ways.len();
                let (how, done) = &mut loads[next];
                let how = *how;
                done.push(load(tasks, pace.slice, move |n| ground.read::<Sample>(how, workload, key(n))).await?);
            }
        }
        assert_eq!(before, misses(ground, &ways).await?, "what was timed as a hit was a miss");
        all.push(Measured { tasks, loads });
    }
    ground.close().await;
    Ok(all)
}

/// Operation `n` reads this row.
pub fn key(n: usize) -> i64 {
    1 + i64::try_from(n).unwrap_or(0) * 7 % KEYS
}

/// Every way has every answer.
pub async fn warm_up<D: Dialect>(ground: &Ground<D>, workload: Workload, ways: &[How]) -> Result {
    for _ in ["miss", "hit"] {
        for how in ways.iter().filter(|how| **how != How::Direct) {
            for key in 1..=KEYS {
                ground.read::<Sample>(*how, workload, key).await?;
            }
        }
    }
    Ok(())
}

/// Of all but pgpool-II, whose cache may be in doubt.
async fn misses<D: Dialect>(ground: &Ground<D>, ways: &[How]) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    for how in ways.iter().filter(|how| **how != How::PgPool) {
        all.extend(ground.counts(*how).await?.map(|counts| counts.misses));
    }
    Ok(all)
}

pub fn table(place: &str, all: &[Measured]) -> Table {
    let mut table = Table::new(
        format!("Throughput of point reads: {place}"),
        format!(
            "{KEYS} rows, all of them cached; direct reads, pgpool-II's clients and ours use pools of 10 connections, as sqlx's are by default, and one connection to Redis each."
        ),
        ["tasks; way", "reads per second", "in parts of direct", "p50, us", "p99, us", "p99.9, us"],
    );
    for Measured { tasks, loads } in all {
        for (how, load) in loads {
            let spread = load.spread();
            let ratio = loads.first().map_or(f64::NAN, |(_, direct)| load.ratio(direct));
            table.row([
                format!("{tasks}; {}", how.name()),
                number(load.per_second()),
                part(ratio),
                number(spread.p50),
                number(spread.p99),
                number(spread.p999),
            ]);
        }
    }
    table
}
