//! What all processes have written down, put together.

use super::log::{Event, Object, Value};
use std::collections::{BTreeMap, HashMap};

/// What a read saw of one row.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    pub start: u64,
    pub end: u64,
    pub value: Value,
    /// The process, by the number of its log.
    pub process: usize,
    pub reader: u16,
    pub shape: u16,
}

/// Somebody knows that a row has at least this version.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub time: u64,
    pub version: i64,
    pub process: usize,
}

/// The history of one row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub reads: Vec<Read>,
    pub acknowledged: Vec<Known>,
    /// When writes of it began, whatever became of them.
    pub begun: Vec<u64>,
    /// Writes of it that began before this history.
    pub begun_before: usize,
    /// When somebody was about to commit which version.
    pub intents: Vec<(u64, i64)>,
    /// The greatest version that anybody saw before this history.
    pub seen_before: Option<Known>,
}

#[derive(Debug)]
pub struct Torn {
    pub process: usize,
    pub shape: u16,
    pub start: u64,
    pub seen: String,
}

#[derive(Clone, Debug)]
pub struct Failure {
    pub process: usize,
    pub time: u64,
    pub writing: bool,
    pub class: String,
    pub text: String,
}

/// A time in which a process distrusted tables, or failed to ask its store.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    pub from: u64,
    pub to: u64,
    /// Invalidations were kept, not only requests lost.
    pub kept: bool,
}

/// One process's part.
#[derive(Debug, Default)]
pub struct Process {
    pub name: String,
    pub trouble: Vec<Trouble>,
    /// Time, hits, near hits, misses, writes.
    pub stats: Vec<[u64; 5]>,
}

#[derive(Debug, Default)]
pub struct History {
    pub rows: BTreeMap<Object, Row>,
    pub torn: Vec<Torn>,
    pub failures: Vec<Failure>,
    pub processes: Vec<Process>,
    pub reads: usize,
    pub writes: usize,
    pub unknown: usize,
    /// How long the slowest read took.
    pub slowest: u64,
}

impl History {
    /// Adds the log of one more process, which `may_keep` at its end what it could not deliver.
    pub fn add(&mut self, name: &str, may_keep: bool, log: &str) {
        let process = self.processes.len();
        let mut mine = Process { name: name.to_owned(), ..Process::default() };
        let (mut kept_since, mut looked, mut errors) = (None, 0, 0);
        // A line without end was cut by a SIGKILL.
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        for line in whole.lines() {
            let Some(event) = Event::parse(line) else { panic!("{name}: no event: {line}") };
            match event {
                Event::Read { reader, shape, start, end, seen } => {
                    self.reads += 1;
                    self.slowest = self.slowest.max(end.saturating_sub(start));
                    for (object, value) in seen {
                        self.row(object).reads.push(Read { start, end, value, process, reader, shape });
                    }
                }
                Event::Torn { shape, start, seen } => self.torn.push(Torn { process, shape, start, seen: seen.to_owned() }),
                Event::Begin { start, objects } => {
                    self.writes += 1;
                    for object in objects {
                        self.row(object).begun.push(start);
                    }
                }
                Event::Intent { time, versions } => {
                    for (object, version) in versions {
                        self.row(object).intents.push((time, version));
                    }
                }
                Event::Acknowledged { end, versions } => {
                    for (object, version) in versions {
                        self.row(object).acknowledged.push(Known { time: end, version, process });
                    }
                }
                Event::NotDone => {}
                Event::Unknown => self.unknown += 1,
                Event::Error { time, writing, class, text } => {
                    self.failures.push(Failure { process, time, writing, class: class.to_owned(), text: text.to_owned() });
                }
                Event::Distrust { before, time, tables, store_errors } => {
                    if store_errors > errors {
                        mine.trouble.push(Trouble { from: before, to: time, kept: false });
                    }
                    errors = store_errors;
                    match (tables, kept_since) {
                        (0, Some(from)) => {
                            mine.trouble.push(Trouble { from, to: time, kept: true });
                            kept_since = None;
                        }
                        (1.., None) => kept_since = Some(before),
                        _ => {}
                    }
                    looked = time;
                }
                Event::Stats { time, hits, near, misses, writes } => {
                    looked = looked.max(time);
                    mine.stats.push([time, hits, near, misses, writes]);
                }
            }
        }
        // What a killed process had kept is never delivered; nor is what it kept since it last wrote that down.
        if let Some(from) = kept_since.or(may_keep.then_some(looked)) {
            mine.trouble.push(Trouble { from, to: u64::MAX, kept: true });
        }
        self.processes.push(mine);
    }

    fn row(&mut self, object: Object) -> &mut Row {
        self.rows.entry(object).or_default()
    }

    /// Begins where another history ended: what was known then is known now.
    pub fn after(before: &Before) -> Self {
        Self { rows: before.0.iter().map(|(object, row)| (*object, row.clone())).collect(), ..Self::default() }
    }

    /// What those who come after have to know. Processes of this history are nobody's in the next.
    pub fn before(&self) -> Before {
        let rows = self.rows.iter().map(|(object, row)| {
            let greatest = |known: &mut dyn Iterator<Item = Known>| {
                known.max_by_key(|known| known.version).map(|known| Known { process: usize::MAX, ..known })
            };
            let seen = row.reads.iter().filter_map(|read| match read.value {
                Value::Version(version) => Some(Known { time: read.end, version, process: read.process }),
                _ => None,
            });
            let highest =
                |odd: i64| row.intents.iter().copied().filter(|(_, version)| version % 2 == odd).max_by_key(|(_, version)| *version);
            let row = Row {
                reads: Vec::new(),
                acknowledged: greatest(&mut row.acknowledged.iter().copied()).into_iter().collect(),
                begun: Vec::new(),
                begun_before: row.begun_before + row.begun.len(),
                intents: highest(0).into_iter().chain(highest(1)).collect(),
                seen_before: greatest(&mut seen.chain(row.seen_before)),
            };
            (*object, row)
        });
        Before(rows.collect())
    }

    /// Hits, near hits, misses and writes of all processes between these times, as far as they wrote them down.
    pub fn counted(&self, from: u64, to: u64) -> [u64; 4] {
        let mut sums = [0; 4];
        for process in &self.processes {
            let within: Vec<_> = process.stats.iter().filter(|stats| (from..=to).contains(&stats[0])).collect();
            let first = process.stats.iter().rfind(|stats| stats[0] < from).map_or([0; 5], |stats| *stats);
            if let Some(last) = within.last() {
                for (index, sum) in sums.iter_mut().enumerate() {
                    *sum += last[index + 1].saturating_sub(first[index + 1]);
                }
            }
        }
        sums
    }
}

/// What was known at the end of a history.
#[derive(Debug, Default)]
pub struct Before(HashMap<Object, Row>);
