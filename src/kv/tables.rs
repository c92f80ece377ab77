//! What a value depends on that was made of tables.

use crate::policy::Deny;
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

/// Nobody's catalog: names are taken as they are, as the database spells them. Since nobody finds out that one is spelled otherwise, each counts as what it may be meant for, too: a table of
/// the default schema, one in lower case, one without its quotes.
#[derive(Debug)]
pub(crate) struct Literally {
    pub(crate) deny: Deny,
}

#[async_trait]
impl Tables for Literally {
    fn depends(&self, tables: &[Box<str>]) -> Result<Depends, String> {
        if tables.is_empty() || tables.iter().any(|table| spellings(table).is_empty()) {
            return Err("no table is named".to_owned());
        }
        if let Some(denied) = tables.iter().find(|table| self.deny.may_be_table(&unquoted(table))) {
            return Err(format!("{denied}: nothing of it is to be kept"));
        }
        let tags = tables.iter().flat_map(|table| spellings(table));
        Ok(Depends { tags: closed(tags), understood: None })
    }

    fn reached(&self, table: &str) -> Vec<Tag> {
        spellings(table)
    }

    async fn learn_anew(&self, _: u64) {}
}

fn unquoted(table: &str) -> String {
    table.replace(['"', '`'], "")
}

/// The tags of a table that is named by somebody who knows no catalog.
fn spellings(table: &str) -> Vec<Tag> {
    let unquoted = unquoted(table);
    // With its database and schema, without them, and with dots that separate nothing.
    let behind_dots = unquoted.match_indices('.').map(|(dot, _)| &unquoted[dot + 1..]);
    let names = [table, &unquoted].into_iter().chain(behind_dots).filter(|name| !name.is_empty());
    let mut tags: Vec<_> = names
        .flat_map(|name| [name.to_owned(), name.to_lowercase()])
        .flat_map(|name| [Tag::table(&name), Tag::qualified(None, &name)])
        .collect();
    tags.sort();
    tags.dedup();
    tags
}

/// These tags between `_all` and `_schema`, each once.
pub(crate) fn closed(tags: impl Iterator<Item = Tag>) -> Arc<[Tag]> {
    let (all, schema) = (Tag::all(), Tag::schema());
    let mut between: Vec<_> = tags.filter(|tag| *tag != all && *tag != schema).collect();
    between.sort();
    between.dedup();
    [all].into_iter().chain(between).chain([schema]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_as_all_that_it_may_be_meant_for() {
        let spelled = |table| spellings(table).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(spelled("users"), ["users"]);
        assert_eq!(spelled("public.users"), ["public%2Eusers", "public.users", "users"]);
        assert!(
            ["shop.public.users", "public.users", "users"].iter().all(|name| spelled("shop.public.users").iter().any(|tag| tag == name))
        );
        assert!(spellings("odd.name").contains(&Tag::qualified(None, "odd.name")));
        assert_eq!(spelled("USERS"), ["USERS", "users"]);
        assert!(spelled("\"Users\"").contains(&"Users".to_owned()));
        assert!(spelled("`shop`.`Users`").contains(&"shop.Users".to_owned()) && spelled("`shop`.`Users`").contains(&"users".to_owned()));
    }

    #[test]
    fn what_is_denied_is_denied_however_it_is_spelled() {
        let mut deny = Deny::default();
        deny.deny_tables(["secrets", "app.keys"]);
        let tables = Literally { deny };
        for denied in ["secrets", "Secrets", "any.secrets", "\"secrets\"", "app.keys", "keys"] {
            assert!(tables.depends(&[denied.into()]).is_err(), "{denied}");
        }
        for kept in ["users", "other.keys", "secrets_of_none"] {
            assert!(tables.depends(&[kept.into()]).is_ok(), "{kept}");
        }
        assert!(tables.depends(&[]).is_err() && tables.depends(&["users".into(), "".into()]).is_err());
    }
}
