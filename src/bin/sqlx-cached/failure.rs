//! How a command ends.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// What `--help` says of exit codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  something was found: doctor has a warning, a key is not there, check denies a query, a query could not be warmed
  2  the command line can't be used, or a confirmation is missing
  3  it can't be done: a setting is wrong, Redis or the database fails, doctor has a failure";

/// How a command ended that did what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// All is well.
    Fine,
    /// It found something.
    Findings,
    /// It found something that does not work at all.
    Broken,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::Findings => Self::from(1),
            Exit::Broken => Self::from(3),
        }
    }
}

/// Why a command could not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// Nobody reads the output any more: no reason to say anything.
    Closed,
    /// What is asked for makes no sense, or is too dangerous without another word.
    Usage(String),
    /// It can't be done.
    Failed(String),
}

/// What every command gives.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure to do `what`.
    pub fn of(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::Failed(format!("{what}: {error}"))
    }

    /// The exit code.
    pub fn code(&self) -> ExitCode {
        match self {
            Self::Closed => ExitCode::SUCCESS,
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(3),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::of("the output can't be written", error),
        }
    }
}

/// The library's errors name the setting or the operation, and hold no secret.
impl From<sqlx_cached::Error> for Failure {
    fn from(error: sqlx_cached::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
