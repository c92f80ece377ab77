//! What a plain value depends on that is made of this database's tables.

use super::Shared;
use crate::analysis::Dialect;
use crate::database::Backend;
use crate::kv::{Depends, Tables, Understood, closed};
use crate::tag::Tag;
use async_trait::async_trait;
use futures_util::FutureExt;
use std::fmt;
use std::sync::Arc;

/// The executor's catalog.
pub(super) struct Catalogued<DB: Backend>(pub(super) Arc<Shared<DB>>);

impl<DB: Backend> fmt::Debug for Catalogued<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Catalogued")
    }
}

#[async_trait]
impl<DB: Backend> Tables for Catalogued<DB> {
    /// By the plan of a query that reads the table: whatever is known of one, of views and policies, holds for the other. It counts, since that shows no column that is denied.
    fn depends(&self, tables: &[Box<str>]) -> Result<Depends, String> {
        if tables.is_empty() {
            return Err("no table is named".to_owned());
        }
        let mut tags = Vec::new();
        let mut understood: Option<Understood> = None;
        for table in tables {
            let names = [plain(table).map(str::to_owned), in_parts(DB::DIALECT, table), Some(quoted(DB::DIALECT, table))];
            let plans = names.iter().flatten().map(|name| {
                let plan = self.0.plan(&format!("SELECT COUNT(*) FROM {name}"));
                plan.analysis
                    .read
                    .as_ref()
                    .map(|_| Arc::clone(&plan))
                    .map_err(|bypass| format!("{table}: {}", crate::stats::Reason::from(*bypass)))
            });
            // `users` and `"Users"` may both be there, and nobody says which one is meant.
            let (meant, unknown): (Vec<_>, Vec<_>) = plans.partition(Result::is_ok);
            if let (true, Some(reason)) = (meant.is_empty(), unknown.into_iter().find_map(Result::err)) {
                return Err(reason);
            }
            for plan in meant.into_iter().flatten() {
                match understood {
                    Some(understood) if understood.version != plan.version => return Err("the catalog is being read anew".to_owned()),
                    _ => understood = Some(Understood { epoch: plan.epoch, version: plan.version }),
                }
                tags.extend(plan.reads.iter().cloned());
            }
        }
        Ok(Depends { tags: closed(tags.into_iter()), understood })
    }

    fn reached(&self, table: &str) -> Vec<Tag> {
        self.0.schema.load().reached_from(table)
    }

    async fn learn_anew(&self, version: u64) {
        if let Ok(mut connection) = self.0.lend().await {
            connection.ask(|connection| self.0.refresh_on(connection, version).boxed()).await;
        }
    }
}

/// A name that can stand in a statement as it is.
fn plain(table: &str) -> Option<&str> {
    let word = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_') && !part.starts_with(|c: char| c.is_numeric())
    };
    table.split('.').all(word).then_some(table)
}

/// A name with its schema, for what must be quoted.
fn in_parts(dialect: Dialect, table: &str) -> Option<String> {
    let (schema, relation) = table.split_once('.')?;
    Some(format!("{}.{}", quoted(dialect, schema), quoted(dialect, relation)))
}

fn quoted(dialect: Dialect, table: &str) -> String {
    let quote = if dialect == Dialect::MySql { '`' } else { '"' };
    let doubled = table.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{doubled}{quote}")
}
