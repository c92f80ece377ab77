//! What the task at hand loads for others.
//!
//! What is loaded is stored, and given for as long as its time to live, while a near hit may be behind by its bound: read once within a load, it would stay. So whatever is read within one asks the store. (What
//! a load spawns is not within it.)

use std::sync::Arc;

tokio::task_local! {
    static LOADING: Arc<Loading>;
}

/// A load, and the one that it is part of.
struct Loading {
    claim: [u8; 16],
    outer: Option<Arc<Loading>>,
}

/// Runs a load under its claim.
pub(crate) async fn loading<T>(claim: [u8; 16], load: impl Future<Output = T>) -> T {
    let outer = LOADING.try_with(Arc::clone).ok();
    LOADING.scope(Arc::new(Loading { claim, outer }), load).await
}

/// Whether a load is under way here.
pub(crate) fn is_loading() -> bool {
    LOADING.try_with(|_| ()).is_ok()
}

/// Whether it is the one under this claim, or part of that: whoever waits for it here waits for himself.
pub(crate) fn is_within(claim: [u8; 16]) -> bool {
    LOADING.try_with(|loading| std::iter::successors(Some(loading), |loading| loading.outer.as_ref()).any(|loading| loading.claim == claim))
        == Ok(true)
}
