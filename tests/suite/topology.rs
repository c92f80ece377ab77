//! Redis in all its forms: clusters, sentinels, TLS, users with few rights, servers that are full.

mod cluster;
mod failover;
pub mod kit;
mod migration;
mod rights;
mod scarce;
mod sentinel;
mod tls;
