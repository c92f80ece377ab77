//! Foreign keys, as SQLite follows them.

use crate::write_paths::case::But::{Inexact, NeedsClosure};
use crate::write_paths::case::Step::{Fill, Run};
use crate::write_paths::case::{CHILDREN, JOURNAL, PARENT, READ_CHILD, READ_JOURNAL, READ_PARENT, cases};

const CASCADE: &str = "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent (id) ON DELETE CASCADE);";

cases! {
    on_delete_set_default {
        setup: [PARENT, "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT DEFAULT 2 REFERENCES parent (id) ON DELETE SET DEFAULT);", CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    insert_or_replace {
        setup: [PARENT, CASCADE, CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("INSERT OR REPLACE INTO parent VALUES (1, 'ONE')")],
        but: [NeedsClosure],
    }
    replace {
        setup: [PARENT, CASCADE, CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("REPLACE INTO parent VALUES (1, 'ONE')")],
        but: [NeedsClosure],
    }
    update_or_replace {
        setup: [PARENT, CASCADE, CHILDREN, "DELETE FROM child WHERE id = 12;"],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("UPDATE OR REPLACE parent SET id = 1 WHERE id = 2")],
        but: [NeedsClosure],
    }
    a_table_whose_own_key_replaces {
        setup: ["
            CREATE TABLE parent (id INT PRIMARY KEY ON CONFLICT REPLACE, v TEXT);
            INSERT INTO parent VALUES (1, 'one'), (2, 'two');", CASCADE, CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("INSERT INTO parent VALUES (1, 'ONE')")],
        but: [NeedsClosure],
    }
    a_table_whose_own_constraint_replaces_at_an_update {
        setup: ["
            CREATE TABLE parent (id INT PRIMARY KEY, v TEXT UNIQUE ON CONFLICT REPLACE);
            INSERT INTO parent VALUES (1, 'one'), (2, 'two');", CASCADE, CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("UPDATE parent SET v = 'one' WHERE id = 2")],
        but: [NeedsClosure],
    }
    a_trigger_of_the_child {
        setup: [PARENT, CASCADE, CHILDREN, JOURNAL, "
            CREATE TRIGGER noted AFTER DELETE ON child BEGIN INSERT INTO journal VALUES (OLD.id, 'deleted'); END;"],
        reads: [READ_PARENT, READ_CHILD, READ_JOURNAL],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_trigger_of_a_child_that_is_set_null {
        setup: [PARENT, "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent (id) ON DELETE SET NULL);", CHILDREN, JOURNAL, "
            CREATE TRIGGER noted AFTER UPDATE ON child BEGIN INSERT INTO journal VALUES (OLD.id, 'updated'); END;"],
        reads: [READ_PARENT, READ_CHILD, READ_JOURNAL],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_parent_in_other_capitals {
        setup: [PARENT, "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES \"PaRent\" (id) ON DELETE CASCADE);", CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("DELETE FROM PARENT WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_parent_that_is_made_later {
        setup: [CASCADE, "PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (11, 1), (12, 2); PRAGMA foreign_keys = ON;"],
        reads: [READ_CHILD],
        also: [READ_PARENT],
        steps: [
            Run("CREATE TABLE parent (id INT PRIMARY KEY, v TEXT)"),
            Run("INSERT INTO parent VALUES (1, 'one'), (2, 'two')"),
            Fill,
            Run("DELETE FROM parent WHERE id = 1"),
        ],
        but: [NeedsClosure],
    }
    dropping_a_parent_deletes_from_it {
        setup: [PARENT, CASCADE, CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("DROP TABLE parent")],
        but: [Inexact],
    }
}
