//! What a value depends on that was made of tables.

use crate::tag::{Generation, Tag};
use async_trait::async_trait;
use std::fmt::Debug;
use std::sync::Arc;

/// The tags of a value, and how they were found.
#[derive(Clone, Debug)]
pub(crate) struct Depends {
    /// `_all`, the tables and what lies beneath them, `_schema`.
    pub(crate) tags: Arc<[Tag]>,
    /// The generation of the schema by which the tables were understood, where they were.
    pub(crate) understood: Option<Understood>,
}

/// The schema that names were understood by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Understood {
    pub(crate) epoch: Option<Generation>,
    pub(crate) version: u64,
}

/// Who knows what a table's name stands for.
#[async_trait]
pub(crate) trait Tables: Debug + Send + Sync {
    /// What is made of these tables depends on.
    ///
    /// # Errors
    ///
    /// Which of them can't be followed, and why.
    fn depends(&self, tables: &[Box<str>]) -> Result<Depends, String>;

    /// What a write to this table may change.
    fn reached(&self, table: &str) -> Vec<Tag>;

    /// The schema turned out to be another than the one of this version.
    async fn learn_anew(&self, version: u64);
}

/// Nobody's catalog: names are taken as they are, as the database spells them.
#[derive(Debug)]
pub(crate) struct Literally;

#[async_trait]
impl Tables for Literally {
    fn depends(&self, tables: &[Box<str>]) -> Result<Depends, String> {
        let tags = tables.iter().map(|table| Tag::table(table));
        Ok(Depends { tags: closed(tags), understood: None })
    }

    fn reached(&self, table: &str) -> Vec<Tag> {
        vec![Tag::table(table)]
    }

    async fn learn_anew(&self, _: u64) {}
}

/// These tags between `_all` and `_schema`, each once.
pub(crate) fn closed(tags: impl Iterator<Item = Tag>) -> Arc<[Tag]> {
    let (all, schema) = (Tag::all(), Tag::schema());
    let mut between: Vec<_> = tags.filter(|tag| *tag != all && *tag != schema).collect();
    between.sort();
    between.dedup();
    [all].into_iter().chain(between).chain([schema]).collect()
}
