//! The integration tests: one binary, so that one test process shares its database servers.

#![allow(clippy::duplicate_mod, reason = "suites are written once and compiled against each database")]

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod as_a_pool;
mod cancellation;
mod closure;
mod compression;
mod databases;
mod differential;
mod examples;
mod explained;
mod faults;
mod near;
mod outside;
mod poisoned;
mod pressure;
mod privacy;
mod reach;
mod round_trip;
mod secrets;
mod servers;
mod store_contract;
mod store_redis;
mod topology;
mod write_behind;
mod write_paths;
