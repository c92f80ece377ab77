//! What only the database knows about the names in a statement.
//!
//! This first catalog fails closed: it knows which relations are plain base tables. Everything else - a view, a partition, a name it has not heard of -
//! is not cached, and a write that may reach further than the table it names forgets everything.

use crate::analysis::Dialect;
use crate::tag::Tag;
use std::collections::{HashMap, HashSet};

/// The relations and functions of one database, as one session sees them.
#[derive(Debug, Clone)]
pub struct Catalog {
    dialect: Dialect,
    /// The schemas in which an unqualified name is looked up, in order.
    search_path: Vec<String>,
    /// Whether names are compared without regard to ASCII case, whatever their quoting (SQLite; MySQL where `lower_case_table_names` is not 0).
    folds_case: bool,
    relations: HashMap<(String, String), Relation>,
    functions: HashSet<String>,
    enums: HashSet<String>,
    time_of_day: bool,
    by_oid: HashMap<u32, (String, String)>,
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
}

/// Whether a read of a relation can be cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// A base table whose rows depend on nothing else.
    Plain,
    /// The database's own catalog, of which the schema is the only part that matters.
    Schema,
    /// Anything else that a read cannot change: not cached.
    Opaque,
    /// Reading it may write (a PostgreSQL view that calls a function of a user): not cached, and a read of it forgets everything.
    Hazard,
}

/// How far a write to a relation may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The relation and nothing else.
    Itself,
    /// Other tables: triggers, cascading actions, rules, partitions or children.
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
            functions: HashSet::new(),
            enums: HashSet::new(),
            time_of_day: true,
            by_oid: HashMap::new(),
        }
    }

    /// Adds a relation, named as the database spells it.
    pub fn add(&mut self, schema: &str, name: &str, oid: Option<u32>, relation: Relation) {
        let key = (self.fold(schema), self.fold(name));
        if let Some(oid) = oid {
            self.by_oid.insert(oid, key.clone());
        }
        self.relations.insert(key, relation);
    }

    /// A temporary table of this name (in lower case) stands on some connection: relations of the name are not cached.
    pub fn shadow(&mut self, name: &str) {
        for ((_, relation_name), relation) in &mut self.relations {
            if relation_name.to_lowercase() == name {
                relation.reads = Reads::Opaque;
            }
        }
    }

    /// Adds a function that is not built in. Its name is compared without regard to case.
    pub fn add_function(&mut self, name: &str) {
        self.functions.insert(name.to_lowercase());
    }

    /// Whether a function of this name was defined by a user, and so may do anything.
    pub fn is_user_function(&self, name: &str) -> bool {
        self.functions.contains(&name.to_lowercase())
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
        let relation = self.spelling(&name.relation);
        match &name.schema {
            Some(schema) => self.relations.get(&(self.spelling(schema), relation)),
            None => self.search_path.iter().find_map(|schema| self.relations.get(&(self.fold(schema), relation.clone()))),
        }
    }

    /// The relation of this PostgreSQL object identifier.
    pub fn by_oid(&self, oid: u32) -> Option<&Relation> {
        self.relations.get(self.by_oid.get(&oid)?)
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
            Dialect::Postgres if !ident.quoted => ident.text.to_ascii_lowercase(),
            _ => self.fold(&ident.text),
        }
    }
}
