//! Which hits are probed, and how often at most.
//!
//! Each hit is as likely as any other to be chosen, whatever the pattern of the reads, so the share of stale ones among the probes is an unbiased estimate of that among all hits that can be probed.
//! The database is spared by two bounds besides: one probe runs at a time, and after it there is a rest of nine times as long. So probes take a tenth of one connection's time at most, whatever the share.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;
use tokio::time::Instant;

/// The share of hits that are probed if nobody says otherwise, and for how long an executor is left alone then: whatever is over sooner needs no probe.
const SHARE: f64 = 1e-4;
const QUIET: Duration = Duration::from_secs(60);

/// How many times as long as a probe took the rest after it is.
const REST: u32 = 9;

/// Of so many random numbers a part is chosen: as many as a float tells apart.
const NUMBERS: u64 = 1 << 53;

/// Stands for the end of the rest while a probe runs.
const RUNNING: u64 = u64::MAX;

/// Chooses hits. One per executor, shared by its clones.
#[derive(Debug)]
pub(crate) struct Prober {
    /// Numbers below this are chosen.
    chosen: u64,
    /// How long whoever wrote is given to say so.
    grace: Duration,
    born: Instant,
    /// When the rest ends, in microseconds after that.
    rested: AtomicU64,
}

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// The next random number of this thread, in a few instructions: the thread's own state takes equal steps, which a mixing hides (the way of `SplitMix64`: Steele, Lea, Flood, 2014).
fn draw() -> u64 {
    let state = match STATE.get() {
        0 => rand::random(),
        state => state,
    }
    .wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Prober {
    /// Of this share of hits, from 0 to 1.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "a share of 2^53 numbers")]
    pub(crate) fn new(share: Option<f64>, grace: Duration) -> Self {
        let rested = if share.is_some() { 0 } else { micros(QUIET) };
        let chosen = (share.unwrap_or(SHARE) * NUMBERS as f64).ceil() as u64;
        Self { chosen, grace, born: Instant::now(), rested: AtomicU64::new(rested) }
    }

    /// Whether this hit is chosen.
    pub(in crate::executor) fn chooses(&self) -> bool {
        self.chosen > 0 && draw() % NUMBERS < self.chosen
    }

    /// The time for a probe, if it is the time.
    pub(super) fn turn(self: &Arc<Self>) -> Option<Turn> {
        let rested = self.rested.load(Relaxed);
        let since = Instant::now();
        if rested > micros(since - self.born) {
            return None;
        }
        self.rested.compare_exchange(rested, RUNNING, Acquire, Relaxed).ok()?;
        Some(Turn { prober: Arc::clone(self), since, waited: Duration::ZERO })
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(RUNNING - 1)
}

/// While it lives, no other probe begins, nor for a while thereafter.
#[derive(Debug)]
pub(super) struct Turn {
    prober: Arc<Prober>,
    since: Instant,
    waited: Duration,
}

impl Turn {
    /// Gives whoever wrote the time to say so, where he need not have done it before. Whether there was any.
    pub(super) async fn grace(&mut self) -> bool {
        let grace = self.prober.grace;
        tokio::time::sleep(grace).await;
        self.waited += grace;
        !grace.is_zero()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let took = self.since.elapsed().saturating_sub(self.waited);
        let rested = self.prober.born.elapsed().saturating_add(took.saturating_mul(REST));
        self.prober.rested.store(micros(rested), Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prober(share: Option<f64>) -> Arc<Prober> {
        Arc::new(Prober::new(share, Duration::from_secs(1)))
    }

    #[tokio::test]
    async fn as_many_are_chosen_as_were_asked_for() {
        for (share, least, most) in [(0.0, 0, 0), (1.0, 100_000, 100_000), (0.01, 850, 1150), (0.5, 49_000, 51_000)] {
            let prober = prober(Some(share));
            let chosen = (0..100_000).filter(|_| prober.chooses()).count();
            assert!((least..=most).contains(&chosen), "{chosen} of {share}");
        }
        assert!(prober(Some(f64::MIN_POSITIVE)).chosen == 1, "the least share is not none");
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_and_for_a_tenth_of_the_time() {
        let prober = prober(Some(1.0));
        let mut turn = prober.turn().expect("a turn");
        assert!(prober.turn().is_none());
        tokio::time::advance(Duration::from_millis(10)).await;
        assert!(turn.grace().await);
        drop(turn);
        // To wait costs nobody anything, so it counts for nothing.
        tokio::time::advance(Duration::from_millis(89)).await;
        assert!(prober.turn().is_none());
        tokio::time::advance(Duration::from_millis(2)).await;
        assert!(prober.turn().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_minute_is_quiet_unless_somebody_asked() {
        let prober = prober(None);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(prober.turn().is_none());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(prober.turn().is_some());
    }
}
