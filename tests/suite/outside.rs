//! What happens to the database behind the executor's back, and is noticed all the same.

mod copy;
mod ddl;
mod fingerprint;
mod hidden;
mod writers;
