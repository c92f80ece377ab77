//! A sqlx pool that remembers.
#![cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    allow(unused, reason = "without a database there is nobody to use most of it")
)]

mod analysis;
mod builder;
mod catalog;
mod config;
mod database;
mod engine;
mod entry;
mod error;
mod executor;
mod explain;
mod health;
pub mod key;
mod policy;
mod rows;
mod stats;
pub mod store;
pub mod tag;
mod transaction;

pub use analysis::Category;
pub use builder::Builder;
pub use database::Backend;
pub use error::Error;
pub use executor::CachingExecutor;
pub use explain::{Explanation, Invalidates, ReadExplanation};
pub use health::Health;
pub use policy::{Consistency, Invalidation};
pub use stats::{Reason, Stats, TableStats};
pub use transaction::{CachingConnection, CachingTransaction};
