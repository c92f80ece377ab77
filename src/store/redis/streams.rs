//! What a durable queue asks for: commands of its own, by the store's connections, deadlines and redirections.

use super::connection::Connection;
use super::request::{Packet, Place, Request, backend};
use super::{RedisStore, array};
use crate::store::StoreError;
use redis::{Cmd, Pipeline, RedisError, Script, Value};
use std::sync::LazyLock;
use std::time::Duration;

/// Adds to a stream what keeps it within its bound, or nothing.
static PUSH_WITHIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("push_within.lua")));

impl RedisStore {
    /// How long an operation may take.
    pub(crate) fn patience(&self) -> Duration {
        self.timeout
    }

    /// One command about this key. It is sent again where its connection turns out to be dead, so it may be done twice.
    pub(crate) async fn command(&self, name: &'static str, key: &str, command: &Cmd) -> Result<Value, StoreError> {
        let build = |_: &Connection| Packet::Command(command.clone());
        self.ask(&Request::new(name, Place::Key(key.as_bytes()), build)).await.map(|(answer, _)| answer)
    }

    /// Several commands about keys of one slot, by the same rule; their answers in order.
    pub(crate) async fn commands(&self, name: &'static str, key: &str, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let build = |_: &Connection| Packet::Pipeline(pipeline.clone());
        let (answer, _) = self.ask(&Request::new(name, Place::Key(key.as_bytes()), build)).await?;
        array(answer).map(Iterator::collect)
    }

    /// Adds entries of so many words each to a stream, unless it would then have more than `most`: then none, and the answer is false.
    pub(crate) async fn push_within(&self, key: &str, most: u64, words: usize, entries: &[&[u8]]) -> Result<bool, StoreError> {
        let arguments = |command: &mut Cmd, _: &Connection| _ = command.arg(most).arg(words).arg(entries);
        let (answer, _) = self.ask(&Request::script(&PUSH_WITHIN, &[key], &arguments)).await?;
        Ok(answer == Value::Int(1))
    }

    /// The same of what went wrong on a connection of the caller's own.
    pub(crate) fn error(error: RedisError) -> StoreError {
        backend(error)
    }
}
