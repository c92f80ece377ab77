//! Any bytes, as a store may give them back: nothing may panic, hang, or make room for what is not there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sqlx_cached::fuzzing::check_stored(bytes));
