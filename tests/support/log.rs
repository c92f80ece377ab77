//! What the library says in the log.

use std::io;
use std::sync::{Arc, Mutex};
use tracing::subscriber::{DefaultGuard, NoSubscriber, set_default};
use tracing::{Dispatch, Level};

/// The log of this thread: tests that use it run on one.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

/// Listens as long as it lives.
pub struct Listening {
    _guard: DefaultGuard,
    /// Beside a single subscriber, tracing asks whichever thread comes by an event first whether anybody wants to hear of it, and another test's thread says no for
    /// all. With two it asks both.
    _second: Dispatch,
}

impl Log {
    /// From now on, until the guard is dropped.
    pub fn start(level: Level) -> (Self, Listening) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).with_max_level(level).finish();
        let second = Dispatch::new(NoSubscriber::new());
        (log, Listening { _guard: set_default(subscriber), _second: second })
    }

    /// A line of the test's own.
    pub fn note(&self, text: &str) {
        self.0.lock().unwrap().extend_from_slice(format!("{text}\n").as_bytes());
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
