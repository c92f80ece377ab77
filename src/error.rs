//! What can go wrong in building an executor. Nothing of the cache goes wrong afterwards as far as the program can see, unless it asks for refusals.

use crate::store::StoreError;
use std::{fmt, io};

/// An error of this crate's own: a setting, or the database at start. Reads and writes fail with [`sqlx::Error`] alone, as with a pool.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] Kind);

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error("{setting}={value:?} {reason}")]
    Setting { setting: String, value: String, reason: String },
    #[error("{setting} can't be used: {reason}")]
    SecretSetting { setting: String, reason: String },
    #[error("{operation} failed: {cause}")]
    Store { operation: &'static str, cause: crate::store::StoreError },
}

impl Error {
    /// A setting (an environment variable or a builder's method) that can't be used; `value` must hold no secret.
    pub(crate) fn setting(setting: impl Into<String>, value: impl fmt::Display, reason: impl Into<String>) -> Self {
        Self(Kind::Setting { setting: setting.into(), value: value.to_string(), reason: reason.into() })
    }

    /// The same for one whose value may hold a secret.
    pub(crate) fn secret_setting(setting: impl Into<String>, reason: impl Into<String>) -> Self {
        Self(Kind::SecretSetting { setting: setting.into(), reason: reason.into() })
    }

    pub(crate) fn store(operation: &'static str, cause: crate::store::StoreError) -> Self {
        Self(Kind::Store { operation, cause })
    }

    /// Whether a setting is at fault; the message names it and its value.
    pub fn is_setting(&self) -> bool {
        matches!(self.0, Kind::Setting { .. } | Kind::SecretSetting { .. })
    }

    /// Whether the store could not do what was asked of it by name (`invalidate`, `clear`).
    pub fn is_store(&self) -> bool {
        matches!(self.0, Kind::Store { .. })
    }
}

/// A write was not sent to the database (or a transaction was rolled back instead of committed), since its fence could not be set and
/// [`UnfencedWrites::Refuse`](crate::UnfencedWrites::Refuse) was asked for. It may be tried again.
///
/// Inside a [`sqlx::Error::Io`] of the kind [`ResourceBusy`](io::ErrorKind::ResourceBusy): look for it with [`WriteRefused::of`].
#[derive(Debug, thiserror::Error)]
#[error("the write was refused, and nothing was written, since its fence can't be set: {0}")]
pub struct WriteRefused(String);

impl WriteRefused {
    pub(crate) fn because(reason: impl fmt::Display) -> sqlx::Error {
        io::Error::new(io::ErrorKind::ResourceBusy, Self(reason.to_string())).into()
    }

    /// The refusal, if this error is one.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::Io(error) => error.get_ref()?.downcast_ref(),
            _ => None,
        }
    }
}

/// A write was committed, but other processes may not know of it yet: its invalidation could not be delivered, and its fence may have lapsed before the commit. Only
/// with [`UnfencedWrites::Refuse`](crate::UnfencedWrites::Refuse). It must not be tried again; the delivery is, until it succeeds, and this process reads from the
/// database until then.
///
/// Inside a [`sqlx::Error::Decode`], which nobody takes for a write that was not executed: look for it with [`InvalidationPending::of`].
#[derive(Debug, thiserror::Error)]
#[error("the write was committed, but its invalidation is still to be delivered: {0}")]
pub struct InvalidationPending(#[source] StoreError);

impl InvalidationPending {
    pub(crate) fn because(reason: StoreError) -> sqlx::Error {
        sqlx::Error::Decode(Box::new(Self(reason)))
    }

    /// The notice, if this error is one.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::Decode(error) => error.downcast_ref(),
            _ => None,
        }
    }
}
