//! What must not be kept, and what must not be read where it is kept.

mod columns;
mod kit;
