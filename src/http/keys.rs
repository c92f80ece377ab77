//! The names of what is kept, as far as a pattern may ask for them.

use super::failure::Failure;
use crate::error::Error;
use crate::store::{CacheStore, escape_glob};
use serde_json::{Value, json};

/// How many keys are told of, if nobody says how many.
pub(super) const KEYS: usize = 100;

/// And at most.
pub(super) const MOST_KEYS: usize = 1000;

/// Up to so many keys. A pattern must begin with what all keys of this program begin with: the store may be others', too.
pub(super) async fn keys(store: &dyn CacheStore, beginnings: &[&str], pattern: &str, limit: usize) -> Result<Value, Failure> {
    if !(1..=MOST_KEYS).contains(&limit) {
        return Err(Failure::bad_request(format!("limit={limit} is not between 1 and {MOST_KEYS}")));
    }
    let Some(begin) = beginnings.iter().find(|begin| pattern.starts_with(**begin)) else {
        return Err(Failure::bad_request(format!("the pattern {pattern:?} begins with none of {beginnings:?}")));
    };
    let whole = escape_glob(begin) + &pattern[begin.len()..];
    let mut keys = store.plain().names(&whole, limit + 1).await.map_err(|error| Error::store("keys", error))?;
    let truncated = keys.len() > limit;
    keys.truncate(limit);
    keys.sort_unstable();
    Ok(json!({ "pattern": pattern, "keys": keys, "truncated": truncated }))
}
