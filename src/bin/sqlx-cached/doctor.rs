//! `doctor`: looks at everything that a cache needs, and says in plain words what is amiss.

mod database;
mod latency;
mod report;
mod rights;
mod server;
mod settings;
mod warnings;

use self::report::Report;
use self::warnings::Warnings;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::target::{Global, Target};

/// Examines the settings, the database and Redis.
pub async fn run(global: &Global, output: Output) -> Outcome {
    let mut report = Report::default();
    // What the library says in its log while it is at work here is a finding like others.
    let warnings = Warnings::default();
    let _listening = warnings.listen();
    match Target::of(global) {
        Ok(target) => {
            // Names of variables, of which the settings' section says more.
            warnings.take();
            examine(&target, global, &mut report).await;
            warnings.report(&mut report);
        }
        Err(Failure::Failed(error)) => report.section("settings").fail("values", error),
        Err(other) => return Err(other),
    }
    output.print(&report.for_people(), &report.document())?;
    Ok(report.exit())
}

async fn examine(target: &Target, global: &Global, report: &mut Report) {
    settings::examine(target, global, report.section("settings"));
    let database = database::examine(target, report.section("database")).await;
    server::examine(target, database, report.section("redis")).await;
}
