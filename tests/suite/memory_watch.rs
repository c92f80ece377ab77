//! The memory watch: a Redis that must not evict is filled more sparingly, then not at all, and comes back. Nobody is given an error or another answer meanwhile.

mod full;
mod kit;
mod otherwise;
mod stores;
mod timeline;
