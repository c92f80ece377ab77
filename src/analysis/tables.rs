//! Names in a statement: which relation each means, and where a name is a common table expression's.

use super::Dialect;
use crate::catalog::{Ident, Name};
use sqlparser::ast::{self, ObjectName, ObjectNamePart, Query, SetExpr};

/// A name as the catalog takes it; `None` for names of three parts and stranger ones.
pub(super) fn name(dialect: Dialect, written: &ObjectName) -> Option<Name> {
    let ident = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(ident) => Some(self::ident(ident)),
        ObjectNamePart::Function(_) => None,
    };
    match written.0.as_slice() {
        // `FROM ONLY a`: the parser takes the keyword for the table and the table for its alias.
        [ObjectNamePart::Identifier(only)]
            if dialect == Dialect::Postgres && only.quote_style.is_none() && only.value.eq_ignore_ascii_case("only") =>
        {
            None
        }
        [relation] => Some(Name { schema: None, relation: ident(relation)? }),
        [schema, relation] => Some(Name { schema: Some(ident(schema)?), relation: ident(relation)? }),
        _ => None,
    }
}

pub(super) fn ident(ident: &ast::Ident) -> Ident {
    Ident { text: ident.value.clone(), quoted: ident.quote_style.is_some() }
}

/// The last part of a name as a key of comparison.
pub(super) fn last_lower(name: &ObjectName) -> String {
    name.0.last().and_then(ObjectNamePart::as_ident).map(|ident| ident.value.to_lowercase()).unwrap_or_default()
}

/// Whether a name lies in the schema of temporary tables.
pub(super) fn in_temporary_schema(name: &ObjectName) -> bool {
    let Some(schema) = name.0.len().checked_sub(2).and_then(|index| name.0.get(index)).and_then(ObjectNamePart::as_ident) else {
        return false;
    };
    let schema = schema.value.to_lowercase();
    schema == "temp" || schema.starts_with("pg_temp")
}

/// What the names of common table expressions mean, query by query.
#[derive(Debug)]
pub(super) struct Scopes {
    dialect: Dialect,
    open: Vec<Scope>,
}

#[derive(Debug)]
struct Scope {
    names: Vec<String>,
    /// The same as they are written.
    spelt: Vec<String>,
    /// How many of the WITH clause's own queries are still to be walked. They come before the body, in order.
    pending: usize,
    /// Whether these may name themselves. (SQLite needs no RECURSIVE for that.)
    recursive: bool,
}

/// What a name can be, seen from where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A relation of the database.
    Relation,
    /// A common table expression.
    Expression,
    /// One of the two: inside the WITH clause that defines the name it depends on RECURSIVE, the order and the database.
    Either {
        /// Whether it may be meant recursively.
        recursive: bool,
    },
}

impl Scopes {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, open: Vec::new() }
    }

    /// Enters a query.
    pub fn enter(&mut self, query: &Query) {
        let tables = query.with.as_ref().map(|with| with.cte_tables.as_slice()).unwrap_or_default();
        let names = tables.iter().map(|table| self.key(&table.alias.name)).collect();
        let spelt = tables.iter().map(|table| table.alias.name.value.clone()).collect();
        let recursive = self.dialect == Dialect::Sqlite || query.with.as_ref().is_some_and(|with| with.recursive);
        self.open.push(Scope { names, spelt, pending: tables.len(), recursive });
    }

    /// Leaves a query.
    pub fn leave(&mut self) {
        self.open.pop();
        if let Some(outer) = self.open.last_mut() {
            outer.pending = outer.pending.saturating_sub(1);
        }
    }

    /// What a name means here.
    pub fn meaning(&self, name: &ObjectName) -> Meaning {
        let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return Meaning::Relation };
        let key = self.key(ident);
        let mut meaning = Meaning::Relation;
        // Which of the two counts where only the case differs depends on the server and its settings.
        let exact = |scope: &Scope| self.dialect != Dialect::MySql || scope.spelt.contains(&ident.value);
        for scope in self.open.iter().rev().filter(|scope| scope.names.contains(&key)) {
            if scope.pending == 0 && exact(scope) {
                return if meaning == Meaning::Relation { Meaning::Expression } else { meaning };
            }
            meaning = Meaning::Either { recursive: scope.recursive };
        }
        meaning
    }

    /// Only ASCII is folded: to take an expression for a relation costs a dependence too many, the reverse one too few.
    fn key(&self, ident: &ast::Ident) -> String {
        if self.dialect == Dialect::Postgres && ident.quote_style.is_some() {
            ident.value.clone()
        } else {
            ident.value.to_ascii_lowercase()
        }
    }
}

/// The tables of `TABLE x` clauses in a query's own body, which the parser's visitor passes over. Their quotes are lost, so a name that quotes would
/// change can't be told.
pub(super) fn table_clauses(body: &SetExpr, found: &mut impl FnMut(Option<ObjectName>)) {
    match body {
        SetExpr::Table(table) => {
            let parts: Vec<&String> = table.schema_name.iter().chain(&table.table_name).collect();
            let plain = parts.iter().all(|part| part.to_lowercase() == **part);
            found(plain.then(|| ObjectName(parts.into_iter().map(|part| ObjectNamePart::Identifier(ast::Ident::new(part))).collect())));
        }
        SetExpr::SetOperation { left, right, .. } => {
            table_clauses(left, found);
            table_clauses(right, found);
        }
        _ => {}
    }
}
