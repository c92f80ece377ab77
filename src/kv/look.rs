//! What stands at a key, for whoever would load what belongs there.

use super::frame::{Stored, Written};
use super::{Cache, Depends};
use crate::engine::stand;
use crate::tag::Generation;

/// What a look-up found.
pub(super) enum Looked {
    Value(Written),
    Claimed {
        kind: u8,
        id: [u8; 16],
        generations: Vec<Generation>,
    },
    /// Nothing, or a dead value of this name.
    Nothing {
        except: Option<[u8; 16]>,
    },
    /// The store can't be asked.
    Failed,
}

impl Cache {
    /// One round trip; two for a value that depends on tables which the caller did not name.
    pub(super) async fn look(&self, name: &str, depends: Option<&Depends>) -> Looked {
        let Some((engine, store)) = self.inner.plain() else { return Looked::Failed };
        let (bytes, labels) = match depends {
            Some(depends) if !engine.trusts(&depends.tags) => return Looked::Failed,
            Some(depends) => match self.inner.tolerate("look_up", engine.store().look_up(name, &depends.tags).await) {
                Some(lookup) => (lookup.entry, lookup.labels),
                None => return Looked::Failed,
            },
            None => match self.inner.tolerate("get", store.values(&[name.to_owned()]).await) {
                Some(values) => (values.into_iter().next().flatten(), Vec::new()),
                None => return Looked::Failed,
            },
        };
        let nothing = Looked::Nothing { except: None };
        let Some(bytes) = bytes else { return nothing };
        let Some(stored) = self.inner.unwrap(name, bytes.clone()) else {
            // Nothing that is anybody's.
            self.delete_names(vec![name.to_owned()]).await;
            return nothing;
        };
        match (stored, depends) {
            (Stored::Claimed { kind, id }, _) => {
                let standing = crate::engine::generations_of(&labels).unwrap_or_default();
                Looked::Claimed { kind, id, generations: standing }
            }
            (Stored::Value(value), None) => Looked::Value(value),
            (Stored::Closed { id: Some(id) }, _) => Looked::Nothing { except: Some(id) },
            (Stored::Tied { value, tags, generations, id }, None) => match engine.stand(name, &tags, &generations).await {
                Ok(true) => Looked::Value(value),
                Ok(false) => Looked::Nothing { except: Some(id) },
                Err(error) => {
                    self.inner.failed("look_up", &error);
                    Looked::Failed
                }
            },
            // Written by somebody who knows less of what it depends on; or by nobody who has a key.
            (Stored::Value(_), Some(_)) | (Stored::Closed { id: None }, _) => {
                self.delete_names(vec![name.to_owned()]).await;
                nothing
            }
            (Stored::Tied { value, tags, generations, id }, Some(depends)) => {
                let stands = if *tags == *depends.tags {
                    Ok(stand(&labels, &generations))
                } else if depends.tags.iter().all(|tag| tags.contains(tag)) {
                    // Somebody knows of more.
                    engine.stand(name, &tags, &generations).await
                } else {
                    Ok(false)
                };
                match self.inner.tolerate("look_up", stands) {
                    Some(true) => Looked::Value(value),
                    Some(false) => Looked::Nothing { except: Some(id) },
                    None => Looked::Failed,
                }
            }
        }
    }
}
