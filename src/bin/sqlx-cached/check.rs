//! `check`: what the cache makes of a program's queries, for people and for CI.

mod metadata;
mod oracle;
mod report;
mod rules;
mod source;

use crate::failure::{Exit, Failure, Outcome};
use crate::output::{BAD, Output, plain, styled, tell};
use crate::target::Target;
use clap::ValueEnum;
use clap::builder::FalseyValueParser;
use oracle::Oracle;
use report::{Finding, Report};
use rules::Rule;
use source::Source;
use sqlparser::dialect::{Dialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use std::path::{Path, PathBuf};

/// What `check --help` says besides.
const HELP: &str = "\
Without a database every relation is taken for a plain table: views, triggers, foreign keys that cascade, row-level security and functions of one's own are not known then, and the settings (CACHE_DENY_TABLES, times to live) are not asked. A read whose own comment says `cache: off` is deliberate: no rule denies it but `hint` and `everything`.

Rules:
  uncached     a read that is not cached, for whatever reason; writes are none
  everything   a statement that makes everything invalid
  unparsed, no-table, unknown-relation, not-a-table, row-security, function, variable, locking, volatile, denied, hint, write, not-a-query
               what is not cached for this reason

Exit codes:
  0  no query is denied
  1  a query is denied
  2  the command line can't be used
  3  a file can't be read (the others are checked all the same), or the database can't be asked";

/// What to check.
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Offline metadata of sqlx's macros (query-*.json), files of SQL (*.sql), or folders of these. Defaults to .sqlx
    paths: Vec<PathBuf>,
    /// Fail where a query breaks this rule; may be repeated, or be a list with commas
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = rules::parse)]
    deny: Vec<Rule>,
    /// Ask no database, even if one is named
    #[arg(long, env = "SQLX_OFFLINE", value_parser = FalseyValueParser::new())]
    offline: bool,
    /// SQLite: ask a database in memory, made by this file of SQL or this folder of migrations
    #[arg(long, value_name = "PATH")]
    schema: Option<PathBuf>,
    /// How files of SQL are written. Defaults to the database's way where one is asked
    #[arg(long)]
    dialect: Option<Kind>,
}

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    #[value(alias = "postgresql")]
    Postgres,
    #[value(alias = "mariadb")]
    Mysql,
    Sqlite,
}

impl Kind {
    /// As sqlx calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Sqlite => "SQLite",
        }
    }

    /// The kind that sqlx calls so.
    pub fn named(name: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|kind| kind.name() == name)
    }

    fn dialect(self) -> sqlx_cached::Dialect {
        match self {
            Self::Postgres => sqlx_cached::Dialect::Postgres,
            Self::Mysql => sqlx_cached::Dialect::MySql,
            Self::Sqlite => sqlx_cached::Dialect::Sqlite,
        }
    }

    fn syntax(self) -> &'static dyn Dialect {
        match self {
            Self::Postgres => &PostgreSqlDialect {},
            Self::Mysql => &MySqlDialect {},
            Self::Sqlite => &SQLiteDialect {},
        }
    }
}

/// Checks queries. What can't be read is said, and does not keep the rest from being checked.
pub async fn run(arguments: Arguments, target: &Target, output: Output) -> Outcome {
    let mut source = Source::default();
    if arguments.paths.is_empty() {
        let default = Path::new(".sqlx");
        if !default.exists() {
            return Err(Failure::Failed("there is no .sqlx here: write it with `cargo sqlx prepare`, or name files".into()));
        }
        source.find(default);
    }
    for path in &arguments.paths {
        source.find(path);
    }
    let oracle = match &arguments.schema {
        Some(schema) => Oracle::of_schema(target, schema).await?,
        None if target.names_database() && !arguments.offline => Oracle::of_database(target).await?,
        None => Oracle::Nobody,
    };
    let written = arguments.dialect.or(oracle.kind());
    if written.is_none() && source.has_sql() {
        return Err(Failure::Usage("files of SQL: pass --dialect to say how they are written, or name a database".into()));
    }
    source.read(written);
    let mut report = Report { asked: oracle.kind().is_some(), ..Report::default() };
    for query in source.queries {
        match oracle.explain(query.kind, &query.sql) {
            Ok(explanation) => {
                let denied = rules::denied(&arguments.deny, &explanation, &query);
                report.findings.push(Finding { query, explanation, denied });
            }
            Err(why) => source.unreadable.push((query.file, why)),
        }
    }
    // One file may hold many statements of the wrong database.
    source.unreadable.dedup();
    report.unreadable = source.unreadable;
    output.print(&report.text(), &report.document())?;
    for (file, why) in &report.unreadable {
        let text = format!("{}: {why}", file.display());
        tell(&format!("{} {}", styled(BAD, "error:"), plain(&text)));
    }
    let denies = report.findings.iter().any(|finding| !finding.denied.is_empty());
    Ok(match (report.unreadable.is_empty(), denies) {
        (false, _) => Exit::Broken,
        (true, true) => Exit::Findings,
        (true, false) => Exit::Fine,
    })
}
