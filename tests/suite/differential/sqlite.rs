pub use crate::databases::sqlite::*;

/// The tables, as a statement list.
pub const SCHEMA: &str = concat!(include_str!("../../../migrations/sqlite/1_shop.sql"), include_str!("more_sqlite.sql"));

#[path = "reads.rs"]
mod reads;
#[path = "run.rs"]
mod run;
#[path = "writes.rs"]
mod writes;
