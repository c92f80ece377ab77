//! `invalidate` and `clear`.

use crate::failure::{Exit, Failure, Outcome};
use crate::keys;
use crate::output::{Output, plain, tell};
use crate::target::{Target, with_pool};
use crate::units;
use serde_json::{Value, json};
use sqlx_cached::store::{CacheStore, RedisStore, Tag};
use sqlx_cached::{Backend, CachingExecutor, Reason};
use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal};
use std::sync::Arc;

/// What to invalidate.
#[derive(clap::Args)]
pub struct Arguments {
    /// Tables, named as in a statement; or Redis glob patterns: of plain values ('page:*', 'kv:page:*'), or of queries' answers ('sql:users:*'). What has a * or a : is a pattern
    #[arg(required = true)]
    what: Vec<String>,
    /// All of them are tables, whatever they look like
    #[arg(long)]
    table: bool,
}

/// What to clear.
#[derive(clap::Args)]
pub struct ClearArguments {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only the answers of queries
    #[arg(long, conflicts_with = "values")]
    queries: bool,
    /// Only the plain values
    #[arg(long)]
    values: bool,
}

/// Invalidates tables with all that a write to them may change, if a database is named, and deletes by pattern.
pub async fn invalidate(arguments: Arguments, target: &Target, output: Output) -> Outcome {
    let store = target.reached().await?;
    let is_table = |what: &str| arguments.table || !what.contains(['*', '?', '[', ':']);
    if let Some(empty) = arguments.what.iter().find(|what| what.trim().is_empty()) {
        return Err(Failure::Usage(format!("{empty:?} is neither a table nor a pattern")));
    }
    let (tables, patterns): (Vec<_>, Vec<_>) = arguments.what.iter().map(String::as_str).partition(|what| is_table(what));
    let (mut text, mut done) = (String::new(), Vec::new());
    if !tables.is_empty() {
        let with_database = target.names_database();
        if with_database {
            with_pool!(target.database().await?, pool => invalidate_known(target, pool, &store, &tables).await?);
        } else {
            let tags: Vec<_> = tables.iter().map(|table| Tag::table(table)).collect();
            store.invalidate(&tags).await.map_err(|error| Failure::of("the tables can't be invalidated", error))?;
        }
        let what = if with_database {
            "with all that a write to it may change"
        } else {
            "alone: without a database's URL nothing is known of views, triggers and cascades, nor whether there is such a table"
        };
        for table in tables {
            let _ = writeln!(text, "invalidated the table {}, {what}", plain(table));
            done.push(json!({ "table": table, "closed": with_database }));
        }
    }
    for pattern in patterns {
        let whole = target.whole(pattern);
        let failed = |error| Failure::of(format!("what matches {whole} can't be deleted"), error);
        let deleted = if whole.starts_with(&format!("{}:", target.namespace)) {
            store.delete_matching(&whole).await.map_err(failed)?
        } else if target.is_value(&whole) {
            store.plain().delete_names(&whole).await.map_err(failed)?
        } else {
            return Err(Failure::Usage(format!("{pattern:?} matches what keeps running writes apart: leave that alone")));
        };
        let _ = writeln!(text, "deleted {} that match {}", units::of(deleted, "key"), plain(&whole));
        done.push(json!({ "pattern": whole, "deleted": deleted }));
    }
    output.print(&text, &json!({ "invalidated": done }))?;
    Ok(Exit::Fine)
}

async fn invalidate_known<DB: Backend>(
    target: &Target,
    pool: sqlx::Pool<DB>,
    store: &Arc<RedisStore>,
    tables: &[&str],
) -> Result<(), Failure> {
    let executor = target.executor(pool, Arc::clone(store) as _).await?;
    if !executor.health().await.catalog {
        return Err(Failure::Failed("the database's catalog can't be read".into()));
    }
    // Before anything is done: a typing error must not pass for done.
    if let Some(unknown) = tables.iter().find(|table| !is_known(&executor, table)) {
        return Err(Failure::Failed(format!("the database has no table {unknown:?}; nothing was invalidated")));
    }
    for table in tables {
        executor.invalidate_table(table).await?;
    }
    Ok(())
}

/// Whether the catalog knows a table of this name, as written or as a quoted one.
fn is_known<DB: Backend>(executor: &CachingExecutor<DB>, table: &str) -> bool {
    let knows = |name: &str| {
        let read = executor.explain(&format!("SELECT 1 FROM {name}")).read;
        !matches!(read, Err(Reason::UnknownRelation | Reason::Unparsed | Reason::NoTable))
    };
    knows(table) || knows(&format!("\"{table}\"")) || knows(&format!("`{table}`"))
}

/// Deletes everything, after asking.
pub async fn clear(arguments: ClearArguments, target: &Target, output: Output) -> Outcome {
    /// So many keys are counted before it is asked.
    const COUNTED: usize = 10_000;
    let at_terminal = std::io::stdin().is_terminal();
    if !arguments.yes && !at_terminal {
        return Err(Failure::Usage("clear deletes everything, and there is no terminal to ask at: pass --yes".into()));
    }
    let store = target.reached().await?;
    let (queries, values) = (!arguments.values, !arguments.queries);
    let of_queries = vec![format!("{}:*", target.namespace)];
    let of_values = vec![format!("{}:*", target.prefix), format!("{}/*", target.prefix)];
    if !arguments.yes {
        let mut question = String::from("Delete");
        for (wanted, patterns, what) in [(queries, &of_queries, "of queries"), (values, &of_values, "of plain values")] {
            if wanted {
                let (names, more) = keys::find(&store, patterns, COUNTED).await?;
                let and = if queries && values && what == "of plain values" { " and" } else { "" };
                let than = if more { " more than" } else { "" };
                let _ = write!(question, "{and}{than} {} keys {what} ({})", units::count(names.len() as u64), patterns.join(", "));
            }
        }
        tell(&format!("{question}? [y/N]"));
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::of("the answer can't be read", error))?;
        if !matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
            tell("nothing was deleted");
            return Ok(Exit::Findings);
        }
    }
    let failed = |error| Failure::of("not everything could be deleted", error);
    let (mut text, mut deleted) = (String::new(), serde_json::Map::new());
    if queries {
        // First all of it becomes invalid at once, whatever happens to the keys.
        store.invalidate(&[Tag::all()]).await.map_err(failed)?;
        let number = store.delete_matching(&of_queries[0]).await.map_err(failed)?;
        let _ = writeln!(text, "deleted {} of queries", units::of(number, "key"));
        deleted.insert("queries".into(), number.into());
    }
    if values {
        let mut number = 0;
        for pattern in &of_values {
            number += store.plain().delete_names(pattern).await.map_err(failed)?;
        }
        let _ = writeln!(text, "deleted {} of plain values", units::of(number, "key"));
        deleted.insert("values".into(), number.into());
    }
    output.print(&text, &json!({ "deleted": Value::Object(deleted) }))?;
    Ok(Exit::Fine)
}
