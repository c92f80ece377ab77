//! Blocks, procedures and functions that write, and functions that read.

use crate::write_paths::case::But::{CachesNothing, Inexact, PreparesAnew};
use crate::write_paths::case::Step::{Fetch, One, Run, Transaction};
use crate::write_paths::case::{End, READ_T, T, cases};

const CHANGE: &str = "
    CREATE FUNCTION change(who INT) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET v = 'changed' WHERE id = who; RETURN who; END $$;";
const CHANGE_IN_SQL: &str = "
    CREATE FUNCTION change(who INT) RETURNS INT LANGUAGE sql AS $$ UPDATE t SET v = 'changed' WHERE id = who RETURNING id $$;";

cases! {
    a_block {
        setup: [T],
        reads: [READ_T],
        steps: [Run("DO $$ BEGIN UPDATE t SET v = 'TWO' WHERE id = 2; END $$")],
        but: [Inexact],
    }
    a_block_with_dynamic_sql {
        setup: [T],
        reads: [READ_T],
        steps: [Run("DO $$ BEGIN EXECUTE format('UP' || 'DATE %I SET v = %L WHERE id = 2', chr(116), 'TWO'); END $$")],
        but: [Inexact],
    }
    a_block_with_a_schema_change {
        setup: [T],
        reads: [READ_T],
        steps: [Run("DO $$ BEGIN EXECUTE 'ALTER TABLE t RENAME TO gone'; END $$")],
        but: [Inexact],
    }
    a_block_in_a_transaction {
        setup: [T],
        reads: [READ_T],
        steps: [Transaction(&[Run("DO $$ BEGIN DELETE FROM t; END $$")], End::Commit)],
        but: [Inexact],
    }
    a_procedure {
        setup: [T, "CREATE PROCEDURE change() LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET v = 'TWO' WHERE id = 2; END $$;"],
        reads: [READ_T],
        steps: [Run("CALL change()")],
        but: [Inexact],
    }
    a_procedure_in_sql {
        setup: [T, "CREATE PROCEDURE change() LANGUAGE sql BEGIN ATOMIC UPDATE t SET v = 'TWO' WHERE id = 2; END;"],
        reads: [READ_T],
        steps: [Run("CALL change()")],
        but: [Inexact],
    }
    a_procedure_with_dynamic_sql {
        setup: [T, "CREATE PROCEDURE change(what TEXT) LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('DELETE FROM %I', what); END $$;"],
        reads: [READ_T],
        steps: [Run("CALL change('t')")],
        but: [Inexact],
    }
    a_procedure_that_commits {
        setup: [T, "
            CREATE PROCEDURE change() LANGUAGE plpgsql AS $$
            BEGIN UPDATE t SET v = 'TWO' WHERE id = 2; COMMIT; UPDATE t SET v = 'ONE' WHERE id = 1; ROLLBACK; END $$;"],
        reads: [READ_T],
        steps: [Run("CALL change()")],
        but: [Inexact],
    }
    a_function_in_plpgsql {
        setup: [T, CHANGE],
        reads: [READ_T],
        steps: [Fetch("SELECT change(2)")],
        but: [Inexact],
    }
    a_function_in_sql {
        setup: [T, CHANGE_IN_SQL],
        reads: [READ_T],
        steps: [One("SELECT change(2)")],
        but: [Inexact],
    }
    a_function_in_from {
        setup: [T, CHANGE],
        reads: [READ_T],
        steps: [Fetch("SELECT c FROM change(2) AS c")],
        but: [Inexact],
    }
    a_function_in_where {
        setup: [T, CHANGE],
        reads: [READ_T],
        steps: [Fetch("SELECT id FROM unrelated WHERE change(id + 1) > 0")],
        but: [Inexact],
    }
    a_function_within_another_statement {
        setup: [T, CHANGE, "CREATE TABLE sink (n INT);"],
        reads: [READ_T],
        steps: [Run("INSERT INTO sink VALUES (change(2))")],
        but: [Inexact],
    }
    a_function_of_a_function {
        setup: [T, CHANGE, "CREATE FUNCTION outer_change() RETURNS INT LANGUAGE sql AS $$ SELECT change(2) $$;"],
        reads: [READ_T],
        steps: [Fetch("SELECT outer_change()")],
        but: [Inexact],
    }
    /* Any expression may call such a function, and so nothing is cached where there is one. */
    a_function_behind_an_operator {
        setup: [T, "
            CREATE FUNCTION change_two(a INT, b INT) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET v = 'changed' WHERE id = a + b; RETURN a; END $$;
            CREATE OPERATOR %%% (LEFTARG = INT, RIGHTARG = INT, FUNCTION = change_two);"],
        also: [READ_T],
        steps: [Fetch("SELECT id %%% 1 FROM unrelated")],
        but: [Inexact, CachesNothing],
    }
    a_function_behind_a_view {
        setup: [T, CHANGE, "CREATE VIEW changing AS SELECT change(2) AS c;"],
        reads: [READ_T],
        steps: [Fetch("SELECT c FROM changing")],
        but: [Inexact],
    }
    a_function_with_dynamic_sql {
        setup: [T, "CREATE FUNCTION change(what TEXT) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DELETE FROM ' || what; RETURN 1; END $$;"],
        reads: [READ_T],
        steps: [Fetch("SELECT change('t')")],
        but: [Inexact],
    }
    a_function_in_a_transaction {
        setup: [T, CHANGE],
        reads: [READ_T],
        steps: [Transaction(&[Fetch("SELECT change(2)")], End::Commit)],
        but: [Inexact],
    }
    a_stable_function_that_reads {
        setup: [T, "CREATE FUNCTION held() RETURNS BIGINT STABLE LANGUAGE sql AS $$ SELECT count(*) FROM t $$;"],
        also: ["SELECT held()", "SELECT id, held() FROM unrelated", "SELECT id FROM unrelated WHERE held() > 2"],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
    }
    a_stable_function_in_plpgsql_that_reads {
        setup: [T, "
            CREATE FUNCTION held() RETURNS BIGINT STABLE LANGUAGE plpgsql AS $$
            DECLARE n BIGINT; BEGIN SELECT count(*) INTO n FROM t; RETURN n; END $$;"],
        also: ["SELECT held()", "SELECT id, held() FROM unrelated"],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
    }
    /* PostgreSQL itself computes it once for each plan. */
    a_function_said_to_be_immutable_that_reads {
        setup: [T, "CREATE FUNCTION held() RETURNS BIGINT IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM t); END $$;"],
        also: ["SELECT id, held() FROM unrelated"],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
        but: [PreparesAnew],
    }
    a_function_that_reads_behind_a_view {
        setup: [T, "
            CREATE FUNCTION held() RETURNS BIGINT STABLE LANGUAGE sql AS $$ SELECT count(*) FROM t $$;
            CREATE VIEW holding AS SELECT id, held() AS n FROM unrelated;"],
        also: ["SELECT id, n FROM holding"],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
    }
    a_function_that_reads_replaced {
        setup: [T, "CREATE FUNCTION held() RETURNS BIGINT STABLE LANGUAGE sql AS $$ SELECT count(*) FROM t $$;"],
        also: ["SELECT id, held() FROM unrelated"],
        steps: [Run("CREATE OR REPLACE FUNCTION held() RETURNS BIGINT STABLE LANGUAGE sql AS $$ SELECT 77::bigint $$")],
        but: [Inexact],
    }
}
