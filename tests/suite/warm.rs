//! Warm-up: what is read ahead is there, what can't be is said, and what the store loses comes back.

mod kept;
mod lost;
mod once;
mod ways;
