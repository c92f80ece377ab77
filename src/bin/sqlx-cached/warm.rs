//! `warm`: answers that are there before anybody asks for them.

use crate::failure::{Exit, Failure, Outcome};
use crate::output::{Output, plain};
use crate::statements::split;
use crate::target::{Database, Target, with_pool};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use sqlparser::dialect::{Dialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlx::{AssertSqlSafe, IntoArguments};
use sqlx_cached::{Backend, Warmed};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// What to read ahead.
#[derive(clap::Args)]
pub struct Arguments {
    /// Queries without arguments, exactly as the program sends them: an answer is found by its text
    queries: Vec<String>,
    /// A file of queries, each ended by a semicolon; `-` is the standard input
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The program reads them by `fetch_one` or `fetch_optional`, whose answers are kept apart from those of `fetch_all`
    #[arg(long)]
    one: bool,
    /// How many are read at once
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
}

/// Reads the queries into Redis.
pub async fn run(arguments: Arguments, target: &Target, output: Output) -> Outcome {
    if arguments.queries.is_empty() && arguments.file.is_none() {
        return Err(Failure::Usage("there is nothing to warm: name queries, or a --file of them".into()));
    }
    let database = target.database().await?;
    let dialect: &dyn Dialect = match &database {
        Database::Postgres(_) => &PostgreSqlDialect {},
        Database::MySql(_) => &MySqlDialect {},
        Database::Sqlite(_) => &SQLiteDialect {},
    };
    let mut queries = Vec::new();
    for query in &arguments.queries {
        queries.extend(split(dialect, query).map_err(|error| Failure::Usage(format!("{query:?}: {error}")))?);
    }
    if let Some(file) = &arguments.file {
        let text = if file.as_os_str() == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
        let text = text.map_err(|error| Failure::of(file.display(), error))?;
        queries.extend(split(dialect, &text).map_err(|error| Failure::of(file.display(), error))?);
    }
    let warmed = with_pool!(database, pool => warm(&arguments, target, pool, queries, output).await?);
    let not_kept: Vec<_> =
        warmed.not_kept.iter().map(|(sql, reason)| json!({ "query": sql, "reason": reason.name(), "because": reason.as_str() })).collect();
    let failed: Vec<_> = warmed.failed.iter().map(|(sql, error)| json!({ "query": sql, "error": error.to_string() })).collect();
    let mut text =
        format!("{} filled, {} there already, {} not kept, {} failed\n", warmed.filled, warmed.already, not_kept.len(), failed.len());
    for (sql, reason) in &warmed.not_kept {
        let _ = writeln!(text, "not kept: {reason}: {}", plain(sql));
    }
    for (sql, error) in &warmed.failed {
        let _ = writeln!(text, "failed: {}: {}", plain(&error.to_string()), plain(sql));
    }
    let document = json!({ "filled": warmed.filled, "already": warmed.already, "not_kept": not_kept, "failed": failed });
    output.print(&text, &document)?;
    Ok(if not_kept.is_empty() && failed.is_empty() { Exit::Fine } else { Exit::Findings })
}

async fn warm<DB: Backend>(
    arguments: &Arguments,
    target: &Target,
    pool: sqlx::Pool<DB>,
    queries: Vec<String>,
    output: Output,
) -> Result<Warmed, Failure>
where
    DB::Arguments: IntoArguments<DB>,
{
    let store = target.reached().await?;
    let executor = target.executor(pool, Arc::clone(&store) as _).await?;
    if !executor.health().await.catalog {
        return Err(Failure::Failed("the database's catalog can't be read, without which nothing is kept".into()));
    }
    // Hidden where the standard error is no terminal.
    let bar = ProgressBar::with_draw_target(
        Some(queries.len() as u64),
        if output.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() },
    );
    if let Ok(style) = ProgressStyle::with_template("warming [{bar:30}] {pos}/{len} {elapsed}") {
        bar.set_style(style.progress_chars("=> "));
    }
    let drawn = bar.clone();
    let mut warm = executor.warm().concurrency(arguments.concurrency).on_progress(move |progress| drawn.set_position(progress.done as u64));
    for query in queries {
        let query = sqlx::query(AssertSqlSafe(query));
        warm = if arguments.one { warm.query_one(query) } else { warm.query(query) };
    }
    let warmed = warm.run().await;
    bar.finish_and_clear();
    Ok(warmed)
}
