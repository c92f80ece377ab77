//! Entries that are compressed on their way to Redis.

mod mysql;
mod postgres;
mod sqlite;
