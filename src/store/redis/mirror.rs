//! Look-ups and fills, whose replies the near cache mirrors.

use super::answer::{array, entry, labels};
use super::connection::Connection;
use super::request::{Packet, Place, Request};
use super::tracking::caching;
use super::{RedisStore, set};
use crate::store::near::Near;
use crate::store::{Label, Lookup, StoreError};
use crate::tag::Tag;
use bytes::Bytes;
use redis::Value;
use std::sync::Arc;
use std::time::Duration;

impl RedisStore {
    /// Entry and generations by one MGET.
    pub(super) async fn look_up_plainly(&self, key: &str, tags: &[Tag]) -> Result<(Lookup, Arc<Connection>), StoreError> {
        let arguments = |command: &mut redis::Cmd| _ = command.arg(key).arg(self.generations(tags));
        let (answer, connection) = self.ask(&Request::command("MGET", Place::Key(key.as_bytes()), &arguments)).await?;
        let mut values = array(answer)?;
        let entry = entry(values.next());
        let labels = labels(values, tags.len(), connection.identity)?;
        Ok((Lookup { entry, labels }, connection))
    }

    /// The same, after which the generations are mirrored.
    pub(super) async fn look_up_and_mirror(&self, near: &Near, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        let observed = near.observe(tags);
        let (found, connection) = if observed.mirrored {
            self.look_up_plainly(key, tags).await?
        } else {
            let generations = self.generations(tags);
            // Two commands, since only the generations are to be tracked: the server remembers what it tracks.
            let request = Request::new("MGET, MGET", Place::Key(key.as_bytes()), |connection| {
                let mut pipeline = redis::pipe();
                pipeline.cmd("MGET").arg(key);
                read_generations(&mut pipeline, connection, tags, &generations);
                Packet::Pipeline(pipeline)
            });
            let (answer, connection) = self.ask(&request).await?;
            let mut answers = array(answer)?;
            let entry = entry(array(answers.next().unwrap_or_default())?.next());
            (Lookup { entry, labels: last_labels(answers, tags, &connection)? }, connection)
        };
        if let Some(session) = &connection.session {
            near.confirm(&observed, tags, &found.labels, session, !observed.mirrored);
        }
        Ok(found)
    }

    /// Stores an entry and asks, in the same round trip, whether its generations still stand: a reader who has seen something newer than what is mirrored must not
    /// be given the older thereafter.
    pub(super) async fn fill_and_mirror(
        &self,
        near: &Near,
        key: &str,
        tags: &[Tag],
        entry: Bytes,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        let observed = near.observe(tags);
        let (generations, bytes) = (self.generations(tags), &entry[..]);
        let request = Request::new("SET, MGET", Place::Key(key.as_bytes()), |connection| {
            let mut pipeline = redis::pipe();
            pipeline.add_command(set(key, bytes, Some(ttl)));
            read_generations(&mut pipeline, connection, tags, &generations);
            Packet::Pipeline(pipeline)
        });
        let (answer, connection) = self.ask(&request).await?;
        drop(request);
        let labels = last_labels(array(answer)?, tags, &connection)?;
        if let Some(session) = &connection.session {
            near.confirm(&observed, tags, &labels, session, true);
        }
        Ok(())
    }
}

/// Adds the reading of generations, tracked where the connection tracks.
pub(super) fn read_generations(pipeline: &mut redis::Pipeline, connection: &Connection, tags: &[Tag], generations: &[String]) {
    if let (Some(session), Some(tag)) = (&connection.session, tags.first()) {
        session.tracks(tag);
        caching(pipeline);
    }
    pipeline.cmd("MGET").arg(generations);
}

/// The labels in the last answer of a pipeline.
fn last_labels(
    mut answers: impl DoubleEndedIterator<Item = Value>,
    tags: &[Tag],
    connection: &Connection,
) -> Result<Vec<Label>, StoreError> {
    let values = answers.next_back().unwrap_or_default();
    labels(array(values)?, tags.len(), connection.identity)
}
