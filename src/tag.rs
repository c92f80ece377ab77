//! The unit of dependence: a read depends on a set of tags, a write bumps a set of tags.

use std::fmt::{self, Write};
use std::sync::Arc;

/// What a read depends on and a write changes: at first a table, written in one normal form.
///
/// The text of a tag is a segment of a Redis key: characters that separate, glob or control are percent-encoded, and no table can be called like
/// a reserved tag.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

impl Tag {
    /// The tag of a table, named as the catalog spells it (`users`, or `app.users` outside the database's default schema).
    pub fn table(name: &str) -> Self {
        let mut text = String::with_capacity(name.len());
        escape(&mut text, name, false);
        Self(text.into())
    }

    /// The tag of a table by its parts; `None` is the database's default schema. A dot inside a part is written `%2E`, so that table `a.b` and
    /// table `b` of schema `a` stay two.
    #[must_use]
    pub fn qualified(schema: Option<&str>, name: &str) -> Self {
        let mut text = String::with_capacity(name.len());
        if let Some(schema) = schema {
            escape(&mut text, schema, true);
            text.push('.');
        }
        escape(&mut text, name, true);
        Self(text.into())
    }

    /// Everything: every entry depends on it.
    pub fn all() -> Self {
        Self("_all".into())
    }

    /// The schema itself: what reads of the database's own catalog depend on.
    pub fn schema() -> Self {
        Self("_schema".into())
    }

    /// A tag by its text, as read from a key.
    pub(crate) fn of_text(text: &str) -> Self {
        Self(text.into())
    }

    /// The schema and the name of the table that a tag's text stands for.
    pub(crate) fn parts(text: &str) -> (Option<String>, String) {
        match text.split_once('.') {
            Some((schema, name)) => (Some(unescape(schema)), unescape(name)),
            None => (None, unescape(text)),
        }
    }

    /// The tag as a key segment.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Adds a name to a tag's text, what separates, globs or controls percent-encoded.
fn escape(text: &mut String, name: &str, dots: bool) {
    for (index, c) in name.chars().enumerate() {
        let separates = matches!(c, ':' | '*' | '?' | '[' | ']' | '\\' | '{' | '}' | '^' | '%') || (dots && c == '.');
        // `_all` and `_schema` are ours: a table of that name is written `%5Fall`.
        let reserved = index == 0 && matches!(name, "_all" | "_schema");
        if separates || reserved || c.is_control() || c.is_whitespace() {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                let _ = write!(text, "%{byte:02X}");
            }
        } else {
            text.push(c);
        }
    }
}

/// What [`escape`] encoded. A percent sign that encodes nothing is one.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.0)
    }
}

/// One unique random token per tag and change: an entry is valid if and only if every generation it was read under still stands.
///
/// The first eight bytes name the server that keeps it, so that a token of another server (a failover, a restart from an old snapshot) is a miss;
/// the other sixteen are random. Never a counter and never a clock: after deletion, eviction or FLUSHALL no token can return.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation(pub [u8; Generation::LEN]);

impl Generation {
    /// Bytes of a token.
    pub const LEN: usize = 24;

    /// A fresh token for the server of this identity.
    pub fn fresh(server: ServerIdentity) -> Self {
        let mut token = [0; Self::LEN];
        token[..8].copy_from_slice(&server.0);
        rand::fill(&mut token[8..]);
        Self(token)
    }

    /// The server that keeps this token.
    pub fn server(&self) -> ServerIdentity {
        let mut server = [0; 8];
        server.copy_from_slice(&self.0[..8]);
        ServerIdentity(server)
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Generation(")?;
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// Names the run of the server that keeps the generations: a digest of Redis' replication id and run id, all zeros in the embedded store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ServerIdentity(pub [u8; 8]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_one_segment_and_stay_distinct() {
        let names = ["a:b", "a*b", "a?b", "a[b", "a%3Ab", "_all", "_schema", "{x}", "a\nb", "a b", "ü"];
        let mut seen = std::collections::HashSet::new();
        for name in names {
            let tag = Tag::table(name);
            assert!(!tag.as_str().contains([':', '*', '?', '[', '{', '\n', ' ']), "{tag}");
            assert!(seen.insert(tag.clone()), "{tag} twice");
            assert!(tag != Tag::all() && tag != Tag::schema());
            for schema in [None, Some("a.b"), Some("%")] {
                assert_eq!(Tag::parts(Tag::qualified(schema, name).as_str()), (schema.map(str::to_owned), name.to_owned()));
            }
        }
    }

    #[test]
    fn a_dot_inside_a_name_is_not_the_dot_after_a_schema() {
        assert_eq!(Tag::qualified(None, "users"), Tag::table("users"));
        assert_eq!(Tag::qualified(None, "a%b"), Tag::table("a%b"));
        assert_eq!(Tag::qualified(Some("app"), "users"), Tag::table("app.users"));
        let parts =
            [(None, "a.b"), (Some("a"), "b"), (Some("a.b"), "c"), (Some("a"), "b.c"), (None, "a.b.c"), (None, "a%2Eb"), (None, "_all")];
        let tags: std::collections::HashSet<_> = parts.iter().map(|(schema, name)| Tag::qualified(*schema, name)).collect();
        assert_eq!(tags.len(), parts.len());
        assert!(!tags.contains(&Tag::all()));
    }
}
