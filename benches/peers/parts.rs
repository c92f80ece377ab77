//! What is measured.

pub mod costs;
pub mod latency;
pub mod load;
pub mod mix;
pub mod payload;
pub mod player;
pub mod scaling;
pub mod zipf;
