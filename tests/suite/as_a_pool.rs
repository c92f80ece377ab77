//! What stands where the pool stood behaves like the pool, in all that is not about where an answer comes from.

mod mysql;
mod postgres;
mod sqlite;
