//! What is not to be.

use super::source::Query;
use sqlparser::tokenizer::{Token, Tokenizer};
use sqlx_cached::{Explanation, Invalidates, Reason};

/// The reasons that a statement gives by itself.
const REASONS: [Reason; 13] = [
    Reason::Unparsed,
    Reason::NoTable,
    Reason::UnknownRelation,
    Reason::NotATable,
    Reason::RowSecurity,
    Reason::Function,
    Reason::Variable,
    Reason::Locking,
    Reason::Volatile,
    Reason::Denied,
    Reason::Hint,
    Reason::Write,
    Reason::NotAQuery,
];

/// What a query must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A read that is not cached.
    Uncached,
    /// What makes everything invalid.
    Everything,
    /// Not cached for this reason.
    Reason(Reason),
}

impl Rule {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uncached => "uncached",
            Self::Everything => "everything",
            Self::Reason(reason) => reason.name(),
        }
    }
}

fn all() -> impl Iterator<Item = Rule> {
    [Rule::Uncached, Rule::Everything].into_iter().chain(REASONS.into_iter().map(Rule::Reason))
}

/// The rule of this name.
pub fn parse(name: &str) -> Result<Rule, String> {
    all().find(|rule| rule.name() == name.trim()).ok_or_else(|| {
        let names: Vec<_> = all().map(Rule::name).collect();
        format!("there is no such rule; there are {}", names.join(", "))
    })
}

/// What a statement is, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Cached,
    NotCached,
    Writes,
    /// No read, and no write of rows.
    Other,
}

impl Verdict {
    pub fn of(explanation: &Explanation, query: &Query) -> Self {
        match explanation.read {
            Ok(_) => Self::Cached,
            Err(Reason::Write) => Self::Writes,
            Err(Reason::NotAQuery) => Self::Other,
            Err(Reason::Unparsed) if explanation.invalidates == Invalidates::Everything && !begins_as_read(query) => Self::Other,
            Err(_) => Self::NotCached,
        }
    }
}

/// The rules that a query breaks.
pub fn denied(rules: &[Rule], explanation: &Explanation, query: &Query) -> Vec<Rule> {
    let verdict = Verdict::of(explanation, query);
    let deliberate = verdict == Verdict::NotCached && explanation.switched_off;
    let breaks = |rule: &Rule| match rule {
        Rule::Uncached => verdict == Verdict::NotCached && !deliberate,
        Rule::Everything => explanation.invalidates == Invalidates::Everything,
        Rule::Reason(Reason::Hint) => explanation.switched_off,
        Rule::Reason(reason) => explanation.read.as_ref().err() == Some(reason) && !deliberate,
    };
    let mut broken: Vec<Rule> = Vec::new();
    for rule in rules.iter().copied().filter(breaks) {
        if !broken.contains(&rule) {
            broken.push(rule);
        }
    }
    broken
}

/// Whether a text of which no more is understood begins as a query does. Where not even that can be told, it may be one.
fn begins_as_read(query: &Query) -> bool {
    let Ok(tokens) = Tokenizer::new(query.kind.syntax(), &query.sql).tokenize() else { return true };
    let first = tokens.iter().find(|token| !matches!(token, Token::Whitespace(_) | Token::LParen));
    match first {
        Some(Token::Word(word)) => ["select", "with", "values", "table"].iter().any(|begin| word.value.eq_ignore_ascii_case(begin)),
        _ => false,
    }
}
