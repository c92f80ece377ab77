//! What a body's reader sees: its tokens, and the words that it knows.

use crate::analysis::Dialect;
use crate::analysis::parse;
use crate::analysis::scan::Scan;
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// Statements that are no reads and writes of rows.
pub(super) const OTHER_STATEMENTS: &str = "create alter drop grant revoke comment reindex vacuum analyze analyse cluster refresh rename import security reassign discard
    reset copy load prepare deallocate handler install uninstall flush kill purge change stop xa attach detach pragma optimize repair checkpoint lock
    unlock use";

/// Words before a parenthesis that call nothing, besides those of queries.
pub(super) const BEFORE_PARENTHESES: &str = "values value if elsif elseif while until return returning perform exists array row rows key set new old range partition
    unique primary index columns conflict returns setof table cast convert raise into do foreach slice next query unnest lateral recursive interval
    char varchar character varying nvarchar nchar numeric decimal dec fixed bit float double int integer smallint bigint tinyint mediumint int2 int4 int8
    instead also time timestamp timetz timestamptz datetime year binary varbinary text tinytext mediumtext longtext enum blob real precision cursor duplicate";

/// Types that text becomes by the clock in PostgreSQL, and times of day that become dates by it in MySQL.
pub(super) const MOMENTS: &[&str] =
    &["date", "time", "timestamp", "timestamptz", "timetz", "datetime", "daterange", "tsrange", "tstzrange", "curdate"];

/// The tokens of a stored text, or nothing where some of its names may be other ones than the tokenizer sees.
pub(in crate::analysis) fn lex(dialect: Dialect, scan: &Scan<'_>) -> Option<Vec<TokenWithSpan>> {
    let mut tokens = parse::lex(dialect, scan)?;
    // Stored texts have no parameters: `a$b` is a name in SQLite, as are letters that the tokenizer does not know.
    let broken = |token: &Token| matches!(token, Token::Char(_)) || (dialect == Dialect::Sqlite && matches!(token, Token::Placeholder(_)));
    if tokens.iter().any(|token| broken(&token.token)) {
        return None;
    }
    for token in &mut tokens {
        match &token.token {
            // Names in the ANSI_QUOTES of the session that stored it, and wherever SQLite wants a name.
            Token::DoubleQuotedString(text) if dialect == Dialect::MySql => token.token = Token::make_word(&text.clone(), Some('"')),
            Token::SingleQuotedString(text) if dialect == Dialect::Sqlite => token.token = Token::make_word(&text.clone(), Some('"')),
            _ => {}
        }
    }
    Some(tokens)
}

/// The change that fires a trigger of SQLite's, by the trigger's text, and whether the trigger stands in for it.
#[cfg(feature = "sqlite")]
pub fn event(text: &str) -> Option<(crate::catalog::Ops, bool)> {
    use crate::catalog::Ops;

    let tokens = parse::lex(Dialect::Sqlite, &Scan::new(Dialect::Sqlite, text))?;
    let is = |at: usize, words: &[&str]| tokens.get(at).is_some_and(|token| words.iter().any(|word| parse::is_keyword(&token.token, word)));
    let at = (1..tokens.len()).find(|&at| is(at, &["delete", "insert", "update"]) && is(at + 1, &["on", "of"]))?;
    let ops = match () {
        () if is(at, &["insert"]) => Ops::INSERT,
        () if is(at, &["update"]) => Ops::UPDATE | Ops::KEYS,
        () => Ops::DELETE,
    };
    Some((ops, is(at - 1, &["of"])))
}
