//! Syntax trees to meanings. Every kind of statement that is not named here may do anything.

use super::scan::is_word;
use super::walk::Walk;
use super::{Analysis, Bypass, Dialect, Session, Writes, category, columns, tables, targets};
use crate::catalog::{Catalog, Closure, Code, Ops};
use sqlparser::ast::{ContextModifier, CopySource, CopyTarget, CreateTable, Query, Set, Statement, UtilityOption, Visit};

/// The meaning of one statement. `bypass` is what its words already gave away.
pub(super) fn analyse(dialect: Dialect, catalog: &Catalog, statement: &Statement, bypass: Option<Bypass>) -> Analysis {
    let context = Context { dialect, catalog };
    // MySQL commits before and after most of what is no query.
    let commits = dialect == Dialect::MySql;
    match statement {
        // It numbers the rows of tables without a primary key anew.
        Statement::Vacuum(_) if dialect == Dialect::Sqlite => Analysis::everything(Bypass::NotAQuery),
        Statement::Query(query) => context.query(statement, query, bypass),
        Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) => context.write(statement),
        Statement::Truncate(_) => Analysis { commits, ..context.write(statement) },
        Statement::Copy { source, to, target, values, .. } => context.copy(source, *to, target, !values.is_empty()),
        Statement::Explain { analyze, options, statement, .. } => {
            if *analyze || options.iter().flatten().any(is_analyze) {
                Analysis { read: Err(Bypass::NotAQuery), ..self::analyse(dialect, catalog, statement, bypass) }
            } else {
                // The planner calls functions that are declared deterministic, and these may write all the same.
                let explained = self::analyse(dialect, catalog, statement, bypass);
                match explained.writes {
                    Writes::Everything if dialect != Dialect::Sqlite => Analysis::everything(Bypass::NotAQuery),
                    // A query that writes does so by what it calls.
                    Writes::Tables(_) if dialect != Dialect::Sqlite && matches!(**statement, Statement::Query(_)) => {
                        Analysis { read: Err(Bypass::NotAQuery), ..explained }
                    }
                    _ => Analysis::harmless(Bypass::NotAQuery),
                }
            }
        }
        Statement::ShowVariable { .. } => match category::metadata(dialect, statement, catalog) {
            Some(read) => Analysis { read: Ok(read), ..Analysis::harmless(Bypass::NotAQuery) },
            None => Analysis::harmless(Bypass::NotAQuery),
        },
        // They look, or speak to other sessions.
        Statement::ExplainTable { .. }
        | Statement::ShowFunctions { .. }
        | Statement::ShowStatus { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowCreate { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowProcessList { .. }
        | Statement::ShowSchemas { .. }
        | Statement::ShowCharset(_)
        | Statement::ShowTables { .. }
        | Statement::ShowViews { .. }
        | Statement::ShowCollation { .. }
        | Statement::LISTEN { .. }
        | Statement::UNLISTEN { .. }
        | Statement::NOTIFY { .. }
        | Statement::Kill { .. }
        // A cursor's query was judged at its DECLARE.
        | Statement::Fetch { .. }
        | Statement::Close { .. }
        // What is prepared is judged where it runs: nowhere, so EXECUTE may do anything.
        | Statement::Deallocate { .. }
        | Statement::Vacuum(_) => Analysis::harmless(Bypass::NotAQuery),
        Statement::Prepare { .. } => Analysis { session: context.prepared(), ..Analysis::harmless(Bypass::NotAQuery) },
        Statement::Execute { .. } => Analysis { session: context.prepared(), commits, ..Analysis::everything(Bypass::NotAQuery) },
        // One that changes its caller's session is a documented limit.
        Statement::Call(call) => {
            let mut walk = context.walk(statement);
            walk.call_user(&call.name);
            let closure = catalog.close(&walk.code);
            // A procedure may commit by itself in MySQL.
            let commits = commits && (closure.ends_transaction || closure.everything.is_some() || closure.stays);
            Analysis { commits, read: Err(Bypass::NotAQuery), ..written(walk.setting, closure) }
        }
        // Statistics; MariaDB's `ANALYZE <statement>` runs the statement.
        Statement::Analyze(_) if dialect != Dialect::MySql => Analysis::harmless(Bypass::NotAQuery),
        Statement::Analyze(analyze) if analyze.has_table_keyword => Analysis { commits, ..Analysis::harmless(Bypass::NotAQuery) },
        Statement::OptimizeTable { has_table_keyword: true, .. } if commits => Analysis { commits, ..Analysis::harmless(Bypass::NotAQuery) },
        // It carries the writes of its query: FETCH runs it, in the same transaction.
        Statement::Declare { .. } => context.write(statement).declared(),
        Statement::CreateTable(table) => context.create_table(statement, table),
        Statement::CreateView(view) if view.temporary || tables::in_temporary_schema(&view.name) => Analysis {
            session: Session::TemporaryTable(tables::last_lower(&view.name)),
            // MySQL knows no such view, and whoever runs this there is told so.
            ..Analysis::harmless(Bypass::NotAQuery)
        },
        // `SET @x = f()` calls.
        Statement::Set(_) if commits => Analysis { commits, read: Err(Bypass::NotAQuery), session: Session::Changed, ..context.write(statement) },
        _ => other(dialect, statement),
    }
}

/// Statements that need no catalog: sessions, transactions and the schema.
fn other(dialect: Dialect, statement: &Statement) -> Analysis {
    let commits = dialect == Dialect::MySql;
    match statement {
        // An open transaction stays behind on one connection of the pool, and so does a lock.
        Statement::StartTransaction { statements, .. } if statements.is_empty() => Analysis { commits, ..Analysis::session() },
        // In SQLite the outermost savepoint is a transaction, and its release the commit.
        Statement::Savepoint { .. } if dialect == Dialect::Sqlite => Analysis::session(),
        Statement::ReleaseSavepoint { .. } if dialect == Dialect::Sqlite => Analysis { writes: Writes::Everything, ..Analysis::session() },
        Statement::Savepoint { .. } | Statement::ReleaseSavepoint { .. } | Statement::Rollback { savepoint: Some(_), .. } => {
            Analysis::local()
        }
        // Elsewhere LOCAL is another word for SESSION, and the next transaction's level stays behind on its connection.
        Statement::Set(set) if dialect == Dialect::Postgres && ends_with_transaction(set) => {
            let session = if changes_names(&statement.to_string()) { Session::LocalNames } else { Session::Local };
            Analysis { session, ..Analysis::local() }
        }
        Statement::Rollback { .. } | Statement::Reset(_) | Statement::Use(_) => Analysis::session(),
        Statement::Commit { .. } => Analysis { writes: Writes::Everything, commits, ..Analysis::session() },
        // PostgreSQL's lasts as long as its transaction, and a transaction through the pool is this one statement.
        Statement::Lock(_) => Analysis::harmless(Bypass::NotAQuery),
        // `SET autocommit = 1` commits, as do the others.
        Statement::Set(_) | Statement::LockTables { .. } | Statement::UnlockTables => Analysis { commits, ..Analysis::session() },
        // Temporary tables go, settings return: names mean something else.
        Statement::Discard { .. }
        | Statement::AttachDatabase { .. }
        | Statement::AttachDuckDBDatabase { .. }
        | Statement::DetachDuckDBDatabase { .. }
        | Statement::Load { .. }
        | Statement::Pragma { .. } => Analysis { writes: Writes::Everything, changes_schema: true, ..Analysis::session() },
        // Roles carry settings for sessions to come, whose rows then differ from those of the connections that stand.
        Statement::AlterRole { .. } | Statement::AlterUser(_) | Statement::AlterSession { .. } => {
            let text = statement.to_string().to_ascii_lowercase();
            let setting = text.split(|c| !is_word(c)).any(|word| matches!(word, "set" | "reset"));
            Analysis { session: if setting { Session::Changed } else { Session::Unchanged }, ..Analysis::schema_change(dialect) }
        }
        Statement::CreateSequence { temporary: true, name, .. } => {
            Analysis { session: Session::TemporaryTable(tables::last_lower(name)), ..Analysis::schema_change(dialect) }
        }
        // It fires on one connection only, where the catalog doesn't see it.
        Statement::CreateTrigger(trigger) if trigger.temporary => {
            Analysis { session: Session::Changed, ..Analysis::schema_change(dialect) }
        }
        // DDL, permissions, and everything that nobody has thought of yet.
        _ => Analysis::schema_change(dialect),
    }
}

/// Whether names may mean other relations after a `SET LOCAL` of this text: by the path itself, or by the user who is a part of it.
pub(super) fn changes_names(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let mut words = text.split(|c: char| !is_word(c) && c != '.').filter(|word| !word.is_empty());
    let setting = words.nth(2).unwrap_or_default();
    !setting.contains('.') && ["search_path", "schema", "role", "session"].iter().any(|name| setting.starts_with(name))
}

/// Whether a setting of PostgreSQL's ends with the transaction that makes it.
fn ends_with_transaction(set: &Set) -> bool {
    match set {
        Set::SingleAssignment { scope, .. } => *scope == Some(ContextModifier::Local),
        Set::SetRole { context_modifier, .. } => *context_modifier == Some(ContextModifier::Local),
        Set::SetTimeZone { local, .. } => *local,
        Set::SetTransaction { session, .. } => !session,
        _ => false,
    }
}

struct Context<'a> {
    dialect: Dialect,
    catalog: &'a Catalog,
}

impl Context<'_> {
    fn walk(&self, node: &impl Visit) -> Walk<'_> {
        Walk::of(self.dialect, self.catalog, node)
    }

    fn query(&self, statement: &Statement, query: &Query, words: Option<Bypass>) -> Analysis {
        if let Some(read) = category::metadata(self.dialect, statement, self.catalog) {
            return Analysis { read: Ok(read), ..Analysis::harmless(Bypass::NotAQuery) };
        }
        let walk = self.walk(statement);
        if let Some((temporary, name)) = walk.into {
            let closure = self.catalog.close(&walk.code);
            let harmless = temporary && closure.everything.is_none() && closure.writes.is_empty() && !walk.setting;
            return match (harmless, temporary) {
                (true, _) => Analysis { session: Session::TemporaryTable(name), ..Analysis::harmless(Bypass::Write) },
                (false, true) => Analysis { session: Session::Changed, ..Analysis::schema_change(self.dialect) },
                (false, false) => Analysis { commits: false, ..Analysis::schema_change(self.dialect) },
            };
        }
        let mut code = walk.code;
        if let Some(words) = words {
            code.refuse(words, String::new());
        }
        let closure = self.catalog.close(&code);
        if walk.writes {
            return written(walk.setting, closure);
        }
        let session = if walk.setting { Session::Changed } else { Session::Unchanged };
        let mut analysis = Analysis { session, ..Analysis::closed(closure, |closure| category::of(query, closure.only_schema)) };
        if let Ok(read) = &mut analysis.read {
            match columns::guarded(self.dialect, self.catalog, query, &read.tables, read.category) {
                Ok(guarded) => read.guarded = guarded,
                Err(what) => analysis.refuse(Bypass::Denied, what),
            }
        }
        analysis
    }

    fn write(&self, statement: &impl Visit) -> Analysis {
        let walk = self.walk(statement);
        written(walk.setting, self.catalog.close(&walk.code))
    }

    fn copy(&self, source: &CopySource, to: bool, target: &CopyTarget, data: bool) -> Analysis {
        // A program of the server's machine can do anything. Data within the text: the parser takes the statements that follow for data.
        if data {
            return Analysis::unknown(self.dialect);
        }
        if matches!(target, CopyTarget::Program { .. }) {
            return Analysis::everything(Bypass::NotAQuery);
        }
        let mut code = Code::default();
        match source {
            CopySource::Table { table_name, .. } if to => {
                match tables::name(self.dialect, table_name).and_then(|name| self.catalog.find(&name)) {
                    Some((key, _)) => code.read(key),
                    None => return Analysis::everything(Bypass::NotAQuery),
                }
            }
            CopySource::Table { table_name, .. } => {
                targets::note_table(self.dialect, self.catalog, table_name, Ops::INSERT, &mut code);
                return written(false, self.catalog.close(&code));
            }
            CopySource::Query(query) => code = self.walk(query).code,
        }
        Analysis { read: Err(Bypass::NotAQuery), ..written(false, self.catalog.close(&code)) }
    }

    fn create_table(&self, statement: &Statement, table: &CreateTable) -> Analysis {
        if !(table.temporary || tables::in_temporary_schema(&table.name)) {
            return Analysis::schema_change(self.dialect);
        }
        let name = Session::TemporaryTable(tables::last_lower(&table.name));
        let walk = self.walk(statement);
        // Its own name is unknown to the catalog, which the walk takes for a hazard in PostgreSQL; what its query does is what counts.
        let query = table.query.as_ref().map(|query| self.catalog.close(&self.walk(query).code));
        if walk.writes || walk.setting || query.is_some_and(|query| query.everything.is_some() || !query.writes.is_empty()) {
            return Analysis { session: Session::Changed, ..Analysis::schema_change(self.dialect) };
        }
        Analysis { session: name, ..Analysis::harmless(Bypass::NotAQuery) }
    }

    /// MySQL prepares any text, a SET as well as a SELECT; PostgreSQL only what reads or writes rows.
    fn prepared(&self) -> Session {
        if self.dialect == Dialect::Postgres { Session::Unchanged } else { Session::Changed }
    }
}

/// A statement that writes, whatever it reads.
pub(super) fn written(setting: bool, closure: Closure) -> Analysis {
    let session = if setting { Session::Changed } else { Session::Unchanged };
    Analysis { read: Err(Bypass::Write), session, ..Analysis::closed(closure, |_| super::Category::Data) }
}

/// `EXPLAIN (ANALYZE ...)`, whatever its argument says.
fn is_analyze(option: &UtilityOption) -> bool {
    ["analyze", "analyse"].iter().any(|word| option.name.value.eq_ignore_ascii_case(word))
}
