//! Triggers, as only SQLite has them.

use super::NOTE_INSERTS;
use crate::write_paths::case::But::NeedsClosure;
use crate::write_paths::case::Step::{Fails, Fill, Run};
use crate::write_paths::case::{ARCHIVE, JOURNAL, READ_ARCHIVE, READ_JOURNAL, READ_T, READ_U, T, U, cases};

const WRITE: crate::write_paths::case::Step = Run("INSERT INTO t VALUES (3, 'three')");
const SEEN: &str = "CREATE VIEW seen AS SELECT id, v FROM t WHERE id > 1;";
const READ_SEEN: &str = "SELECT id, v FROM seen ORDER BY id";

cases! {
    instead_of_an_insert {
        setup: [T, U, JOURNAL, SEEN, "
            CREATE TRIGGER diverted INSTEAD OF INSERT ON seen
            BEGIN INSERT INTO t VALUES (NEW.id, NEW.v); INSERT INTO journal VALUES (NEW.id, 'through the view'); END;"],
        reads: [READ_T, READ_SEEN, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO seen VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    instead_of_a_delete {
        setup: [T, U, JOURNAL, SEEN, "CREATE TRIGGER diverted INSTEAD OF DELETE ON seen BEGIN UPDATE journal SET v = OLD.v; END;"],
        reads: [READ_JOURNAL],
        bystanders: [READ_U, READ_T, READ_SEEN],
        steps: [Run("DELETE FROM seen WHERE id = 2")],
        but: [NeedsClosure],
    }
    instead_of_and_a_trigger_of_the_base {
        setup: [T, U, JOURNAL, SEEN, NOTE_INSERTS, "CREATE TRIGGER diverted INSTEAD OF INSERT ON seen BEGIN INSERT INTO t VALUES (NEW.id, NEW.v); END;"],
        reads: [READ_T, READ_SEEN, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO seen VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    before {
        setup: [T, JOURNAL, U, "CREATE TRIGGER noted BEFORE DELETE ON t WHEN OLD.id > 1 BEGIN INSERT INTO journal VALUES (OLD.id, OLD.v); END;"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM t")],
        but: [NeedsClosure],
    }
    of_a_column {
        setup: [T, JOURNAL, U, "CREATE TRIGGER noted AFTER UPDATE OF v ON t BEGIN INSERT INTO journal VALUES (NEW.id, NEW.v); END;"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("UPDATE t SET v = 'TWO' WHERE id = 2")],
        but: [NeedsClosure],
    }
    several_statements {
        setup: [T, U, JOURNAL, ARCHIVE, "
            CREATE TRIGGER noted AFTER INSERT ON t
            BEGIN
                SELECT id FROM u;
                UPDATE journal SET v = NEW.v;
                DELETE FROM archive;
                INSERT OR REPLACE INTO u SELECT id + 10, v FROM t WHERE id = NEW.id;
            END;"],
        reads: [READ_T, READ_U, READ_JOURNAL, READ_ARCHIVE],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    without_the_word_after {
        setup: [T, JOURNAL, U, "CREATE TRIGGER [no'ted] DELETE ON T BEGIN INSERT INTO \"JOURNAL\" VALUES (OLD.id, OLD.v); END;"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM t WHERE id = 2")],
        but: [NeedsClosure],
    }
    /* The row that fails is undone, the rows before it are not. */
    a_failure_that_keeps_what_was_before {
        setup: [T, JOURNAL, NOTE_INSERTS],
        reads: [READ_T, READ_JOURNAL],
        steps: [Fails("INSERT OR FAIL INTO t VALUES (3, 'three'), (3, 'again')")],
        but: [NeedsClosure],
    }
    the_target_renamed {
        setup: [T, U, JOURNAL, NOTE_INSERTS],
        reads: [READ_T],
        also: ["SELECT id, v FROM renamed ORDER BY id, v"],
        bystanders: [READ_U],
        steps: [Run("ALTER TABLE journal RENAME TO renamed"), Fill, WRITE],
        but: [NeedsClosure],
    }
    the_table_renamed {
        setup: [T, U, JOURNAL, NOTE_INSERTS],
        reads: [READ_JOURNAL],
        also: ["SELECT id, v FROM renamed ORDER BY id"],
        bystanders: [READ_U],
        steps: [Run("ALTER TABLE t RENAME TO renamed"), Fill, Run("INSERT INTO renamed VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
}
