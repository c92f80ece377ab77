//! Glob patterns as Redis understands them: `*`, `?`, `[a-z]`, `[^a]` and `\` before a character that is meant literally.
//!
//! The semantics are those of `stringmatchlen` in Redis' `util.c`, corners included (an unclosed class ends with the pattern, a range may be written
//! backwards); no crate of file-name globs has them. The contract suite compares with a real server.

use super::StoreError;
use crate::key::Keyspace;

/// The pattern for SCAN, with the namespace taken literally. A pattern that could match keys outside the namespace is refused.
pub(super) fn within(keyspace: &Keyspace, pattern: &str) -> Result<String, StoreError> {
    let namespace = keyspace.to_string();
    match pattern.strip_prefix(&namespace).filter(|rest| rest.starts_with(':')) {
        Some(rest) => Ok(escape(&namespace) + rest),
        None => Err(StoreError::Pattern { pattern: pattern.to_owned(), namespace }),
    }
}

/// A text as a pattern that matches nothing else.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Whether the whole text matches the pattern.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on if the text after the last star turns out not to match: one more byte for the star. Earlier stars need no second chance.
    let mut star = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
        } else if let Some(length) = one(&pattern[p..], text[t]) {
            p += length;
            t += 1;
        } else if let Some((after, taken)) = star {
            p = after;
            t = taken + 1;
            star = Some((after, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// The length of the pattern's first element, if it matches the byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (length, matched) = in_class(class, byte);
            matched.then_some(1 + length)
        }
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [literal, ..] => (*literal == byte).then_some(1),
    }
}

/// The length of a class after its bracket, and whether it matches the byte.
fn in_class(class: &[u8], byte: u8) -> (usize, bool) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &class[at..] {
            [] => break,
            [b'\\', literal, ..] => {
                found |= *literal == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [from, b'-', to, ..] => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= *literal == byte;
                at += 1;
            }
        }
    }
    (at, found != negated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, yes, no) in [
            ("sql:users:*", &["sql:users:gen", "sql:users:"][..], &["sql:users", "sql:users2:gen", "xsql:users:gen"][..]),
            ("*:gen", &["sql:users:gen", ":gen"], &["sql:users:gen2"]),
            ("a*b*c", &["abc", "axxbyybzc", "abcbc"], &["ab", "abcd"]),
            ("a?c", &["abc", "a?c"], &["ac", "abbc"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "x"]),
            ("[c-a]x", &["bx"], &["dx"]),
            ("[^a]x", &["bx"], &["ax"]),
            (r"[\]]", &["]"], &[r"\"]),
            ("[ab", &["a", "b"], &["c", "["]),
            (r"\*", &["*"], &["a", r"\*"]),
            (r"a\", &[r"a\"], &["a"]),
            ("", &[""], &["a"]),
            ("**", &["", "a"], &[]),
        ] {
            for text in yes {
                assert!(matches(pattern, text), "{pattern} {text}");
            }
            for text in no {
                assert!(!matches(pattern, text), "{pattern} {text}");
            }
        }
        assert!(!matches(&"*a".repeat(40), &"a".repeat(39)), "and without exponential time");
    }

    #[test]
    fn patterns_outside_the_namespace_are_refused() {
        let keyspace = Keyspace::new("s*l");
        assert_eq!(within(&keyspace, "s*l:users:*").unwrap(), r"s\*l:users:*");
        for pattern in ["*", "s*l", "s*l-fence:*", "sql:users:*", "", "?*l:x"] {
            assert!(within(&keyspace, pattern).is_err(), "{pattern}");
        }
    }
}
