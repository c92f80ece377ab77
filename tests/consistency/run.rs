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
use std::time::Duration;

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

/// What a run has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// What is promised; or, with a part of the protocol left out, that this is noticed.
    Holds,
    Broken,
    /// Neither: on a machine that is busy with other things there may be too few reads between two writes.
    Nothing,
}

/// One run as the setting says.
pub async fn one(setting: &Setting) -> Shown {
    match setting.database {
        <Postgres as World>::WORD => on::<Postgres>(setting).await,
        _ => on::<MySql>(setting).await,
    }
}

async fn on<DB: Staged>(setting: &Setting) -> Shown {
    println!("{}: {} s", setting.name(), setting.seconds);
    let database = DB::database().await;
    let redis = Redis::start();
    let crew = Crew::start(setting, &database.url, vec![format!("REDIS_SOCKET_PATH={}", redis.socket().display()); ROLES.len()]);
    let (history, logs) = crew.finish(&Before::default(), false).await;
    let violations = check(&history, setting.lag());
    if setting.sabotage != "none" {
        let found = violations.iter().filter(|violation| !matches!(violation.kind, Kind::Torn | Kind::Invented));
        let found = found.map(|violation| violation.staleness).max();
        match found {
            Some(longest) => println!("  {} violations found, as it should be; the longest {}", violations.len(), millis(longest)),
            None => println!("  NOTHING FOUND in {} reads: these checks would find nothing", history.reads),
        }
        return if found.is_some() { Shown::Holds } else { Shown::Nothing };
    }
    let findings = report(setting, Circumstances::default(), &history, &violations);
    let enough = if setting.rush { HITS / 2.0 } else { HITS };
    let near = !setting.near || findings.near_hits > 0;
    let tested = ratio(findings.hits, findings.misses) >= enough && near && findings.writes > 0;
    let holds = findings.broken == 0 && findings.errors == 0;
    if !holds {
        println!("  NOT AS PROMISED: see {}", logs.keep(&format!("{}-{}-{}", setting.database, setting.mode, setting.seed)).display());
    } else if !tested {
        println!("  TOO FEW hits or writes: nothing was tested");
    }
    match (holds, tested) {
        (false, _) => Shown::Broken,
        (true, true) => Shown::Holds,
        (true, false) => Shown::Nothing,
    }
}

/// A short run of every mode, and of every sabotage.
pub async fn everything(seed: u64) -> bool {
    let base = Setting { seed, seconds: 4, ..Setting::default() };
    let ttl = Some(Duration::from_secs(1));
    let settings = [
        Setting { refuse: true, guard: true, ..base.clone() },
        Setting { database: "mariadb", ..base.clone() },
        Setting { near: true, ..base.clone() },
        Setting { database: "mariadb", near: true, ..base.clone() },
        Setting { rush: true, seconds: 3, ..base.clone() },
        Setting { mode: "after_commit", seconds: 3, ..base.clone() },
        Setting { database: "mariadb", mode: "after_commit", seconds: 3, ..base.clone() },
        Setting { mode: "ttl", seconds: 2, ttl, ..base.clone() },
        // What a missing fence lets through are windows of a millisecond.
        Setting { sabotage: "fence", rush: true, ..base.clone() },
        Setting { sabotage: "generations", seconds: 2, ..base },
    ];
    let mut holds = true;
    for setting in settings {
        let mut shown = Shown::Nothing;
        for again in 0..3 {
            if shown == Shown::Nothing {
                shown = one(&Setting { seed: seed + again, seconds: setting.seconds * (again + 1), ..setting.clone() }).await;
            }
        }
        holds &= shown == Shown::Holds;
    }
    holds
}
