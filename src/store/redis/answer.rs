//! What answers mean, and durations in Redis' unit.

use crate::store::{Creation, FenceId, Label, StoreError};
use crate::tag::{Generation, ServerIdentity};
use redis::Value;
use std::time::Duration;

/// What stands at a fenced tag's generation key.
pub(super) const FENCED: &[u8] = b"fenced";

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

/// The answers of `create.lua`.
pub(super) fn creations(answer: Value, tags: usize) -> Result<Vec<Creation>, StoreError> {
    let Value::Array(answers) = answer else { return Err(StoreError::Protocol("create.lua: not an array".into())) };
    if answers.len() != tags {
        return Err(StoreError::Protocol("create.lua: not as many answers as tags".into()));
    }
    answers.into_iter().map(creation).collect()
}

fn creation(answer: Value) -> Result<Creation, StoreError> {
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

/// Redis' unit of time. Zero would be refused, and so would be more than the clock can hold.
pub(super) fn millis(duration: Duration) -> u64 {
    const CENTURY: u64 = 100 * 365 * 24 * 60 * 60 * 1000;
    u64::try_from(duration.as_millis()).unwrap_or(CENTURY).clamp(1, CENTURY)
}
