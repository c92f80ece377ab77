//! What INSERT, UPDATE, DELETE, MERGE and TRUNCATE write.

use super::{Dialect, Writes, tables};
use crate::catalog::{Catalog, Reach, Reads};
use crate::tag::Tag;
use sqlparser::ast::{
    CascadeOption, Delete, FromTable, Insert, ObjectName, Statement, TableFactor, TableObject, TableWithJoins, Truncate, Update,
};

/// A set of tables, or everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    tables: Vec<Tag>,
    everything: bool,
    /// Whether a rollback leaves some of it written: as good as a write that commits by itself.
    stays: bool,
}

impl Targets {
    /// What a statement itself writes, apart from statements within it; `None` if it is no such statement.
    pub fn of(dialect: Dialect, catalog: &Catalog, statement: &Statement) -> Option<Self> {
        let mut targets = Collector { dialect, catalog, targets: Self::default() };
        match statement {
            Statement::Insert(insert) => targets.insert(insert),
            Statement::Update(update) => targets.update(update),
            Statement::Delete(delete) => targets.delete(delete),
            Statement::Merge(merge) => targets.factor(&merge.table, false),
            Statement::Truncate(truncate) => targets.truncate(truncate),
            _ => return None,
        }
        Some(targets.targets)
    }

    /// A table by its name.
    pub fn named(dialect: Dialect, catalog: &Catalog, name: &ObjectName) -> Self {
        let mut targets = Collector { dialect, catalog, targets: Self::default() };
        targets.table(name);
        targets.targets
    }

    /// The union with another set.
    pub fn add(&mut self, other: Self) {
        self.everything |= other.everything;
        self.stays |= other.stays;
        for tag in other.tables {
            if !self.tables.contains(&tag) {
                self.tables.push(tag);
            }
        }
    }

    /// Whether a rollback leaves some of it written.
    pub fn stays(&self) -> bool {
        self.stays
    }

    /// The set as an analysis says it.
    pub fn into_writes(self) -> Writes {
        match self {
            Self { everything: true, .. } => Writes::Everything,
            Self { tables, .. } if tables.is_empty() => Writes::Nothing,
            Self { tables, .. } => Writes::Tables(tables.into()),
        }
    }
}

struct Collector<'a> {
    dialect: Dialect,
    catalog: &'a Catalog,
    targets: Targets,
}

impl Collector<'_> {
    fn table(&mut self, written: &ObjectName) {
        let relation = tables::name(self.dialect, written).and_then(|name| self.catalog.resolve(&name));
        match relation {
            Some(relation) if relation.writes == Reach::Itself && matches!(relation.reads, Reads::Plain | Reads::Opaque) => {
                self.targets.add(Targets { tables: vec![relation.tag.clone()], everything: false, stays: !relation.rolls_back });
            }
            // Unknown, further than itself, a view that calls functions, or the database's own catalog.
            _ => self.targets.everything = true,
        }
    }

    /// A table in FROM or its like. In a statement over several tables a derived one can't be written to.
    fn factor(&mut self, factor: &TableFactor, several: bool) {
        match factor {
            TableFactor::Table { name, args: None, .. } => self.table(name),
            TableFactor::Derived { .. } | TableFactor::JsonTable { .. } if several => {}
            TableFactor::NestedJoin { table_with_joins, .. } => self.joined(table_with_joins),
            _ => self.targets.everything = true,
        }
    }

    /// Every table of a join: which of them a multi-table statement writes depends on its columns.
    fn joined(&mut self, table: &TableWithJoins) {
        self.factor(&table.relation, true);
        for join in &table.joins {
            self.factor(&join.relation, true);
        }
    }

    fn insert(&mut self, insert: &Insert) {
        match &insert.table {
            TableObject::TableName(name) => self.table(name),
            _ => self.targets.everything = true,
        }
        self.targets.everything |= insert.multi_table_insert_type.is_some() || insert.overwrite || insert.output.is_some();
    }

    fn update(&mut self, update: &Update) {
        if update.table.joins.is_empty() {
            self.factor(&update.table.relation, false);
        } else {
            self.joined(&update.table);
        }
        self.targets.everything |= update.output.is_some();
    }

    fn delete(&mut self, delete: &Delete) {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        // `DELETE a FROM t AS a JOIN ...` and `DELETE FROM a USING t AS a JOIN ...`: aliases, so take every table there is.
        let several = !delete.tables.is_empty() || from.iter().any(|table| !table.joins.is_empty()) || from.len() > 1;
        match (&delete.using, self.dialect) {
            (Some(using), Dialect::MySql) => using.iter().for_each(|table| self.joined(table)),
            _ if several => from.iter().for_each(|table| self.joined(table)),
            _ => from.iter().for_each(|table| self.factor(&table.relation, false)),
        }
        self.targets.everything |= delete.output.is_some() || from.is_empty();
    }

    fn truncate(&mut self, truncate: &Truncate) {
        // A cascade follows foreign keys; a table of that name with children truncates them as well, which is the catalog's to know.
        let further = matches!(truncate.cascade, Some(CascadeOption::Cascade))
            || truncate.partitions.is_some()
            || truncate.on_cluster.is_some()
            || truncate.table_names.is_empty();
        self.targets.everything |= further;
        truncate.table_names.iter().for_each(|table| self.table(&table.name));
    }
}
