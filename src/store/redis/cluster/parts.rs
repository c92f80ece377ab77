//! A look-up in a cluster: its keys by their slots, each part in one packet to the server that has the slot, all sent at once.

use super::super::answer::{array, entry, labels};
use super::super::connection::Connection;
use super::super::mirror::read_generations;
use super::super::request::{Packet, Place, Request};
use super::super::{RedisStore, set};
use super::{is_between, slot};
use crate::store::{CacheStore, Label, Lookup, StoreError};
use crate::tag::Tag;
use bytes::Bytes;
use futures_util::future::try_join_all;
use redis::Cmd;
use std::sync::Arc;
use std::time::Duration;

/// What one slot has of a look-up.
struct Part<'a> {
    slot: u16,
    entry: Option<&'a str>,
    tags: Vec<Tag>,
    generations: Vec<String>,
    /// Where the tags stand in the look-up.
    places: Vec<usize>,
}

/// What a part's server answered.
struct Seen {
    entry: Option<Bytes>,
    labels: Vec<Label>,
}

impl RedisStore {
    pub(in crate::store::redis) async fn look_up_across(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        self.read_across(Some(key), tags).await
    }

    /// Stores an entry and asks, at the same time, whether its generations still stand; see [`RedisStore::fill_and_mirror`].
    pub(in crate::store::redis) async fn fill_across(
        &self,
        key: &str,
        tags: &[Tag],
        entry: Bytes,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        let store = async {
            let request = Request::new("SET", Place::Key(key.as_bytes()), |_| Packet::Command(set(key, &entry, Some(ttl))));
            self.ask(&request).await.map(drop)
        };
        let (stored, read) = tokio::join!(store, self.read_across(None, tags));
        stored.and(read.map(drop))
    }

    async fn read_across(&self, key: Option<&str>, tags: &[Tag]) -> Result<Lookup, StoreError> {
        let parts = self.parts(key, tags);
        let seen = try_join_all(parts.iter().map(|part| self.read(part))).await?;
        let mut found = Lookup { entry: None, labels: vec![Label::Absent; tags.len()] };
        for (part, seen) in parts.iter().zip(seen) {
            found.entry = found.entry.or(seen.entry);
            for (place, label) in part.places.iter().zip(seen.labels) {
                found.labels[*place] = label;
            }
        }
        Ok(found)
    }

    fn parts<'a>(&self, key: Option<&'a str>, tags: &[Tag]) -> Vec<Part<'a>> {
        let part = |slot, entry| Part { slot, entry, tags: Vec::new(), generations: Vec::new(), places: Vec::new() };
        let mut parts: Vec<Part<'a>> = key.into_iter().map(|key| part(slot(key.as_bytes()), Some(key))).collect();
        for (place, tag) in tags.iter().enumerate() {
            let generation = self.keyspace.generation(tag);
            let slot = slot(generation.as_bytes());
            let index = parts.iter().position(|part| part.slot == slot).unwrap_or_else(|| {
                parts.push(part(slot, None));
                parts.len() - 1
            });
            parts[index].tags.push(tag.clone());
            parts[index].generations.push(generation);
            parts[index].places.push(place);
        }
        parts
    }

    async fn read(&self, part: &Part<'_>) -> Result<Seen, StoreError> {
        // Before anything is sent: what is dropped from now on is not mirrored.
        let observed = self.near.as_ref().filter(|_| !part.tags.is_empty()).map(|near| (near, near.observe(&part.tags)));
        let track = observed.as_ref().is_some_and(|(_, observed)| !observed.mirrored);
        let answer = if track { self.read_tracked(part).await } else { self.read_plainly(part).await };
        let (entry, labels, connection) = match answer {
            Err(error) if is_between(&error) => return self.read_each(part).await,
            answer => answer?,
        };
        if let (Some((near, observed)), Some(session)) = (&observed, &connection.session) {
            near.confirm(observed, &part.tags, &labels, session, track);
        }
        Ok(Seen { entry, labels })
    }

    async fn read_plainly(&self, part: &Part<'_>) -> Result<(Option<Bytes>, Vec<Label>, Arc<Connection>), StoreError> {
        let keys: Vec<&str> = part.entry.into_iter().chain(part.generations.iter().map(String::as_str)).collect();
        let arguments = |command: &mut Cmd| _ = command.arg(&keys);
        let (answer, connection) = self.ask(&Request::command("MGET", Place::Key(keys[0].as_bytes()), &arguments)).await?;
        let mut values = array(answer)?;
        let entry = part.entry.and_then(|_| entry(values.next()));
        Ok((entry, labels(values, part.tags.len(), connection.identity)?, connection))
    }

    async fn read_tracked(&self, part: &Part<'_>) -> Result<(Option<Bytes>, Vec<Label>, Arc<Connection>), StoreError> {
        let request = Request::new("MGET, MGET", Place::Key(part.generations[0].as_bytes()), |connection| {
            let mut pipeline = redis::pipe();
            if let Some(key) = part.entry {
                pipeline.cmd("MGET").arg(key);
            }
            read_generations(&mut pipeline, connection, &part.tags, &part.generations);
            Packet::Pipeline(pipeline)
        });
        let (answer, connection) = self.ask(&request).await?;
        let mut answers = array(answer)?;
        let entry = match part.entry {
            Some(_) => entry(array(answers.next().unwrap_or_default())?.next()),
            None => None,
        };
        let values = array(answers.next_back().unwrap_or_default())?;
        Ok((entry, labels(values, part.tags.len(), connection.identity)?, connection))
    }

    /// The slot is moving: each key is asked for alone, where it is, and nothing is mirrored.
    async fn read_each(&self, part: &Part<'_>) -> Result<Seen, StoreError> {
        let entry = match part.entry {
            Some(key) => {
                let arguments = |command: &mut Cmd| _ = command.arg(key);
                let (answer, _) = self.ask(&Request::command("MGET", Place::Key(key.as_bytes()), &arguments)).await?;
                entry(array(answer)?.next())
            }
            None => None,
        };
        let labels = try_join_all(part.tags.iter().map(|tag| self.label_of(tag))).await?;
        self.forget_near(&part.tags);
        Ok(Seen { entry, labels })
    }
}
