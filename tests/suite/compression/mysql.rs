pub use crate::databases::mysql::*;

#[path = "behaviour.rs"]
mod behaviour;
