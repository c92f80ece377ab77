//! One of the processes: an executor of its own, some tasks that read through it, some that write, and some that read past it.

use super::clock::now;
use super::log::{Log, Value};
use super::shapes::{Seen, Shape, shapes};
use super::world::{How, ITEMS, On, World, item, told};
use super::writes::{Writer, class, random};
use rand::RngExt;
use rand::rngs::StdRng;
use sqlx::{Error, Pool};
use sqlx_cached::{Builder, CachingExecutor};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// Readers from this number on read past the cache.
pub const DIRECT: u16 = 1000;

/// What a process is told, as `name=value` arguments.
pub struct Task(HashMap<String, String>);

impl Task {
    pub fn new(arguments: impl Iterator<Item = String>) -> Self {
        Self(arguments.filter_map(|argument| argument.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))).collect())
    }

    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or_else(|| panic!("the task says no {name}"), String::as_str)
    }

    fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

pub async fn run<DB: World>(task: Task) {
    let log = Arc::new(Log::create(Path::new(task.text("log"))));
    let until = task.number("until");
    let pool = |connections| sqlx::pool::PoolOptions::<DB>::new().max_connections(connections).connect(task.text("url"));
    let (pool, plain) = match tokio::join!(pool(8), pool(3)) {
        (Ok(pool), Ok(plain)) => (pool, plain),
        (Err(error), _) | (_, Err(error)) => panic!("the database: {error}"),
    };
    let mut builder = Builder::from_env(pool).expect("the settings").fence_lease(Duration::from_millis(task.number("lease")));
    match task.text("sabotage") {
        "fence" => builder = builder.fences(false),
        "generations" => builder = builder.generation_check(false),
        _ => {}
    }
    let executor = builder.build().await.expect("an executor");
    let (seed, process) = (task.number("seed"), task.number("process"));
    let shapes: Arc<[Shape]> = shapes::<DB>().into();
    let writes = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..task.number("readers") + task.number("directs") {
        let is_direct = number >= task.number("readers");
        let reader = Reader {
            name: u16::try_from(number).unwrap_or_default() + if is_direct { DIRECT } else { 0 },
            executor: executor.clone(),
            direct: is_direct.then(|| plain.clone()),
            log: Arc::clone(&log),
            shapes: Arc::clone(&shapes),
            in_transaction: told::<DB>("SELECT v FROM items WHERE id = $1").leak(),
            random: random(seed, process, number),
            pause: task.number("pause_us"),
        };
        tasks.spawn(reader.run(until));
    }
    for number in 0..task.number("writers") {
        let writing = Writer {
            executor: executor.clone(),
            log: Arc::clone(&log),
            writes: Arc::clone(&writes),
            random: random(seed, process, 1_000_000 + number),
            pause: Duration::from_millis(task.number("write_pause_ms")),
        };
        tasks.spawn(writing.run(until));
    }
    let over = Arc::new(AtomicBool::new(false));
    let watching = {
        let (executor, log, over) = (executor.clone(), Arc::clone(&log), Arc::clone(&over));
        std::thread::spawn(move || watch(&executor, &log, &over))
    };
    // A panic in a task is the library's, or the harness's: both must be seen.
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            log.line_now(format!("e {} read panic {error}", now()));
        }
    }
    // As a program should: what a process keeps when it ends is lost.
    executor.close().await;
    over.store(true, SeqCst);
    watching.join().expect("the watching thread");
}

fn statistics<DB: World>(executor: &CachingExecutor<DB>, log: &Log) {
    let stats = executor.stats();
    log.line(format!("s {} {} {} {} {}", now(), stats.hits, stats.near_hits, stats.misses, stats.writes));
}

/// Writes down what the executor distrusts, whenever that changes. On a thread of its own: the runtime may be busy.
fn watch<DB: World>(executor: &CachingExecutor<DB>, log: &Log, over: &AtomicBool) {
    let mut last = (0, 0);
    let (mut before, mut counted) = (now(), 0);
    // Once more after the end.
    for is_over in std::iter::repeat_with(|| over.load(SeqCst)) {
        let looking = now();
        let state = (executor.distrusted(), executor.stats().store_errors);
        if state != last {
            last = state;
            log.line_now(format!("d {before} {} {} {}", now(), state.0, state.1));
        }
        if is_over || looking > counted + 100_000_000 {
            counted = looking;
            statistics(executor, log);
            log.flush();
        }
        if is_over {
            return;
        }
        before = looking;
        std::thread::sleep(Duration::from_millis(3));
    }
}

struct Reader<DB: World> {
    name: u16,
    executor: CachingExecutor<DB>,
    /// For one who reads past the cache.
    direct: Option<Pool<DB>>,
    log: Arc<Log>,
    shapes: Arc<[Shape]>,
    in_transaction: &'static str,
    random: StdRng,
    /// The longest pause between two reads, in microseconds.
    pause: u64,
}

impl<DB: World> Reader<DB> {
    async fn run(mut self, until: u64) {
        while now() < until {
            if self.direct.is_none() && self.random.random_ratio(1, 50) {
                self.in_transaction().await;
            } else {
                self.one().await;
            }
            // Those who read past the cache leave some of the machine to the others.
            let pause = self.random.random_range(0..=self.pause) * if self.direct.is_some() { 3 } else { 1 };
            if pause > 100 {
                tokio::time::sleep(Duration::from_micros(pause)).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn one(&mut self) {
        let number = self.random.random_range(0..self.shapes.len());
        let shape = &self.shapes[number];
        let id = self.random.random_range(1..=shape.ids());
        let other = match self.random.random_range(0..100) {
            0 => Some(self.executor.refresh()),
            1 | 2 => Some(self.executor.uncached()),
            _ => None,
        };
        let on = match &self.direct {
            Some(pool) => On::Direct(pool),
            None => On::Cached(other.as_ref().unwrap_or(&self.executor)),
        };
        let start = now();
        match DB::fetch(on, shape.sql, shape.arguments(id), shape.how).await {
            Ok(rows) => match shape.seen(id, &rows) {
                Seen::Values(seen) => self.saw(number, start, &seen),
                Seen::Torn(rows) => self.log.line_now(format!("t {} {number} {start} {} {rows}", self.name, now())),
            },
            Err(error) => self.failed(&error),
        }
    }

    fn saw(&self, shape: usize, start: u64, seen: &[(u16, Value)]) {
        let mut line = format!("r {} {shape} {start} {}", self.name, now());
        for (object, value) in seen {
            let _ = match value {
                Value::Version(version) => write!(line, " {object}={version}"),
                Value::Absent => write!(line, " {object}=A"),
                Value::Present => write!(line, " {object}=P"),
            };
        }
        self.log.line(line);
    }

    /// A read inside a transaction goes past the cache, and must fit in all the same.
    async fn in_transaction(&mut self) {
        let id = self.random.random_range(1..=ITEMS);
        let (executor, sql) = (self.executor.clone(), self.in_transaction);
        let read = async {
            let mut transaction = executor.begin().await?;
            // The transaction's snapshot is made by its first read, so that is when it starts.
            let start = now();
            let rows = DB::fetch(On::Transaction(&mut transaction), sql, vec![id], How::One).await?;
            self.saw(self.shapes.len(), start, &[(item(id), Value::Version(rows[0][0]))]);
            transaction.rollback().await
        };
        if let Err(error) = read.await {
            self.failed(&error);
        }
    }

    fn failed(&self, error: &Error) {
        let text = error.to_string().replace('\n', " ");
        self.log.line_now(format!("e {} read {} {text}", now(), class(error)));
    }
}
