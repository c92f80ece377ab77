//! How snapshots are written: times in seconds, results as one of two fields.

use crate::analysis::Category;
use crate::explain::ReadExplanation;
use crate::stats::{Reason, TableStats};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::time::Duration;

/// As a number of seconds. The field's name says so.
pub(crate) fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

struct Answer<'a>(&'a Result<Duration, String>);

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self.0 {
            Ok(took) => map.serialize_entry("seconds", &took.as_secs_f64())?,
            Err(error) => map.serialize_entry("error", error)?,
        }
        map.end()
    }
}

/// `{"seconds": 0.1}` or `{"error": "why"}`.
pub(crate) fn answer<S: Serializer>(answer: &Result<Duration, String>, serializer: S) -> Result<S::Ok, S::Error> {
    Answer(answer).serialize(serializer)
}

/// The same, or null.
#[expect(clippy::ref_option, reason = "as serde calls it")]
pub(crate) fn maybe_answer<S: Serializer>(answer: &Option<Result<Duration, String>>, serializer: S) -> Result<S::Ok, S::Error> {
    answer.as_ref().map(Answer).serialize(serializer)
}

/// A list, since a pair is no key of a JSON object.
pub(crate) fn tables<S: Serializer>(tables: &BTreeMap<(String, Category), TableStats>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        table: &'a str,
        category: Category,
        #[serde(flatten)]
        stats: &'a TableStats,
    }
    serializer.collect_seq(tables.iter().map(|((table, category), stats)| Line { table, category: *category, stats }))
}

/// `{"cached": {...}}` or `{"not_cached": "reason"}`.
pub(crate) fn read<S: Serializer>(read: &Result<ReadExplanation, Reason>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    match read {
        Ok(read) => map.serialize_entry("cached", read)?,
        Err(reason) => map.serialize_entry("not_cached", reason)?,
    }
    map.end()
}

/// A list, since one table may have several.
pub(crate) fn causes<S: Serializer>(causes: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Cause<'a> {
        table: &'a str,
        because: &'a str,
    }
    serializer.collect_seq(causes.iter().map(|(table, because)| Cause { table, because }))
}
