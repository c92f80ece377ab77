//! `sqlx-cached`: looks after a cache from outside, by the library's public API alone.

mod check;
mod doctor;
mod explain;
mod failure;
mod forget;
mod get;
mod keys;
mod names;
mod notifications;
mod output;
mod statements;
mod stats;
mod target;
mod top;
mod units;
mod warm;

use crate::failure::{EXIT_CODES, Failure, Outcome};
use crate::output::{BAD, Output, plain_lines, styled, tell};
use crate::target::{Global, Target};
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Looks after the cache of programs that use sqlx-cached.
///
/// It reads the environment that the programs read, a .env file in this folder or above included, so that both mean the same Redis and the same keys.
#[derive(Parser)]
#[command(name = "sqlx-cached", version, after_help = EXIT_CODES, max_term_width = 110)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Examine the settings, the database and Redis: connections, versions, memory, rights, latency, and say what to do
    Doctor,
    /// Show what all programs counted, day by day: hit ratios of each operation
    Stats(stats::Arguments),
    /// Watch it: hit ratio, reads a second, busiest operations, memory
    Top(top::Arguments),
    /// List keys: of queries' answers, of bookkeeping and of plain values
    Keys(keys::Arguments),
    /// Show a plain value, or what the entry of a query's answer says of itself
    Get(get::Arguments),
    /// Show how long a key still lives
    Ttl(get::TtlArguments),
    /// Check queries: which are cached, which are not, and why
    Check(check::Arguments),
    /// Show what the cache makes of a statement: its tables, key and time to live, or why it is not cached; what it invalidates
    Explain(explain::Arguments),
    /// Invalidate what depends on tables, or delete what matches patterns
    Invalidate(forget::Arguments),
    /// Delete all answers of queries, and all plain values: counters among them, queues of write-behind not
    Clear(forget::ClearArguments),
    /// Read queries ahead, so that their answers are there
    Warm(warm::Arguments),
    /// Put triggers on PostgreSQL's tables that tell of writers that use no executor
    InstallNotifications(notifications::Arguments),
}

fn main() -> ExitCode {
    // Before there is another thread. What can't be read is an error of whoever reads the settings.
    let _ = dotenvy::dotenv();
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&Failure::of("no runtime", error)),
    };
    let outcome = runtime.block_on(run(arguments));
    // A connection that does not end in good order must not keep the command.
    runtime.shutdown_background();
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => complain(&failure),
    }
}

async fn run(arguments: Arguments) -> Outcome {
    let Arguments { global, command } = arguments;
    let output = Output { json: global.json };
    listen();
    let target = || Target::of(&global);
    match command {
        Command::Doctor => doctor::run(&global, output).await,
        Command::Stats(arguments) => stats::run(arguments, &target()?, output).await,
        Command::Top(arguments) => top::run(arguments, &target()?, output).await,
        Command::Keys(arguments) => keys::run(arguments, &target()?, output).await,
        Command::Get(arguments) => get::run(arguments, &target()?, output).await,
        Command::Ttl(arguments) => get::ttl(arguments, &target()?, output).await,
        Command::Check(arguments) => check::run(arguments, &target()?, output).await,
        Command::Explain(arguments) => explain::run(arguments, &target()?, output).await,
        Command::Invalidate(arguments) => forget::invalidate(arguments, &target()?, output).await,
        Command::Clear(arguments) => forget::clear(arguments, &target()?, output).await,
        Command::Warm(arguments) => warm::run(arguments, &target()?, output).await,
        Command::InstallNotifications(arguments) => notifications::run(arguments, &target()?, output).await,
    }
}

/// Shows the library's warnings, and no one else's: sqlx tells what it does not know of a database's URL, and a password that is given by a wrong name is that, too.
fn listen() {
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().with_ansi(false).compact();
    lines.finish().with(Targets::new().with_target("sqlx_cached", LevelFilter::WARN)).init();
}

fn complain(failure: &Failure) -> ExitCode {
    match failure {
        Failure::Closed => {}
        Failure::Usage(text) | Failure::Failed(text) => tell(&format!("{} {}", styled(BAD, "error:"), plain_lines(text))),
    }
    failure.code()
}
