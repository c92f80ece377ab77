//! Random statements on tables, views and routines.

use super::world::{Flavour, RoutineKind, Split, World};
use crate::databases::Random;

/// How a text is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Prepared,
    /// Prepared, and its rows are asked for.
    Rows,
    /// As text: several statements, or one of those that can't be prepared.
    Raw,
}

/// One text.
#[derive(Clone, Debug)]
pub struct Statement {
    pub sql: String,
    pub way: Way,
    /// It keeps readers out until its transaction ends.
    pub blocks: bool,
    pub schema: bool,
}

impl Statement {
    pub fn new(sql: String) -> Self {
        Self { sql, way: Way::Prepared, blocks: false, schema: false }
    }

    fn returning(self, world: &World, random: &mut Random) -> Self {
        // MariaDB has it for INSERT, REPLACE and a DELETE from one table, PostgreSQL and SQLite for all.
        if world.is(Flavour::MariaDb) || !random.one_in(5) {
            return self;
        }
        Self { sql: format!("{} RETURNING *", self.sql), way: Way::Rows, ..self }
    }

    /// DDL, sent as text.
    pub fn schema(sql: String) -> Self {
        Self { way: Way::Raw, blocks: true, schema: true, ..Self::new(sql) }
    }

    pub fn raw(sql: String) -> Self {
        Self { way: Way::Raw, ..Self::new(sql) }
    }
}

impl World {
    /// Any statement that writes rows.
    pub fn statement(&self, random: &mut Random) -> Statement {
        let table = self.any_table(random);
        match random.below(20) {
            0..=3 => self.insert(table, random).returning(self, random),
            4 => self.insert_select(table, random),
            5 | 6 => self.upsert(table, random),
            7..=10 => self.update(table, random).returning(self, random),
            11 => self.update_of_two(table, random),
            12 | 13 => self.delete(table, random).returning(self, random),
            14 => self.delete_by_another(table, random),
            15 => self.with(table, random),
            16 => self.on_view(random).unwrap_or_else(|| self.update(table, random)),
            17 | 18 => self.call(random).unwrap_or_else(|| self.with(table, random)),
            _ => self.rarely(table, random),
        }
    }

    /// What suits the column `a` or `b` of a table.
    fn reference(&self, table: usize, column: usize, random: &mut Random) -> String {
        match self.tables[table].refers[column] {
            _ if random.one_in(3) => "NULL".to_owned(),
            Some(other) => self.id_of(other, random).to_string(),
            None => random.below(20).to_string(),
        }
    }

    fn row(&self, table: usize, id: i64, random: &mut Random) -> String {
        let (a, b) = (self.reference(table, 0, random), self.reference(table, 1, random));
        let n = match self.tables[table].parent.and_then(|parent| self.tables[parent].split) {
            // Into this partition itself.
            Some(Split::List) => match &self.name(table)[self.name(table).len() - 1..] {
                "0" => random.below(4),
                "1" => 4 + random.below(3),
                _ => 7 + random.below(3),
            },
            _ => random.below(10),
        };
        format!("({id}, {a}, {b}, {n}, 'new {}')", random.below(100))
    }

    fn rows(&self, table: usize, random: &mut Random) -> String {
        let mut ids = Vec::new();
        for _ in 0..=random.below(3) {
            let id = self.free_id(table, random);
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let rows: Vec<_> = ids.into_iter().map(|id| self.row(table, id, random)).collect();
        format!("INTO {} (id, a, b, n, c) VALUES {}", self.name(table), rows.join(", "))
    }

    fn insert(&self, table: usize, random: &mut Random) -> Statement {
        if random.one_in(8) {
            let id = self.free_id(table, random);
            return Statement::new(format!("INSERT INTO {} (id, c) VALUES ({id}, 'by default')", self.name(table)));
        }
        Statement::new(format!("INSERT {}", self.rows(table, random)))
    }

    fn insert_select(&self, table: usize, random: &mut Random) -> Statement {
        let past = self.ids[table].iter().max().unwrap_or(&0) + 1;
        let (from, some) = (self.any_relation(random), random.below(6));
        let table = self.name(table);
        Statement::new(format!(
            "INSERT INTO {table} (id, n, c) SELECT DISTINCT id + {past}, 2, 'copied' FROM {from} WHERE id IN ({some}, {})",
            some + 1
        ))
    }

    fn upsert(&self, table: usize, random: &mut Random) -> Statement {
        let id = self.id_of(table, random);
        let row = self.row(table, id, random);
        let into = format!("INTO {} (id, a, b, n, c) VALUES {row}", self.name(table));
        Statement::new(match (self.flavour, random.below(3)) {
            (Flavour::MariaDb, 0) => format!("INSERT {into} ON DUPLICATE KEY UPDATE n = VALUES(n), c = 'upserted'"),
            (Flavour::MariaDb, 1) => format!("INSERT IGNORE {into}"),
            (Flavour::Sqlite, 0) if random.one_in(2) => {
                let other = self.id_of(table, random);
                format!("UPDATE OR REPLACE {} SET id = {other}, n = 2 WHERE id = {id}", self.name(table))
            }
            (Flavour::Sqlite, 0) | (Flavour::MariaDb, _) => format!("REPLACE {into}"),
            (_, 1) => format!("INSERT {into} ON CONFLICT DO NOTHING"),
            _ if !self.tables[table].keyed => format!("INSERT {into}"),
            _ => format!("INSERT {into} ON CONFLICT (id) DO UPDATE SET n = excluded.n, c = 'upserted'"),
        })
    }

    fn update(&self, table: usize, random: &mut Random) -> Statement {
        let (one, two) = (self.id_of(table, random), self.id_of(table, random));
        let set = match random.below(8) {
            0 | 1 => "n = COALESCE(n, 0) + 1".to_owned(),
            2 => format!("n = {}", random.below(10)),
            3 => format!("c = 'set {}'", random.below(100)),
            4 => format!("a = {}", self.reference(table, 0, random)),
            5 => format!("b = {}, n = 3", self.reference(table, 1, random)),
            6 => {
                let id = self.free_id(table, random);
                return Statement::new(format!("UPDATE {} SET id = {id} WHERE id = {one}", self.name(table)));
            }
            _ => format!("n = (SELECT MAX(n) FROM {})", self.name(self.any_table(random))),
        };
        let only = if self.is(Flavour::Postgres) && random.one_in(8) { "ONLY " } else { "" };
        Statement::new(format!("UPDATE {only}{} SET {set} WHERE id IN ({one}, {two})", self.name(table)))
    }

    fn update_of_two(&self, table: usize, random: &mut Random) -> Statement {
        let other = self.any_relation(random);
        let (some, table) = (random.below(12), self.name(table));
        Statement::new(match (self.flavour, random.below(3)) {
            (Flavour::MariaDb, 0) => {
                format!("UPDATE {table} x JOIN {other} y ON y.id = x.id SET x.n = y.n, x.c = 'joined' WHERE y.id = {some}")
            }
            (Flavour::MariaDb, 1) => format!("UPDATE {table} x, {other} y SET x.n = 6, y.n = 7 WHERE y.id = x.id AND x.id = {some}"),
            (Flavour::MariaDb, _) => format!("UPDATE {table} SET n = 1 WHERE id > {some} ORDER BY id LIMIT 2"),
            (_, 0) => format!("UPDATE {table} SET n = y.n FROM {other} y WHERE y.id = {table}.id AND y.id < {some}"),
            (_, 1) => format!("UPDATE {table} AS x SET n = 8, c = 'joined' FROM {other} AS y WHERE y.id = x.a"),
            _ => format!("UPDATE {table} SET n = 9 WHERE id IN (SELECT id FROM {other} WHERE n = {})", some % 10),
        })
    }

    fn delete(&self, table: usize, random: &mut Random) -> Statement {
        let (one, two) = (self.id_of(table, random), self.id_of(table, random));
        let table = self.name(table);
        Statement::new(match random.below(3) {
            0 => format!("DELETE FROM {table} WHERE id = {one}"),
            1 => format!("DELETE FROM {table} WHERE id IN ({one}, {two})"),
            _ => format!("DELETE FROM {table} WHERE id > 30 AND n < 4"),
        })
    }

    fn delete_by_another(&self, table: usize, random: &mut Random) -> Statement {
        let other = self.name(self.any_table(random));
        let (some, table) = (random.below(12), self.name(table));
        Statement::new(match (self.flavour, random.below(3)) {
            (Flavour::Postgres, 0 | 1) => format!("DELETE FROM {table} USING {other} y WHERE y.id = {table}.id AND y.id = {some}"),
            (Flavour::MariaDb, 0) => format!("DELETE x, y FROM {table} x JOIN {other} y ON y.id = x.id WHERE x.id = {some}"),
            (Flavour::MariaDb, 1) => format!("DELETE FROM x USING {table} AS x JOIN {other} AS y ON y.id = x.id WHERE x.id = {some}"),
            _ => format!("DELETE FROM {table} WHERE id IN (SELECT y.a FROM {other} y WHERE y.id = {some})"),
        })
    }

    /// Common table expressions, MERGE, EXPLAIN ANALYZE.
    fn with(&self, table: usize, random: &mut Random) -> Statement {
        let other = self.any_table(random);
        let past = self.ids[other].iter().max().unwrap_or(&0) + 1;
        let (id, key) = (self.id_of(table, random), self.id_of(other, random));
        let (table, other) = (self.name(table), self.name(other));
        let from = self.any_relation(random);
        match (self.flavour, random.below(5)) {
            (Flavour::Postgres, 0) => Statement::new(format!(
                "WITH w AS (UPDATE {table} SET n = n + 1 WHERE id = {id} RETURNING id) INSERT INTO {other} (id, n) SELECT id + {past}, 1 FROM w"
            )),
            (Flavour::Postgres, 1) => Statement {
                way: Way::Rows,
                ..Statement::new(format!("WITH w AS (DELETE FROM {table} WHERE id = {id} RETURNING id) SELECT COUNT(*) FROM w, {from}"))
            },
            (Flavour::Postgres, 2) => Statement::new(format!(
                "MERGE INTO {table} x USING {from} y ON x.id = y.id AND y.id < 6 WHEN MATCHED AND y.n > 4 THEN UPDATE SET n = y.n WHEN MATCHED AND x.n > 8 THEN DELETE WHEN MATCHED THEN DO NOTHING"
            )),
            (Flavour::Postgres, 3) => Statement::new(format!(
                "MERGE INTO {other} x USING (SELECT {key} AS id) y ON x.id = y.id WHEN MATCHED THEN UPDATE SET n = 5, c = 'merged' WHEN NOT MATCHED THEN INSERT (id, n, c) VALUES (y.id, 5, 'merged')"
            )),
            (Flavour::Postgres, _) => Statement {
                way: Way::Rows,
                ..Statement::new(format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) UPDATE {table} SET n = 2 WHERE id = {id}"))
            },
            (Flavour::MariaDb, 0 | 1) => Statement::new(format!(
                "INSERT INTO {other} (id, n) WITH w AS (SELECT MAX(id) AS id FROM {from}) SELECT id + {past}, 1 FROM w"
            )),
            (Flavour::MariaDb, 2) => {
                Statement { way: Way::Rows, ..Statement::new(format!("DELETE FROM {table} WHERE id = {id} RETURNING id, c")) }
            }
            (Flavour::MariaDb, 3) => Statement {
                way: Way::Rows,
                ..Statement::new(format!("INSERT INTO {other} (id, n, c) VALUES ({past}, 4, 'returned') RETURNING id"))
            },
            (Flavour::MariaDb, _) => Statement::raw(format!("ANALYZE UPDATE {table} SET n = 2 WHERE id = {id}")),
            (Flavour::Sqlite, 0 | 1) => Statement::new(format!(
                "WITH w AS (SELECT id FROM {from} WHERE n < 5) UPDATE {table} SET n = 6 WHERE id IN (SELECT id FROM w)"
            )),
            (Flavour::Sqlite, 2) => {
                Statement::new(format!("WITH w AS (SELECT MAX(id) AS id FROM {from}) DELETE FROM {table} WHERE id = (SELECT id FROM w)"))
            }
            (Flavour::Sqlite, _) => Statement::new(format!(
                "WITH w AS (SELECT MAX(id) AS id FROM {from}) INSERT INTO {other} (id, n) SELECT id + {past}, 1 FROM w WHERE id > 0"
            )),
        }
    }

    fn on_view(&self, random: &mut Random) -> Option<Statement> {
        let views: Vec<_> = self.views.iter().filter(|view| view.writable).collect();
        if views.is_empty() {
            return None;
        }
        let view = random.pick(&views);
        let table = view.of.unwrap_or(0);
        let (id, fresh) = (self.id_of(table, random), self.free_id(table, random));
        let view = &view.name;
        Some(Statement::new(match random.below(4) {
            0 => format!("INSERT INTO {view} (id, n, c) VALUES ({fresh}, 3, 'in a view')"),
            1 => format!("DELETE FROM {view} WHERE id = {id}"),
            2 => format!("UPDATE {view} SET c = 'in a view' WHERE id <= {id} AND n < 6"),
            _ => format!("UPDATE {view} SET n = 4 WHERE id = {id}"),
        }))
    }

    fn call(&self, random: &mut Random) -> Option<Statement> {
        let writing: Vec<_> = self.routines.iter().filter(|routine| routine.kind != RoutineKind::Reader).collect();
        if writing.is_empty() {
            return None;
        }
        let routine = random.pick(&writing);
        let (name, argument) = (&routine.name, random.below(12));
        if routine.kind == RoutineKind::Procedure {
            return Some(Statement::new(format!("CALL {name}({argument})")));
        }
        let from = self.any_relation(random);
        let select = match random.below(6) {
            5 => {
                let views: Vec<_> = self.views.iter().filter(|view| view.writes_when_read()).collect();
                if views.is_empty() {
                    format!("SELECT {name}(id) FROM {from}")
                } else {
                    format!("SELECT * FROM {}", random.pick(&views).name)
                }
            }
            0 => format!("SELECT {name}(id) FROM {from} WHERE id < 3"),
            1 if self.is(Flavour::Postgres) => format!("SELECT * FROM {name}({argument})"),
            2 if self.is(Flavour::MariaDb) => return Some(Statement::raw(format!("DO {name}({argument})"))),
            2 => return Some(Statement::raw(format!("DO $$ BEGIN PERFORM {name}({argument}); END $$"))),
            3 => format!("SELECT id FROM {from} WHERE {name}(id) = {argument}"),
            _ => format!("SELECT {name}({argument})"),
        };
        Some(Statement { way: Way::Rows, ..Statement::new(select) })
    }

    /// What is heavy.
    fn rarely(&self, table: usize, random: &mut Random) -> Statement {
        let name = self.name(table);
        match (self.flavour, random.below(4)) {
            (Flavour::Postgres, 0) => {
                let views: Vec<_> = self.views.iter().filter(|view| view.materialized).collect();
                match views.last() {
                    Some(view) => Statement { blocks: true, ..Statement::raw(format!("REFRESH MATERIALIZED VIEW {}", view.name)) },
                    None => Statement::raw(format!("DO $$ BEGIN {}; END $$", self.block(table, "3", random))),
                }
            }
            (Flavour::Postgres, 1) => Statement::raw(format!("DO $$ BEGIN {}; END $$", self.block(table, "6", random))),
            (Flavour::Postgres, 2 | 3) if random.one_in(2) => {
                let cascade = if random.one_in(2) { " CASCADE" } else { "" };
                Statement { blocks: true, ..Statement::new(format!("TRUNCATE {name}{cascade}")) }
            }
            (Flavour::MariaDb, 0) => Statement { blocks: true, ..Statement::new(format!("TRUNCATE TABLE {name}")) },
            (Flavour::Sqlite, 0) => Statement::new(format!("DELETE FROM {name}")),
            // Several in one text.
            _ => {
                let one = self.update(table, random).sql;
                let two = self.insert(self.any_table(random), random).sql;
                Statement::raw(format!("{one}; {two}"))
            }
        }
    }
}
