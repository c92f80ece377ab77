//! What must hold of any text and of any bytes: the seam for `fuzz/`, and for the tests that keep what it found.

#[cfg(all(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod replays;

#[cfg(all(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub use replays::Replays;

use crate::analysis::body::{self, Language};
use crate::analysis::{Analysis, Dialect, Session, Writes, analyse, query};
use crate::catalog::{Catalog, Code, Does, Effect, Ops, Reach, Reads, Relation, Routine};
use crate::entry::{self, Cipher, Facts, Payload};
use crate::store::Label;
use crate::tag::{Generation, Tag};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// A small database of each kind.
#[derive(Debug)]
pub struct Databases([(Dialect, Catalog); 3]);

/// A write that no text in front of it may hide; the table is one that nothing else brings in.
const WRITE: &str = "\n; DELETE FROM canary";

impl Default for Databases {
    fn default() -> Self {
        Self([Dialect::Postgres, Dialect::MySql, Dialect::Sqlite].map(|dialect| (dialect, catalog(dialect))))
    }
}

impl Databases {
    /// Reads a text as a statement, as a view and as a body, in every dialect.
    ///
    /// # Panics
    ///
    /// Where something does not hold.
    pub fn check(&self, text: &str) {
        let shifted = format!(" {text}");
        let followed = format!("{text}{WRITE}");
        for (dialect, catalog) in &self.0 {
            let analysis = analyse(*dialect, text, catalog);
            kept_reads_change_nothing(&analysis);
            assert_eq!(analysis, analyse(*dialect, &shifted, catalog), "{dialect:?}: a blank in front makes a difference");
            let after = analyse(*dialect, &followed, catalog);
            kept_reads_change_nothing(&after);
            assert!(writes_canary(&after.writes), "{dialect:?}: hides the write after it: {after:?}");

            catalog.close(&query(*dialect, text, catalog));
            for language in [Language::Sql, Language::Procedural] {
                catalog.close(&body::read(*dialect, language, text, catalog));
                let code = body::read(*dialect, language, &followed, catalog);
                let named = code.writes.iter().any(|(key, _)| key.1 == "canary");
                assert!(named || code.opaque.is_some(), "{dialect:?}: hides the write after it in a body: {code:?}");
            }
        }
        #[cfg(feature = "sqlite")]
        let _ = body::event(text);
    }
}

/// Reads bytes as a store may give them back: as an entry, and as the rows of each database.
///
/// # Panics
///
/// Where they are believed further than they go.
pub fn check_stored(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    // All zeros: what a fuzzer finds first.
    let label = Label::Standing(Generation([0; Generation::LEN]));
    let largest = 1 << 16;
    let cipher = Cipher::new(&[[7; 32]]).ok();
    for (tables, cipher) in [(1, None), (2, None), (1, cipher.as_ref()), (2, cipher.as_ref())] {
        let tags: Vec<Tag> = [Tag::all()].into_iter().chain(["a", "b"].map(Tag::table).into_iter().take(tables)).collect();
        let labels = vec![label; tags.len()];
        let _ = entry::judge("k", &bytes, &tags, &labels, largest, cipher);
        // As somebody may write it who knows the sum.
        let mut sealed = bytes.to_vec();
        entry::seal(&mut sealed);
        if let Ok(entry::Verdict::Valid { rows, .. }) = entry::judge("k", &sealed.into(), &tags, &labels, largest, cipher) {
            assert!(bytes.ends_with(&rows) || bytes[4..8] != [0; 4] && rows.len() <= largest);
        }
        let generations = vec![Generation([0; Generation::LEN]); tags.len()];
        let facts = Facts { fresh_for: Duration::MAX, cost: Duration::ZERO };
        let entry = entry::encode("k", &tags, &generations, facts, Payload::compressed(&bytes, 0), cipher);
        let verdict = entry::judge("k", &entry, &tags, &labels, bytes.len(), cipher);
        assert!(matches!(verdict, Ok(entry::Verdict::Valid { rows, .. }) if rows == bytes), "what is compressed comes back");
    }
    #[cfg(feature = "sqlite")]
    crate::rows::sqlite::check(&bytes);
    #[cfg(feature = "postgres")]
    crate::rows::postgres::check(&bytes);
    #[cfg(feature = "mysql")]
    crate::rows::mysql::check(&bytes);
}

fn kept_reads_change_nothing(analysis: &Analysis) {
    let Ok(read) = &analysis.read else { return };
    assert!(!read.tables.is_empty(), "depends on nothing");
    assert!(!analysis.hints.off, "kept against a hint");
    let effects = (&analysis.writes, &analysis.session, analysis.changes_schema, analysis.commits, analysis.askable);
    assert_eq!(effects, (&Writes::Nothing, &Session::Unchanged, false, false, false), "kept, though it changes something");
}

fn writes_canary(writes: &Writes) -> bool {
    match writes {
        Writes::Nothing => false,
        Writes::Tables(tables) => tables.iter().any(|tag| tag.as_str() == "canary"),
        Writes::Everything => true,
    }
}

fn catalog(dialect: Dialect) -> Catalog {
    let (path, home) = match dialect {
        Dialect::Postgres => (vec!["pg_catalog", "public"], "public"),
        Dialect::MySql => (vec!["shop"], "shop"),
        Dialect::Sqlite => (vec!["main"], "main"),
    };
    let mut catalog = Catalog::new(dialect, path.into_iter().map(str::to_owned).collect(), dialect == Dialect::Sqlite);
    let mut add = |schema: &str, name: &str, tag: Tag, reads, writes| {
        catalog.add(schema, name, None, Relation::new(tag, reads, writes));
    };
    for name in ["users", "orders", "posts", "tags", "only", "log", "canary"] {
        add(home, name, Tag::table(name), Reads::Plain, Reach::Itself);
    }
    add(home, "fired", Tag::table("fired"), Reads::Plain, Reach::Unknown);
    add(home, "opaque", Tag::table("opaque"), Reads::Opaque, Reach::Unknown);
    add(home, "hv", Tag::table("hv"), Reads::Hazard, Reach::Unknown);
    add("app", "things", Tag::table("app.things"), Reads::Plain, Reach::Itself);
    add("pg_catalog", "pg_class", Tag::schema(), Reads::Schema, Reach::Unknown);
    add("information_schema", "tables", Tag::schema(), Reads::Schema, Reach::Unknown);
    add("main", "sqlite_master", Tag::schema(), Reads::Schema, Reach::Unknown);
    catalog.add_function("my_func");
    catalog.add_enum("mood");

    let code = |catalog: &Catalog, text: &str| Arc::new(body::read(dialect, Language::Procedural, text, catalog));
    let counts = Routine { code: Code::clone(&code(&catalog, "SELECT count(*) FROM tags")), stable: true };
    catalog.add_routine("tag_count", counts);
    let view = query(dialect, "SELECT u.id, tag_count() FROM users u JOIN orders o ON o.id = u.id", &catalog);
    catalog.add(home, "v", None, Relation::new(Tag::table("v"), Reads::View(Arc::new(view)), Reach::Itself));
    let [users, orders, posts] = ["users", "orders", "posts"].map(|name| catalog.key(home, name));
    // A ring, so that closing has an end to find.
    let body = code(&catalog, "BEGIN INSERT INTO log SELECT * FROM tags; UPDATE posts SET id = 1; END");
    let effects = [
        (&orders, Ops::ANY, "trigger", Does::Run(body)),
        (&users, Ops::DELETE, "ON DELETE CASCADE", Does::Write(orders.clone(), Ops::DELETE)),
        (&posts, Ops::UPDATE | Ops::KEYS, "ON UPDATE CASCADE", Does::Quietly(users.clone(), Ops::UPDATE)),
        (&posts, Ops::INSERT, "trigger", Does::Call("my_func".to_owned())),
    ];
    for (key, on, because, does) in effects {
        catalog.add_effect(key, Effect { on, because: because.into(), does });
    }
    catalog
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    /// The compressed entry that `fuzz/run` begins with, and mutations of it.
    #[test]
    fn compressed_entries_are_read_as_a_store_may_give_them_back() {
        let block = b"\x1fa\x01\x00\x0f\x50aaaaa";
        let mut seed = [&b"SQC2\x01\0\0\0"[..], &[0; 48], b"\x01\0", &[0; 20], b"\x01\0a\x01\0k"].concat();
        seed.extend_from_slice(&(8 + block.len() as u64).to_le_bytes());
        seed.extend_from_slice(&40_u64.to_le_bytes());
        seed.extend_from_slice(block);
        let mut sealed = seed.clone();
        entry::seal(&mut sealed);
        let label = Label::Standing(Generation([0; Generation::LEN]));
        let verdict = entry::judge("k", &sealed.into(), &[Tag::all(), Tag::table("a")], &[label; 2], 40, None);
        assert!(matches!(verdict, Ok(entry::Verdict::Valid { rows, .. }) if rows == vec![b'a'; 40]));
        let mut rng = StdRng::seed_from_u64(3);
        for _ in 0..5000 {
            let mut bytes = seed.clone();
            for _ in 0..rng.random_range(0..3) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            check_stored(&bytes);
        }
    }
}
