//! SQL text to its meaning: what it reads, what it writes, and whether its answer can be kept.

use crate::catalog::Catalog;
use crate::tag::Tag;
use std::sync::Arc;
use std::time::Duration;

/// How a database writes SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
}

/// A read whose answer can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Every table (or `_schema`) it depends on, each once; the first is the one that its key is filed under.
    pub tables: Arc<[Tag]>,
    /// The kind of answer, for TTLs and keys.
    pub category: Category,
}

/// The kinds of answers, each with a TTL of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// It names something other than a plain base table: a view, a partition, a foreign table, a table with row-level security.
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
}

/// What comments in the text ask for: `/* cache: off */`, `/* cache: ttl=30s */`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Don't look up, don't store.
    pub off: bool,
    /// Keep the answer for so long.
    pub ttl: Option<Duration>,
}

/// Reads a statement's text; its names mean what the catalog says. Never panics; takes some 10 us, so callers memoise it by the text.
pub fn analyse(dialect: Dialect, sql: &str, catalog: &Catalog) -> Analysis {
    let _ = (dialect, sql, catalog);
    todo!()
}
