//! What goes wrong, on purpose: races on fixed schedules, writers that die, servers that lie. After each fault no read is stale, and caching resumes.

mod aging;
mod begun_by_hand;
mod by_hand;
mod cancelled;
mod degraded;
mod drained;
mod evidence;
mod flights;
mod flights_across;
mod flights_lost;
mod handed_out;
mod identities;
pub mod killed;
pub mod kit;
pub mod late;
mod lost;
mod races;
mod runtimes;
mod scarce;
mod smoke;
mod stalled;
mod transactions;
