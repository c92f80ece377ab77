//! Keys that are made of a program's data, and may turn out too long: cut, and ended by a mark and a hash of the whole.
//!
//! The beginning stays as it is, so that a pattern which ends with its only `*` goes on to match; other patterns are given a companion that deletes all hashed keys they might have matched.

use super::Cache;
use crate::store::escape_glob;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Stands before the hash. No escaped argument has it.
const MARK: char = '^';

/// Bytes of the mark and the hash.
const HASHED: usize = 1 + 64;

impl Cache {
    /// The key, hashed if it is too long.
    pub(super) fn fitting(&self, key: String) -> String {
        fitting(key, self.names.longest())
    }

    /// Patterns that match what `pattern` matches, hashed keys included.
    pub(super) fn fitting_patterns(&self, pattern: &str) -> Vec<String> {
        fitting_patterns(pattern, self.names.longest())
    }
}

fn fitting(mut key: String, longest: usize) -> String {
    if key.len() <= longest || longest <= HASHED {
        return key;
    }
    let hash = Sha256::digest(&key);
    key.truncate(key.floor_char_boundary(longest - HASHED));
    key.push(MARK);
    for byte in hash {
        let _ = write!(key, "{byte:02x}");
    }
    key
}

fn fitting_patterns(pattern: &str, longest: usize) -> Vec<String> {
    let (mut beginning, mut rest) = (String::new(), pattern.chars());
    let ends_there = loop {
        match rest.next() {
            None => break true,
            Some('*') => break rest.as_str().is_empty(),
            Some('?' | '[') => break false,
            Some('\\') => beginning.extend(rest.next()),
            Some(c) => beginning.push(c),
        }
    };
    let kept = longest.saturating_sub(HASHED);
    if ends_there && beginning.len() <= kept {
        return vec![pattern.to_owned()];
    }
    let beginning = escape_glob(&beginning[..beginning.floor_char_boundary(kept)]);
    if pattern.len() > longest { vec![beginning + "*"] } else { vec![pattern.to_owned(), format!("{beginning}*{MARK}*")] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::matches_glob;

    const LONGEST: usize = 100;

    #[test]
    fn long_keys_are_cut_and_stay_distinct() {
        let long = |end: &str| format!("user:{}{end}", "ü".repeat(50));
        let (a, b) = (fitting(long("a"), LONGEST), fitting(long("b"), LONGEST));
        assert!(a != b && a.len() <= LONGEST && a.starts_with("user:ü"), "{a}");
        assert_eq!(fitting("user:7".to_owned(), LONGEST), "user:7");
        assert_eq!(fitting("k".repeat(LONGEST), LONGEST), "k".repeat(LONGEST));
        assert_eq!(fitting("k".repeat(70), HASHED).len(), 70, "no room for a hash: such a key is refused, and nothing is cached");
    }

    #[test]
    fn patterns_match_hashed_keys_as_well() {
        let (x, y) = ("x".repeat(60), "y".repeat(60));
        for (pattern, keys) in [
            ("user:*".to_owned(), vec![format!("user:{x}:{y}")]),
            ("user:*:lang".to_owned(), vec![format!("user:{x}{y}:lang")]),
            (format!("user:{x}:*"), vec![format!("user:{x}:{y}"), format!("user:{x}:7")]),
            (format!("user:{x}:?{x}*"), vec![format!("user:{x}:1{x}{y}")]),
            ("us?r:*".to_owned(), vec![format!("user:{x}:{y}")]),
            (r"a\*b*".to_owned(), vec![format!("a*b{x}{y}"), "a*b".to_owned()]),
            ("*".to_owned(), vec![format!("{x}{y}")]),
        ] {
            let patterns = fitting_patterns(&pattern, LONGEST);
            assert!(patterns.iter().all(|pattern| pattern.len() <= LONGEST), "{patterns:?}");
            for key in keys {
                assert!(matches_glob(&pattern, &key), "{pattern} {key}");
                let stored = fitting(key, LONGEST);
                assert!(patterns.iter().any(|pattern| matches_glob(pattern, &stored)), "{patterns:?} {stored}");
            }
        }
        assert_eq!(fitting_patterns("user:*", LONGEST), ["user:*"], "one scan will do");
        assert!(!fitting_patterns("user:*:lang", LONGEST).iter().any(|pattern| matches_glob(pattern, "user:7:name")));
    }
}
