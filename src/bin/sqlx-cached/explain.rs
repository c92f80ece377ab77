//! `explain`: what the cache makes of a statement.

use crate::failure::{Exit, Failure, Outcome};
use crate::output::{Output, plain};
use crate::target::{Target, with_pool};
use serde_json::{Value, json};
use sqlx_cached::{Backend, Explanation, Invalidates};

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
    output.print(&plain(&explanation.to_string()), &document(&explanation))?;
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

/// An explanation for machines.
pub fn document(explanation: &Explanation) -> Value {
    let (invalidates, tables) = match &explanation.invalidates {
        Invalidates::Nothing => ("nothing", &[][..]),
        Invalidates::Tables(tables) => ("tables", &tables[..]),
        _ => ("everything", &[][..]),
    };
    let causes: Vec<_> = explanation.causes.iter().map(|(table, because)| json!({ "table": table, "because": because })).collect();
    let read = explanation.read.as_ref();
    json!({
        "cached": read.is_ok(),
        "category": read.ok().map(|read| read.category.as_str()),
        "tables": read.ok().map(|read| &read.tables),
        "key": read.ok().and_then(|read| read.key.as_ref()),
        "ttl_seconds": read.ok().map(|read| read.ttl.as_secs_f64()),
        "reason": read.err().map(|reason| reason.name()),
        "because": read.err().map(|reason| if explanation.because.is_empty() { reason.as_str() } else { &explanation.because }),
        "invalidates": { "what": invalidates, "tables": tables },
        "causes": causes,
    })
}
