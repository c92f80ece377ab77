//! Statements that the parser does not know, explained by the database: what it would write is forgotten, and nothing else.

use crate::write_paths::case::But::{Asks, Inexact};
use crate::write_paths::case::Step::Run;
use crate::write_paths::case::{CHILDREN, JOURNAL, PARENT, READ_CHILD, READ_JOURNAL, READ_PARENT, READ_T, READ_U, T, U, cases};

const CHILD: &str = "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent ON DELETE CASCADE);";

cases! {
    a_delete {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM t NOT INDEXED WHERE id = 1")],
        but: [Asks],
    }
    a_delete_that_is_not_asked_for {
        setup: [T, U],
        reads: [READ_T],
        steps: [Run("DELETE FROM t NOT INDEXED WHERE id = 1")],
        but: [Inexact],
    }
    a_cascade {
        setup: [PARENT, CHILD, CHILDREN, U],
        reads: [READ_PARENT, READ_CHILD],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM parent NOT INDEXED WHERE id = 1")],
        but: [Asks],
    }
    a_trigger {
        setup: [T, U, JOURNAL, "CREATE TRIGGER noted AFTER UPDATE ON t BEGIN INSERT INTO journal VALUES (NEW.id, NEW.v); END;"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("UPDATE t NOT INDEXED SET v = 'changed' WHERE id = 1")],
        but: [Asks],
    }
    a_counter {
        setup: [U, "CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT); INSERT INTO counted (v) VALUES ('one');"],
        reads: ["SELECT id, v FROM counted ORDER BY id"],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO counted (v) SELECT 'two' FROM u NOT INDEXED WHERE id = 2")],
        but: [Asks],
    }
}
