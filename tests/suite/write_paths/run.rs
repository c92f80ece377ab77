//! One row of the table, run; and what shows that the table can fail.

use super::{DATABASE, Db, Home, NAME, TABLE, afresh, value};
use crate::write_paths::case::{But, CASE, Case, End, READ_T, Step, T};
use futures_util::future::{BoxFuture, join_all};
use sqlx::pool::PoolOptions;
use sqlx::{AssertSqlSafe, Column, Connection, Error, Executor, Pool, Row};
use sqlx_cached::{CachingExecutor, CachingTransaction, UnclearWrites};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// A table that no row names.
const UNRELATED: &str = "CREATE TABLE unrelated (id INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO unrelated VALUES (1, 'stays');";
const READ_UNRELATED: &str = "SELECT id, v FROM unrelated";

/// So many rows at once, where one test runs them all.
const WORKERS: usize = 4;

/// How long a server may take to finish.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a row is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// As users do.
    Through,
    /// The steps by an executor that is a mere pool: the cache does not learn of them.
    Around,
    /// The reads through an executor that caches nothing.
    Uncached,
    /// Without the catalog's closure.
    WithoutClosure,
}

/// What was wrong, by the reads that it shows at.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    /// A step failed, or did not.
    failed: Vec<String>,
    /// The direct answer did not change (or did, where nothing should have): the row proves nothing.
    idle: BTreeSet<&'static str>,
    /// The cached answer was not the direct one.
    stale: BTreeSet<&'static str>,
    /// Was to be cached, and was not.
    uncached: BTreeSet<&'static str>,
    /// Was never to be cached, and was.
    kept: BTreeSet<&'static str>,
    /// Was to stay cached, and did not.
    forgotten: BTreeSet<&'static str>,
    /// All of these in words.
    words: String,
}

struct Run<'a> {
    case: &'a Case,
    direct: Pool<Db>,
    /// The database's name.
    name: String,
    executor: CachingExecutor<Db>,
    /// Direct answers when the reads were last filled.
    before: HashMap<&'static str, String>,
    report: Report,
}

impl Run<'_> {
    fn bystanders(&self) -> impl Iterator<Item = &'static str> + use<> {
        let unrelated = (!self.case.is(But::CachesNothing)).then_some(READ_UNRELATED);
        self.case.bystanders.iter().copied().chain(unrelated)
    }

    async fn direct(&self, sql: &'static str) -> String {
        answer(sqlx::query(text(sql, &self.name)).fetch_all(&self.direct).await)
    }

    /// Reads through the executor and compares; says whether it was a hit.
    async fn read(&mut self, sql: &'static str, when: &str) -> bool {
        let hits = self.executor.stats().hits;
        let cached = answer(sqlx::query(text(sql, &self.name)).fetch_all(&self.executor).await);
        let hit = self.executor.stats().hits > hits;
        let direct = self.direct(sql).await;
        if cached != direct {
            self.report.stale.insert(sql);
            let _ = writeln!(self.report.words, "  stale {when}: {sql}\n    cached: {cached}\n    direct: {direct}");
        }
        hit
    }

    /// Reads again; says whether it is a hit by and by. A name that the catalog does not know has it read anew in the background, and whatever is being
    /// filled meanwhile is not kept.
    async fn read_again(&mut self, sql: &'static str, when: &str) -> bool {
        for _ in 0..3 {
            if self.read(sql, when).await {
                return true;
            }
        }
        false
    }

    /// What may have kept a read from being cached.
    fn why(&self, sql: &str) -> String {
        format!("{:?}, not stored for {:?}", self.executor.explain(&text(sql, &self.name).0).read, self.executor.stats().not_stored)
    }

    async fn fill(&mut self) {
        // What may not be cached comes first: to read it may count as a write.
        for sql in self.case.also.iter().chain(self.case.reads).copied().chain(self.bystanders()) {
            let direct = self.direct(sql).await;
            self.before.insert(sql, direct);
            self.read(sql, "when it was filled").await;
            let hit = self.read_again(sql, "when it was read again").await;
            if !hit && !self.case.also.contains(&sql) {
                self.report.uncached.insert(sql);
                let _ = writeln!(self.report.words, "  not cached: {sql}: {}", self.why(sql));
            }
        }
    }

    /// A pool may give a row before the server has finished, where an executor waits for the end.
    async fn settle(&self) {
        let since = Instant::now();
        for &sql in self.case.reads {
            while self.direct(sql).await == self.before[sql] && since.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    async fn look(&mut self) {
        self.look_at_bystanders().await;
        self.look_at_dependents().await;
        // Last: to read these may count as a write.
        for &sql in self.case.never {
            if self.direct(sql).await.starts_with("error") {
                self.report.idle.insert(sql);
                let _ = writeln!(self.report.words, "  proves nothing, for it fails: {sql}");
            }
            if self.read(sql, "and never to be kept").await || self.read(sql, "and never to be kept").await {
                self.report.kept.insert(sql);
                let _ = writeln!(self.report.words, "  kept: {sql}");
            }
        }
    }

    async fn look_at_bystanders(&mut self) {
        let exact = !self.case.is(But::Inexact);
        for sql in self.bystanders() {
            let hit = self.read(sql, "of a bystander").await;
            if exact && !hit && !self.report.uncached.contains(sql) {
                self.report.forgotten.insert(sql);
                let _ = writeln!(self.report.words, "  forgotten in vain: {sql}");
            }
        }
    }

    async fn look_at_dependents(&mut self) {
        let (undone, exact) = (self.case.is(But::Undone), !self.case.is(But::Inexact));
        for &sql in self.case.reads.iter().chain(self.case.also) {
            let direct = self.direct(sql).await;
            if (self.before[sql] == direct) != undone {
                self.report.idle.insert(sql);
                let _ = writeln!(self.report.words, "  proves nothing: {sql} was {} and is {direct}", self.before[sql]);
            }
            let kept = self.read(sql, "after the steps").await;
            let again = self.read_again(sql, "once more").await;
            let cached = self.case.reads.contains(&sql) && !self.report.uncached.contains(sql) && !direct.starts_with("error");
            if cached && undone && exact && !kept {
                self.report.forgotten.insert(sql);
                let _ = writeln!(self.report.words, "  forgotten though nothing changed: {sql}");
            }
            if cached && !again && !self.case.is(But::EndsCaching) {
                self.report.uncached.insert(sql);
                let _ = writeln!(self.report.words, "  not cached again: {sql}: {}", self.why(sql));
            }
        }
    }

    async fn step(&mut self, executor: &CachingExecutor<Db>, step: &Step) {
        let done = match step {
            Step::Fill => return self.fill().await,
            Step::Transaction(steps, end) => match executor.begin().await {
                Ok(transaction) => in_transaction(transaction, steps, *end, &self.name).await,
                Err(error) => Err(error),
            },
            step => one(executor, step, &self.name).await,
        };
        if let Err(error) = done {
            let _ = writeln!(self.report.words, "  failed: {step:?}: {error}");
            self.report.failed.push(format!("{step:?}"));
        }
    }
}

/// Rows as text: names, types and values.
fn answer(rows: Result<Vec<super::Row>, Error>) -> String {
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return format!("error {error}"),
    };
    let mut text = String::new();
    for column in rows.first().map(Row::columns).unwrap_or_default() {
        let _ = write!(text, "{} ", column.name());
    }
    for row in &rows {
        let _ = write!(text, "| ");
        for index in 0..row.len() {
            let (name, bytes) = value(row, index);
            let _ = match bytes {
                Some(bytes) => write!(text, "{name} '{}' ", bytes.escape_ascii()),
                None => write!(text, "{name} NULL "),
            };
        }
    }
    text
}

/// A statement of a row for this database.
fn text(sql: &str, name: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql.replace("{db}", name))
}

async fn one<'e>(executor: impl Executor<'e, Database = Db>, step: &Step, name: &str) -> Result<(), Error> {
    match *step {
        Step::Run(sql) => sqlx::query(text(sql, name)).execute(executor).await.map(drop),
        Step::Raw(sql) => sqlx::raw_sql(text(sql, name)).execute(executor).await.map(drop),
        Step::Fetch(sql) => sqlx::query(text(sql, name)).fetch_all(executor).await.map(drop),
        Step::One(sql) => sqlx::query(text(sql, name)).fetch_one(executor).await.map(drop),
        Step::Fails(sql) => match sqlx::raw_sql(text(sql, name)).execute(executor).await {
            Ok(_) => Err(Error::Protocol("it was to fail".to_owned())),
            Err(_) => Ok(()),
        },
        Step::Fill | Step::Transaction(..) => unreachable!("steps of their own kind"),
    }
}

fn in_transaction<'a>(
    mut transaction: CachingTransaction<'a, Db>,
    steps: &'static [Step],
    end: End,
    name: &'a str,
) -> BoxFuture<'a, Result<(), Error>> {
    Box::pin(async move {
        for step in steps {
            match step {
                Step::Transaction(steps, end) => in_transaction(transaction.begin().await?, steps, *end, name).await?,
                step => one(&mut *transaction, step, name).await?,
            }
        }
        match end {
            End::Commit => transaction.commit().await,
            End::Rollback => transaction.rollback().await,
            End::Drop => Ok(()),
        }
    })
}

async fn pool(home: &Home, case: &Case) -> Pool<Db> {
    let options = (*home.pool().await.connect_options()).clone();
    let connections = if case.is(But::OneConnection) { 1 } else { 4 };
    let anew = case.is(But::PreparesAnew);
    let pool = PoolOptions::<Db>::new().max_connections(connections).before_acquire(move |connection, _| {
        Box::pin(async move {
            if anew {
                connection.clear_cached_statements().await?;
                // SQLite looks at its schema only when it runs something, and the driver counts the columns before.
                sqlx::query(READ_UNRELATED).persistent(false).execute(connection).await?;
            }
            Ok(true)
        })
    });
    pool.connect_with(options).await.expect("a pool")
}

async fn run(home: &Home, case: &Case, mode: Mode) -> Report {
    let plain = home.pool().await;
    let name: String = sqlx::query_scalar(DATABASE).fetch_one(&plain).await.expect("the database's name");
    for script in [&UNRELATED].into_iter().chain(case.setup).filter(|script| !script.is_empty()) {
        sqlx::raw_sql(text(script, &name)).execute(&plain).await.unwrap_or_else(|error| panic!("{script}: {error}"));
    }
    // Only now: connections take what the setup made their default.
    let (pool, direct) = (pool(home, case).await, pool(home, case).await);
    let unclear = if case.is(But::Asks) { UnclearWrites::Ask } else { UnclearWrites::Forget };
    let builder = CachingExecutor::builder(pool.clone()).closure(mode != Mode::WithoutClosure).unclear_writes(unclear);
    let executor = builder.build().await.expect("an executor");
    let writer = match mode {
        Mode::Around => CachingExecutor::builder(pool).enabled(false).build().await.expect("an executor"),
        _ => executor.clone(),
    };
    let executor = if mode == Mode::Uncached { executor.uncached() } else { executor };
    let mut run = Run { case, direct, name, executor, before: HashMap::new(), report: Report::default() };
    run.fill().await;
    for step in case.steps {
        run.step(&writer, step).await;
    }
    if mode == Mode::Around {
        run.settle().await;
    }
    run.look().await;
    run.report
}

/// Runs a row as users would.
pub async fn check(cases: &[(&str, Case)], name: &str) {
    let (_, case) = cases.iter().find(|(other, _)| *other == name).expect("a row of this name");
    let report = run(&Home::new().await, case, Mode::Through).await;
    assert!(report == Report::default(), "{NAME}, {name}: {:?}\n{}", case.steps, report.words);
}

/// All rows that match, run in this way; those of which `right` does not hold.
async fn wrong(mode: Mode, matching: fn(&Case) -> bool, right: fn(&Case, &Report) -> bool) -> Vec<String> {
    let cases: Vec<_> = TABLE.iter().flat_map(|cases| cases.iter()).filter(|(_, case)| matching(case)).collect();
    assert!(cases.len() > 5, "{NAME}: only {} rows", cases.len());
    let workers = cases.chunks(cases.len().div_ceil(WORKERS)).map(|cases| async move {
        let (mut home, mut wrong) = (Home::new().await, Vec::new());
        for (name, case) in cases {
            let report = run(&home, case, mode).await;
            if !right(case, &report) {
                wrong.push(format!("{name}: {}", report.words));
            }
            home = afresh(home).await;
        }
        wrong
    });
    join_all(workers).await.concat()
}

/// Each row can fail: if the executor knew nothing of its steps, every read would be stale.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn around_the_cache_these_are_stale() {
    let stale = |case: &Case, report: &Report| case.reads.iter().all(|sql| report.stale.contains(sql) || report.uncached.contains(sql));
    let wrong = wrong(Mode::Around, |case| !case.is(But::Undone), stale).await;
    assert!(wrong.is_empty(), "{NAME}: {} rows can't fail:\n{}", wrong.len(), wrong.join("\n"));
}

/// Each row that is said to need the closure does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_closure_these_are_stale() {
    let wrong = wrong(Mode::WithoutClosure, |case| case.is(But::NeedsClosure), |_, report| !report.stale.is_empty()).await;
    assert!(wrong.is_empty(), "{NAME}: {} rows do without it:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is not cached is seen not to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uncached_executor_is_found_out() {
    let (_, case) = TABLE[0][0];
    let report = run(&Home::new().await, &case, Mode::Uncached).await;
    assert!(case.reads.iter().all(|sql| report.uncached.contains(sql)), "{NAME}: {report:?}");
    assert!(report.stale.is_empty() && report.failed.is_empty(), "{NAME}: {report:?}");
}

/// What is cached though it must not be is seen, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_is_kept_is_found_out() {
    let case = Case { setup: &[T], never: &[READ_T], ..CASE };
    let report = run(&Home::new().await, &case, Mode::Through).await;
    assert!(report.kept.contains(READ_T), "{NAME}: {report:?}");
}
