//! From settings to what the driver wants to know.

use super::tls::{self, Certificates};
use crate::store::redis_config::{cluster_url, nodes};
use crate::store::{RedisAddress, RedisConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisResult};
use std::fmt;
use std::path::Path;

/// Where requests go to, ready for use.
pub(super) enum Target {
    Server(Client),
    Cluster { seeds: Vec<(String, u16)>, access: Access },
    Sentinel { sentinels: Vec<Client>, master: String, access: Access },
}

/// How to log in to every server of a cluster, or to whichever the sentinels name.
#[derive(Clone)]
pub(super) struct Access {
    login: RedisConnectionInfo,
    tls: Option<Certificates>,
}

impl Access {
    pub(super) fn client(&self, host: &str, port: u16) -> RedisResult<Client> {
        let address = match self.tls {
            Some(_) => ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: false, tls_params: None },
            None => ConnectionAddr::Tcp(host.to_owned(), port),
        };
        self.client_at(address.into_connection_info()?)
    }

    /// Of the information only the address counts.
    fn client_at(&self, info: ConnectionInfo) -> RedisResult<Client> {
        // Small requests, each waited for: the kernel must not collect them.
        let info = info.set_redis_settings(self.login.clone()).set_tcp_settings(TcpSettings::default().set_nodelay(true));
        match &self.tls {
            Some(certificates) => tls::client(info, certificates),
            None => Client::open(info),
        }
    }
}

impl RedisConfig {
    /// What the driver wants to know.
    pub(super) fn target(&self) -> Result<Target, RedisConfigError> {
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
        match &self.address {
            RedisAddress::Url(url) => self.at_url(url),
            RedisAddress::Socket(path) => self.at_socket(path),
            RedisAddress::Host(host, _) if host.is_empty() => Err(RedisConfigError::new("host", "the name is empty")),
            RedisAddress::Host(host, port) => {
                let client = self.access(&RedisConnectionInfo::default())?.client(host, *port);
                client.map(Target::Server).map_err(|error| RedisConfigError::new("host", error))
            }
            RedisAddress::Cluster(nodes) => {
                named("cluster_nodes", nodes)?;
                self.cluster(nodes.clone(), &RedisConnectionInfo::default(), self.tls.is_some())
            }
            RedisAddress::Sentinel { sentinels, master } => self.sentinel(sentinels, master),
        }
    }

    fn at_url(&self, url: &str) -> Result<Target, RedisConfigError> {
        // The driver's errors don't quote the URL.
        let refused = |error: redis::RedisError| RedisConfigError::new("url", error);
        let with_tls = url.starts_with("rediss") || url.starts_with("valkeys");
        if with_tls && cfg!(not(feature = "tls")) {
            return Err(RedisConfigError::new("url", "TLS needs the crate's feature `tls`"));
        }
        if self.tls.is_some() && !with_tls {
            return Err(RedisConfigError::new("tls", "the URL's scheme is one without TLS"));
        }
        if let Some((_, rest)) = cluster_url(url) {
            let (login, rest) = rest.rsplit_once('@').map_or(("", rest), |(login, rest)| (login, rest));
            let (hosts, db) = rest.split_once('/').unwrap_or((rest, ""));
            if !matches!(db, "" | "0") {
                return Err(RedisConfigError::new("url", "a cluster has no database but 0"));
            }
            let nodes = nodes(hosts, 6379).ok_or_else(|| RedisConfigError::new("url", "its hosts are not host:port,host:port"))?;
            let login = format!("redis://{login}@localhost").into_connection_info().map_err(refused)?;
            return self.cluster(nodes, login.redis_settings(), with_tls);
        }
        let info = url.into_connection_info().map_err(refused)?;
        let mut access = self.access(info.redis_settings())?;
        if with_tls && access.tls.is_none() {
            access.tls = Some(tls::certificates(&crate::store::RedisTls::default())?);
        }
        access.client_at(info).map(Target::Server).map_err(refused)
    }

    fn at_socket(&self, path: &Path) -> Result<Target, RedisConfigError> {
        if path.as_os_str().is_empty() {
            return Err(RedisConfigError::new("socket", "the path is empty"));
        }
        if self.tls.is_some() {
            return Err(RedisConfigError::new("tls", "a Unix socket is without TLS"));
        }
        let refused = |error| RedisConfigError::new("socket", error);
        let info = ConnectionAddr::Unix(path.to_owned()).into_connection_info().map_err(refused)?;
        self.access(&RedisConnectionInfo::default())?.client_at(info).map(Target::Server).map_err(refused)
    }

    fn cluster(&self, seeds: Vec<(String, u16)>, login: &RedisConnectionInfo, with_tls: bool) -> Result<Target, RedisConfigError> {
        let mut access = self.access(login)?;
        if access.login.db() != 0 {
            return Err(RedisConfigError::new("db", "a cluster has no database but 0"));
        }
        if with_tls && access.tls.is_none() {
            access.tls = Some(tls::certificates(&crate::store::RedisTls::default())?);
        }
        Ok(Target::Cluster { seeds, access })
    }

    fn sentinel(&self, sentinels: &[(String, u16)], master: &str) -> Result<Target, RedisConfigError> {
        named("sentinels", sentinels)?;
        if master.is_empty() {
            return Err(RedisConfigError::new("sentinel_master", "the name is empty"));
        }
        let access = self.access(&RedisConnectionInfo::default())?;
        let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(username) = &self.sentinel_username {
            login = login.set_username(username);
        }
        if let Some(password) = &self.sentinel_password {
            login = login.set_password(password);
        }
        needs_password(&login, "sentinel_username")?;
        let of_sentinels = Access { login, tls: access.tls.clone() };
        let clients = sentinels.iter().map(|(host, port)| of_sentinels.client(host, *port)).collect::<RedisResult<_>>();
        let sentinels = clients.map_err(|error| RedisConfigError::new("sentinels", error))?;
        Ok(Target::Sentinel { sentinels, master: master.to_owned(), access })
    }

    /// What the fields say of the login wins over what the URL says.
    fn access(&self, of_url: &RedisConnectionInfo) -> Result<Access, RedisConfigError> {
        // CLIENT SETINFO would be one more command for an ACL to allow.
        let mut login = of_url.clone().set_skip_set_lib_name();
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
        needs_password(&login, "username")?;
        Ok(Access { login, tls: self.tls.as_ref().map(tls::certificates).transpose()? })
    }
}

fn named(setting: &'static str, nodes: &[(String, u16)]) -> Result<(), RedisConfigError> {
    match nodes {
        [] => Err(RedisConfigError::new(setting, "there are none")),
        _ if nodes.iter().any(|(host, port)| host.is_empty() || *port == 0) => {
            Err(RedisConfigError::new(setting, "one of them is not host:port"))
        }
        _ => Ok(()),
    }
}

fn needs_password(login: &RedisConnectionInfo, setting: &'static str) -> Result<(), RedisConfigError> {
    match (login.username(), login.password()) {
        // The driver would log in as `default`, without a word.
        (Some(_), None) => Err(RedisConfigError::new(setting, "there is no password with it")),
        _ => Ok(()),
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
    pub(super) fn new(setting: &'static str, reason: impl fmt::Display) -> Self {
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

    fn client(config: &RedisConfig) -> Client {
        match config.target().unwrap() {
            Target::Server(client) => client,
            Target::Cluster { seeds, access } => access.client(&seeds[0].0, seeds[0].1).unwrap(),
            Target::Sentinel { access, .. } => access.client("named", 1).unwrap(),
        }
    }

    fn refusal(config: &RedisConfig) -> RedisConfigError {
        config.target().map(|_| ()).unwrap_err()
    }

    #[test]
    fn fields_win_over_the_url() {
        for (text, db) in [("redis://alice:secret@cache:6380/3", 3), ("redis+cluster://alice:secret@cache:6380,other", 0)] {
            let mut config = url(text);
            let made = client(&config);
            let login = made.get_connection_info().redis_settings();
            assert_eq!((login.username(), login.password(), login.db()), (Some("alice"), Some("secret"), db));
            assert_eq!(made.get_connection_info().addr().to_string(), "cache:6380");
            config.password = Some("other".into());
            config.db = (db != 0).then_some(4);
            let made = client(&config);
            let login = made.get_connection_info().redis_settings();
            assert_eq!((login.username(), login.password(), login.db()), (Some("alice"), Some("other"), if db == 0 { 0 } else { 4 }));
        }
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
            "redis+cluster://:secret@",
            "redis+cluster://:secret@host/1",
            "redis+cluster://:secret@host:0",
            "redis+cluster://host/secret@b",
        ] {
            let error = refusal(&url(bad));
            assert_eq!(error.setting(), "url", "{error}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
        let change = |change: fn(&mut RedisConfig)| {
            let mut config = url("redis://:secret@host");
            change(&mut config);
            assert!(!format!("{config:?}").contains("secret"));
            refusal(&config).setting()
        };
        assert_eq!(change(|config| config.db = Some(-1)), "db");
        assert_eq!(change(|config| *config = RedisConfig { db: Some(1), ..url("redis+cluster://host") }), "db");
        assert_eq!(change(|config| config.connections = 0), "connections");
        assert_eq!(change(|config| config.timeout = Duration::ZERO), "timeout");
        assert_eq!(change(|config| config.connect_timeout = Duration::ZERO), "connect_timeout");
        assert_eq!(change(|config| *config = RedisConfig { username: Some("alice".into()), ..url("redis://host") }), "username");
        assert_eq!(change(|config| config.address = RedisAddress::Host(String::new(), 1)), "host");
        assert_eq!(change(|config| config.address = RedisAddress::Socket(PathBuf::new())), "socket");
        assert_eq!(change(|config| config.address = RedisAddress::Cluster(Vec::new())), "cluster_nodes");
        assert_eq!(change(|config| config.address = RedisAddress::Cluster(vec![(String::new(), 1)])), "cluster_nodes");
        let sentinel = |master: &str| RedisAddress::Sentinel { sentinels: vec![("host".into(), 1)], master: master.into() };
        let mut config = RedisConfig { sentinel_username: Some("alice".into()), ..RedisConfig::new(sentinel("m")) };
        assert_eq!(refusal(&config).setting(), "sentinel_username");
        config.address = sentinel("");
        assert_eq!(refusal(&config).setting(), "sentinel_master");
        config.tls = Some(crate::store::RedisTls::default());
        config.address = RedisAddress::Socket("/socket".into());
        config.sentinel_username = None;
        assert_eq!(refusal(&config).setting(), "tls");
        config.address = RedisAddress::Url("redis://host".into());
        assert_eq!(refusal(&config).setting(), "tls");
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_without_its_feature_is_refused_by_name() {
        let error = refusal(&url("rediss://:secret@host"));
        assert!(error.setting() == "url" && error.reason().contains("feature `tls`"), "{error}");
        let mut config = RedisConfig::new(RedisAddress::Host("host".into(), 1));
        config.tls = Some(crate::store::RedisTls::default());
        let error = refusal(&config);
        assert!(error.setting() == "tls" && error.reason().contains("feature `tls`"), "{error}");
    }
}
