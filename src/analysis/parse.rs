//! Text to syntax trees, as far as parser and server are sure to read the same.

use super::Dialect;
use super::scan::Scan;
use sqlparser::ast::Statement;
use sqlparser::dialect::{MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace, Word};

/// How deep parentheses may nest.
const RECURSION_LIMIT: usize = 50;
/// How many joins may wait for their condition: the parser recurses for each, and counts none of it.
const DANGLING_JOINS: usize = 16;

/// The syntax of a text.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Its statements.
    pub statements: Vec<Statement>,
    /// `LOCK IN SHARE MODE` stood at its end, which the parser doesn't know.
    pub locks: bool,
}

/// The tokens of a text without blanks, or nothing where the tokenizer sees other quoted parts than the server or the parser could not be trusted with them.
pub(super) fn tokens(dialect: Dialect, scan: &Scan<'_>) -> Option<Vec<TokenWithSpan>> {
    let tokens = lex(dialect, scan)?;
    if dangling_joins(&tokens) > DANGLING_JOINS || nests_statements(&tokens) {
        return None;
    }
    // The parser takes what follows `COPY ... FROM STDIN;` for data; to the server these are further statements.
    let copies =
        tokens.iter().any(|token| is_keyword(&token.token, "copy")) && tokens.iter().any(|token| is_keyword(&token.token, "stdin"));
    let several = tokens
        .iter()
        .skip_while(|token| token.token != Token::SemiColon)
        .any(|token| !matches!(token.token, Token::SemiColon | Token::EOF));
    (!(copies && several)).then_some(tokens)
}

/// The tokens of a text without blanks, or nothing where the tokenizer sees other quoted parts than the server.
pub(super) fn lex(dialect: Dialect, scan: &Scan<'_>) -> Option<Vec<TokenWithSpan>> {
    if scan.odd {
        return None;
    }
    let mut tokens = Tokenizer::new(syntax(dialect), &scan.clean).tokenize_with_location().ok()?;
    let comment =
        |token: &Token| matches!(token, Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)));
    // The comments are gone: one that the tokenizer still finds is none to the server.
    if tokens.iter().any(|token| comment(&token.token)) {
        return None;
    }
    let ends = tokens.iter().filter(|token| is_quoted(token)).map(|token| (token.span.end.line, token.span.end.column));
    if !ends.eq(scan.quote_ends.iter().copied()) {
        return None;
    }
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    Some(tokens)
}

/// Parses tokens, which must be the whole text.
pub(super) fn parse(dialect: Dialect, mut tokens: Vec<TokenWithSpan>) -> Option<Parsed> {
    let locks = dialect == Dialect::MySql && strip_share_lock(&mut tokens);
    match dialect {
        Dialect::Postgres | Dialect::MySql => {
            strip_lock_strength(&mut tokens);
            if dialect == Dialect::Postgres {
                strip_only(&mut tokens);
                strip_descendants(&mut tokens);
            }
            tokens = spell_out_table_clauses(tokens);
        }
        Dialect::Sqlite => {
            strip_index_choice(&mut tokens);
            spell_out_is(&mut tokens);
        }
    }
    let mut parser = Parser::new(syntax(dialect)).with_recursion_limit(RECURSION_LIMIT).with_tokens_with_locations(tokens);
    let statements = parser.parse_statements().ok()?;
    // It stops at END, which to PostgreSQL may be a column's name: `SELECT (SELECT ...) end, (SELECT ...)`.
    if parser.peek_token().token != Token::EOF {
        return None;
    }
    Some(Parsed { statements, locks })
}

fn syntax(dialect: Dialect) -> &'static dyn sqlparser::dialect::Dialect {
    match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::MySql => &MySqlDialect {},
        Dialect::Sqlite => &SQLiteDialect {},
    }
}

fn is_quoted(token: &TokenWithSpan) -> bool {
    match &token.token {
        Token::Word(word) => word.quote_style.is_some(),
        // `0x1f` and `X'1f'` are one kind of token; the latter is longer by a quote.
        Token::HexStringLiteral(digits) => {
            token.span.end.column.saturating_sub(token.span.start.column) == digits.chars().count() as u64 + 3
        }
        Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::SingleQuotedByteStringLiteral(_)
        | Token::DoubleQuotedByteStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_) => true,
        _ => false,
    }
}

fn strip_share_lock(tokens: &mut Vec<TokenWithSpan>) -> bool {
    let mut end = tokens.len();
    while end > 0 && matches!(tokens[end - 1].token, Token::SemiColon | Token::EOF) {
        end -= 1;
    }
    let clause = ["LOCK", "IN", "SHARE", "MODE"];
    let Some(start) = end.checked_sub(clause.len()) else { return false };
    let found = tokens[start..end].iter().zip(clause).all(|(token, word)| is_keyword(&token.token, word));
    if found {
        tokens.drain(start..end);
    }
    found
}

/// The most joins that wait for their ON at once: `a JOIN b JOIN c ON ... ON ...`.
fn dangling_joins(tokens: &[TokenWithSpan]) -> usize {
    let (mut waiting, mut most) = (0_usize, 0);
    for pair in tokens.windows(2) {
        let is = |word| is_keyword(&pair[1].token, word);
        if is("join") && !is_keyword(&pair[0].token, "cross") && !is_keyword(&pair[0].token, "natural") {
            waiting += 1;
            most = most.max(waiting);
        } else if is("on") || is("using") {
            waiting = waiting.saturating_sub(1);
        }
    }
    most
}

/// Whether statements that explain or prepare others nest, for which the parser recurses without end.
fn nests_statements(tokens: &[TokenWithSpan]) -> bool {
    let wrapping = |token: &&TokenWithSpan| ["explain", "describe", "prepare"].iter().any(|word| is_keyword(&token.token, word));
    let ordered = tokens.windows(2).any(|pair| pair.iter().all(|token| is_keyword(&token.token, "desc")));
    ordered || tokens.iter().filter(wrapping).count() > 8
}

/// `TABLE x` means `SELECT * FROM x`; the parser knows it in few places, and there loses the quotes.
fn spell_out_table_clauses(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_keyword(&token.token, "table")) {
        return tokens;
    }
    let mut spelt = Vec::with_capacity(tokens.len() + 2);
    let mut tokens = tokens.into_iter().peekable();
    let mut begins = true;
    while let Some(token) = tokens.next() {
        let named = matches!(tokens.peek(), Some(TokenWithSpan { token: Token::Word(_), .. }));
        let next_begins = matches!(token.token, Token::LParen | Token::SemiColon)
            || ["union", "intersect", "except", "all", "distinct"].iter().any(|word| is_keyword(&token.token, word));
        if begins && named && is_keyword(&token.token, "table") {
            let words = [Token::make_keyword("SELECT"), Token::Mul, Token::make_keyword("FROM")];
            spelt.extend(words.map(|word| TokenWithSpan { token: word, span: token.span }));
        } else {
            spelt.push(token);
        }
        begins = next_begins;
    }
    spelt
}

/// `FOR NO KEY UPDATE` and `FOR KEY SHARE` lock as `FOR UPDATE` and `FOR SHARE` do, as far as a cache is concerned.
fn strip_lock_strength(tokens: &mut Vec<TokenWithSpan>) {
    for clause in [["for", "no", "key", "update"].as_slice(), &["for", "key", "share"]] {
        while let Some(at) =
            tokens.windows(clause.len()).position(|window| window.iter().zip(clause).all(|(token, word)| is_keyword(&token.token, word)))
        {
            tokens.drain(at + 1..at + clause.len() - 1);
        }
    }
}

/// `FROM a *` is an old way to say what `FROM a` says.
fn strip_descendants(tokens: &mut Vec<TokenWithSpan>) {
    let mut at = 2;
    while at < tokens.len() {
        let named = matches!(&tokens[at - 1].token, Token::Word(_))
            && ["from", "update", "join", "table", "truncate"].iter().any(|word| is_keyword(&tokens[at - 2].token, word));
        if named && tokens[at].token == Token::Mul {
            tokens.remove(at);
        }
        at += 1;
    }
}

/// `FROM ONLY a` reads and writes less than `FROM a`, so it may pass for that; the parser takes ONLY for a table. (`FETCH FIRST ROW ONLY` ends a query.)
fn strip_only(tokens: &mut Vec<TokenWithSpan>) {
    let mut at = 1;
    while at + 1 < tokens.len() {
        let names = matches!(&tokens[at + 1].token, Token::Word(_) | Token::LParen);
        let fetches = ["row", "rows"].iter().any(|word| is_keyword(&tokens[at - 1].token, word));
        if names && !fetches && is_keyword(&tokens[at].token, "only") && tokens[at - 1].token != Token::Period {
            tokens.remove(at);
            if tokens[at].token == Token::LParen {
                let close = tokens[at..].iter().position(|token| token.token == Token::RParen);
                // `ONLY (a)` names one table, or `s.a`.
                if let Some(close) = close.filter(|close| *close <= 4) {
                    tokens.remove(at + close);
                    tokens.remove(at);
                }
            }
        }
        at += 1;
    }
}

/// `INDEXED BY i` chooses a plan, not an answer, and the parser doesn't know it.
fn strip_index_choice(tokens: &mut Vec<TokenWithSpan>) {
    while let Some(at) = tokens.windows(2).position(|pair| is_keyword(&pair[0].token, "indexed") && is_keyword(&pair[1].token, "by")) {
        tokens.drain(at..tokens.len().min(at + 3));
    }
}

/// `a IS ?` compares, NULL included; the parser knows IS only before a few words. For what a statement reads it is as good as `=`.
fn spell_out_is(tokens: &mut Vec<TokenWithSpan>) {
    for at in 0..tokens.len() {
        let word = |offset: usize, word| tokens.get(at + offset).is_some_and(|token| is_keyword(&token.token, word));
        let negated = word(1, "not");
        let known = ["null", "true", "false", "distinct"].iter().any(|known| word(1 + usize::from(negated), known));
        if word(0, "is") && !known {
            tokens[at].token = Token::Eq;
            if negated {
                tokens.remove(at + 1);
            }
        }
    }
}

/// Whether a token is this word, unquoted.
pub(super) fn is_keyword(token: &Token, keyword: &str) -> bool {
    matches!(token, Token::Word(Word { value, quote_style: None, .. }) if value.eq_ignore_ascii_case(keyword))
}

/// How deep a tree these tokens can make at most by chains of operators, which the parser builds in a loop but everybody else walks by recursion.
pub(super) fn depth(tokens: &[TokenWithSpan]) -> usize {
    // Of each open parenthesis: the chain so far, and the longest one before the last comma.
    let mut levels = vec![(0, 0)];
    for token in tokens {
        let Some((chain, longest)) = levels.last_mut() else { return usize::MAX };
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => levels.push((0, 0)),
            Token::RParen | Token::RBracket | Token::RBrace => {
                let inner = *chain.max(longest) + 1;
                if levels.len() > 1 {
                    levels.pop();
                }
                if let Some((chain, _)) = levels.last_mut() {
                    *chain = inner.max(*chain) + 1;
                }
            }
            Token::Comma | Token::SemiColon => {
                *longest = *chain.max(longest);
                *chain = 0;
            }
            Token::Number(..) | Token::Placeholder(_) | Token::SingleQuotedString(_) | Token::Period | Token::EOF => {}
            Token::Word(word) if word.quote_style.is_some() || word.keyword == sqlparser::keywords::Keyword::NoKeyword => {}
            _ => *chain += 1,
        }
    }
    levels.iter().map(|&(chain, longest)| chain.max(longest)).sum()
}
