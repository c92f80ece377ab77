//! A store that is slow, refuses or loses what it was told: what it costs, what is kept for it, and what is refused.

mod answers;
mod breaker;
mod guard;
mod kept;
mod kit;
mod refuse;
