//! Questions about the schema that are no SELECT: SQLite's PRAGMA, MySQL's SHOW and DESCRIBE. Read from the tokens, since the parser knows few of them.

use super::parse::is_keyword;
use super::{Analysis, Bypass, Category, Dialect, Read, Session, Writes};
use crate::catalog::{Catalog, Ident, Name, Reads};
use crate::tag::Tag;
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// The meaning of such a statement; `None` for every other.
pub(super) fn analyse(dialect: Dialect, tokens: &[TokenWithSpan], catalog: &Catalog) -> Option<Analysis> {
    let mut tokens: Vec<&Token> = tokens.iter().map(|token| &token.token).collect();
    while let Some(Token::EOF | Token::SemiColon) = tokens.last() {
        tokens.pop();
    }
    if tokens.contains(&&Token::SemiColon) {
        return None;
    }
    match dialect {
        Dialect::Sqlite => pragma(&tokens),
        Dialect::MySql => show(&tokens, catalog),
        Dialect::Postgres => None,
    }
}

fn schema_read(tables: Vec<Tag>) -> Analysis {
    Analysis {
        read: Ok(Read { tables: tables.into(), category: Category::Schema, secured: false, guarded: false }),
        ..Analysis::harmless(Bypass::NotAQuery)
    }
}

/// Decided by the schema and a literal argument.
const SCHEMA_PRAGMAS: &[&str] = &["table_info", "table_xinfo", "index_list", "index_info", "index_xinfo", "foreign_key_list", "table_list"];

/// Reads without an argument, whatever they do with one.
const READ_PRAGMAS: &[&str] = &[
    "application_id",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "encoding",
    "freelist_count",
    "function_list",
    "integrity_check",
    "max_page_count",
    "module_list",
    "page_count",
    "pragma_list",
    "query_only",
    "quick_check",
    "read_uncommitted",
    "schema_version",
    "user_version",
    "writable_schema",
];

/// Settings of storage and speed, and checks: no row depends on them. (`foreign_keys` and `recursive_triggers` decide what a write cascades to, but the
/// catalog reckons with every key and trigger there is.)
const HARMLESS_PRAGMAS: &[&str] = &[
    "analysis_limit",
    "auto_vacuum",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "cell_size_check",
    "checkpoint_fullfsync",
    "foreign_key_check",
    "foreign_keys",
    "fullfsync",
    "incremental_vacuum",
    "integrity_check",
    "journal_mode",
    "journal_size_limit",
    "locking_mode",
    "mmap_size",
    "optimize",
    "page_size",
    "quick_check",
    "recursive_triggers",
    "secure_delete",
    "shrink_memory",
    "synchronous",
    "temp_store",
    "threads",
    "wal_autocheckpoint",
    "wal_checkpoint",
];

fn pragma(tokens: &[&Token]) -> Option<Analysis> {
    let [first, rest @ ..] = tokens else { return None };
    if !is_keyword(first, "pragma") {
        return None;
    }
    let (temporary, rest) = match rest {
        [schema, Token::Period, rest @ ..] => (ident(schema).is_some_and(|schema| schema.text.eq_ignore_ascii_case("temp")), rest),
        rest => (false, rest),
    };
    let Some((name, argument)) = rest.split_first().and_then(|(name, argument)| Some((ident(name)?.text.to_ascii_lowercase(), argument)))
    else {
        return Some(unknown_pragma());
    };
    let listed = |list: &[&str]| list.contains(&name.as_str());
    Some(match argument {
        [Token::LParen, Token::Word(_) | Token::SingleQuotedString(_), Token::RParen] if listed(SCHEMA_PRAGMAS) && !temporary => {
            schema_read(vec![Tag::schema()])
        }
        [] if name == "table_list" && !temporary => schema_read(vec![Tag::schema()]),
        _ if listed(SCHEMA_PRAGMAS) || listed(HARMLESS_PRAGMAS) => Analysis::harmless(Bypass::NotAQuery),
        [] if listed(READ_PRAGMAS) => Analysis::harmless(Bypass::NotAQuery),
        // It may make the schema writable, change what LIKE means, or be unknown.
        _ => unknown_pragma(),
    })
}

fn unknown_pragma() -> Analysis {
    Analysis { writes: Writes::Everything, changes_schema: true, session: Session::Changed, ..Analysis::harmless(Bypass::NotAQuery) }
}

fn show(tokens: &[&Token], catalog: &Catalog) -> Option<Analysis> {
    let [first, rest @ ..] = tokens else { return None };
    let is = |token: &Token, words: &[&str]| words.iter().any(|word| is_keyword(token, word));
    if is(first, &["describe", "desc"]) {
        // `DESCRIBE SELECT ...` explains; only a single name is a table.
        return match rest {
            [table] => Some(about(table, catalog)),
            _ => None,
        };
    }
    if !is(first, &["show"]) {
        return None;
    }
    // `SHOW STATUS WHERE f()` calls what it names.
    let qualified = rest.windows(3).any(|three| *three[0] == Token::Period && *three[2] == Token::LParen);
    let calls = qualified
        || rest.windows(2).any(|pair| {
            *pair[1] == Token::LParen && ident(pair[0]).is_some_and(|name| name.quoted || catalog.is_user_function(&name.text))
        });
    if calls {
        return Some(Analysis::everything(Bypass::NotAQuery));
    }
    Some(match rest {
        [tables] if is(tables, &["tables"]) => schema_read(vec![Tag::schema()]),
        [columns, from, table] if is(columns, &["columns", "fields"]) && is(from, &["from", "in"]) => about(table, catalog),
        [create, keyword, table] if is(create, &["create"]) && is(keyword, &["table"]) => about(table, catalog),
        // Status, variables, processes, grants and the rest change by themselves.
        _ => Analysis::harmless(Bypass::NotAQuery),
    })
}

/// An answer about one table. It depends on its rows as well: `SHOW CREATE TABLE` tells the next `AUTO_INCREMENT`, and a temporary table may hide it.
fn about(table: &Token, catalog: &Catalog) -> Analysis {
    let relation = ident(table).and_then(|relation| catalog.resolve(&Name { schema: None, relation }));
    match relation {
        Some(relation) if relation.reads == Reads::Plain => schema_read(vec![Tag::schema(), relation.tag.clone()]),
        _ => Analysis::harmless(Bypass::NotAQuery),
    }
}

fn ident(token: &Token) -> Option<Ident> {
    match token {
        Token::Word(word) => Some(Ident { text: word.value.clone(), quoted: word.quote_style.is_some() }),
        _ => None,
    }
}
