//! Any bytes as the payload of an entry: what passes the checks is replayed by the drivers, which may neither refuse it, panic nor hang.
#![no_main]

use sqlx_cached::fuzzing::Replays;
use std::sync::LazyLock;

static REPLAYS: LazyLock<Replays> = LazyLock::new(Replays::default);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    REPLAYS.check(bytes);
});
