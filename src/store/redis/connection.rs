//! Connections that are made when they are needed, and that know which server answers them.

use super::config::Access;
use super::request::backend;
use super::sentinel::Sentinels;
use super::tracking::Tracking;
use crate::store::StoreError;
use crate::store::near::Session;
use crate::tag::ServerIdentity;
use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, ProtocolVersion, RedisError, RedisResult, ServerErrorKind};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// After a failed attempt to connect, operations fail at once for so long: a dead Redis costs a read nothing but the first attempt.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A connection and the identity of the server that it leads to. One is never used without the other: a token is compared with the server behind the
/// connection that answered, so nothing that another server (or another run of it) wrote can look valid.
pub(super) struct Connection {
    pub(super) requests: MultiplexedConnection,
    pub(super) identity: ServerIdentity,
    /// The near cache's, where the server tracks for it what is asked over this connection.
    pub(super) session: Option<Arc<Session>>,
    tracking: Option<Arc<Tracking>>,
}

impl Connection {
    /// Nothing that was tracked over it is believed any more.
    fn end_session(&self) {
        if let (Some(tracking), Some(session)) = (&self.tracking, &self.session) {
            tracking.near.end(session);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end_session();
    }
}

/// The connections of a store; each is made on its first use, and made again after it failed.
pub(super) struct Pool {
    slots: Vec<Arc<Slot>>,
    next: AtomicUsize,
}

/// The place of one connection.
pub(super) struct Slot {
    connector: Arc<Connector>,
    current: ArcSwapOption<Connection>,
    /// Held while a connection is being made: one attempt at a time.
    connecting: tokio::sync::Mutex<()>,
    failed: Mutex<Option<Failure>>,
}

struct Failure {
    until: Instant,
    reason: Arc<str>,
}

/// What leads to a server.
pub(super) enum Source {
    Server(Client),
    Sentinels(Sentinels),
    /// A node of a cluster.
    Node(Access, (String, u16)),
}

impl Source {
    async fn client(&self) -> RedisResult<Client> {
        match self {
            Self::Server(client) => Ok(client.clone()),
            Self::Sentinels(sentinels) => sentinels.client().await,
            Self::Node(access, (host, port)) => access.client(host, *port),
        }
    }
}

struct Connector {
    source: Source,
    /// For the near cache.
    tracking: Option<Arc<Tracking>>,
    timeout: Duration,
    /// So that a missing permission is said once.
    warned: AtomicBool,
}

#[derive(Debug, thiserror::Error)]
#[error("no connection: {0}")]
struct Unconnected(Arc<str>);

impl Pool {
    pub(super) fn new(source: Source, tracking: Option<Arc<Tracking>>, connections: usize, timeout: Duration) -> Self {
        let connector = Arc::new(Connector { source, tracking, timeout, warned: AtomicBool::new(false) });
        let slot = || Slot {
            connector: Arc::clone(&connector),
            current: ArcSwapOption::empty(),
            connecting: tokio::sync::Mutex::new(()),
            failed: Mutex::new(None),
        };
        Self { slots: std::iter::repeat_with(|| Arc::new(slot())).take(connections.max(1)).collect(), next: AtomicUsize::new(0) }
    }

    /// Takes turns.
    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slots[self.next.fetch_add(1, Relaxed) % self.slots.len()]
    }

    pub(super) fn slots(&self) -> &[Arc<Slot>] {
        &self.slots
    }

    /// A connection that nobody else uses, made now.
    pub(super) async fn own(&self) -> Result<MultiplexedConnection, StoreError> {
        let connector = &self.slots[0].connector;
        let connecting = async { connector.connect_plainly(&connector.source.client().await?).await };
        match timeout(connector.timeout, connecting).await {
            Ok(Ok(connection)) => Ok(connection.requests.clone()),
            Ok(Err(error)) => Err(backend(error)),
            Err(_) => Err(StoreError::Deadline(connector.timeout)),
        }
    }
}

impl Slot {
    /// The connection, made now if there is none.
    ///
    /// # Cancel safety
    ///
    /// The attempt runs on a task of its own: where connecting takes longer than an operation may, a later operation finds it done.
    pub(super) async fn get(self: &Arc<Self>) -> Result<Arc<Connection>, StoreError> {
        if let Some(connection) = self.connection() {
            return Ok(connection);
        }
        self.check_back_off()?;
        tokio::spawn(Arc::clone(self).connect()).await.map_err(|error| StoreError::Backend(error.into()))?
    }

    async fn connect(self: Arc<Self>) -> Result<Arc<Connection>, StoreError> {
        let _one_at_a_time = self.connecting.lock().await;
        // Whoever held the lock before may have succeeded, or failed for all.
        if let Some(connection) = self.connection() {
            return Ok(connection);
        }
        self.check_back_off()?;
        let reason = match timeout(self.connector.timeout, self.connector.connect()).await {
            Ok(Ok(connection)) => {
                let connection = Arc::new(connection);
                self.current.store(Some(Arc::clone(&connection)));
                return Ok(connection);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("not connected within {:?}", self.connector.timeout),
        };
        Err(self.back_off(reason))
    }

    /// The one that there is. One whose session has ended could mirror nothing any more.
    fn connection(&self) -> Option<Arc<Connection>> {
        let connection = self.current.load_full()?;
        if connection.session.as_ref().is_some_and(|session| session.has_ended()) {
            self.forget(&connection);
            return None;
        }
        Some(connection)
    }

    fn check_back_off(&self) -> Result<(), StoreError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failed {
            Some(failure) if Instant::now() < failure.until => Err(StoreError::Backend(Unconnected(Arc::clone(&failure.reason)).into())),
            _ => Ok(()),
        }
    }

    fn back_off(&self, reason: String) -> StoreError {
        let reason: Arc<str> = reason.into();
        let failure = Failure { until: Instant::now() + BACK_OFF, reason: Arc::clone(&reason) };
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        StoreError::Backend(Unconnected(reason).into())
    }

    /// Gives a connection up; the next use makes a new one and learns anew which server answers. Another one that took its place meanwhile stays.
    /// Requests under way on it still get their answers, which are judged by its own server's identity.
    pub(super) fn forget(&self, connection: &Arc<Connection>) {
        self.current.compare_and_swap(connection, None);
        connection.end_session();
    }

    /// An operation's time was up while it used this connection, or (`None`) still waited for one.
    pub(super) fn timed_out(&self, used: Option<&Arc<Connection>>) {
        match used {
            // A connection to a host that vanished never fails by itself. A server that is merely slow costs a reconnection.
            Some(connection) => self.forget(connection),
            None if self.current.load().is_none() => {
                self.back_off("connecting takes longer than an operation may".into());
            }
            None => {}
        }
    }
}

impl Connector {
    async fn connect(&self) -> RedisResult<Connection> {
        let client = self.source.client().await?;
        if let Some(tracking) = &self.tracking {
            match self.connect_and_track(&client, tracking).await {
                Err(error) if is_refusal(&error) => {
                    // Without it, if that is what was refused.
                    let connection = self.connect_plainly(&client).await?;
                    tracking.warn(&error);
                    return Ok(connection);
                }
                connected => return connected,
            }
        }
        self.connect_plainly(&client).await
    }

    async fn connect_and_track(&self, client: &Client, tracking: &Arc<Tracking>) -> RedisResult<Connection> {
        let info = client.get_connection_info().clone();
        let resp3 = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(resp3))?;
        let session = Arc::new(Session::new());
        let config = without_times().set_push_sender(tracking.receiver(Arc::clone(&session)));
        let mut requests = client.get_multiplexed_async_connection_with_config(&config).await?;
        let identity = self.identity(&mut requests).await?;
        tracking.begin(&mut requests, &session).await?;
        Ok(Connection { requests, identity, session: Some(session), tracking: Some(Arc::clone(tracking)) })
    }

    async fn connect_plainly(&self, client: &Client) -> RedisResult<Connection> {
        let mut requests = client.get_multiplexed_async_connection_with_config(&without_times()).await?;
        let identity = self.identity(&mut requests).await?;
        Ok(Connection { requests, identity, session: None, tracking: None })
    }

    async fn identity(&self, requests: &mut MultiplexedConnection) -> RedisResult<ServerIdentity> {
        let identity = identify(requests, matches!(self.source, Source::Node(..))).await?;
        if identity.is_none() && !self.warned.swap(true, Relaxed) {
            tracing::warn!("this user may not ask Redis for INFO (+info): a failover or a restart from a snapshot can't be noticed");
        }
        Ok(identity.unwrap_or_default())
    }
}

/// Times are limited by us.
pub(super) fn without_times() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
}

/// Whether the server answered, and said no; or is too old to speak RESP3.
fn is_refusal(error: &RedisError) -> bool {
    !error.is_io_error() && !is_over(error) || matches!(error.kind(), ErrorKind::AuthenticationFailed | ErrorKind::RESP3NotSupported)
}

/// Asks the server who it is; `None` where it may not say.
///
/// # Errors
///
/// Besides failed requests: the server is a replica. What it says may be older than what a writer was told, and it refuses to create tokens.
///
/// Or it is one of a cluster, and is not asked as such: no look-up would succeed, since its keys have several slots.
pub(super) async fn identify(requests: &mut MultiplexedConnection, in_cluster: bool) -> RedisResult<Option<ServerIdentity>> {
    let mut pipeline = redis::pipe();
    // Two commands, since only Redis 7 takes two sections in one.
    pipeline.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    let info = match pipeline.query_async::<Vec<String>>(requests).await {
        Ok(sections) => sections.concat(),
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => return Ok(None),
        Err(error) => return Err(error),
    };
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    if field("role").is_some_and(|role| role != "master") {
        return Err((ErrorKind::Server(ServerErrorKind::ReadOnly), "this server is a replica").into());
    }
    if !in_cluster && field("redis_mode") == Some("cluster") {
        return Err((
            ErrorKind::InvalidClientConfig,
            "this server is one of a Redis Cluster: set REDIS_CLUSTER_NODES, or RedisAddress::Cluster",
        )
            .into());
    }
    Ok(identity(field("master_replid").unwrap_or_default(), field("run_id").unwrap_or_default()))
}

/// Neither id does alone: the run id can return after two failovers, the replication id after a restart from a snapshot.
fn identity(replication: &str, run: &str) -> Option<ServerIdentity> {
    if replication.is_empty() && run.is_empty() {
        return None;
    }
    let digest = Sha256::digest(format!("{replication}:{run}"));
    let mut identity = [0; 8];
    identity.copy_from_slice(&digest[..8]);
    Some(ServerIdentity(identity))
}

/// Whether the connection is broken, or leads to a server that is not (or no longer) the one to use, so that a new one must find out who answers.
pub(super) fn is_over(error: &RedisError) -> bool {
    let elsewhere = match error.kind() {
        ErrorKind::Io | ErrorKind::Parse | ErrorKind::AuthenticationFailed => true,
        ErrorKind::Server(kind) => matches!(kind, ServerErrorKind::ReadOnly | ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown),
        _ => false,
    };
    // Redis 6 wraps what a script's command answered.
    elsewhere
        || error.is_unrecoverable_error()
        || error.code() == Some("NOAUTH")
        || error.detail().is_some_and(|text| text.contains("READONLY"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ids_make_the_identity() {
        let identities = [identity("a", "b"), identity("a", "c"), identity("c", "b"), identity("a", ""), identity("", "a")];
        let distinct: std::collections::HashSet<_> = identities.into_iter().flatten().collect();
        assert_eq!(distinct.len(), 5);
        assert_eq!(identity("", ""), None);
    }
}
