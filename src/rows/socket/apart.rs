//! Drivers that no reactor watches.
//!
//! A socket in a runtime's care costs more than what is sent over it. Each answer that we write would be an event, and where some thread of the program's runtime waits
//! for events just then, one that wakes it: twice the time of a replay, for nothing, since the driver finds the answer without being told. So these drivers are
//! connected on a runtime of their own, which nobody runs once they are: its sockets are known to be readable and writable, and what they are asked to do at once, they
//! do. What can't be done at once, is never done. Nor do they end with the runtime of whoever needed one first.

use sqlx::Error;
use std::io;
use std::sync::OnceLock;
use tokio::runtime::{Builder, Runtime};

/// Runs this, and then nothing, on the runtime that is never run.
///
/// # Errors
///
/// Those of `connect`, or the system's.
///
/// # Cancel safety
///
/// Safe: what a dropped call would have given is dropped when it is there.
pub async fn apart<T: Send + 'static>(connect: impl Future<Output = Result<T, Error>> + Send + 'static) -> Result<T, Error> {
    static APART: OnceLock<Option<Runtime>> = OnceLock::new();
    let ours = || Builder::new_current_thread().enable_all().build().ok();
    let run = move || match APART.get_or_init(ours) {
        Some(runtime) => runtime.block_on(connect),
        None => Err(Error::Io(io::Error::other("there is no runtime for row replay"))),
    };
    tokio::task::spawn_blocking(run).await.unwrap_or(Err(Error::WorkerCrashed))
}

/// Whether this says that a driver had to wait for what will never come: then the same is to be done by one that is watched.
pub fn had_to_wait(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}
