//! A statement as a replay needs it.

use super::shape::{self, Fingerprint};
use super::value::{self, Form};
use crate::rows::Unreplayable;
use sqlx::postgres::{PgColumn, PgStatement};
use sqlx::{AssertSqlSafe, Column, SqlSafeStr, SqlStr, Statement};
use std::sync::atomic::{AtomicU64, Ordering};

/// A statement, and what can be said of its columns beforehand.
pub struct Learnt {
    fingerprint: Fingerprint,
    forms: Box<[Form]>,
    statement: PgStatement,
    name: Option<Name>,
}

/// What a statement is called on the replay connections, and by what it is known there.
///
/// The driver remembers a statement by its text and then no longer looks at the columns that come with it, so no two may ever share a text.
#[derive(Clone, Debug)]
pub struct Name {
    pub number: u64,
    pub text: SqlStr,
}

impl Name {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { number, text: AssertSqlSafe(format!("replay {number}")).into_sql_str() }
    }
}

impl Learnt {
    /// A statement to be replayed often, so under a name of its own.
    ///
    /// # Errors
    ///
    /// [`Unreplayable::ColumnType`] for a type that the driver could not resolve.
    pub fn named(statement: PgStatement) -> Result<Self, Unreplayable> {
        Ok(Self { name: Some(Name::new()), ..Self::unnamed(statement)? })
    }

    /// A statement of which nothing is to be kept.
    ///
    /// # Errors
    ///
    /// As [`named`](Self::named).
    pub fn unnamed(statement: PgStatement) -> Result<Self, Unreplayable> {
        let fingerprint = shape::fingerprint(statement.columns())?;
        let forms = statement.columns().iter().map(|column| value::form(column.type_info())).collect();
        Ok(Self { fingerprint, forms, statement, name: None })
    }

    /// Whether rows of this statement are told from those of that one by nothing: then it needs no new name.
    pub fn is(&self, statement: &PgStatement) -> bool {
        let (mine, other) = (self.statement.columns(), statement.columns());
        // The very same description, as a rule: each connection of the pool keeps its own.
        std::ptr::eq(mine, other) || (shape::same(mine, other) && shape::identity(mine) == shape::identity(other))
    }

    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    pub fn columns(&self) -> &[PgColumn] {
        self.statement.columns()
    }

    /// What the columns' values look like, each in its place.
    pub fn forms(&self) -> &[Form] {
        &self.forms
    }

    pub fn statement(&self) -> &PgStatement {
        &self.statement
    }

    pub fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }
}
