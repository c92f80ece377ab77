//! An answer read once more, and compared with the one that was given.

use crate::analysis::Dialect;
use crate::database::{Backend, Request};
use crate::executor::lent::Lent;
use crate::rows::{Recording, RowCodec, Unreplayable};
use bytes::Bytes;
use either::Either;
use futures_util::TryStreamExt;
use sqlx::{Connection, Error};

/// What the database says now.
#[derive(Debug)]
pub(super) enum Reread {
    /// Recorded as a fill is.
    Rows(Bytes),
    /// More than an entry may have, so more than was given.
    Larger,
}

/// How two answers are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    Equal,
    /// The same rows in another order.
    Reordered,
    Different,
}

/// Reads as a fill does; nothing where the answer can't be recorded, or its end was not seen.
pub(super) async fn read<DB: Backend>(
    connection: &mut Lent<DB>,
    request: Request<DB>,
    one: bool,
    mut recording: Box<dyn Recording<DB>>,
) -> Result<Option<Reread>, Error> {
    let mut complete = one;
    if one {
        match connection.fetch_optional(request).await? {
            Some(row) => {
                if let Err(reason) = recording.push(&row) {
                    return Ok(larger(reason));
                }
            }
            // Nothing else tells an answer without rows from a worker that crashed.
            None if DB::DIALECT == Dialect::Sqlite => connection.ping().await?,
            None => {}
        }
    } else {
        let mut steps = connection.fetch_many(request);
        while let Some(step) = steps.try_next().await? {
            match step {
                Either::Right(row) => {
                    if let Err(reason) = recording.push(&row) {
                        return Ok(larger(reason));
                    }
                }
                Either::Left(_) => complete = true,
            }
        }
    }
    Ok(match recording.finish() {
        Ok(rows) => complete.then(|| Reread::Rows(rows.into())),
        Err(reason) => larger(reason),
    })
}

fn larger(reason: Unreplayable) -> Option<Reread> {
    (reason == Unreplayable::TooLarge).then_some(Reread::Larger)
}

/// Compares two answers, byte by byte: what a program is given of equal bytes is equal.
pub(super) fn likeness<DB: Backend>(one: &Reread, other: &Reread) -> Likeness {
    match (one, other) {
        (Reread::Rows(one), Reread::Rows(other)) if one == other => Likeness::Equal,
        // As far as anybody can tell.
        (Reread::Larger, Reread::Larger) => Likeness::Equal,
        (Reread::Rows(one), Reread::Rows(other)) => match (DB::Codec::split(one), DB::Codec::split(other)) {
            (Some(mut one), Some(mut other)) => {
                one.rows.sort_unstable();
                other.rows.sort_unstable();
                if one == other { Likeness::Reordered } else { Likeness::Different }
            }
            _ => Likeness::Different,
        },
        (Reread::Rows(_), Reread::Larger) | (Reread::Larger, Reread::Rows(_)) => Likeness::Different,
    }
}

/// Whether the one row that was given is among these, or may be.
pub(super) fn may_be_one_of<DB: Backend>(one: &Reread, all: &Reread) -> bool {
    let (Reread::Rows(one), Reread::Rows(all)) = (one, all) else { return true };
    match (DB::Codec::split(one), DB::Codec::split(all)) {
        // No row was given.
        (Some(one), Some(all)) if one.rows.is_empty() => all.rows.is_empty(),
        (Some(one), Some(all)) => one.columns == all.columns && one.rows.iter().all(|row| all.rows.contains(row)),
        _ => true,
    }
}

/// Whether a statement says which rows it wants, and in which order it puts them together, as far as its words tell. A part of the rows in no order may be another part each time, and a list made of
/// them another list: as the database likes, which reads them in another way once there is an index more or a plan has changed, and in that way ever after. So an order is to stand beside the part, and
/// within the list's parentheses; that of a window or of a subquery is another one's.
pub(super) fn is_determined(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase().replace('(', " ( ").replace(')', " ) ");
    let words = sql.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '(' | ')'))).filter(|word| !word.is_empty());
    // Of what is open: whether it needs an order, and whether it has one.
    let mut levels = vec![(false, false)];
    let mut former = "";
    for word in words {
        match (word, levels.last_mut()) {
            (_, None) | (")", Some((true, false))) => return false,
            ("(", _) => levels.push((makes_a_list(former), false)),
            (")", _) => _ = levels.pop(),
            ("limit" | "fetch" | "offset", Some((needs, _))) => *needs = true,
            ("on", Some((needs, _))) if former == "distinct" => *needs = true,
            ("by", Some((_, has))) if former == "order" => *has = true,
            _ => {}
        }
        former = word;
    }
    !levels.contains(&(true, false))
}

/// Whether a function, or `ARRAY` with a subquery, makes a list of what it is given: `array_agg`, `group_concat`, `json_group_array`.
fn makes_a_list(function: &str) -> bool {
    function.ends_with("agg") || function.contains("group_") || function == "array"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_rows_in_no_order_is_any_part() {
        for sql in [
            "SELECT a FROM t",
            "SELECT a FROM t ORDER  BY a\nLIMIT 5",
            "SELECT limits FROM t",
            "SELECT a FROM t order\nby a OFFSET 3 ROWS FETCH FIRST ROW ONLY",
            "SELECT a FROM t WHERE b IN (SELECT c FROM u ORDER BY c LIMIT 1)",
            "SELECT string_agg(DISTINCT a, ',' ORDER BY a), COUNT(*), MAX(b) FROM t WHERE c IN (1, 2)",
            "SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b",
            "SELECT RANK() OVER (PARTITION BY a ORDER BY b) FROM t",
        ] {
            assert!(is_determined(sql), "{sql}");
        }
        for sql in [
            "SELECT a FROM t LIMIT 5",
            "select a from t where b in (select c from u limit 1)",
            "SELECT a FROM t FETCH FIRST ROW ONLY",
            "SELECT reorder FROM t LIMIT 2",
            "SELECT RANK() OVER (ORDER BY b) FROM t LIMIT 2",
            "SELECT a FROM (SELECT a FROM t ORDER BY a) AS s LIMIT 2",
            "SELECT a FROM t WHERE b IN (SELECT c FROM u LIMIT 1) ORDER BY a",
            "SELECT string_agg (a, ',') FROM t",
            "SELECT GROUP_CONCAT(a) FROM t ORDER BY 1",
            "SELECT json_group_array(a) FROM t",
            "SELECT ARRAY(SELECT a FROM t)",
            "SELECT DISTINCT ON (a) a, b FROM t",
            "SELECT a FROM t) LIMIT 2",
        ] {
            assert!(!is_determined(sql), "{sql}");
        }
    }
}
