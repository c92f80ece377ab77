//! One round trip: how it is put together once it is known which connection will carry it, and how it is asked again.

use super::connection::{Connection, Slot, is_over};
use crate::store::StoreError;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Script, ServerErrorKind, Value};
use std::sync::Arc;

/// An operation, which can be put together again for another connection.
pub(super) struct Request<'a> {
    name: &'static str,
    script: Option<&'static Script>,
    build: Box<dyn Fn(&Connection) -> Packet + Send + Sync + 'a>,
}

/// What is written at once.
pub(super) enum Packet {
    Command(Cmd),
    /// Its answers are an array.
    Pipeline(Pipeline),
}

impl Packet {
    async fn send(&self, connection: &Connection) -> RedisResult<Value> {
        let mut requests = connection.requests.clone();
        match self {
            Self::Command(command) => command.query_async(&mut requests).await,
            Self::Pipeline(pipeline) => pipeline.query_async(&mut requests).await,
        }
    }
}

impl<'a> Request<'a> {
    pub(super) fn new(name: &'static str, build: impl Fn(&Connection) -> Packet + Send + Sync + 'a) -> Self {
        Self { name, script: None, build: Box::new(build) }
    }

    pub(super) fn command(name: &'static str, arguments: &'a (dyn Fn(&mut Cmd) + Send + Sync)) -> Self {
        Self::new(name, move |_| {
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
        Self { name: "EVALSHA", script: Some(script), build: Box::new(build) }
    }

    /// Asks, on a new connection if there is none, and once more if the one that was there turns out to be dead: every request may be repeated.
    pub(super) async fn exchange(
        &self,
        slot: &Arc<Slot>,
        used: &mut Option<Arc<Connection>>,
    ) -> Result<(Value, Arc<Connection>), StoreError> {
        let mut repeated = false;
        loop {
            *used = None;
            let connection = slot.get().await?;
            *used = Some(Arc::clone(&connection));
            match self.send(&connection).await {
                Ok(answer) => return Ok((answer, connection)),
                Err(error) => {
                    if is_over(&error) {
                        slot.forget(&connection);
                    }
                    // Typical of a restarted server, or of a proxy that closes idle connections.
                    if !repeated && error.is_connection_dropped() {
                        repeated = true;
                        continue;
                    }
                    tracing::trace!(request = self.name, %error, "Redis refused");
                    return Err(backend(error));
                }
            }
        }
    }

    async fn send(&self, connection: &Connection) -> RedisResult<Value> {
        let packet = (self.build)(connection);
        let answer = packet.send(connection).await;
        match (self.script, answer) {
            // First use, or a server that was restarted or flushed.
            (Some(script), Err(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                script.load_async(&mut connection.requests.clone()).await?;
                packet.send(connection).await
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
