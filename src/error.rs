//! What can go wrong in building an executor. Nothing of the cache goes wrong afterwards as far as the program can see.

use std::fmt;

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
