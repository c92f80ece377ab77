//! The checks, in n log n. They know nothing of how the cache works.

use super::history::{History, Known, Read, Row};
use super::log::{Object, Value};
use std::collections::{BTreeMap, HashMap};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// P1: a read that started after the acknowledgement of a version saw less.
    Acknowledged,
    /// The same for a row that was deleted, or came again.
    Deleted,
    /// P1 within one process.
    OwnWrite,
    /// P2: a reader saw less than it had seen.
    Reader,
    /// The same for the readers of one process.
    Process,
    /// P3: a read saw less than anybody had seen before it started.
    Seen,
    /// Parts of one answer that no instant of the database had together.
    Torn,
    /// A version that nobody had begun to write.
    Invented,
}

pub const KINDS: [(Kind, &str); 8] = [
    (Kind::Acknowledged, "P1 read after acknowledgement"),
    (Kind::Deleted, "P1 deletes stay deleted"),
    (Kind::OwnWrite, "P1 within the writing process"),
    (Kind::Reader, "P2 each reader is monotonic"),
    (Kind::Process, "P2 each process is monotonic"),
    (Kind::Seen, "P3 nobody sees less than anybody saw"),
    (Kind::Torn, "torn answers"),
    (Kind::Invented, "versions that never were"),
];

/// Why a violation may be forgiven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Excuse {
    /// The writer could not set its fence, went on, and its invalidation was kept, not delivered yet.
    Kept,
    /// The same, and the writer was killed: nobody will deliver it.
    LostWithItsProcess,
}

#[derive(Clone, Debug)]
pub struct Violation {
    pub kind: Kind,
    pub object: Object,
    pub shape: u16,
    pub start: u64,
    pub process: usize,
    /// What was seen, and what should have been at least.
    pub saw: String,
    /// How long before the start of the read its answer had become too old.
    pub staleness: u64,
    pub excuse: Option<Excuse>,
}

/// What is known of a row's versions, and since when.
struct Line(Vec<Known>);

impl Line {
    /// In order of time, each with the greatest version so far.
    fn new(known: impl Iterator<Item = Known>) -> Self {
        let mut line: Vec<Known> = known.collect();
        line.sort_unstable_by_key(|known| known.time);
        let mut greatest = i64::MIN;
        line.retain(|known| {
            let grows = known.version > greatest;
            greatest = greatest.max(known.version);
            grows
        });
        Self(line)
    }

    /// What a read that started then must have known better than to see this.
    fn missed(&self, start: u64, version: i64) -> Option<Known> {
        let first = self.0.partition_point(|known| known.version <= version);
        self.0.get(first).filter(|known| known.time < start).copied()
    }
}

/// Every violation in a history. Where a near cache is told by pushes, a kept invalidation is heard of up to `lag` after its delivery.
pub fn check(history: &History, lag: u64) -> Vec<Violation> {
    let mut violations: Vec<Violation> = history
        .torn
        .iter()
        .map(|torn| Violation {
            kind: Kind::Torn,
            object: 0,
            shape: torn.shape,
            start: torn.start,
            process: torn.process,
            saw: torn.seen.clone(),
            staleness: 0,
            excuse: None,
        })
        .collect();
    for (object, row) in &history.rows {
        Checked { lag, ..Checked::new(history, *object, row) }.check(&mut violations);
    }
    violations
}

struct Checked<'h> {
    history: &'h History,
    /// How long after the delivery of a kept invalidation others may not have heard of it.
    lag: u64,
    object: Object,
    row: &'h Row,
    /// Who made which version.
    makers: HashMap<i64, Known>,
    /// By time: the greatest version at which the row is not there, and is there, that anybody was about to make.
    absent: Vec<(u64, i64)>,
    present: Vec<(u64, i64)>,
}

impl<'h> Checked<'h> {
    fn new(history: &'h History, object: Object, row: &'h Row) -> Self {
        let makers = row.acknowledged.iter().map(|known| (known.version, *known)).collect();
        let rising = |odd: i64| {
            let known = row.intents.iter().filter(|(_, version)| version.rem_euclid(2) == odd);
            let line = Line::new(known.map(|&(time, version)| Known { time, version, process: 0 }));
            line.0.into_iter().map(|known| (known.time, known.version)).collect()
        };
        Self { history, lag: 0, object, row, makers, absent: rising(1), present: rising(0) }
    }

    /// The newest version that an answer can stand for: one without a version stands for whatever may have been by its end.
    fn newest(&self, read: &Read) -> i64 {
        let line = match read.value {
            Value::Version(version) => return version,
            Value::Absent => &self.absent,
            Value::Present => &self.present,
        };
        let begun = line.partition_point(|(time, _)| *time < read.end);
        // Every ghost is there at first.
        begun.checked_sub(1).map_or(if read.value == Value::Present { 0 } else { -1 }, |last| line[last].1)
    }

    fn check(&self, violations: &mut Vec<Violation>) {
        let row = self.row;
        let mut begun = row.begun.clone();
        begun.sort_unstable();
        let seen = || {
            row.reads.iter().filter_map(|read| match read.value {
                Value::Version(version) => Some((read, Known { time: read.end, version, process: read.process })),
                Value::Absent | Value::Present => None,
            })
        };
        let acknowledged = Line::new(row.acknowledged.iter().copied());
        let anybody = Line::new(seen().map(|(_, known)| known).chain(row.seen_before));
        let mut own: BTreeMap<usize, Vec<Known>> = BTreeMap::new();
        for known in &row.acknowledged {
            own.entry(known.process).or_default().push(*known);
        }
        let own: BTreeMap<usize, Line> = own.into_iter().map(|(process, known)| (process, Line::new(known.into_iter()))).collect();
        let mut readers: HashMap<(usize, u16), Vec<Known>> = HashMap::new();
        let mut processes: HashMap<usize, Vec<Known>> = HashMap::new();
        for (read, known) in seen() {
            readers.entry((read.process, read.reader)).or_default().push(known);
            if read.reader < super::child::DIRECT {
                processes.entry(read.process).or_default().push(known);
            }
        }
        let readers: HashMap<_, Line> = readers.into_iter().map(|(reader, known)| (reader, Line::new(known.into_iter()))).collect();
        let processes: HashMap<_, Line> = processes.into_iter().map(|(process, known)| (process, Line::new(known.into_iter()))).collect();

        for read in &row.reads {
            let cached = read.reader < super::child::DIRECT;
            let version = self.newest(read);
            let kind = if self.object >= super::world::ghost(0) { Kind::Deleted } else { Kind::Acknowledged };
            let lines = [
                (kind, Some(&acknowledged)),
                (Kind::OwnWrite, own.get(&read.process).filter(|_| cached)),
                (Kind::Reader, readers.get(&(read.process, read.reader))),
                (Kind::Process, processes.get(&read.process).filter(|_| cached)),
                (Kind::Seen, Some(&anybody)),
            ];
            for (kind, line) in lines {
                if let Some(missed) = line.and_then(|line| line.missed(read.start, version)) {
                    violations.push(self.violation(kind, read, missed));
                }
            }
            let possible = row.begun_before + begun.partition_point(|time| *time < read.end);
            if matches!(read.value, Value::Version(version) if version > i64::try_from(possible).unwrap_or(i64::MAX)) {
                let known = Known { time: read.start, version: i64::try_from(possible).unwrap_or(i64::MAX), process: read.process };
                violations.push(Violation { excuse: None, ..self.violation(Kind::Invented, read, known) });
            }
        }
    }

    fn violation(&self, kind: Kind, read: &Read, missed: Known) -> Violation {
        let saw = format!("{:?}, not {} (process {})", read.value, missed.version, missed.process);
        Violation {
            kind,
            object: self.object,
            shape: read.shape,
            start: read.start,
            process: read.process,
            saw,
            staleness: read.start - missed.time,
            excuse: self.excuse(kind, read, missed),
        }
    }

    /// Whether the write that was missed had proceeded without a fence, and its invalidation was still kept when the read started, or delivered a moment before.
    fn excuse(&self, kind: Kind, read: &Read, missed: Known) -> Option<Excuse> {
        // Who wrote it; anybody, where no acknowledgement tells.
        let maker = self.makers.get(&missed.version).map(|known| known.process);
        let processes =
            self.history.processes.iter().enumerate().filter(|(index, _)| maker.is_none_or(|maker| maker == *index || maker == usize::MAX));
        let seen_only = !matches!(kind, Kind::Acknowledged | Kind::Deleted | Kind::OwnWrite);
        let mut excuse = None;
        for (index, process) in processes {
            // Who delivers needs nobody to tell him.
            let lag = if index == read.process { 0 } else { self.lag };
            for trouble in &process.trouble {
                // Before the acknowledgement a lost request for a fence is enough: the span is closed without having been opened.
                if trouble.from <= read.start && read.start <= trouble.to.saturating_add(lag) && (trouble.kept || seen_only) {
                    let found = if trouble.to == u64::MAX { Excuse::LostWithItsProcess } else { Excuse::Kept };
                    excuse = Some(excuse.map_or(found, |other: Excuse| other.min(found)));
                }
            }
        }
        excuse
    }
}
