//! What the cache makes of a statement, for people.

use crate::analysis::{self, Analysis, Bypass, Category, Dialect, Writes};
use crate::catalog::Catalog;
use crate::database::Backend;
use crate::executor::CachingExecutor;
use crate::policy::{Policy, UnclearWrites};
use crate::serial;
use crate::stats::Reason;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// The answer of [`CachingExecutor::explain`], and, without a database, of [`offline`](Self::offline).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// How its answer is kept, or why it is not.
    #[serde(serialize_with = "serial::read")]
    pub read: Result<ReadExplanation, Reason>,
    /// What gives the reason that its answer is not kept: `calls now()`, `view late: calls now()`. Empty where the reason says it all.
    pub because: String,
    /// What it makes invalid.
    pub invalidates: Invalidates,
    /// What brought in each table that the statement does not name: `("orders", "ON DELETE CASCADE from users")`; and, under `*`, why everything is
    /// forgotten.
    #[serde(serialize_with = "serial::causes")]
    pub causes: Vec<(String, String)>,
    /// Whether a comment in it switches the cache off, whatever else would.
    pub switched_off: bool,
}

/// How an answer is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReadExplanation {
    /// Every table it depends on; the first is the one that its key is filed under.
    pub tables: Vec<String>,
    /// The kind of answer.
    pub category: Category,
    /// The key of a read of all rows with no arguments; `None` until the database has been asked who it is.
    pub key: Option<String>,
    /// How long it is kept, before jitter.
    #[serde(rename = "ttl_seconds", serialize_with = "serial::seconds")]
    pub ttl: Duration,
}

/// What a statement makes invalid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Invalidates {
    /// Nothing: it only reads.
    Nothing,
    /// Whatever depends on these tables.
    Tables(Vec<String>),
    /// Everything.
    Everything,
}

impl Explanation {
    /// What a cache with default settings would make of a statement, as far as its text tells: no database is asked, so whatever it names is taken for a
    /// table, with nothing that follows from a write to it.
    ///
    /// Not known are views (a read of one depends on the tables beneath, and may call what keeps it from being cached), triggers, rules, foreign keys that cascade
    /// and partitions (a write changes more), row-level security, and the functions and types of one's own: a call of these is not cached, and may write
    /// anything. Use [`CachingExecutor::explain`] where there is a database. The feature of that database is not needed.
    ///
    /// ```
    /// use sqlx_cached::{Dialect, Explanation};
    ///
    /// let read = Explanation::offline(Dialect::Postgres, "SELECT name FROM users WHERE id = $1");
    /// assert_eq!(read.to_string(), "cached for 300s as data, depends on users");
    /// let write = Explanation::offline(Dialect::Postgres, "DELETE FROM users WHERE id = $1");
    /// assert_eq!(write.to_string(), "not cached: it writes; invalidates users");
    /// ```
    pub fn offline(dialect: Dialect, sql: &str) -> Self {
        let mut catalog = Catalog::offline(dialect);
        let mut analysis = analysis::analyse(dialect, sql, &catalog);
        // Names come to light by turns only where a text is read in more than one way.
        for _ in 0..8 {
            if !catalog.assume() {
                break;
            }
            analysis = analysis::analyse(dialect, sql, &catalog);
        }
        let read = match &analysis.read {
            Err(bypass) => Err((*bypass).into()),
            Ok(_) => Ok((None, Policy::default().ttl(&analysis))),
        };
        Self::told(&analysis, read, false)
    }

    pub(crate) fn of<DB: Backend>(executor: &CachingExecutor<DB>, sql: &str) -> Self {
        let plan = executor.shared.plan(sql);
        let read = match (&plan.analysis.read, executor.refusal_of_text().or_else(|| executor.refusal_of_plan(&plan))) {
            (Err(bypass), _) => Err((*bypass).into()),
            (Ok(_), Some(reason)) => Err(reason),
            (Ok(_), None) => Ok((executor.key_alone(&plan, sql), executor.time_to_live(&plan))),
        };
        let asks = executor.shared.policy.unclear == UnclearWrites::Ask && DB::DIALECT != Dialect::MySql;
        let mut explanation = Self::told(&plan.analysis, read, asks);
        if let (Err(reason @ (Reason::Cheap | Reason::Churn)), Some(left)) = (&explanation.read, plan.worth.left()) {
            explanation.because = format!("{reason}; tried again in {left:.0?}");
        }
        explanation
    }

    /// What the analysis comes to, and how its answer is kept: its key and its time, or why not.
    fn told(analysis: &Analysis, read: Result<(Option<String>, Duration), Reason>, asks: bool) -> Self {
        let invalidates = match &analysis.writes {
            Writes::Nothing if analysis.changes_schema => Invalidates::Everything,
            Writes::Nothing => Invalidates::Nothing,
            Writes::Tables(tables) => Invalidates::Tables(tables.iter().map(ToString::to_string).collect()),
            Writes::Everything => Invalidates::Everything,
        };
        let why = &analysis.why;
        // A write is not kept because it writes, whatever it calls besides.
        let because = match analysis.read {
            Ok(_) | Err(Bypass::Write | Bypass::NotAQuery | Bypass::Hint) => String::new(),
            Err(_) => why.bypass.clone(),
        };
        let mut causes: Vec<_> = why.members.iter().map(|(tag, because)| (tag.to_string(), because.to_string())).collect();
        if invalidates == Invalidates::Everything {
            let why = match () {
                () if !why.everything.is_empty() => &why.everything,
                () if analysis.read == Err(Bypass::Unparsed) => "what is not understood may do anything",
                () if analysis.changes_schema => "it may change the schema, or who may see what",
                () => "its text does not tell what it writes",
            };
            let unless = if asks && analysis.askable { ", unless the database, asked, tells what was written" } else { "" };
            // The tables that are certain would say that others are not forgotten.
            causes = vec![("*".to_owned(), format!("{why}{unless}"))];
        }
        let read = match (read, &analysis.read) {
            (Ok((key, ttl)), Ok(read)) => {
                Ok(ReadExplanation { tables: read.tables.iter().map(ToString::to_string).collect(), category: read.category, key, ttl })
            }
            (Err(reason), _) => Err(reason),
            (Ok(_), Err(bypass)) => Err((*bypass).into()),
        };
        if read.is_err() && invalidates == Invalidates::Nothing {
            // It depends on them in vain.
            causes.clear();
        }
        Self { read, because, invalidates, causes, switched_off: analysis.hints.off }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.read {
            Ok(read) => {
                write!(f, "cached for {:?} as {}, depends on {}", read.ttl, read.category.as_str(), read.tables.join(", "))?;
                if let Some(key) = &read.key {
                    write!(f, "; key {key}")?;
                }
            }
            Err(reason) if self.because.is_empty() => write!(f, "not cached: {reason}")?,
            Err(_) => write!(f, "not cached: {}", self.because)?,
        }
        match &self.invalidates {
            Invalidates::Nothing => {}
            Invalidates::Tables(tables) => write!(f, "; invalidates {}", tables.join(", "))?,
            Invalidates::Everything => f.write_str("; invalidates everything")?,
        }
        for (table, because) in &self.causes {
            match table.as_str() {
                "*" => write!(f, ": {because}")?,
                _ => write!(f, "; {table}: {because}")?,
            }
        }
        Ok(())
    }
}
