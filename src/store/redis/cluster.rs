//! A Redis Cluster: each request goes to the server that has its key's slot.
//!
//! The topology is learned from CLUSTER SLOTS at the first use, and anew when a server is lost, is no longer a master or does not answer in time. MOVED corrects
//! it at once, ASK for one request. All of that happens within the deadline of the operation that ran into it.
//!
//! The driver's own cluster connection is not used: it does not tell which server answered, and every token is judged by that server's identity. A
//! slot that moved to another server, or a replica that was promoted, brings tokens of the former server along: they are misses.

mod across;
mod parts;
mod topology;

pub(super) use self::topology::{Topology, slot};

use super::config::Access;
use super::connection::{Connection, Pool, Slot, Source, is_over, without_times};
use super::request::{Place, Request};
use super::tracking::Tracking;
use crate::store::StoreError;
use arc_swap::ArcSwapOption;
use futures_util::stream::{self, StreamExt};
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

pub(super) type Address = (String, u16);

/// The topology is learned no more often than this: a dead server costs those who ask for its slots nothing but the first attempt.
const PAUSE: Duration = Duration::from_millis(100);

/// How many servers are asked for the topology at a time: one that hangs doesn't hold up the others.
const ASKED_AT_ONCE: usize = 3;

/// Redirections that a request follows.
const REDIRECTIONS: usize = 5;

/// A master.
pub(super) struct Node {
    address: Address,
    pub(super) pool: Pool,
}

pub(super) struct Cluster {
    access: Access,
    seeds: Vec<Address>,
    tracking: Option<Arc<Tracking>>,
    connections: usize,
    connect_timeout: Duration,
    topology: ArcSwapOption<Topology>,
    /// Every change of the topology happens under it; the nodes' connections live as long as one of them is in use.
    nodes: Mutex<Vec<Arc<Node>>>,
    /// Held while the topology is being learned: once for all who want it.
    learning: tokio::sync::Mutex<()>,
    /// When it was last tried, and what went wrong.
    tried: Mutex<Option<(Instant, Option<Arc<str>>)>>,
    /// Whether a task is about to learn it.
    pending: AtomicBool,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the cluster's slots can't be learned: {0}")]
    Unlearned(Arc<str>),
    #[error("nobody has slot {0}")]
    Uncovered(u16),
    #[error("too many redirections")]
    Redirections,
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        Self::Backend(Box::new(trouble))
    }
}

/// What a request was about when its time was up.
#[derive(Default)]
struct Underway {
    slot: Option<Arc<Slot>>,
    used: Option<Arc<Connection>>,
}

impl Cluster {
    pub(super) fn new(
        seeds: Vec<Address>,
        access: Access,
        tracking: Option<Arc<Tracking>>,
        connections: usize,
        connect_timeout: Duration,
    ) -> Self {
        Self {
            access,
            seeds,
            tracking,
            connections,
            connect_timeout,
            topology: ArcSwapOption::empty(),
            nodes: Mutex::default(),
            learning: tokio::sync::Mutex::default(),
            tried: Mutex::default(),
            pending: AtomicBool::new(false),
        }
    }

    /// Asks whoever has the slot, within the deadline.
    pub(super) async fn ask(self: &Arc<Self>, request: &Request<'_>, limit: Duration) -> Result<(Value, Arc<Connection>), StoreError> {
        let mut underway = Underway::default();
        if let Ok(answer) = timeout(limit, self.exchange(request, &mut underway)).await {
            return answer;
        }
        if let Some(slot) = underway.slot {
            slot.timed_out(underway.used.as_ref());
        }
        self.learn_later();
        Err(StoreError::Deadline(limit))
    }

    async fn exchange(self: &Arc<Self>, request: &Request<'_>, underway: &mut Underway) -> Result<(Value, Arc<Connection>), StoreError> {
        let topology = self.topology().await?;
        let (slot, mut node) = match request.place {
            Place::Node(node) => (None, Arc::clone(node)),
            Place::Key(key) => {
                let slot = slot(key);
                (Some(slot), Arc::clone(topology.owner(slot).ok_or(Trouble::Uncovered(slot))?))
            }
        };
        let (mut asking, mut learned) = (false, false);
        for _ in 0..REDIRECTIONS {
            let at = Arc::clone(node.pool.slot());
            underway.slot = Some(Arc::clone(&at));
            let error = match request.exchange(&at, asking, &mut underway.used).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // A request to a server of its own is about that server.
            let Some(slot) = slot else { return Err(error) };
            if let Some((to, ask)) = redirected(&error, &node.address.0) {
                // ASK is about this request alone: the slot is on its way, and keys that are still there are not asked for elsewhere.
                node = if ask { self.node(&to) } else { self.moved(slot, &to) };
                asking = ask;
            } else if !learned && is_elsewhere(&error) {
                learned = true;
                let owner = self.learn(&topology).await?.owner(slot).cloned().ok_or(Trouble::Uncovered(slot))?;
                if Arc::ptr_eq(&owner, &node) {
                    return Err(error);
                }
                (node, asking) = (owner, false);
            } else {
                return Err(error);
            }
        }
        Err(Trouble::Redirections.into())
    }

    pub(super) async fn topology(self: &Arc<Self>) -> Result<Arc<Topology>, StoreError> {
        match self.topology.load_full() {
            Some(topology) => Ok(topology),
            None => self.learned(None).await,
        }
    }

    /// The same for those who ask without a deadline of their own.
    pub(super) async fn topology_within(self: &Arc<Self>, limit: Duration) -> Result<Arc<Topology>, StoreError> {
        timeout(limit, self.topology()).await.unwrap_or(Err(StoreError::Deadline(limit)))
    }

    /// Passes an answer of one of the masters on. Where there is none, who the masters are is found out in the background.
    pub(super) fn noted<T>(self: &Arc<Self>, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if answer.is_err() {
            self.learn_later();
        }
        answer
    }

    /// A topology that is newer than this one, or the same where it was learned just now.
    async fn learn(self: &Arc<Self>, known: &Arc<Topology>) -> Result<Arc<Topology>, StoreError> {
        self.learned(Some(Arc::clone(known))).await
    }

    /// On a task of its own: where learning takes longer than an operation may, a later operation finds it done.
    async fn learned(self: &Arc<Self>, known: Option<Arc<Topology>>) -> Result<Arc<Topology>, StoreError> {
        tokio::spawn(Arc::clone(self).learn_now(known)).await.map_err(|error| StoreError::Backend(error.into()))?
    }

    async fn learn_now(self: Arc<Self>, known: Option<Arc<Topology>>) -> Result<Arc<Topology>, StoreError> {
        let _one_at_a_time = self.learning.lock().await;
        let current = self.topology.load_full();
        let is_newer = |current: &Arc<Topology>| known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, current));
        if let Some(current) = current.as_ref().filter(|current| is_newer(current)) {
            return Ok(Arc::clone(current));
        }
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let reason = match tried.filter(|(at, _)| at.elapsed() < PAUSE) {
            Some((_, reason)) => reason,
            None => {
                let answer = self.ask_for_ranges(current.as_deref()).await;
                let reason = answer.as_ref().err().map(|error| Arc::from(error.to_string()));
                *self.tried.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), reason.clone()));
                if let Ok(ranges) = answer {
                    return Ok(self.adopt(ranges));
                }
                reason
            }
        };
        match (current, reason) {
            (Some(current), None) => Ok(current),
            (_, reason) => Err(Trouble::Unlearned(reason.unwrap_or_default()).into()),
        }
    }

    /// Learns the topology in the background, as soon as that may be done again.
    fn learn_later(self: &Arc<Self>) {
        if self.pending.swap(true, SeqCst) {
            return;
        }
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            let tried = cluster.tried.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(at, _)| *at);
            if let Some(at) = tried {
                sleep_until(at + PAUSE).await;
            }
            // What happens from here on is not known to the attempt.
            cluster.pending.store(false, SeqCst);
            let known = cluster.topology.load_full();
            if let Err(error) = cluster.learn_now(known).await {
                tracing::debug!(%error, "the cluster's topology");
            }
        });
    }

    /// Asks servers that are, or were, in the cluster; the first sound answer counts. Should it be an old one, redirections put it right.
    async fn ask_for_ranges(&self, topology: Option<&Topology>) -> RedisResult<Vec<topology::Range>> {
        let known = topology.map(Topology::known).unwrap_or_default();
        let mut addresses: Vec<Address> = known.iter().chain(self.seeds.iter().filter(|seed| !known.contains(seed))).cloned().collect();
        // Anyone's turn may be the first: the one that was asked last may be the one that is gone.
        let shift = rand::random_range(0..addresses.len().max(1));
        addresses.rotate_left(shift);
        let mut answers = stream::iter(addresses.into_iter().map(|address| async move {
            let answer = timeout(self.connect_timeout, self.ask_one_for_ranges(&address)).await;
            answer.unwrap_or_else(|_| Err((ErrorKind::Io, "no answer in time").into()))
        }))
        .buffer_unordered(ASKED_AT_ONCE);
        let mut refusal = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(ranges) => return Ok(ranges),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.unwrap_or_else(|| (ErrorKind::InvalidClientConfig, "there is nobody to ask").into()))
    }

    async fn ask_one_for_ranges(&self, (host, port): &Address) -> RedisResult<Vec<topology::Range>> {
        let mut connection = self.access.client(host, *port)?.get_multiplexed_async_connection_with_config(&without_times()).await?;
        let answer: Value = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
        topology::ranges(&answer, host)
            .map_err(|reason| RedisError::from((ErrorKind::UnexpectedReturnType, "CLUSTER SLOTS", reason.to_owned())))
    }

    /// Nodes that are there keep their connections, and those that are no longer masters lose them.
    fn adopt(&self, ranges: Vec<topology::Range>) -> Arc<Topology> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let topology = Arc::new(Topology::new(ranges, |address| self.node_among(&mut nodes, address)));
        *nodes = topology.nodes().to_vec();
        self.topology.store(Some(Arc::clone(&topology)));
        topology
    }

    /// Corrects the topology by a MOVED; what else is new is learned in the background.
    fn moved(self: &Arc<Self>, slot: u16, to: &Address) -> Arc<Node> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let node = self.node_among(&mut nodes, to);
        if let Some(topology) = self.topology.load_full()
            && !topology.owner(slot).is_some_and(|owner| Arc::ptr_eq(owner, &node))
        {
            tracing::info!(slot, to = %format_args!("{}:{}", to.0, to.1), "a slot of the cluster has moved");
            self.topology.store(Some(Arc::new(topology.moved(slot, to, |_| Arc::clone(&node)))));
            self.learn_later();
        }
        node
    }

    fn node(&self, address: &Address) -> Arc<Node> {
        self.node_among(&mut self.nodes.lock().unwrap_or_else(PoisonError::into_inner), address)
    }

    fn node_among(&self, nodes: &mut Vec<Arc<Node>>, address: &Address) -> Arc<Node> {
        if let Some(node) = nodes.iter().find(|node| node.address == *address) {
            return Arc::clone(node);
        }
        let source = Source::Node(self.access.clone(), address.clone());
        let node = Arc::new(Node {
            address: address.clone(),
            pool: Pool::new(source, self.tracking.clone(), self.connections, self.connect_timeout),
        });
        nodes.push(Arc::clone(&node));
        node
    }
}

/// The driver's error, if it is one.
fn refusal(error: &StoreError) -> Option<&RedisError> {
    match error {
        StoreError::Backend(error) => error.downcast_ref(),
        _ => None,
    }
}

/// Where a redirection points to, and whether for this request only.
fn redirected(error: &StoreError, asked: &str) -> Option<(Address, bool)> {
    let error = refusal(error)?;
    let (to, _) = error.redirect_node()?;
    Some((topology::redirection(to, asked)?, error.kind() == ErrorKind::Server(ServerErrorKind::Ask)))
}

/// Whether a newer topology could know better: the server is gone, or is not (or no longer) the one to ask.
fn is_elsewhere(error: &StoreError) -> bool {
    match refusal(error) {
        Some(error) => is_over(error) || error.kind() == ErrorKind::Server(ServerErrorKind::ClusterDown),
        None => matches!(error, StoreError::Backend(_)),
    }
}

/// The slot is on its way to another server, and the keys of a request with several are not all in one place.
pub(super) fn is_between(error: &StoreError) -> bool {
    refusal(error).is_some_and(|error| error.kind() == ErrorKind::Server(ServerErrorKind::TryAgain))
}
