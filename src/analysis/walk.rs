//! One walk over a statement's syntax: every relation it reads, every reason not to keep its answer, every way it could write.
//!
//! The parser's derived visitor reaches every expression, query and named table (tests hold it to that); what it doesn't call out by itself - table
//! functions, `TABLE x`, clauses of a query - is looked at from the nodes around. A node that this file doesn't know is a reason not to keep the answer.

use super::functions::{self, Effect};
use super::tables::{self, Meaning, Scopes};
use super::{Bypass, Dialect, targets};
use crate::catalog::{Catalog, Code};
use sqlparser::ast::{Function, FunctionArguments, ObjectName, Query, Select, SetExpr, Statement, TableFactor, Visit, Visitor};
use std::ops::ControlFlow;

const SAMPLES: &str = "TABLESAMPLE draws by chance";

/// What a walk found.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent findings, not states")]
pub(super) struct Walk<'a> {
    pub(super) dialect: Dialect,
    pub(super) catalog: &'a Catalog,
    scopes: Scopes,
    /// What it names and does by itself.
    pub code: Code,
    /// Whether it changes a setting of the session.
    pub setting: bool,
    /// `SELECT ... INTO`: whether the new table is temporary, and its name.
    pub into: Option<(bool, String)>,
    /// Whether it has parts that insert, update, delete or merge.
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
            code: Code::default(),
            setting: false,
            into: None,
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
            walk.refuse_for(Bypass::Function, "may make a date of a time of day, by adding today's".to_owned());
        }
        walk
    }

    /// Notes a reason not to keep the answer.
    pub(super) fn refuse(&mut self, reason: Bypass) {
        // Elsewhere a call is refused by its name.
        let what = if reason == Bypass::Function { "casts to a type whose input depends on more than the text" } else { "" };
        self.refuse_for(reason, what.to_owned());
    }

    /// The same, with what it is about.
    pub(super) fn refuse_for(&mut self, reason: Bypass, what: String) {
        self.code.refuse(reason, what);
    }

    /// Notes something that nobody listed: it is not kept, and it may write.
    pub(super) fn distrust(&mut self, reason: Bypass) {
        let what = match reason {
            Bypass::Function => "uses an operator, a cast or a type that may call any function",
            Bypass::UnknownRelation => "names something that is no relation",
            _ => "has syntax of which nothing is known",
        };
        self.distrust_for(reason, what.to_owned());
    }

    /// The same, with what it is about.
    pub(super) fn distrust_for(&mut self, reason: Bypass, what: String) {
        self.refuse_for(reason, what.clone());
        self.code.hide(what, self.dialect == Dialect::Postgres);
    }

    fn reads(&mut self, written: &ObjectName) {
        let meaning = self.scopes.meaning(written);
        if meaning == Meaning::Expression {
            return;
        }
        let dual = self.dialect == Dialect::MySql && written.0.len() == 1 && tables::last_lower(written) == "dual";
        let certain = !dual && meaning != Meaning::Either { recursive: true };
        let find = |name| if certain { self.catalog.find(&name) } else { self.catalog.look_up(&name) };
        if let Some((key, _)) = tables::name(self.dialect, written).and_then(find) {
            self.code.read(key);
            return;
        }
        if meaning == Meaning::Relation && !dual {
            let what = format!("names {written}, which the catalog does not know");
            if self.dialect == Dialect::Postgres {
                // A view calls the functions in it, and PostgreSQL's functions can write.
                self.distrust_for(Bypass::UnknownRelation, what);
            } else {
                self.refuse_for(Bypass::UnknownRelation, what);
            }
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
        let Some(builtin) = self.builtin(name) else { return self.call_user(name) };
        match functions::effect(self.dialect, &builtin, arguments) {
            Effect::Pure => {}
            Effect::Date => self.date = true,
            Effect::TimeOfDay => self.time_of_day = true,
            Effect::Harmless => self.refuse_for(Bypass::Function, format!("calls {builtin}()")),
            Effect::Setting => {
                self.setting = true;
                self.refuse_for(Bypass::Function, format!("calls {builtin}()"));
            }
            Effect::Unknown if self.catalog.is_quiet(&builtin) => self.refuse_for(Bypass::Function, format!("calls {builtin}()")),
            Effect::Unknown => self.distrust_for(Bypass::Function, format!("calls {builtin}()")),
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

    /// A call of a function that a user defined, if the catalog knows it.
    pub(super) fn call_user(&mut self, name: &ObjectName) {
        let known = match name.0.as_slice() {
            [_] => true,
            // PostgreSQL's overloads of all schemas count as one.
            [schema, _] => match self.dialect {
                Dialect::Postgres => true,
                Dialect::MySql => schema.as_ident().is_some_and(|schema| self.catalog.is_home(&schema.value)),
                Dialect::Sqlite => false,
            },
            _ => false,
        };
        let last = tables::last_lower(name);
        if known && self.catalog.is_user_function(&last) {
            self.code.call(last);
        } else {
            self.distrust_for(Bypass::Function, format!("calls {name}()"));
        }
    }

    /// A name that the parser made a piece of syntax of, but that a user's function may have taken.
    pub(super) fn call_keyword(&mut self, name: &str) {
        if self.catalog.is_user_function(name) {
            self.code.call(name.to_lowercase());
        }
    }

    fn table_function(&mut self, name: &ObjectName) {
        match self.builtin(name) {
            Some(name) if functions::is_pure_table_function(self.dialect, &name) => {}
            Some(builtin) if functions::effect(self.dialect, &builtin, 1) != Effect::Unknown || self.catalog.is_quiet(&builtin) => {
                self.refuse_for(Bypass::Function, format!("calls {builtin}()"));
            }
            // SQLite's table-valued functions read, whatever they are.
            _ if self.dialect == Dialect::Sqlite => self.refuse_for(Bypass::Function, format!("calls {name}()")),
            _ => self.call_user(name),
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
            self.refuse_for(Bypass::Function, "SQL_CALC_FOUND_ROWS is for the statement after it".to_owned());
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
                    self.refuse_for(Bypass::Volatile, format!("reads a version of {name}"));
                }
                if sample.is_some() {
                    self.refuse_for(Bypass::Function, SAMPLES.to_owned());
                }
                if json_path.is_some() {
                    self.distrust(Bypass::Unparsed);
                }
            }
            TableFactor::Derived { sample, .. } => {
                if sample.is_some() {
                    self.refuse_for(Bypass::Function, SAMPLES.to_owned());
                }
            }
            TableFactor::Function { name, .. } => self.table_function(name),
            TableFactor::UNNEST { .. } if self.dialect == Dialect::Postgres => self.call_keyword("unnest"),
            TableFactor::JsonTable { .. } if self.dialect == Dialect::MySql => {}
            TableFactor::NestedJoin { .. } => {}
            TableFactor::XmlTable { .. } => self.refuse_for(Bypass::Function, "calls xmltable()".to_owned()),
            TableFactor::JsonTable { .. } => self.refuse_for(Bypass::Function, "calls json_table()".to_owned()),
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
        self.writes |= targets::note(self.dialect, self.catalog, statement, &mut self.code);
        ControlFlow::Continue(())
    }
}
