//! A sqlx pool that remembers.
#![allow(dead_code)]

mod analysis;
mod catalog;
mod database;
mod key;
mod rows;
mod store;
mod tag;
