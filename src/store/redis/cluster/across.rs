//! Operations over tags whose keys are on several servers: one request a tag or slot, all sent at once.
//!
//! **Nothing need be atomic over several tags.** A look-up that began at instant t sees each label at an instant of its own, t or later. An entry is a hit
//! if each of the generations it was read under stands at its instant; since no generation returns, it also stood at t, and so did all of them together: the
//! rows are what the database would have answered at t. A permit is made of generations seen before the database is read, whenever each was seen: a write
//! that began since then has taken its own along. Of a write every `begin` is confirmed before the commit, and no `end` is sent before it.
//!
//! **While a slot moves**, its keys go over one by one. A request with one key is redirected to where the key is; one with several is refused (TRYAGAIN)
//! unless all of them exist in one place. So a look-up then asks for each key alone; `begin` enters the fence and then sets the marker, and `end` leaves
//! the fence and then removes the generation, which other writers' fences make up for: `create`, which looks at both, is refused, and counts as fenced.

use super::super::answer::{FENCED, creations, label, millis};
use super::super::request::{Place, Request};
use super::super::{BEGIN, BEGIN_ALONE, CREATE, END, GENERATION_LIFE, MARKER_LIFE, RedisStore, marker_life};
use super::{is_between, slot};
use crate::store::{Creation, FenceId, Label, Lookup, StoreError};
use crate::tag::{Generation, ServerIdentity, Tag};
use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use redis::{Cmd, Value};
use std::time::Duration;

impl RedisStore {
    pub(in crate::store::redis) async fn look_up_across(&self, key: &str, tags: &[Tag]) -> Result<Lookup, StoreError> {
        let keys: Vec<String> = std::iter::once(key.to_owned()).chain(tags.iter().map(|tag| self.keyspace.generation(tag))).collect();
        let mut by_slot: Vec<(u16, Vec<usize>)> = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let slot = slot(key.as_bytes());
            match by_slot.iter_mut().find(|(other, _)| *other == slot) {
                Some((_, places)) => places.push(index),
                None => by_slot.push((slot, vec![index])),
            }
        }
        let mut entry = None;
        let mut labels = vec![Label::Absent; tags.len()];
        for (places, answer) in try_join_all(by_slot.iter().map(|(_, places)| self.values(&keys, places))).await?.into_iter().flatten() {
            let (values, identity) = answer;
            for (place, value) in places.into_iter().zip(values) {
                match place.checked_sub(1) {
                    Some(tag) => labels[tag] = label(&value, identity),
                    None => entry = if let Value::BulkString(bytes) = value { Some(Bytes::from(bytes)) } else { None },
                }
            }
        }
        Ok(Lookup { entry, labels })
    }

    /// The values at some of the keys, which share a slot, with the identity of the server that answered: more than one where the slot is moving.
    async fn values(&self, keys: &[String], places: &[usize]) -> Result<Vec<(Vec<usize>, (Vec<Value>, ServerIdentity))>, StoreError> {
        match self.values_in_one(keys, places).await {
            Err(error) if is_between(&error) => {
                let each = places.iter().map(|place| async {
                    let place = [*place];
                    Ok((place.to_vec(), self.values_in_one(keys, &place).await?))
                });
                try_join_all(each).await
            }
            answer => Ok(vec![(places.to_vec(), answer?)]),
        }
    }

    async fn values_in_one(&self, keys: &[String], places: &[usize]) -> Result<(Vec<Value>, ServerIdentity), StoreError> {
        let arguments = |command: &mut Cmd| {
            for place in places {
                command.arg(&keys[*place]);
            }
        };
        let (answer, identity) = self.ask(&Request::command("MGET", Place::Key(keys[places[0]].as_bytes()), &arguments)).await?;
        match answer {
            Value::Array(values) if values.len() == places.len() => Ok((values, identity)),
            _ => Err(StoreError::Protocol("MGET: not as many values as keys".into())),
        }
    }

    pub(in crate::store::redis) async fn create_across(&self, tags: &[Tag]) -> Result<Vec<Creation>, StoreError> {
        try_join_all(tags.iter().map(|tag| self.create_one(tag))).await
    }

    async fn create_one(&self, tag: &Tag) -> Result<Creation, StoreError> {
        let arguments = |command: &mut Cmd, identity: ServerIdentity| {
            command.arg(&identity.0).arg(millis(GENERATION_LIFE)).arg(&Generation::fresh(identity).0);
        };
        match self.ask(&Request::script(&CREATE, &self.script_keys(std::slice::from_ref(tag)), &arguments)).await {
            Ok((answer, _)) => creations(answer, 1)?.pop().ok_or_else(|| StoreError::Protocol("create.lua: no answer".into())),
            Err(error) if is_between(&error) => Ok(Creation::Fenced),
            Err(error) => Err(error),
        }
    }

    /// Every tag's fence is tried, whatever becomes of the others.
    pub(in crate::store::redis) async fn begin_across(&self, tags: &[Tag], id: &FenceId, lease: Duration) -> Result<(), StoreError> {
        join_all(tags.iter().map(|tag| self.begin_one(tag, id, lease))).await.into_iter().collect()
    }

    async fn begin_one(&self, tag: &Tag, id: &FenceId, lease: Duration) -> Result<(), StoreError> {
        let keys = self.script_keys(std::slice::from_ref(tag));
        let marker = millis(marker_life(lease));
        let arguments = |command: &mut Cmd, _| _ = command.arg(&id.0).arg(millis(lease)).arg(marker);
        match self.ask(&Request::script(&BEGIN, &keys, &arguments)).await {
            Err(error) if is_between(&error) => {}
            answer => return answer.map(drop),
        }
        // The fence first: from then on no generation is created.
        let arguments = |command: &mut Cmd, _| _ = command.arg(&id.0).arg(millis(lease));
        self.ask(&Request::script(&BEGIN_ALONE, &keys[1..], &arguments)).await?;
        let arguments = |command: &mut Cmd| _ = command.arg(&keys[0]).arg(FENCED).arg("PX").arg(marker);
        self.ask(&Request::command("SET", Place::Key(keys[0].as_bytes()), &arguments)).await.map(drop)
    }

    /// Every tag's fence is left, whatever becomes of the others. The schema's generation is looked at after the commit, and after its own fence.
    pub(in crate::store::redis) async fn end_across(&self, tags: &[Tag], id: &FenceId) -> Result<Label, StoreError> {
        let schema = Tag::schema();
        let others = join_all(tags.iter().filter(|tag| **tag != schema).map(|tag| self.end_one(tag, id)));
        let schema = async {
            if tags.contains(&schema) {
                return self.end_one(&schema, id).await;
            }
            self.label_of(&schema).await
        };
        let (others, schema) = tokio::join!(others, schema);
        others.into_iter().collect::<Result<Vec<_>, _>>()?;
        schema
    }

    /// Answers what stands then.
    async fn end_one(&self, tag: &Tag, id: &FenceId) -> Result<Label, StoreError> {
        let mut keys = self.script_keys(std::slice::from_ref(tag));
        keys.push(keys[0].clone());
        let arguments = |command: &mut Cmd, _| _ = command.arg(&id.0).arg(millis(MARKER_LIFE));
        match self.ask(&Request::script(&END, &keys, &arguments)).await {
            Err(error) if is_between(&error) => {}
            answer => return answer.map(|(value, identity)| label(&value, identity)),
        }
        let arguments = |command: &mut Cmd| _ = command.arg(&keys[1]).arg(&id.0);
        self.ask(&Request::command("ZREM", Place::Key(keys[1].as_bytes()), &arguments)).await?;
        self.delete(&keys[0]).await?;
        Ok(Label::Absent)
    }

    pub(in crate::store::redis) async fn label_of(&self, tag: &Tag) -> Result<Label, StoreError> {
        let (values, identity) = self.values_in_one(&[self.keyspace.generation(tag)], &[0]).await?;
        Ok(values.first().map_or(Label::Absent, |value| label(value, identity)))
    }

    pub(in crate::store::redis) async fn invalidate_across(&self, tags: &[Tag]) -> Result<(), StoreError> {
        let generations: Vec<String> = tags.iter().map(|tag| self.keyspace.generation(tag)).collect();
        join_all(generations.iter().map(|generation| self.delete(generation))).await.into_iter().collect()
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.ask(&Request::command("DEL", Place::Key(key.as_bytes()), &|command| _ = command.arg(key))).await.map(drop)
    }
}
