//! What is counted day by day: over several processes, midnight and faults.

mod faults;
mod together;
