//! Point reads of 100,000 rows, some of which are asked for far more often than others, by caches that hold all or some of them.

use crate::Result;
use crate::dialect::Dialect;
use crate::ground::Ground;
use crate::measure::{Load, load};
use crate::options::Pace;
use crate::parts::player::{Player, Tally, keys};
use crate::report::{Table, number, part, percent};
use crate::stage::Stage;
use crate::workload::POINT;
use std::sync::Arc;

const TASKS: usize = 32;

const KEYS: u32 = 100_000;

pub async fn run<D: Dialect>(stage: &Stage<D>, scene: &str, pace: Pace) -> Result<Table> {
    let ground = Ground::new(stage).await?;
    let workload = POINT.on::<D>();
    let players = [
        Player::direct(ground, workload),
        Player::aside(ground, workload),
        Player::near(stage, ground, workload, 0).await?,
        Player::near(stage, ground, workload, 2048).await?,
        Player::near(stage, ground, workload, 64 * 1024).await?,
        Player::memory(ground, workload).await?,
        Player::moka(ground, workload, 10_000),
        Player::moka(ground, workload, 200_000),
    ];
    let keys = keys(KEYS)?;
    for player in &players[1..] {
        warm_up(player, &keys, pace.zipf_reads).await?;
    }
    let mut loads: Vec<_> = players.iter().map(|_| (Load::default(), Tally::default())).collect();
    for slice in 0..pace.slices {
        for turn in 0..players.len() {
            let next = (slice + turn) % players.len();
            let (player, keys) = (players[next], Arc::clone(&keys));
            let before = player.tally();
            // Another stretch of the keys in every round, the same one for all.
            let start = slice * 100_003;
            loads[next].0.push(load(TASKS, pace.slice, move |n| player.read(keys[(start + n) % keys.len()])).await?);
            loads[next].1.add(before, player.tally());
        }
    }
    let mut table = Table::new(
        format!("Zipf-distributed point reads (s = 1, {KEYS} keys) by {TASKS} tasks: {scene}"),
        format!("After {} such reads by each; reads go on filling while they are measured.", pace.zipf_reads),
        ["cache", "hits", "of them near", "reads per second", "in parts of direct", "p50, us", "p99, us", "p99.9, us"],
    );
    for (player, (load, tally)) in players.iter().zip(&loads) {
        let (hits, near) = tally.since(Tally::default());
        let spread = load.spread();
        table.row([
            player.name.clone(),
            percent(hits),
            percent(near / hits),
            number(load.per_second()),
            part(load.ratio(&loads[0].0)),
            number(spread.p50),
            number(spread.p99),
            number(spread.p999),
        ]);
    }
    ground.close().await;
    Ok(table)
}

/// So many reads by this player.
async fn warm_up<D: Dialect>(player: &'static Player<D>, keys: &Arc<[i64]>, reads: usize) -> Result {
    // From the end, so that what is measured comes new.
    let last = keys.len() - 1;
    let keys = Arc::clone(keys);
    each(reads, move |n| player.read(keys[last - n % keys.len()])).await
}

/// Does so many operations, by as many tasks as are measured.
pub async fn each<F: Future<Output = Result> + Send>(operations: usize, work: impl Fn(usize) -> F + Clone + Send + 'static) -> Result {
    let mut running = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let work = work.clone();
        running.spawn(async move {
            for n in (task..operations).step_by(TASKS) {
                work(n).await?;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}
