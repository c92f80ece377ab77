//! Schema changes: they may forget everything, and must forget what they change.

use crate::write_paths::case::But::{Inexact, PreparesAnew};
use crate::write_paths::case::Step::{Fill, Run};
use crate::write_paths::case::{READ_T, READ_U, T, U, cases};

cases! {
    names_swapped {
        setup: [T, U],
        reads: [READ_T, READ_U],
        steps: [Run("ALTER TABLE t RENAME TO swapping"), Run("ALTER TABLE u RENAME TO t"), Run("ALTER TABLE swapping RENAME TO u")],
        but: [Inexact, PreparesAnew],
    }
    names_swapped_and_one_written {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [
            Run("ALTER TABLE t RENAME TO swapping"),
            Run("ALTER TABLE u RENAME TO t"),
            Run("ALTER TABLE swapping RENAME TO u"),
            Fill,
            Run("UPDATE t SET v = 'both' WHERE id = 2"),
        ],
        but: [PreparesAnew],
    }
    dropped_and_created {
        setup: [T],
        reads: [READ_T],
        steps: [Run("DROP TABLE t"), Run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40))")],
        but: [Inexact, PreparesAnew],
    }
    dropped_created_and_written {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [
            Run("DROP TABLE t"),
            Run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40))"),
            Fill,
            Run("INSERT INTO t VALUES (7, 'seven')"),
        ],
        but: [PreparesAnew],
    }
    dropped {
        setup: [T],
        reads: [READ_T, "SELECT COUNT(*) FROM t"],
        steps: [Run("DROP TABLE t")],
        but: [Inexact],
    }
    a_column_added {
        setup: [T],
        reads: ["SELECT * FROM t ORDER BY id"],
        steps: [Run("ALTER TABLE t ADD COLUMN w VARCHAR(40) DEFAULT 'new'")],
        but: [Inexact, PreparesAnew],
    }
    a_column_added_and_written {
        setup: [T, U],
        reads: ["SELECT * FROM t ORDER BY id"],
        bystanders: [READ_U],
        steps: [Run("ALTER TABLE t ADD COLUMN w VARCHAR(40) DEFAULT 'new'"), Fill, Run("UPDATE t SET w = 'written'")],
        but: [PreparesAnew],
    }
    a_column_renamed {
        setup: [T],
        reads: ["SELECT * FROM t ORDER BY id", "SELECT id, v FROM t ORDER BY id"],
        steps: [Run("ALTER TABLE t RENAME COLUMN v TO w")],
        but: [Inexact, PreparesAnew],
    }
    a_column_dropped {
        setup: [T],
        reads: ["SELECT * FROM t ORDER BY id", "SELECT v FROM t ORDER BY id"],
        steps: [Run("ALTER TABLE t DROP COLUMN v")],
        but: [Inexact, PreparesAnew],
    }
    created_as_a_select {
        setup: [T],
        also: ["SELECT id, v FROM made ORDER BY id"],
        steps: [Run("CREATE TABLE made AS SELECT id, v FROM t")],
        but: [Inexact],
    }
    created_as_a_select_and_written {
        setup: [T, U],
        also: ["SELECT id, v FROM made ORDER BY id"],
        bystanders: [READ_T, READ_U],
        steps: [Run("CREATE TABLE made AS SELECT id, v FROM t"), Fill, Run("DELETE FROM made WHERE id = 1")],
    }
    a_generated_column_that_is_stored {
        setup: ["
            CREATE TABLE priced (id INT PRIMARY KEY, n INT, twice INT GENERATED ALWAYS AS (n * 2) STORED);
            INSERT INTO priced (id, n) VALUES (1, 10), (2, 20);"],
        reads: ["SELECT id, twice FROM priced ORDER BY id"],
        steps: [Run("UPDATE priced SET n = 11 WHERE id = 1")],
    }
}
