//! What is seen after each script, and what the database and the cache say of it.

use super::super::statements::Statement;
use super::super::tally::missing;
use super::super::world::Read;
use super::run::Run;
use super::{Db, Row, TypeInfo, read, value, written};
use crate::databases::Snapshot;
use sqlx::{AssertSqlSafe, Error, Executor, Row as _};
use sqlx_cached::Invalidates;

#[derive(Debug, PartialEq)]
pub enum Answer {
    Rows(Snapshot<TypeInfo>),
    Error(String),
}

/// What is known of a read since the last script.
pub struct Known {
    pub answer: Answer,
    pub kept: bool,
}

async fn rows<'e, E: Executor<'e, Database = Db>>(sql: &str, executor: E) -> Result<Vec<Row>, Error> {
    sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(executor).await
}

fn answer(rows: &Result<Vec<Row>, Error>) -> Answer {
    match rows {
        Ok(rows) => Answer::Rows(Snapshot::of(rows, value)),
        Err(error) => Answer::Error(error.to_string()),
    }
}

impl Run {
    /// Reads everything through the cache and from the database, and compares.
    pub async fn observe(&mut self, after: &str, changes_schema: bool) {
        let mut spared = Vec::new();
        for read in self.world.reads() {
            let direct_rows = rows(&read.sql, &self.direct).await;
            let direct = answer(&direct_rows);
            // A read that may call anything forgets everything, and would leave little to test; one that is not cached is the direct one once more.
            let said = self.executor.explain(&read.sql);
            let (feared, unkept) = (said.invalidates != Invalidates::Nothing, said.read.is_err());
            let (hit, filled) = if (feared || unkept) && !self.random.one_in(20) {
                self.tally.unasked += 1;
                if let Err(reason) = said.read {
                    *self.tally.reasons.entry(reason.to_string()).or_default() += 1;
                }
                (false, false)
            } else {
                self.through_cache(&read.sql, &direct, after).await
            };
            if self.compare(&read, &direct, hit, changes_schema)
                && let Ok(said) = said.read
            {
                self.tally.told.answers += 1;
                if !hit {
                    spared.push(said.tables);
                }
            }
            if let (Some(table), Ok(rows)) = (read.table, &direct_rows) {
                self.world.ids[table] = rows.iter().filter_map(|row| row.try_get::<i64, _>(0).ok()).collect();
            }
            self.known.insert(read.sql, Known { answer: direct, kept: hit || filled });
        }
        self.tally.told.forgotten += spared.len();
        let touched = self.touched.clone().unwrap_or_default();
        // A partition or child is named after its table.
        let related = |one: &str, two: &str| one == two || one.strip_prefix(two).is_some_and(|rest| rest.starts_with('_'));
        let reached =
            |tables: &Vec<String>| tables.iter().any(|table| touched.iter().any(|name| related(name, table) || related(table, name)));
        self.tally.told.needlessly += spared.iter().filter(|tables| !reached(tables)).count();
    }

    /// Reads through the cache what must be this; whether the answer was kept before, and whether it is now.
    async fn through_cache(&mut self, sql: &str, direct: &Answer, after: &str) -> (bool, bool) {
        let before = self.executor.stats();
        let cached = answer(&rows(sql, &self.executor).await);
        let stats = self.executor.stats();
        let (hit, looked_up) = (stats.hits > before.hits, stats.hits + stats.misses > before.hits + before.misses);
        self.tally.reads += 1;
        self.tally.hits += usize::from(hit);
        self.tally.bypassed += usize::from(!looked_up);
        if cached != *direct {
            self.tally.stale += 1;
            let difference = match (&cached, direct) {
                (Answer::Rows(one), Answer::Rows(two)) => one.difference(two).unwrap_or_default(),
                _ => format!("{cached:?} / {direct:?}"),
            };
            let explained = self.executor.explain(sql);
            self.problem(&format!("STALE {sql}\n    cached / direct: {difference}\n    {explained}\n    after {after}"));
        }
        (hit, stats.fills > before.fills)
    }

    /// What became of the answer that was known before; true if it was kept, and the database told what the script writes.
    fn compare(&mut self, read: &Read, direct: &Answer, hit: bool, changes_schema: bool) -> bool {
        let Some(known) = self.known.get(&read.sql) else { return false };
        let same = known.answer == *direct;
        if let Some(relation) = read.relation.as_ref().filter(|relation| !same && !self.changed.contains(relation)) {
            self.changed.push(relation.clone());
        }
        if known.kept {
            let kept = match (changes_schema, self.world.dynamic) {
                (true, _) => &mut self.tally.at_schema_changes,
                (false, true) => &mut self.tally.with_dynamic_sql,
                (false, false) => &mut self.tally.at_writes,
            };
            kept.answers += 1;
            kept.forgotten += usize::from(!hit);
            kept.needlessly += usize::from(!hit && same);
        }
        known.kept && self.touched.is_some() && !self.world.dynamic
    }

    /// What the database says that the reads touch: a write to any of it must reach the read.
    pub async fn check_reads(&mut self) {
        for Read { sql, .. } in self.world.reads() {
            let Some(touched) = read(&self.direct, &sql).await else { continue };
            let Ok(said) = self.executor.explain(&sql).read else { continue };
            for relation in touched {
                self.tally.read += 1;
                let writes = if self.world.views.iter().any(|view| view.materialized && view.name == relation) {
                    vec![format!("REFRESH MATERIALIZED VIEW {relation}")]
                } else {
                    vec![
                        format!("INSERT INTO {relation} (id) VALUES (1)"),
                        format!("UPDATE {relation} SET c = 'x'"),
                        format!("DELETE FROM {relation}"),
                    ]
                };
                for write in writes {
                    let reaches = match self.executor.explain(&write).invalidates {
                        Invalidates::Everything => true,
                        Invalidates::Tables(tables) => tables.iter().any(|table| said.tables.contains(table)),
                        _ => false,
                    };
                    if !reaches {
                        self.problem(&format!("UNSOUND: {write} is not said to reach {sql}, which depends on {:?}", said.tables));
                    }
                }
            }
        }
    }

    /// What the database says that a statement writes must be in what it is said to write.
    pub async fn check_write(&mut self, statement: &Statement) {
        if statement.sql.contains("SAVEPOINT") {
            return;
        }
        let touched = if statement.schema { None } else { written(&self.direct, &statement.sql).await };
        let Some(touched) = touched else {
            self.touched = None;
            return;
        };
        if let Some(all) = &mut self.touched {
            all.extend(touched.iter().cloned());
        }
        let said = self.executor.explain(&statement.sql);
        self.tally.written[0] += touched.len();
        match missing(&touched, std::slice::from_ref(&said.invalidates)) {
            None => self.tally.written[1] += touched.len(),
            Some(missing) if missing.is_empty() => {}
            Some(missing) => self.problem(&format!("UNSOUND: {} writes {missing:?}, too; {said}", statement.sql)),
        }
    }
}
