//! `install-notifications`: PostgreSQL's triggers for writers that use no executor.

use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::target::{Database, Target};
use serde_json::json;

/// On which tables.
#[derive(clap::Args)]
pub struct Arguments {
    /// Tables, named as in a statement. Defaults to all but those of extensions
    tables: Vec<String>,
    /// Print the SQL that would run, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Take the triggers away from all tables
    #[arg(long, conflicts_with_all = ["dry_run", "tables"])]
    remove: bool,
}

/// Puts triggers on tables that tell executors of every write.
pub async fn run(arguments: Arguments, target: &Target, output: Output) -> Outcome {
    let Database::Postgres(pool) = target.database().await? else {
        return Err(Failure::Failed(
            "only PostgreSQL has notifications. SQLite needs none; on MySQL and MariaDB there is nothing to listen to".into(),
        ));
    };
    let tables: Vec<&str> = arguments.tables.iter().map(String::as_str).collect();
    let tables = (!tables.is_empty()).then_some(&tables[..]);
    if arguments.dry_run {
        let sql = target.bare_executor(pool).await?.change_notifications_sql(tables).await.map_err(failed)?;
        let text = if sql.is_empty() { "-- every table has its triggers" } else { &sql };
        output.print(text, &json!({ "sql": sql }))?;
        return Ok(Exit::Fine);
    }
    // A change of the schema, which executors that share a Redis are told of.
    let executor = match &target.redis {
        Some(_) => target.executor(pool, target.reached().await?).await?,
        None => target.bare_executor(pool).await?,
    };
    if arguments.remove {
        executor.uninstall_change_notifications().await.map_err(failed)?;
        output.print("the triggers are gone", &json!({ "removed": true }))?;
        return Ok(Exit::Fine);
    }
    let installed = executor.install_change_notifications(tables).await.map_err(failed)?;
    let text =
        if installed == 0 { "every table has its triggers already".to_owned() } else { format!("{installed} tables got their triggers") };
    output.print(&text, &json!({ "installed": installed }))?;
    Ok(Exit::Fine)
}

fn failed(error: sqlx::Error) -> Failure {
    Failure::of("the database refused", error)
}
