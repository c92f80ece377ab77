//! Documentation alone: what the rest of it takes for granted.

pub mod habits;
