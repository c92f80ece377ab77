//! An item's name, and how items are written.

use super::Inner;
use super::backing::{Fields, field};
use crate::engine::Engine;
use crate::error::Error;
use crate::kv::frame::Stored;
use crate::store::values::VALUE_MAGIC;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

const ID: &[u8] = b"id";
const ITEM: &[u8] = b"item";

/// The name of an item: random, and the same however often the item is queued or delivered. By it a consumer tells what it has done already.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId([u8; 16]);

impl ItemId {
    /// Another one than any before.
    #[must_use]
    pub fn fresh() -> Self {
        Self(rand::random())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// One of the caller's own making, such as that of the request that it comes from.
impl From<[u8; 16]> for ItemId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemId({self})")
    }
}

/// What an item is stored as. Where it is encrypted, its bytes are good for this id in this queue alone.
pub(super) fn close<T: Serialize>(inner: &Inner, engine: &Engine, id: ItemId, item: &T) -> Result<Fields, Error> {
    let written = inner.cache.write(&inner.name, item)?;
    let bytes = inner.cache.inner.state.wrapping.wrap(engine.whereabouts(), &format!("{}:{id}", inner.whole), &written, None);
    Ok(vec![Bytes::from_static(ID), Bytes::copy_from_slice(&id.0), Bytes::from_static(ITEM), bytes])
}

pub(super) fn id_of(fields: &[Bytes]) -> Option<ItemId> {
    field(fields, ID).and_then(|id| id[..].try_into().ok()).map(ItemId)
}

pub(super) fn raw_of(fields: &[Bytes]) -> Option<&Bytes> {
    field(fields, ITEM)
}

/// An item out of what is stored, or what is wrong with that.
pub(super) fn open<T: DeserializeOwned>(inner: &Inner, fields: &[Bytes]) -> Result<(ItemId, T), String> {
    let id = id_of(fields).ok_or("it has no id")?;
    let bytes = raw_of(fields).ok_or("there is nothing in it")?;
    let wrapping = &inner.cache.inner.state.wrapping;
    if wrapping.cipher.is_some() && !bytes.starts_with(VALUE_MAGIC) {
        // Not even a number: nobody adds to an item.
        return Err("it is not encrypted".to_owned());
    }
    match wrapping.unwrap(&format!("{}:{id}", inner.whole), bytes.clone()) {
        Ok(Stored::Value(written)) => Ok((id, crate::kv::read(&written)?)),
        Ok(Stored::Closed { .. }) => Err("it is not encrypted with a key that is known".to_owned()),
        Ok(_) => Err("it is no item".to_owned()),
        Err(malformed) => Err(format!("it can't be read: {}", malformed.0)),
    }
}
