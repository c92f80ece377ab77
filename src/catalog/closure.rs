//! From what a statement names to all that it depends on and all that it changes.
//!
//! Reads close downwards: a view depends on what its query reads, a function on what its body reads. Writes close outwards: along foreign keys, triggers,
//! rules, partitions and children. A read of a partitioned table, or of one with children, depends on that table's tag alone: a write to a part bumps
//! every table above it, so a read needs no generation for each of a thousand partitions.

use super::code::{Code, Key, Ops};
use super::{Catalog, Reach, Reads, Relation};
use crate::analysis::{Bypass, Dialect};
use crate::tag::Tag;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Something that a change of a relation brings about.
#[derive(Clone, Debug)]
pub struct Effect {
    /// The changes that bring it about.
    pub on: Ops,
    /// What does it, for people: `trigger audit on users`.
    pub because: Arc<str>,
    /// What is done.
    pub does: Does,
}

/// What a change of a relation brings about.
#[derive(Clone, Debug)]
pub enum Does {
    /// The same change of another relation: a view's table, a parent's child.
    Same(Key),
    /// The same change of a partition, between which an update may move rows.
    Parts(Key),
    /// This change of another relation.
    Write(Key, Ops),
    /// The same by a foreign key of a database where such changes fire no triggers: MySQL.
    Quietly(Key, Ops),
    /// Code runs.
    Run(Arc<Code>),
    /// A function runs.
    Call(String),
}

/// A function or procedure that is not built in; overloads are one, since the text of a call does not tell them apart.
#[derive(Clone, Debug, Default)]
pub struct Routine {
    /// What its body does.
    pub code: Code,
    /// Whether it is declared to give one answer as long as no table changes.
    pub stable: bool,
}

/// All that a statement depends on and changes.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent findings, not states")]
pub struct Closure {
    /// What the answer depends on, each once: the relation named first comes first.
    pub reads: Vec<Member>,
    /// What is changed.
    pub writes: Vec<Member>,
    /// Why the answer is not kept.
    pub bypass: Option<(Bypass, String)>,
    /// Why anything may be changed, and whether the database would tell what was.
    pub everything: Option<(String, bool)>,
    /// Whether row-level security decides what the answer is.
    pub secured: bool,
    /// Whether everything read is the database's own catalog.
    pub only_schema: bool,
    /// Whether a rollback leaves some of it changed.
    pub stays: bool,
    /// Whether it may end the transaction it runs in.
    pub ends_transaction: bool,
}

/// A member of a closed set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its tag.
    pub tag: Tag,
    /// What brought it in, unless the statement names it.
    pub because: Option<Arc<str>>,
}

impl Catalog {
    /// Closes what a statement names and does. Takes microseconds, more with many triggers: callers memoise it.
    pub fn close(&self, code: &Code) -> Closure {
        let mut closing = Closing {
            catalog: self,
            closure: Closure { only_schema: true, ..Closure::default() },
            steps: VecDeque::new(),
            read: HashSet::new(),
            written: HashMap::new(),
            called: HashSet::new(),
        };
        closing.run(code, None);
        if self.opaque_operators && !code.writes.is_empty() {
            // What a trigger compares may call it, too.
            closing.hide("an operator, a cast or a domain may run anything".to_owned(), closing.is_postgres());
        }
        while let Some((step, because)) = closing.steps.pop_front() {
            match step {
                Step::Read(key) => closing.read(&key, because),
                Step::Write(key, ops) => closing.write(&key, ops, true, because),
                Step::Quietly(key, ops) => closing.write(&key, ops, false, because),
                Step::Call(name) => closing.call(&name),
            }
        }
        closing.closure
    }
}

impl Catalog {
    /// The tags of relations that are known to have been changed, and of those that they are parts of; `None` if that may be anything.
    pub fn changed(&self, keys: &[Key]) -> Option<Vec<Tag>> {
        let mut tags = Vec::new();
        let mut keys: Vec<&Key> = keys.iter().collect();
        let mut seen = HashSet::new();
        while let Some(key) = keys.pop() {
            if seen.insert(key) {
                let relation = self.relations.get(key).filter(|relation| relation.writes == Reach::Itself)?;
                tags.push(relation.tag.clone());
                keys.extend(self.wholes.get(key).into_iter().flatten());
            }
        }
        Some(tags)
    }

    /// The tags of all that a change of a relation, whichever it is, brings about; `None` if that may be anything.
    pub fn reached(&self, key: &Key) -> Option<Vec<Tag>> {
        let closure = self.close(&Code { writes: vec![(key.clone(), Ops::ANY)], ..Code::default() });
        closure.everything.is_none().then(|| closure.writes.into_iter().map(|member| member.tag).collect())
    }
}

/// What brought a step about.
type Because = Option<Arc<str>>;

enum Step {
    Read(Key),
    Write(Key, Ops),
    Quietly(Key, Ops),
    Call(String),
}

struct Closing<'a> {
    catalog: &'a Catalog,
    closure: Closure,
    steps: VecDeque<(Step, Because)>,
    read: HashSet<Key>,
    /// By whether triggers fire.
    written: HashMap<(Key, bool), Ops>,
    called: HashSet<String>,
}

impl Closing<'_> {
    #[expect(clippy::needless_pass_by_value, reason = "made for the call")]
    fn run(&mut self, code: &Code, because: Because) {
        let said = |what: &str| match &because {
            Some(because) => format!("{because}: {what}"),
            None => what.to_owned(),
        };
        if let Some((bypass, what)) = &code.bypass {
            self.refuse(*bypass, || said(what));
        }
        if let Some(opaque) = &code.opaque {
            self.hide(said(&opaque.what), opaque.askable);
        }
        self.closure.ends_transaction |= code.ends_transaction;
        for key in &code.reads {
            self.steps.push_back((Step::Read(key.clone()), because.clone()));
        }
        for (key, ops) in &code.writes {
            self.steps.push_back((Step::Write(key.clone(), *ops), because.clone()));
        }
        for name in &code.calls {
            self.steps.push_back((Step::Call(name.clone()), because.clone()));
        }
    }

    fn refuse(&mut self, bypass: Bypass, what: impl FnOnce() -> String) {
        if self.closure.bypass.is_none() {
            self.closure.bypass = Some((bypass, what()));
        }
    }

    fn hide(&mut self, what: String, askable: bool) {
        match &mut self.closure.everything {
            Some((_, all_askable)) => *all_askable &= askable,
            None => self.closure.everything = Some((what, askable)),
        }
    }

    fn read(&mut self, key: &Key, because: Because) {
        if !self.read.insert(key.clone()) {
            return;
        }
        let Some(relation) = self.catalog.relations.get(key) else { return };
        let name = &key.1;
        match &relation.reads {
            Reads::Schema => {}
            _ => self.closure.only_schema = false,
        }
        match &relation.reads {
            Reads::Plain | Reads::Schema => {}
            Reads::View(code) => self.run(code, Some(format!("view {name}").into())),
            Reads::Secured(code) => {
                self.closure.secured = true;
                self.run(code, Some(format!("policy of {name}").into()));
            }
            Reads::Opaque => self.refuse(Bypass::NotATable, || format!("reads {name}")),
            Reads::Hazard => {
                self.refuse(Bypass::NotATable, || format!("reads {name}"));
                self.hide(format!("reads {name}, which may run anything"), self.is_postgres());
            }
        }
        add(&mut self.closure.reads, relation.tag.clone(), because);
    }

    fn write(&mut self, key: &Key, ops: Ops, fires: bool, because: Because) {
        let known = self.written.entry((key.clone(), fires)).or_default();
        let ops = ops & !*known;
        if ops.is_empty() {
            return;
        }
        *known |= ops;
        let Some(relation) = self.catalog.relations.get(key) else {
            self.hide(format!("writes {}, which the catalog does not know", key.1), false);
            return;
        };
        if relation.writes == Reach::Unknown {
            self.hide(format!("writes {}, which is no ordinary table", key.1), false);
        }
        match &relation.reads {
            // What the query calls, a write through it calls as well.
            Reads::View(code) => self.run(code, Some(format!("view {}", key.1).into())),
            reads => {
                match reads {
                    Reads::Secured(code) => self.run(code, Some(format!("policy of {}", key.1).into())),
                    Reads::Hazard => self.hide(format!("writes {}, which may run anything", key.1), self.is_postgres()),
                    _ => {}
                }
                self.change(relation, because);
                self.above(key);
            }
        }
        for effect in self.catalog.effects.get(key).into_iter().flatten().filter(|effect| effect.on.meets(ops)) {
            let because = Some(Arc::clone(&effect.because));
            match &effect.does {
                Does::Same(other) => self.steps.push_back((Step::Write(other.clone(), ops), because)),
                Does::Parts(other) => {
                    let moved = if ops.meets(Ops::UPDATE) { Ops::INSERT | Ops::DELETE } else { Ops::NONE };
                    self.steps.push_back((Step::Write(other.clone(), ops | moved), because));
                }
                Does::Write(other, ops) => self.steps.push_back((Step::Write(other.clone(), *ops), because)),
                Does::Quietly(other, ops) => self.steps.push_back((Step::Quietly(other.clone(), *ops), because)),
                Does::Run(_) | Does::Call(_) if !fires => {}
                Does::Run(code) => self.run(code, because),
                Does::Call(name) => self.steps.push_back((Step::Call(name.clone()), because)),
            }
        }
    }

    fn change(&mut self, relation: &Relation, because: Because) {
        self.closure.stays |= !relation.rolls_back;
        add(&mut self.closure.writes, relation.tag.clone(), because);
    }

    /// What is changed in a part is changed in the whole, though nothing of the whole's fires.
    fn above(&mut self, key: &Key) {
        let mut parts = vec![key];
        let mut seen = HashSet::new();
        while let Some(part) = parts.pop() {
            for whole in self.catalog.wholes.get(part).into_iter().flatten().filter(|whole| seen.insert(*whole)) {
                if let Some(relation) = self.catalog.relations.get(whole) {
                    self.change(relation, Some(format!("{} is a part of it", part.1).into()));
                }
                parts.push(whole);
            }
        }
    }

    fn call(&mut self, name: &str) {
        if !self.called.insert(name.to_owned()) {
            return;
        }
        match self.catalog.routines.get(name) {
            Some(routine) => {
                if !routine.stable {
                    self.refuse(Bypass::Function, || format!("calls {name}(), which is not declared to be stable"));
                }
                self.run(&routine.code, Some(format!("function {name}").into()));
            }
            None => {
                self.refuse(Bypass::Function, || format!("calls {name}()"));
                self.hide(format!("calls {name}()"), self.is_postgres());
            }
        }
    }

    /// Only there a function's writes show in what the database says of the transaction.
    fn is_postgres(&self) -> bool {
        self.catalog.dialect == Dialect::Postgres
    }
}

fn add(members: &mut Vec<Member>, tag: Tag, because: Because) {
    if members.iter().all(|member| member.tag != tag) {
        members.push(Member { tag, because });
    }
}
