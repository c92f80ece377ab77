//! The clock that all processes of this machine share.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}

/// A time that far ahead.
pub fn after(duration: Duration) -> u64 {
    now() + u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2)
}

/// A difference, for people.
pub fn millis(nanos: u64) -> String {
    let micros = nanos / 1000;
    format!("{}.{:03} ms", micros / 1000, micros % 1000)
}
