//! Whether a statement's answers are worth keeping, by what is learnt of them ([`Admission`](crate::Admission)).
//!
//! Two things speak against it, each weighed in windows of look-ups that asked the store:
//!
//! - *It is cheap.* Every entry says what the database took for it, so a hit is compared with the very read that it replaced. Hits within reach weigh in as taking no
//!   time, for they are only counted, but for those of long answers, whose rows are made anew each time: that may take as long as to read them.
//! - *It churns.* Look-ups find other generations than the one before, or a write under way, again and again, and hits are rare. So a cold start, a scan over many
//!   keys or a long write is no churn, and neither is a burst of writes: it takes three windows running, of a second each at least.
//!
//! Then the statement is passed on for a pause, and tried again. Each time in vain the next pause is twice as long; each good window after it halves the next one. To be
//! let in again takes more than to stay in, so that what is on the verge doesn't go to and fro.
//!
//! A hit within reach adds to one counter and looks at one number, without a clock. Whoever asked the store tells the judge, unless somebody else is telling him just
//! then: a sample more or less makes no difference, and to wait for it would.

#[cfg(test)]
mod tests;

use crate::stats::Reason;
use crate::tag::Generation;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;
use tokio::time::Instant;

/// The first pause, and the longest.
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Timed hits by which it is judged whether a hit pays, and of a trial.
const TIMED: u32 = 32;
const TRIED_TIMED: u32 = 8;

/// Look-ups by which it is judged whether a table churns, and of a trial; and how long those of a window are spread at least.
const LOOKED_UP: u64 = 64;
const TRIED: u64 = 16;
const SPREAD: Duration = Duration::from_secs(1);

/// How often the tables must have been written in a window to be the reason that hits are rare.
const WRITTEN: u64 = 16;

/// How many bad windows running it takes. A burst of a second may lie in two.
const BAD: u32 = 3;

/// Of one statement.
pub(crate) struct Worth {
    born: Instant,
    /// When the pause ends, in microseconds after that, times two; one more if it is for churn. Zero where there is none.
    pause: AtomicU64,
    /// When the last pause ended, in microseconds; zero where there was none.
    ended: AtomicU64,
    /// Reads that were spared without asking the store, or by another's read.
    spared: AtomicU64,
    judge: Mutex<Judge>,
}

#[derive(Default)]
struct Judge {
    /// What the log calls it.
    name: String,
    /// `None` where it is not asked for.
    costs: Option<Costs>,
    churn: Option<Churn>,
}

impl Worth {
    /// Judged by these.
    pub(super) fn new(name: &str, by_cost: bool, by_churn: bool) -> Self {
        let judge = Judge { name: name.to_owned(), costs: by_cost.then(Costs::default), churn: by_churn.then(Churn::default) };
        Self {
            born: Instant::now(),
            pause: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            spared: AtomicU64::new(0),
            judge: Mutex::new(judge),
        }
    }

    /// Why the statement is passed on, if it is. It is tried again once its pause is over.
    pub(super) fn refusal(&self) -> Option<Reason> {
        // Whoever finds it over knows when it was.
        let pause = self.pause.load(Acquire);
        if pause == 0 {
            return None;
        }
        let (left, reason) = self.until(pause);
        if left.is_zero() {
            self.ended.store(pause >> 1, Relaxed);
            // Should somebody have begun another one meanwhile, that stays.
            let _ = self.pause.compare_exchange(pause, 0, Release, Relaxed);
            return None;
        }
        Some(reason)
    }

    /// For how much longer it is passed on.
    pub(crate) fn left(&self) -> Option<Duration> {
        let pause = self.pause.load(Relaxed);
        (pause != 0).then(|| self.until(pause).0)
    }

    /// How long ago the last pause ended. What was stored before that is not given: somebody else may have written meanwhile whom nobody follows, and whoever was
    /// given the new row by the database must not be given the old one thereafter.
    pub(super) fn back_for(&self) -> Option<Duration> {
        let ended = self.ended.load(Relaxed);
        (ended != 0).then(|| self.born.elapsed().saturating_sub(Duration::from_micros(ended)))
    }

    fn until(&self, pause: u64) -> (Duration, Reason) {
        let left = Duration::from_micros(pause >> 1).saturating_sub(self.born.elapsed());
        (left, if pause & 1 == 1 { Reason::Churn } else { Reason::Cheap })
    }

    /// A read was spared without asking the store, or by another's.
    pub(super) fn note_spared(&self) {
        self.spared.fetch_add(1, Relaxed);
    }

    /// The rows of a long answer within reach were made, which took so long; the read is noted as spared besides. The database took `cost`.
    pub(super) fn note_made(&self, took: Duration, cost: Duration) {
        self.tell(|judge, spared| judge.costs.as_mut()?.note(took, cost, false, spared).map(|pause| (pause, Reason::Cheap)));
    }

    /// A hit in the store took so long, and the database took `cost`.
    pub(super) fn note_hit(&self, took: Duration, cost: Duration, generations: &[Generation]) {
        self.tell(|judge, spared| {
            let cheap = judge.costs.as_mut().and_then(|costs| costs.note(took, cost, true, spared)).map(|pause| (pause, Reason::Cheap));
            let churn = judge.churn.as_mut().and_then(|churn| churn.note(Some(generations), true, spared));
            cheap.or(churn.map(|pause| (pause, Reason::Churn)))
        });
    }

    /// A look-up found nothing, under these generations; `None` while a write is under way.
    pub(super) fn note_miss(&self, generations: Option<&[Generation]>) {
        self.tell(|judge, spared| judge.churn.as_mut()?.note(generations, false, spared).map(|pause| (pause, Reason::Churn)));
    }

    fn tell(&self, sample: impl FnOnce(&mut Judge, u64) -> Option<(Duration, Reason)>) {
        let Ok(mut judge) = self.judge.try_lock() else { return };
        // Whoever was under way when the pause began says nothing about what comes after it.
        if self.pause.load(Relaxed) == 0
            && let Some((pause, reason)) = sample(&mut judge, self.spared.load(Relaxed))
        {
            tracing::debug!(statement = %judge.name, ?pause, "not looked up for a while: {reason}");
            let ends = u64::try_from((self.born.elapsed() + pause).as_micros()).unwrap_or(u64::MAX >> 1);
            self.pause.store(ends << 1 | u64::from(reason == Reason::Churn), Relaxed);
        }
    }
}

/// What follows from one verdict after the other.
#[derive(Default)]
struct Course {
    /// Whether the window after a pause decides.
    trial: bool,
    /// How often the next pause is doubled.
    doubled: u32,
}

impl Course {
    /// The pause that follows.
    fn decide(&mut self, pays: bool) -> Option<Duration> {
        let trial = std::mem::replace(&mut self.trial, !pays);
        if pays {
            // What has just been let in again may be on the verge.
            self.doubled = if trial { self.doubled } else { self.doubled.saturating_sub(1) };
            return None;
        }
        let pause = (PAUSE * (1 << self.doubled)).min(LONGEST_PAUSE);
        if pause < LONGEST_PAUSE {
            self.doubled += 1;
        }
        Some(pause)
    }
}

/// What hits take, and what the database took for the same answers.
#[derive(Default)]
struct Costs {
    course: Course,
    window: Times,
    /// Reads that had been spared when the window began.
    spared: u64,
}

#[derive(Default)]
struct Times {
    timed: u32,
    /// Those of them that asked the store.
    asked: u64,
    took: Duration,
    cost: Duration,
    /// The slowest hit, and what the database took for it: left out, since whoever was held up by something else says nothing about the store.
    slowest: (Duration, Duration),
}

impl Costs {
    fn note(&mut self, took: Duration, cost: Duration, asked: bool, spared: u64) -> Option<Duration> {
        let window = &mut self.window;
        window.timed += 1;
        window.asked += u64::from(asked);
        window.took += took;
        window.cost += cost;
        if took >= window.slowest.0 {
            window.slowest = (took, cost);
        }
        if window.timed < if self.course.trial { TRIED_TIMED } else { TIMED } {
            return None;
        }
        let Times { timed, asked, took, cost, slowest } = std::mem::take(&mut self.window);
        let others = u128::from(timed - 1);
        let spared = spared.saturating_sub(std::mem::replace(&mut self.spared, spared));
        let hits = u128::from((asked + spared).saturating_sub(1)).max(1);
        // Averages, of all hits and of the timed ones; both times the number of either.
        let took = took.saturating_sub(slowest.0).as_nanos() * others;
        let cost = cost.saturating_sub(slowest.1).as_nanos() * hits;
        let pays = if self.course.trial { took <= cost } else { took * 4 <= cost * 5 };
        self.course.decide(pays)
    }
}

/// How often the tables are written between two look-ups.
#[derive(Default)]
struct Churn {
    course: Course,
    seen: Seen,
    window: Look,
    /// Reads that had been spared when the window began.
    spared: u64,
    /// How many windows running were bad.
    bad: u32,
}

/// What the last look-up found of the tables.
#[derive(Default, PartialEq)]
enum Seen {
    #[default]
    Nothing,
    Fenced,
    Standing(Box<[Generation]>),
}

#[derive(Default)]
struct Look {
    since: Option<Instant>,
    ups: u64,
    written: u64,
    hits: u64,
}

impl Churn {
    fn note(&mut self, generations: Option<&[Generation]>, hit: bool, spared: u64) -> Option<Duration> {
        let written = match (&self.seen, generations) {
            // One write, however many meet it.
            (Seen::Fenced, None) => return None,
            (Seen::Standing(seen), Some(generations)) => **seen != *generations,
            (Seen::Nothing, _) => false,
            _ => true,
        };
        if written || self.seen == Seen::Nothing {
            self.seen = generations.map_or(Seen::Fenced, |generations| Seen::Standing(generations.into()));
        }
        let window = &mut self.window;
        let since = *window.since.get_or_insert_with(Instant::now);
        window.ups += 1;
        window.written += u64::from(written);
        window.hits += u64::from(hit);
        let trial = self.course.trial;
        if window.ups < if trial { TRIED } else { LOOKED_UP } || !trial && since.elapsed() < SPREAD {
            return None;
        }
        let Look { ups, written, hits, .. } = std::mem::take(&mut self.window);
        let spared = spared.saturating_sub(std::mem::replace(&mut self.spared, spared));
        let (hits, reads) = (hits + spared, ups + spared);
        let pays = if trial { hits * 5 > reads || written * 2 < ups } else { hits * 10 >= reads || written < WRITTEN };
        self.bad = if pays { 0 } else { self.bad + 1 };
        if !pays && !trial && self.bad < BAD {
            return None;
        }
        self.bad = 0;
        self.course.decide(pays)
    }
}

impl fmt::Debug for Worth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worth").field("left", &self.left()).finish_non_exhaustive()
    }
}
