//! SQL text to its meaning: what it reads, what it writes, and whether its answer can be kept.

pub(crate) mod body;
mod category;
mod columns;
mod commands;
mod expressions;
mod functions;
mod hints;
mod parse;
mod scan;
mod schema;
mod statements;
mod tables;
mod targets;
#[cfg(test)]
mod tests;
mod unparsed;
mod walk;
mod words;

use crate::catalog::{Catalog, Closure, Code, Member};
use crate::tag::Tag;
use scan::Scan;
use sqlparser::ast::Statement;
use sqlparser::tokenizer::TokenWithSpan;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use walk::Walk;

/// How a database writes SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

/// What a statement means to the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analysis {
    /// What its answer depends on, or why it is not cached.
    pub read: Result<Read, Bypass>,
    /// What it changes.
    pub writes: Writes,
    /// Whether it may change the schema, so that the catalog is to be read again.
    pub changes_schema: bool,
    /// What it changes about the session that runs it.
    pub session: Session,
    /// Whether it commits by itself inside a transaction (MySQL's DDL and its kin): there it fences and invalidates at once.
    pub commits: bool,
    /// What comments in the text ask for.
    pub hints: Hints,
    /// Whether it may write anything only because of code that it runs, so that the database can be asked afterwards what it wrote.
    pub askable: bool,
    /// The reasons, for people.
    pub why: Why,
}

/// Why a statement means what it means, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// What in it keeps its answer from being kept; empty where the reason says it all.
    pub bypass: String,
    /// What in it may write anything.
    pub everything: String,
    /// What brought in the tables that the text does not name.
    pub members: Vec<(Tag, Arc<str>)>,
}

/// A read whose answer can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Every table (or `_schema`) it depends on, each once; the first is the one that its key is filed under.
    pub tables: Arc<[Tag]>,
    /// The kind of answer, for TTLs and keys.
    pub category: Category,
    /// Whether row-level security decides what the answer is: kept only for those who name a scope.
    pub secured: bool,
    /// Whether a table that it reads has columns that must not be kept: only an answer whose every column is told to be another one is.
    pub guarded: bool,
}

/// The kinds of answers, each with a TTL of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Rows of tables.
    Data,
    /// The database's own catalog: `information_schema`, `sqlite_master`, PRAGMA, SHOW, DESCRIBE.
    Schema,
    /// The server's version and settings.
    Metadata,
    /// A lone COUNT.
    Count,
}

impl Category {
    /// The category as a key segment.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Schema => "schema",
            Self::Metadata => "metadata",
            Self::Count => "count",
        }
    }
}

/// What a statement changes in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writes {
    /// Nothing.
    Nothing,
    /// These tables.
    Tables(Arc<[Tag]>),
    /// Anything: the text or the catalog can't tell.
    Everything,
}

/// What a statement changes about the session that runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Session {
    /// Nothing that a row depends on.
    Unchanged,
    /// Something that ends with the transaction it runs in (SET LOCAL, SET TRANSACTION, savepoints, LOCK TABLE); alone it does nothing.
    Local,
    /// The same, and until then names may mean other relations (SET LOCAL of `search_path` or role).
    LocalNames,
    /// A temporary table of this name (as a key of comparison: lower case) stands on one connection: nothing that names it can be cached from now on.
    TemporaryTable(String),
    /// Role, search path, time zone and the like, or an open transaction: nothing can be cached from now on.
    Changed,
}

/// Why an answer is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Bypass {
    /// It is not a read.
    Write,
    /// The parser does not understand it, or understands only a part.
    Unparsed,
    /// It reads no table.
    NoTable,
    /// It names a relation that the catalog does not know.
    UnknownRelation,
    /// It names a relation whose changes can't be followed: a foreign or virtual table, a temporary one, a sequence.
    NotATable,
    /// It calls a function that is volatile, depends on time, session, user or chance, or is not known to do none of these.
    Function,
    /// It reads a session or system variable.
    Variable,
    /// It locks what it reads.
    Locking,
    /// A system column or another detail that changes without a write.
    Volatile,
    /// A session or transaction statement, EXPLAIN, or anything else that is no query.
    NotAQuery,
    /// A comment in the text asks for it.
    Hint,
    /// It reads or shows what must not be kept.
    Denied,
}

/// What comments in the text ask for: `/* cache: off */`, `/* cache: ttl=30s */`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Don't look up, don't store.
    pub off: bool,
    /// Keep the answer for so long.
    pub ttl: Option<Duration>,
    /// Serve it for so long after that, while it is read anew.
    pub stale: Option<Duration>,
}

/// Reads a statement's text; its names mean what the catalog says. Never panics; takes some 10 us, so callers memoise it by the text.
pub fn analyse(dialect: Dialect, sql: &str, catalog: &Catalog) -> Analysis {
    let scan = Scan::new(dialect, sql);
    let hints = hints::read(&scan.comments);
    let mut analysis = understand(dialect, &scan, catalog)
        .or_else(|| one_by_one(dialect, &scan, catalog))
        .unwrap_or_else(|| unparsed::analyse(dialect, sql, &scan, catalog));
    analysis.deny_tables(catalog);
    if hints.off && analysis.read.is_ok() {
        analysis.read = Err(Bypass::Hint);
    }
    Analysis { hints, ..analysis }
}

/// A script that the parser does not understand as a whole: each of its statements by itself, so that one that it does not know does not cast doubt on the others.
fn one_by_one(dialect: Dialect, scan: &Scan<'_>, catalog: &Catalog) -> Option<Analysis> {
    let statements = scan.statements()?;
    let mut analyses = statements.into_iter().map(|statement| analyse(dialect, statement, catalog));
    let first = analyses.next()?;
    Some(analyses.fold(first, Analysis::then))
}

/// Chains of operators up to this depth are walked on the caller's stack.
const SHALLOW: usize = 100;
/// Longer ones on a stack of their own, up to this depth.
const DEEP: usize = 4_000;

fn understand(dialect: Dialect, scan: &Scan<'_>, catalog: &Catalog) -> Option<Analysis> {
    with_tokens(dialect, scan, |tokens| understand_tokens(dialect, tokens, catalog))
}

/// Reads the tokens of a text, on a stack that is large enough for their syntax tree. A reader that panics has understood nothing.
fn with_tokens<T: Send>(dialect: Dialect, scan: &Scan<'_>, read: impl FnOnce(Vec<TokenWithSpan>) -> Option<T> + Send) -> Option<T> {
    let tokens = parse::tokens(dialect, scan)?;
    match parse::depth(&tokens) {
        ..=SHALLOW => catch_unwind(AssertUnwindSafe(|| read(tokens))).ok()?,
        depth @ ..=DEEP => {
            // `a = 1 OR a = 2 OR ...`: the tree is as deep as the chain is long, and walked and dropped by recursion.
            let stack = 4 * 1024 * 1024 + depth * 16 * 1024;
            std::thread::scope(|scope| {
                let thread = std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, || read(tokens)).ok()?;
                thread.join().ok()?
            })
        }
        _ => None,
    }
}

/// What a query that the database keeps does by itself: a view's (perhaps as CREATE VIEW), or a policy made into one. Never panics.
pub(crate) fn query(dialect: Dialect, sql: &str, catalog: &Catalog) -> Code {
    let scan = Scan::new(dialect, sql);
    let parsed = with_tokens(dialect, &scan, |tokens| {
        if dialect == Dialect::Postgres && words::joins_strings(&tokens) {
            return None;
        }
        let bypass = words::bypass(dialect, &tokens);
        let parsed = parse::parse(dialect, tokens)?;
        let mut code = match parsed.statements.as_slice() {
            [statement @ Statement::Query(_)] => Walk::of(dialect, catalog, statement).code,
            [Statement::CreateView(view)] => Walk::of(dialect, catalog, &view.query).code,
            _ => return None,
        };
        if let Some(bypass) = bypass {
            code.refuse(bypass, String::new());
        }
        Some(code)
    });
    if let Some(code) = parsed {
        return code;
    }
    if dialect == Dialect::Sqlite && body::lex(dialect, &scan).is_none() {
        // No view of its writes.
        let mut code = Code::default();
        code.refuse(Bypass::Unparsed, "its text can't be read");
        return code;
    }
    // Its names are all that matters.
    body::read(dialect, body::Language::Sql, sql.trim_start().trim_start_matches("CREATE"), catalog)
}

fn understand_tokens(dialect: Dialect, tokens: Vec<TokenWithSpan>, catalog: &Catalog) -> Option<Analysis> {
    if let Some(analysis) = schema::analyse(dialect, &tokens, catalog).or_else(|| commands::analyse(dialect, &tokens, catalog)) {
        return Some(analysis);
    }
    if dialect == Dialect::Postgres && words::joins_strings(&tokens) {
        return None;
    }
    let words = words::bypass(dialect, &tokens);
    let parsed = parse::parse(dialect, tokens)?;
    let words = if parsed.locks { Some(Bypass::Locking) } else { words };
    let mut analyses = parsed.statements.iter().map(|statement| statements::analyse(dialect, catalog, statement, words));
    let Some(first) = analyses.next() else {
        // Nothing but blanks and comments.
        return Some(Analysis::harmless(Bypass::NotAQuery));
    };
    Some(analyses.fold(first, Analysis::then))
}

impl Analysis {
    /// Not cached, and without any effect.
    fn harmless(bypass: Bypass) -> Self {
        Self {
            read: Err(bypass),
            writes: Writes::Nothing,
            changes_schema: false,
            session: Session::Unchanged,
            commits: false,
            hints: Hints::default(),
            askable: false,
            why: Why::default(),
        }
    }

    /// What closed sets come to.
    fn closed(closure: Closure, category: impl FnOnce(&Closure) -> Category) -> Self {
        let tags = |members: &[Member]| members.iter().map(|member| member.tag.clone()).collect::<Arc<[Tag]>>();
        let writes = match &closure.everything {
            Some(_) => Writes::Everything,
            None if closure.writes.is_empty() => Writes::Nothing,
            None => Writes::Tables(tags(&closure.writes)),
        };
        let (bypass, detail) = closure.bypass.clone().map_or((None, String::new()), |(bypass, what)| (Some(bypass), what));
        let read = match bypass {
            Some(bypass) => Err(bypass),
            None if writes != Writes::Nothing => Err(Bypass::Write),
            None if closure.reads.is_empty() => Err(Bypass::NoTable),
            None => Ok(Read { tables: tags(&closure.reads), category: category(&closure), secured: closure.secured, guarded: false }),
        };
        // Wrapped in a transaction for the question, it must not end that.
        let askable = closure.everything.as_ref().is_some_and(|(_, askable)| *askable) && !closure.ends_transaction;
        let members = if read.is_ok() { &closure.reads } else { &closure.writes };
        let members = members.iter().filter_map(|member| Some((member.tag.clone(), member.because.clone()?))).collect();
        let everything = closure.everything.map(|(what, _)| what).unwrap_or_default();
        // What a rollback leaves written is as good as committed.
        let commits = closure.stays && writes != Writes::Nothing;
        Self { read, writes, commits, askable, why: Why { bypass: detail, everything, members }, ..Self::harmless(Bypass::Write) }
    }

    /// Nothing that depends on a denied table is kept.
    fn deny_tables(&mut self, catalog: &Catalog) {
        let Ok(read) = &self.read else { return };
        let Some(table) = read.tables.iter().find(|tag| catalog.denied().is_table(tag)) else { return };
        let what = format!("reads {table}, of which nothing is to be kept");
        let because = self.why.members.iter().find(|(tag, _)| tag == table).map(|(_, because)| format!("{because}: {what}"));
        self.refuse(Bypass::Denied, because.unwrap_or(what));
    }

    /// Not cached after all.
    fn refuse(&mut self, bypass: Bypass, what: String) {
        (self.read, self.why.bypass) = (Err(bypass), what);
    }

    /// Writes any table, but leaves schema and session alone.
    fn everything(bypass: Bypass) -> Self {
        Self { writes: Writes::Everything, ..Self::harmless(bypass) }
    }

    /// DDL and its kin.
    fn schema_change(dialect: Dialect) -> Self {
        Self { changes_schema: true, commits: dialect == Dialect::MySql, ..Self::everything(Bypass::NotAQuery) }
    }

    /// Changes the session and nothing else.
    fn session() -> Self {
        Self { session: Session::Changed, ..Self::harmless(Bypass::NotAQuery) }
    }

    /// Changes the session until its transaction ends.
    fn local() -> Self {
        Self { session: Session::Local, ..Self::harmless(Bypass::NotAQuery) }
    }

    /// May have done anything.
    fn unknown(dialect: Dialect) -> Self {
        Self { session: Session::Changed, read: Err(Bypass::Unparsed), ..Self::schema_change(dialect) }
    }

    /// A cursor's: what its query writes, as no write of its own.
    fn declared(self) -> Self {
        Self { read: Err(Bypass::NotAQuery), ..self }
    }

    /// Two statements in one text: the effects of both, and no answer to keep.
    fn then(self, next: Self) -> Self {
        let clear = |analysis: &Self| analysis.writes != Writes::Everything || analysis.askable;
        let askable = clear(&self) && clear(&next) && !self.changes_schema && !next.changes_schema;
        let writes = match (self.writes, next.writes) {
            (Writes::Everything, _) | (_, Writes::Everything) => Writes::Everything,
            (Writes::Nothing, writes) | (writes, Writes::Nothing) => writes,
            (Writes::Tables(a), Writes::Tables(b)) => {
                let mut tables = a.to_vec();
                tables.extend(b.iter().filter(|tag| !a.contains(tag)).cloned());
                Writes::Tables(tables.into())
            }
        };
        let session = match (self.session, next.session) {
            (session, Session::Unchanged) | (Session::Unchanged, session) => session,
            (Session::TemporaryTable(a), Session::TemporaryTable(b)) if a == b => Session::TemporaryTable(a),
            // There is room for one name only.
            _ => Session::Changed,
        };
        let mut why = self.why;
        why.members.extend(next.why.members);
        if why.everything.is_empty() {
            why.everything = next.why.everything;
        }
        let writing = [&self.read, &next.read].into_iter().any(|read| *read == Err(Bypass::Write));
        Self {
            read: Err(if writing { Bypass::Write } else { Bypass::NotAQuery }),
            writes,
            changes_schema: self.changes_schema || next.changes_schema,
            session,
            commits: self.commits || next.commits,
            hints: self.hints,
            askable,
            why,
        }
    }
}
