//! The freshness probe: it finds what is stale, and nothing else.

mod bounds;
mod broken;
mod healthy;
mod kit;
mod outside;
