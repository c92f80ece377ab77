//! What `top` knows: the last looks, and what follows from them.

use ratatui::crossterm::event::KeyCode;
use ratatui::widgets::TableState;
use sqlx_cached::DayStats;
use sqlx_cached::store::StoreInfo;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Rates are those between this many looks: programs add what they counted all at once, every two seconds.
const LOOKS: usize = 6;

/// So many rates are kept for the curve.
const CURVE: usize = 400;

/// Numbers of all days together, which midnight does not set back.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    pub hits: u64,
    pub near_hits: u64,
    pub joined: u64,
    pub misses: u64,
    pub writes: u64,
    pub invalidations: u64,
    pub errors: u64,
    pub stale: u64,
    operations: BTreeMap<String, [u64; 3]>,
}

/// One look.
#[derive(Clone, Debug)]
pub struct Sample {
    at: Instant,
    totals: Totals,
    /// The newest day.
    pub today: Option<DayStats>,
    pub info: Option<StoreInfo>,
}

impl Sample {
    /// `days` are those of the library, the newest first.
    pub fn new(at: Instant, days: &[DayStats], info: Option<StoreInfo>) -> Self {
        let mut totals = Totals::default();
        for day in days {
            for (total, number) in [
                (&mut totals.hits, day.hits),
                (&mut totals.near_hits, day.near_hits),
                (&mut totals.joined, day.joined),
                (&mut totals.misses, day.misses),
                (&mut totals.writes, day.writes),
                (&mut totals.invalidations, day.invalidations.saturating_add(day.invalidations_of_everything)),
                (&mut totals.errors, day.store_errors),
                (&mut totals.stale, day.stale),
            ] {
                *total = total.saturating_add(number);
            }
            for (name, stats) in &day.operations {
                let sum = totals.operations.entry(name.clone()).or_default();
                for (sum, number) in sum.iter_mut().zip([stats.hits, stats.misses, stats.fills]) {
                    *sum = sum.saturating_add(number);
                }
            }
        }
        Self { at, totals, today: days.first().cloned(), info }
    }
}

/// What happens in a second.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    pub hits: f64,
    pub near_hits: f64,
    pub joined: f64,
    pub misses: f64,
    pub writes: f64,
    pub invalidations: f64,
    pub errors: f64,
    pub stale: f64,
    pub evicted: f64,
    pub commands: f64,
}

impl Rates {
    /// Reads that were looked up.
    pub fn reads(&self) -> f64 {
        self.hits + self.joined + self.misses
    }

    /// The part of them that needed no read of their own; `None` while there are none.
    pub fn ratio(&self) -> Option<f64> {
        (self.reads() > 0.0).then(|| (self.hits + self.joined) / self.reads())
    }
}

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    /// In a second: hits, misses, fills.
    pub rates: [f64; 3],
    /// Hits and misses of the newest day.
    pub today: [u64; 2],
}

impl Row {
    pub fn reads(&self) -> f64 {
        self.rates[0] + self.rates[1]
    }

    pub fn today(&self) -> u64 {
        self.today[0].saturating_add(self.today[1])
    }

    /// Of now, or of today while nothing happens.
    pub fn ratio(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
        let of_today = || (self.today() > 0).then(|| self.today[0] as f64 / self.today() as f64);
        if self.reads() > 0.0 { Some(self.rates[0] / self.reads()) } else { of_today() }
    }
}

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Reads,
    Ratio,
    Misses,
    Today,
    Name,
}

impl Order {
    /// The key that asks for it, and what it is called.
    pub const ALL: [(char, Self, &str); 5] = [
        ('r', Self::Reads, "reads"),
        ('h', Self::Ratio, "ratio"),
        ('m', Self::Misses, "misses"),
        ('t', Self::Today, "today"),
        ('n', Self::Name, "name"),
    ];
}

/// All of it.
pub struct State {
    pub namespace: String,
    pub interval: Duration,
    pub colours: bool,
    pub order: Order,
    pub table: TableState,
    /// Why the last look failed.
    pub trouble: Option<String>,
    /// Reads a second, rounded, the newest last.
    pub curve: VecDeque<u64>,
    samples: VecDeque<Sample>,
}

impl State {
    pub fn new(namespace: &str, interval: Duration, colours: bool) -> Self {
        Self {
            namespace: namespace.to_owned(),
            interval,
            colours,
            order: Order::Reads,
            table: TableState::new(),
            trouble: None,
            curve: VecDeque::new(),
            samples: VecDeque::new(),
        }
    }

    /// Takes a look, or why there is none.
    pub fn add(&mut self, sample: Result<Sample, String>) {
        match sample {
            Ok(sample) => {
                self.trouble = None;
                self.samples.push_back(sample);
                if self.samples.len() > LOOKS {
                    self.samples.pop_front();
                }
                if self.curve.len() == CURVE {
                    self.curve.pop_front();
                }
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a height")]
                self.curve.push_back(self.rates().reads().round() as u64);
            }
            Err(error) => self.trouble = Some(error),
        }
    }

    /// Does what a key asks for.
    pub fn press(&mut self, key: KeyCode) {
        match key {
            KeyCode::Down | KeyCode::Char('j') => self.table.select_next(),
            KeyCode::Up | KeyCode::Char('k') => self.table.select_previous(),
            KeyCode::PageDown => self.table.scroll_down_by(10),
            KeyCode::PageUp => self.table.scroll_up_by(10),
            KeyCode::Home => self.table.select_first(),
            KeyCode::Char(pressed) => {
                if let Some((_, order, _)) = Order::ALL.iter().find(|(key, ..)| *key == pressed) {
                    self.order = *order;
                    self.table.select(None);
                }
            }
            _ => {}
        }
    }

    /// The last look.
    pub fn last(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// The two looks that rates are between, and the seconds between them.
    fn span(&self) -> Option<(&Sample, &Sample, f64)> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let seconds = last.at.saturating_duration_since(first.at).as_secs_f64();
        (seconds > 0.0).then_some((first, last, seconds))
    }

    /// What happens in a second. What is counted anew after a reset is no rate.
    pub fn rates(&self) -> Rates {
        let Some((first, last, seconds)) = self.span() else { return Rates::default() };
        let rate = |of: fn(&Totals) -> u64| per_second(of(&first.totals), of(&last.totals), seconds);
        let told = |of: fn(&StoreInfo) -> u64| match (&first.info, &last.info) {
            (Some(before), Some(now)) => per_second(of(before), of(now), seconds),
            _ => 0.0,
        };
        Rates {
            hits: rate(|totals| totals.hits),
            near_hits: rate(|totals| totals.near_hits),
            joined: rate(|totals| totals.joined),
            misses: rate(|totals| totals.misses),
            writes: rate(|totals| totals.writes),
            invalidations: rate(|totals| totals.invalidations),
            errors: rate(|totals| totals.errors),
            stale: rate(|totals| totals.stale),
            evicted: told(|info| info.evicted_keys),
            commands: told(|info| info.commands_processed),
        }
    }

    /// The table, in order.
    pub fn rows(&self) -> Vec<Row> {
        let Some(last) = self.last() else { return Vec::new() };
        let span = self.span();
        let row = |(name, now): (&String, &[u64; 3])| {
            let before = span.map(|(first, _, seconds)| (first.totals.operations.get(name).copied().unwrap_or_default(), seconds));
            let rates = std::array::from_fn(|index| before.map_or(0.0, |(before, seconds)| per_second(before[index], now[index], seconds)));
            let today = last.today.as_ref().and_then(|day| day.operations.get(name)).map_or([0, 0], |stats| [stats.hits, stats.misses]);
            Row { name: name.clone(), rates, today }
        };
        let mut rows: Vec<_> = last.totals.operations.iter().map(row).collect();
        // By name they are sorted already, and what is equal stays so.
        match self.order {
            Order::Reads => rows.sort_by(|a, b| b.reads().total_cmp(&a.reads()).then(b.today().cmp(&a.today()))),
            // The worst first; those without any last.
            Order::Ratio => rows.sort_by(|a, b| a.ratio().unwrap_or(2.0).total_cmp(&b.ratio().unwrap_or(2.0))),
            Order::Misses => rows.sort_by(|a, b| b.rates[1].total_cmp(&a.rates[1]).then(b.today[1].cmp(&a.today[1]))),
            Order::Today => rows.sort_by_key(|row| std::cmp::Reverse(row.today())),
            Order::Name => {}
        }
        rows
    }
}

fn per_second(before: u64, now: u64, seconds: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let number = now.saturating_sub(before) as f64;
    number / seconds
}
