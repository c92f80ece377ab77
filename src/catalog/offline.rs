//! The catalog of a database that nobody asks: whatever a statement names is a table, and nothing follows from anything.
//!
//! The databases' own relations are known by name. What no text tells stays as it is without a catalog: a function that is not built in may do anything.

use super::{Catalog, Name, Reach, Reads, Relation};
use crate::analysis::Dialect;
use crate::tag::Tag;
use std::sync::{Arc, PoisonError};

/// The views of PostgreSQL's `information_schema` that depend on the schema and the role alone; the others show sequences, statistics or grants.
pub(super) const POSTGRES_SCHEMA: [&str; 8] = [
    "tables",
    "columns",
    "views",
    "key_column_usage",
    "table_constraints",
    "referential_constraints",
    "constraint_column_usage",
    "check_constraints",
];

/// The same of MySQL's and MariaDB's. TABLES tells row counts and the time of the last write.
pub(super) const MYSQL_SCHEMA: [&str; 7] =
    ["COLUMNS", "KEY_COLUMN_USAGE", "TABLE_CONSTRAINTS", "REFERENTIAL_CONSTRAINTS", "CHECK_CONSTRAINTS", "VIEWS", "SCHEMATA"];

impl Catalog {
    /// An empty catalog that notes what is looked for.
    pub fn offline(dialect: Dialect) -> Self {
        // MySQL's database has no name here, so one that is named is another.
        let path: &[&str] = match dialect {
            Dialect::Postgres => &["pg_catalog", "public"],
            Dialect::MySql => &[""],
            Dialect::Sqlite => &["temp", "main"],
        };
        let path = path.iter().map(|schema| (*schema).to_owned()).collect();
        Self { missed: Some(Arc::default()), ..Self::new(dialect, path, dialect == Dialect::Sqlite) }
    }

    /// Notes a name that was looked for in vain.
    pub(super) fn miss(&self, name: &Name) {
        if let Some(missed) = &self.missed {
            missed.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        }
    }

    /// Adds what was looked for in vain; false if that is nothing.
    pub fn assume(&mut self) -> bool {
        let missed = self.missed.as_ref().map(|missed| std::mem::take(&mut *missed.lock().unwrap_or_else(PoisonError::into_inner)));
        let missed = missed.unwrap_or_default();
        for name in &missed {
            let (schema, relation) = (name.schema.as_ref().map(|schema| self.spelling(schema)), self.spelling(&name.relation));
            let (schema, own) = self.placed(schema.as_deref(), &relation);
            let tag = Tag::qualified((schema != self.home()).then_some(&schema), &relation);
            let assumed = match own {
                None => Relation::new(tag, Reads::Plain, Reach::Itself),
                Some(Own::Schema) => Relation::new(Tag::schema(), Reads::Schema, Reach::Unknown),
                Some(Own::Opaque) => Relation::new(tag, Reads::Opaque, Reach::Unknown),
            };
            self.add(&schema, &relation, None, assumed);
        }
        !missed.is_empty()
    }

    /// The schema of tables that are named without one.
    fn home(&self) -> &str {
        self.search_path.last().map_or("", String::as_str)
    }

    /// The schema in which a relation of this name is, and whether it is one of the database's own.
    fn placed(&self, schema: Option<&str>, relation: &str) -> (String, Option<Own>) {
        let among = |list: &[&str]| list.iter().any(|name| name.eq_ignore_ascii_case(relation));
        let named = schema.unwrap_or(self.home()).to_owned();
        let folded = named.to_ascii_lowercase();
        match self.dialect {
            Dialect::Postgres => match folded.as_str() {
                "information_schema" if among(&POSTGRES_SCHEMA) => (named, Some(Own::Schema)),
                "information_schema" | "pg_catalog" => (named, Some(Own::Opaque)),
                folded if folded.starts_with("pg_temp") => (named, Some(Own::Opaque)),
                _ if schema.is_none() && relation.starts_with("pg_") => ("pg_catalog".to_owned(), Some(Own::Opaque)),
                _ => (named, None),
            },
            Dialect::MySql => match folded.as_str() {
                "information_schema" if among(&MYSQL_SCHEMA) => (named, Some(Own::Schema)),
                "information_schema" | "performance_schema" | "mysql" | "sys" => (named, Some(Own::Opaque)),
                _ => (named, None),
            },
            Dialect::Sqlite => match folded.as_str() {
                "main" if among(&["sqlite_master", "sqlite_schema"]) => (named, Some(Own::Schema)),
                "main" if !relation.to_ascii_lowercase().starts_with("sqlite_") => (named, None),
                // Temporary tables, those of other files, and what SQLite keeps for itself.
                _ => (named, Some(Own::Opaque)),
            },
        }
    }
}

/// A relation of the database's own.
enum Own {
    /// Decided by the schema.
    Schema,
    /// Changes by itself.
    Opaque,
}
