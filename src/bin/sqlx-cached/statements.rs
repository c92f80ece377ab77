//! A file of SQL as its statements, each to the letter: the key of an answer is made of it.

use sqlparser::dialect::Dialect;
use sqlparser::tokenizer::{Location, Token, Tokenizer, Whitespace};
use std::ops::Range;
use std::str::Chars;

/// A statement of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// It, without what stands in front of it and behind; but `/* cache: ttl=30s */;` at its end is sent with it.
    pub text: Range<usize>,
    /// With the comments before it, and those behind it on its last line.
    pub commented: Range<usize>,
    /// The line on which it begins.
    pub line: u64,
}

/// The statements of a text, each without what stands in front of it, and without white space and line comments at its end.
///
/// # Errors
///
/// What can't be told apart, such as a string without an end, and where.
pub fn split(dialect: &dyn Dialect, sql: &str) -> Result<Vec<String>, String> {
    Ok(statements(dialect, sql)?.into_iter().map(|statement| sql[statement.text].to_owned()).collect())
}

/// The statements of a text, and where they are.
///
/// # Errors
///
/// As [`split`].
pub fn statements(dialect: &dyn Dialect, sql: &str) -> Result<Vec<Statement>, String> {
    let tokens = Tokenizer::new(dialect, sql).tokenize_with_location().map_err(|error| error.to_string())?;
    let mut place = Place { rest: sql.chars(), whole: sql.len(), at: Location::new(1, 1) };
    let mut statements: Vec<Statement> = Vec::new();
    // Where the last one ended with all that belongs to it, and where the next one begins.
    let (mut from, mut begun, mut end) = (0, None, 0);
    let mut body = Body::default();
    // Behind a semicolon, on its line.
    let mut behind = false;
    for token in &tokens {
        match &token.token {
            Token::EOF => {}
            Token::Whitespace(space) => {
                let comment = matches!(space, Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_));
                if let (true, true, Some(last)) = (behind, comment, statements.last_mut()) {
                    from = place.offset(token.span.end);
                    last.commented.end = from;
                } else if let (Some(_), Whitespace::MultiLineComment(_)) = (begun, space) {
                    end = place.offset(token.span.end);
                }
                behind &= !matches!(space, Whitespace::Newline | Whitespace::SingleLineComment { .. });
            }
            Token::SemiColon if !body.is_open() => {
                let stop = place.offset(token.span.start);
                if let Some((begin, line)) = begun.take() {
                    statements.push(Statement { text: begin..end, commented: from..stop, line });
                }
                (from, behind, body) = (place.offset(token.span.end), true, Body::default());
            }
            other => {
                let start = place.offset(token.span.start);
                begun.get_or_insert((start, token.span.start.line));
                end = place.offset(token.span.end);
                behind = false;
                body.read(other);
            }
        }
    }
    if let Some((begin, line)) = begun {
        statements.push(Statement { text: begin..end, commented: from..sql.len(), line });
    }
    Ok(statements)
}

/// A way through a text, as the tokenizer counts: columns in characters. It goes forward only.
struct Place<'a> {
    rest: Chars<'a>,
    whole: usize,
    at: Location,
}

impl Place<'_> {
    fn offset(&mut self, location: Location) -> usize {
        while self.at < location {
            match self.rest.next() {
                Some('\n') => self.at = Location::new(self.at.line + 1, 1),
                Some(_) => self.at.column += 1,
                None => break,
            }
        }
        self.whole - self.rest.as_str().len()
    }
}

/// Whether a semicolon stands in the body of a trigger or a routine: between its BEGIN and its END.
#[derive(Default)]
struct Body {
    words: usize,
    creates: bool,
    /// Whether what is created may have a body, once that is known.
    possible: Option<bool>,
    depth: usize,
    ended: bool,
}

impl Body {
    fn is_open(&self) -> bool {
        self.depth > 0
    }

    fn read(&mut self, token: &Token) {
        self.words += 1;
        let word = match token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
            _ => String::new(),
        };
        if self.words == 1 {
            self.creates = word == "create";
        }
        // `END IF`, `END CASE`
        if std::mem::take(&mut self.ended) {
            if matches!(word.as_str(), "if" | "loop" | "while" | "repeat" | "for") {
                self.depth += 1;
            }
            if word == "case" {
                return;
            }
        }
        match word.as_str() {
            "trigger" | "function" | "procedure" | "event" if self.creates && self.possible.is_none() => self.possible = Some(true),
            "table" | "view" | "index" | "type" | "schema" | "sequence" if self.possible.is_none() => self.possible = Some(false),
            "begin" if self.possible == Some(true) => self.depth += 1,
            "case" if self.is_open() => self.depth += 1,
            "end" if self.is_open() => {
                self.depth -= 1;
                self.ended = true;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::dialect::{MySqlDialect, PostgreSqlDialect, SQLiteDialect};

    #[test]
    fn statements_are_what_stands_there() {
        let sql =
            "-- first; not one\nSELECT 'a;b' ;\n\n  SELECT /* cache: off; */ \"x;y\",\n\t'\u{fc}\u{6f22}'  FROM t; ;SELECT $$;$$ -- end";
        let statements = split(&PostgreSqlDialect {}, sql).unwrap();
        assert_eq!(statements, ["SELECT 'a;b'", "SELECT /* cache: off; */ \"x;y\",\n\t'\u{fc}\u{6f22}'  FROM t", "SELECT $$;$$"]);
        assert_eq!(split(&PostgreSqlDialect {}, " ;\n-- nothing").unwrap(), Vec::<String>::new());
        assert!(split(&PostgreSqlDialect {}, "SELECT 'a").unwrap_err().contains("Line: 1"));
    }

    #[test]
    fn comments_belong_to_the_statement_below_or_on_whose_line_they_are() {
        let sql = "-- a\r\nSELECT 1; -- b\n/* c */ SELECT \u{6f22}\n; /* d */ SELECT 3 -- e\n";
        let found = statements(&SQLiteDialect {}, sql).unwrap();
        let commented: Vec<_> = found.iter().map(|statement| (statement.line, sql[statement.commented.clone()].trim())).collect();
        assert_eq!(commented, [(2, "-- a\r\nSELECT 1; -- b"), (3, "/* c */ SELECT \u{6f22}\n; /* d */"), (4, "SELECT 3 -- e")]);
    }

    #[test]
    fn a_comment_before_the_semicolon_is_the_statements() {
        let sql = "SELECT 1 /* cache: off */;\nSELECT 2 -- cache: off\n;\nSELECT 3 /* a */ -- b";
        assert_eq!(split(&SQLiteDialect {}, sql).unwrap(), ["SELECT 1 /* cache: off */", "SELECT 2", "SELECT 3 /* a */"]);
        let commented: Vec<_> = statements(&SQLiteDialect {}, sql).unwrap().into_iter().map(|found| sql[found.commented].trim()).collect();
        assert_eq!(commented, ["SELECT 1 /* cache: off */", "SELECT 2 -- cache: off", "SELECT 3 /* a */ -- b"]);
    }

    #[test]
    fn bodies_are_whole() {
        let trigger = "CREATE TRIGGER t AFTER UPDATE ON a BEGIN\n  UPDATE b SET x = CASE WHEN 1 THEN 2 END; DELETE FROM c;\nEND";
        let sql = format!("SELECT 1; {trigger}; SELECT 2");
        assert_eq!(split(&SQLiteDialect {}, &sql).unwrap(), ["SELECT 1", trigger, "SELECT 2"]);
        let procedure = "CREATE PROCEDURE p() BEGIN IF x THEN BEGIN SELECT 1; END; END IF; CASE x WHEN 1 THEN SELECT 2; END CASE; SELECT IF(a, b, c); END";
        let sql = format!("{procedure};SELECT 3");
        assert_eq!(split(&MySqlDialect {}, &sql).unwrap(), [procedure, "SELECT 3"]);
        assert_eq!(split(&PostgreSqlDialect {}, "CREATE TABLE event (begin date); SELECT 1").unwrap().len(), 2);
        // A transaction is no body.
        assert_eq!(split(&PostgreSqlDialect {}, "BEGIN; SELECT 1; END; SELECT 2").unwrap().len(), 4);
    }
}
