//! What stands in the bodies of triggers, rules and routines, and the routines themselves.

use super::world::{Flavour, Routine, RoutineKind, View, World};
use crate::databases::Random;

impl World {
    /// A statement that writes a few rows of a table; `key` is an expression for an id. It adds rows to small tables only, so that no chain of triggers
    /// grows for ever.
    pub fn body(&self, table: usize, key: &str, random: &mut Random) -> String {
        let name = &self.spelled(self.name(table), random);
        match random.below(10) {
            0..=2 => format!("UPDATE {name} SET n = COALESCE(n, 0) + 1 WHERE id = {key}"),
            3 => format!("UPDATE {name} SET c = 'touched' WHERE id <= 2"),
            4 => format!("UPDATE {name} SET n = {} WHERE id = {key} + 1", random.below(10)),
            5 | 6 => {
                let name = &self.spelled(self.name(self.tables[table].parent.unwrap_or(table)), random);
                format!("INSERT INTO {name} (id, n, c) SELECT COALESCE(MAX(id), 0) + 1, 1, 'added' FROM {name} HAVING COUNT(*) < 25")
            }
            7 => format!("DELETE FROM {name} WHERE id = {key} + 7 AND n > 5"),
            8 if self.is(Flavour::Postgres) => {
                let views: Vec<_> = self.views.iter().filter(|view| view.writable && view.of.is_some()).collect();
                if views.is_empty() {
                    format!("UPDATE ONLY {name} SET n = 3 WHERE id = {key}")
                } else {
                    format!("UPDATE {} SET n = 4 WHERE id = {key}", random.pick(&views).name)
                }
            }
            _ => format!("UPDATE {name} SET a = NULL WHERE id = {key}"),
        }
    }

    /// A name, perhaps in another of the ways that a database lets it be written.
    fn spelled(&self, name: &str, random: &mut Random) -> String {
        if !random.one_in(4) {
            return name.to_owned();
        }
        match (self.flavour, random.below(3)) {
            (Flavour::Postgres, 0) => format!("public.{name}"),
            (Flavour::Postgres, 1) => format!("/* not t0; */ \"{name}\""),
            (Flavour::MariaDb, 0 | 1) => format!("`{name}`"),
            (Flavour::MariaDb, _) => format!("/* UPDATE t0; */ {name}"),
            (Flavour::Sqlite, 0) => format!("\"{name}\""),
            (Flavour::Sqlite, 1) => format!("[{name}]"),
            _ => name.to_uppercase(),
        }
    }

    /// The same where a language has more than statements: within a loop or a condition, or beside what looks like a statement and is none.
    pub fn block(&self, table: usize, key: &str, random: &mut Random) -> String {
        let body = self.body(table, key, random);
        match (self.flavour, random.below(9)) {
            (Flavour::Postgres, 0) => format!("FOR i IN 1..2 LOOP {body}; END LOOP"),
            (Flavour::Postgres, 1) => format!("IF {key} > 2 THEN {body}; ELSE NULL; END IF"),
            (Flavour::Postgres | Flavour::MariaDb, 2) => format!("-- UPDATE t0 SET n = 1;\n {body}"),
            (Flavour::Postgres, 3) => format!("PERFORM length('; DELETE FROM t0;'); {body}"),
            (Flavour::MariaDb, 0 | 1) => format!("IF {key} > 2 THEN {body}; END IF"),
            (Flavour::Sqlite, 0) => format!("SELECT '; DELETE FROM t0;'; {body}"),
            _ => body,
        }
    }

    /// A table for a body to write to: above `above` where the database could not bear anything else.
    pub fn target(&self, above: Option<usize>, random: &mut Random) -> Option<usize> {
        match (self.flavour, above) {
            (Flavour::MariaDb, Some(table)) if table + 1 >= self.tables.len() => None,
            (Flavour::MariaDb, Some(table)) => Some(table + 1 + random.below(self.tables.len() - table - 1)),
            _ => Some(self.any_table(random)),
        }
    }

    pub fn create_routines(&mut self, random: &mut Random) -> Vec<String> {
        if self.is(Flavour::Sqlite) {
            return Vec::new();
        }
        let mut statements = Vec::new();
        for number in 0..2 + random.below(3) {
            let kind = *random.pick(&[RoutineKind::Function, RoutineKind::Procedure, RoutineKind::Reader]);
            let letter = match kind {
                RoutineKind::Function => "f",
                RoutineKind::Procedure => "p",
                RoutineKind::Reader => "g",
            };
            self.routines.push(Routine { name: format!("{letter}{number}"), kind, lowest: 0 });
            let place = self.routines.len() - 1;
            statements.push(self.define(place, random));
            if kind == RoutineKind::Procedure {
                continue;
            }
            // A view that calls it; if it writes, so does whoever reads the view.
            if kind == RoutineKind::Reader || random.one_in(2) {
                let (name, table) = (format!("w{number}"), self.any_table(random));
                let query = format!("SELECT id, {letter}{number}(id) AS many FROM {}", self.name(table));
                statements.push(format!("CREATE VIEW {name} AS {query}"));
                self.views.push(View { name, columns: 2, writable: false, materialized: false, query, of: None });
            }
            if kind == RoutineKind::Function && self.is(Flavour::Postgres) && random.one_in(3) {
                let table = self.name(random.below(self.roots())).to_owned();
                statements.push(format!("ALTER TABLE {table} ALTER n SET DEFAULT {letter}{number}(4)"));
            }
        }
        statements
    }

    /// CREATE, or once it is there CREATE OR REPLACE, with a body of its own each time.
    pub fn define(&mut self, routine: usize, random: &mut Random) -> String {
        let Routine { name, kind, .. } = self.routines[routine].clone();
        let table = self.any_table(random);
        let other = self.any_table(random);
        let mut body = self.block(table, "x", random);
        let mut lowest = table;
        if random.one_in(3) {
            body = format!("{body}; {}", self.block(other, "x", random));
            lowest = lowest.min(other);
        }
        if self.is(Flavour::MariaDb) {
            self.routines[routine].lowest = lowest;
            return match kind {
                RoutineKind::Function => {
                    format!("CREATE OR REPLACE FUNCTION {name}(x BIGINT) RETURNS BIGINT MODIFIES SQL DATA BEGIN {body}; RETURN x; END")
                }
                // In MariaDB a trigger may not call a procedure that prepares a statement, nor may a function.
                RoutineKind::Procedure if self.dynamic && random.one_in(2) => {
                    self.routines[routine].lowest = usize::MAX;
                    let dynamic = self.body(table, "3", random).replace('\'', "''");
                    format!(
                        "CREATE OR REPLACE PROCEDURE {name}(x BIGINT) BEGIN PREPARE s FROM '{dynamic}'; EXECUTE s; DEALLOCATE PREPARE s; END"
                    )
                }
                RoutineKind::Procedure => format!("CREATE OR REPLACE PROCEDURE {name}(x BIGINT) BEGIN {body}; END"),
                RoutineKind::Reader => format!(
                    "CREATE OR REPLACE FUNCTION {name}(x BIGINT) RETURNS BIGINT READS SQL DATA RETURN (SELECT COUNT(*) FROM {} WHERE n < x)",
                    self.name(table)
                ),
            };
        }
        // Other routines by name, so that one must be followed through the other; only to those before it, so that no two call each other.
        if let Some(before) =
            self.routines[..routine].iter().find(|before| before.kind == RoutineKind::Function).filter(|_| random.one_in(4))
        {
            body = format!("{body}; PERFORM {}(x)", before.name);
        }
        let dynamic = (self.dynamic && random.one_in(3)).then(|| format!("EXECUTE {}", literal(&self.body(table, "4", random))));
        let plpgsql = format!("BEGIN IF pg_trigger_depth() < 3 THEN {}; END IF; ", dynamic.unwrap_or(body));
        match kind {
            RoutineKind::Function if random.one_in(3) => {
                let body = self.body(table, "x", random);
                format!("CREATE OR REPLACE FUNCTION {name}(x BIGINT) RETURNS BIGINT LANGUAGE sql AS $$ {body}; SELECT x $$")
            }
            RoutineKind::Function => {
                format!("CREATE OR REPLACE FUNCTION {name}(x BIGINT) RETURNS BIGINT LANGUAGE plpgsql AS $$ {plpgsql} RETURN x; END $$")
            }
            RoutineKind::Procedure => format!("CREATE OR REPLACE PROCEDURE {name}(x BIGINT) LANGUAGE plpgsql AS $$ {plpgsql} END $$"),
            RoutineKind::Reader => {
                let language = *random.pick(&["sql", "plpgsql"]);
                let query = format!("SELECT COUNT(*) FROM {} WHERE n < x", self.name(table));
                let body = if language == "sql" { query } else { format!("BEGIN RETURN ({query}); END") };
                format!("CREATE OR REPLACE FUNCTION {name}(x BIGINT) RETURNS BIGINT STABLE LANGUAGE {language} AS $$ {body} $$")
            }
        }
    }
}

/// A text as PostgreSQL writes it in quotes.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
