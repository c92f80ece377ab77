//! From settings to what the driver wants to know.

use crate::store::{RedisAddress, RedisConfig};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError};
use std::fmt;

impl RedisConfig {
    /// The driver refused the address.
    pub(super) fn refused(&self, reason: &RedisError) -> RedisConfigError {
        let setting = match self.address {
            RedisAddress::Url(_) => "url",
            RedisAddress::Socket(_) => "socket",
            RedisAddress::Host(..) => "host",
        };
        RedisConfigError::new(setting, reason)
    }

    /// What the driver wants to know.
    pub(super) fn connection_info(&self) -> Result<ConnectionInfo, RedisConfigError> {
        let info = match &self.address {
            // The driver's errors don't quote the URL.
            RedisAddress::Url(url) => url.as_str().into_connection_info(),
            RedisAddress::Socket(path) if path.as_os_str().is_empty() => return Err(RedisConfigError::new("socket", "the path is empty")),
            RedisAddress::Socket(path) => ConnectionAddr::Unix(path.clone()).into_connection_info(),
            RedisAddress::Host(host, _) if host.is_empty() => return Err(RedisConfigError::new("host", "the name is empty")),
            RedisAddress::Host(host, port) => (host.as_str(), *port).into_connection_info(),
        };
        let info = info.map_err(|error| self.refused(&error))?;
        // CLIENT SETINFO would be one more command for an ACL to allow.
        let mut login = info.redis_settings().clone().set_skip_set_lib_name();
        if let Some(username) = &self.username {
            login = login.set_username(username);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        if let Some(db) = self.db {
            login = login.set_db(db);
        }
        if login.db() < 0 {
            return Err(RedisConfigError::new("db", format!("{} is below zero", login.db())));
        }
        if login.username().is_some() && login.password().is_none() {
            // The driver would log in as `default`, without a word.
            return Err(RedisConfigError::new("username", "there is no password with it"));
        }
        for (setting, duration) in
            [("timeout", self.timeout), ("connect_timeout", self.connect_timeout), ("near_staleness", self.near_staleness)]
        {
            if duration.is_zero() {
                return Err(RedisConfigError::new(setting, "it is zero"));
            }
        }
        if self.connections == 0 {
            return Err(RedisConfigError::new("connections", "there must be at least one"));
        }
        // Small requests, each waited for: the kernel must not collect them.
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        Ok(info.set_redis_settings(login).set_tcp_settings(tcp))
    }
}

/// A setting that can't be used. Neither this nor its message holds a secret.
#[derive(Debug, thiserror::Error)]
#[error("Redis' {setting} can't be used: {reason}")]
pub struct RedisConfigError {
    setting: &'static str,
    reason: String,
}

impl RedisConfigError {
    fn new(setting: &'static str, reason: impl fmt::Display) -> Self {
        Self { setting, reason: reason.to_string() }
    }

    /// The setting: `url`, or the name of a field.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }

    /// What is wrong with it.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::time::Duration;

    fn url(url: &str) -> RedisConfig {
        RedisConfig::new(RedisAddress::Url(url.into()))
    }

    #[test]
    fn fields_win_over_the_url() {
        let mut config = url("redis://alice:secret@cache:6380/3");
        let info = config.connection_info().unwrap();
        let login = info.redis_settings();
        assert_eq!((login.username(), login.password(), login.db()), (Some("alice"), Some("secret"), 3));
        config.password = Some("other".into());
        config.db = Some(4);
        let info = config.connection_info().unwrap();
        let login = info.redis_settings();
        assert_eq!((login.username(), login.password(), login.db()), (Some("alice"), Some("other"), 4));
    }

    #[test]
    fn errors_name_the_setting_and_no_secret() {
        for bad in [
            "",
            "secret",
            "redis://:secret",
            "http://:secret@host",
            "redis://:secret@host:99999",
            "redis://:secret@host/x",
            "rediss://:secret@host",
        ] {
            let error = url(bad).connection_info().unwrap_err();
            assert_eq!(error.setting(), "url", "{error}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
        let change = |change: fn(&mut RedisConfig)| {
            let mut config = url("redis://:secret@host");
            change(&mut config);
            assert!(!format!("{config:?}").contains("secret"));
            config.connection_info().unwrap_err().setting()
        };
        assert_eq!(change(|config| config.db = Some(-1)), "db");
        assert_eq!(change(|config| config.connections = 0), "connections");
        assert_eq!(change(|config| config.timeout = Duration::ZERO), "timeout");
        assert_eq!(change(|config| config.connect_timeout = Duration::ZERO), "connect_timeout");
        assert_eq!(change(|config| *config = RedisConfig { username: Some("alice".into()), ..url("redis://host") }), "username");
        assert_eq!(change(|config| config.address = RedisAddress::Host(String::new(), 1)), "host");
        assert_eq!(change(|config| config.address = RedisAddress::Socket(PathBuf::new())), "socket");
    }
}
