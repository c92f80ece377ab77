//! What Redis' answers say.

use super::FENCED;
use crate::store::{Creation, FenceId, Label, StoreError};
use crate::tag::{Generation, ServerIdentity};
use bytes::Bytes;
use redis::Value;

/// A value at a generation's key, as seen by the server behind the connection that answered.
pub(super) fn label(value: &Value, identity: ServerIdentity) -> Label {
    match value {
        Value::BulkString(bytes) if bytes == FENCED => Label::Fenced,
        Value::BulkString(bytes) => match <[u8; Generation::LEN]>::try_from(&bytes[..]).map(Generation) {
            Ok(generation) if generation.server() == identity => Label::Standing(generation),
            _ => Label::Absent,
        },
        _ => Label::Absent,
    }
}

/// An entry's bytes; a value of another type is none.
pub(super) fn entry(value: Option<Value>) -> Option<Bytes> {
    match value {
        Some(Value::BulkString(bytes)) => Some(bytes.into()),
        _ => None,
    }
}

/// The labels of `count` generations' values.
pub(super) fn labels(
    values: impl ExactSizeIterator<Item = Value>,
    count: usize,
    identity: ServerIdentity,
) -> Result<Vec<Label>, StoreError> {
    if values.len() != count {
        return Err(StoreError::Protocol("MGET: not as many values as keys".into()));
    }
    Ok(values.map(|value| label(&value, identity)).collect())
}

pub(super) fn array(value: Value) -> Result<std::vec::IntoIter<Value>, StoreError> {
    match value {
        Value::Array(values) => Ok(values.into_iter()),
        _ => Err(StoreError::Protocol("not an array".into())),
    }
}

/// One tag's answer of `create.lua`.
pub(super) fn creation(answer: Value) -> Result<Creation, StoreError> {
    let words: Vec<Vec<u8>> = redis::from_redis_value(answer).map_err(|error| StoreError::Protocol(format!("create.lua: {error}")))?;
    match words.split_first() {
        Some((kind, [])) if kind == FENCED => Ok(Creation::Fenced),
        Some((kind, [token])) if kind == b"standing" => match token.as_slice().try_into() {
            Ok(token) => Ok(Creation::Standing(Generation(token))),
            Err(_) => Err(StoreError::Protocol("create.lua: a generation of another length".into())),
        },
        Some((kind, ids)) if kind == b"lapsed" => {
            let id = |id: &Vec<u8>| String::from_utf8(id.clone()).map(FenceId);
            // What can't be written as a string is no write of ours, and nobody could prove it over.
            ids.iter()
                .map(id)
                .collect::<Result<_, _>>()
                .map(Creation::Lapsed)
                .map_err(|_| StoreError::Protocol("a fence's id is not UTF-8".into()))
        }
        _ => Err(StoreError::Protocol("create.lua: an unknown answer".into())),
    }
}
