//! What must not be kept, as the settings name it.

use crate::error::Error;

/// The tables and columns of `deny_tables` and `deny_columns`, compared without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deny {
    /// `table` or `schema.table`.
    pub(crate) tables: Vec<String>,
    /// `column`, `table.column` or `schema.table.column`.
    pub(crate) columns: Vec<String>,
}

impl Deny {
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.columns.is_empty()
    }

    pub(crate) fn deny_tables<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.tables.extend(names.into_iter().map(normal));
    }

    pub(crate) fn deny_columns<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.columns.extend(names.into_iter().map(normal));
    }

    /// Whether a table of this name may be denied, where nobody knows its schema.
    pub(crate) fn may_be_table(&self, name: &str) -> bool {
        let name = normal(name);
        let relation = |name: &str| name.rsplit('.').next().map(str::to_owned);
        self.tables.iter().any(|denied| {
            let both_have_a_schema = denied.contains('.') && name.contains('.');
            *denied == name || !both_have_a_schema && relation(denied) == relation(&name)
        })
    }

    /// Each column: of which table, or of any, and its name.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        self.columns.iter().map(|name| match name.rsplit_once('.') {
            Some((table, column)) => (Some(table), column),
            None => (None, name.as_str()),
        })
    }

    /// A name that is none would deny nothing, and somebody relies on it.
    ///
    /// # Errors
    ///
    /// One that is empty or has an empty part.
    pub(crate) fn check(&self, tables: &str, columns: &str) -> Result<(), Error> {
        for (setting, names) in [(tables, &self.tables), (columns, &self.columns)] {
            if let Some(name) = names.iter().find(|name| name.split('.').any(|part| part.trim().is_empty())) {
                return Err(Error::setting(setting, name, "has an empty name"));
            }
        }
        Ok(())
    }
}

fn normal(name: &str) -> String {
    name.trim().to_lowercase()
}
