//! What goes wrong, on purpose: races on fixed schedules, writers that die, servers that lie. After each fault no read is stale, and caching resumes.

mod by_hand;
mod degraded;
mod drained;
mod evidence;
mod identities;
mod killed;
pub mod kit;
mod late;
mod lost;
mod proxy;
mod races;
mod smoke;
mod transactions;
