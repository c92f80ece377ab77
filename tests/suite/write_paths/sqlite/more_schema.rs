//! Schema changes, as SQLite has them.

use crate::write_paths::case::But::{Inexact, PreparesAnew, Undone};
use crate::write_paths::case::End::{Commit, Rollback};
use crate::write_paths::case::Step::{Fill, Raw, Run, Transaction};
use crate::write_paths::case::{READ_T, READ_U, T, U, cases};

cases! {
    in_a_transaction {
        setup: [T, U],
        reads: ["SELECT * FROM t ORDER BY id"],
        bystanders: [READ_U],
        steps: [Transaction(&[Run("ALTER TABLE t ADD COLUMN w TEXT DEFAULT 'new'")], Commit), Fill, Run("DELETE FROM t WHERE id = 1")],
        but: [PreparesAnew],
    }
    rolled_back {
        setup: [T],
        reads: [READ_T],
        steps: [Transaction(&[Run("DROP TABLE t")], Rollback)],
        but: [Undone, Inexact],
    }
    /* The long way to change a table, which the manual recommends. */
    made_anew_and_renamed {
        setup: [T],
        reads: ["SELECT v FROM t ORDER BY id", "SELECT COUNT(*) FROM t"],
        steps: [Transaction(&[
            Run("CREATE TABLE fresh (id INT PRIMARY KEY, v TEXT NOT NULL)"),
            Run("INSERT INTO fresh SELECT id, v || '!' FROM t WHERE id > 1"),
            Run("DROP TABLE t"),
            Run("ALTER TABLE fresh RENAME TO t"),
        ], Commit)],
        but: [Inexact],
    }
    several_changes_at_once {
        setup: [T, U],
        reads: [READ_T, READ_U],
        steps: [Raw("DELETE FROM t WHERE id = 1; ALTER TABLE u RENAME TO gone; CREATE TABLE u (id INT, v TEXT)")],
        but: [Inexact],
    }
    a_generated_column_that_is_virtual {
        setup: ["
            CREATE TABLE priced (id INT PRIMARY KEY, n INT, twice INT GENERATED ALWAYS AS (n * 2) VIRTUAL);
            INSERT INTO priced (id, n) VALUES (1, 10), (2, 20);"],
        reads: ["SELECT id, twice FROM priced ORDER BY id"],
        steps: [Run("UPDATE priced SET n = 11 WHERE id = 1")],
    }
    a_generated_column_added_and_written {
        setup: ["CREATE TABLE priced (id INT PRIMARY KEY, n INT); INSERT INTO priced (id, n) VALUES (1, 10), (2, 20);", U],
        reads: ["SELECT * FROM priced ORDER BY id"],
        bystanders: [READ_U],
        steps: [
            Run("ALTER TABLE priced ADD COLUMN twice INT GENERATED ALWAYS AS (n * 2) VIRTUAL"),
            Fill,
            Run("UPDATE priced SET n = 11 WHERE id = 1"),
        ],
        but: [PreparesAnew],
    }
}
