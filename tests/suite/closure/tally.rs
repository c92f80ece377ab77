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
    /// Answers that were in the cache before a script, those forgotten after it, and those of them that had not changed.
    pub kept: usize,
    pub forgotten: usize,
    pub needless: usize,
    /// The same three of scripts that changed the schema, which forget everything.
    pub schema_changes: [usize; 3],
    /// Times that everything was forgotten.
    pub everything: u64,
    /// Times that the session was taken for changed, so that the executor caches nothing more and a new one takes its place.
    pub switched_off: usize,
    /// Relations that the database itself named as written; by statements that were said to write everything.
    pub written: [usize; 2],
    /// Pairs of a cached read and a relation that the database named as read.
    pub read: usize,
    /// Statements that were refused, by the error's first words.
    pub errors: BTreeMap<String, usize>,
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
            (&mut self.kept, other.kept),
            (&mut self.forgotten, other.forgotten),
            (&mut self.needless, other.needless),
            (&mut self.switched_off, other.switched_off),
            (&mut self.read, other.read),
        ];
        let arrays = self.schema_changes.iter_mut().zip(other.schema_changes).chain(self.written.iter_mut().zip(other.written));
        for (sum, more) in pairs.into_iter().chain(arrays) {
            *sum += more;
        }
        self.everything += other.everything;
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }

    pub fn error(&mut self, text: &str) {
        let words: String = text.chars().filter(|c| !c.is_ascii_digit()).take(70).collect();
        *self.errors.entry(words).or_default() += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let looked_up = self.reads - self.bypassed;
        writeln!(
            f,
            "{} writes on {} schemas ({:.0} % accepted), {} scripts changed something, {} of them several tables",
            self.writes,
            self.schemas,
            self.accepted(),
            self.effective,
            self.far
        )?;
        writeln!(
            f,
            "    {} reads, {} hits ({:.1} % of all, {:.1} % of those looked up), {} not looked up, {} stale",
            self.reads,
            self.hits,
            percent(self.hits, self.reads),
            percent(self.hits, looked_up),
            self.bypassed,
            self.stale
        )?;
        let [kept, forgotten, needless] = self.schema_changes;
        writeln!(
            f,
            "    of {} kept answers {} were forgotten, {} without need ({:.2} %); at changes of the schema {forgotten} of {kept}, {needless} without need",
            self.kept,
            self.forgotten,
            self.needless,
            percent(self.needless, self.kept)
        )?;
        write!(
            f,
            "    everything forgotten {} times, session given up {} times; by the database: {} written relations, {} of them by \"everything\"; {} read",
            self.everything, self.switched_off, self.written[0], self.written[1], self.read
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
