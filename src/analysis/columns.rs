//! What of its tables a query shows, where some of their columns must not be kept.
//!
//! A value that was denied can leave its table under another name: by a view, a derived table, a common table expression, a set operation, a function, an expression. What the
//! server then says of the column's origin is nothing, or the first of several truths. So of such tables only what can't hide anything is kept: a lone
//! number, or plain columns of the tables themselves, and of these the result's own columns still have to be told one by one when the answer has come.

use super::tables;
use super::{Category, Dialect};
use crate::catalog::{Catalog, Name, Reads};
use crate::tag::Tag;
use sqlparser::ast::{Expr, Query, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins};
use std::collections::HashSet;

/// A table of a FROM clause: the names that a query may call it by, in lower case, and its tag.
struct Source {
    called: String,
    tag: Tag,
}

/// Whether a query over these tables reads one with denied columns, so that the columns of its answer have to be told.
///
/// # Errors
///
/// Why its answer is not kept.
pub(super) fn guarded(dialect: Dialect, catalog: &Catalog, query: &Query, tables: &[Tag], category: Category) -> Result<bool, String> {
    let denied = catalog.denied();
    let mut guarded = tables.iter().filter_map(|tag| Some((tag, denied.columns_of(tag)?)));
    let Some((table, columns)) = guarded.next() else { return Ok(false) };
    if category == Category::Count && !catalog.is_user_function("count") {
        return Ok(false);
    }
    let names: HashSet<&String> = columns.iter().chain(guarded.flat_map(|(_, columns)| columns)).collect();
    let shown = |column: &str| format!("shows {column}, which is not to be kept");
    let hidden = || {
        let column = columns.iter().min().map_or("", String::as_str);
        format!("reads {table}, of which {column} is not to be kept, and shows more than plain columns of tables")
    };
    let (sources, projection) = plain(dialect, catalog, query).ok_or_else(hidden)?;
    let whole = |called: Option<&str>| {
        let known = called.is_some_and(|called| sources.iter().any(|source| source.called == called));
        let of = sources.iter().filter(|source| !known || Some(source.called.as_str()) == called);
        of.filter_map(|source| denied.columns_of(&source.tag)).flatten().min().map_or(Ok(()), |column| Err(shown(column)))
    };
    for item in projection {
        match item {
            SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } => {
                let column = match expression {
                    Expr::Identifier(column) => column,
                    Expr::CompoundIdentifier(parts) => parts.last().ok_or_else(hidden)?,
                    _ => return Err(hidden()),
                };
                let column = column.value.to_lowercase();
                if names.contains(&column) {
                    return Err(shown(&column));
                }
            }
            SelectItem::Wildcard(_) => whole(None)?,
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => whole(Some(&tables::last_lower(name)))?,
            _ => return Err(hidden()),
        }
    }
    Ok(true)
}

/// The tables and the list of a SELECT that reads from tables alone.
fn plain<'q>(dialect: Dialect, catalog: &Catalog, query: &'q Query) -> Option<(Vec<Source>, &'q [SelectItem])> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let mut sources = Vec::new();
    if query.with.is_some() {
        return None;
    }
    for from in &select.from {
        add(dialect, catalog, from, &mut sources)?;
    }
    Some((sources, &select.projection))
}

fn add(dialect: Dialect, catalog: &Catalog, from: &TableWithJoins, sources: &mut Vec<Source>) -> Option<()> {
    for factor in [&from.relation].into_iter().chain(from.joins.iter().map(|join| &join.relation)) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let named: Name = tables::name(dialect, name)?;
                let relation = catalog.resolve(&named).filter(|relation| matches!(relation.reads, Reads::Plain | Reads::Secured(_)))?;
                if catalog.denied().is_copied(&relation.tag) {
                    return None;
                }
                let called = alias.as_ref().map_or_else(|| tables::last_lower(name), |alias| alias.name.value.to_lowercase());
                sources.push(Source { called, tag: relation.tag.clone() });
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => add(dialect, catalog, table_with_joins, sources)?,
            _ => return None,
        }
    }
    Some(())
}
