pub use crate::databases::postgres::*;

#[path = "behaviour.rs"]
mod behaviour;
