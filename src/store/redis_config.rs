//! How to reach Redis: said here in every build, so that one without Redis can refuse it by name.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where Redis (or Valkey) listens.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisAddress {
    /// `redis://[user][:password@]host[:port][/db]` (`rediss://` with TLS), `redis+unix:///path[?db=1][&user=..][&pass=..]`, or
    /// `redis+cluster://[user][:password@]host[:port][,host[:port]...]` (`rediss+cluster://` with TLS).
    Url(String),
    /// The path of a Unix socket.
    Socket(PathBuf),
    /// Host and port.
    Host(String, u16),
    /// Hosts and ports of some nodes of a Redis Cluster; the others are learned from them.
    Cluster(Vec<(String, u16)>),
    /// A master that sentinels watch.
    Sentinel {
        /// Hosts and ports of the sentinels: all of them, so that a minority that was cut off can be told.
        sentinels: Vec<(String, u16)>,
        /// The name by which they know the master.
        master: String,
    },
}

impl RedisAddress {
    /// Whether it is a cluster, whose keys wear braces.
    pub(crate) fn is_cluster(&self) -> bool {
        match self {
            Self::Url(url) => cluster_url(url).is_some(),
            Self::Cluster(_) => true,
            _ => false,
        }
    }
}

/// What comes after the scheme of a cluster's URL, and whether that is with TLS.
pub(crate) fn cluster_url(url: &str) -> Option<(bool, &str)> {
    url.strip_prefix("redis+cluster://")
        .map(|rest| (false, rest))
        .or_else(|| url.strip_prefix("rediss+cluster://").map(|rest| (true, rest)))
}

/// Without secrets: a URL may hold a password, so it is not shown.
impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(_) => f.write_str("a URL"),
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
            Self::Cluster(nodes) => write!(f, "the cluster of {}", Nodes(nodes)),
            Self::Sentinel { sentinels, master } => write!(f, "{master} by the sentinels {}", Nodes(sentinels)),
        }
    }
}

struct Nodes<'a>(&'a [(String, u16)]);

impl fmt::Display for Nodes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (host, port)) in self.0.iter().enumerate() {
            write!(f, "{}{host}:{port}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// How TLS is spoken; needs the crate's feature `tls`. The files are read once, when the store is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisTls {
    /// A PEM file with the certificates of the authorities to trust. Defaults to those that the system trusts.
    pub ca: Option<PathBuf>,
    /// A PEM file with the certificate (and those between it and its authority) to show to a server that asks for one.
    pub certificate: Option<PathBuf>,
    /// A PEM file with the certificate's private key.
    pub key: Option<PathBuf>,
}

/// How to reach Redis. What the URL says and what is set here must not both be there: the field wins.
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisConfig {
    /// Where it listens.
    pub address: RedisAddress,
    /// The ACL user. Defaults to the URL's, else to the server's user `default`.
    pub username: Option<String>,
    /// The user's password. Defaults to the URL's, else to none.
    pub password: Option<String>,
    /// The number of the database. Defaults to the URL's, else to 0, and a cluster has no other.
    pub db: Option<i64>,
    /// The ACL user of the sentinels, who have users of their own. Defaults to their user `default`.
    pub sentinel_username: Option<String>,
    /// The sentinels' password. Defaults to none.
    pub sentinel_password: Option<String>,
    /// Speak TLS, to sentinels as well. Defaults to what the URL says, else to no.
    pub tls: Option<RedisTls>,
    /// How many connections to share, to each master of a cluster. Each carries any number of requests at a time, so more than one pays only where one core can't keep up with
    /// decoding the answers. Defaults to 1.
    pub connections: usize,
    /// How long a connection may take to be made, authentication included. Defaults to 500 ms.
    pub connect_timeout: Duration,
    /// How long an operation may take altogether, until the database is asked instead. Defaults to 100 ms.
    pub timeout: Duration,
    /// The lease of fences, where their loss is to be guarded against; the same in all processes, or in none. After a fence was lost (by eviction, by hand, by a
    /// failover) no generation is created for so long, in which every living writer adds itself again. So nothing older than what somebody saw is served even if
    /// one of them dies meanwhile, unless its statement goes on in the database for longer. A table's first use waits as long. Defaults to none.
    pub fence_guard: Option<Duration>,
    /// Whether the server is to tell this process when a generation changes, so that answers may be kept in its memory (the near cache). Defaults to true.
    pub near: bool,
    /// How old, at most, what another process has overwritten may be when it is given from the near cache. Usually it is far less: the time that a push takes.
    /// Defaults to 250 ms.
    pub near_staleness: Duration,
}

impl RedisConfig {
    /// The defaults for this address.
    #[must_use]
    pub fn new(address: RedisAddress) -> Self {
        Self {
            address,
            username: None,
            password: None,
            db: None,
            sentinel_username: None,
            sentinel_password: None,
            tls: None,
            connections: 1,
            connect_timeout: Duration::from_millis(500),
            timeout: Duration::from_millis(100),
            fence_guard: None,
            near: true,
            near_staleness: Duration::from_millis(250),
        }
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("address", &self.address)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "..."))
            .field("db", &self.db)
            .field("sentinel_username", &self.sentinel_username)
            .field("sentinel_password", &self.sentinel_password.as_ref().map(|_| "..."))
            .field("tls", &self.tls)
            .field("connections", &self.connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("fence_guard", &self.fence_guard)
            .field("near", &self.near)
            .field("near_staleness", &self.near_staleness)
            .finish()
    }
}

/// `host:port,host:port`, where a port may be left out and an IPv6 address wears brackets.
pub(crate) fn nodes(text: &str, default_port: u16) -> Option<Vec<(String, u16)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let nodes: Vec<_> = parts.map(|part| node(part, default_port)).collect::<Option<_>>()?;
    (!nodes.is_empty()).then_some(nodes)
}

fn node(text: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None => default_port,
    };
    let plain = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '@' | '[' | ']'));
    plain.then(|| (host.to_owned(), port))
}
