//! What the cache makes of a statement, for people.

use crate::analysis::{Bypass, Category, Dialect, Writes};
use crate::database::Backend;
use crate::executor::CachingExecutor;
use crate::policy::UnclearWrites;
use crate::serial;
use crate::stats::Reason;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// The answer of [`CachingExecutor::explain`].
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
    pub(crate) fn of<DB: Backend>(executor: &CachingExecutor<DB>, sql: &str) -> Self {
        let plan = executor.shared.plan(sql);
        let invalidates = match &plan.analysis.writes {
            Writes::Nothing if plan.analysis.changes_schema => Invalidates::Everything,
            Writes::Nothing => Invalidates::Nothing,
            Writes::Tables(tables) => Invalidates::Tables(tables.iter().map(ToString::to_string).collect()),
            Writes::Everything => Invalidates::Everything,
        };
        let why = &plan.analysis.why;
        // A write is not kept because it writes, whatever it calls besides.
        let mut because = match plan.analysis.read {
            Ok(_) | Err(Bypass::Write | Bypass::NotAQuery | Bypass::Hint) => String::new(),
            Err(_) => why.bypass.clone(),
        };
        let mut causes: Vec<_> = why.members.iter().map(|(tag, because)| (tag.to_string(), because.to_string())).collect();
        if invalidates == Invalidates::Everything {
            let why = match () {
                () if !why.everything.is_empty() => &why.everything,
                () if plan.analysis.read == Err(Bypass::Unparsed) => "what is not understood may do anything",
                () if plan.analysis.changes_schema => "it may change the schema, or who may see what",
                () => "its text does not tell what it writes",
            };
            let asks = plan.analysis.askable && executor.shared.policy.unclear == UnclearWrites::Ask && DB::DIALECT != Dialect::MySql;
            let unless = if asks { ", unless the database, asked, tells what was written" } else { "" };
            // The tables that are certain would say that others are not forgotten.
            causes = vec![("*".to_owned(), format!("{why}{unless}"))];
        }
        let read = match (&plan.analysis.read, executor.refusal_of_text().or_else(|| executor.refusal_of_plan(&plan))) {
            (Err(bypass), _) => Err((*bypass).into()),
            (Ok(_), Some(reason)) => Err(reason),
            (Ok(read), None) => Ok(ReadExplanation {
                tables: read.tables.iter().map(ToString::to_string).collect(),
                category: read.category,
                key: executor.key_alone(&plan, sql),
                ttl: executor.time_to_live(&plan),
            }),
        };
        if let (Err(reason @ (Reason::Cheap | Reason::Churn)), Some(left)) = (&read, plan.worth.left()) {
            because = format!("{reason}; tried again in {left:.0?}");
        }
        if read.is_err() && invalidates == Invalidates::Nothing {
            // It depends on them in vain.
            causes.clear();
        }
        Self { read, because, invalidates, causes }
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
