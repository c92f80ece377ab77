//! What the freshness probe found.

use serde::Serialize;
use std::fmt;

/// What the freshness probe found: hits, chosen by chance, whose answers were compared with the database. See [`Builder::freshness_probe`](crate::Builder::freshness_probe).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Freshness {
    /// Hits that were what the database said.
    pub checked: u64,
    /// Hits that were not, though the cache knew of no write.
    pub stale: u64,
    /// Hits of which it can't be told: something was written while they were compared, the rows came in another order, the database or the store did not answer, or the statement answers itself
    /// in more ways than one.
    pub undecided: u64,
}

impl Freshness {
    /// The share of stale answers among those that could be told, from 0 to 1; `None` before the first. Hits are chosen by chance, so it estimates the share among all hits.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
    pub fn rate(&self) -> Option<f64> {
        let told = self.checked.saturating_add(self.stale);
        (told > 0).then(|| self.stale as f64 / told as f64)
    }

    /// Where none was found stale, what the rate among all hits is below with a confidence of 95 %: three in the number of those that were checked (the rule of three: Hanley, Lippman-Hand, *If
    /// Nothing Goes Wrong, Is Everything All Right?*, 1983). `None` where one was found, or none was checked yet.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
    pub fn rate_below(&self) -> Option<f64> {
        (self.stale == 0 && self.checked > 0).then(|| (3.0 / self.checked as f64).min(1.0))
    }
}

/// A line for people to read.
impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { checked, stale, undecided } = self;
        write!(f, "{checked} hits found fresh, {stale} stale, {undecided} undecided")?;
        match self.rate_below() {
            Some(rate) => write!(f, "; with a confidence of 95 % fewer than {:.4} % of all hits are stale", rate * 100.0),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_claimed_of_what_was_not_looked_at() {
        let found = |checked, stale, undecided| Freshness { checked, stale, undecided };
        let rates = |found: Freshness| (found.rate(), found.rate_below());
        assert_eq!(rates(found(0, 0, 7)), (None, None));
        assert_eq!(rates(found(3000, 0, 0)), (Some(0.0), Some(0.001)));
        assert_eq!(rates(found(1, 0, 0)), (Some(0.0), Some(1.0)));
        assert_eq!(rates(found(3, 1, 5)), (Some(0.25), None));
        assert_eq!(rates(found(u64::MAX, 1, 0)).1, None);
    }

    #[test]
    fn a_line_says_how_sure_one_may_be() {
        let line = |checked, stale| Freshness { checked, stale, undecided: 2 }.to_string();
        assert_eq!(
            line(3000, 0),
            "3000 hits found fresh, 0 stale, 2 undecided; with a confidence of 95 % fewer than 0.1000 % of all hits are stale"
        );
        assert_eq!(line(10, 1), "10 hits found fresh, 1 stale, 2 undecided");
    }
}
