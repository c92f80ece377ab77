//! What a run came to, and the comparison of what was touched with what was said to be.

use sqlx_cached::Invalidates;
use std::collections::BTreeMap;
use std::fmt;

#[derive(Debug, Default)]
pub struct Tally {
    pub schemas: usize,
    /// Statements sent.
    pub writes: usize,
    /// Those that the database refused.
    pub refused: usize,
    /// Scripts (statements or transactions) after which more than one table had changed.
    pub far: usize,
    /// Scripts after which some table had changed.
    pub effective: usize,
    pub reads: usize,
    pub hits: usize,
    /// Reads that were not looked up.
    pub bypassed: usize,
    pub stale: usize,
    pub at_writes: Kept,
    /// The same in schemas with SQL in strings, of which nobody can know what it writes.
    pub with_dynamic_sql: Kept,
    /// The same of changes of the schema, which forget everything.
    pub at_schema_changes: Kept,
    /// The same of the scripts of which the database told what they write; needlessly means here that none of the answer's tables is among it.
    pub told: Kept,
    /// Statements by themselves, transactions and changes of the schema; those that forgot everything.
    pub scripts: usize,
    pub everything: usize,
    /// Reads that were not sent through the cache, as they are said to be uncacheable, or to write.
    pub unasked: usize,
    /// Times that the session was taken for changed, so that the executor caches nothing more and a new one takes its place.
    pub switched_off: usize,
    /// Relations that the database itself named as written; by statements that were said to write everything.
    pub written: [usize; 2],
    /// Pairs of a cached read and a relation that the database named as read.
    pub read: usize,
    /// Statements that were refused, by the error's first words.
    pub errors: BTreeMap<String, usize>,
    /// Reads that were not looked up or not stored, by the reason.
    pub reasons: BTreeMap<String, u64>,
}

/// Answers that were in the cache before a script, and what became of them.
#[derive(Debug, Default)]
pub struct Kept {
    pub answers: usize,
    pub forgotten: usize,
    /// Those of them that had not changed.
    pub needlessly: usize,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answers, forgotten, needlessly } = self;
        write!(f, "{forgotten} of {answers} forgotten, {needlessly} needlessly ({:.2} %)", percent(*needlessly, *answers))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

impl Tally {
    /// The part of the statements that the database accepted, from 0 to 100.
    pub fn accepted(&self) -> f64 {
        percent(self.writes - self.refused, self.writes)
    }

    /// Takes in what another run came to.
    pub fn add(&mut self, other: Self) {
        let pairs = [
            (&mut self.schemas, other.schemas),
            (&mut self.writes, other.writes),
            (&mut self.refused, other.refused),
            (&mut self.far, other.far),
            (&mut self.effective, other.effective),
            (&mut self.reads, other.reads),
            (&mut self.hits, other.hits),
            (&mut self.bypassed, other.bypassed),
            (&mut self.stale, other.stale),
            (&mut self.switched_off, other.switched_off),
            (&mut self.read, other.read),
            (&mut self.scripts, other.scripts),
            (&mut self.everything, other.everything),
            (&mut self.unasked, other.unasked),
        ];
        for (sum, more) in pairs.into_iter().chain(self.written.iter_mut().zip(other.written)) {
            *sum += more;
        }
        for (sum, more) in [
            (&mut self.at_writes, other.at_writes),
            (&mut self.with_dynamic_sql, other.with_dynamic_sql),
            (&mut self.at_schema_changes, other.at_schema_changes),
            (&mut self.told, other.told),
        ] {
            sum.answers += more.answers;
            sum.forgotten += more.forgotten;
            sum.needlessly += more.needlessly;
        }
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
    }

    pub fn error(&mut self, text: &str) {
        let words: String = text.chars().filter(|c| !c.is_ascii_digit()).take(70).collect();
        *self.errors.entry(words).or_default() += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} writes on {} schemas ({:.0} % accepted) in {} scripts, of which {} changed something, {} of them several tables",
            self.writes,
            self.schemas,
            self.accepted(),
            self.scripts,
            self.effective,
            self.far
        )?;
        writeln!(
            f,
            "    {} reads, {} hits ({:.1} % of all, {:.1} % of those looked up), {} not looked up, {} more not asked for; {} stale",
            self.reads,
            self.hits,
            percent(self.hits, self.reads + self.unasked),
            percent(self.hits, self.reads - self.bypassed),
            self.bypassed,
            self.unasked,
            self.stale
        )?;
        writeln!(f, "    kept answers: {}", self.at_writes)?;
        if self.told.answers > 0 {
            writeln!(f, "    by what the database says is written: {}", self.told)?;
        }
        writeln!(f, "    with dynamic SQL: {}; at changes of the schema: {}", self.with_dynamic_sql, self.at_schema_changes)?;
        writeln!(
            f,
            "    everything forgotten by {} scripts ({:.1} %), session given up {} times",
            self.everything,
            percent(self.everything, self.scripts),
            self.switched_off
        )?;
        write!(
            f,
            "    named by the database: {} relations written, {} of them covered by \"everything\" only; {} relations read by cached answers",
            self.written[0], self.written[1], self.read
        )
    }
}

/// The relations that a statement is not said to write. `None`: it is said to write everything.
pub fn missing(touched: &[String], said: &[Invalidates]) -> Option<Vec<String>> {
    if said.contains(&Invalidates::Everything) {
        return None;
    }
    let named = |name: &String| said.iter().any(|one| matches!(one, Invalidates::Tables(tables) if tables.contains(name)));
    Some(touched.iter().filter(|name| !named(name)).cloned().collect())
}

#[test]
fn what_is_missing_is_found() {
    let touched = ["a".to_owned(), "b".to_owned()];
    let tables = |names: &[&str]| Invalidates::Tables(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(missing(&touched, &[tables(&["b", "c"])]), Some(vec!["a".to_owned()]));
    assert_eq!(missing(&touched, &[tables(&["b"]), Invalidates::Nothing, tables(&["a"])]), Some(Vec::new()));
    assert_eq!(missing(&touched, &[Invalidates::Nothing]), Some(touched.to_vec()));
    assert_eq!(missing(&touched, &[tables(&["b"]), Invalidates::Everything]), None);
}
