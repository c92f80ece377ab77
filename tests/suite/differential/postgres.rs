pub use crate::databases::postgres::*;

/// The tables, as a statement list.
pub const SCHEMA: &str = concat!(include_str!("../../../migrations/postgres/1_shop.sql"), include_str!("more_postgres.sql"));

#[path = "reads.rs"]
mod reads;
#[path = "run.rs"]
mod run;
#[path = "writes.rs"]
mod writes;
