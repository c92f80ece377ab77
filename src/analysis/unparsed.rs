//! Texts that the parser does not understand: what their words alone make certain. Little is, and the rest is everything.

use super::functions::{self, Effect};
use super::scan::{Scan, is_word};
use super::{Analysis, Bypass, Dialect, Session, words};
use crate::catalog::Catalog;

/// The meaning of a text that has no syntax tree.
pub(super) fn analyse(dialect: Dialect, sql: &str, scan: &Scan<'_>, catalog: &Catalog) -> Analysis {
    let text = scan.unquoted().to_ascii_lowercase();
    let text =
        text.trim().trim_end_matches(|c: char| c == ';' || c.is_whitespace()).trim_start_matches(|c: char| c == '(' || c.is_whitespace());
    let words: Vec<&str> = text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect();
    let first = words.first().copied().unwrap_or_default();
    let has = |word: &str| words.contains(&word);
    // Where strings end is in doubt, or several statements may hide: then only the worst is certain.
    let single = !text.contains(';');
    let certain = single && !scan.odd;

    if certain && is_harmless(dialect, &words) {
        return Analysis::harmless(Bypass::NotAQuery);
    }
    if certain && dialect == Dialect::Postgres && first == "set" && matches!(words.get(1), Some(&("local" | "transaction" | "constraints")))
    {
        // A name in quotes may be any.
        let session = if super::statements::changes_names(text) || (words.get(1) == Some(&"local") && text.contains("''")) {
            Session::LocalNames
        } else {
            Session::Local
        };
        return Analysis { session, ..Analysis::local() };
    }
    if certain && dialect == Dialect::MySql && matches!(first, "optimize" | "check" | "checksum") && words.get(1) == Some(&"table") {
        return Analysis { commits: true, ..Analysis::harmless(Bypass::NotAQuery) };
    }
    if certain && dialect != Dialect::Postgres && matches!(first, "select" | "values") && only_reads(dialect, text, catalog) {
        return Analysis::harmless(Bypass::Unparsed);
    }
    let changes_rows = matches!(first, "insert" | "replace" | "update" | "delete" | "with");
    if certain && dialect == Dialect::Sqlite && changes_rows && calls_what_is_known(dialect, text, catalog) {
        // EXPLAIN tells what it opens for writing.
        return Analysis { askable: true, ..Analysis::everything(Bypass::Unparsed) };
    }
    let unknown = Analysis::unknown(dialect);
    let whole = sql.to_ascii_lowercase();
    // Where quotes are in doubt, a semicolon anywhere may begin another statement.
    let single = single && !(scan.odd && whole.trim_end_matches(|c: char| c == ';' || c.is_whitespace()).contains(';'));
    let session_words = whole.contains("set_config") || whole.contains("pg_temp");
    let session = match first {
        // Rows in, rows out.
        "select" | "with" | "insert" | "update" | "delete" | "merge" | "replace" | "values" | "table" if single => {
            let into_temporary = has("into") && (has("temp") || has("temporary"));
            if session_words || into_temporary { Session::Changed } else { Session::Unchanged }
        }
        "do" if single && dialect == Dialect::Postgres => {
            if session_words || block_changes_session(&whole) {
                Session::Changed
            } else {
                Session::Unchanged
            }
        }
        "call" | "refresh" | "vacuum" | "analyze" | "reindex" | "cluster" | "comment" | "grant" | "revoke" | "drop" | "truncate"
        | "copy" | "load" | "rename" | "optimize" | "check" | "repair" | "security" | "import" | "execute" | "explain" | "flush"
        | "reassign"
            if certain && !(first == "execute" && dialect == Dialect::MySql) =>
        {
            if session_words {
                Session::Changed
            } else {
                Session::Unchanged
            }
        }
        "create" if !scan.odd && (single || has("function") || has("procedure") || has("trigger")) => {
            let names = words.iter().filter(|word| !matches!(**word, "if" | "not" | "exists"));
            let temporary = names.take(5).any(|word| matches!(*word, "temp" | "temporary"));
            if session_words || temporary { Session::Changed } else { Session::Unchanged }
        }
        // `ALTER ROLE ... SET`, `ALTER DATABASE ... SET`: settings of sessions to come.
        "alter" if certain => {
            let setting =
                matches!(words.get(1), Some(&("role" | "user" | "database" | "system" | "session"))) && (has("set") || has("reset"));
            if session_words || setting { Session::Changed } else { Session::Unchanged }
        }
        _ => Session::Changed,
    };
    let rows_only = single && matches!(first, "select" | "with" | "insert" | "update" | "delete" | "replace" | "values" | "table");
    Analysis { session, commits: unknown.commits && !rows_only, ..unknown }
}

/// Statements that certainly change nothing that a row depends on.
fn is_harmless(dialect: Dialect, words: &[&str]) -> bool {
    let first = words.first().copied().unwrap_or_default();
    let analyses = words.iter().any(|word| matches!(*word, "analyze" | "analyse"));
    match dialect {
        Dialect::Postgres => match first {
            "show" | "listen" | "unlisten" | "notify" | "checkpoint" | "fetch" | "move" | "close" | "deallocate" | "vacuum" | "analyze"
            | "analyse" | "reindex" | "cluster" => true,
            "explain" => !analyses,
            _ => false,
        },
        // `DESC x` and `EXPLAIN x` describe; MariaDB's `ANALYZE UPDATE ...` runs.
        Dialect::MySql => match first {
            "show" | "help" | "kill" => true,
            "explain" | "describe" | "desc" => !analyses,
            _ => false,
        },
        Dialect::Sqlite => matches!(first, "explain" | "analyze" | "reindex"),
    }
}

/// Whether a query of SQLite or MySQL calls nothing that could write. (PostgreSQL's could do so through a view, which only syntax shows.)
fn only_reads(dialect: Dialect, text: &str, catalog: &Catalog) -> bool {
    calls_what_is_known(dialect, text, catalog)
        && !words_of(text).any(|(_, word)| matches!(word, "into" | "procedure" | "nextval" | "setval" | "next"))
}

/// Whether every name before a parenthesis is a word of SQL or a built-in function.
fn calls_what_is_known(dialect: Dialect, text: &str, catalog: &Catalog) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('(') {
        let before = rest[..at].trim_end();
        let word = &before[before.trim_end_matches(is_word).len()..];
        let qualified = before.trim_end_matches(is_word).trim_end().ends_with('.');
        // `INSERT INTO t (a, b)`
        let listed = before.trim_end_matches(is_word).trim_end().ends_with("into");
        let known = word.is_empty() || listed || words::is_clause(word) || functions::effect(dialect, word, 1) != Effect::Unknown;
        // `"f"(x)`: a name in quotes may be any function's.
        if !known || qualified || before.ends_with('\'') || catalog.is_user_function(word) {
            return false;
        }
        rest = &rest[at + 1..];
    }
    true
}

/// Whether a DO block has a statement that outlives it in the session: `SET x`, `EXECUTE 'SET x'`, `CREATE TEMP TABLE`. An UPDATE's SET does not count.
pub(super) fn block_changes_session(text: &str) -> bool {
    let mut before = "";
    let mut end = 0;
    for (start, word) in words_of(text) {
        let gap = text[end..start].trim_end();
        let begins = gap.ends_with([';', '$', '\''])
            || matches!(before, "begin" | "then" | "else" | "loop")
            || gap.ends_with("*/")
            || gap.contains("--");
        if matches!(word, "temp" | "temporary" | "role" | "authorization") || (matches!(word, "set" | "reset" | "discard") && begins) {
            return true;
        }
        before = word;
        end = start + word.len();
    }
    false
}

fn words_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
}
