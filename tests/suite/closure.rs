//! Exact invalidation, put to the test by chance: random schemas full of foreign keys, triggers, views, rules, routines and partitions, random writes,
//! and after each of them every table and view is read through the cache and straight from the database. Both must be equal.
//!
//! Besides, the database itself is asked what a statement touches (PostgreSQL's locks, SQLite's `EXPLAIN`), and all of that must be in what
//! [`explain`](sqlx_cached::CachingExecutor::explain) names; and what really changed must be in it on every database. Each run prints what the cache was
//! worth: how much it answered, and how much it forgot without need.
//!
//! A schema serves for [`WRITES_PER_SCHEMA`] writes; then comes the next, by the next seed. A failure names the seed of its schema.
//!
//! `CLOSURE_SEED` repeats a run from that schema on; `CLOSURE_WRITES` is the number of writes per database, 300 unless said otherwise; with `CLOSURE_ERRORS`
//! it also prints why statements were refused and answers not kept.
//!
//! The long campaign, of 10,000 writes on each database, takes some minutes each:
//!
//! ```text
//! CLOSURE_WRITES=10000 cargo test --all-features --test suite closure:: -- --nocapture --skip around
//! ```

mod bodies;
mod mysql;
mod postgres;
mod scripts;
mod sqlite;
mod statements;
mod tables;
mod tally;
mod triggers;
mod views;
mod world;

/// Writes on one random schema.
const WRITES_PER_SCHEMA: usize = 30;

/// Writes per database.
fn writes() -> usize {
    std::env::var("CLOSURE_WRITES").map_or(300, |writes| writes.parse().expect("CLOSURE_WRITES is a number"))
}

fn seed() -> u64 {
    std::env::var("CLOSURE_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("CLOSURE_SEED is a number"))
}
