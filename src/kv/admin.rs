//! What the router for administrators asks of a cache beyond its own methods.

use super::Cache;
use crate::config::Words;
use crate::engine::Engine;
use std::sync::Arc;

impl Cache {
    pub(crate) fn engine(&self) -> Option<&Arc<Engine>> {
        self.inner.engine.as_ref()
    }

    /// What was set.
    pub(crate) fn words(&self) -> &Words {
        &self.inner.state.words
    }

    /// How the names of its keys begin: within its scope, and the scopes in it.
    pub(crate) fn beginnings(&self) -> [String; 2] {
        [":", "/"].map(|end| format!("{}{end}", self.names.prefix()))
    }
}
