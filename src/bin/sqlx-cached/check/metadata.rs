//! What sqlx's macros keep of a query: `.sqlx/query-<hash>.json`.

use super::Kind;
use super::source::Query;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// Its fields of use, as of sqlx 0.7 and later.
#[derive(Deserialize)]
struct Metadata {
    db_name: String,
    query: String,
    describe: Describe,
}

#[derive(Deserialize)]
struct Describe {
    #[serde(default)]
    columns: Vec<Column>,
}

#[derive(Deserialize)]
struct Column {
    /// A table's, `"Expression"` or `"Unknown"`; older versions don't tell.
    #[serde(default)]
    origin: Value,
}

/// Reads a file of metadata.
pub fn read(file: &Path, text: &str) -> Result<Query, String> {
    let metadata: Metadata = serde_json::from_str(text).map_err(|error| match serde_json::from_str(text) {
        // One file for all queries.
        Ok(Value::Object(object)) if object.contains_key("db") => {
            "is metadata of sqlx 0.6 or older: write it anew with `cargo sqlx prepare`".to_owned()
        }
        Ok(_) => format!("is no metadata of sqlx: {error}"),
        Err(error) => format!("is no JSON: {error}"),
    })?;
    let Some(kind) = Kind::named(&metadata.db_name) else {
        return Err(format!("is of the database {:?}, which is not known", metadata.db_name));
    };
    let mut origins: Vec<String> = Vec::new();
    for column in &metadata.describe.columns {
        if let Some(table) = column.origin.pointer("/Table/table").and_then(Value::as_str)
            && !origins.iter().any(|known| known == table)
        {
            origins.push(table.to_owned());
        }
    }
    Ok(Query { file: file.to_owned(), line: None, kind, shown: metadata.query.clone(), sql: metadata.query, origins })
}
