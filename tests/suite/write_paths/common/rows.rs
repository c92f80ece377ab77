//! Rows in, rows changed, rows out.

use crate::write_paths::case::Step::{Fetch, One, Raw, Run};
use crate::write_paths::case::{READ_T, READ_U, T, U, cases};

cases! {
    insert {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
    }
    update {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("UPDATE t SET v = 'TWO' WHERE id = 2")],
    }
    delete {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM t WHERE id = 2")],
    }
    delete_everything {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM t")],
    }
    insert_from_a_select {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t SELECT id, v FROM u WHERE id = 3")],
    }
    update_by_a_subquery {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("UPDATE t SET v = (SELECT u.v FROM u WHERE u.id = t.id) WHERE id IN (SELECT id FROM u)")],
    }
    delete_by_a_subquery {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id)")],
    }
    insert_returning {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [One("INSERT INTO t VALUES (3, 'three'), (4, 'four') RETURNING id, v")],
    }
    insert_returning_by_a_select {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Fetch("INSERT INTO t SELECT id, v FROM u WHERE id > 2 RETURNING id")],
    }
    delete_returning {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Fetch("DELETE FROM t WHERE id = 2 RETURNING id, v")],
    }
    behind_comments_and_odd_whitespace {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("/* SELECT 1; */ -- DELETE FROM u\n\r\n\t  INSERT/* INTO u */INTO\n\n t(id,v)VALUES(3,'three')\n -- the end")],
    }
    in_capitals_and_small_letters {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("uPdAtE t sEt v='TWO' wHeRe id=2;")],
    }
    sent_as_text {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Raw("UPDATE t SET v = 'TWO' WHERE id = 2")],
    }
    several_statements_at_once {
        setup: [T, U],
        reads: [READ_T, READ_U],
        steps: [Raw("UPDATE t SET v = 'TWO' WHERE id = 2; DELETE FROM u WHERE id = 2")],
    }
    a_write_behind_a_read {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Raw("SELECT id FROM u; UPDATE t SET v = 'TWO' WHERE id = 2;")],
    }
    /* However a statement reads the table. */
    every_kind_of_read {
        setup: [T, U],
        reads: [
            "SELECT COUNT(*) FROM t",
            "SELECT MAX(id) AS greatest FROM t",
            "SELECT t.id, u.v FROM t JOIN u ON u.id = t.id ORDER BY t.id",
            "SELECT u.id, t.v FROM u LEFT JOIN t ON t.id = u.id ORDER BY u.id",
            "SELECT u.id, t.v FROM u, t WHERE t.id = u.id ORDER BY u.id",
            "SELECT id FROM u WHERE id IN (SELECT id FROM t) ORDER BY id",
            "SELECT id FROM u WHERE EXISTS (SELECT 1 FROM t WHERE t.id = u.id) ORDER BY id",
            "SELECT id, (SELECT COUNT(*) FROM t) AS n FROM u ORDER BY id",
            "SELECT id FROM u ORDER BY (SELECT COUNT(*) FROM t WHERE t.id = 3 AND u.id = 3) DESC, id",
            "WITH picked AS (SELECT id, v FROM t) SELECT v FROM picked ORDER BY id",
            "SELECT d.id FROM (SELECT id FROM t UNION ALL SELECT id FROM u) d ORDER BY d.id",
            "SELECT v FROM t UNION SELECT v FROM u ORDER BY 1",
            "SELECT v, COUNT(*) AS n FROM u GROUP BY v HAVING COUNT(*) < (SELECT COUNT(*) - 1 FROM t) ORDER BY v",
        ],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
    }
}
