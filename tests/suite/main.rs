//! The integration tests: one binary, so that one test process shares its database servers.

#![allow(clippy::duplicate_mod, reason = "suites are written once and compiled against each database")]

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod as_a_pool;
mod cancellation;
mod cli;
mod closure;
mod compression;
mod databases;
mod days;
mod differential;
mod examples;
mod explained;
mod faults;
mod freshness;
mod http;
mod insight;
mod kv;
mod macros;
mod manual;
mod memory_watch;
#[cfg(feature = "metrics")]
mod metrics;
mod near;
mod outside;
mod poisoned;
mod pressure;
mod privacy;
mod reach;
mod repository;
mod round_trip;
mod secrets;
mod servers;
mod store_contract;
mod store_redis;
mod store_values;
mod topology;
mod warm;
mod write_behind;
mod write_paths;
