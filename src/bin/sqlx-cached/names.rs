//! Names of keys: whole ones, and those below the prefix of plain values.

use crate::target::Target;
use sqlx_cached::Cache;

/// What a key is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A query's answer.
    Entry,
    /// A table's generation.
    Generation,
    /// A plain value.
    Value,
    /// Bookkeeping.
    Other,
}

impl Kind {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Generation => "generation",
            Self::Value => "value",
            Self::Other => "other",
        }
    }
}

impl Target {
    /// Whether it is the whole name of a plain value, or a pattern of such.
    pub fn is_value(&self, name: &str) -> bool {
        name.strip_prefix(&*self.prefix).is_some_and(|rest| rest.starts_with([':', '/']) && rest.contains(':'))
    }

    /// What this key is.
    pub fn kind(&self, name: &str) -> Kind {
        if self.is_value(name) {
            return Kind::Value;
        }
        let Some(rest) = name.strip_prefix(&*self.namespace).and_then(|rest| rest.strip_prefix(':')) else { return Kind::Other };
        match rest.rsplit(':').next() {
            Some("gen") => Kind::Generation,
            Some(hash) if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => Kind::Entry,
            _ => Kind::Other,
        }
    }

    /// Whether it is a whole name, or a pattern of whole names, and not one below the prefix.
    pub fn is_whole(&self, name: &str) -> bool {
        let after = |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(':'));
        self.is_value(name) || ["", "-fence", "-near", "-days"].iter().any(|end| after(&format!("{}{end}", self.namespace)))
    }

    /// The whole name of a key, which may be given without the prefix of plain values.
    pub fn whole(&self, name: &str) -> String {
        if self.is_whole(name) { name.to_owned() } else { format!("{}:{name}", self.prefix) }
    }

    /// The cache and the key that a value's whole name means to it: scopes stand in the name, each with its special characters encoded.
    pub fn within(&self, cache: &Cache, name: &str) -> Option<(Cache, String)> {
        let (scopes, key) = name.strip_prefix(&*self.prefix)?.split_once(':')?;
        let cache = scopes.split('/').skip(1).try_fold(cache.clone(), |cache, scope| Some(cache.scope(&decoded(scope)?)))?;
        Some((cache, key.to_owned()))
    }
}

/// A percent-encoded text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx_cached::segment;

    #[test]
    fn scopes_come_back_out_of_names() {
        for scope in ["", "a", "tenant-7", "a:b/c d%", "\u{fc}\n"] {
            assert_eq!(decoded(&segment(scope)).as_deref(), Some(scope));
        }
        assert_eq!([decoded("%"), decoded("%4"), decoded("%zz"), decoded("%ff")], [None, None, None, None]);
    }
}
