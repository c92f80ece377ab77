//! One walk over a statement's syntax: every relation it reads, every reason not to keep its answer, every way it could write.
//!
//! The parser's derived visitor reaches every expression, query and named table (tests hold it to that); what it doesn't call out by itself - table
//! functions, `TABLE x`, clauses of a query - is looked at from the nodes around. A node that this file doesn't know is a reason not to keep the answer.

use super::functions::{self, Effect};
use super::tables::{self, Meaning, Scopes};
use super::targets::Targets;
use super::{Bypass, Dialect};
use crate::catalog::{Catalog, Reads};
use crate::tag::Tag;
use sqlparser::ast::{Function, FunctionArguments, ObjectName, Query, Select, SetExpr, Statement, TableFactor, Visit, Visitor};
use std::ops::ControlFlow;

/// What a walk found.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent findings, not states")]
pub(super) struct Walk<'a> {
    pub(super) dialect: Dialect,
    pub(super) catalog: &'a Catalog,
    scopes: Scopes,
    /// The tables read, each once.
    pub tables: Vec<Tag>,
    /// Whether everything read is the database's own catalog.
    pub only_schema: bool,
    /// The first reason not to keep the answer.
    pub bypass: Option<Bypass>,
    /// Whether something in it may write anything.
    pub hazard: bool,
    /// Whether it changes a setting of the session.
    pub setting: bool,
    /// `SELECT ... INTO`: whether the new table is temporary, and its name.
    pub into: Option<(bool, String)>,
    /// What its INSERT, UPDATE, DELETE and MERGE parts write.
    pub targets: Targets,
    /// Whether it has such parts.
    pub writes: bool,
    /// Whether a date is made from something that could be a time of day (MySQL).
    pub(super) date: bool,
    /// Whether a time of day is made.
    pub(super) time_of_day: bool,
    /// The next name visited is a table function's.
    skip_name: bool,
}

impl<'a> Walk<'a> {
    /// Walks a part of a statement.
    pub fn of(dialect: Dialect, catalog: &'a Catalog, node: &impl Visit) -> Self {
        let mut walk = Self {
            dialect,
            catalog,
            scopes: Scopes::new(dialect),
            tables: Vec::new(),
            only_schema: true,
            bypass: None,
            hazard: false,
            setting: false,
            into: None,
            targets: Targets::default(),
            writes: false,
            date: false,
            time_of_day: false,
            skip_name: false,
        };
        let _ = node.visit(&mut walk);
        if catalog.has_opaque_operators() {
            // Any comparison may be a call.
            walk.distrust(Bypass::Function);
        }
        if walk.date && (walk.time_of_day || catalog.has_time_of_day()) {
            walk.refuse(Bypass::Function);
        }
        walk
    }

    /// Notes a reason not to keep the answer.
    pub(super) fn refuse(&mut self, reason: Bypass) {
        self.bypass.get_or_insert(reason);
    }

    /// Notes something that nobody listed: it is not kept, and it may write.
    pub(super) fn distrust(&mut self, reason: Bypass) {
        self.refuse(reason);
        self.hazard = true;
    }

    fn reads(&mut self, written: &ObjectName) {
        let meaning = self.scopes.meaning(written);
        if meaning == Meaning::Expression {
            return;
        }
        let Some(relation) = tables::name(self.dialect, written).and_then(|name| self.catalog.resolve(&name)) else {
            let dual = self.dialect == Dialect::MySql && written.0.len() == 1 && tables::last_lower(written) == "dual";
            if meaning == Meaning::Relation && !dual {
                self.refuse(Bypass::UnknownRelation);
                // A view calls the functions in it, and PostgreSQL's functions can write.
                self.hazard |= self.dialect == Dialect::Postgres;
            }
            return;
        };
        match relation.reads {
            Reads::Plain => {
                self.only_schema = false;
                self.note(relation.tag.clone());
            }
            Reads::Schema => self.note(Tag::schema()),
            Reads::Opaque => self.refuse(Bypass::NotATable),
            Reads::Hazard => self.distrust(Bypass::NotATable),
        }
    }

    fn note(&mut self, tag: Tag) {
        if !self.tables.contains(&tag) {
            self.tables.push(tag);
        }
    }

    /// Judges a call in an expression.
    pub(super) fn call(&mut self, function: &Function) {
        let arguments = match &function.args {
            FunctionArguments::None => 0,
            FunctionArguments::Subquery(_) => 1,
            FunctionArguments::List(list) => {
                // `count(DISTINCT x)`, ORDER BY and the like are fine; the clauses' expressions are walked by themselves.
                list.args.len()
            }
        };
        if !matches!(function.parameters, FunctionArguments::None) {
            self.distrust(Bypass::Unparsed);
        }
        self.call_named(&function.name, arguments);
    }

    fn call_named(&mut self, name: &ObjectName, arguments: usize) {
        match self.builtin(name).map(|name| functions::effect(self.dialect, &name, arguments)) {
            Some(Effect::Pure) => {}
            Some(Effect::Date) => self.date = true,
            Some(Effect::TimeOfDay) => self.time_of_day = true,
            Some(Effect::Harmless) => self.refuse(Bypass::Function),
            Some(Effect::Setting) => {
                self.setting = true;
                self.refuse(Bypass::Function);
            }
            Some(Effect::Unknown) | None => self.distrust(Bypass::Function),
        }
    }

    /// The lower-case name of a function that is the database's own, as far as its name tells.
    fn builtin(&self, name: &ObjectName) -> Option<String> {
        let own = match name.0.as_slice() {
            [_] => true,
            [schema, _] => {
                self.dialect == Dialect::Postgres && schema.as_ident().is_some_and(|schema| schema.value.eq_ignore_ascii_case("pg_catalog"))
            }
            _ => false,
        };
        let name = tables::last_lower(name);
        (own && !name.is_empty() && !self.catalog.is_user_function(&name)).then_some(name)
    }

    /// A name that the parser made a piece of syntax of, but that a user's function may have taken.
    pub(super) fn call_keyword(&mut self, name: &str) {
        if self.catalog.is_user_function(name) {
            self.distrust(Bypass::Function);
        }
    }

    fn table_function(&mut self, name: &ObjectName) {
        match self.builtin(name) {
            Some(name) if functions::is_pure_table_function(self.dialect, &name) => {}
            Some(name) if functions::effect(self.dialect, &name, 1) != Effect::Unknown => self.refuse(Bypass::Function),
            // SQLite's table-valued functions read, whatever they are.
            _ if self.dialect == Dialect::Sqlite => self.refuse(Bypass::Function),
            _ => self.distrust(Bypass::Function),
        }
    }
}

impl Visitor for Walk<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.enter(query);
        if !query.locks.is_empty() {
            self.refuse(Bypass::Locking);
        }
        if query.for_clause.is_some() || query.settings.is_some() || query.format_clause.is_some() || !query.pipe_operators.is_empty() {
            self.distrust(Bypass::Unparsed);
        }
        if let SetExpr::Table(_) | SetExpr::SetOperation { .. } = *query.body {
            let mut clauses = Vec::new();
            tables::table_clauses(&query.body, &mut |name| clauses.push(name));
            for clause in clauses {
                match clause {
                    Some(name) => self.reads(&name),
                    None => self.distrust(Bypass::UnknownRelation),
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.scopes.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if let Some(into) = &select.into {
            let name = into.targets.first().map(|target| target.to_string().to_lowercase()).unwrap_or_default();
            let temporary = into.temporary || name.starts_with("pg_temp");
            self.into = Some((temporary, name.rsplit('.').next().unwrap_or_default().trim_matches('"').to_owned()));
            self.refuse(Bypass::Write);
        }
        if select.select_modifiers.as_ref().is_some_and(|modifiers| modifiers.sql_calc_found_rows) {
            self.refuse(Bypass::Function);
        }
        let foreign = !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || select.qualify.is_some()
            || select.value_table_mode.is_some()
            || select.top.is_some()
            || select.exclude.is_some();
        if foreign {
            self.distrust(Bypass::Unparsed);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if !std::mem::take(&mut self.skip_name) {
            self.reads(relation);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args, version, sample, json_path, .. } => {
                if args.is_some() {
                    self.table_function(name);
                    self.skip_name = true;
                }
                if version.is_some() {
                    self.refuse(Bypass::Volatile);
                }
                if sample.is_some() {
                    self.refuse(Bypass::Function);
                }
                if json_path.is_some() {
                    self.distrust(Bypass::Unparsed);
                }
            }
            TableFactor::Derived { sample, .. } => {
                if sample.is_some() {
                    self.refuse(Bypass::Function);
                }
            }
            TableFactor::Function { name, .. } => self.table_function(name),
            TableFactor::UNNEST { .. } if self.dialect == Dialect::Postgres => self.call_keyword("unnest"),
            TableFactor::JsonTable { .. } if self.dialect == Dialect::MySql => {}
            TableFactor::NestedJoin { .. } => {}
            TableFactor::XmlTable { .. } | TableFactor::JsonTable { .. } => self.refuse(Bypass::Function),
            _ => self.distrust(Bypass::Unparsed),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &sqlparser::ast::Expr) -> ControlFlow<()> {
        self.expression(expr);
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        // A statement within one: a common table expression that writes, or what EXPLAIN explains.
        if let Some(targets) = Targets::of(self.dialect, self.catalog, statement) {
            self.writes = true;
            self.targets.add(targets);
        }
        ControlFlow::Continue(())
    }
}
