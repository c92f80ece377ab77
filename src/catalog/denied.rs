//! What must not be kept, as this catalog's tables and columns.
//!
//! A partition's rows are the whole table's, and the other way round: a name denies both. A materialized view's are copies of what its query read. An unqualified column is denied in every table or view that has one of its name,
//! and as the name of a result's column.

use super::{Catalog, Code, Key};
use crate::policy::Deny;
use crate::tag::Tag;
use std::collections::{HashMap, HashSet};

/// A column of a table: its name, and its number where the database counts them.
pub type Columns = Vec<(i32, String)>;

/// What a result tells of the column of a table that one of its own columns is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its name.
    Named(String),
    /// Its number (PostgreSQL).
    Numbered(i32),
}

/// The settings' names, found in a catalog.
#[derive(Clone, Debug, Default)]
pub struct Denied {
    tables: HashSet<Tag>,
    columns: HashMap<Tag, Guarded>,
    /// Column names that are denied wherever they appear, in lower case.
    anywhere: HashSet<String>,
    /// Names of the settings that mean nothing here.
    unknown: Vec<String>,
}

/// A table with denied columns.
#[derive(Clone, Debug, Default)]
struct Guarded {
    /// The denied ones, in lower case.
    names: HashSet<String>,
    /// The numbers of the others.
    others: HashSet<i32>,
    /// Whether they are another table's, copied by a query: under which names, nobody tells.
    copied: bool,
}

impl Denied {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.columns.is_empty() && self.anywhere.is_empty()
    }

    /// Whether nothing of this table is to be kept.
    pub fn is_table(&self, tag: &Tag) -> bool {
        self.tables.contains(tag)
    }

    /// The denied columns of a table, in lower case, if it has some.
    pub fn columns_of(&self, tag: &Tag) -> Option<&HashSet<String>> {
        self.columns.get(tag).map(|guarded| &guarded.names)
    }

    /// Whether a table's columns may be copies of denied ones.
    pub fn is_copied(&self, tag: &Tag) -> bool {
        self.columns.get(tag).is_some_and(|guarded| guarded.copied)
    }

    /// Whether no result's column of this lower-case name is to be kept.
    pub fn is_label(&self, name: &str) -> bool {
        self.anywhere.contains(name)
    }

    /// Whether a result may be kept that shows this column of this table.
    pub fn may_show(&self, tag: &Tag, part: &Part) -> bool {
        let guarded = self.columns.get(tag);
        match part {
            Part::Named(name) => {
                let name = name.to_lowercase();
                !self.anywhere.contains(&name) && guarded.is_none_or(|guarded| !guarded.names.contains(&name))
            }
            // One that the catalog has not seen may be any.
            Part::Numbered(number) => guarded.is_none_or(|guarded| guarded.others.contains(number)),
        }
    }

    /// Names of the settings that mean nothing here: a typing error, perhaps.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }
}

impl Catalog {
    /// Adds a column of a relation, named as the database spells it. Asked for only where columns are denied.
    pub fn add_column(&mut self, schema: &str, name: &str, number: i32, column: String) {
        let key = self.key(schema, name);
        if self.relations.contains_key(&key) {
            self.columns.entry(key).or_default().push((number, column));
        }
    }

    /// What must not be kept.
    pub fn denied(&self) -> &Denied {
        &self.denied
    }

    /// Finds what must not be kept.
    pub fn deny(&mut self, deny: &Deny) {
        let mut denied = Denied::default();
        for name in &deny.tables {
            let named = self.named(name);
            if named.is_empty() {
                denied.unknown.push(name.clone());
            }
            denied.tables.extend(self.same_rows(&named).iter().filter_map(|key| self.tag_of(key)));
        }
        let mut guarded: HashMap<Key, HashSet<String>> = HashMap::new();
        for (table, column) in deny.columns() {
            let has =
                |key: &&Key| self.columns.get(*key).is_some_and(|columns| columns.iter().any(|(_, name)| name.to_lowercase() == column));
            let named: Vec<Key> = match table {
                Some(table) => self.named(table),
                None => self.columns.keys().filter(has).cloned().collect(),
            };
            if table.is_none() {
                denied.anywhere.insert(column.to_owned());
            }
            if !named.iter().any(|key| has(&key)) {
                denied.unknown.push(table.map_or_else(|| column.to_owned(), |table| format!("{table}.{column}")));
            }
            for key in self.same_rows(&named) {
                guarded.entry(key).or_default().insert(column.to_owned());
            }
        }
        // Of the others nothing needs to be known.
        self.columns.retain(|key, _| guarded.contains_key(key));
        for (key, names) in guarded {
            let Some(tag) = self.tag_of(&key) else { continue };
            let columns = self.columns.get(&key).into_iter().flatten();
            let others = columns.filter(|(_, name)| !names.contains(&name.to_lowercase())).map(|(number, _)| *number).collect();
            denied.columns.insert(tag, Guarded { names, others, copied: false });
        }
        // Copies may be copied.
        while self.copies.iter().fold(false, |added, (copy, query)| self.deny_copy(copy, query, &mut denied) || added) {}
        self.denied = denied;
    }

    /// Denies of a copy what is denied of what it was made of; whether that is news.
    fn deny_copy(&self, copy: &Key, query: &Code, denied: &mut Denied) -> bool {
        let Some(tag) = self.tag_of(copy) else { return false };
        let read: Vec<Tag> = self.close(query).reads.into_iter().map(|member| member.tag).collect();
        let table = read.iter().any(|tag| denied.is_table(tag)) && denied.tables.insert(tag.clone());
        let names: HashSet<String> = read.iter().filter_map(|tag| denied.columns_of(tag)).flatten().cloned().collect();
        if names.is_empty() || denied.is_copied(&tag) {
            return table;
        }
        let guarded = denied.columns.entry(tag).or_default();
        guarded.names.extend(names);
        (guarded.others, guarded.copied) = (HashSet::new(), true);
        true
    }

    fn tag_of(&self, key: &Key) -> Option<Tag> {
        self.relations.get(key).map(|relation| relation.tag.clone())
    }

    /// The relations of this lower-case name: in any schema if it names none.
    fn named(&self, name: &str) -> Vec<Key> {
        let is = |key: &Key, tag: &Tag| {
            let (schema, table) = (key.0.to_lowercase(), key.1.to_lowercase());
            table == name
                || name.strip_suffix(&table).is_some_and(|rest| rest.strip_suffix('.') == Some(&schema))
                || tag.as_str().to_lowercase() == name
        };
        self.relations.iter().filter(|(key, relation)| is(key, &relation.tag)).map(|(key, _)| key.clone()).collect()
    }

    /// These, the wholes that they are parts of, and their own parts.
    fn same_rows(&self, keys: &[Key]) -> HashSet<Key> {
        let mut parts: HashMap<&Key, Vec<&Key>> = HashMap::new();
        for (part, wholes) in &self.wholes {
            for whole in wholes {
                parts.entry(whole).or_default().push(part);
            }
        }
        let mut all = reached(keys, |key| self.wholes.get(key).into_iter().flatten());
        all.extend(reached(keys, |key| parts.get(key).into_iter().flatten().copied()));
        all.into_iter().cloned().collect()
    }
}

/// These and whatever lies beyond them in one direction.
fn reached<'a, I: Iterator<Item = &'a Key>>(keys: &'a [Key], next: impl Fn(&Key) -> I) -> HashSet<&'a Key> {
    let (mut left, mut seen): (Vec<&Key>, _) = (keys.iter().collect(), HashSet::new());
    while let Some(key) = left.pop() {
        if seen.insert(key) {
            left.extend(next(key));
        }
    }
    seen
}
