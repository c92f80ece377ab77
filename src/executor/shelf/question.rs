//! What an answer on the shelf answers: a statement, its arguments, and whatever else tells one answer from another.
//!
//! A plan stands for the exact text of its statement, and for the catalog that it was understood by. Its number, the scope, the arguments and whether one row or all
//! were asked for are put one behind the other and compared byte by byte; the hash only finds the place.

use crate::key::{MAX_ARGUMENTS, pack};
use quick_cache::Equivalent;
use std::cell::Cell;
use std::fmt::Debug;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::LazyLock;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A buffer of a thread that grew beyond this is given back.
const LARGE: usize = 64 << 10;

/// Secret, so that nobody can choose arguments that all fall into one place.
static SEED: LazyLock<u64> = LazyLock::new(rand::random);

/// Owned, to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::executor) struct Question {
    hash: u64,
    bytes: Box<[u8]>,
    arguments: u32,
}

/// Borrowed, to be looked up.
#[derive(Debug)]
pub(in crate::executor) struct Asked<'a> {
    hash: u64,
    bytes: &'a [u8],
    arguments: u32,
}

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Asked<'_> {
    /// Puts a question together and hands it on; `None` where the arguments are too large to be looked up.
    pub(in crate::executor) fn with<A: Debug, T>(
        plan: u64,
        scope: Option<&str>,
        one: bool,
        arguments: &A,
        then: impl FnOnce(Asked<'_>) -> T,
    ) -> Option<T> {
        let mut bytes = BUFFER.take();
        bytes.clear();
        bytes.extend_from_slice(&plan.to_le_bytes());
        bytes.push(u8::from(one) | u8::from(scope.is_some()) << 1);
        if let Some(scope) = scope {
            bytes.extend_from_slice(&(scope.len() as u64).to_le_bytes());
            bytes.extend_from_slice(scope.as_bytes());
        }
        let arguments_at = u32::try_from(bytes.len()).ok()?;
        let packed = pack(&mut bytes, arguments, MAX_ARGUMENTS);
        let answer = packed.is_ok().then(|| {
            let hash = xxh3_64_with_seed(&bytes, *SEED);
            then(Asked { hash, bytes: &bytes, arguments: arguments_at })
        });
        if bytes.capacity() <= LARGE {
            BUFFER.set(bytes);
        }
        answer
    }

    pub(in crate::executor) fn to_question(&self) -> Question {
        Question { hash: self.hash, bytes: self.bytes.into(), arguments: self.arguments }
    }
}

impl Question {
    /// The packed arguments.
    pub(in crate::executor) fn arguments(&self) -> &[u8] {
        &self.bytes[self.arguments as usize..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<Question> for Asked<'_> {
    fn equivalent(&self, question: &Question) -> bool {
        self.bytes == &*question.bytes
    }
}

/// Takes the hash as it is.
pub(super) type Hashed = BuildHasherDefault<Pass>;

#[derive(Default)]
pub(super) struct Pass(u64);

impl Hasher for Pass {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= xxh3_64_with_seed(bytes, *SEED);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(plan: u64, scope: Option<&str>, one: bool, arguments: &[&str]) -> Question {
        Asked::with(plan, scope, one, &arguments, |asked| asked.to_question()).unwrap()
    }

    #[test]
    fn every_part_tells_questions_apart() {
        let mut questions = Vec::new();
        for plan in [1, 2] {
            for scope in [None, Some(""), Some("x"), Some("x\"]")] {
                for one in [false, true] {
                    for arguments in [&[][..], &["x"], &["x", "y"], &["x\", \"y"]] {
                        questions.push(question(plan, scope, one, arguments));
                    }
                }
            }
        }
        for (index, question) in questions.iter().enumerate() {
            let asked = Asked { hash: question.hash, bytes: &question.bytes, arguments: question.arguments };
            let equal: Vec<_> = (0..questions.len()).filter(|other| asked.equivalent(&questions[*other])).collect();
            assert_eq!(equal, [index]);
        }
    }

    #[test]
    fn arguments_that_are_too_large_are_not_asked_with() {
        let large = "x".repeat(MAX_ARGUMENTS + 1);
        assert!(Asked::with(1, None, false, &large, |_| ()).is_none());
        assert!(Asked::with(1, None, false, &"x", |_| ()).is_some());
    }
}
