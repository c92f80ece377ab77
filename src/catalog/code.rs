//! What stored code does, as far as its text tells: a view's query, the body of a trigger, a rule, a function. A statement is code as well.

use crate::analysis::Bypass;
use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Not};

/// A relation's schema and name, as the catalog compares them.
pub type Key = (String, String);

/// What one piece of SQL names and does by itself, before the catalog adds what follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The relations that it reads, in the order of the text. One too many costs a hit, one too few a wrong answer.
    pub reads: Vec<Key>,
    /// The relations that it writes, and how.
    pub writes: Vec<(Key, Ops)>,
    /// The functions and procedures that it calls and that are not built in, in lower case.
    pub calls: Vec<String>,
    /// Why an answer that comes out of it is not kept, and the words that say so.
    pub bypass: Option<(Bypass, String)>,
    /// Why its text does not tell what it writes.
    pub opaque: Option<Opaque>,
    /// Whether it may end the transaction that it runs in.
    pub ends_transaction: bool,
}

/// Something that may write anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// What it is, for people.
    pub what: String,
    /// Whether the database, asked about the statement, would tell what it wrote.
    pub askable: bool,
}

impl Code {
    /// Code of which nothing is known.
    pub fn opaque(what: impl Into<String>, askable: bool) -> Self {
        let mut code = Self::default();
        code.hide(what, askable);
        code
    }

    /// Notes a reason not to keep an answer; the first one counts.
    pub fn refuse(&mut self, bypass: Bypass, what: impl Into<String>) {
        if self.bypass.is_none() {
            self.bypass = Some((bypass, what.into()));
        }
    }

    /// Notes something whose text does not tell what it writes.
    pub fn hide(&mut self, what: impl Into<String>, askable: bool) {
        match &mut self.opaque {
            Some(opaque) => opaque.askable &= askable,
            None => self.opaque = Some(Opaque { what: what.into(), askable }),
        }
    }

    /// Notes a relation that is read.
    pub fn read(&mut self, key: &Key) {
        if !self.reads.contains(key) {
            self.reads.push(key.clone());
        }
    }

    /// Notes a relation that is written.
    pub fn write(&mut self, key: &Key, ops: Ops) {
        match self.writes.iter_mut().find(|(written, _)| written == key) {
            Some((_, known)) => *known |= ops,
            None => self.writes.push((key.clone(), ops)),
        }
    }

    /// Notes a call.
    pub fn call(&mut self, name: String) {
        if !self.calls.contains(&name) {
            self.calls.push(name);
        }
    }

    /// Adds what other code does.
    pub fn add(&mut self, other: Self) {
        other.reads.iter().for_each(|key| self.read(key));
        other.writes.iter().for_each(|(key, ops)| self.write(key, *ops));
        other.calls.into_iter().for_each(|name| self.call(name));
        if let Some((bypass, what)) = other.bypass {
            self.refuse(bypass, what);
        }
        if let Some(opaque) = other.opaque {
            self.hide(opaque.what, opaque.askable);
        }
        self.ends_transaction |= other.ends_transaction;
    }
}

/// Kinds of change to a relation's rows.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Ops(u8);

impl Ops {
    /// None.
    pub const NONE: Self = Self(0);
    /// Rows are added.
    pub const INSERT: Self = Self(1);
    /// Rows are changed.
    pub const UPDATE: Self = Self(2);
    /// Rows are changed, perhaps in columns that foreign keys refer to.
    pub const KEYS: Self = Self(4);
    /// Rows are removed.
    pub const DELETE: Self = Self(8);
    /// The relation is emptied.
    pub const TRUNCATE: Self = Self(16);
    /// The same, with whatever refers to it.
    pub const CASCADE: Self = Self(32);
    /// Any change of rows.
    pub const ROWS: Self = Self(1 | 2 | 4 | 8);
    /// Any change.
    pub const ANY: Self = Self(63);

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether some are in both.
    pub fn meets(self, other: Self) -> bool {
        !(self & other).is_empty()
    }
}

impl BitOr for Ops {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Ops {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Ops {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Ops {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0 & Self::ANY.0)
    }
}

impl fmt::Debug for Ops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::INSERT, "INSERT"),
            (Self::UPDATE, "UPDATE"),
            (Self::KEYS, "KEYS"),
            (Self::DELETE, "DELETE"),
            (Self::TRUNCATE, "TRUNCATE"),
            (Self::CASCADE, "CASCADE"),
        ];
        let names: Vec<_> = names.into_iter().filter(|(op, _)| self.meets(*op)).map(|(_, name)| name).collect();
        write!(f, "{{{}}}", names.join(", "))
    }
}
