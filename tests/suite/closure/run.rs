//! One run: scripts of writes, all reads after each.

use super::super::scripts::{End, Script, Step};
use super::super::statements::Statement;
use super::super::tally::{Tally, missing};
use super::super::world::{Read, World};
use super::super::{WRITES_PER_SCHEMA, seed, writes};
use super::{Db, ERRORS_END_TRANSACTIONS, FLAVOUR, Home, NAME, Row, TypeInfo, emptied, read, value, written};
use crate::databases::{Random, Snapshot};
use sqlx::{AssertSqlSafe, Error, Executor, Pool, Row as _};
use sqlx_cached::{CachingExecutor, Invalidates, Reason};
use std::collections::HashMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Only a harness that waits for itself needs so long.
const STUCK: Duration = Duration::from_mins(1);

/// The one place where the executors under test are built.
async fn executor(home: &Home) -> CachingExecutor<Db> {
    CachingExecutor::builder(home.pool().await).build().await.expect("an executor")
}

#[derive(Debug, PartialEq)]
enum Answer {
    Rows(Snapshot<TypeInfo>),
    Error(String),
}

/// What is known of a read since the last script.
struct Known {
    answer: Answer,
    kept: bool,
}

struct Run {
    random: Random,
    seed: u64,
    world: World,
    schema: Vec<String>,
    executor: CachingExecutor<Db>,
    direct: Pool<Db>,
    /// Writes are sent to the pool, behind the cache's back.
    around: bool,
    known: HashMap<String, Known>,
    /// What holds rows and was seen to have changed since the script began.
    changed: Vec<String>,
    tally: Tally,
    problems: Vec<String>,
}

async fn send<'e, E: Executor<'e, Database = Db>>(statement: &Statement, executor: E) -> Result<(), Error> {
    let text = AssertSqlSafe(statement.sql.clone());
    if statement.raw {
        sqlx::raw_sql(text).execute(executor).await.map(|_| ())
    } else if statement.rows {
        sqlx::query(text).fetch_all(executor).await.map(|_| ())
    } else {
        sqlx::query(text).execute(executor).await.map(|_| ())
    }
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
    async fn new(home: &Home, seed: u64, around: bool) -> Self {
        let mut random = Random(seed);
        let (world, schema) = World::random(FLAVOUR, &mut random);
        let direct = home.pool().await;
        let mut connection = direct.acquire().await.expect("a connection");
        for statement in &schema {
            let created = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut *connection).await;
            created.unwrap_or_else(|error| panic!("CLOSURE_SEED={seed}, {NAME}: {error}: {statement}\n{}", schema.join(";\n")));
        }
        drop(connection);
        let executor = executor(home).await;
        let tally = Tally { schemas: 1, ..Tally::default() };
        let mut run = Self {
            random,
            seed,
            world,
            schema,
            executor,
            direct,
            around,
            known: HashMap::new(),
            changed: Vec::new(),
            tally,
            problems: Vec::new(),
        };
        // Twice, so that the first script already has kept answers to lose.
        run.observe("the beginning", false).await;
        run.check_reads().await;
        run
    }

    fn problem(&mut self, text: &str) {
        self.problems
            .push(format!("CLOSURE_SEED={} CLOSURE_WRITES={WRITES_PER_SCHEMA}, {NAME}, {} writes: {text}", self.seed, self.tally.writes));
    }

    /// Reads everything through the cache and from the database, and compares.
    async fn observe(&mut self, after: &str, changes_schema: bool) {
        for read in self.world.reads() {
            let direct_rows = rows(&read.sql, &self.direct).await;
            let direct = answer(&direct_rows);
            // A read that may call anything forgets everything, and would leave little to test; one that is not cached is the direct one once more.
            let said = self.executor.explain(&read.sql);
            let (feared, unkept) = (said.invalidates != Invalidates::Nothing, said.read.is_err());
            let (hit, filled) = if (feared || unkept) && !self.random.one_in(20) {
                self.tally.unasked += 1;
                (false, false)
            } else {
                self.through_cache(&read.sql, &direct, after).await
            };
            self.compare(&read, &direct, hit, changes_schema);
            if let (Some(table), Ok(rows)) = (read.table, &direct_rows) {
                self.world.ids[table] = rows.iter().filter_map(|row| row.try_get::<i64, _>(0).ok()).collect();
            }
            self.known.insert(read.sql, Known { answer: direct, kept: hit || filled });
        }
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

    /// What became of the answer that was known before.
    fn compare(&mut self, read: &Read, direct: &Answer, hit: bool, changes_schema: bool) {
        let Some(known) = self.known.get(&read.sql) else { return };
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
    }

    /// What the database says that the reads touch: a write to any of it must reach the read.
    async fn check_reads(&mut self) {
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
    async fn check_write(&mut self, statement: &Statement) {
        if statement.schema || statement.sql.contains("SAVEPOINT") {
            return;
        }
        let Some(touched) = written(&self.direct, &statement.sql).await else { return };
        let said = self.executor.explain(&statement.sql);
        self.tally.written[0] += touched.len();
        match missing(&touched, &[said.invalidates.clone()]) {
            None => self.tally.written[1] += touched.len(),
            Some(missing) if missing.is_empty() => {}
            Some(missing) => self.problem(&format!("UNSOUND: {} writes {missing:?}, too; {said}", statement.sql)),
        }
    }

    fn count(&mut self, statement: &Statement, result: &Result<(), Error>) {
        if statement.sql.contains("SAVEPOINT") {
            return;
        }
        self.tally.writes += 1;
        if let Err(error) = result {
            self.tally.refused += 1;
            self.tally.error(&error.to_string());
        }
    }

    /// A script, the reads after it, and what was said compared with what changed.
    async fn script(&mut self) -> String {
        let script = self.world.script(&mut self.random);
        let changes_schema = script.statements().iter().any(|statement| statement.schema);
        if !self.around {
            for statement in script.statements() {
                self.check_write(statement).await;
            }
        }
        self.changed.clear();
        let before = self.executor.stats().invalidations_of_everything;
        let text = format!("{script:?}");
        let said = match tokio::time::timeout(STUCK, self.perform(&script, &text)).await {
            Ok(said) => said,
            Err(_) => panic!("CLOSURE_SEED={}: stuck in {text}", self.seed),
        };
        self.tally.scripts += 1;
        self.tally.everything += usize::from(self.executor.stats().invalidations_of_everything > before);
        self.observe(&text, changes_schema).await;
        self.tally.effective += usize::from(!self.changed.is_empty());
        self.tally.far += usize::from(self.changed.len() > 1);
        if !self.around && !changes_schema {
            let missing = missing(&self.changed, &said).unwrap_or_default();
            if !missing.is_empty() {
                self.problem(&format!("UNSOUND: {missing:?} changed by {text}, of which was said {said:?}"));
            }
        }
        if changes_schema {
            self.check_reads().await;
        }
        text
    }

    /// Runs a script; gives what was said of each of its statements.
    async fn perform(&mut self, script: &Script, text: &str) -> Vec<Invalidates> {
        let mut said = Vec::new();
        match script {
            Script::Single(statement) => {
                said.push(self.executor.explain(&statement.sql).invalidates);
                let result = if self.around { send(statement, &self.direct).await } else { send(statement, &self.executor).await };
                self.count(statement, &result);
            }
            Script::Transaction(steps, end) => {
                if self.around {
                    for statement in script.statements() {
                        let result = send(statement, &self.direct).await;
                        self.count(statement, &result);
                    }
                    return said;
                }
                self.transaction(steps, *end, text, &mut said).await;
            }
        }
        said
    }

    async fn transaction(&mut self, steps: &[Step], end: End, text: &str, said: &mut Vec<Invalidates>) {
        let mut transaction = self.executor.begin().await.expect("a transaction");
        let mut broken = false;
        for step in steps {
            if broken {
                break;
            }
            match step {
                Step::Run(statement) => {
                    said.push(self.executor.explain(&statement.sql).invalidates);
                    let result = send(statement, &mut *transaction).await;
                    broken |= ERRORS_END_TRANSACTIONS && result.is_err();
                    self.count(statement, &result);
                }
                Step::Nested(statements, end) => {
                    // MariaDB's engines without transactions have no savepoints.
                    let Ok(mut savepoint) = transaction.begin().await else { break };
                    let mut failed = false;
                    for statement in statements {
                        if failed && ERRORS_END_TRANSACTIONS {
                            break;
                        }
                        said.push(self.executor.explain(&statement.sql).invalidates);
                        let result = send(statement, &mut *savepoint).await;
                        failed |= result.is_err();
                        self.count(statement, &result);
                    }
                    // An error that the savepoint undoes leaves the transaction whole. MariaDB forgets savepoints at a commit of its own.
                    let ended = match end {
                        End::Commit if !(failed && ERRORS_END_TRANSACTIONS) => savepoint.commit().await,
                        End::Drop => {
                            drop(savepoint);
                            Ok(())
                        }
                        _ => savepoint.rollback().await,
                    };
                    broken |= ended.is_err();
                }
                Step::Observe => self.observe(text, false).await,
            }
        }
        let ended = match end {
            End::Commit => transaction.commit().await,
            End::RollBack => transaction.rollback().await,
            End::Drop => {
                drop(transaction);
                Ok(())
            }
        };
        if let Err(error) = ended {
            // A deferred constraint, mostly.
            self.tally.error(&format!("at the end: {error}"));
        }
    }

    async fn go(&mut self, home: &Home, count: usize) {
        while self.tally.writes < count {
            let last = self.script().await;
            let some = format!("SELECT * FROM {}", self.world.name(0));
            if self.executor.explain(&some).read == Err(Reason::Session) {
                self.tally.switched_off += 1;
                *self.tally.reasons.entry(format!("the session is given up after {last}")).or_default() += 1;
                self.executor = executor(home).await;
                self.known.values_mut().for_each(|known| known.kept = false);
            }
        }
        let stats = self.executor.stats();
        for (reason, count) in stats.bypasses.iter().chain(&stats.not_stored) {
            *self.tally.reasons.entry(reason.to_string()).or_default() += count;
        }
        let faults = (stats.replay_errors, stats.malformed_entries, stats.store_errors);
        if faults != (0, 0, 0) {
            self.problem(&format!("FAULT\n{stats}"));
        }
    }
}

/// Schema after schema until there were enough writes. What went wrong comes back with the tally.
async fn campaign(first: u64, count: usize, around: bool) -> (Tally, Vec<String>) {
    let mut home = Home::new().await;
    let mut total = Tally::default();
    let mut seed = first;
    while total.writes < count {
        let mut run = Run::new(&home, seed, around).await;
        run.go(&home, WRITES_PER_SCHEMA.min(count - total.writes)).await;
        total.add(run.tally);
        run.executor.close().await;
        run.direct.close().await;
        if !run.problems.is_empty() {
            run.problems.push(format!("the schema:\n{}", run.schema.join(";\n")));
            return (total, run.problems);
        }
        home = emptied(home).await;
        seed = seed.wrapping_add(1);
    }
    (total, Vec::new())
}

#[tokio::test]
async fn every_answer_is_the_databases() {
    let (first, start) = (seed(), Instant::now());
    let (tally, problems) = campaign(first, writes(), false).await;
    // Past the test harness, which keeps the output of what succeeds to itself.
    let seconds = start.elapsed().as_secs_f64();
    let _ = writeln!(std::io::stderr(), "closure, {NAME}: {tally}; {seconds:.1} s, CLOSURE_SEED={first}");
    if std::env::var_os("CLOSURE_ERRORS").is_some() {
        let _ = writeln!(std::io::stderr(), "refused: {:#?}\nnot kept: {:#?}", tally.errors, tally.reasons);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(tally.accepted() >= 60.0, "{tally}\n{:#?}", tally.errors);
    assert!(tally.far * 10 > tally.effective, "too little reaches far: {tally}");
}

/// A harness that can't fail is worth nothing.
#[tokio::test]
async fn writes_around_the_cache_are_found() {
    let mut home = Home::new().await;
    let mut stale = 0;
    for seed in 1..=4 {
        let mut run = Run::new(&home, seed, true).await;
        run.go(&home, WRITES_PER_SCHEMA).await;
        stale += run.tally.stale;
        run.executor.close().await;
        run.direct.close().await;
        home = emptied(home).await;
    }
    assert!(stale > 20, "only {stale} differences");
}
