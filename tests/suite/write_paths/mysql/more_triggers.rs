//! Triggers and keys, as MariaDB has them.

use super::NOTE_INSERTS;
use crate::write_paths::case::But::{Inexact, NeedsClosure};
use crate::write_paths::case::Step::{Fails, Fill, Run};
use crate::write_paths::case::{CHILDREN, JOURNAL, PARENT, READ_CHILD, READ_JOURNAL, READ_PARENT, READ_T, READ_U, T, U, cases};

const WRITE: crate::write_paths::case::Step = Run("INSERT INTO t VALUES (3, 'three')");
const CASCADE: &str =
    "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT, FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE);";

cases! {
    before {
        setup: [T, JOURNAL, U, "CREATE TRIGGER noted BEFORE INSERT ON t FOR EACH ROW INSERT INTO journal VALUES (NEW.id, NEW.v)"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    a_block_of_statements {
        setup: [T, JOURNAL, U, "
            CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW
            BEGIN
                IF NEW.id > 2 THEN UPDATE u SET v = NEW.v WHERE id = NEW.id; END IF;
                DELETE FROM journal;
            END;"],
        reads: [READ_T, READ_U, READ_JOURNAL],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    an_upsert_that_updates {
        setup: [T, JOURNAL, U, super::NOTE_UPDATES],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t VALUES (1, 'ONE') ON DUPLICATE KEY UPDATE v = VALUES(v)")],
        but: [NeedsClosure],
    }
    a_replace_that_deletes {
        setup: [T, JOURNAL, U, super::NOTE_DELETES],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("REPLACE INTO t VALUES (1, 'ONE')")],
        but: [NeedsClosure],
    }
    an_update_of_two_tables {
        setup: [T, JOURNAL, U, super::NOTE_UPDATES],
        reads: [READ_T, READ_U, READ_JOURNAL],
        steps: [Run("UPDATE u, t SET t.v = 'both', u.v = 'beide' WHERE t.id = u.id")],
        but: [Inexact],
    }
    a_delete_from_a_join {
        setup: [T, JOURNAL, U, super::NOTE_DELETES],
        reads: [READ_T, READ_JOURNAL],
        steps: [Run("DELETE t FROM u JOIN t ON u.id = t.id")],
        but: [NeedsClosure],
    }
    that_calls_a_procedure {
        setup: [T, JOURNAL, "
            CREATE PROCEDURE record_it(a INT, b TEXT) INSERT INTO journal VALUES (a, b);
            CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW CALL record_it(NEW.id, NEW.v);"],
        reads: [READ_T, READ_JOURNAL],
        steps: [WRITE],
        but: [NeedsClosure, Inexact],
    }
    that_calls_a_function {
        setup: [T, JOURNAL, "
            CREATE FUNCTION record_it(a INT) RETURNS INT BEGIN INSERT INTO journal VALUES (a, 'recorded'); RETURN a; END;
            CREATE TRIGGER noted BEFORE INSERT ON t FOR EACH ROW SET NEW.id = record_it(NEW.id);"],
        reads: [READ_T, READ_JOURNAL],
        steps: [WRITE],
        but: [NeedsClosure, Inexact],
    }
    a_procedure_of_a_trigger_replaced {
        setup: [T, JOURNAL, U, "
            CREATE PROCEDURE record_it(a INT, b TEXT) INSERT INTO journal VALUES (a, b);
            CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW CALL record_it(NEW.id, NEW.v);"],
        reads: [READ_T, READ_U],
        steps: [Run("CREATE OR REPLACE PROCEDURE record_it(a INT, b TEXT) INSERT INTO u VALUES (a + 10, b)"), Fill, WRITE],
        but: [NeedsClosure, Inexact],
    }
    replaced_through_the_executor {
        setup: [T, JOURNAL, U, NOTE_INSERTS],
        reads: [READ_T, READ_U],
        steps: [Run("CREATE OR REPLACE TRIGGER noted AFTER INSERT ON t FOR EACH ROW INSERT INTO u VALUES (NEW.id + 10, NEW.v)"), Fill, WRITE],
        but: [NeedsClosure],
    }
    /* The statement is undone, but what its trigger wrote to a table without transactions is not. */
    a_failure_after_a_trigger_without_transactions {
        setup: [T, "CREATE TABLE journal (id INT, v VARCHAR(40)) ENGINE = MyISAM;", NOTE_INSERTS],
        reads: [READ_JOURNAL],
        steps: [Fails("INSERT INTO t VALUES (3, 'three'), (1, 'again')")],
        but: [NeedsClosure],
    }
    /* Keys don't fire the triggers of children here. */
    a_key_fires_no_trigger {
        setup: [PARENT, CASCADE, CHILDREN, JOURNAL, "
            CREATE TRIGGER noted AFTER DELETE ON child FOR EACH ROW INSERT INTO journal VALUES (OLD.id, 'deleted')"],
        reads: [READ_PARENT, READ_CHILD],
        bystanders: [READ_JOURNAL],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_key_added_through_the_executor {
        setup: [PARENT, "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT);", CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [
            Run("ALTER TABLE child ADD CONSTRAINT follows FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE"),
            Fill,
            Run("DELETE FROM parent WHERE id = 1"),
        ],
        but: [NeedsClosure],
    }
    a_key_through_a_delete_from_a_join {
        setup: [PARENT, CASCADE, CHILDREN, U],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("DELETE parent FROM u JOIN parent ON u.id = parent.id")],
        but: [NeedsClosure],
    }
    a_trigger_that_fires_a_key {
        setup: [T, PARENT, CASCADE, CHILDREN, "CREATE TRIGGER noted AFTER DELETE ON t FOR EACH ROW DELETE FROM parent WHERE id = OLD.id"],
        reads: [READ_T, READ_PARENT, READ_CHILD],
        steps: [Run("DELETE FROM t WHERE id = 1")],
        but: [NeedsClosure],
    }
}
