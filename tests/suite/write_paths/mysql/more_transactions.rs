//! What MariaDB commits by itself, and what it can't undo.

use crate::write_paths::case::But::{EndsCaching, Inexact, NeedsClosure};
use crate::write_paths::case::End::{Commit, Drop, Rollback};
use crate::write_paths::case::Step::{Fetch, Raw, Run, Transaction};
use crate::write_paths::case::{READ_T, READ_U, Step, T, U, cases};

const WRITE_T: Step = Run("UPDATE t SET v = 'TWO' WHERE id = 2");
const MYISAM: &str = "CREATE TABLE m (id INT PRIMARY KEY, v VARCHAR(40)) ENGINE = MyISAM; INSERT INTO m VALUES (1, 'one');";
const ARIA: &str = "CREATE TABLE m (id INT PRIMARY KEY, v VARCHAR(40)) ENGINE = Aria; INSERT INTO m VALUES (1, 'one');";
const READ_M: &str = "SELECT id, v FROM m ORDER BY id";
const WRITE_M: Step = Run("INSERT INTO m VALUES (2, 'two')");

cases! {
    a_schema_change_commits_what_was_before {
        setup: [T],
        reads: [READ_T],
        steps: [Transaction(&[WRITE_T, Run("CREATE TABLE made (id INT)")], Rollback)],
        but: [Inexact],
    }
    a_schema_change_and_what_is_after_it {
        setup: [T],
        reads: [READ_T],
        steps: [Transaction(&[Run("CREATE TABLE made (id INT)"), WRITE_T], Drop)],
        but: [Inexact],
    }
    a_truncate_commits_what_was_before {
        setup: [T, U],
        reads: [READ_T, READ_U],
        steps: [Transaction(&[WRITE_T, Run("TRUNCATE TABLE u")], Rollback)],
        but: [Inexact],
    }
    a_second_beginning_commits_what_was_before {
        setup: [T],
        reads: [READ_T],
        steps: [Transaction(&[WRITE_T, Raw("START TRANSACTION")], Rollback)],
        but: [Inexact, EndsCaching],
    }
    myisam_rolled_back {
        setup: [T, MYISAM],
        reads: [READ_M],
        steps: [Transaction(&[WRITE_T, WRITE_M], Rollback)],
        but: [Inexact],
    }
    myisam_dropped {
        setup: [T, MYISAM],
        reads: [READ_M],
        steps: [Transaction(&[WRITE_M], Drop)],
        but: [Inexact],
    }
    myisam_written_by_a_function_that_a_select_calls {
        setup: [T, MYISAM, "
            CREATE FUNCTION add_it() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO m VALUES (2, 'two'); RETURN 1; END;"],
        reads: [READ_M],
        steps: [Transaction(&[Fetch("SELECT add_it() FROM t LIMIT 1")], Drop)],
        but: [Inexact],
    }
    myisam_in_a_savepoint_rolled_back {
        setup: [T, MYISAM],
        reads: [READ_M],
        steps: [Transaction(&[Transaction(&[WRITE_M], Rollback)], Rollback)],
        but: [Inexact],
    }
    myisam_committed {
        setup: [T, MYISAM, U],
        reads: [READ_M],
        bystanders: [READ_T, READ_U],
        steps: [Transaction(&[WRITE_M], Commit)],
    }
    myisam_without_a_transaction {
        setup: [T, MYISAM, U],
        reads: [READ_M],
        bystanders: [READ_T, READ_U],
        steps: [WRITE_M],
    }
    aria_rolled_back {
        setup: [T, ARIA],
        reads: [READ_M],
        steps: [Transaction(&[WRITE_M], Rollback)],
        but: [Inexact],
    }
    a_trigger_on_myisam_rolled_back {
        setup: [T, MYISAM, "CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW INSERT INTO m VALUES (NEW.id, NEW.v)"],
        reads: [READ_M],
        steps: [Transaction(&[Run("INSERT INTO t VALUES (3, 'three')")], Rollback)],
        but: [Inexact, NeedsClosure],
    }
    a_transaction_as_text {
        setup: [T],
        reads: [READ_T],
        steps: [Raw("START TRANSACTION; UPDATE t SET v = 'TWO' WHERE id = 2; COMMIT")],
        but: [Inexact, EndsCaching],
    }
    a_savepoint_as_text {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Transaction(&[Raw("SAVEPOINT one"), WRITE_T, Raw("RELEASE SAVEPOINT one")], Commit)],
    }
}
