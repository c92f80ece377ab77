//! Every path by which a write reaches what a read depends on, as a table: one test for each row and database.
//!
//! A row's reads are cached, its steps are run through the executor, and then every read must say what the database says. What the write can't reach must
//! be cached still. The last tests of each database show that the table can fail.

mod case;
mod mysql;
mod postgres;
mod sqlite;
