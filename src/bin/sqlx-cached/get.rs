//! `get` and `ttl`: one key.

use crate::failure::{Exit, Failure, Outcome};
use crate::names::Kind;
use crate::output::{Output, plain, plain_lines, tell, write_raw};
use crate::target::Target;
use crate::units;
use base64::Engine;
use bytes::Bytes;
use serde_json::{Value, json};
use sqlx_cached::Cache;
use sqlx_cached::store::{CacheStore, EntryDescription, Generation, Peeked, RedisStore, TimeLeft};
use std::fmt::Write;

/// Which key.
#[derive(clap::Args)]
pub struct Arguments {
    /// A whole name, as `keys` prints it, or the key of a plain value without its prefix
    key: String,
    /// Print the value's bytes as they are, with nothing around them
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

/// Which key.
#[derive(clap::Args)]
pub struct TtlArguments {
    /// A whole name, as `keys` prints it, or the key of a plain value without its prefix
    key: String,
}

/// What stands at a key.
enum Found {
    Entry(Box<EntryDescription>, bool, usize),
    Json(Value),
    Text(Bytes),
    /// Something that is no answer now, and why.
    Other(&'static str),
}

/// Prints a value, or what an entry says of itself.
pub async fn run(arguments: Arguments, target: &Target, output: Output) -> Outcome {
    let store = target.reached().await?;
    let name = target.whole(&arguments.key);
    let Some(peeked) = peek(&store, &name).await? else { return absent(&name, output) };
    let found = look(&store, target, &name, &peeked).await?;
    if arguments.raw {
        return match found {
            Found::Text(bytes) => write_raw(&bytes).map(|()| Exit::Fine),
            Found::Json(_) => match value_of(target, &store, &name).await?.1 {
                Some(bytes) => write_raw(&bytes).map(|()| Exit::Fine),
                None => absent(&name, output),
            },
            Found::Entry(..) => {
                Err(Failure::Usage("--raw prints values, and this is a query's answer, which only sqlx's driver reads".into()))
            }
            Found::Other(what) => Err(Failure::Failed(format!("{name}: {what}"))),
        };
    }
    let ttl = peeked.left.duration().map(|left| left.as_secs_f64());
    let mut document = json!({ "key": name, "kind": target.kind(&name).as_str(), "ttl_seconds": ttl });
    let (text, exit) = match found {
        Found::Entry(entry, valid, size) => {
            document["entry"] = described(&entry, valid, size);
            (for_people(&name, &entry, valid, size, peeked.left), Exit::Fine)
        }
        Found::Json(value) => {
            let text = match &value {
                Value::String(text) => plain_lines(text),
                value => plain_lines(&serde_json::to_string_pretty(value).unwrap_or_default()),
            };
            document["value"] = value;
            (text, Exit::Fine)
        }
        Found::Text(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => {
                document["text"] = text.into();
                (plain_lines(text), Exit::Fine)
            }
            Err(_) => {
                document["base64"] = base64::engine::general_purpose::STANDARD.encode(&bytes).into();
                (format!("{} bytes: {}", bytes.len(), bytes.escape_ascii()), Exit::Fine)
            }
        },
        Found::Other(what) => {
            document["because"] = what.into();
            (format!("{}: {what}", plain(&name)), Exit::Findings)
        }
    };
    output.print(&text, &document)?;
    Ok(exit)
}

/// Prints how long a key still lives.
pub async fn ttl(arguments: TtlArguments, target: &Target, output: Output) -> Outcome {
    let store = target.reached().await?;
    let name = target.whole(&arguments.key);
    let Some(peeked) = peek(&store, &name).await? else { return absent(&name, output) };
    let left = peeked.left.duration();
    let text = left.map_or("without end".to_owned(), units::time);
    output.print(&text, &json!({ "key": name, "exists": true, "ttl_seconds": left.map(|left| left.as_secs_f64()) }))?;
    Ok(Exit::Fine)
}

fn absent(name: &str, output: Output) -> Outcome {
    if output.json {
        output.print("", &json!({ "key": name, "exists": false }))?;
    } else {
        tell(&format!("there is nothing at {}", plain(name)));
    }
    Ok(Exit::Findings)
}

async fn peek(store: &RedisStore, name: &str) -> Result<Option<Peeked>, Failure> {
    store.plain().peek(name).await.map_err(|error| Failure::of("the key can't be read", error))
}

async fn look(store: &std::sync::Arc<RedisStore>, target: &Target, name: &str, peeked: &Peeked) -> Result<Found, Failure> {
    if target.kind(name) == Kind::Value {
        let (value, bytes) = value_of(target, store, name).await?;
        return Ok(match (value, bytes) {
            (Some(value), _) => Found::Json(value),
            (None, Some(bytes)) => Found::Text(bytes),
            (None, None) if peeked.head.is_empty() => Found::Other("no string: a hash, a list, a set or a stream of the program's own"),
            (None, None) => Found::Other(
                "no valid value: claimed by whoever loads or writes it now, ended by a write, encrypted by another key, or malformed",
            ),
        });
    }
    let failed = |error| Failure::of("the key can't be read", error);
    let values = store.plain().values(&[name.to_owned()]).await.map_err(failed)?;
    let Some(bytes) = values.into_iter().next().flatten() else { return Ok(Found::Other("no string, but bookkeeping")) };
    match EntryDescription::of(&bytes) {
        Some(entry) => {
            let lookup = store.look_up(name, &entry.tags).await.map_err(failed)?;
            let valid = entry.is_valid(&lookup.labels);
            Ok(Found::Entry(Box::new(entry), valid, bytes.len()))
        }
        None if target.kind(name) == Kind::Entry => Ok(Found::Other("no entry of this version, or damaged")),
        // A token, which is random, or the mark of a write under way.
        None if target.kind(name) == Kind::Generation && bytes.len() == Generation::LEN => {
            let token = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            Ok(Found::Text(token.into()))
        }
        None => Ok(Found::Text(bytes)),
    }
}

/// A plain value as the library reads it: what it means, if it is typed, and its bytes.
async fn value_of(target: &Target, store: &std::sync::Arc<RedisStore>, name: &str) -> Result<(Option<Value>, Option<Bytes>), Failure> {
    let cache = sqlx_cached::CacheBuilder::from_env()?.enabled(true).daily_counters(false).store(std::sync::Arc::clone(store) as _);
    let cache: Cache = cache.namespace(&target.namespace).prefix(&target.prefix).max_key_length(usize::MAX).build().await?;
    let Some((cache, key)) = target.within(&cache, name) else { return Ok((None, None)) };
    let bytes = cache.get_bytes(&key).await?;
    // What was stored as bytes is none, and JSON that it may look like is not what it means.
    let value = if bytes.is_some() { quietly(cache.get::<Value>(&key)).await? } else { None };
    Ok((value, bytes))
}

/// Without the library's warnings: that a value is of another type is no surprise here.
async fn quietly<T>(get: impl Future<Output = T>) -> T {
    use tracing::instrument::WithSubscriber;
    get.with_subscriber(tracing::subscriber::NoSubscriber::default()).await
}

fn described(entry: &EntryDescription, valid: bool, size: usize) -> Value {
    let tables: Vec<&str> = entry.tables().map(sqlx_cached::store::Tag::as_str).collect();
    let age = entry.stored_at.elapsed().unwrap_or_default();
    json!({
        "tables": tables,
        "valid": valid,
        "age_seconds": age.as_secs_f64(),
        "fresh_for_seconds": entry.fresh_for.as_secs_f64(),
        "database_seconds": entry.cost.as_secs_f64(),
        "bytes": size,
        "rows_bytes": entry.rows_bytes,
        "compressed": entry.compressed,
        "encrypted": entry.encrypted,
    })
}

fn for_people(name: &str, entry: &EntryDescription, valid: bool, size: usize, left: TimeLeft) -> String {
    let tables: Vec<_> = entry.tables().map(|table| plain(table.as_str())).collect();
    let age = entry.stored_at.elapsed().unwrap_or_default();
    let old = if age > entry.fresh_for { ", which is over: only for those who take stale answers" } else { "" };
    let valid = if valid { "yes" } else { "no: a write has changed what it depends on, or is under way" };
    let forms: String =
        [(entry.compressed, ", compressed"), (entry.encrypted, ", encrypted")].iter().filter(|form| form.0).map(|form| form.1).collect();
    let mut text = format!("{}\n", plain(name));
    for (what, said) in [
        ("tables", tables.join(", ")),
        ("valid", valid.to_owned()),
        ("stored", format!("{} ago, fresh for {}{old}", units::time(age), units::time(entry.fresh_for))),
        ("ttl", left.duration().map_or("without end".to_owned(), units::time)),
        ("size", format!("{} (rows {}{forms})", units::bytes(size as u64), units::bytes(entry.rows_bytes as u64))),
        ("database", format!("took {}", units::time(entry.cost))),
    ] {
        let _ = writeln!(text, "  {what:<9} {said}");
    }
    text
}
