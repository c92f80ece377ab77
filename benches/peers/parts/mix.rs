//! Reads and writes mixed: what writes leave of the hits, and of the throughput.

use crate::Result;
use crate::dialect::{Dialect, text};
use crate::ground::Ground;
use crate::measure::{Load, load};
use crate::options::Pace;
use crate::parts::player::{Player, Tally, keys};
use crate::parts::zipf::each;
use crate::report::{Table, number, part, percent};
use crate::stage::Stage;
use crate::workload::POINT;
use std::sync::Arc;

/// Writes among 100 operations.
pub const SHARES: [usize; 4] = [0, 1, 5, 20];

const TASKS: usize = 32;

/// Where the writes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// To the table that is read.
    Same,
    /// To another one.
    Other,
}

impl Written {
    pub const ALL: [Self; 2] = [Self::Same, Self::Other];

    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "writes to the table that is read",
            Self::Other => "writes to another table",
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Same => "UPDATE sample SET stock = stock + 1 WHERE id = ?",
            Self::Other => "UPDATE item SET quantity = quantity + 1 WHERE id = ?",
        }
    }
}

/// One cache under one share of writes.
pub struct Measured {
    pub written: Written,
    pub share: usize,
    pub name: String,
    pub per_second: f64,
    pub hits: f64,
    ratio: f64,
    p50: f64,
    p99: f64,
}

pub async fn run<D: Dialect>(stage: &Stage<D>, pace: Pace) -> Result<Vec<Measured>> {
    let ground = Ground::new(stage).await?;
    let workload = POINT.on::<D>();
    let players = [
        Player::direct(ground, workload),
        Player::aside(ground, workload),
        Player::near(stage, ground, workload, 0).await?,
        Player::near(stage, ground, workload, 64 * 1024).await?,
        Player::memory(ground, workload).await?,
    ];
    let keys = keys(pace.mixed_keys)?;
    let mut all = Vec::new();
    for written in Written::ALL {
        let sql = text::<D>(written.sql());
        for share in SHARES {
            // Everybody begins with everything.
            for player in players.into_iter().skip(1) {
                each(usize::try_from(pace.mixed_keys)?, move |n| player.read(1 + i64::try_from(n).unwrap_or(0))).await?;
            }
            let mut loads: Vec<_> = players.iter().map(|_| (Load::default(), Tally::default())).collect();
            for slice in 0..pace.slices {
                for turn in 0..players.len() {
                    let next = (slice + turn) % players.len();
                    let (player, keys) = (players[next], Arc::clone(&keys));
                    let before = player.tally();
                    let start = slice * 100_003;
                    let work = move |n| {
                        let key = keys[(start + n) % keys.len()];
                        let is_write = scattered(n) % 100 < share;
                        async move { if is_write { player.write(sql, key, written == Written::Same).await } else { player.read(key).await } }
                    };
                    loads[next].0.push(load(TASKS, pace.slice, work).await?);
                    loads[next].1.add(before, player.tally());
                }
            }
            for (player, (load, tally)) in players.iter().zip(&loads) {
                let spread = load.spread();
                all.push(Measured {
                    written,
                    share,
                    name: player.name.clone(),
                    per_second: load.per_second(),
                    hits: tally.since(Tally::default()).0,
                    ratio: load.ratio(&loads[0].0),
                    p50: spread.p50,
                    p99: spread.p99,
                });
            }
        }
    }
    ground.close().await;
    Ok(all)
}

/// A number that looks random, and is the same for all contenders.
fn scattered(n: usize) -> usize {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

pub fn table(scene: &str, pace: Pace, all: &[Measured]) -> Table {
    let mut table = Table::new(
        format!("Reads and writes mixed, {} Zipf-distributed keys (s = 1), {TASKS} tasks: {scene}", pace.mixed_keys),
        "Writes change one row; all rows were read before. The hand-written cache forgets one key after a write: a reader that read before it may put the old row back, and no join is forgotten. Ours are fenced, forget the table, and pass a table by that is written to too often (`Admission::Auto`).",
        ["writes; cache", "hits", "operations per second", "in parts of direct", "p50, us", "p99, us"],
    );
    for row in all {
        let Measured { share, name, hits, per_second, ratio, p50, p99, .. } = row;
        let written = if row.written == Written::Same { "same table" } else { "another table" };
        let cells =
            [format!("{share} %, {written}; {name}"), percent(*hits), number(*per_second), part(*ratio), number(*p50), number(*p99)];
        table.row(cells);
    }
    table
}
