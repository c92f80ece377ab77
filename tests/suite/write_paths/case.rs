//! What a row of the table is made of.

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What the database holds before: scripts, run beside the cache. An empty one is left out.
    pub setup: &'static [&'static str],
    /// Reads that are cached, and whose answers the steps change.
    pub reads: &'static [&'static str],
    /// The same for reads of which it does not matter whether they are cached.
    pub also: &'static [&'static str],
    /// Reads that the steps can't reach: cached before, and still after. So is one of a table that no row names.
    pub bystanders: &'static [&'static str],
    /// Reads that must never be answered from the cache: their answers depend on more than what is written.
    pub never: &'static [&'static str],
    /// What is done through the executor.
    pub steps: &'static [Step],
    /// In what this row differs from others.
    pub but: &'static [But],
}

/// An empty row, for the fields that a row does not name.
pub const CASE: Case = Case { setup: &[], reads: &[], also: &[], bystanders: &[], never: &[], steps: &[], but: &[] };

/// Something done through the executor, or in a transaction of it.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A prepared statement whose rows nobody asks for.
    Run(&'static str),
    /// A script, sent as text.
    Raw(&'static str),
    /// A script, sent as text, that fails on its way.
    Fails(&'static str),
    /// A prepared statement, all rows of it.
    Fetch(&'static str),
    /// A prepared statement, one row of it.
    One(&'static str),
    /// All reads, so that they are cached again; what follows must change them once more.
    Fill,
    /// Steps within a transaction; within another one, a savepoint.
    Transaction(&'static [Step], End),
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    Commit,
    Rollback,
    Drop,
}

/// In what a row may differ from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum But {
    /// The path leads over what only the catalog knows: without its closure a read is stale.
    NeedsClosure,
    /// The steps undo what they did: no answer changes, and unless it is `Inexact` nothing is forgotten.
    Undone,
    /// The steps may forget everything: schema changes, and what is known only when it runs.
    Inexact,
    /// After the steps the executor caches nothing any more, since they changed the session.
    EndsCaching,
    /// With this setup nothing need be cached, not even the table that no row names.
    CachesNothing,
    /// The columns of a statement change: connections forget what they prepared, which a pool alone would not.
    PreparesAnew,
    /// The steps need one and the same connection.
    OneConnection,
    /// The database is asked what can't be seen.
    Asks,
}

impl Case {
    pub fn is(&self, but: But) -> bool {
        self.but.contains(&but)
    }
}

/// A table, what reads it, and its kin.
pub const T: &str = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO t VALUES (1, 'one'), (2, 'two');";
pub const READ_T: &str = "SELECT id, v FROM t ORDER BY id";
pub const U: &str = "CREATE TABLE u (id INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO u VALUES (2, 'zwei'), (3, 'drei');";
pub const READ_U: &str = "SELECT id, v FROM u ORDER BY id";

/// Where triggers and their kin write.
pub const JOURNAL: &str = "CREATE TABLE journal (id INT, v VARCHAR(40)); INSERT INTO journal VALUES (0, 'nothing');";
pub const READ_JOURNAL: &str = "SELECT id, v FROM journal ORDER BY id, v";
pub const ARCHIVE: &str = "CREATE TABLE archive (id INT, v VARCHAR(40)); INSERT INTO archive VALUES (0, 'nothing');";
pub const READ_ARCHIVE: &str = "SELECT id, v FROM archive ORDER BY id, v";

/// A parent; and the children, once a row has made their table.
pub const PARENT: &str = "CREATE TABLE parent (id INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO parent VALUES (1, 'one'), (2, 'two');";
pub const READ_PARENT: &str = "SELECT id, v FROM parent ORDER BY id";
pub const CHILDREN: &str = "INSERT INTO child VALUES (11, 1), (12, 2);";
pub const READ_CHILD: &str = "SELECT id, parent_id FROM child ORDER BY id";

/// Rows, as data: each becomes a test, and all of them the list `CASES`.
macro_rules! cases {
    ($($name:ident { $($field:ident: $value:expr,)+ })+) => {
        /// Every row of this file by its name.
        #[allow(clippy::needless_update, reason = "a row may name every field")]
        pub const CASES: &[(&str, $crate::write_paths::case::Case)] = &[$((
            stringify!($name),
            $crate::write_paths::case::Case { $($field: &$value,)+ ..$crate::write_paths::case::CASE },
        )),+];
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::run::check(CASES, stringify!($name)).await;
            }
        )+
    };
}

pub(super) use cases;
