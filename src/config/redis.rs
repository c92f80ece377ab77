//! Where Redis is and how to log in, as variables say it. Two that contradict each other are an error: the wrong Redis would serve somebody else's keys.

use super::Variables;
use crate::error::Error;
use crate::store::{RedisAddress, RedisConfig, RedisTls};
use std::path::PathBuf;

/// What names the place. Only one of them may be set.
const PLACES: [&str; 5] = ["REDIS_URL", "REDIS_SOCKET_PATH", "REDIS_HOST", "REDIS_CLUSTER_NODES", "REDIS_SENTINELS"];

impl Variables<'_> {
    pub(super) fn redis(&self) -> Result<Option<RedisConfig>, Error> {
        let Some(address) = self.address()? else { return Ok(None) };
        let cluster = address.is_cluster();
        let sentinels = matches!(address, RedisAddress::Sentinel { .. });
        let tls = self.tls(&address)?;
        let mut redis = RedisConfig::new(address);
        redis.tls = tls;
        redis.username = self.get("REDIS_USERNAME").map(str::to_owned);
        redis.password = self.get("REDIS_PASSWORD").map(str::to_owned);
        redis.db = self.number("REDIS_DB", 0..=i64::from(i32::MAX))?;
        if let Some(db) = redis.db.filter(|db| cluster && *db != 0) {
            return Err(Error::setting("REDIS_DB", db, "is not 0, and a cluster has no other database"));
        }
        redis.sentinel_username = self.get("REDIS_SENTINEL_USERNAME").map(str::to_owned);
        redis.sentinel_password = self.get("REDIS_SENTINEL_PASSWORD").map(str::to_owned);
        for name in ["REDIS_SENTINEL_MASTER", "REDIS_SENTINEL_USERNAME", "REDIS_SENTINEL_PASSWORD"] {
            if !sentinels && self.get(name).is_some() {
                return Err(Error::secret_setting(name, "it is set without REDIS_SENTINELS"));
            }
        }
        redis.connections = self.number("REDIS_MAX_CONNECTIONS", 1..=1024)?.unwrap_or(redis.connections);
        redis.timeout = self.duration("REDIS_SOCKET_TIMEOUT")?.unwrap_or(redis.timeout);
        redis.connect_timeout = self.duration("REDIS_SOCKET_CONNECT_TIMEOUT")?.unwrap_or(redis.connect_timeout);
        redis.near_staleness = self.duration("CACHE_NEAR_STALENESS")?.unwrap_or(redis.near_staleness);
        Ok(Some(redis))
    }

    fn address(&self) -> Result<Option<RedisAddress>, Error> {
        let port = self.number("REDIS_PORT", 1..=u16::MAX)?;
        let mut set = PLACES.iter().filter_map(|name| Some((*name, self.get(name)?)));
        let Some((name, value)) = set.next() else {
            return match (port, self.get("REDIS_SENTINEL_MASTER")) {
                (_, Some(master)) => Err(Error::setting("REDIS_SENTINEL_MASTER", master, "is set without REDIS_SENTINELS")),
                (Some(port), None) => Ok(Some(RedisAddress::Host("localhost".to_owned(), port))),
                (None, None) => Ok(None),
            };
        };
        if let Some((other, _)) = set.next() {
            // Without the value: the other may be a URL with a password.
            return Err(Error::secret_setting(other, format!("it is set together with {name}: set one of them")));
        }
        if let Some(port) = port.filter(|_| matches!(name, "REDIS_CLUSTER_NODES" | "REDIS_SENTINELS")) {
            return Err(Error::setting("REDIS_PORT", port, format!("is set together with {name}, which has ports of its own")));
        }
        Ok(Some(match name {
            "REDIS_URL" => RedisAddress::Url(value.to_owned()),
            "REDIS_SOCKET_PATH" => RedisAddress::Socket(value.into()),
            "REDIS_HOST" => RedisAddress::Host(value.to_owned(), port.unwrap_or(6379)),
            "REDIS_CLUSTER_NODES" => RedisAddress::Cluster(nodes(name, value, 6379)?),
            _ => RedisAddress::Sentinel {
                sentinels: nodes(name, value, 26379)?,
                master: self
                    .get("REDIS_SENTINEL_MASTER")
                    .ok_or_else(|| Error::secret_setting("REDIS_SENTINEL_MASTER", "it is not set, and REDIS_SENTINELS is"))?
                    .to_owned(),
            },
        }))
    }

    fn tls(&self, address: &RedisAddress) -> Result<Option<RedisTls>, Error> {
        let path = |name| self.get(name).map(PathBuf::from);
        let mut tls = RedisTls::default();
        (tls.ca, tls.certificate, tls.key) = (path("REDIS_TLS_CA"), path("REDIS_TLS_CERT"), path("REDIS_TLS_KEY"));
        let named = ["REDIS_TLS_CA", "REDIS_TLS_CERT", "REDIS_TLS_KEY"].into_iter().find(|name| self.get(name).is_some());
        let (asked, variable) = match (self.boolean("REDIS_TLS")?, named) {
            (Some(false), Some(name)) => return Err(Error::secret_setting(name, "it is set, and REDIS_TLS is off")),
            (Some(asked), None) => (asked, "REDIS_TLS"),
            (_, Some(name)) => (true, name),
            (None, None) => return Ok(None),
        };
        for (name, other, missing) in
            [("REDIS_TLS_CERT", "REDIS_TLS_KEY", tls.key.is_none()), ("REDIS_TLS_KEY", "REDIS_TLS_CERT", tls.certificate.is_none())]
        {
            if self.get(name).is_some() && missing {
                return Err(Error::secret_setting(name, format!("it is set without {other}")));
            }
        }
        let said = match address {
            RedisAddress::Url(url) => Some((url.starts_with("rediss") || url.starts_with("valkeys"), "REDIS_URL's scheme")),
            RedisAddress::Socket(_) => Some((false, "REDIS_SOCKET_PATH")),
            _ => None,
        };
        match said {
            Some((with, place)) if with != asked => {
                let word = if with { "with" } else { "without" };
                Err(Error::secret_setting(variable, format!("it contradicts {place}, which is {word} TLS")))
            }
            _ => Ok(asked.then_some(tls)),
        }
    }
}

/// `host:port,host:port`; a port may be left out, and an IPv6 address wears brackets.
fn nodes(name: &str, value: &str, port: u16) -> Result<Vec<(String, u16)>, Error> {
    crate::store::redis_nodes(value, port)
        .ok_or_else(|| Error::setting(name, value, "is not host:port, or several with commas between them"))
}

#[cfg(test)]
mod tests {
    use super::super::{Config, tests::read};
    use super::*;

    fn address(variables: &[(&str, &str)]) -> RedisAddress {
        read(variables).unwrap().redis.unwrap().address
    }

    #[test]
    fn clusters_and_sentinels_are_read_as_people_write_them() {
        let node = |host: &str, port| (host.to_owned(), port);
        assert_eq!(
            address(&[("REDIS_CLUSTER_NODES", "a:7000, b ,[::1]:7002,")]),
            RedisAddress::Cluster(vec![node("a", 7000), node("b", 6379), node("::1", 7002)])
        );
        assert_eq!(
            address(&[("REDIS_SENTINELS", "a,b:1"), ("REDIS_SENTINEL_MASTER", "mymaster")]),
            RedisAddress::Sentinel { sentinels: vec![node("a", 26379), node("b", 1)], master: "mymaster".into() }
        );
        let tls = read(&[("REDIS_HOST", "a"), ("REDIS_TLS_CA", "/ca.pem")]).unwrap().redis.unwrap().tls.unwrap();
        assert_eq!(tls.ca.unwrap().as_os_str(), "/ca.pem");
        assert!(read(&[("REDIS_HOST", "a"), ("REDIS_TLS", "off")]).unwrap().redis.unwrap().tls.is_none());
    }

    #[test]
    fn what_contradicts_itself_is_refused_by_name() {
        let refused: [(&str, &[(&str, &str)]); 15] = [
            ("REDIS_CLUSTER_NODES", &[("REDIS_CLUSTER_NODES", "a:b")]),
            ("REDIS_CLUSTER_NODES", &[("REDIS_CLUSTER_NODES", ",")]),
            ("REDIS_CLUSTER_NODES", &[("REDIS_CLUSTER_NODES", "a"), ("REDIS_URL", "redis://:secret@b")]),
            ("REDIS_SENTINELS", &[("REDIS_SENTINELS", "a"), ("REDIS_HOST", "b")]),
            ("REDIS_SENTINELS", &[("REDIS_SENTINELS", "a:0"), ("REDIS_SENTINEL_MASTER", "m")]),
            ("REDIS_SENTINEL_MASTER", &[("REDIS_SENTINELS", "a")]),
            ("REDIS_SENTINEL_MASTER", &[("REDIS_SENTINEL_MASTER", "m")]),
            ("REDIS_SENTINEL_PASSWORD", &[("REDIS_HOST", "a"), ("REDIS_SENTINEL_PASSWORD", "secret")]),
            ("REDIS_DB", &[("REDIS_CLUSTER_NODES", "a"), ("REDIS_DB", "1")]),
            ("REDIS_DB", &[("REDIS_URL", "redis+cluster://a"), ("REDIS_DB", "1")]),
            ("REDIS_PORT", &[("REDIS_CLUSTER_NODES", "a"), ("REDIS_PORT", "1")]),
            ("REDIS_TLS_CA", &[("REDIS_URL", "redis://a"), ("REDIS_TLS_CA", "ca")]),
            ("REDIS_TLS_CERT", &[("REDIS_HOST", "a"), ("REDIS_TLS_CERT", "c")]),
            ("REDIS_TLS_CA", &[("REDIS_HOST", "a"), ("REDIS_TLS", "off"), ("REDIS_TLS_CA", "ca")]),
            ("REDIS_TLS", &[("REDIS_SOCKET_PATH", "/a"), ("REDIS_TLS", "on")]),
        ];
        for (name, variables) in refused {
            let error = read(variables).map(|_: Config| ()).expect_err(name);
            assert!(error.is_setting() && error.to_string().contains(name), "{variables:?}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
