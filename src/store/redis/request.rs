//! One request, from its parts to its answer.

use super::cluster::Node;
use super::connection::{Connection, Slot, is_over};
use crate::store::StoreError;
use crate::tag::ServerIdentity;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Script, ServerErrorKind, Value};
use std::sync::Arc;

/// An operation: how to put the command together once it is known which server will get it, so that it can be asked again.
pub(super) struct Request<'a> {
    name: &'static str,
    pub(super) place: Place<'a>,
    script: Option<&'static Script>,
    build: Box<dyn Fn(ServerIdentity) -> Cmd + Send + Sync + 'a>,
}

/// Which server of a cluster is asked. Without a cluster there is only one.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// The one that has this key.
    Key(&'a [u8]),
    /// This one.
    Node(&'a Arc<Node>),
}

impl<'a> Request<'a> {
    pub(super) fn command(name: &'static str, place: Place<'a>, arguments: &'a (dyn Fn(&mut Cmd) + Send + Sync)) -> Self {
        let build = move |_| {
            let mut command = redis::cmd(name);
            arguments(&mut command);
            command
        };
        Self { name, place, script: None, build: Box::new(build) }
    }

    /// The keys, of which there is at least one, share a slot.
    pub(super) fn script<K: AsRef<[u8]> + Sync>(
        script: &'static Script,
        keys: &'a [K],
        arguments: &'a (dyn Fn(&mut Cmd, ServerIdentity) + Send + Sync),
    ) -> Self {
        let build = move |identity| {
            let mut command = redis::cmd("EVALSHA");
            command.arg(script.get_hash()).arg(keys.len());
            for key in keys {
                command.arg(key.as_ref());
            }
            arguments(&mut command, identity);
            command
        };
        let place = Place::Key(keys.first().map(AsRef::as_ref).unwrap_or_default());
        Self { name: "EVALSHA", place, script: Some(script), build: Box::new(build) }
    }
}

/// Asks, on a new connection if there is none, and once more if the one that was there turns out to be dead: every request may be repeated.
/// `asking` tells a server of a cluster that it was named for a slot which is on its way to it.
pub(super) async fn exchange(
    slot: &Arc<Slot>,
    request: &Request<'_>,
    asking: bool,
    used: &mut Option<Arc<Connection>>,
) -> Result<(Value, ServerIdentity), StoreError> {
    let mut repeated = false;
    loop {
        *used = None;
        let connection = slot.get().await?;
        *used = Some(Arc::clone(&connection));
        match send(&connection, request, asking).await {
            Ok(answer) => return Ok((answer, connection.identity)),
            Err(error) => {
                if is_over(&error) {
                    slot.forget(&connection);
                }
                // Typical of a restarted server, or of a proxy that closes idle connections.
                if !repeated && error.is_connection_dropped() {
                    repeated = true;
                    continue;
                }
                tracing::trace!(request = request.name, %error, "Redis refused");
                return Err(backend(error));
            }
        }
    }
}

async fn send(connection: &Connection, request: &Request<'_>, asking: bool) -> RedisResult<Value> {
    let mut requests = connection.requests.clone();
    let command = (request.build)(connection.identity);
    let answer = query(&command, asking, &mut requests).await;
    match (request.script, answer) {
        // First use, or a server that was restarted or flushed.
        (Some(script), Err(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            script.load_async(&mut requests).await?;
            query(&command, asking, &mut requests).await
        }
        (_, answer) => answer,
    }
}

async fn query(command: &Cmd, asking: bool, requests: &mut MultiplexedConnection) -> RedisResult<Value> {
    if !asking {
        return command.query_async(requests).await;
    }
    // In one piece, since ASKING is about whatever comes next on the connection.
    let mut pipeline = redis::pipe();
    pipeline.cmd("ASKING").add_command(command.clone()).ignore_errors();
    let mut answers: Vec<RedisResult<Value>> = pipeline.query_async(requests).await?;
    answers.pop().unwrap_or_else(|| Err((ErrorKind::UnexpectedReturnType, "ASKING: no answer").into()))
}

pub(super) fn backend(error: RedisError) -> StoreError {
    StoreError::Backend(Box::new(error))
}
