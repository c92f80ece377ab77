//! A file of SQL as its statements, each to the letter: the key of an answer is made of it.

use sqlparser::dialect::Dialect;
use sqlparser::tokenizer::{Token, Tokenizer};

/// The statements of a text, without the comments and the white space in front of them and behind.
///
/// # Errors
///
/// What can't be told apart, such as a string without an end, and where.
pub fn split(dialect: &dyn Dialect, sql: &str) -> Result<Vec<String>, String> {
    let tokens = Tokenizer::new(dialect, sql).tokenize_with_location().map_err(|error| error.to_string())?;
    let starts: Vec<usize> = std::iter::once(0).chain(sql.match_indices('\n').map(|(at, _)| at + 1)).collect();
    // Columns count characters.
    let offset = |line: u64, column: u64| {
        let (line, column) = (usize::try_from(line).unwrap_or(1), usize::try_from(column).unwrap_or(1));
        let start = starts.get(line.saturating_sub(1)).copied().unwrap_or(sql.len());
        sql[start..].char_indices().nth(column.saturating_sub(1)).map_or(sql.len(), |(at, _)| start + at)
    };
    let (mut statements, mut begin, mut end) = (Vec::new(), None, 0);
    for token in &tokens {
        match &token.token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon => {
                statements.extend(begin.take().map(|begin| sql[begin..end].to_owned()));
            }
            _ => {
                begin = begin.or_else(|| Some(offset(token.span.start.line, token.span.start.column)));
                end = offset(token.span.end.line, token.span.end.column);
            }
        }
    }
    statements.extend(begin.map(|begin| sql[begin..end].to_owned()));
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::dialect::PostgreSqlDialect;

    #[test]
    fn statements_are_what_stands_there() {
        let sql =
            "-- first; not one\nSELECT 'a;b' ;\n\n  SELECT /* cache: off; */ \"x;y\",\n\t'\u{fc}\u{6f22}'  FROM t; ;SELECT $$;$$ -- end";
        let statements = split(&PostgreSqlDialect {}, sql).unwrap();
        assert_eq!(statements, ["SELECT 'a;b'", "SELECT /* cache: off; */ \"x;y\",\n\t'\u{fc}\u{6f22}'  FROM t", "SELECT $$;$$"]);
        assert_eq!(split(&PostgreSqlDialect {}, " ;\n-- nothing").unwrap(), Vec::<String>::new());
        assert!(split(&PostgreSqlDialect {}, "SELECT 'a").unwrap_err().contains("Line: 1"));
    }
}
