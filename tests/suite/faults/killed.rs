//! Processes that can be killed: this test binary runs itself again, with what it shall do in the environment.

use super::kit::{Gates, Point, Server, WRITE, redis_store_at};
use crate::support::Scratch;
use crate::support::process::ServerProcess;
use sqlx::{Database, MySql, Postgres, Sqlite};
use sqlx_cached::CachingExecutor;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const VARIABLE: &str = "SQLX_CACHED_CHILD";

/// A process that runs [`child`].
pub struct Child {
    process: ServerProcess,
    log: PathBuf,
    _scratch: Scratch,
}

impl Child {
    /// Starts one: the database's name, what to do, and with what.
    pub fn start(database: &str, action: &str, with: &[(&str, &str)]) -> Self {
        Self::start_in(database, action, with, &[], Path::new("/"))
    }

    /// The same, in a working directory, with variables of the environment.
    pub fn start_in(database: &str, action: &str, with: &[(&str, &str)], environment: &[(&str, &str)], directory: &Path) -> Self {
        let scratch = Scratch::new();
        let log = scratch.join("log");
        let mut task = format!("{database}\n{action}");
        for (name, value) in with {
            task.extend(["\n", name, "=", value]);
        }
        let mut arguments: Vec<OsString> = vec!["-C".into(), directory.into(), format!("{VARIABLE}={task}").into()];
        arguments.extend(environment.iter().map(|(name, value)| format!("{name}={value}").into()));
        arguments.push(std::env::current_exe().expect("this binary").into());
        arguments.extend(["faults::killed::child", "--exact", "--nocapture"].map(OsString::from));
        let process = ServerProcess::spawn(None, Path::new("/usr/bin/env"), &arguments, &log, "KILL");
        Self { process, log, _scratch: scratch }
    }

    /// Waits until it says this.
    pub fn says(&mut self, what: &str) -> String {
        let log = self.log.clone();
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        self.process.wait_until(|| said().lines().any(|line| line.starts_with(what)));
        said().lines().find_map(|line| line.strip_prefix(what)).unwrap_or_default().trim().to_owned()
    }

    /// Ends it with SIGKILL; nothing of it runs any more when this returns.
    pub fn kill(&mut self) {
        self.process.end("KILL");
    }
}

/// No test, unless another test asks for it: then it is the other process.
#[test]
fn child() {
    let Ok(task) = std::env::var(VARIABLE) else { return };
    let mut lines = task.lines();
    let (database, action) = (lines.next().expect("a database"), lines.next().expect("an action"));
    let with: HashMap<&str, &str> = lines.filter_map(|line| line.split_once('=')).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match database {
            Postgres::NAME => run::<Postgres>(action, &with).await,
            MySql::NAME => run::<MySql>(action, &with).await,
            Sqlite::NAME => run::<Sqlite>(action, &with).await,
            _ => panic!("no database {database}"),
        }
    });
}

async fn run<DB: Server>(action: &str, with: &HashMap<&str, &str>) {
    let pool = sqlx::pool::PoolOptions::<DB>::new().max_connections(5).connect(with["url"]).await.expect("the database");
    if action == "from_env" {
        match CachingExecutor::from_env(pool).await {
            Ok(executor) => println!("\nhealth: {:?}", executor.health().await.store.map(|store| store.is_ok())),
            Err(error) => println!("\nerror: {error}"),
        }
        return;
    }
    let gates = Gates::over(redis_store_at(Path::new(with["redis"])));
    let executor = CachingExecutor::builder(pool)
        .admission(sqlx_cached::Admission::Always)
        .store(gates.clone())
        .fence_lease(super::kit::LEASE)
        .build()
        .await
        .expect("an executor");
    match action {
        "update" => DB::run(&executor, WRITE).await.expect("the update"),
        "raw update" => DB::run_raw(&executor, WRITE).await.expect("the update"),
        "read" => {
            for _ in 0..2 {
                println!("\nvalue: {}", DB::number(&executor, super::kit::READ).await.expect("the read"));
            }
            println!("\nhits: {}", executor.stats().hits);
        }
        "storm" => storm(&executor, with).await,
        "transaction" => {
            let mut transaction = executor.begin().await.expect("a transaction");
            DB::run_in(&mut transaction, WRITE).await.expect("the update");
            println!("\nwritten");
            std::future::pending::<()>().await;
        }
        "update, no end" | "transaction, no end" => {
            let never = never_ending(&gates);
            if action.starts_with("update") {
                DB::run(&executor, WRITE).await.expect("the update");
            } else {
                let mut transaction = executor.begin().await.expect("a transaction");
                DB::run_in(&mut transaction, WRITE).await.expect("the update");
                transaction.commit().await.expect("the commit");
            }
            never.await.expect("to be killed");
        }
        _ => panic!("no action {action}"),
    }
}

/// Reads the same many times at once, as soon as a file is there.
async fn storm<DB: Server>(executor: &CachingExecutor<DB>, with: &HashMap<&str, &str>) {
    println!("\nready");
    while !Path::new(with["go"]).exists() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let count = with["reads"].parse::<usize>().expect("a number");
    let reads: Vec<_> = (0..count).map(|_| tokio::spawn(DB::number(executor, with["sql"]))).collect();
    for read in reads {
        assert_eq!(read.await.expect("a task").expect("the read"), 0);
    }
    let stats = executor.stats();
    println!("\ndone: {} {} {}", stats.misses, stats.joined, stats.hits);
}

/// No `end` leaves this process; it says so when the first is about to.
fn never_ending(gates: &Arc<Gates>) -> tokio::task::JoinHandle<()> {
    let mut held = gates.hold(Point::BeforeEnd);
    tokio::spawn(async move {
        held.reached().await;
        println!("\nabout to end");
        std::future::pending::<()>().await;
    })
}
