pub use crate::databases::sqlite::*;

#[path = "behaviour.rs"]
mod behaviour;
