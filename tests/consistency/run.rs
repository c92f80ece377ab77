//! Runs without faults.

use super::check::{Kind, check};
use super::clock::millis;
use super::crew::{Crew, ROLES};
use super::history::Before;
use super::options::Setting;
use super::report::{Circumstances, ratio, report};
use super::world::{World, create};
use crate::support::{Redis, TestDatabase, mariadb, postgres};
use futures_util::future::BoxFuture;
use sqlx::{MySql, Postgres};

/// The fewest hits among a hundred reads that a run needs to have tested anything.
const HITS: f64 = 0.3;

/// A database with its tables.
pub trait Staged: World {
    fn database() -> BoxFuture<'static, TestDatabase<Self>>;
}

impl Staged for Postgres {
    fn database() -> BoxFuture<'static, TestDatabase<Self>> {
        Box::pin(async {
            let database = postgres().await.database().await;
            create(&database.pool).await;
            database
        })
    }
}

impl Staged for MySql {
    fn database() -> BoxFuture<'static, TestDatabase<Self>> {
        Box::pin(async {
            let database = mariadb().await.database().await;
            create(&database.pool).await;
            database
        })
    }
}

/// One run as the setting says; whether it has shown what it should.
pub async fn one(setting: &Setting) -> bool {
    match setting.database {
        <Postgres as World>::WORD => on::<Postgres>(setting).await,
        _ => on::<MySql>(setting).await,
    }
}

async fn on<DB: Staged>(setting: &Setting) -> bool {
    println!("{}: {} s", setting.name(), setting.seconds);
    let database = DB::database().await;
    let redis = Redis::start();
    let crew = Crew::start(setting, &database.url, vec![redis.socket(); ROLES.len()]);
    let (history, logs) = crew.finish(&Before::default(), false).await;
    let violations = check(&history);
    if setting.sabotage != "none" {
        let found = violations.iter().filter(|violation| !matches!(violation.kind, Kind::Torn | Kind::Invented));
        let found = found.map(|violation| violation.staleness).max();
        match found {
            Some(longest) => println!("  {} violations found, as it should be; the longest {}", violations.len(), millis(longest)),
            None => println!("  NOTHING FOUND in {} reads: these checks would find nothing", history.reads),
        }
        return found.is_some();
    }
    let findings = report(setting, Circumstances::default(), &history, &violations);
    let enough = if setting.rush { HITS / 2.0 } else { HITS };
    let tested = ratio(findings.hits, findings.misses) >= enough && findings.writes > 0;
    if !tested {
        println!("  TOO FEW hits or writes: nothing was tested");
    }
    let holds = findings.broken == 0 && findings.errors == 0;
    if !holds {
        println!("  NOT AS PROMISED: see {}", logs.keep(&format!("{}-{}-{}", setting.database, setting.mode, setting.seed)).display());
    }
    holds && tested
}

/// A short run of every mode, and of every sabotage.
pub async fn everything(seed: u64) -> bool {
    let base = Setting { seed, seconds: 5, ..Setting::default() };
    let mut settings = Vec::new();
    for database in ["postgres", "mariadb"] {
        settings.push(Setting { database, ..base.clone() });
        settings.push(Setting { database, rush: true, seconds: 3, ..base.clone() });
        settings.push(Setting { database, near: true, ..base.clone() });
    }
    settings.push(Setting { mode: "after_commit", seconds: 4, ..base.clone() });
    settings.push(Setting { database: "mariadb", mode: "after_commit", seconds: 4, ..base.clone() });
    settings.push(Setting { mode: "ttl", seconds: 3, ttl: Some(std::time::Duration::from_secs(1)), ..base.clone() });
    let mut holds = true;
    for setting in settings {
        holds &= one(&setting).await;
    }
    let sabotages = [Setting { sabotage: "fence", rush: true, ..base.clone() }, Setting { sabotage: "generations", seconds: 2, ..base }];
    for sabotage in sabotages {
        // What a missing fence lets through are windows of less than a millisecond.
        let mut found = false;
        for seed in 0..3 {
            found = found || one(&Setting { seed, ..sabotage.clone() }).await;
        }
        holds &= found;
    }
    holds
}
