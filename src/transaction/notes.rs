//! What a transaction has to remember until it ends.

use crate::database::Backend;
use crate::executor::{Shared, Unanswered};
use crate::tag::{Generation, Tag};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a transaction may have changed.
#[expect(clippy::struct_excessive_bools, reason = "independent findings, not states")]
pub(super) struct Notes<DB: Backend> {
    pub(super) tags: BTreeSet<Tag>,
    pub(super) changes_schema: bool,
    /// Some of what it wrote is to be asked for before the commit.
    pub(super) unclear: bool,
    /// The schema that the first write was understood with.
    pub(super) schema: Option<(u64, Option<Generation>)>,
    /// A statement ended the transaction behind sqlx's back (MySQL's DDL, a COMMIT as text): what follows commits by itself.
    pub(super) over: bool,
    /// Names mean other relations than elsewhere (`SET LOCAL search_path`): what is written may be any.
    pub(super) renamed: bool,
    /// The connection was handed out. It may have committed by itself (MySQL's DDL, a script with a COMMIT), so a rollback need not have undone everything.
    pub(super) unobserved: Option<Arc<Shared<DB>>>,
    /// Whether a statement was dropped before it was answered.
    pub(super) unanswered: Unanswered,
}

impl<DB: Backend> Notes<DB> {
    /// Those of a transaction that has just begun. One was opened by hand through the pool, perhaps, and what it wrote will be committed with this one.
    pub(super) fn new(session_changed: bool) -> Self {
        let tags = session_changed.then(Tag::all).into_iter().collect();
        Self {
            tags,
            changes_schema: false,
            unclear: false,
            schema: None,
            over: false,
            renamed: false,
            unobserved: None,
            unanswered: Unanswered::default(),
        }
    }

    pub(super) fn tags(&self) -> Arc<[Tag]> {
        // `_all` covers the rest.
        if self.changes_schema {
            [Tag::all(), Tag::schema()].into()
        } else if self.tags.contains(&Tag::all()) {
            [Tag::all()].into()
        } else {
            self.tags.iter().cloned().collect()
        }
    }
}

/// A rollback by drop can't be awaited: what may have been committed in spite of it is forgotten in the background.
impl<DB: Backend> Drop for Notes<DB> {
    fn drop(&mut self) {
        if let Some(shared) = self.unobserved.take()
            && let Some(engine) = &shared.engine.clone()
        {
            engine.spawn(async move { shared.forget_everything().await });
        }
    }
}

impl<DB: Backend> Shared<DB> {
    /// After something that nobody saw: every answer, and what is known of the schema, here and by others.
    pub(super) async fn forget_everything(self: Arc<Self>) {
        if let Some(engine) = &self.engine {
            let _ = engine.invalidate(&[Tag::all(), Tag::schema()]).await;
            self.reload_soon().await;
        }
    }
}
