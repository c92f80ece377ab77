//! What single words and signs give away, wherever in a read they stand.

use super::parse::is_keyword;
use super::{Bypass, Dialect, functions};
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// The first reason that a token gives not to keep an answer.
pub(super) fn bypass(dialect: Dialect, tokens: &[TokenWithSpan]) -> Option<Bypass> {
    let mut before = None;
    for TokenWithSpan { token, .. } in tokens {
        let reason = match token {
            Token::Word(word)
                if word.quote_style.is_none() && functions::is_special_word(dialect, &word.value) && before != Some(&Token::Period) =>
            {
                Some(Bypass::Function)
            }
            // PostgreSQL reserves it: unless it is a column of a table or a new name, it is the current user.
            Token::Word(_) if dialect == Dialect::Postgres && is_keyword(token, "user") => {
                let named = before.is_some_and(|before| *before == Token::Period || is_keyword(before, "as"));
                (!named).then_some(Bypass::Function)
            }
            // `s.nextval` in MariaDB's Oracle mode.
            Token::Word(word) if dialect == Dialect::MySql && before == Some(&Token::Period) && is_sequence_value(&word.value) => {
                Some(Bypass::Function)
            }
            Token::Word(word) if dialect == Dialect::Postgres && is_system_column(&word.value) => Some(Bypass::Volatile),
            Token::AtSign | Token::AtAt if dialect == Dialect::MySql => Some(Bypass::Variable),
            Token::Word(word) if dialect == Dialect::MySql && word.quote_style.is_none() && word.value.starts_with('@') => {
                Some(Bypass::Variable)
            }
            _ if dialect == Dialect::Postgres => text(token).filter(|text| names_a_moment(text)).map(|_| Bypass::Function),
            _ => None,
        };
        if reason.is_some() {
            return reason;
        }
        before = Some(token);
    }
    None
}

/// Whether two strings stand side by side, which PostgreSQL may read as one and the parser as a value and its name.
pub(super) fn joins_strings(tokens: &[TokenWithSpan]) -> bool {
    tokens.windows(2).any(|pair| text(&pair[0].token).is_some() && text(&pair[1].token).is_some())
}

fn text(token: &Token) -> Option<&str> {
    match token {
        Token::SingleQuotedString(text) | Token::NationalStringLiteral(text) | Token::EscapedStringLiteral(text) => Some(text),
        Token::DollarQuotedString(quoted) => Some(&quoted.value),
        _ => None,
    }
}

fn is_sequence_value(word: &str) -> bool {
    ["nextval", "currval"].iter().any(|value| value.eq_ignore_ascii_case(word))
}

/// They change without a change of any row's value: VACUUM FULL, CLUSTER, an update of something else.
fn is_system_column(word: &str) -> bool {
    ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"].iter().any(|column| column.eq_ignore_ascii_case(word))
}

/// Whether a word that PostgreSQL's date input reads by the clock stands in a string: `created > 'yesterday'` needs no cast to depend on it.
fn names_a_moment(text: &str) -> bool {
    let moments = ["now", "today", "tomorrow", "yesterday"];
    text.split(|c: char| !c.is_alphabetic()).any(|word| moments.iter().any(|moment| moment.eq_ignore_ascii_case(word)))
}

/// Whether an opening parenthesis may follow this (lower-case) word although it is no call.
pub(super) fn is_clause(word: &str) -> bool {
    CLAUSES.split_ascii_whitespace().any(|clause| clause == word)
}

const CLAUSES: &str =
    "select from where and or not in as on using over by having join union all except intersect when then else case between like is limit
    offset distinct filter materialized any some with xor div escape";
