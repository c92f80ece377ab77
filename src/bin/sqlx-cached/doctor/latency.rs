//! How long answers take.

use crate::units;
use std::time::{Duration, Instant};

/// Times of some answers, sorted.
#[derive(Clone, Debug)]
pub struct Latency(Vec<Duration>);

impl Latency {
    /// Asks so many times, one after another.
    pub async fn of<E>(times: usize, mut ask: impl AsyncFnMut() -> Result<(), E>) -> Result<Self, E> {
        let mut took = Vec::with_capacity(times);
        for _ in 0..times {
            let since = Instant::now();
            ask().await?;
            took.push(since.elapsed());
        }
        took.sort_unstable();
        Ok(Self(took))
    }

    fn at(&self, part: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place among some hundred"
        )]
        let place = (self.0.len() as f64 * part) as usize;
        self.0.get(place.min(self.0.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// The time that half of the answers took at most.
    pub fn median(&self) -> Duration {
        self.at(0.5)
    }

    /// The time that one of a hundred exceeded.
    pub fn p99(&self) -> Duration {
        self.at(0.99)
    }

    /// In words.
    pub fn said(&self) -> String {
        let [min, median, p99] = [self.at(0.0), self.median(), self.p99()].map(units::time);
        format!("min {min}, median {median}, p99 {p99} of {}", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_taken() {
        let latency = Latency((1..=200).map(Duration::from_millis).collect());
        assert_eq!([latency.at(0.0), latency.median(), latency.p99()].map(|time| time.as_millis()), [1, 101, 199]);
        assert_eq!(Latency(Vec::new()).p99(), Duration::ZERO);
    }
}
