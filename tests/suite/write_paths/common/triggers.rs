//! Triggers that every database has: on single rows, after the fact.

use super::{DROP_TRIGGER, FUNCTIONS, NOTE_DELETES, NOTE_INSERTS, NOTE_UPDATES, PASS_ON};
use crate::write_paths::case::But::{Inexact, NeedsClosure};
use crate::write_paths::case::Step::{Fill, One, Run};
use crate::write_paths::case::{ARCHIVE, JOURNAL, READ_ARCHIVE, READ_JOURNAL, READ_T, READ_U, T, U, cases};

cases! {
    after_insert {
        setup: [T, JOURNAL, U, FUNCTIONS, NOTE_INSERTS],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    after_update {
        setup: [T, JOURNAL, U, FUNCTIONS, NOTE_UPDATES],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("UPDATE t SET v = 'TWO' WHERE id = 2")],
        but: [NeedsClosure],
    }
    after_delete {
        setup: [T, JOURNAL, U, FUNCTIONS, NOTE_DELETES],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM t WHERE id = 2")],
        but: [NeedsClosure],
    }
    returning_rows {
        setup: [T, JOURNAL, U, FUNCTIONS, NOTE_INSERTS],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [One("INSERT INTO t VALUES (3, 'three') RETURNING id")],
        but: [NeedsClosure],
    }
    insert_from_a_select {
        setup: [T, JOURNAL, U, FUNCTIONS, NOTE_INSERTS],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t SELECT id, v FROM u WHERE id = 3")],
        but: [NeedsClosure],
    }
    a_trigger_of_a_trigger {
        setup: [T, JOURNAL, ARCHIVE, U, FUNCTIONS, NOTE_INSERTS, PASS_ON],
        reads: [READ_T, READ_JOURNAL, READ_ARCHIVE],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    the_second_trigger_alone {
        setup: [T, JOURNAL, ARCHIVE, FUNCTIONS, NOTE_INSERTS, PASS_ON],
        reads: [READ_JOURNAL, READ_ARCHIVE],
        bystanders: [READ_T],
        steps: [Run("INSERT INTO journal VALUES (9, 'nine')")],
        but: [NeedsClosure],
    }
    another_event {
        setup: [T, JOURNAL, FUNCTIONS, NOTE_INSERTS],
        reads: [READ_T],
        bystanders: [READ_JOURNAL],
        steps: [Run("DELETE FROM t WHERE id = 2"), Run("UPDATE t SET v = 'ONE' WHERE id = 1")],
    }
    the_target_written {
        setup: [T, JOURNAL, FUNCTIONS, NOTE_INSERTS],
        reads: [READ_JOURNAL],
        bystanders: [READ_T],
        steps: [Run("DELETE FROM journal")],
    }
    created_through_the_executor {
        setup: [T, JOURNAL, FUNCTIONS],
        reads: [READ_T, READ_JOURNAL],
        steps: [Run(NOTE_INSERTS), Fill, Run("INSERT INTO t VALUES (3, 'three')")],
        but: [NeedsClosure, Inexact],
    }
    created_through_the_executor_bystanders {
        setup: [T, JOURNAL, U, FUNCTIONS],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run(NOTE_INSERTS), Fill, Run("INSERT INTO t VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    dropped_through_the_executor {
        setup: [T, JOURNAL, U, FUNCTIONS, NOTE_INSERTS],
        reads: [READ_T],
        bystanders: [READ_U, READ_JOURNAL],
        steps: [Run(DROP_TRIGGER), Fill, Run("INSERT INTO t VALUES (3, 'three')")],
    }
}
