pub use crate::databases::mysql::*;

/// The tables, as a statement list.
pub const SCHEMA: &str = concat!(include_str!("../../../migrations/mysql/1_shop.sql"), include_str!("more_mysql.sql"));

#[path = "reads.rs"]
mod reads;
#[path = "run.rs"]
mod run;
#[path = "writes.rs"]
mod writes;
