//! One run: scripts of writes, all reads after each.

use super::super::scripts::{End, Script, Step};
use super::super::statements::{Statement, Way};
use super::super::tally::{Tally, missing};
use super::super::world::World;
use super::super::{WRITES_PER_SCHEMA, seed, writes};
use super::observe::Known;
use super::{Db, ERRORS_END_TRANSACTIONS, FLAVOUR, Home, NAME, emptied};
use crate::databases::Random;
use sqlx::{AssertSqlSafe, Error, Executor, Pool};
use sqlx_cached::{CachingExecutor, Invalidates, Reason};
use std::collections::HashMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Only a harness that waits for itself needs so long.
const STUCK: Duration = Duration::from_mins(1);

/// The one place where the executors under test are built: where their knowledge of what reaches further is to be switched off, to see the harness fail.
async fn executor(home: &Home) -> CachingExecutor<Db> {
    CachingExecutor::builder(home.pool().await).build().await.expect("an executor")
}

/// One schema, and what is done to it.
pub struct Run {
    pub random: Random,
    pub seed: u64,
    pub world: World,
    /// The statements that made it, and the scripts since.
    pub schema: Vec<String>,
    pub history: Vec<String>,
    pub executor: CachingExecutor<Db>,
    pub direct: Pool<Db>,
    /// Writes are sent to the pool, behind the cache's back.
    pub around: bool,
    pub known: HashMap<String, Known>,
    /// What holds rows and was seen to have changed since the script began.
    pub changed: Vec<String>,
    /// What the database says that the script writes, if it told.
    pub touched: Option<Vec<String>>,
    pub tally: Tally,
    pub problems: Vec<String>,
}

async fn send<'e, E: Executor<'e, Database = Db>>(statement: &Statement, executor: E) -> Result<(), Error> {
    let text = AssertSqlSafe(statement.sql.clone());
    match statement.way {
        Way::Prepared => sqlx::query(text).execute(executor).await.map(|_| ()),
        Way::Rows => sqlx::query(text).fetch_all(executor).await.map(|_| ()),
        Way::Raw => sqlx::raw_sql(text).execute(executor).await.map(|_| ()),
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
            history: Vec::new(),
            executor,
            direct,
            around,
            known: HashMap::new(),
            changed: Vec::new(),
            touched: None,
            tally,
            problems: Vec::new(),
        };
        // Twice, so that the first script already has kept answers to lose.
        run.observe("the beginning", false).await;
        run.check_reads().await;
        run
    }

    pub fn problem(&mut self, text: &str) {
        self.problems
            .push(format!("CLOSURE_SEED={} CLOSURE_WRITES={WRITES_PER_SCHEMA}, {NAME}, {} writes: {text}", self.seed, self.tally.writes));
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
        self.touched = None;
        if !self.around {
            self.touched = Some(Vec::new());
            for statement in script.statements() {
                self.check_write(statement).await;
            }
        }
        self.changed.clear();
        let before = self.executor.stats().invalidations_of_everything;
        let text = script.to_string();
        self.history.push(text.clone());
        let seed = self.seed;
        let performed = tokio::time::timeout(STUCK, self.perform(&script, &text)).await;
        let said = performed.unwrap_or_else(|_| panic!("CLOSURE_SEED={seed}, {NAME}: stuck in {text}"));
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
        while self.tally.writes < count && (self.around || self.problems.is_empty()) {
            let last = self.script().await;
            let some = format!("SELECT * FROM {}", self.world.name(0));
            if self.executor.explain(&some).read == Err(Reason::Session) {
                self.tally.switched_off += 1;
                let start: String = last.chars().filter(|c| !c.is_ascii_digit()).take(80).collect();
                *self.tally.reasons.entry(format!("the session is given up after {start}")).or_default() += 1;
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
    let mut home = emptied(Home::new().await).await;
    let mut total = Tally::default();
    let mut seed = first;
    while total.writes < count {
        let mut run = Run::new(&home, seed, around).await;
        run.go(&home, WRITES_PER_SCHEMA.min(count - total.writes)).await;
        total.add(run.tally);
        run.executor.close().await;
        run.direct.close().await;
        if !run.problems.is_empty() {
            run.problems.push(format!("the schema:\n{};\nand since:\n{}", run.schema.join(";\n"), run.history.join("\n")));
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
    // One schema alone may be an odd one.
    if tally.schemas >= 5 {
        assert!(tally.accepted() >= 60.0, "{tally}\n{:#?}", tally.errors);
        assert!(tally.far * 20 > tally.effective, "too little reaches far: {tally}");
    }
}

/// A harness that can't fail is worth nothing.
#[tokio::test]
async fn writes_around_the_cache_are_found() {
    let mut home = emptied(Home::new().await).await;
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
