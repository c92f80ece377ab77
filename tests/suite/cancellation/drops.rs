//! Futures that are polled so many times and no more, and what panics meanwhile.

use std::pin::pin;
use std::sync::{Mutex, Once, PoisonError};
use std::task::Poll;

/// At which side of its last await a future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It has just begun to wait.
    Waiting,
    /// What it waited for has come, and it doesn't know yet.
    Woken,
}

/// Polls a future whenever it is woken, and drops it at its await of this number; none if it was dropped.
pub async fn polled<T>(awaits: usize, when: When, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        if polls >= awaits {
            return Poll::Ready(None);
        }
        polls += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if polls == awaits && when == When::Waiting => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

const THREAD: &str = "cancellation";

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What has panicked in these tests, tasks of theirs included.
pub fn panics() -> Vec<String> {
    PANICS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A runtime whose threads' panics are noted.
pub fn runtime() -> tokio::runtime::Runtime {
    static NOTED: Once = Once::new();
    NOTED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() == Some(THREAD) {
                PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
            }
            before(panic);
        }));
    });
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name(THREAD).enable_all().build().expect("a runtime")
}
