//! Procedures, functions and blocks that write, and functions that read.

use crate::write_paths::case::But::{EndsCaching, Inexact};
use crate::write_paths::case::Step::{Fetch, One, Raw, Run, Transaction};
use crate::write_paths::case::{End, READ_T, T, cases};

const CHANGE: &str = "
    CREATE FUNCTION change_it(who INT) RETURNS INT MODIFIES SQL DATA
    BEGIN UPDATE t SET v = 'changed' WHERE id = who; RETURN who; END;";
const HELD: &str = "CREATE FUNCTION held() RETURNS INT DETERMINISTIC READS SQL DATA RETURN (SELECT COUNT(*) FROM t);";

cases! {
    a_procedure {
        setup: [T, "CREATE PROCEDURE change_it() UPDATE t SET v = 'TWO' WHERE id = 2"],
        reads: [READ_T],
        steps: [Run("CALL change_it()")],
        but: [Inexact],
    }
    a_procedure_with_dynamic_sql {
        setup: [T, "CREATE PROCEDURE change_it(what TEXT) BEGIN EXECUTE IMMEDIATE CONCAT('DELETE FROM ', what); END;"],
        reads: [READ_T],
        steps: [Run("CALL change_it('t')")],
        but: [Inexact],
    }
    a_procedure_that_prepares {
        setup: [T, "CREATE PROCEDURE change_it() BEGIN PREPARE change_it FROM 'DELETE FROM t'; EXECUTE change_it; DEALLOCATE PREPARE change_it; END;"],
        reads: [READ_T],
        steps: [Run("CALL change_it()")],
        but: [Inexact],
    }
    a_procedure_of_a_procedure {
        setup: [T, "
            CREATE PROCEDURE change_it() UPDATE t SET v = 'TWO' WHERE id = 2;
            CREATE PROCEDURE outer_change() CALL change_it();"],
        reads: [READ_T],
        steps: [Run("CALL outer_change()")],
        but: [Inexact],
    }
    a_procedure_in_a_transaction {
        setup: [T, "CREATE PROCEDURE change_it() UPDATE t SET v = 'TWO' WHERE id = 2"],
        reads: [READ_T],
        steps: [Transaction(&[Run("CALL change_it()")], End::Commit)],
        but: [Inexact],
    }
    a_procedure_that_commits_in_a_transaction_rolled_back {
        setup: [T, "CREATE PROCEDURE change_it() BEGIN UPDATE t SET v = 'TWO' WHERE id = 2; COMMIT; END;"],
        reads: [READ_T],
        steps: [Transaction(&[Run("CALL change_it()")], End::Rollback)],
        but: [Inexact],
    }
    a_procedure_that_returns_rows_and_writes {
        setup: [T, "CREATE PROCEDURE change_it() BEGIN SELECT id FROM t; UPDATE t SET v = 'TWO' WHERE id = 2; END;"],
        reads: [READ_T],
        steps: [One("CALL change_it()")],
        but: [Inexact],
    }
    a_function {
        setup: [T, CHANGE],
        reads: [READ_T],
        steps: [Fetch("SELECT change_it(2)")],
        but: [Inexact],
    }
    a_function_in_where {
        setup: [T, CHANGE],
        reads: [READ_T],
        steps: [One("SELECT id FROM unrelated WHERE change_it(id + 1) > 0")],
        but: [Inexact],
    }
    a_function_in_do {
        setup: [T, CHANGE],
        reads: [READ_T],
        steps: [Run("DO change_it(2)")],
    }
    a_function_in_set {
        setup: [T, CHANGE],
        reads: [READ_T],
        steps: [Raw("SET @x = change_it(2)")],
        but: [Inexact, EndsCaching],
    }
    a_function_within_another_statement {
        setup: [T, CHANGE, "CREATE TABLE sink (n INT);"],
        reads: [READ_T],
        steps: [Run("INSERT INTO sink VALUES (change_it(2))")],
        but: [Inexact],
    }
    a_function_behind_a_view {
        setup: [T, CHANGE, "CREATE VIEW changing AS SELECT change_it(2) AS c;"],
        reads: [READ_T],
        steps: [Fetch("SELECT c FROM changing")],
        but: [Inexact],
    }
    a_block {
        setup: [T],
        reads: [READ_T],
        steps: [Raw("BEGIN NOT ATOMIC UPDATE t SET v = 'TWO' WHERE id = 2; END")],
        but: [Inexact, EndsCaching],
    }
    a_function_that_reads {
        setup: [T, HELD],
        also: ["SELECT held()", "SELECT id, held() FROM unrelated", "SELECT id FROM unrelated WHERE held() > 2"],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
    }
    a_function_that_reads_behind_a_view {
        setup: [T, HELD, "CREATE VIEW holding AS SELECT id, held() AS n FROM unrelated;"],
        also: ["SELECT id, n FROM holding"],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
    }
}
