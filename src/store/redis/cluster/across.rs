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

use super::super::answer::{array, creation, label};
use super::super::connection::Connection;
use super::super::request::{Place, Request};
use super::super::{BEGIN, BEGIN_ALONE, CREATE, END, FENCED, MARKER_LIFE, RedisStore, marker_life, millis};
use super::is_between;
use crate::store::{Creation, FenceId, Label, StoreError};
use crate::tag::Tag;
use futures_util::future::{join_all, try_join_all};
use redis::Cmd;
use std::time::Duration;

impl RedisStore {
    pub(in crate::store::redis) async fn create_across(&self, tags: &[Tag]) -> Result<Vec<Creation>, StoreError> {
        try_join_all(tags.iter().map(|tag| self.create_one(tag))).await
    }

    async fn create_one(&self, tag: &Tag) -> Result<Creation, StoreError> {
        let arguments = self.to_create(1);
        match self.ask(&Request::script(&CREATE, &self.script_keys(std::slice::from_ref(tag)), &arguments)).await {
            Ok((answer, _)) => creation(array(answer)?.next().unwrap_or_default()),
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
        let arguments = self.to_begin(id, lease);
        match self.ask(&Request::script(&BEGIN, &keys, &arguments)).await {
            Err(error) if is_between(&error) => {}
            answer => return answer.map(drop),
        }
        // The fence first: from then on no generation is created.
        let arguments = |command: &mut Cmd, _: &Connection| _ = command.arg(&id.0).arg(millis(lease));
        self.ask(&Request::script(&BEGIN_ALONE, &keys[1..], &arguments)).await?;
        let arguments = |command: &mut Cmd| _ = command.arg(&keys[0]).arg(FENCED).arg("PX").arg(millis(marker_life(lease)));
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
        let arguments = |command: &mut Cmd, _: &Connection| _ = command.arg(&id.0).arg(millis(MARKER_LIFE));
        match self.ask(&Request::script(&END, &keys, &arguments)).await {
            Err(error) if is_between(&error) => {}
            answer => return answer.map(|(value, connection)| label(&value, connection.identity)),
        }
        let arguments = |command: &mut Cmd| _ = command.arg(&keys[1]).arg(&id.0);
        self.ask(&Request::command("ZREM", Place::Key(keys[1].as_bytes()), &arguments)).await?;
        self.delete(&keys[0]).await?;
        Ok(Label::Absent)
    }

    /// What stands at one tag's generation.
    pub(in crate::store::redis) async fn label_of(&self, tag: &Tag) -> Result<Label, StoreError> {
        let generation = self.keyspace.generation(tag);
        // Not GET: a value of another type is no error.
        let arguments = |command: &mut Cmd| _ = command.arg(&generation);
        let (answer, connection) = self.ask(&Request::command("MGET", Place::Key(generation.as_bytes()), &arguments)).await?;
        Ok(label(&array(answer)?.next().unwrap_or_default(), connection.identity))
    }

    /// Every key is tried, whatever becomes of the others.
    pub(in crate::store::redis) async fn delete_across(&self, keys: &[String]) -> Result<(), StoreError> {
        join_all(keys.iter().map(|key| self.delete(key))).await.into_iter().collect()
    }

    pub(in crate::store::redis) async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.ask(&Request::command("DEL", Place::Key(key.as_bytes()), &|command| _ = command.arg(key))).await.map(drop)
    }
}
