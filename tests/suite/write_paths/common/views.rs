//! Views over what is written.

use super::{REPLACED_VIEW, REPLACED_VIEW_AND_ITS_BASE_WRITTEN};
use crate::write_paths::case::But::{Inexact, NeedsClosure, PreparesAnew};
use crate::write_paths::case::Step::{Fill, Run, Transaction};
use crate::write_paths::case::{End, READ_T, READ_U, Step, T, U, cases};

const SEEN: &str = "CREATE VIEW seen AS SELECT id, v FROM t WHERE id > 1;";
const READ_SEEN: &str = "SELECT id, v FROM seen ORDER BY id";
const SEEN_TWICE: &str = "CREATE VIEW seen_twice AS SELECT id, v FROM seen WHERE id < 10;";
const READ_SEEN_TWICE: &str = "SELECT id, v FROM seen_twice ORDER BY id";
const JOINED: &str = "CREATE VIEW joined AS SELECT t.id, u.v FROM t JOIN u ON u.id = t.id;";
const READ_JOINED: &str = "SELECT id, v FROM joined ORDER BY id";
const WRITE: Step = Run("INSERT INTO t VALUES (3, 'three')");

cases! {
    the_base_written {
        setup: [T, U, SEEN],
        reads: [READ_T, READ_SEEN],
        bystanders: [READ_U],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    the_base_written_in_a_transaction {
        setup: [T, U, SEEN],
        reads: [READ_T, READ_SEEN],
        bystanders: [READ_U],
        steps: [Transaction(&[WRITE], End::Commit)],
        but: [NeedsClosure],
    }
    a_view_of_a_view {
        setup: [T, U, SEEN, SEEN_TWICE],
        reads: [READ_SEEN, READ_SEEN_TWICE],
        bystanders: [READ_U],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    one_table_of_a_join {
        setup: [T, U, SEEN, JOINED],
        reads: [READ_T, READ_JOINED],
        bystanders: [READ_U],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    the_other_table_of_a_join {
        setup: [T, U, SEEN, JOINED],
        reads: [READ_U, READ_JOINED],
        bystanders: [READ_T, READ_SEEN],
        steps: [Run("UPDATE u SET v = 'ZWEI' WHERE id = 2")],
        but: [NeedsClosure],
    }
    tables_in_subqueries {
        setup: [T, U, "CREATE VIEW counted AS SELECT id, (SELECT COUNT(*) FROM t) AS n FROM u WHERE id IN (SELECT id + 1 FROM t);"],
        reads: ["SELECT id, n FROM counted ORDER BY id"],
        bystanders: [READ_U],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    both_sides_of_a_union {
        setup: [T, U, "CREATE VIEW either AS SELECT v FROM t UNION ALL SELECT v FROM u;"],
        reads: ["SELECT v FROM either ORDER BY v"],
        steps: [Run("DELETE FROM u WHERE id = 3"), Fill, WRITE],
        but: [NeedsClosure],
    }
    a_view_in_a_join_and_a_subquery {
        setup: [T, U, SEEN],
        reads: [
            "SELECT u.id, seen.v FROM u JOIN seen ON seen.id = u.id ORDER BY u.id",
            "SELECT COUNT(*) FROM seen",
            "SELECT id FROM u WHERE id IN (SELECT id FROM seen) ORDER BY id",
        ],
        bystanders: [READ_U],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    replaced {
        setup: [T, U, SEEN, SEEN_TWICE],
        reads: [READ_SEEN, READ_SEEN_TWICE],
        steps: REPLACED_VIEW,
        but: [Inexact, PreparesAnew],
    }
    the_new_base_of_a_replaced_view_written {
        setup: [T, U, SEEN, SEEN_TWICE],
        reads: [READ_SEEN, READ_SEEN_TWICE],
        bystanders: [READ_T],
        steps: REPLACED_VIEW_AND_ITS_BASE_WRITTEN,
        but: [NeedsClosure, PreparesAnew],
    }
    dropped {
        setup: [T, SEEN],
        reads: [READ_SEEN],
        steps: [Run("DROP VIEW seen")],
        but: [Inexact],
    }
    created_and_then_the_base_written {
        setup: [T, U],
        reads: [READ_T],
        also: [READ_SEEN],
        bystanders: [READ_U],
        steps: [Run(SEEN), Fill, WRITE],
        but: [NeedsClosure],
    }
}
