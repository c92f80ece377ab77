//! What is committed is seen by all, and what is undone by nobody.

use super::{FUNCTIONS, NOTE_INSERTS};
use crate::write_paths::case::But::{Inexact, NeedsClosure, Undone};
use crate::write_paths::case::End::{Commit, Drop, Rollback};
use crate::write_paths::case::Step::{Fetch, One, Run, Transaction};
use crate::write_paths::case::{JOURNAL, READ_JOURNAL, READ_T, READ_U, Step, T, U, cases};

const WRITE_T: Step = Run("UPDATE t SET v = 'TWO' WHERE id = 2");
const WRITE_U: Step = Run("DELETE FROM u WHERE id = 2");

cases! {
    committed {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Transaction(&[WRITE_T], Commit)],
    }
    several_tables_committed {
        setup: [T, U],
        reads: [READ_T, READ_U],
        steps: [Transaction(&[WRITE_T, Fetch("SELECT id FROM t"), WRITE_U], Commit)],
    }
    rolled_back {
        setup: [T, U],
        reads: [READ_T, READ_U],
        steps: [Transaction(&[WRITE_T, WRITE_U], Rollback)],
        but: [Undone],
    }
    dropped {
        setup: [T, U],
        reads: [READ_T, READ_U],
        steps: [Transaction(&[WRITE_T, WRITE_U], Drop)],
        but: [Undone],
    }
    rolled_back_and_then_committed {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Transaction(&[WRITE_U], Rollback), Transaction(&[WRITE_T], Commit)],
    }
    a_released_savepoint {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Transaction(&[Transaction(&[WRITE_T], Commit)], Commit)],
    }
    a_savepoint_in_a_savepoint {
        setup: [T, U],
        reads: [READ_T, READ_U],
        steps: [Transaction(&[Transaction(&[WRITE_U, Transaction(&[WRITE_T], Commit)], Commit)], Commit)],
    }
    a_savepoint_rolled_back {
        setup: [T, U],
        reads: [READ_T],
        steps: [Transaction(&[WRITE_T, Transaction(&[WRITE_U], Rollback)], Commit)],
    }
    a_savepoint_dropped {
        setup: [T, U],
        reads: [READ_T],
        steps: [Transaction(&[Transaction(&[WRITE_U], Drop), WRITE_T], Commit)],
    }
    only_what_a_savepoint_undid {
        setup: [T, U],
        reads: [READ_T],
        steps: [Transaction(&[Transaction(&[WRITE_T], Rollback)], Commit)],
        but: [Undone, Inexact],
    }
    a_released_savepoint_rolled_back_with_its_transaction {
        setup: [T, U],
        reads: [READ_T, READ_U],
        steps: [Transaction(&[WRITE_U, Transaction(&[WRITE_T], Commit)], Rollback)],
        but: [Undone],
    }
    returning_rows {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Transaction(&[One("INSERT INTO t VALUES (3, 'three'), (4, 'four') RETURNING id")], Commit)],
    }
    a_trigger_committed {
        setup: [T, JOURNAL, U, FUNCTIONS, NOTE_INSERTS],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Transaction(&[Run("INSERT INTO t VALUES (3, 'three')")], Commit)],
        but: [NeedsClosure],
    }
    a_trigger_rolled_back {
        setup: [T, JOURNAL, FUNCTIONS, NOTE_INSERTS],
        reads: [READ_T, READ_JOURNAL],
        steps: [Transaction(&[Run("INSERT INTO t VALUES (3, 'three')")], Rollback)],
        but: [Undone],
    }
}
