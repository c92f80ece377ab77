//! Where comments and quoted parts begin and end, as the server sees it.
//!
//! The parser's own tokenizer differs from the servers in places (executable comments vanish, comments nest or don't, escapes depend on settings), and
//! whoever is wrong about the end of a string reads another statement than the one that runs. So this scan, written after each server's own lexer, comes
//! first: it takes the comments out, keeps their text for hints, and remembers where each quoted part ends, so that the tokenizer's opinion of the rest
//! can be compared. Whatever two readers could see differently is `odd`, and nothing is concluded from odd text.

use super::Dialect;
use std::ops::Range;

/// A text without its comments.
#[derive(Debug, Default)]
pub(super) struct Scan<'a> {
    /// The text, each comment replaced by a space.
    pub clean: String,
    /// What stood inside the comments.
    pub comments: Vec<&'a str>,
    /// Line and column after each quoted part of the clean text, as the tokenizer counts them.
    pub quote_ends: Vec<(u64, u64)>,
    /// The quoted parts of the clean text.
    pub quoted: Vec<Range<usize>>,
    /// Whether the server could see another text than we do.
    pub odd: bool,
    /// Whether an `@` stands outside quotes and comments.
    pub at_sign: bool,
    line: u64,
    column: u64,
}

impl<'a> Scan<'a> {
    /// Reads a text to its end.
    pub fn new(dialect: Dialect, sql: &'a str) -> Self {
        let mut scan = Self { clean: String::with_capacity(sql.len()), line: 1, column: 1, ..Self::default() };
        let mut rest = sql;
        while let Some(first) = rest.chars().next() {
            let length = scan.step(dialect, sql, rest, first);
            rest = rest.get(length.max(first.len_utf8())..).unwrap_or_default();
        }
        scan
    }

    /// Reads one comment, one quoted part or one character, and says how many bytes that were.
    fn step(&mut self, dialect: Dialect, sql: &str, rest: &'a str, first: char) -> usize {
        match first {
            '-' if rest.starts_with("--") && (dialect != Dialect::MySql || starts_mysql_comment(rest)) => {
                self.line_comment(dialect, rest, 2)
            }
            '#' if dialect == Dialect::MySql => self.line_comment(dialect, rest, 1),
            '/' if rest.starts_with("/*") => self.block_comment(dialect, rest),
            '\'' => {
                let escapes = dialect == Dialect::MySql || (dialect == Dialect::Postgres && follows_prefix(sql, rest, &['e', 'E'], 1));
                // `U&'...'` and its UESCAPE clause can spell any name: not worth reading.
                self.odd |= dialect == Dialect::Postgres && follows_prefix(sql, rest, &['u', 'U'], 2) && before(sql, rest, 1) == Some('&');
                self.quoted(dialect, rest, '\'', escapes)
            }
            '"' => {
                self.odd |= dialect == Dialect::Postgres && follows_prefix(sql, rest, &['u', 'U'], 2) && before(sql, rest, 1) == Some('&');
                self.quoted(dialect, rest, '"', dialect == Dialect::MySql)
            }
            '`' if dialect != Dialect::Postgres => self.quoted(dialect, rest, '`', false),
            '[' if dialect == Dialect::Sqlite => match rest.find(']') {
                Some(end) => self.keep_quoted(rest, end + 1),
                None => self.lose(rest),
            },
            '$' if dialect == Dialect::Postgres && !before(sql, rest, 1).is_some_and(is_word) => match dollar_tag(rest) {
                Some(tag) => match rest[tag.len()..].find(tag) {
                    Some(end) => self.keep_quoted(rest, tag.len() + end + tag.len()),
                    None => self.lose(rest),
                },
                None => self.keep(first),
            },
            _ => {
                self.at_sign |= first == '@';
                // SQLite reads `$a::b(c d)` as one parameter; the parser reads casts and calls into it.
                if dialect == Dialect::Sqlite && matches!(first, '$' | ':' | '@' | '#') && !before(sql, rest, 1).is_some_and(is_word) {
                    let name = rest[1..].trim_start_matches(is_word);
                    self.odd |= name.len() < rest.len() - 1 && (name.starts_with('(') || name.starts_with("::"));
                }
                // Blanks that only one of the two readers takes for blanks.
                self.odd |= (first.is_control() && !matches!(first, '\t' | '\n' | '\r')) || (first.is_whitespace() && !first.is_ascii());
                self.keep(first)
            }
        }
    }

    fn keep(&mut self, c: char) -> usize {
        self.clean.push(c);
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        c.len_utf8()
    }

    fn keep_quoted(&mut self, rest: &str, length: usize) -> usize {
        let start = self.clean.len();
        for c in rest[..length].chars() {
            self.keep(c);
        }
        self.quoted.push(start..self.clean.len());
        self.quote_ends.push((self.line, self.column));
        length
    }

    /// The rest has no end that we know.
    fn lose(&mut self, rest: &str) -> usize {
        self.odd = true;
        rest.len()
    }

    fn quoted(&mut self, dialect: Dialect, rest: &str, quote: char, escapes: bool) -> usize {
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((index, c)) = chars.next() {
            if c == '\\' && (escapes || (dialect == Dialect::Postgres && quote == '\'')) {
                let next = chars.peek().map(|&(_, c)| c);
                // Whether a backslash hides a quote is a setting: `NO_BACKSLASH_ESCAPES`, `ANSI_QUOTES`, `standard_conforming_strings`.
                self.odd |= next == Some(quote) && !(dialect == Dialect::Postgres && escapes);
                if escapes {
                    chars.next();
                }
            } else if c == quote {
                if chars.next_if(|&(_, c)| c == quote).is_none() {
                    return self.keep_quoted(rest, index + 1);
                }
            } else if c == '\0' {
                self.odd = true;
            }
        }
        self.lose(rest)
    }

    fn line_comment(&mut self, dialect: Dialect, rest: &'a str, marker: usize) -> usize {
        let end = match dialect {
            Dialect::Postgres => rest.find(['\n', '\r']),
            Dialect::MySql | Dialect::Sqlite => rest.find('\n'),
        };
        let end = end.unwrap_or(rest.len());
        self.comment(&rest[marker..end]);
        end
    }

    fn block_comment(&mut self, dialect: Dialect, rest: &'a str) -> usize {
        let mut depth = 1_u32;
        let mut at = 2;
        while depth > 0 {
            let Some(next) = rest[at..].find(['*', '/']) else { return self.lose(rest) };
            at += next;
            if rest[at..].starts_with("*/") {
                depth -= 1;
                at += 2;
            } else if rest[at..].starts_with("/*") {
                match dialect {
                    Dialect::Postgres => depth += 1,
                    // Not a comment in a comment, though some versions warn and old ones disagree.
                    Dialect::MySql => self.odd = true,
                    Dialect::Sqlite => {}
                }
                at += if dialect == Dialect::Postgres { 2 } else { 1 };
            } else {
                at += 1;
            }
        }
        let text = &rest[2..at - 2];
        // MySQL and MariaDB run what stands in `/*! ... */` and `/*M! ... */`.
        self.odd |= dialect == Dialect::MySql && (text.starts_with('!') || text.starts_with("M!") || text.starts_with("m!"));
        self.comment(text);
        at
    }

    fn comment(&mut self, text: &'a str) {
        self.odd |= text.contains('\0');
        self.comments.push(text);
        self.keep(' ');
    }

    /// The statements of a script of several; `None` where that can't be told, since bodies of functions and triggers have semicolons of their own.
    pub fn statements(&self) -> Option<Vec<&str>> {
        const BODIES: [&str; 7] = ["begin", "function", "procedure", "trigger", "event", "package", "rule"];
        let unquoted = self.unquoted().to_ascii_lowercase();
        if self.odd || unquoted.split(|c| !is_word(c)).any(|word| BODIES.contains(&word)) {
            return None;
        }
        let mut statements = Vec::new();
        let mut from = 0;
        let quoted = |at: usize| self.quoted.iter().any(|part| part.contains(&at));
        for (at, _) in self.clean.match_indices(';').filter(|(at, _)| !quoted(*at)).chain([(self.clean.len(), "")]) {
            let statement = self.clean[from..at].trim();
            if !statement.is_empty() {
                statements.push(statement);
            }
            from = at + 1;
        }
        (statements.len() > 1).then_some(statements)
    }

    /// The clean text with each quoted part replaced by two quotes: what is left are words and signs.
    pub fn unquoted(&self) -> String {
        let mut text = String::with_capacity(self.clean.len());
        let mut from = 0;
        for part in &self.quoted {
            text.push_str(&self.clean[from..part.start]);
            text.push_str("''");
            from = part.end;
        }
        text.push_str(&self.clean[from..]);
        text
    }
}

/// Whether a character can stand inside a word in some dialect.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

/// MySQL's `--` needs a blank or the end after it.
fn starts_mysql_comment(rest: &str) -> bool {
    rest[2..].chars().next().is_none_or(|c| c.is_ascii_whitespace() || c.is_ascii_control())
}

/// The character `back` places before `rest` in `sql`.
fn before(sql: &str, rest: &str, back: usize) -> Option<char> {
    sql[..sql.len() - rest.len()].chars().rev().nth(back - 1)
}

/// Whether one of these letters stands `back` places before `rest` and begins a word there.
fn follows_prefix(sql: &str, rest: &str, letters: &[char], back: usize) -> bool {
    before(sql, rest, back).is_some_and(|c| letters.contains(&c)) && !before(sql, rest, back + 1).is_some_and(is_word)
}

/// The opening `$tag$` of a dollar-quoted string.
fn dollar_tag(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 1;
    let tag = &rest[1..end];
    let starts_well = tag.chars().next().is_none_or(|c| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii());
    (starts_well && tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii())).then(|| &rest[..=end])
}
