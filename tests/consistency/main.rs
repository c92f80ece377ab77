//! Several processes against one database and one Redis, which read and write the same rows and write down what they saw; then what they saw is checked.
//!
//! `cargo test --all-features --test consistency -- --help` tells the options. Without any, every mode has a short run.

#[path = "../support/mod.rs"]
mod support;

mod campaign;
mod check;
mod child;
mod clock;
mod cluster;
mod crew;
mod faults;
mod history;
mod known;
mod log;
mod options;
mod report;
mod run;
mod shapes;
mod world;
mod writes;

use options::Asked;
use sqlx::{MySql, Postgres};
use std::process::ExitCode;
use world::World;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime");
    if arguments.next_if(|argument| argument == "--child").is_some() {
        let task = child::Task::new(arguments);
        runtime.block_on(async {
            match task.text("database") {
                <Postgres as World>::WORD => child::run::<Postgres>(task).await,
                _ => child::run::<MySql>(task).await,
            }
        });
        return ExitCode::SUCCESS;
    }
    let asked = match options::parse(arguments) {
        Ok(asked) => asked,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    known::the_checks_find_what_is_known();
    let holds = runtime.block_on(async {
        match asked {
            Asked::Nothing => true,
            Asked::One(setting) => run::one(&setting).await == run::Shown::Holds,
            Asked::Everything { seed } => run::everything(seed).await,
            Asked::Campaign { setting, minutes, only } => campaign::run(&setting, minutes, only.as_deref()).await,
        }
    });
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
