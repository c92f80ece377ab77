//! `sqlx-cached`: looks after a cache from outside, by the library's public API alone.

mod explain;
mod failure;
mod output;
mod target;

use crate::failure::{EXIT_CODES, Failure, Outcome};
use crate::output::{BAD, Output, plain_lines, styled, tell};
use crate::target::{Global, Target};
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

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
    /// Show what the cache makes of a statement: its tables, key and time to live, or why it is not cached; what it invalidates
    Explain(explain::Arguments),
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
    match command {
        Command::Explain(arguments) => explain::run(arguments, &Target::of(&global)?, output).await,
    }
}

/// Shows the library's warnings.
fn listen() {
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .without_time()
        .with_ansi(false)
        .compact()
        .init();
}

fn complain(failure: &Failure) -> ExitCode {
    match failure {
        Failure::Closed => {}
        Failure::Usage(text) | Failure::Failed(text) => tell(&format!("{} {}", styled(BAD, "error:"), plain_lines(text))),
    }
    failure.code()
}
