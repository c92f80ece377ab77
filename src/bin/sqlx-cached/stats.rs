//! `stats`: what all programs on this Redis counted, day by day.

use crate::failure::{Exit, Failure, Outcome};
use crate::output::{HEAD, Output, plain, styled, table};
use crate::target::Target;
use crate::units;
use serde_json::{Value, json};
use sqlx_cached::{DayStats, OperationStats};
use std::fmt::Write;

/// Which days.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many days, the newest first; no more than seven are kept
    #[arg(long, default_value_t = 7)]
    days: usize,
    /// How many operations of each day, the busiest first; 0 for all of them
    #[arg(long, default_value_t = 20)]
    operations: usize,
    /// Forget what was counted
    #[arg(long)]
    reset: bool,
}

/// Prints the counters that all processes share.
pub async fn run(arguments: Arguments, target: &Target, output: Output) -> Outcome {
    let cache = target.counted(&target.reached().await?).await?;
    if arguments.reset {
        cache.reset_days().await?;
        output.print("what was counted is forgotten", &json!({ "reset": true }))?;
        return Ok(Exit::Fine);
    }
    let mut days = cache.days().await?;
    days.truncate(arguments.days);
    let most = if arguments.operations == 0 { usize::MAX } else { arguments.operations };
    let mut text = String::new();
    for day in &days {
        for_people(&mut text, day, most);
    }
    if days.is_empty() {
        text.push_str("nothing was counted in the last seven days: no program has used this namespace, or CACHE_DAILY_COUNTERS is off\n");
    }
    let documents = days.iter().map(document).collect::<Result<Vec<_>, _>>()?;
    output.print(&text, &json!({ "days": documents }))?;
    Ok(Exit::Fine)
}

/// The library's own form, with the ratios.
fn document(day: &DayStats) -> Result<Value, Failure> {
    let mut document = serde_json::to_value(day).map_err(|error| Failure::of("the counters are no JSON", error))?;
    document["hit_ratio"] = json!(day.hit_ratio());
    for (name, stats) in &day.operations {
        document["operations"][name]["hit_ratio"] = json!(stats.hit_ratio());
    }
    Ok(document)
}

/// A ratio, or nothing yet.
pub fn percent(ratio: Option<f64>) -> String {
    ratio.map_or("-".to_owned(), |ratio| format!("{:.1} %", ratio * 100.0))
}

fn reads(stats: &OperationStats) -> u64 {
    stats.hits.saturating_add(stats.misses)
}

fn for_people(text: &mut String, day: &DayStats, most: usize) {
    let count = units::count;
    let _ = writeln!(text, "{}  hit ratio {}", styled(HEAD, &day.date), percent(day.hit_ratio()));
    let (hits, near, joined) = (count(day.hits), count(day.near_hits), count(day.joined));
    let _ =
        writeln!(text, "  reads     {hits} hits ({near} near), {joined} joined, {} misses, {} fills", count(day.misses), count(day.fills));
    let everything = if day.invalidations_of_everything > 0 {
        format!(", everything {} times", count(day.invalidations_of_everything))
    } else {
        String::new()
    };
    let (writes, tables) = (count(day.writes), units::of(day.invalidations, "table"));
    let _ = writeln!(text, "  writes    {writes}; {tables} invalidated{everything}");
    let means =
        [("near hit", day.latency.near_hit), ("hit", day.latency.hit), ("miss", day.latency.miss), ("database", day.latency.database)];
    let means: Vec<_> = means.iter().filter_map(|(what, latency)| Some(format!("{what} {}", units::time(latency.mean()?)))).collect();
    if !means.is_empty() {
        let _ = writeln!(text, "  mean      {}", means.join(", "));
    }
    if day.checked > 0 {
        let _ = writeln!(text, "  freshness {} of {} hits that were checked were stale", count(day.stale), count(day.checked));
    }
    if day.store_errors > 0 {
        let _ = writeln!(text, "  errors    {} of the store", count(day.store_errors));
    }
    let mut bypasses: Vec<_> = day.bypasses.iter().collect();
    bypasses.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
    for (reason, number) in bypasses {
        let _ = writeln!(text, "  bypassed  {} for {}", count(*number), plain(reason));
    }
    let mut operations: Vec<_> = day.operations.iter().collect();
    operations.sort_by_key(|(_, stats)| std::cmp::Reverse(reads(stats)));
    let rows = operations.iter().take(most).map(|(name, stats)| {
        let numbers = [stats.hits, stats.misses, stats.fills].map(count);
        [plain(name), percent(stats.hit_ratio())].into_iter().chain(numbers).collect()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if !rows.is_empty() {
        for line in table(&["operation", "ratio", "hits", "misses", "fills"], &[1, 2, 3, 4], &rows).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text.push('\n');
}
