//! What the library says in its log meanwhile.

use super::report::Report;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;

/// Collects warnings and errors.
#[derive(Clone, Default)]
pub struct Warnings(Arc<Mutex<Vec<u8>>>);

impl Warnings {
    /// Listens on this thread, where all tasks run, until the guard is dropped.
    pub fn listen(&self) -> DefaultGuard {
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(move || writer.clone());
        tracing::subscriber::set_default(subscriber.without_time().with_level(false).with_target(false).with_ansi(false).finish())
    }

    /// Makes findings of what was said.
    pub fn report(&self, report: &mut Report) {
        let lines = self.take();
        if !lines.is_empty() {
            let section = report.section("library");
            for line in lines {
                section.warn("log", line);
            }
        }
    }

    /// What was said, each once.
    pub fn take(&self) -> Vec<String> {
        let text = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut lines: Vec<String> = Vec::new();
        for line in String::from_utf8_lossy(&text).lines().map(str::trim).filter(|line| !line.is_empty()) {
            if !lines.iter().any(|said| said == line) {
                lines.push(line.to_owned());
            }
        }
        lines
    }
}

impl io::Write for Warnings {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
