//! The cache of plain values: one contract over every store, what becomes of faults, and of races.

mod contract;
mod degraded;
mod gated;
mod hostile;
mod kit;
mod near;
mod planted;
mod races;
mod random;
mod scopes;
mod spelling;
mod tables;
mod through;
