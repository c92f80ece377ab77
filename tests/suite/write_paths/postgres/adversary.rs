//! Spellings that a reader of tokens gets wrong, and calls that no text names.

use crate::write_paths::case::But::{CachesNothing, Inexact, NeedsClosure};
use crate::write_paths::case::Step::Run;
use crate::write_paths::case::{CHILDREN, JOURNAL, PARENT, READ_CHILD, READ_JOURNAL, READ_PARENT, READ_T, READ_U, T, U, cases};

const WRITER: &str =
    "CREATE FUNCTION writer() RETURNS INT LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (9, 'written'); RETURN 9; END $$;";
const FAR: &str =
    "CREATE SCHEMA far; CREATE TABLE far.t (id INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO far.t VALUES (1, 'one'), (2, 'two');";
const READ_FAR: &str = "SELECT id, v FROM far.t ORDER BY id";

cases! {
    a_cursor_over_an_update {
        setup: [T, "
            CREATE FUNCTION change() RETURNS INT LANGUAGE plpgsql AS $$
            DECLARE c refcursor; found INT;
            BEGIN OPEN c FOR UPDATE t SET v = 'TWO' WHERE id = 2 RETURNING id; FETCH c INTO found; CLOSE c; RETURN found; END $$;"],
        reads: [READ_T],
        steps: [Run("SELECT change()")],
    }
    a_declared_cursor_over_an_update {
        setup: [T, "
            CREATE FUNCTION change() RETURNS INT LANGUAGE plpgsql AS $$
            DECLARE c CURSOR FOR UPDATE t AS x SET v = 'TWO' WHERE id = 2 RETURNING id; found INT;
            BEGIN OPEN c; FETCH c INTO found; CLOSE c; RETURN found; END $$;"],
        reads: [READ_T],
        steps: [Run("SELECT change()")],
    }
    a_table_called_set {
        setup: ["
            CREATE TABLE set (id INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO set VALUES (1, 'one');
            CREATE FUNCTION change() RETURNS VOID LANGUAGE plpgsql AS $$ BEGIN UPDATE set SET v = 'ONE'; END $$;"],
        reads: ["SELECT id, v FROM \"set\""],
        steps: [Run("SELECT change()")],
    }
    a_table_called_of {
        setup: ["
            CREATE TABLE of (id INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO of VALUES (1, 'one');
            CREATE FUNCTION change() RETURNS VOID LANGUAGE plpgsql AS $$ BEGIN UPDATE of AS x SET v = 'ONE'; END $$;"],
        reads: ["SELECT id, v FROM \"of\""],
        steps: [Run("SELECT change()")],
    }
    a_table_called_ignore {
        setup: [U, "
            CREATE TABLE ignore (u INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO ignore VALUES (1, 'one');
            CREATE FUNCTION change() RETURNS VOID LANGUAGE plpgsql AS $$ BEGIN INSERT INTO ignore (u, v) VALUES (2, 'two'); END $$;"],
        reads: ["SELECT u, v FROM \"ignore\" ORDER BY u"],
        steps: [Run("SELECT change()")],
    }
    a_function_called_next {
        setup: [JOURNAL, "
            CREATE FUNCTION next(x INT) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (x, 'next'); RETURN x; END $$;
            CREATE FUNCTION change() RETURNS VOID LANGUAGE plpgsql AS $$ BEGIN PERFORM next(1); END $$;"],
        reads: [READ_JOURNAL],
        steps: [Run("SELECT change()")],
    }
    a_function_called_filter {
        setup: [JOURNAL, "
            CREATE FUNCTION filter(x INT) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (x, 'filter'); RETURN x; END $$;
            CREATE FUNCTION change() RETURNS VOID LANGUAGE plpgsql AS $$ BEGIN PERFORM filter(1); END $$;"],
        reads: [READ_JOURNAL],
        steps: [Run("SELECT change()")],
    }
    a_function_called_value_at_the_top {
        setup: [JOURNAL, "
            CREATE FUNCTION value(x INT) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (x, 'value'); RETURN x; END $$;"],
        reads: [READ_JOURNAL],
        steps: [Run("SELECT value(1)")],
    }
    a_function_called_convert {
        setup: [T, JOURNAL, "
            CREATE FUNCTION convert(x INT, y INT) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (x, 'convert'); RETURN x; END $$;
            CREATE TABLE odd (date INT); INSERT INTO odd VALUES (1);"],
        reads: [READ_JOURNAL],
        steps: [Run("SELECT convert(1, date) FROM odd")],
    }
    a_search_path_that_callees_inherit {
        setup: [T, FAR, "
            CREATE FUNCTION inner_one() RETURNS VOID LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET v = 'TWO' WHERE id = 2; END $$;
            CREATE FUNCTION change() RETURNS VOID LANGUAGE plpgsql SET search_path = far AS $$ BEGIN PERFORM public.inner_one(); END $$;"],
        reads: [READ_FAR],
        steps: [Run("SELECT change()")],
    }
    a_search_path_that_triggers_inherit {
        setup: [T, JOURNAL, "
            CREATE SCHEMA far; CREATE TABLE far.journal (id INT, v VARCHAR(40));
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (NEW.id, NEW.v); RETURN NULL; END $$;
            CREATE TRIGGER noted AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note();
            CREATE FUNCTION change() RETURNS VOID LANGUAGE plpgsql SET search_path = far, public AS $$ BEGIN UPDATE t SET v = 'TWO' WHERE id = 2; END $$;"],
        reads: ["SELECT id, v FROM far.journal", READ_T],
        steps: [Run("SELECT change()")],
    }
    a_standard_body_with_a_search_path {
        setup: [T, FAR, "
            CREATE FUNCTION change() RETURNS VOID LANGUAGE sql SET search_path = far BEGIN ATOMIC UPDATE public.t SET v = 'TWO' WHERE id = 2; END;"],
        reads: [READ_T],
        bystanders: [READ_FAR],
        steps: [Run("SELECT change()")],
    }
    a_search_path_set_by_a_call {
        setup: [T, FAR, "
            CREATE FUNCTION change() RETURNS VOID LANGUAGE plpgsql AS $$
            BEGIN PERFORM set_config('search_path', 'far', true); UPDATE t SET v = 'TWO' WHERE id = 2; END $$;"],
        reads: [READ_FAR],
        steps: [Run("SELECT change()")],
        but: [Inexact],
    }
    a_default_of_an_argument {
        setup: [T, JOURNAL, WRITER, "
            CREATE FUNCTION change(x INT DEFAULT writer()) RETURNS VOID LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET v = 'TWO' WHERE id = 2; END $$;"],
        reads: [READ_T, READ_JOURNAL],
        steps: [Run("SELECT change()")],
    }
    a_default_of_a_view {
        setup: [T, JOURNAL, WRITER, "CREATE VIEW seen AS SELECT id, v FROM t; ALTER VIEW seen ALTER COLUMN id SET DEFAULT writer();"],
        reads: [READ_T, READ_JOURNAL],
        steps: [Run("INSERT INTO seen (v) VALUES ('nine')")],
        but: [NeedsClosure],
    }
    a_call_as_an_attribute_of_a_row {
        setup: [T, JOURNAL, "
            CREATE FUNCTION noted(x t) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (x.id, 'noted'); RETURN x.id; END $$;
            CREATE FUNCTION change() RETURNS BIGINT LANGUAGE sql AS $$ SELECT sum((x).noted) FROM t x $$;"],
        reads: [READ_JOURNAL],
        steps: [Run("SELECT change()")],
    }
    a_read_of_a_name_in_three_parts {
        setup: [T, "
            DO $do$ BEGIN EXECUTE format('CREATE FUNCTION tell() RETURNS BIGINT STABLE LANGUAGE plpgsql AS $$ BEGIN
                RETURN (SELECT count(*) FROM %I.public.t); END $$', current_database()); END $do$;"],
        reads: ["SELECT tell(), count(*) FROM unrelated"],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
    }
    a_name_that_is_cut_off {
        setup: ["
            CREATE TABLE a2345678901234567890123456789012345678901234567890123456789012345678 (id INT, v VARCHAR(40));
            CREATE FUNCTION tell() RETURNS BIGINT STABLE LANGUAGE sql AS $$
                SELECT count(*) FROM a2345678901234567890123456789012345678901234567890123456789012345678 $$;"],
        reads: ["SELECT tell(), count(*) FROM unrelated"],
        steps: [Run("INSERT INTO a23456789012345678901234567890123456789012345678901234567890123 VALUES (1, 'one')")],
    }
    a_key_that_is_cut_off {
        setup: ["
            CREATE TABLE parent (id INT PRIMARY KEY, a2345678901234567890123456789012345678901234567890123456789012345678 INT UNIQUE);
            INSERT INTO parent VALUES (1, 1), (2, 2);
            CREATE TABLE child (id INT PRIMARY KEY, parent_id INT
                REFERENCES parent (a2345678901234567890123456789012345678901234567890123456789012345678) ON UPDATE CASCADE);", CHILDREN],
        reads: [READ_CHILD],
        steps: [Run("UPDATE parent SET a2345678901234567890123456789012345678901234567890123456789012345678 = 7 WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_key_in_another_case {
        setup: ["
            CREATE TABLE parent (\"Id\" INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO parent VALUES (1, 'one'), (2, 'two');
            CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent ON UPDATE CASCADE);", CHILDREN],
        reads: [READ_CHILD],
        steps: [Run("INSERT INTO parent AS p VALUES (1, 'x') ON CONFLICT (\"Id\") DO UPDATE SET \"Id\" = 9")],
        but: [NeedsClosure],
    }
    a_key_through_a_view_that_renames_it {
        setup: [PARENT, "
            CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent ON UPDATE CASCADE);
            CREATE VIEW seen (v, id) AS SELECT id, v FROM parent;", CHILDREN],
        reads: [READ_CHILD, READ_PARENT],
        steps: [Run("UPDATE seen SET v = 9 WHERE v = 1")],
        but: [NeedsClosure],
    }
    an_operator_in_a_trigger_during_a_merge {
        setup: [T, U, JOURNAL, "
            CREATE FUNCTION beside(a INT, b INT) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (a, 'beside'); RETURN a; END $$;
            CREATE OPERATOR ### (LEFTARG = INT, RIGHTARG = INT, FUNCTION = beside);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x INT; BEGIN x := NEW.id ### 1; RETURN NULL; END $$;
            CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();"],
        reads: [],
        also: [READ_T, READ_JOURNAL],
        steps: [Run("MERGE INTO t USING u ON t.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (u.id, u.v)")],
        but: [CachesNothing],
    }
    sql_in_a_string_of_an_extension {
        setup: [T, JOURNAL, "
            CREATE EXTENSION tablefunc;
            CREATE FUNCTION change() RETURNS TABLE (a TEXT, b TEXT, c TEXT) LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO journal VALUES (9, 'written'); RETURN QUERY SELECT 'r'::text, 'a'::text, 'v'::text; END $$;"],
        reads: [READ_JOURNAL],
        steps: [Run("SELECT * FROM crosstab('SELECT * FROM change()') AS ct (name text, one text)")],
        but: [Inexact],
    }
    an_extension_that_kills_rows {
        setup: [T, "CREATE EXTENSION pg_surgery;"],
        reads: [READ_T],
        steps: [Run("SELECT heap_force_kill('t'::regclass, ARRAY['(0,1)']::tid[])")],
        but: [Inexact],
    }
    several_at_once_in_a_loop {
        setup: [T, U, JOURNAL, "
            CREATE PROCEDURE change() LANGUAGE plpgsql AS $$
            <<outer_one>>
            DECLARE \"update\" INT; r RECORD;
            BEGIN
                FOR r IN UPDATE ONLY public . \"t\" AS \"set\" SET v = 'TWO' WHERE \"set\".id = 2 RETURNING * LOOP
                    WITH gone AS (DELETE FROM/* here */u x WHERE x.id = r.id RETURNING id) SELECT count(*) INTO \"update\" FROM gone;
                    <<inner_one>> BEGIN INSERT INTO journal AS j VALUES (\"update\", 'gone'); END;
                END LOOP;
            END outer_one $$;"],
        reads: [READ_T, READ_U, READ_JOURNAL],
        steps: [Run("CALL change()")],
    }
    a_row_that_becomes_another_by_a_default {
        setup: [PARENT, JOURNAL, WRITER, "
            CREATE TABLE child (id INT PRIMARY KEY, parent_id INT DEFAULT (writer() - 7) REFERENCES parent (id) ON DELETE SET DEFAULT);", CHILDREN],
        reads: [READ_PARENT, READ_CHILD, READ_JOURNAL],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_function_in_a_rules_condition {
        setup: [T, JOURNAL, "
            CREATE FUNCTION noted(x INT) RETURNS BOOL LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (x, 'noted'); RETURN false; END $$;
            CREATE RULE odd AS ON UPDATE TO t WHERE noted(NEW.id) DO INSTEAD NOTHING;"],
        reads: [READ_T, READ_JOURNAL],
        steps: [Run("UPDATE t SET v = 'TWO' WHERE id = 2")],
        but: [NeedsClosure],
    }
    a_search_path_of_the_user {
        setup: [T, "
            DO $$ BEGIN EXECUTE format('CREATE SCHEMA %I', current_user); EXECUTE format('CREATE TABLE %I.far (id INT, v VARCHAR(40))', current_user); END $$;
            CREATE TABLE public.far (id INT, v VARCHAR(40));
            CREATE FUNCTION tell() RETURNS BIGINT STABLE LANGUAGE sql AS $$ SELECT count(*) FROM t $$;
            CREATE FUNCTION change() RETURNS VOID LANGUAGE sql SET search_path = \"$user\", public AS $$ INSERT INTO far VALUES (1, 'one') $$;"],
        reads: ["SELECT count(*) FROM postgres.far"],
        steps: [Run("SELECT change()")],
        but: [Inexact],
    }
    a_default_that_tells_the_session {
        setup: [T, "CREATE FUNCTION mine(x TEXT DEFAULT current_setting('app.tenant', true)) RETURNS TEXT STABLE LANGUAGE sql AS $$ SELECT v || x FROM t WHERE id = 1 $$;"],
        reads: [READ_T],
        never: ["SELECT mine() FROM t"],
        steps: [Run("UPDATE t SET v = 'ONE' WHERE id = 1")],
    }
    a_connection_of_its_own {
        setup: [T, JOURNAL, "
            CREATE EXTENSION dblink;
            DO $do$ BEGIN EXECUTE format($f$
                CREATE FUNCTION change() RETURNS TEXT LANGUAGE sql AS $$ SELECT dblink_exec('host=%s port=%s user=%s dbname=%s', 'UPDATE t SET v = ''TWO'' WHERE id = 2') $$
                $f$, split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_user, current_database()); END $do$;"],
        reads: [READ_T],
        steps: [Run("SELECT change()")],
        but: [Inexact],
    }
}
