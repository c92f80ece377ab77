//! Bodies of triggers, rules, functions and procedures to code.
//!
//! Procedural languages have no syntax tree here, and need none: static SQL can only read what it names and only call what it names, so every name in
//! the tokens that is a relation's counts as read and every name before a parenthesis as a call. What is written stands after one of a few
//! words; where one of those is not understood, the body may do anything. Dynamic SQL, DDL and settings are opaque.

mod tokens;

#[cfg(feature = "sqlite")]
pub use tokens::event;
pub(super) use tokens::lex;
use tokens::{BEFORE_PARENTHESES, MOMENTS, OTHER_STATEMENTS};

use super::functions::{self, Effect};
use super::parse::is_keyword;
use super::scan::Scan;
use super::{Bypass, Dialect, words};
use crate::catalog::{Catalog, Code, Ident, Key, Name, Ops};
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Statements alone: there INTO makes a table.
    Sql,
    /// Statements with variables and control flow around them.
    Procedural,
}

/// Reads a body's text. Never panics.
pub fn read(dialect: Dialect, language: Language, text: &str, catalog: &Catalog) -> Code {
    let scan = Scan::new(dialect, text);
    let askable = dialect == Dialect::Postgres;
    let Some(tokens) = lex(dialect, &scan) else { return unreadable(dialect, text) };
    let mut code = Code::default();
    if let Some(bypass) = words::bypass(dialect, &tokens) {
        let what = match bypass {
            Bypass::Function => "asks the clock, the user or the session",
            Bypass::Volatile => "reads a system column",
            _ => "",
        };
        code.refuse(bypass, what);
    }
    if catalog.has_opaque_operators() {
        code.hide("an operator, a cast or a domain may call any function", askable);
    }
    let mut body = Body { dialect, language, catalog, tokens: &tokens, code };
    let mut at = 0;
    while at < tokens.len() {
        at = body.step(at).max(at + 1);
    }
    if dialect == Dialect::MySql {
        body.names_like_numbers(&scan.clean);
    }
    body.code
}

/// What a body does that may do anything.
fn unreadable(dialect: Dialect, text: &str) -> Code {
    let text = text.to_ascii_lowercase();
    let ends_transaction = text.contains("commit") || text.contains("rollback");
    let mut code = Code { ends_transaction, ..Code::opaque("its text can't be read", dialect == Dialect::Postgres) };
    code.refuse(Bypass::Unparsed, String::new());
    code
}

struct Body<'a> {
    dialect: Dialect,
    language: Language,
    catalog: &'a Catalog,
    tokens: &'a [TokenWithSpan],
    code: Code,
}

impl Body<'_> {
    fn token(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at).map(|token| &token.token)
    }

    fn is(&self, at: usize, words: &[&str]) -> bool {
        self.token(at).is_some_and(|token| words.iter().any(|word| is_keyword(token, word)))
    }

    fn after(&self, at: usize, words: &[&str]) -> bool {
        at.checked_sub(1).is_some_and(|before| self.is(before, words))
    }

    fn hide(&mut self, what: impl Into<String>) {
        self.code.hide(what, self.dialect == Dialect::Postgres);
    }

    /// Whether a statement may begin here.
    fn begins(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else { return true };
        matches!(self.token(before), Some(Token::SemiColon | Token::Colon | Token::ShiftRight))
            || self.is(before, &["begin", "then", "else", "loop", "do", "repeat", "atomic", "declare"])
    }

    /// Whether this may be the statement of MySQL's `DECLARE ... HANDLER FOR condition statement`.
    fn is_handled(&self, at: usize) -> bool {
        let here = self.tokens[..at].iter().rev().take_while(|token| token.token != Token::SemiColon);
        self.dialect == Dialect::MySql && here.into_iter().any(|token| is_keyword(&token.token, "handler"))
    }

    /// Reads what begins at a token, and says where to go on.
    fn step(&mut self, at: usize) -> usize {
        let Some(Token::Word(word)) = self.token(at) else { return at + 1 };
        let keyword = if word.quote_style.is_none() { word.value.to_ascii_lowercase() } else { String::new() };
        let called = self.token(at + 1) == Some(&Token::LParen);
        match keyword.as_str() {
            "insert" if !called || self.dialect == Dialect::Postgres => self.insert(at),
            "replace" if !called && self.dialect != Dialect::Postgres && !self.after(at, &["or"]) => {
                self.target(at + 1, Ops::INSERT | Ops::DELETE)
            }
            "update" if !called => self.update(at),
            "delete" if !called => self.delete(at),
            "merge" if self.is(at + 1, &["into"]) => self.target(at + 1, Ops::ROWS),
            "truncate" if !called => self.truncate(at),
            "refresh" if self.begins(at) && self.is(at + 1, &["materialized"]) && self.is(at + 2, &["view"]) => {
                self.target(if self.is(at + 3, &["concurrently"]) { at + 4 } else { at + 3 }, Ops::INSERT)
            }
            "call" if !called => {
                let (name, end) = self.name(at + 1);
                self.call(&name);
                end
            }
            "execute" | "immediate" => {
                self.hide("runs dynamic SQL");
                at + 1
            }
            "commit" | "rollback" | "autocommit" => {
                self.code.ends_transaction = true;
                at + 1
            }
            "start" if self.is(at + 1, &["transaction"]) => {
                self.code.ends_transaction = true;
                at + 2
            }
            "into" if self.language == Language::Sql => {
                self.hide("may create a table (INTO)");
                at + 1
            }
            "set" if self.begins(at) => self.set(at),
            _ if OTHER_STATEMENTS.split_ascii_whitespace().any(|other| other == keyword) && (self.begins(at) || self.is_handled(at)) => {
                self.hide(format!("runs {}", keyword.to_ascii_uppercase()));
                at + 1
            }
            _ => self.mention(at, &keyword),
        }
    }

    /// A name: a call, a relation, or nothing to us.
    fn mention(&mut self, at: usize, keyword: &str) -> usize {
        if MOMENTS.contains(&keyword) {
            self.code.refuse(Bypass::Function, format!("uses {keyword}, which may ask the clock"));
        }
        let (name, end) = self.name(at);
        if self.token(end) == Some(&Token::LParen) {
            let clause = name.len() == 1
                && !keyword.is_empty()
                && !self.catalog.is_user_function(keyword)
                && (words::is_clause(keyword) || BEFORE_PARENTHESES.split_ascii_whitespace().any(|word| word == keyword));
            let lists = name.len() == 1 && self.names_columns(at, end);
            if !clause && !lists {
                self.call(&name);
            }
        }
        // MariaDB's Oracle mode calls without CALL.
        let alone = self.dialect == Dialect::MySql && self.token(end) == Some(&Token::SemiColon) && self.begins(at);
        if alone && (name.len() > 1 || self.catalog.is_user_function(keyword)) {
            self.call(&name);
        }
        if let Some(key) = self.relation(&name) {
            let key = key.clone();
            self.code.read(&key);
        }
        if self.dialect == Dialect::Postgres {
            // `row.f` and `(row).f` are `f(row)` where the row has no such column.
            let field = at.checked_sub(1).is_some_and(|before| self.token(before) == Some(&Token::Period));
            for part in name.iter().skip(usize::from(!field)).filter(|part| self.catalog.is_user_function(&part.text)) {
                self.code.call(part.text.to_lowercase());
            }
            if name.last().is_some_and(|last| last.text.eq_ignore_ascii_case("set_config")) && !self.keeps_names(end + 1) {
                self.hide("set_config()");
            }
        }
        end
    }

    /// Whether a name before a parenthesis lists columns: an alias after AS or after another parenthesis, a common table expression.
    fn names_columns(&self, at: usize, open: usize) -> bool {
        let closed = at.checked_sub(1).is_some_and(|before| self.token(before) == Some(&Token::RParen));
        if closed || self.after(at, &["as"]) {
            return true;
        }
        let mut depth = 0_usize;
        let Some(close) = (open..self.tokens.len()).find(|&at| {
            match self.token(at) {
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth -= 1,
                _ => {}
            }
            depth == 0
        }) else {
            return false;
        };
        let mut at = close + 1;
        if !self.is(at, &["as"]) {
            return false;
        }
        while self.is(at, &["as", "not", "materialized"]) {
            at += 1;
        }
        // `f(1) AS (a int)` defines what a function returns.
        self.token(at) == Some(&Token::LParen)
            && self.is(at + 1, &["select", "with", "values", "insert", "update", "delete", "merge", "table"])
    }

    /// Whether a setting is named that leaves names alone.
    fn keeps_names(&self, at: usize) -> bool {
        let changes = ["search_path", "role", "session_authorization"];
        let named = |setting: &str| !changes.iter().any(|name| name.eq_ignore_ascii_case(setting));
        let literal = matches!(self.token(at), Some(Token::SingleQuotedString(setting)) if named(setting));
        // Not `'search' || '_path'`.
        literal && self.token(at + 1) == Some(&Token::Comma)
    }

    /// The parts of a name, and where it ends.
    fn name(&self, at: usize) -> (Vec<Ident>, usize) {
        let (mut parts, mut at) = (Vec::new(), at);
        while let Some(Token::Word(word)) = self.token(at) {
            parts.push(Ident { text: word.value.clone(), quoted: word.quote_style.is_some() });
            at += 1;
            if self.token(at) != Some(&Token::Period) || !matches!(self.token(at + 1), Some(Token::Word(_))) {
                break;
            }
            at += 1;
        }
        (parts, at)
    }

    fn relation(&self, name: &[Ident]) -> Option<&Key> {
        let find = |schema: Option<&Ident>, relation: &Ident| {
            self.catalog.look_up(&Name { schema: schema.cloned(), relation: relation.clone() }).map(|(key, _)| key)
        };
        match name {
            [] => None,
            [relation] => find(None, relation),
            // `schema.relation`, perhaps with a column after it or the database before it, or `relation.column`.
            [first, second, rest @ ..] => {
                find(Some(first), second).or_else(|| find(Some(second), rest.first()?)).or_else(|| find(None, first))
            }
        }
    }

    fn call(&mut self, name: &[Ident]) {
        let Some(last) = name.last() else { return self.hide("calls something that is not understood") };
        let function = last.text.to_lowercase();
        let home = match name {
            [_] => true,
            [schema, _] => match self.dialect {
                Dialect::Postgres => true,
                Dialect::MySql => self.catalog.is_home(&schema.text),
                Dialect::Sqlite => false,
            },
            _ => false,
        };
        if home && self.catalog.is_user_function(&function) {
            return self.code.call(function);
        }
        let builtin = name.len() == 1 || (self.dialect == Dialect::Postgres && name[0].text.eq_ignore_ascii_case("pg_catalog"));
        match functions::effect(self.dialect, &function, 1) {
            Effect::Pure if builtin => {}
            Effect::Unknown if !(builtin && self.catalog.is_quiet(&function)) => self.unknown_call(&function),
            _ if builtin => self.code.refuse(Bypass::Function, format!("calls {function}()")),
            _ => self.unknown_call(&function),
        }
    }

    fn unknown_call(&mut self, function: &str) {
        self.code.refuse(Bypass::Function, format!("calls {function}()"));
        self.hide(format!("calls {function}()"));
    }

    /// A relation that is written, after words that say how.
    fn target(&mut self, mut at: usize, ops: Ops) -> usize {
        // Elsewhere these are names like others.
        let skipped: &[&str] = match self.dialect {
            Dialect::Postgres => &["into", "only"],
            Dialect::MySql => &["into", "low_priority", "high_priority", "delayed", "ignore"],
            Dialect::Sqlite => &["into"],
        };
        while self.is(at, skipped) || self.token(at) == Some(&Token::LParen) {
            at += 1;
        }
        if self.is(at, &["or"]) {
            // SQLite's `OR REPLACE` and its kin.
            return self.target(at + 2, ops);
        }
        let (name, mut end) = self.name(at);
        if self.is(end, &["as"]) {
            end += 2;
        }
        match self.relation(&name) {
            Some(key) => {
                let key = key.clone();
                self.code.write(&key, self.widened(ops));
            }
            None => {
                let name = name.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(".");
                self.hide(format!("writes {name}, which the catalog does not know"));
            }
        }
        end
    }

    /// Names that begin with digits may look like numbers to the tokenizer.
    fn names_like_numbers(&mut self, text: &str) {
        let text = text.to_lowercase();
        let names = self.catalog.home_keys().filter(|(_, name)| name.starts_with(|c: char| c.is_ascii_digit()));
        let found: Vec<_> = names.filter(|(_, name)| text.contains(&name.to_lowercase())).cloned().collect();
        for key in found {
            self.code.read(&key);
            if !self.code.writes.is_empty() {
                self.code.write(&key, Ops::ROWS);
            }
        }
    }

    /// In SQLite the conflict clause of the statement that fires a trigger replaces those in its body.
    fn widened(&self, ops: Ops) -> Ops {
        if self.dialect == Dialect::Sqlite && ops.meets(Ops::INSERT | Ops::UPDATE) { ops | Ops::DELETE } else { ops }
    }

    /// Every relation named from here to one of these words: which of them a multi-table statement writes is not asked.
    fn targets(&mut self, at: usize, ends: &[&str], ops: Ops) -> usize {
        let (mut end, mut found) = (at, false);
        // `FOR PORTION OF` inserts what is left of a row's period.
        let portion = self.tokens.iter().any(|token| is_keyword(&token.token, "portion"));
        let ops = if portion { Ops::ROWS } else { ops };
        while end < self.tokens.len() && !self.is(end, ends) && !matches!(self.token(end), Some(Token::SemiColon | Token::EOF)) {
            let (name, next) = self.name(end);
            if let Some(key) = self.relation(&name) {
                let key = key.clone();
                self.code.write(&key, ops);
                self.code.read(&key);
                found = true;
            }
            end = next.max(end + 1);
        }
        if !found {
            self.hide("writes a table that the catalog does not know");
        }
        // The words in between may call or write, too.
        at
    }

    fn insert(&mut self, at: usize) -> usize {
        // A branch of MERGE, whose table is known; a trigger's event.
        if self.dialect != Dialect::MySql && !self.is(at + 1, &["into", "or"]) {
            return at + 1;
        }
        let named = |word: &str| self.tokens.iter().any(|token| is_keyword(&token.token, word));
        let updates = if named("conflict") || named("duplicate") { Ops::UPDATE | Ops::KEYS } else { Ops::NONE };
        self.target(at + 1, Ops::INSERT | updates)
    }

    fn update(&mut self, at: usize) -> usize {
        // `DO UPDATE SET`, a branch of MERGE, `FOR UPDATE`, a trigger's event; but `OPEN c FOR UPDATE t SET ...` and `UPDATE set SET ...` change a table.
        let clause = self.after(at, &["for", "on", "before", "after", "of", "key"]) || self.is(at + 1, &["set", "of", "on"]);
        if clause && !self.is_set_after_name(at + 1) {
            return at + 1;
        }
        let ops = Ops::UPDATE | Ops::KEYS;
        if self.dialect == Dialect::MySql { self.targets(at + 1, &["set"], ops) } else { self.target(at + 1, ops) }
    }

    /// Whether a name stands here, perhaps with an alias, and then SET.
    fn is_set_after_name(&self, at: usize) -> bool {
        let mut end = if self.is(at, &["only"]) { at + 1 } else { at };
        while matches!(self.token(end), Some(Token::LParen)) {
            end += 1;
        }
        let (name, mut end) = self.name(end);
        while matches!(self.token(end), Some(Token::Mul | Token::RParen)) || self.is(end, &["as"]) {
            end += 1;
        }
        let aliased = matches!(self.token(end), Some(Token::Word(_))) && self.is(end + 1, &["set"]);
        !name.is_empty() && (aliased || self.is(end, &["set"]))
    }

    fn delete(&mut self, at: usize) -> usize {
        if self.dialect == Dialect::MySql {
            return self.targets(at + 1, &["where", "order", "limit", "returning", "end"], Ops::DELETE);
        }
        // A branch of MERGE has no FROM.
        if self.is(at + 1, &["from"]) { self.target(at + 2, Ops::DELETE) } else { at + 1 }
    }

    fn truncate(&mut self, at: usize) -> usize {
        // In MySQL it commits.
        self.code.ends_transaction |= self.dialect == Dialect::MySql;
        let cascades = self.tokens.iter().any(|token| is_keyword(&token.token, "cascade"));
        let ops = if cascades { Ops::TRUNCATE | Ops::CASCADE } else { Ops::TRUNCATE };
        let mut at = if self.is(at + 1, &["table"]) { at + 2 } else { at + 1 };
        loop {
            at = self.target(at, ops);
            while matches!(self.token(at), Some(Token::Mul | Token::RParen)) {
                at += 1;
            }
            if self.token(at) != Some(&Token::Comma) {
                return at;
            }
            at += 1;
        }
    }

    /// MySQL's SET gives variables their values; what it says of the session is not ours to follow in a procedure.
    fn set(&mut self, at: usize) -> usize {
        let setting = self.dialect != Dialect::MySql
            || self.is(
                at + 1,
                &["global", "session", "local", "password", "role", "names", "character", "transaction", "statement", "default"],
            )
            || matches!(self.token(at + 1), Some(Token::Word(word)) if word.quote_style.is_none() && word.value.starts_with("@@"))
            || self.token(at + 1) == Some(&Token::AtAt);
        if setting {
            self.hide("changes a setting (SET)");
        }
        at + 1
    }
}
