//! The names of values: `<prefix>:<key>`, and `<prefix>/<scope>:<key>` within a scope.

use crate::config::{BESIDE, is_beside};
use crate::error::Error;
use crate::store::escape_glob;
use std::fmt::Write;
use std::sync::Arc;

/// How keys are named.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// With the scope, if there is one.
    prefix: Arc<str>,
    /// Bytes of the longest key.
    longest: usize,
}

impl Names {
    pub(super) fn new(prefix: &str, longest: usize) -> Self {
        Self { prefix: prefix.into(), longest }
    }

    /// The names within a scope, which lies within this one.
    pub(super) fn scope(&self, scope: &str) -> Self {
        Self { prefix: format!("{}/{}", self.prefix, segment(scope)).into(), longest: self.longest }
    }

    /// Bytes of the longest key.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The prefix of every name, without its colon.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The whole name of a key.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    pub(super) fn of(&self, key: &str) -> Result<String, Error> {
        if key.is_empty() {
            return Err(Error::key(key, "is empty"));
        }
        if key.len() > self.longest {
            return Err(Error::key(
                key,
                format!("has {} bytes, more than the {} that CACHE_MAX_KEY_LENGTH allows", key.len(), self.longest),
            ));
        }
        Ok(format!("{}:{key}", self.prefix))
    }

    /// The whole pattern of a pattern for keys.
    ///
    /// # Errors
    ///
    /// A pattern that is empty or too long.
    pub(super) fn pattern(&self, pattern: &str) -> Result<String, Error> {
        self.of(pattern)?;
        Ok(format!("{}:{pattern}", escape_glob(&self.prefix)))
    }

    /// The patterns of everything, scopes within this one included.
    pub(super) fn everything(&self) -> [String; 2] {
        let prefix = escape_glob(&self.prefix);
        [format!("{prefix}:*"), format!("{prefix}/*")]
    }

    /// The key of a whole name, if it is one of these.
    pub(super) fn key<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&*self.prefix)?.strip_prefix(':')
    }
}

/// A text as one part of a key: what separates the parts, matches in patterns or controls is percent-encoded, so that different parts make different keys.
#[must_use]
pub fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ':' | '/' | '*' | '?' | '[' | ']' | '\\' | '^' | '{' | '}' | '%') || c.is_control() || c.is_whitespace() {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                let _ = write!(segment, "%{byte:02X}");
            }
        } else {
            segment.push(c);
        }
    }
    segment
}

/// Checks a prefix: one that lies among the names of SQL entries, or the other way round, would make one program's keys another's.
pub(crate) fn prefix(prefix: &str, namespace: &str) -> Result<String, &'static str> {
    let prefix = prefix.strip_suffix(':').unwrap_or(prefix);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if prefix.is_empty() {
        return Err("is empty");
    }
    if !prefix.chars().all(plain) {
        return Err("has a character other than letters, digits and _ - .");
    }
    if prefix == namespace {
        return Err("is where the SQL entries are: another one is needed");
    }
    if is_beside(prefix) {
        return Err(BESIDE);
    }
    if namespace.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')) {
        return Err("holds the namespace, which would be one of its scopes: another one is needed");
    }
    Ok(prefix.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_keys_have_different_names_and_scopes_never_meet() {
        let names = Names::new("kv", 10);
        let inner = names.scope("a:b").scope("c");
        assert_eq!(names.of("user:7").unwrap(), "kv:user:7");
        assert_eq!(inner.of("k").unwrap(), "kv/a%3Ab/c:k");
        assert_ne!(names.scope("a/c").of("k").unwrap(), names.scope("a").scope("c").of("k").unwrap());
        assert_ne!(names.scope("").of("k").unwrap(), names.of("k").unwrap());
        assert!(names.of("").unwrap_err().is_key() && names.of("01234567890").unwrap_err().is_key() && names.of("0123456789").is_ok());
        assert_eq!(names.key("kv:a:b"), Some("a:b"));
        assert_eq!(names.key("kv/a:b"), None);
    }

    #[test]
    fn segments_hold_nothing_that_separates_or_matches() {
        let texts = ["a:b", "a%3Ab", "a*", "a?", "[a]", "a\\", "a b", "a\nb", "{a}", "a/b", "ü", ""];
        let segments: std::collections::HashSet<_> = texts.iter().map(|text| segment(text)).collect();
        assert_eq!(segments.len(), texts.len());
        assert!(segments.iter().all(|segment| !segment.contains([':', '/', '*', '?', '[', '\\', ' ', '\n', '{'])));
    }

    #[test]
    fn prefixes_keep_out_of_the_sql_entries() {
        assert_eq!(prefix("shop:", "sql").unwrap(), "shop");
        for wrong in ["", ":", "sql", "sql:", "sql-fence", "sql-near", "sql-days", "a:b", "a/b", "a*", "a b", "shop-fence"] {
            assert!(prefix(wrong, "sql").is_err(), "{wrong}");
        }
        // To clear the values, `shop/*`, would take the fences of running writes along: `shop/sql-fence:users`.
        assert!(prefix("shop", "shop/sql").is_err() && prefix("shop", "shop/sql/2").is_err());
        assert!(prefix("shop", "shopping").is_ok() && prefix("shop", "sql/shop").is_ok());
    }
}
