//! What a cache brings and what it costs, beside everything else that one might use: the pool alone, a bare `GET`, cache-aside by hand, moka, pgpool-II.
//!
//!     cargo bench --bench peers --all-features                      # everything, 15 minutes; replaces benches/figures
//!     cargo bench --bench peers --all-features -- quick             # to see that it works, 3 minutes
//!     cargo bench --bench peers --all-features -- load mariadb      # parts and databases by name
//!
//! Parts: `latency` (every workload, one read at a time) and `costs` (misses, writes, what can't be cached) on every database; `load` (1, 32 and 256 tasks),
//! `scaling` (one worker and two), `zipf`, `mix` (of reads and writes) and `payload` (100 B to 1 MB) on PostgreSQL, unless another database is named: `postgres`,
//! `postgres-tcp`, `mariadb`, `sqlite`.
//!
//! Contenders take turns, a few operations each, in another order every round; a ratio is taken within each round, and the median over all rounds is
//! printed. So whatever else the machine does falls on all alike, and ratios can be compared between machines where times can't. The servers are private
//! ones, on Unix sockets unless it says TCP, and without durability, which flatters the databases.

mod dialect;
mod ground;
mod measure;
mod options;
mod parts;
mod pgpool;
mod plot;
mod report;
mod stage;
#[path = "../../tests/support/mod.rs"]
mod support;
mod workload;

use self::dialect::Dialect;
use self::ground::How;
use self::options::Options;
use self::parts::{costs, latency, load, mix, payload, scaling, zipf};
use self::plot::{Panel, Series};
use self::report::Report;
use self::stage::Stage;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Of every entry, ours and the others'.
const TTL: Duration = Duration::from_hours(1);

/// What a plot has room for.
const SHOWN: [How; 7] = [How::Direct, How::PgPool, How::Aside, How::Redis, How::Near, How::Typed, How::Moka];

const RUNTIMES: [&str; 2] = ["current-thread runtime", "multi-thread runtime, 2 workers"];

fn runtime(name: &str) -> Result<Runtime> {
    Ok(if name == RUNTIMES[0] {
        Builder::new_current_thread().enable_all().build()?
    } else {
        Builder::new_multi_thread().worker_threads(2).enable_all().build()?
    })
}

/// Runs a part on a runtime of its own, on a worker as a server's handlers are: the thread that blocks on the runtime would pay for waking up.
fn on<T: Send + 'static>(name: &str, part: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let runtime = runtime(name)?;
    runtime.block_on(runtime.spawn(part))?
}

fn main() -> Result {
    let options = Options::from_command_line()?;
    let mut report = Report::new(options.figures(), &report::machine())?;
    if cfg!(debug_assertions) {
        println!("A debug build: the numbers mean nothing. `cargo bench` makes a release build.");
    }
    let started = Instant::now();
    let wanted = |database| options::PARTS.iter().any(|part| options.wants(part, database));
    if wanted("postgres") {
        run(on(RUNTIMES[0], stage::postgres())?, &options, &mut report)?;
    }
    if wanted("postgres-tcp") {
        run(on(RUNTIMES[0], stage::postgres_tcp())?, &options, &mut report)?;
    }
    if wanted("mariadb") {
        run(on(RUNTIMES[0], stage::mariadb())?, &options, &mut report)?;
    }
    if wanted("sqlite") {
        run(on(RUNTIMES[0], stage::sqlite())?, &options, &mut report)?;
    }
    report.finish()?;
    println!("{} seconds in all", started.elapsed().as_secs());
    Ok(())
}

/// All that is wanted on one database.
fn run<D: Dialect>(stage: Stage<D>, options: &Options, report: &mut Report) -> Result {
    let (stage, pace) = (Arc::new(stage), options.pace());
    let wants = |part| options.wants(part, stage.word);
    let own = || Arc::clone(&stage);
    // Plots are of the first database that a part runs on.
    let plots = stage.word == "postgres" || !options.wants("latency", "postgres");
    if wants("latency") {
        for name in RUNTIMES {
            let stage = own();
            let scene = format!("{}, {name}", stage.name);
            let all = on(name, async move { latency::run(&stage, pace).await })?;
            report.add_all(&latency::tables(&scene, "workload", &all));
            if plots && name == RUNTIMES[0] {
                let groups: Vec<_> = all.iter().map(|row| row.name.to_owned()).collect();
                let series: Vec<_> = series(&SHOWN, |how| all.iter().map(|row| row.p50(how)).collect());
                let path = report.figure("latency.svg", "Latency");
                plot::bars(&path, &format!("Median latency of one read: {scene}"), "p50, microseconds", &groups, &series)?;
            }
        }
    }
    if wants("costs") {
        let stage = own();
        report.add(&on(RUNTIMES[0], async move { costs::run(&stage, pace).await })?);
    }
    if wants("load") {
        let (mut groups, mut all) = (Vec::new(), Vec::new());
        for name in RUNTIMES {
            let stage = own();
            let scene = format!("{}, {name}", stage.name);
            let measured = on(name, async move { load::run(&stage, pace).await })?;
            report.add(&load::table(&scene, &measured));
            let threads = if name == RUNTIMES[0] { "1 thread" } else { "2 threads" };
            groups.extend(measured.iter().map(|row| format!("{} task{}, {threads}", row.tasks, if row.tasks == 1 { "" } else { "s" })));
            all.extend(measured);
        }
        let series = series(&SHOWN, |how| all.iter().map(|row| row.per_second(how)).collect());
        let path = report.figure("throughput.svg", "Throughput");
        plot::bars(&path, &format!("Throughput of point reads: {}", stage.name), "reads per second", &groups, &series)?;
    }
    if wants("scaling") {
        report.add(&scaling::run(&stage, pace)?);
    }
    if wants("zipf") {
        let stage = own();
        let scene = format!("{}, {}", stage.name, RUNTIMES[1]);
        report.add(&on(RUNTIMES[1], async move { zipf::run(&stage, &scene, pace).await })?);
    }
    if wants("mix") {
        let stage = own();
        let scene = format!("{}, {}", stage.name, RUNTIMES[1]);
        let all = on(RUNTIMES[1], async move { mix::run(&stage, pace).await })?;
        report.add(&mix::table(&scene, pace, &all));
        plot_mix(report, &scene, &all)?;
    }
    if wants("payload") {
        let stage = own();
        let scene = format!("{}, {}", stage.name, RUNTIMES[0]);
        let all = on(RUNTIMES[0], async move { payload::run(&stage, pace).await })?;
        report.add_all(&latency::tables(&format!("{scene}, one row with a text"), "text", &all));
        let panel = Panel {
            title: "",
            unit: "p50, microseconds",
            over: "size of the text",
            places: all.iter().map(|row| row.name.to_owned()).collect(),
            series: series(&SHOWN, |how| all.iter().map(|row| row.p50(how)).collect()),
            top: None,
        };
        let path = report.figure("payload.svg", "Latency by payload");
        plot::lines(&path, &format!("Median latency of one row by its size: {scene}"), &[panel])?;
    }
    Ok(())
}

/// Those of them that have a value.
fn series(ways: &[How], values: impl Fn(How) -> Vec<Option<f64>>) -> Vec<Series> {
    let all = ways.iter().map(|how| Series { name: how.name().to_owned(), values: values(*how) });
    all.filter(|series| series.values.iter().any(Option::is_some)).collect()
}

/// Hit ratio and throughput, once for each table that is written to.
fn plot_mix(report: &mut Report, scene: &str, all: &[mix::Measured]) -> Result {
    let mut names: Vec<_> = all.iter().map(|row| row.name.as_str()).collect();
    names.dedup();
    names.truncate(names.iter().skip(1).position(|name| *name == names[0]).map_or(names.len(), |repeats| repeats + 1));
    let panel = |written: mix::Written, hits: bool| {
        let values = |name: &str| {
            let rows = all.iter().filter(|row| row.written == written && row.name == name);
            // Without a cache there is nothing to hit.
            rows.map(|row| if hits { (name != "direct").then_some(row.hits * 100.0) } else { Some(row.per_second) }).collect()
        };
        Panel {
            title: written.name(),
            unit: if hits { "hits, % of reads" } else { "operations per second" },
            over: "writes, % of operations",
            places: mix::SHARES.iter().map(ToString::to_string).collect(),
            series: names.iter().map(|name| Series { name: (*name).to_owned(), values: values(name) }).collect(),
            top: hits.then_some(104.0),
        }
    };
    let panels = [
        panel(mix::Written::Same, true),
        panel(mix::Written::Other, true),
        panel(mix::Written::Same, false),
        panel(mix::Written::Other, false),
    ];
    let path = report.figure("mix.svg", "Reads and writes mixed");
    plot::lines(&path, &format!("Reads and writes mixed: {scene}"), &panels)
}
