//! Documentation alone: how it works, what can be relied on, and how to use it.
//!
//! - [Consistency](consistency): what is guaranteed, each race and why it is closed, what is outside
//! - [Failure modes](failure_modes): what fails, what the program sees, what the cache does, how one notices
//! - [Under load](under_load): misses that meet, answers that grow old, what is not worth keeping, a store that is full
//! - [Sensitive data](sensitive_data): what must not be kept, encryption, tenants
//! - [Defaults](defaults): each setting, why it is what it is, when to change it
//! - [How to](how_to): recipes
//! - [Migrating](migrating): from a cache by hand
//! - [Comparison](comparison): beside other caches of queries
//! - [Habits](habits): what five teams do by hand, and what does it here

pub mod comparison;
pub mod consistency;
pub mod defaults;
pub mod failure_modes;
pub mod habits;
// Its recipes need these to compile.
#[cfg(any(not(doctest), all(feature = "sqlite", feature = "redis", feature = "macros")))]
pub mod how_to;
pub mod migrating;
pub mod sensitive_data;
pub mod under_load;
