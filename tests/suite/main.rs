//! The integration tests: one binary, so that one test process shares its database servers.

#[path = "../support/mod.rs"]
mod support;

mod examples;
mod faults;
mod servers;
mod store_contract;
mod store_redis;
