//! One round trip: how it is put together once it is known which connection will carry it, and how it is asked again.

use super::cluster::Node;
use super::connection::{Connection, Slot, is_over};
use crate::store::StoreError;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Script, ServerErrorKind, Value};
use std::sync::Arc;

/// An operation, which can be put together again for another connection.
pub(super) struct Request<'a> {
    name: &'static str,
    pub(super) place: Place<'a>,
    script: Option<&'static Script>,
    repeatable: bool,
    build: Box<dyn Fn(&Connection) -> Packet + Send + Sync + 'a>,
}

/// Which server of a cluster is asked. Without a cluster there is only one.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// The one that has this key.
    Key(&'a [u8]),
    /// This one.
    Node(&'a Arc<Node>),
}

/// What is written at once.
pub(super) enum Packet {
    Command(Cmd),
    /// Its answers are an array.
    Pipeline(Pipeline),
}

impl Packet {
    async fn send(&self, connection: &Connection, asking: bool) -> RedisResult<Value> {
        let mut requests = connection.requests.clone();
        match self {
            Self::Command(command) if asking => {
                // In one piece, since ASKING is about whatever comes next on the connection.
                let mut pipeline = redis::pipe();
                pipeline.cmd("ASKING").add_command(command.clone()).ignore_errors();
                let (asked, answer): (RedisResult<Value>, RedisResult<Value>) = pipeline.query_async(&mut requests).await?;
                // Without the right to ask, the command's own answer points back to where it came from.
                asked.and(answer)
            }
            Self::Command(command) => command.query_async(&mut requests).await,
            // ASKING is good for one command, and CLIENT CACHING wants to stand before it, too: whoever sent this sends its keys one by one.
            Self::Pipeline(_) if asking => Err((ErrorKind::Server(ServerErrorKind::TryAgain), "the slot is moving").into()),
            Self::Pipeline(pipeline) => pipeline.query_async(&mut requests).await.map_err(first),
        }
    }
}

/// A pipeline's error as that of the first command that failed: it has what a redirection needs.
fn first(error: RedisError) -> RedisError {
    let first = error.clone().into_server_errors().and_then(|errors| errors.first().map(|(_, error)| error.clone().into()));
    first.unwrap_or(error)
}

impl<'a> Request<'a> {
    /// All keys of a packet share a slot.
    pub(super) fn new(name: &'static str, place: Place<'a>, build: impl Fn(&Connection) -> Packet + Send + Sync + 'a) -> Self {
        Self { name, place, script: None, repeatable: true, build: Box::new(build) }
    }

    pub(super) fn command(name: &'static str, place: Place<'a>, arguments: &'a (dyn Fn(&mut Cmd) + Send + Sync)) -> Self {
        Self::new(name, place, move |_| {
            let mut command = redis::cmd(name);
            arguments(&mut command);
            Packet::Command(command)
        })
    }

    pub(super) fn script<K: AsRef<[u8]> + Sync>(
        script: &'static Script,
        keys: &'a [K],
        arguments: &'a (dyn Fn(&mut Cmd, &Connection) + Send + Sync),
    ) -> Self {
        let build = move |connection: &Connection| {
            let mut command = redis::cmd("EVALSHA");
            command.arg(script.get_hash()).arg(keys.len());
            for key in keys {
                command.arg(key.as_ref());
            }
            arguments(&mut command, connection);
            Packet::Command(command)
        };
        let place = Place::Key(keys.first().map(AsRef::as_ref).unwrap_or_default());
        Self { name: "EVALSHA", place, script: Some(script), repeatable: true, build: Box::new(build) }
    }

    /// The same, but never sent twice: it adds to what it finds.
    pub(super) fn once(self) -> Self {
        Self { repeatable: false, ..self }
    }

    /// Asks, on a new connection if there is none, and once more if the one that was there turns out to be dead and the request may be repeated.
    /// `asking` tells a server of a cluster that it was named for a slot which is on its way to it.
    pub(super) async fn exchange(
        &self,
        slot: &Arc<Slot>,
        asking: bool,
        used: &mut Option<Arc<Connection>>,
    ) -> Result<(Value, Arc<Connection>), StoreError> {
        let mut repeated = false;
        loop {
            *used = None;
            let connection = slot.get().await?;
            *used = Some(Arc::clone(&connection));
            match self.send(&connection, asking).await {
                Ok(answer) => return Ok((answer, connection)),
                Err(error) => {
                    if is_over(&error) {
                        slot.forget(&connection);
                    }
                    // Typical of a restarted server, or of a proxy that closes idle connections.
                    if self.repeatable && !repeated && error.is_connection_dropped() {
                        repeated = true;
                        continue;
                    }
                    tracing::trace!(request = self.name, %error, "Redis refused");
                    return Err(backend(error));
                }
            }
        }
    }

    async fn send(&self, connection: &Connection, asking: bool) -> RedisResult<Value> {
        let packet = (self.build)(connection);
        let answer = packet.send(connection, asking).await;
        match (self.script, answer) {
            // First use, or a server that was restarted or flushed.
            (Some(script), Err(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                script.load_async(&mut connection.requests.clone()).await?;
                packet.send(connection, asking).await
            }
            (_, answer) => answer,
        }
    }
}

pub(super) fn backend(error: RedisError) -> StoreError {
    if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) && !is_over(&error) {
        return StoreError::Refused(Box::new(error));
    }
    StoreError::Backend(Box::new(error))
}
