//! What can go wrong in building an executor, and in asking the cache for something by name. Nothing of the cache goes wrong otherwise as far as the program can see, unless
//! it asks for refusals.

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
    #[error("the key {key:?} {reason}")]
    Key { key: String, reason: String },
    #[error("the value of {key:?} {reason}")]
    Value { key: String, reason: String },
    #[error("{what} {reason}")]
    Unsupported { what: &'static str, reason: String },
    #[error("the queue {queue:?} is full: it may have {most} items")]
    Full { queue: String, most: u64 },
}

/// Bytes of a key that an error shows at most.
const SHOWN: usize = 100;

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

    /// A key, or a pattern of keys, that can't be used.
    pub(crate) fn key(key: &str, reason: impl Into<String>) -> Self {
        Self(Kind::Key { key: beginning(key), reason: reason.into() })
    }

    /// A value that can't be written; `reason` must not show it.
    pub(crate) fn value(key: &str, reason: impl Into<String>) -> Self {
        Self(Kind::Value { key: beginning(key), reason: reason.into() })
    }

    /// What the store at hand can't do.
    pub(crate) fn unsupported(what: &'static str, reason: impl Into<String>) -> Self {
        Self(Kind::Unsupported { what, reason: reason.into() })
    }

    /// A queue that takes no more.
    pub(crate) fn full(queue: &str, most: u64) -> Self {
        Self(Kind::Full { queue: beginning(queue), most })
    }

    /// Whether a setting is at fault; the message names it and its value.
    pub fn is_setting(&self) -> bool {
        matches!(self.0, Kind::Setting { .. } | Kind::SecretSetting { .. })
    }

    /// Whether the store could not do what was asked of it by name (`invalidate`, `clear`, a counter's increment).
    pub fn is_store(&self) -> bool {
        matches!(self.0, Kind::Store { .. })
    }

    /// Whether a key, or a pattern of keys, can't be used: empty, or too long.
    pub fn is_key(&self) -> bool {
        matches!(self.0, Kind::Key { .. })
    }

    /// Whether a value can't be written: too large, or its type has no such form.
    pub fn is_value(&self) -> bool {
        matches!(self.0, Kind::Value { .. })
    }

    /// Whether the store in use can't do this at all, such as give a connection to Redis where there is none.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.0, Kind::Unsupported { .. })
    }

    /// Whether a queue has as many items as it may have. Nothing was queued.
    pub fn is_full(&self) -> bool {
        matches!(self.0, Kind::Full { .. })
    }
}

fn beginning(key: &str) -> String {
    match key.char_indices().find(|(at, c)| at + c.len_utf8() > SHOWN) {
        Some((end, _)) => format!("{}...", &key[..end]),
        None => key.to_owned(),
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
