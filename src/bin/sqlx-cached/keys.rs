//! `keys`: what there is.

use crate::failure::{Exit, Failure, Outcome};
use crate::output::{Output, plain, tell};
use crate::target::Target;
use serde_json::json;
use sqlx_cached::store::{CacheStore, RedisStore};

/// Which keys.
#[derive(clap::Args)]
pub struct Arguments {
    /// A Redis glob pattern, such as 'user:*' (below the prefix and the namespace) or 'sql:users:*' (of whole names). Defaults to everything
    pattern: Option<String>,
    /// The most keys to print; 0 for all of them
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

/// Prints names, one a line, sorted. Takes a SCAN of the server.
pub async fn run(arguments: Arguments, target: &Target, output: Output) -> Outcome {
    let store = target.reached().await?;
    let most = if arguments.limit == 0 { usize::MAX } else { arguments.limit };
    let (mut names, more) = find(&store, &patterns(target, arguments.pattern.as_deref()), most).await?;
    names.sort_unstable();
    let mut text = String::new();
    for name in &names {
        text.push_str(&plain(name));
        text.push('\n');
    }
    let keys: Vec<_> = names.iter().map(|name| json!({ "key": name, "kind": target.kind(name).as_str() })).collect();
    if more && !output.json {
        tell(&format!("there are more than {most}: --limit 0 prints all of them"));
    }
    output.print(&text, &json!({ "keys": keys, "more": more }))?;
    Ok(Exit::Fine)
}

/// The patterns of whole names that a pattern means.
fn patterns(target: &Target, pattern: Option<&str>) -> Vec<String> {
    let Target { namespace, prefix, .. } = target;
    match pattern {
        None => vec![format!("{namespace}:*"), format!("{prefix}:*"), format!("{prefix}/*")],
        Some(pattern) if target.is_whole(pattern) => vec![pattern.to_owned()],
        Some(pattern) => vec![format!("{namespace}:{pattern}"), format!("{prefix}:{pattern}")],
    }
}

/// Up to so many names, and whether there are more.
pub async fn find(store: &RedisStore, patterns: &[String], most: usize) -> Result<(Vec<String>, bool), Failure> {
    let mut names = Vec::new();
    for pattern in patterns {
        let wanted = most.saturating_add(1) - names.len();
        names.extend(store.plain().names(pattern, wanted).await.map_err(|error| Failure::of("the keys can't be listed", error))?);
        if names.len() > most {
            names.truncate(most);
            return Ok((names, true));
        }
    }
    Ok((names, false))
}
