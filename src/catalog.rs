//! What only the database knows about the names in a statement: which relations there are, what a read of each depends on, what a write to each brings about.
//!
//! It fails closed: a name that it has not heard of is not cached, and a write whose effects it does not know forgets everything.

mod closure;
mod code;
mod denied;
mod keys;
#[cfg(feature = "mysql")]
pub mod mysql;
mod offline;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use closure::{Closure, Does, Effect, Member, Routine};
pub use code::{Code, Key, Ops};
pub use denied::{Columns, Denied, Part};

use crate::analysis::{Bypass, Dialect};
use crate::tag::Tag;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

/// So many bytes of a name count in PostgreSQL: it cuts off the rest.
pub const LONGEST_NAME: usize = 63;

/// The relations and functions of one database, as one session sees them.
#[derive(Debug, Clone)]
pub struct Catalog {
    dialect: Dialect,
    /// The schemas in which an unqualified name is looked up, in order.
    search_path: Vec<String>,
    /// Whether names are compared without regard to ASCII case, whatever their quoting (SQLite; MySQL where `lower_case_table_names` is not 0).
    folds_case: bool,
    relations: HashMap<Key, Relation>,
    /// What a change of a relation brings about.
    effects: HashMap<Key, Vec<Effect>>,
    /// The tables that a partition or child is a part of.
    wholes: HashMap<Key, Vec<Key>>,
    routines: HashMap<String, Routine>,
    /// Built-in functions that are declared to write nothing (PostgreSQL).
    quiet: HashSet<String>,
    enums: HashSet<String>,
    time_of_day: bool,
    by_oid: HashMap<u32, Key>,
    opaque_operators: bool,
    /// What was stored as the rows of a table that is a copy: a materialized view's query.
    copies: HashMap<Key, Arc<Code>>,
    /// The columns of tables of which some are denied.
    columns: HashMap<Key, Columns>,
    denied: Denied,
    /// Where no database was asked: the names that were looked for in vain.
    missed: Option<Arc<Mutex<Vec<Name>>>>,
}

/// One name in the database's relation namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its tag: the name as the catalog spells it, with its schema unless that is the database's default.
    pub tag: Tag,
    /// Whether a read of it can be cached.
    pub reads: Reads,
    /// How far a write to it may reach.
    pub writes: Reach,
    /// Whether a rollback undoes what was written to it: not so for MyISAM, Aria and their kin.
    pub rolls_back: bool,
    /// The columns that foreign keys refer to and follow, where it is certain that an update of others leaves these alone.
    pub keys: Option<Vec<String>>,
}

impl Relation {
    /// A relation whose writes roll back.
    pub fn new(tag: Tag, reads: Reads, writes: Reach) -> Self {
        Self { tag, reads, writes, rolls_back: true, keys: None }
    }
}

/// Whether a read of a relation can be cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// A base table whose rows depend on nothing else.
    Plain,
    /// A view: it depends on what its query reads.
    View(Arc<Code>),
    /// A base table whose policies decide what each role sees: cached only for those who name a scope.
    Secured(Arc<Code>),
    /// The database's own catalog, of which the schema is the only part that matters.
    Schema,
    /// Anything else that a read cannot change: not cached.
    Opaque,
    /// Not cached, and reading it may write: a view, or a table's policy, that calls functions of which nothing better is known.
    Hazard,
}

/// How far a write to a relation may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The relation, and what its effects say.
    Itself,
    /// Anything: a foreign or virtual table, the database's own catalog.
    Unknown,
}

/// An identifier as a statement writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ident {
    /// The text without its quotes, escapes resolved.
    pub text: String,
    /// Whether it was quoted.
    pub quoted: bool,
}

/// A relation as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// The schema (in MySQL: the database), where it is given.
    pub schema: Option<Ident>,
    /// The relation.
    pub relation: Ident,
}

impl Catalog {
    /// An empty catalog: every name is unknown.
    pub fn new(dialect: Dialect, search_path: Vec<String>, folds_case: bool) -> Self {
        Self {
            dialect,
            search_path,
            folds_case,
            relations: HashMap::new(),
            effects: HashMap::new(),
            wholes: HashMap::new(),
            routines: HashMap::new(),
            quiet: HashSet::new(),
            enums: HashSet::new(),
            time_of_day: true,
            by_oid: HashMap::new(),
            opaque_operators: false,
            copies: HashMap::new(),
            columns: HashMap::new(),
            denied: Denied::default(),
            missed: None,
        }
    }

    /// Adds a relation, named as the database spells it.
    pub fn add(&mut self, schema: &str, name: &str, oid: Option<u32>, relation: Relation) {
        let key = self.key(schema, name);
        if let Some(oid) = oid {
            self.by_oid.insert(oid, key.clone());
        }
        self.relations.insert(key, relation);
    }

    /// A temporary table of this name (in lower case) stands on some connection: relations of the name are not cached.
    pub fn shadow(&mut self, name: &str) {
        let name = if self.dialect == Dialect::Postgres { cut_off(name) } else { name };
        for ((_, relation_name), relation) in &mut self.relations {
            // Other connections still reach the one that it hides, and what it runs they run.
            if relation_name.to_lowercase() == name {
                match &mut relation.reads {
                    Reads::Hazard => {}
                    Reads::View(code) | Reads::Secured(code) => {
                        Arc::make_mut(code).refuse(Bypass::NotATable, "a temporary table may hide it");
                    }
                    reads => *reads = Reads::Opaque,
                }
            }
            // The connection that has it lists it in `information_schema`.
            if self.dialect == Dialect::Postgres && relation.reads == Reads::Schema {
                relation.reads = Reads::Opaque;
            }
        }
    }

    /// Adds a function that is not built in. Its name is compared without regard to case; of several by one name the sum counts.
    pub fn add_routine(&mut self, name: &str, routine: Routine) {
        match self.routines.entry(name.to_lowercase()) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.code.add(routine.code);
                known.stable &= routine.stable;
            }
            Entry::Vacant(slot) => _ = slot.insert(routine),
        }
    }

    /// Adds a function that is not built in and of which nothing is known.
    pub fn add_function(&mut self, name: &str) {
        let askable = self.dialect == Dialect::Postgres;
        self.add_routine(name, Routine { code: Code::opaque(format!("{name}() can't be seen into"), askable), stable: false });
    }

    /// Adds a built-in function that is declared to write nothing, whatever else it depends on.
    pub fn add_quiet(&mut self, name: String) {
        self.quiet.insert(name);
    }

    /// Whether a built-in function of this lower-case name is declared to write nothing.
    pub fn is_quiet(&self, name: &str) -> bool {
        self.quiet.contains(name)
    }

    /// Adds what a change of a relation brings about.
    pub fn add_effect(&mut self, key: &Key, effect: Effect) {
        self.effects.entry(key.clone()).or_default().push(effect);
    }

    /// Adds that one table's rows are among another's.
    pub fn add_part(&mut self, part: &Key, whole: &Key) {
        self.wholes.entry(part.clone()).or_default().push(whole.clone());
    }

    /// Adds that a table's rows are what this query gave.
    pub fn add_copy(&mut self, key: Key, query: Arc<Code>) {
        self.copies.insert(key, query);
    }

    /// Changes a relation that was added.
    pub fn relation_mut(&mut self, key: &Key) -> Option<&mut Relation> {
        self.relations.get_mut(key)
    }

    /// Forgets what follows from what, so that tests can show what becomes of answers then.
    pub fn open(&mut self) {
        self.effects.clear();
        self.wholes.clear();
        for relation in self.relations.values_mut() {
            if let Reads::View(_) = relation.reads {
                relation.reads = Reads::Plain;
            }
        }
        for routine in self.routines.values_mut() {
            *routine = Routine { code: Code::default(), stable: routine.stable };
        }
        self.opaque_operators = false;
    }

    /// Notes that operators, casts or domains are defined by functions of which nothing is known.
    pub fn set_opaque_operators(&mut self) {
        self.opaque_operators = true;
    }

    /// Whether an operator, a cast or a domain may call a function that is not built in and may do anything, though the statement names none.
    pub fn has_opaque_operators(&self) -> bool {
        self.opaque_operators
    }

    /// Whether a function of this name was defined by a user, and so may do anything.
    pub fn is_user_function(&self, name: &str) -> bool {
        self.routines.contains_key(&name.to_lowercase())
    }

    /// Adds an enumerated type (PostgreSQL): a cast to it depends on nothing but the value and the schema. Its name is compared without regard to case.
    pub fn add_enum(&mut self, name: &str) {
        self.enums.insert(name.to_lowercase());
    }

    /// Whether a type of this name is an enumeration.
    pub fn is_enum(&self, name: &str) -> bool {
        self.enums.contains(&name.to_lowercase())
    }

    /// Says that no column of any table is of type TIME (MySQL). There a time of day becomes a date by adding *today's*, so as long as this is not said
    /// `DATE(x)` and its like are not cached.
    pub fn without_time_of_day(&mut self) {
        self.time_of_day = false;
    }

    /// Whether some column may hold a time of day.
    pub fn has_time_of_day(&self) -> bool {
        self.time_of_day
    }

    /// The relation that a name means to this session.
    pub fn resolve(&self, name: &Name) -> Option<&Relation> {
        self.find(name).map(|(_, relation)| relation)
    }

    /// The same, with its key. Where no database was asked, it is noted that a relation of this name is meant.
    pub fn find(&self, name: &Name) -> Option<(&Key, &Relation)> {
        let found = self.look_up(name);
        if found.is_none() {
            self.miss(name);
        }
        found
    }

    /// The same of a name that may mean something else.
    pub fn look_up(&self, name: &Name) -> Option<(&Key, &Relation)> {
        let relation = self.spelling(&name.relation);
        match &name.schema {
            Some(schema) => self.relations.get_key_value(&(self.spelling(schema), relation)),
            None => self.search_path.iter().find_map(|schema| self.relations.get_key_value(&(self.fold(schema), relation.clone()))),
        }
    }

    /// The same catalog, as seen under another search path.
    pub fn with_search_path(&self, search_path: Vec<String>) -> Self {
        Self { search_path, ..self.clone() }
    }

    /// The key of a relation that was added by this name.
    pub fn key(&self, schema: &str, name: &str) -> Key {
        (self.fold(schema), self.fold(name))
    }

    /// The keys of a schema's relations.
    pub fn keys_of(&self, schema: &str) -> Vec<Key> {
        let schema = self.fold(schema);
        self.relations.keys().filter(|key| key.0 == schema).cloned().collect()
    }

    /// The keys of those that unqualified names may mean.
    pub fn home_keys(&self) -> impl Iterator<Item = &Key> {
        self.relations.keys().filter(|(schema, _)| self.search_path.iter().any(|home| self.fold(home) == *schema))
    }

    /// The relation of this PostgreSQL object identifier.
    pub fn by_oid(&self, oid: u32) -> Option<&Relation> {
        self.relations.get(self.by_oid.get(&oid)?)
    }

    /// The key of the same.
    pub fn key_of_oid(&self, oid: u32) -> Option<&Key> {
        self.by_oid.get(&oid)
    }

    /// Whether this is the schema that unqualified names of functions mean (MySQL).
    pub fn is_home(&self, schema: &str) -> bool {
        self.search_path.first().is_some_and(|home| self.fold(home) == self.fold(schema))
    }

    /// The relation that the database itself calls so.
    pub fn exactly(&self, schema: &str, name: &str) -> Option<&Relation> {
        self.relations.get(&self.key(schema, name))
    }

    /// The relation that a driver calls `schema.name`, without quotes: a dot may also be part of either, so every reading of it is tried. `None`
    /// where more than one fits or none.
    pub fn dotted(&self, text: &str) -> Option<&Relation> {
        let mut readings = text.match_indices('.').filter_map(|(at, _)| self.exactly(&text[..at], &text[at + 1..]));
        readings.next().filter(|_| readings.next().is_none())
    }

    /// The schemas in which an unqualified name is looked up, in order.
    pub fn search_path(&self) -> &[String] {
        &self.search_path
    }

    /// How many relations it knows.
    pub fn len(&self) -> usize {
        self.relations.len()
    }

    fn fold(&self, name: &str) -> String {
        if self.folds_case { name.to_ascii_lowercase() } else { name.to_owned() }
    }

    /// The name as the database's own catalog would spell it.
    fn spelling(&self, ident: &Ident) -> String {
        match self.dialect {
            // The server folds nothing but ASCII in UTF-8.
            Dialect::Postgres if !ident.quoted => cut_off(&ident.text).to_ascii_lowercase(),
            Dialect::Postgres => cut_off(&ident.text).to_owned(),
            _ => self.fold(&ident.text),
        }
    }
}

/// As much of a name as PostgreSQL looks at.
fn cut_off(name: &str) -> &str {
    let mut end = name.len().min(LONGEST_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}
