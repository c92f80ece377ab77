//! Contenders take turns, so that whatever else the machine does falls on all alike; ratios are taken within a round, and their median counts.

use super::Result;
use super::options::Pace;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The times of one contender.
pub struct Series<K> {
    pub who: K,
    /// Operations of a round: enough to be measured, few enough that all contenders see the same machine.
    batch: usize,
    times: Vec<Duration>,
    rounds: Vec<Duration>,
}

impl<K: Copy> Series<K> {
    async fn round<R, F: Future<Output = Result<R>>>(&mut self, run: &impl Fn(K) -> F) -> Result {
        let start = self.times.len();
        for _ in 0..self.batch {
            let started = Instant::now();
            black_box(run(self.who).await?);
            self.times.push(started.elapsed());
        }
        self.rounds.push(median(self.times[start..].iter().copied()));
        // What runs in the background gets its turn also where nothing that is timed ever waits.
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn warm_up<R, F: Future<Output = Result<R>>>(who: K, pace: Pace, run: &impl Fn(K) -> F) -> Result<Self> {
        let mut series = Self { who, batch: 3, times: Vec::new(), rounds: Vec::new() };
        series.round(run).await?;
        series.round(run).await?;
        let typical = series.rounds.pop().unwrap_or_default().as_micros().max(1);
        series.batch = usize::try_from((2_000 / typical).clamp(1, 100))?;
        let until = Instant::now() + pace.warm_up;
        while Instant::now() < until {
            series.round(run).await?;
        }
        series.times.clear();
        series.rounds.clear();
        Ok(series)
    }

    /// This contender's time in parts of another's, as the median over the rounds.
    pub fn ratio(&self, other: &Self) -> f64 {
        middle(self.rounds.iter().zip(&other.rounds).map(|(own, other)| own.as_secs_f64() / other.as_secs_f64()).collect())
    }

    /// By how many microseconds it is slower than another, as the median over the rounds.
    pub fn difference(&self, other: &Self) -> f64 {
        middle(self.rounds.iter().zip(&other.rounds).map(|(own, other)| (own.as_secs_f64() - other.as_secs_f64()) * 1e6).collect())
    }

    /// The difference to one contender in parts of another's time.
    pub fn difference_in(&self, other: &Self, unit: &Self) -> f64 {
        let differences = self.rounds.iter().zip(&other.rounds).map(|(own, other)| own.as_secs_f64() - other.as_secs_f64());
        middle(differences.zip(&unit.rounds).map(|(difference, unit)| difference / unit.as_secs_f64()).collect())
    }

    pub fn spread(&self) -> Spread {
        spread(&mut self.times.iter().map(|time| micros(*time)).collect::<Vec<_>>())
    }

    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }
}

/// Times all of them, in another order every round.
pub async fn take_turns<K: Copy, R, F: Future<Output = Result<R>>>(who: &[K], pace: Pace, run: impl Fn(K) -> F) -> Result<Vec<Series<K>>> {
    let mut contenders = Vec::new();
    for who in who {
        contenders.push(Series::warm_up(*who, pace, &run).await?);
    }
    let started = Instant::now();
    let mut rounds = 0;
    while rounds < pace.rounds || (rounds < 400 && started.elapsed() < pace.row) {
        for turn in 0..contenders.len() {
            let next = (rounds + turn) % contenders.len();
            contenders[next].round(&run).await?;
        }
        rounds += 1;
    }
    Ok(contenders)
}

/// In microseconds.
#[derive(Clone, Copy)]
pub struct Spread {
    pub mean: f64,
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
}

fn spread(times: &mut [f64]) -> Spread {
    times.sort_unstable_by(f64::total_cmp);
    let at = |per_mille: usize| times.get((times.len() * per_mille / 1000).min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN);
    let mean = times.iter().sum::<f64>() / count(times.len());
    Spread { mean, p50: at(500), p99: at(990), p999: at(999) }
}

/// What many tasks did in the meantime.
pub struct Slice {
    pub per_second: f64,
    times: Vec<f64>,
}

/// Has so many tasks do one operation after the other. Operation `n` of all is `work(n)`, more or less.
pub async fn load<R, F, W>(tasks: usize, during: Duration, work: W) -> Result<Slice>
where
    F: Future<Output = Result<R>> + Send,
    W: Fn(usize) -> F + Clone + Send + 'static,
    R: Send,
{
    let started = Instant::now();
    let until = started + during;
    let mut running = tokio::task::JoinSet::new();
    for task in 0..tasks {
        let work = work.clone();
        running.spawn(async move {
            let mut times = Vec::new();
            let mut last = Instant::now();
            while last < until {
                black_box(work(task + tasks * times.len()).await?);
                let now = Instant::now();
                times.push(micros(now - last));
                last = now;
                // As a server's handler would at times: what never waits would keep the others, and what runs in the background, from their turn.
                if times.len() % 16 == 0 {
                    tokio::task::yield_now().await;
                    last = Instant::now();
                }
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = running.join_next().await {
        times.extend(done??);
    }
    Ok(Slice { per_second: count(times.len()) / started.elapsed().as_secs_f64(), times })
}

/// One contender's slices.
#[derive(Default)]
pub struct Load {
    slices: Vec<Slice>,
}

impl Load {
    pub fn push(&mut self, slice: Slice) {
        self.slices.push(slice);
    }

    pub fn per_second(&self) -> f64 {
        middle(self.slices.iter().map(|slice| slice.per_second).collect())
    }

    /// Its throughput in parts of another's, as the median over the rounds.
    pub fn ratio(&self, other: &Self) -> f64 {
        middle(self.slices.iter().zip(&other.slices).map(|(own, other)| own.per_second / other.per_second).collect())
    }

    pub fn spread(&self) -> Spread {
        spread(&mut self.slices.iter().flat_map(|slice| &slice.times).copied().collect::<Vec<_>>())
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "a count for people to read")]
pub fn count(number: usize) -> f64 {
    number as f64
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
