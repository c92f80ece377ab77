//! Random operations, and after each cached read the same read straight from the database: both must be equal, to the byte.
//!
//! `DIFFERENTIAL_SEED` repeats a run, `DIFFERENTIAL_READS` makes it longer or shorter.

mod mysql;
mod postgres;
mod sqlite;

/// Reads per combination of database and store.
fn reads() -> usize {
    std::env::var("DIFFERENTIAL_READS").map_or(20_000, |reads| reads.parse().expect("DIFFERENTIAL_READS is a number"))
}

fn seed() -> u64 {
    std::env::var("DIFFERENTIAL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("DIFFERENTIAL_SEED is a number"))
}
