//! Client tracking (RESP3, OPTIN): the server pushes to a connection which of the keys that were asked for over it have changed.
//!
//! Source: <https://redis.io/docs/latest/develop/reference/client-side-caching/>. The heartbeat needs neither a channel nor a second connection: a key of its own is
//! tracked and then set, and the push that tells so comes after everything that the server pushed before.

use crate::key::Keyspace;
use crate::store::near::{Near, Session};
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, PushInfo, PushKind, RedisResult, ServerErrorKind, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// Heartbeats in the time that one is good for: one may be late, and none is missed.
const BEATS: u32 = 3;

/// What makes a connection a session of the near cache.
#[derive(Debug)]
pub(super) struct Tracking {
    pub(super) near: Arc<Near>,
    keyspace: Keyspace,
    bound: Duration,
    /// So that a missing permission is said once.
    warned: AtomicBool,
}

impl Tracking {
    pub(super) fn new(near: Arc<Near>, keyspace: Keyspace, bound: Duration) -> Self {
        Self { near, keyspace, bound, warned: AtomicBool::new(false) }
    }

    /// Why near hits can't be had is said once.
    pub(super) fn warn(&self, error: &dyn std::fmt::Display) {
        if !self.warned.swap(true, Relaxed) {
            tracing::warn!(%error, "this Redis, or this user's rights, don't allow client tracking: there is no near cache, and every hit asks Redis");
        }
    }

    /// Takes what is pushed. It runs where the connection is read, before any later answer is given to whoever waits for it.
    pub(super) fn receiver(self: &Arc<Self>, session: Arc<Session>) -> impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static {
        let tracking = Arc::clone(self);
        move |push| {
            match push.kind {
                PushKind::Disconnection => tracking.near.end(&session),
                PushKind::Invalidate => match push.data.into_iter().next() {
                    Some(Value::Array(keys)) => keys.into_iter().for_each(|key| tracking.changed(&session, &key)),
                    // FLUSHALL, or something that isn't understood.
                    _ => tracking.near.drop_everything(),
                },
                _ => {}
            }
            Ok(())
        }
    }

    fn changed(&self, session: &Session, key: &Value) {
        let Value::BulkString(key) = key else { return self.near.drop_everything() };
        if session.came_back(key) {
            return;
        }
        // Else a heartbeat's that is over.
        if let Some(tag) = self.keyspace.tag_of_generation(key) {
            self.near.drop_tags(&[tag]);
        }
    }

    /// Switches it on for a new connection.
    pub(super) async fn begin(self: &Arc<Self>, requests: &mut MultiplexedConnection, session: &Arc<Session>) -> RedisResult<()> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("CLIENT").arg("TRACKING").arg("ON").arg("OPTIN");
        // So that a missing right is found out here, and not by every look-up.
        caching(&mut pipeline);
        pipeline.exec_async(requests).await?;
        tokio::spawn(Arc::clone(self).beat(Arc::clone(session), requests.clone()));
        Ok(())
    }

    /// Sends heartbeats while somebody wants them, until the session ends.
    async fn beat(self: Arc<Self>, session: Arc<Session>, mut requests: MultiplexedConnection) {
        let life = self.bound * 10;
        for number in 0.. {
            let Some(anchor) = session.wanted().await else { return };
            let key = self.keyspace.heartbeat(anchor, session.id, number);
            session.sends(&key);
            let mut pipeline = redis::pipe();
            caching(&mut pipeline);
            pipeline.cmd("MGET").arg(&key).cmd("SET").arg(&key).arg("").arg("PX").arg(super::millis(life));
            // A server that is full, hangs or became a replica: near hits end, since nothing comes back.
            if let Ok(Err(error)) = tokio::time::timeout(life, pipeline.exec_async(&mut requests)).await {
                tracing::debug!(%error, "a heartbeat of the near cache was refused");
                match error.kind() {
                    ErrorKind::Server(ServerErrorKind::NoPerm) => self.warn(&error),
                    // The tag's slot went to another server of the cluster, or this one is no longer a master. The next connection finds another tag.
                    ErrorKind::Server(ServerErrorKind::Moved) => self.near.end(&session),
                    _ => {}
                }
            }
            tokio::time::sleep(self.bound / BEATS).await;
        }
    }
}

/// The command after this one is tracked: it must follow in the same write.
pub(super) fn caching(pipeline: &mut redis::Pipeline) {
    pipeline.cmd("CLIENT").arg("CACHING").arg("YES");
}
