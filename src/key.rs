//! Names in the store: entries, generations and fences.

use crate::tag::Tag;
use std::fmt;
use std::sync::Arc;

/// The names of a namespace's keys: `sql:<table>:<kind>:<64 hex>`, `sql:<table>:gen` and `sql-fence:<table>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyspace {
    namespace: Arc<str>,
}

impl Keyspace {
    /// The keys below `namespace`, which is `sql` unless configured otherwise.
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.into() }
    }

    /// The key of a tag's generation.
    pub fn generation(&self, tag: &Tag) -> String {
        format!("{}:{tag}:gen", self.namespace)
    }

    /// The key of a tag's set of running writes. It lies outside `sql:<table>:*`, so that a SCAN-and-delete never removes a running write's fence.
    pub fn fence(&self, tag: &Tag) -> String {
        format!("{}-fence:{tag}", self.namespace)
    }

    /// The pattern of all keys of a tag; of the whole namespace for [`Tag::all`].
    pub fn pattern(&self, tag: &Tag) -> String {
        if *tag == Tag::all() { format!("{}:*", self.namespace) } else { format!("{}:{tag}:*", self.namespace) }
    }
}

impl fmt::Display for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.namespace)
    }
}
