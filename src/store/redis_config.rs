//! How to reach Redis: said here in every build, so that one without Redis can refuse it by name.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where Redis (or Valkey) listens.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisAddress {
    /// `redis://[user][:password@]host[:port][/db]` or `redis+unix:///path[?db=1][&user=..][&pass=..]`.
    Url(String),
    /// The path of a Unix socket.
    Socket(PathBuf),
    /// Host and port.
    Host(String, u16),
}

/// Without secrets: a URL may hold a password, so it is not shown.
impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(_) => f.write_str("a URL"),
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
        }
    }
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
    /// The number of the database. Defaults to the URL's, else to 0.
    pub db: Option<i64>,
    /// How many connections to share. Each carries any number of requests at a time, so more than one pays only where one core can't keep up with
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
    /// Bytes of entries that are kept in this process as well, in front of Redis (the near cache); zero for none. Defaults to 64 MiB.
    pub near_bytes: u64,
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
            connections: 1,
            connect_timeout: Duration::from_millis(500),
            timeout: Duration::from_millis(100),
            fence_guard: None,
            near_bytes: 64 << 20,
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
            .field("connections", &self.connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("fence_guard", &self.fence_guard)
            .field("near_bytes", &self.near_bytes)
            .field("near_staleness", &self.near_staleness)
            .finish()
    }
}
