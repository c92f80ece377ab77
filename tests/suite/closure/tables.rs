//! Random tables, partitioned or not, their foreign keys and first rows.

use super::world::{Flavour, MIDDLE, ROWS, Split, Table, World};
use crate::databases::Random;

/// A foreign key of the column `a` or `b`.
struct ForeignKey {
    from: usize,
    column: usize,
    to: usize,
    actions: String,
    default: bool,
}

const COLUMNS: [&str; 2] = ["a", "b"];

impl World {
    /// The statements that create the tables of this schema.
    pub fn create_tables(&mut self, random: &mut Random) -> Vec<String> {
        let count = 6 + random.below(4);
        for index in 0..count {
            let (split, engine) = match self.flavour {
                Flavour::Postgres if random.one_in(if self.light { 6 } else { 3 }) => {
                    (Some(*random.pick(&[Split::Range, Split::Hash, Split::List])), "")
                }
                Flavour::MariaDb if random.one_in(8) => (None, " PARTITION BY HASH (id) PARTITIONS 3"),
                Flavour::MariaDb if random.one_in(4) => (None, *random.pick(&[" ENGINE = Aria", " ENGINE = MyISAM"])),
                _ => (None, ""),
            };
            let keyed = split != Some(Split::List);
            let name = format!("t{index}");
            self.tables.push(Table { name, keyed, parent: None, split, inherited: false, engine, refers: [None; 2], columns: 5 });
        }
        let keys = self.foreign_keys(random);
        let mut statements = Vec::new();
        for index in 0..count {
            statements.push(self.create_table(index, &keys));
            self.create_parts(index, random, &mut statements);
        }
        if self.is(Flavour::Sqlite) {
            // Rows first, the rows that they refer to later.
            statements.extend(["BEGIN".to_owned(), "PRAGMA defer_foreign_keys = ON".to_owned()]);
        }
        for index in 0..self.tables.len() {
            statements.extend(self.first_rows(index, random));
        }
        match self.flavour {
            Flavour::Sqlite => statements.push("COMMIT".to_owned()),
            _ => statements.extend(keys.iter().map(|key| format!("ALTER TABLE {} ADD {}", self.name(key.from), self.key(key)))),
        }
        statements
    }

    fn foreign_keys(&mut self, random: &mut Random) -> Vec<ForeignKey> {
        let mut keys = Vec::new();
        for from in 0..self.tables.len() {
            for column in 0..COLUMNS.len() {
                let to = if random.one_in(6) { from } else { random.below(self.tables.len()) };
                // Engines and partitions without foreign keys have MariaDB's words for it in their definition.
                let able = [from, to].iter().all(|table| self.tables[*table].engine.is_empty()) && self.tables[to].keyed;
                if !able || random.one_in(3) || (self.light && !random.one_in(4)) {
                    continue;
                }
                let mut actions = String::new();
                let mut default = false;
                for operation in ["DELETE", "UPDATE"] {
                    let action = match random.below(8) {
                        0..=2 => "CASCADE",
                        3 | 4 => "SET NULL",
                        5 if !self.is(Flavour::MariaDb) => "SET DEFAULT",
                        5 | 6 => "NO ACTION",
                        _ => "RESTRICT",
                    };
                    default |= action == "SET DEFAULT";
                    if action != "NO ACTION" || random.one_in(2) {
                        actions = format!("{actions} ON {operation} {action}");
                    }
                }
                if !self.is(Flavour::MariaDb) && random.one_in(4) {
                    actions.push_str(" DEFERRABLE INITIALLY DEFERRED");
                }
                self.tables[from].refers[column] = Some(to);
                keys.push(ForeignKey { from, column, to, actions, default });
            }
        }
        keys
    }

    fn key(&self, key: &ForeignKey) -> String {
        format!("FOREIGN KEY ({}) REFERENCES {} (id){}", COLUMNS[key.column], self.name(key.to), key.actions)
    }

    fn create_table(&self, index: usize, keys: &[ForeignKey]) -> String {
        let table = &self.tables[index];
        let own = || keys.iter().filter(|key| key.from == index);
        let id = match self.flavour {
            Flavour::Sqlite => "INTEGER",
            _ => "BIGINT",
        };
        let mut lines = vec![format!("id {id} {}", if table.keyed { "PRIMARY KEY" } else { "NOT NULL" })];
        for (at, column) in COLUMNS.iter().enumerate() {
            let default = own().any(|key| key.column == at && key.default);
            lines.push(format!("{column} {id}{}", if default { " DEFAULT 1" } else { "" }));
        }
        lines.push(format!("n {id}"));
        lines.push(if self.is(Flavour::MariaDb) { "c VARCHAR(40)" } else { "c TEXT" }.to_owned());
        if self.is(Flavour::Sqlite) {
            lines.extend(own().map(|key| self.key(key)));
        }
        let spread = match table.split {
            Some(split) => format!(" PARTITION BY {}", by(split)),
            None => table.engine.to_owned(),
        };
        format!("CREATE TABLE {} ({}){spread}", table.name, lines.join(", "))
    }

    fn create_parts(&mut self, index: usize, random: &mut Random, statements: &mut Vec<String>) {
        let Some(split) = self.tables[index].split else {
            if self.is(Flavour::Postgres) && random.one_in(4) {
                let name = format!("{}_child", self.name(index));
                statements.push(format!("CREATE TABLE {name} (e BIGINT) INHERITS ({})", self.name(index)));
                self.tables[index].inherited = true;
                self.part(index, name, None, 6);
            }
            return;
        };
        let bounds: &[String] = &match split {
            Split::Range => vec![format!("FROM (MINVALUE) TO ({MIDDLE})"), format!("FROM ({MIDDLE}) TO (MAXVALUE)")],
            Split::Hash => (0..2).map(|remainder| format!("WITH (MODULUS 2, REMAINDER {remainder})")).collect(),
            Split::List => vec!["IN (0, 1, 2, 3, NULL)".to_owned(), "IN (4, 5, 6)".to_owned(), "DEFAULT".to_owned()],
        };
        for (number, bound) in bounds.iter().enumerate() {
            let name = format!("{}_p{number}", self.name(index));
            let values = if bound == "DEFAULT" { "DEFAULT".to_owned() } else { format!("FOR VALUES {bound}") };
            let create = format!("CREATE TABLE {name} PARTITION OF {} {values}", self.name(index));
            // A level below, by a hash, which takes any row.
            if number == 0 && random.one_in(3) {
                statements.push(format!("{create} PARTITION BY {}", by(Split::Hash)));
                let middle = self.part(index, name.clone(), Some(Split::Hash), 5);
                for remainder in 0..2 {
                    let below = format!("{name}_s{remainder}");
                    statements.push(format!("CREATE TABLE {below} PARTITION OF {name} FOR VALUES WITH (MODULUS 2, REMAINDER {remainder})"));
                    self.part(middle, below, None, 5);
                }
            } else {
                statements.push(create);
                self.part(index, name, None, 5);
            }
        }
    }

    /// Adds a part: after all whole tables, since these are there already.
    fn part(&mut self, parent: usize, name: String, split: Option<Split>, columns: usize) -> usize {
        let keyed = self.tables[parent].keyed && columns == 5;
        let refers = if columns == 5 { self.tables[parent].refers } else { [None; 2] };
        self.tables.push(Table { name, keyed, parent: Some(parent), split, inherited: false, engine: "", refers, columns });
        self.tables.len() - 1
    }

    fn first_rows(&self, index: usize, random: &mut Random) -> Option<String> {
        let table = &self.tables[index];
        if table.parent.is_some() && table.columns == 5 {
            // Partitions get theirs through the table.
            return None;
        }
        let first = if table.parent.is_some() { 100 } else { 0 };
        let rows: Vec<_> = (1..=ROWS)
            .map(|id| {
                let mut refer = |to: Option<usize>| match to {
                    Some(_) if random.one_in(3) => "NULL".to_owned(),
                    _ => (random.below(usize::try_from(ROWS).expect("few")) + 1).to_string(),
                };
                let (a, b) = (refer(table.refers[0]), refer(table.refers[1]));
                format!("({}, {a}, {b}, {}, 'row {id}')", first + id, random.below(10))
            })
            .collect();
        Some(format!("INSERT INTO {} (id, a, b, n, c) VALUES {}", table.name, rows.join(", ")))
    }
}

fn by(split: Split) -> &'static str {
    match split {
        Split::Range => "RANGE (id)",
        Split::Hash => "HASH (id)",
        Split::List => "LIST (n)",
    }
}
