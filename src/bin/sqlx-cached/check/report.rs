//! What was found, for people and for machines.

use super::Kind;
use super::rules::{Rule, Verdict};
use super::source::Query;
use crate::output::{BAD, GOOD, NOTE, WARN, plain, styled};
use serde_json::{Value, json};
use sqlx_cached::{Explanation, Invalidates, Reason};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns of a terminal, and those of the verdict.
const WIDTH: usize = 80;
const INDENT: usize = 12;

/// A query, and what becomes of it.
pub struct Finding {
    pub query: Query,
    pub explanation: Explanation,
    pub denied: Vec<Rule>,
}

/// All that was found.
#[derive(Default)]
pub struct Report {
    pub findings: Vec<Finding>,
    pub unreadable: Vec<(PathBuf, String)>,
    /// Whether a database was asked.
    pub asked: bool,
}

impl Finding {
    fn verdict(&self) -> Verdict {
        Verdict::of(&self.explanation, &self.query)
    }

    /// SQLite's columns come from tables, through any view: one that the text does not name is beneath a view. (Others call them by the view's name, or by that of
    /// anything that has one.)
    fn beneath(&self, asked: bool) -> Vec<&str> {
        let Ok(read) = &self.explanation.read else { return Vec::new() };
        if asked || self.query.kind != Kind::Sqlite {
            return Vec::new();
        }
        let named = |table: &str| read.tables.iter().any(|own| own.eq_ignore_ascii_case(table));
        self.query.origins.iter().map(String::as_str).filter(|table| !named(table)).collect()
    }

    fn place(&self) -> String {
        match self.query.line {
            Some(line) => format!("{}:{line}", self.query.file.display()),
            None => short(&self.query.file),
        }
    }

    fn details(&self, asked: bool) -> Vec<String> {
        let Explanation { read, because, invalidates, causes, switched_off, .. } = &self.explanation;
        let mut details = Vec::new();
        let because_of = |table: &str| causes.iter().find(|(caused, _)| caused == table).map(|(_, because)| format!(" ({because})"));
        let list = |tables: &[String]| -> String {
            let told = tables.iter().map(|table| format!("{table}{}", because_of(table).unwrap_or_default()));
            told.collect::<Vec<_>>().join(", ")
        };
        match read {
            Ok(read) => details.push(format!("{} for {:?}: {}", read.category.as_str(), read.ttl, list(&read.tables))),
            Err(_) if self.verdict() == Verdict::Writes => {}
            Err(reason) if because.is_empty() || because == reason.as_str() => details.push(format!("{}: {reason}", reason.name())),
            Err(reason) => details.push(format!("{}: {because}", reason.name())),
        }
        match invalidates {
            Invalidates::Tables(tables) => details.push(format!("invalidates {}", list(tables))),
            Invalidates::Everything => {
                let why = causes.iter().find(|(table, _)| table == "*").map(|(_, why)| format!(": {why}"));
                details.push(format!("invalidates everything{}", why.unwrap_or_default()));
            }
            _ if self.verdict() == Verdict::Writes => details.push("invalidates nothing".to_owned()),
            _ => {}
        }
        let beneath = self.beneath(asked);
        if !beneath.is_empty() {
            details.push(format!("columns come from {}, so it reads a view, which only a database can tell", beneath.join(", ")));
        }
        if *switched_off && self.verdict() == Verdict::NotCached && *read != Err(Reason::Hint) {
            details.push("deliberate: a comment in it switches the cache off".to_owned());
        }
        details
    }

    fn write(&self, text: &mut String, asked: bool) {
        let (verdict, style) = match self.verdict() {
            Verdict::Cached => ("cached", GOOD),
            Verdict::NotCached => ("not cached", WARN),
            Verdict::Writes => ("writes", NOTE),
            Verdict::Other => ("other", NOTE),
        };
        let style = if self.denied.is_empty() { style } else { BAD };
        let _ = writeln!(text, "{}{}", styled(style, &format!("{verdict:<INDENT$}")), abbreviated(&self.query.shown, WIDTH - INDENT));
        for detail in self.details(asked) {
            paragraph(text, &plain(&detail));
        }
        if !self.denied.is_empty() {
            let _ = writeln!(text, "{:INDENT$}{}", "", styled(BAD, &format!("denied: {}", names(&self.denied).join(", "))));
        }
        let _ = writeln!(text, "{:INDENT$}{}", "", plain(&self.place()));
    }

    fn document(&self, asked: bool) -> Value {
        let mut document = flat(&self.explanation);
        if let Value::Object(object) = &mut document {
            let Query { file, line, kind, sql, .. } = &self.query;
            let Value::Object(own) = json!({
                "file": file.display().to_string(),
                "line": line,
                "database": kind.name(),
                "query": sql,
                "switched_off": self.explanation.switched_off,
                "beneath_views": self.beneath(asked),
                "denied": names(&self.denied),
            }) else {
                return document;
            };
            object.extend(own);
        }
        document
    }
}

impl Report {
    fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict() == verdict).count()
    }

    fn denied(&self) -> usize {
        self.findings.iter().filter(|finding| !finding.denied.is_empty()).count()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            finding.write(&mut text, self.asked);
        }
        let _ = write!(
            text,
            "queries {}: cached {}, not cached {}, writes {}, other {}; ",
            self.findings.len(),
            self.count(Verdict::Cached),
            self.count(Verdict::NotCached),
            self.count(Verdict::Writes),
            self.count(Verdict::Other)
        );
        let denied = format!("denied {}", self.denied());
        let _ = writeln!(text, "{}", if self.denied() > 0 { styled(BAD, &denied) } else { denied });
        if !self.asked && !self.findings.is_empty() {
            text.push_str("No database was asked: views, triggers, cascades, policies and functions of\none's own are not known.\n");
        }
        text
    }

    /// For machines.
    pub fn document(&self) -> Value {
        let unreadable: Vec<_> =
            self.unreadable.iter().map(|(file, error)| json!({ "file": file.display().to_string(), "error": error })).collect();
        json!({
            "queries": self.findings.iter().map(|finding| finding.document(self.asked)).collect::<Vec<_>>(),
            "unreadable": unreadable,
            "database_asked": self.asked,
            "summary": {
                "queries": self.findings.len(),
                "cached": self.count(Verdict::Cached),
                "not_cached": self.count(Verdict::NotCached),
                "writes": self.count(Verdict::Writes),
                "other": self.count(Verdict::Other),
                "denied": self.denied(),
                "unreadable": self.unreadable.len(),
            },
        })
    }
}

fn names(rules: &[Rule]) -> Vec<&'static str> {
    rules.iter().map(|rule| rule.name()).collect()
}

/// A file's name; sqlx's hashes are longer than anybody needs to find one.
fn short(file: &Path) -> String {
    let name = file.display().to_string();
    match name.rsplit_once("query-").map(|(before, rest)| (before, rest.trim_end_matches(".json"))) {
        Some((before, hash)) if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("{before}query-{}*.json", &hash[..12])
        }
        _ => name,
    }
}

/// A query on one line of at most this width.
fn abbreviated(sql: &str, width: usize) -> String {
    let line = plain(&sql.split_whitespace().collect::<Vec<_>>().join(" "));
    if line.width() <= width {
        return line;
    }
    let mut end = String::new();
    let mut left = width - 3;
    for c in line.chars() {
        let Some(rest) = left.checked_sub(c.width().unwrap_or(0)) else { break };
        left = rest;
        end.push(c);
    }
    end + "..."
}

/// Text below the verdict, broken between words.
fn paragraph(text: &mut String, detail: &str) {
    let mut line = String::new();
    for word in detail.split(' ') {
        // What goes on is set in.
        if !line.trim().is_empty() && INDENT + line.width() + 1 + word.width() > WIDTH {
            let _ = writeln!(text, "{:INDENT$}{line}", "");
            line = String::from("  ");
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(text, "{:INDENT$}{line}", "");
}

/// An explanation as fields side by side, of which each is always there.
fn flat(explanation: &Explanation) -> Value {
    let (invalidates, tables) = match &explanation.invalidates {
        Invalidates::Nothing => ("nothing", &[][..]),
        Invalidates::Tables(tables) => ("tables", &tables[..]),
        _ => ("everything", &[][..]),
    };
    let causes: Vec<_> = explanation.causes.iter().map(|(table, because)| json!({ "table": table, "because": because })).collect();
    let read = explanation.read.as_ref();
    json!({
        "cached": read.is_ok(),
        "category": read.ok().map(|read| read.category.as_str()),
        "tables": read.ok().map(|read| &read.tables),
        "key": read.ok().and_then(|read| read.key.as_ref()),
        "ttl_seconds": read.ok().map(|read| read.ttl.as_secs_f64()),
        "reason": read.err().map(|reason| reason.name()),
        "because": read.err().map(|reason| if explanation.because.is_empty() { reason.as_str() } else { &explanation.because }),
        "invalidates": { "what": invalidates, "tables": tables },
        "causes": causes,
    })
}
