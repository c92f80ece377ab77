//! What the processes write down, a line an event, and how it is read again.
//!
//! ```text
//! r <reader> <shape> <start> <end> <object>=<value> ...     a read; a value is a version, `A` (no such row) or `P` (a row of unknown version)
//! t <reader> <shape> <start> <end> <what was seen>          a read whose parts do not belong together
//! b <write> <start> <object> ...                            a write of these is about to begin
//! i <write> <time> <object>=<version> ...                   it is about to make these versions, and commit
//! a <write> <end> <object>=<version> ...                    it is acknowledged
//! n <write> <end>                                           it did not happen
//! u <write> <end>                                           nobody knows, so it may happen at any later instant
//! e <time> <read|write> <class> <text>                      an error that reached the caller
//! d <looked before> <time> <distrusted tables> <store errors>   whenever either changed
//! s <time> <hits> <near hits> <misses> <writes>             now and then, since the start of the process
//! ```
//!
//! What a write says before it is sent must survive a SIGKILL: those lines go to the kernel at once.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub struct Log(Mutex<BufWriter<File>>);

impl Log {
    pub fn create(path: &Path) -> Self {
        Self(Mutex::new(BufWriter::with_capacity(1 << 16, File::create(path).expect("a log"))))
    }

    fn lock(&self) -> MutexGuard<'_, BufWriter<File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn line(&self, line: String) {
        self.add(&mut self.lock(), line);
    }

    /// The same, to the kernel before this returns.
    pub fn line_now(&self, line: String) {
        let mut log = self.lock();
        self.add(&mut log, line);
        let _ = log.flush();
    }

    /// In one piece, so that only whole lines end with a line's end.
    #[expect(clippy::unused_self, reason = "a part of the log")]
    fn add(&self, log: &mut BufWriter<File>, mut line: String) {
        line.push('\n');
        let _ = log.write_all(line.as_bytes());
    }

    pub fn flush(&self) {
        let _ = self.lock().flush();
    }
}

/// A row that is written, by a number of its own.
pub type Object = u16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    Version(i64),
    /// No such row.
    Absent,
    /// There is one.
    Present,
}

/// A line of a log.
#[derive(Debug)]
pub enum Event<'l> {
    Read { reader: u16, shape: u16, start: u64, end: u64, seen: Vec<(Object, Value)> },
    Torn { shape: u16, start: u64, seen: &'l str },
    Begin { start: u64, objects: Vec<Object> },
    Intent { time: u64, versions: Vec<(Object, i64)> },
    Acknowledged { end: u64, versions: Vec<(Object, i64)> },
    NotDone,
    Unknown,
    Error { time: u64, writing: bool, class: &'l str, text: &'l str },
    Distrust { before: u64, time: u64, tables: u64, store_errors: u64 },
    Stats { time: u64, hits: u64, near: u64, misses: u64, writes: u64 },
}

impl<'l> Event<'l> {
    /// `None` for a line that a SIGKILL has cut.
    pub fn parse(line: &'l str) -> Option<Self> {
        let mut words = line.split(' ');
        let kind = words.next()?;
        let number = |word: Option<&str>| word?.parse::<u64>().ok();
        let versions = |words: &mut dyn Iterator<Item = &'l str>| -> Option<Vec<(Object, i64)>> {
            words
                .map(|word| word.split_once('=').and_then(|(object, version)| Some((object.parse().ok()?, version.parse().ok()?))))
                .collect()
        };
        Some(match kind {
            "r" => Self::Read {
                reader: words.next()?.parse().ok()?,
                shape: words.next()?.parse().ok()?,
                start: number(words.next())?,
                end: number(words.next())?,
                seen: words.map(seen).collect::<Option<_>>()?,
            },
            "t" => {
                let mut words = line.splitn(6, ' ').skip(2);
                let (shape, start) = (words.next()?.parse().ok()?, number(words.next())?);
                Self::Torn { shape, start, seen: words.nth(1)? }
            }
            "b" => Self::Begin { start: number(words.nth(1))?, objects: words.map(|word| word.parse().ok()).collect::<Option<_>>()? },
            "i" => Self::Intent { time: number(words.nth(1))?, versions: versions(&mut words)? },
            "a" => Self::Acknowledged { end: number(words.nth(1))?, versions: versions(&mut words)? },
            "n" => Self::NotDone,
            "u" => Self::Unknown,
            "e" => {
                let mut words = line.splitn(5, ' ').skip(1);
                let (time, writing) = (number(words.next())?, words.next()? == "write");
                Self::Error { time, writing, class: words.next()?, text: words.next()? }
            }
            "d" => Self::Distrust {
                before: number(words.next())?,
                time: number(words.next())?,
                tables: number(words.next())?,
                store_errors: number(words.next())?,
            },
            "s" => Self::Stats {
                time: number(words.next())?,
                hits: number(words.next())?,
                near: number(words.next())?,
                misses: number(words.next())?,
                writes: number(words.next())?,
            },
            _ => return None,
        })
    }
}

fn seen(word: &str) -> Option<(Object, Value)> {
    let (object, value) = word.split_once('=')?;
    let value = match value {
        "A" => Value::Absent,
        "P" => Value::Present,
        version => Value::Version(version.parse().ok()?),
    };
    Some((object.parse().ok()?, value))
}
