//! Documentation alone: how it works, what can be relied on, and how to use it.
//!
//! - [`consistency`]: what is guaranteed, each race and why it is closed, what is outside
//! - [`failure_modes`]: what fails, what the program sees, what the cache does, how one notices
//! - [`under_load`]: misses that meet, answers that grow old, what is not worth keeping, a store that is full
//! - [`sensitive_data`]: what must not be kept, encryption, tenants
//! - [`defaults`]: each setting, why it is what it is, when to change it
//! - [`how_to`]: recipes
//! - [`migrating`]: from a cache by hand
//! - [`comparison`]: beside other caches of queries
//! - [`habits`]: what five teams do by hand, and what does it here

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
