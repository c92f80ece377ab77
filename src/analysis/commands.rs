//! Statements that may write and that the parser does not know: DO, and PostgreSQL's REFRESH. Read from the tokens.

use super::body::{self, Language};
use super::parse::{self, is_keyword};
use super::{Analysis, Bypass, Dialect, Session, Writes, statements, unparsed};
use crate::catalog::{Catalog, Code, Ident, Name, Ops};
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// The meaning of such a statement; `None` for every other.
pub(super) fn analyse(dialect: Dialect, tokens: &[TokenWithSpan], catalog: &Catalog) -> Option<Analysis> {
    if dialect == Dialect::MySql {
        return expressions(tokens, catalog);
    }
    let mut tokens: Vec<&Token> = tokens.iter().map(|token| &token.token).collect();
    while let Some(Token::EOF | Token::SemiColon) = tokens.last() {
        tokens.pop();
    }
    if dialect != Dialect::Postgres || tokens.contains(&&Token::SemiColon) {
        return None;
    }
    let [first, rest @ ..] = tokens.as_slice() else { return None };
    if is_keyword(first, "do") {
        return block(rest, catalog);
    }
    is_keyword(first, "refresh").then(|| refresh(rest, catalog))?
}

/// MySQL's `DO f(1), g(2)`: a SELECT whose rows nobody gets.
fn expressions(tokens: &[TokenWithSpan], catalog: &Catalog) -> Option<Analysis> {
    let first = tokens.first().filter(|first| is_keyword(&first.token, "do"))?;
    let mut tokens = tokens.to_vec();
    tokens[0] = TokenWithSpan { token: Token::make_keyword("SELECT"), span: first.span };
    let parsed = parse::parse(Dialect::MySql, tokens)?;
    let [statement] = parsed.statements.as_slice() else { return None };
    Some(Analysis { read: Err(Bypass::NotAQuery), ..statements::analyse(Dialect::MySql, catalog, statement, None) })
}

/// `DO $$ ... $$`, with the language before or after it.
fn block(tokens: &[&Token], catalog: &Catalog) -> Option<Analysis> {
    let (mut text, mut procedural) = (None, true);
    let mut tokens = tokens.iter();
    while let Some(token) = tokens.next() {
        match token {
            Token::DollarQuotedString(quoted) => text = Some(quoted.value.as_str()),
            Token::SingleQuotedString(quoted) => text = Some(quoted.as_str()),
            token if is_keyword(token, "language") => procedural = tokens.next().is_some_and(|language| is_keyword(language, "plpgsql")),
            _ => return None,
        }
    }
    let text = text?;
    let code = if procedural {
        body::read(Dialect::Postgres, Language::Procedural, text, catalog)
    } else {
        Code::opaque("a block in another language", false)
    };
    let setting = unparsed::block_changes_session(&text.to_ascii_lowercase());
    let analysis = statements::written(setting, catalog.close(&code));
    let session = if text.to_ascii_lowercase().contains("set_config") { Session::Changed } else { analysis.session };
    // What it hides may be DDL: such blocks are there for migrations.
    let changes_schema = analysis.writes == Writes::Everything;
    Some(Analysis { read: Err(Bypass::NotAQuery), session, changes_schema, ..analysis })
}

/// `REFRESH MATERIALIZED VIEW [CONCURRENTLY] name [WITH [NO] DATA]`.
fn refresh(tokens: &[&Token], catalog: &Catalog) -> Option<Analysis> {
    let [materialized, view, rest @ ..] = tokens else { return None };
    if !is_keyword(materialized, "materialized") || !is_keyword(view, "view") {
        return None;
    }
    let rest = match rest {
        [concurrently, rest @ ..] if is_keyword(concurrently, "concurrently") => rest,
        rest => rest,
    };
    let ident = |token: &Token| match token {
        Token::Word(word) => Some(Ident { text: word.value.clone(), quoted: word.quote_style.is_some() }),
        _ => None,
    };
    let (name, rest) = match rest {
        [schema, Token::Period, relation, rest @ ..] => (Name { schema: Some(ident(schema)?), relation: ident(relation)? }, rest),
        [relation, rest @ ..] => (Name { schema: None, relation: ident(relation)? }, rest),
        [] => return None,
    };
    if rest.first().is_some_and(|with| !is_keyword(with, "with")) {
        return None;
    }
    let mut code = Code::default();
    match catalog.find(&name) {
        Some((key, _)) => code.write(key, Ops::INSERT),
        None => code.hide(format!("refreshes {}, which the catalog does not know", name.relation.text), false),
    }
    Some(Analysis { read: Err(Bypass::NotAQuery), ..statements::written(false, catalog.close(&code)) })
}
