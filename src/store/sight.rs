//! Generations that stand, as this process can tell at any later moment without asking anybody.

#[cfg(feature = "redis")]
use super::near::Session;
use crate::tag::Generation;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
#[cfg(feature = "redis")]
use std::time::Duration;
#[cfg(feature = "redis")]
use tokio::time::Instant;

/// Counts how often a tag's generation may have changed, or this process lost sight of it.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<AtomicU64>);

impl Changes {
    /// To be called before anybody is told of the change.
    pub fn note(&self) {
        self.0.fetch_add(1, SeqCst);
    }

    /// How many there were.
    pub fn so_far(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

/// The generations of some tags, all of which stand: see [`CacheStore::sight`](super::CacheStore::sight).
#[derive(Debug)]
pub struct Sight {
    generations: Box<[Generation]>,
    era: u64,
    seen: Vec<(Changes, u64)>,
    /// Whose heartbeats must be recent, and how recent.
    #[cfg(feature = "redis")]
    sessions: Vec<(Arc<Session>, Duration)>,
}

impl Sight {
    /// Of generations that stand now, each with its tag's changes. To be made where no change can be noted meanwhile: under the lock that guards the
    /// generations. `era` is another number each time that entries were deleted by their names, whose generations then still stand.
    pub fn new<'a>(era: u64, standing: impl IntoIterator<Item = (Generation, &'a Changes)>) -> Self {
        let (generations, seen): (Vec<_>, Vec<_>) =
            standing.into_iter().map(|(generation, changes)| (generation, (changes.clone(), changes.so_far()))).unzip();
        Self {
            generations: generations.into(),
            era,
            seen,
            #[cfg(feature = "redis")]
            sessions: Vec::new(),
        }
    }

    /// The same, to be believed within `bound` of these sessions' heartbeats.
    #[cfg(feature = "redis")]
    pub(super) fn told_by(self, sessions: Vec<Arc<Session>>, bound: Duration) -> Self {
        Self { sessions: sessions.into_iter().map(|session| (session, bound)).collect(), ..self }
    }

    /// The same, for as long as nothing else changes of which so much was seen before.
    #[cfg(feature = "redis")]
    pub(super) fn and_while(mut self, changes: &Changes, seen: u64) -> Self {
        self.seen.push((changes.clone(), seen));
        self
    }

    /// Whether all of them still stand. Asks nobody and takes no lock.
    pub fn holds(&self) -> bool {
        // The heartbeats first: what was revoked before a heartbeat was sent was noted before that came back.
        #[cfg(feature = "redis")]
        if !self.sessions.is_empty() {
            let now = Instant::now();
            let fresh = |(session, bound): &(Arc<Session>, Duration)| {
                session.want_beats();
                session.is_fresh(now, *bound)
            };
            if !self.sessions.iter().all(fresh) {
                return false;
            }
        }
        self.seen.iter().all(|(changes, seen)| changes.so_far() == *seen)
    }

    /// In the order of the tags.
    pub fn generations(&self) -> &[Generation] {
        &self.generations
    }

    /// Whether what is valid by the one is valid by the other, as long as they hold.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.era == other.era && self.generations == other.generations
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::ServerIdentity;

    #[test]
    fn any_change_ends_it_and_nothing_else_does() {
        let changes = [Changes::default(), Changes::default()];
        let generations = [(); 2].map(|()| Generation::fresh(ServerIdentity::default()));
        let look = |era| Sight::new(era, generations.iter().copied().zip(&changes));
        for changed in &changes {
            let sight = look(0);
            assert!(sight.holds() && sight.generations() == generations);
            changed.note();
            assert!(!sight.holds());
            assert!(look(0).holds() && look(0).is_like(&sight) && !look(1).is_like(&sight));
        }
        let other = Sight::new(0, [(generations[0], &changes[0]), (generations[0], &changes[1])]);
        assert!(!other.is_like(&look(0)));
    }
}
