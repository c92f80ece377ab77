//! `explain`: what the cache makes of a statement.

use crate::failure::{Exit, Failure, Outcome};
use crate::output::{Output, plain};
use crate::target::{Target, with_pool};
use sqlx_cached::{Backend, Explanation};

/// What to explain.
#[derive(clap::Args)]
pub struct Arguments {
    /// The statement, as the program sends it; `-` reads it from the standard input
    sql: String,
}

/// Explains a statement by the database's catalog. Redis is not asked.
pub async fn run(arguments: Arguments, target: &Target, output: Output) -> Outcome {
    let sql = match arguments.sql.as_str() {
        "-" => std::io::read_to_string(std::io::stdin()).map_err(|error| Failure::of("the standard input can't be read", error))?,
        sql => sql.to_owned(),
    };
    let explanation = with_pool!(target.database().await?, pool => explained(target, pool, sql.trim()).await?);
    output.print(&plain(&explanation.to_string()), &explanation)?;
    Ok(Exit::Fine)
}

async fn explained<DB: Backend>(target: &Target, pool: sqlx::Pool<DB>, sql: &str) -> Result<Explanation, Failure> {
    let executor = target.bare_executor(pool).await?;
    // Without a catalog everything looks as if it were never cached.
    if !executor.health().await.catalog {
        return Err(Failure::Failed("the database's catalog can't be read".into()));
    }
    Ok(executor.explain(sql))
}
