//! Write-behind: what is queued is handled, whatever becomes of handlers, consumers and Redis.

mod contract;
mod failures;
mod killed;
mod kit;
mod redis;
