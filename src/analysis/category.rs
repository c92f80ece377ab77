//! What kind of answer a read gives.

use super::{Category, Dialect, Read};
use crate::catalog::Catalog;
use crate::tag::Tag;
use sqlparser::ast::{Expr, GroupByExpr, Query, SelectItem, SetExpr, Statement};

/// The category of a query over tables.
pub(super) fn of(query: &Query, only_schema: bool) -> Category {
    if only_schema {
        Category::Schema
    } else if is_count(query) {
        Category::Count
    } else {
        Category::Data
    }
}

/// `SELECT count(...) FROM ...`, one number.
fn is_count(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] = select.projection.as_slice() else { return false };
    let Expr::Function(function) = item else { return false };
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(by, modifiers) if by.is_empty() && modifiers.is_empty());
    ungrouped && function.over.is_none() && super::tables::last_lower(&function.name) == "count"
}

/// The server's version: the one answer that reads no table and is kept nevertheless.
pub(super) fn metadata(dialect: Dialect, statement: &Statement, catalog: &Catalog) -> Option<Read> {
    let known = match dialect {
        Dialect::Postgres => ["select version()", "show server_version"],
        Dialect::MySql => ["select version()", "select @@version"],
        Dialect::Sqlite => ["select sqlite_version()", "select sqlite_version()"],
    };
    let short = match statement {
        Statement::Query(query) => {
            matches!(query.body.as_ref(), SetExpr::Select(select) if select.projection.len() == 1 && select.from.is_empty())
        }
        Statement::ShowVariable { .. } => true,
        _ => false,
    };
    let found = short && {
        let text = statement.to_string().to_lowercase();
        known.contains(&text.as_str()) && !catalog.is_user_function("version") && !catalog.is_user_function("sqlite_version")
    };
    found.then(|| Read { tables: [Tag::schema()].into(), category: Category::Metadata, secured: false, guarded: false })
}
