//! What a second core brings: hits by 32 tasks on a runtime of one worker, and on one of two.

use crate::Result;
use crate::dialect::Dialect;
use crate::ground::{Ground, How};
use crate::measure::{Load, load};
use crate::options::Pace;
use crate::parts::load::{key, warm_up};
use crate::report::{Table, number, part};
use crate::stage::Stage;
use crate::workload::{POINT, Sample, Workload};
use std::hint::black_box;
use std::sync::Arc;
use tokio::runtime::Runtime;

const TASKS: usize = 32;

/// `None` counts to a few thousand: what the machine itself gives.
const WAYS: [Option<How>; 5] = [None, Some(How::Moka), Some(How::Memory), Some(How::Near), Some(How::Typed)];

async fn operation<D: Dialect>(ground: &Ground<D>, way: Option<How>, workload: Workload, n: usize) -> Result {
    match way {
        Some(how) => ground.read::<Sample>(how, workload, key(n)).await.map(|got| drop(black_box(got))),
        None => {
            black_box((0..2_000_u64).fold(0, |sum, i| black_box(sum ^ i)));
            Ok(())
        }
    }
}

/// Not on a runtime: it makes its own.
pub fn run<D: Dialect>(stage: &Arc<Stage<D>>, pace: Pace) -> Result<Table> {
    let mut runtimes = Vec::new();
    for workers in [1, 2] {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
        let stage = Arc::clone(stage);
        let ground = runtime.block_on(runtime.spawn(async move { Ground::new(&stage).await }))??;
        runtimes.push((runtime, ground));
    }
    let workload = POINT.on::<D>();
    let ways: Vec<_> = WAYS.into_iter().filter(|way| way.is_none_or(|how| runtimes.iter().all(|(_, ground)| ground.has(how)))).collect();
    let cached: Vec<_> = ways.iter().filter_map(|way| *way).collect();
    for (runtime, ground) in &runtimes {
        runtime.block_on(warm_up(ground, workload, &cached))?;
    }
    let mut loads: Vec<_> = ways.iter().map(|_| [Load::default(), Load::default()]).collect();
    let turn = |(runtime, ground): &(Runtime, &'static Ground<D>), way| {
        let ground = *ground;
        runtime.block_on(runtime.spawn(load(TASKS, pace.slice, move |n| operation(ground, way, workload, n))))?
    };
    for slice in 0..pace.slices {
        for next in 0..ways.len() {
            let next = (slice + next) % ways.len();
            for (runtime, done) in runtimes.iter().zip(&mut loads[next]) {
                done.push(turn(runtime, ways[next])?);
            }
        }
    }
    for (runtime, ground) in &runtimes {
        runtime.block_on(ground.close());
    }
    let mut table = Table::new(
        format!("One worker and two: point reads by {TASKS} tasks, {}", stage.name),
        "Runtimes of so many workers, in turns. Counting touches nothing but a register: more than its factor the machine doesn't give.",
        ["way", "1 worker, per second", "2 workers, per second", "factor"],
    );
    for (way, [one, two]) in ways.iter().zip(&loads) {
        table.row([way.map_or("counting", How::name).to_owned(), number(one.per_second()), number(two.per_second()), part(two.ratio(one))]);
    }
    Ok(table)
}
