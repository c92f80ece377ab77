//! What INSERT, UPDATE, DELETE, MERGE and TRUNCATE write.

use super::{Dialect, tables};
use crate::catalog::{Catalog, Code, Ops};
use sqlparser::ast::{
    Assignment, AssignmentTarget, CascadeOption, Delete, FromTable, Insert, ObjectName, OnConflictAction, OnInsert, SqliteOnConflict,
    Statement, TableFactor, TableObject, TableWithJoins, Truncate, Update,
};

/// Notes what a statement itself writes, apart from statements within it; false if it is no such statement.
pub(super) fn note(dialect: Dialect, catalog: &Catalog, statement: &Statement, code: &mut Code) -> bool {
    let mut targets = Collector { dialect, catalog, code };
    match statement {
        Statement::Insert(insert) => targets.insert(insert),
        Statement::Update(update) => targets.update(update),
        Statement::Delete(delete) => targets.delete(delete),
        Statement::Merge(merge) => targets.factor(&merge.table, Ops::ROWS, false),
        Statement::Truncate(truncate) => targets.truncate(truncate),
        _ => return false,
    }
    true
}

/// Notes a table that is written, by its name.
pub(super) fn note_table(dialect: Dialect, catalog: &Catalog, name: &ObjectName, ops: Ops, code: &mut Code) {
    Collector { dialect, catalog, code }.table(name, ops);
}

struct Collector<'a> {
    dialect: Dialect,
    catalog: &'a Catalog,
    code: &'a mut Code,
}

impl Collector<'_> {
    fn table(&mut self, written: &ObjectName, ops: Ops) {
        match tables::name(self.dialect, written).and_then(|name| self.catalog.find(&name)) {
            Some((key, _)) => self.code.write(key, ops),
            None => self.code.hide(format!("writes {written}, which the catalog does not know"), false),
        }
    }

    fn strange(&mut self) {
        self.code.hide("writes in a way that is not known", false);
    }

    /// A table in FROM or its like. In a statement over several tables a derived one can't be written to.
    fn factor(&mut self, factor: &TableFactor, ops: Ops, several: bool) {
        match factor {
            TableFactor::Table { name, args: None, .. } => self.table(name, ops),
            TableFactor::Derived { .. } | TableFactor::JsonTable { .. } if several => {}
            TableFactor::NestedJoin { table_with_joins, .. } => self.joined(table_with_joins, ops),
            _ => self.strange(),
        }
    }

    /// Every table of a join: which of them a multi-table statement writes depends on its columns.
    fn joined(&mut self, table: &TableWithJoins, ops: Ops) {
        self.factor(&table.relation, ops, true);
        for join in &table.joins {
            self.factor(&join.relation, ops, true);
        }
    }

    fn insert(&mut self, insert: &Insert) {
        let TableObject::TableName(name) = &insert.table else { return self.strange() };
        let mut ops = Ops::INSERT;
        if insert.replace_into || insert.or == Some(SqliteOnConflict::Replace) {
            ops |= Ops::DELETE;
        }
        match &insert.on {
            None => {}
            Some(OnInsert::OnConflict(conflict)) => match &conflict.action {
                OnConflictAction::DoNothing => {}
                OnConflictAction::DoUpdate(update) => ops |= self.update_of(Some(name), &update.assignments),
            },
            Some(OnInsert::DuplicateKeyUpdate(assignments)) => ops |= self.update_of(Some(name), assignments),
            Some(_) => ops |= Ops::ROWS,
        }
        self.table(name, ops);
        if insert.multi_table_insert_type.is_some() || insert.overwrite || insert.output.is_some() {
            self.strange();
        }
    }

    fn update(&mut self, update: &Update) {
        let replaces = if update.or == Some(SqliteOnConflict::Replace) { Ops::DELETE } else { Ops::NONE };
        if update.table.joins.is_empty() {
            let name = match &update.table.relation {
                TableFactor::Table { name, .. } => Some(name),
                _ => None,
            };
            let ops = self.update_of(name, &update.assignments) | replaces;
            self.factor(&update.table.relation, ops, false);
        } else {
            self.joined(&update.table, Ops::UPDATE | Ops::KEYS | replaces);
        }
        if update.output.is_some() {
            self.strange();
        }
    }

    /// Whether these assignments may change what foreign keys refer to.
    fn update_of(&self, name: Option<&ObjectName>, assignments: &[Assignment]) -> Ops {
        let relation = name.and_then(|name| tables::name(self.dialect, name)).and_then(|name| self.catalog.resolve(&name));
        let keys = relation.and_then(|relation| relation.keys.as_deref());
        let spares = |assignment: &Assignment| match &assignment.target {
            AssignmentTarget::ColumnName(column) => {
                // In PostgreSQL `a.b` is a part of column `a`.
                let plain = column.0.len() == 1 || self.dialect != Dialect::Postgres;
                let column = tables::last_lower(column);
                // PostgreSQL cuts longer names off, and who folds the case of which letters is not asked.
                let certain = column.is_ascii() && column.len() <= crate::catalog::LONGEST_NAME && !column.is_empty();
                plain && certain && keys.is_some_and(|keys| keys.iter().all(|key| key.to_lowercase() != column))
            }
            AssignmentTarget::Tuple(_) => false,
        };
        if assignments.iter().all(spares) { Ops::UPDATE } else { Ops::UPDATE | Ops::KEYS }
    }

    fn delete(&mut self, delete: &Delete) {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        // `DELETE a FROM t AS a JOIN ...` and `DELETE FROM a USING t AS a JOIN ...`: aliases, so take every table there is.
        let several = !delete.tables.is_empty() || from.iter().any(|table| !table.joins.is_empty()) || from.len() > 1;
        match (&delete.using, self.dialect) {
            (Some(using), Dialect::MySql) => using.iter().for_each(|table| self.joined(table, Ops::DELETE)),
            _ if several => from.iter().for_each(|table| self.joined(table, Ops::DELETE)),
            _ => from.iter().for_each(|table| self.factor(&table.relation, Ops::DELETE, false)),
        }
        if delete.output.is_some() || from.is_empty() {
            self.strange();
        }
    }

    fn truncate(&mut self, truncate: &Truncate) {
        let cascades = matches!(truncate.cascade, Some(CascadeOption::Cascade));
        let ops = if cascades { Ops::TRUNCATE | Ops::CASCADE } else { Ops::TRUNCATE };
        if truncate.partitions.is_some() || truncate.on_cluster.is_some() || truncate.table_names.is_empty() {
            self.strange();
        }
        truncate.table_names.iter().for_each(|table| self.table(&table.name, ops));
    }
}
