//! Spellings that a reader of tokens gets wrong, and calls that no text names.

use crate::write_paths::case::But::{CachesNothing, EndsCaching, Inexact, NeedsClosure};
use crate::write_paths::case::Step::{Run, Transaction};
use crate::write_paths::case::{CHILDREN, End, JOURNAL, PARENT, READ_CHILD, READ_JOURNAL, READ_PARENT, READ_T, READ_U, T, U, cases};

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
    an_operator_in_a_trigger_during_a_copy {
        setup: [T, JOURNAL, "
            CREATE FUNCTION beside(a INT, b INT) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (a, 'beside'); RETURN a; END $$;
            CREATE OPERATOR ### (LEFTARG = INT, RIGHTARG = INT, FUNCTION = beside);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x INT; BEGIN x := 1 ### 1; RETURN NULL; END $$;
            CREATE TRIGGER noted AFTER INSERT ON t EXECUTE FUNCTION note();"],
        also: [READ_JOURNAL],
        steps: [Run("COPY t FROM '/dev/null'")],
        but: [CachesNothing],
    }
    a_cast_in_a_trigger {
        setup: [T, JOURNAL, "
            CREATE TYPE pair AS (a INT, b INT);
            CREATE FUNCTION to_pair(x INT) RETURNS pair LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (x, 'cast'); RETURN (x, x)::pair; END $$;
            CREATE CAST (INT AS pair) WITH FUNCTION to_pair(INT) AS ASSIGNMENT;
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x pair; BEGIN x := NEW.id::pair; RETURN NULL; END $$;
            CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();"],
        also: [READ_JOURNAL],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
        but: [CachesNothing],
    }
    an_aggregate_that_writes {
        setup: [T, JOURNAL, "
            CREATE FUNCTION more(state INT, x INT) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (x, 'more'); RETURN state + x; END $$;
            CREATE AGGREGATE total (INT) (SFUNC = more, STYPE = INT, INITCOND = '0');"],
        reads: [READ_JOURNAL],
        steps: [Run("SELECT total(id) OVER () FROM t")],
    }
    a_policy_that_writes {
        setup: [T, JOURNAL, WRITER, "
            ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
            CREATE POLICY odd ON t USING (true) WITH CHECK (writer() = 9);
            CREATE ROLE {db}_writer; GRANT ALL ON ALL TABLES IN SCHEMA public TO {db}_writer; GRANT USAGE ON SCHEMA public TO {db}_writer;
            CREATE FUNCTION change() RETURNS VOID SECURITY DEFINER LANGUAGE sql AS $$ INSERT INTO t VALUES (3, 'three') $$;
            ALTER FUNCTION change() OWNER TO {db}_writer;"],
        reads: [READ_JOURNAL],
        steps: [Run("SELECT change()")],
    }
    a_history_of_old_and_new {
        setup: [T, JOURNAL, "
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal SELECT o.id, n.v FROM was o JOIN is_now n USING (id); RETURN NULL; END $$;
            CREATE TRIGGER noted AFTER UPDATE ON t REFERENCING OLD TABLE AS was NEW TABLE AS is_now FOR EACH STATEMENT EXECUTE FUNCTION note();"],
        reads: [READ_T, READ_JOURNAL],
        steps: [Run("UPDATE t SET v = upper(v)")],
        but: [NeedsClosure],
    }
    a_refresh_in_a_trigger {
        setup: [T, U, "
            CREATE MATERIALIZED VIEW kept AS SELECT count(*) AS n FROM t; CREATE UNIQUE INDEX ON kept (n);
            CREATE FUNCTION renew() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN REFRESH MATERIALIZED VIEW CONCURRENTLY kept; RETURN NULL; END $$;
            CREATE TRIGGER renewed AFTER INSERT OR DELETE ON t EXECUTE FUNCTION renew();"],
        reads: [READ_T, "SELECT n FROM kept"],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM t WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_search_path_within_a_transaction {
        setup: [T, FAR],
        reads: [READ_FAR],
        steps: [Transaction(&[Run("SET LOCAL search_path = far"), Run("UPDATE t SET v = 'TWO' WHERE id = 2")], End::Commit)],
        but: [Inexact],
    }
    a_quoted_search_path_within_a_transaction {
        setup: [T, FAR],
        reads: [READ_FAR],
        steps: [Transaction(&[Run("SET LOCAL \"search_path\" TO far"), Run("UPDATE t SET v = 'TWO' WHERE id = 2")], End::Commit)],
        but: [Inexact],
    }
    a_schema_within_a_transaction {
        setup: [T, FAR],
        reads: [READ_FAR],
        steps: [Transaction(&[Run("SET LOCAL SCHEMA 'far'"), Run("UPDATE t SET v = 'TWO' WHERE id = 2")], End::Commit)],
        but: [Inexact],
    }
    a_setting_of_ones_own_within_a_transaction {
        setup: [T, FAR],
        reads: [READ_T],
        bystanders: [READ_FAR],
        steps: [Transaction(&[Run("SET LOCAL app.role = 'far'"), Run("UPDATE t SET v = 'TWO' WHERE id = 2")], End::Commit)],
    }
    a_search_path_that_a_function_leaves_behind {
        setup: [T, FAR, "CREATE FUNCTION go() RETURNS TEXT LANGUAGE sql AS $$ SELECT pg_catalog.set_config('search_path', 'far', true) $$;"],
        reads: [READ_FAR],
        steps: [Transaction(&[Run("SELECT go()"), Run("UPDATE t SET v = 'TWO' WHERE id = 2")], End::Commit)],
        but: [Inexact],
    }
    a_search_path_that_a_callee_leaves_behind {
        setup: [T, FAR, "
            CREATE FUNCTION go() RETURNS TEXT STABLE LANGUAGE sql AS $$ SELECT set_config('search' || '_path', 'far', true) $$;
            CREATE FUNCTION change() RETURNS VOID LANGUAGE plpgsql AS $$ BEGIN PERFORM go(); UPDATE t SET v = 'TWO' WHERE id = 2; END $$;"],
        reads: [READ_FAR],
        steps: [Run("SELECT change()")],
        but: [Inexact],
    }
    a_search_path_in_a_query {
        setup: [T, FAR],
        reads: [READ_FAR],
        steps: [Transaction(&[Run("SELECT set_config('search_path', 'far', true)"), Run("UPDATE t SET v = 'TWO' WHERE id = 2")], End::Commit)],
        but: [Inexact, EndsCaching],
    }
}

/// Wherever in a statement a call stands, what it writes is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_seen_wherever_it_stands() {
    let home = super::Home::new().await;
    let pool = home.pool().await;
    for script in
        [T, U, JOURNAL, WRITER, "CREATE VIEW calling AS SELECT writer() AS id; CREATE PROCEDURE nothing(x INT) LANGUAGE sql AS '';"]
    {
        sqlx::raw_sql(script).execute(&pool).await.expect(script);
    }
    let executor = sqlx_cached::CachingExecutor::builder(pool).build().await.expect("an executor");
    let mut missed = Vec::new();
    for sql in PLACES.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match executor.explain(sql).invalidates {
            sqlx_cached::Invalidates::Everything => {}
            sqlx_cached::Invalidates::Tables(tables) if tables.iter().any(|table| table == "journal") => {}
            other => missed.push(format!("{sql}: {other:?}")),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

const PLACES: &str = "
    SELECT writer()
    SELECT id FROM t WHERE id = writer()
    SELECT id FROM t WHERE id IN (1, writer())
    SELECT id FROM t WHERE id = ANY (ARRAY[writer()])
    SELECT id FROM t WHERE id BETWEEN 1 AND writer()
    SELECT id FROM t WHERE v LIKE 'x' ESCAPE writer()::text
    SELECT id FROM t WHERE v SIMILAR TO writer()::text
    SELECT id FROM t WHERE (id, 1) = (1, writer())
    SELECT id FROM t WHERE writer() IS NULL
    SELECT id FROM t WHERE writer() IS DISTINCT FROM 1
    SELECT id FROM t ORDER BY writer()
    SELECT id FROM t LIMIT writer()
    SELECT id FROM t OFFSET writer()
    SELECT id FROM t FETCH FIRST (writer()) ROWS ONLY
    SELECT count(*) FROM t GROUP BY writer()
    SELECT count(*) FROM t GROUP BY GROUPING SETS ((writer()), ())
    SELECT count(*) FROM t GROUP BY CUBE (id, writer())
    SELECT count(*) FROM t HAVING writer() > 1
    SELECT DISTINCT ON (writer()) id FROM t
    SELECT count(*) FILTER (WHERE writer() > 1) FROM t
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY writer()) FROM t
    SELECT string_agg(v, ',' ORDER BY writer()) FROM t
    SELECT sum(id) OVER (PARTITION BY writer()) FROM t
    SELECT sum(id) OVER (ORDER BY writer()) FROM t
    SELECT sum(id) OVER (ROWS writer() PRECEDING) FROM t
    SELECT sum(id) OVER w FROM t WINDOW w AS (ORDER BY writer())
    SELECT CASE writer() WHEN 1 THEN 2 END FROM t
    SELECT CASE WHEN id = 1 THEN 2 ELSE writer() END FROM t
    SELECT coalesce(id, writer()) FROM t
    SELECT (ARRAY[1, 2])[writer()] FROM t
    SELECT (ARRAY[1, 2])[1:writer()] FROM t
    SELECT ROW(writer()) FROM t
    SELECT ARRAY(SELECT writer()) FROM t
    SELECT EXISTS (SELECT writer()) FROM t
    SELECT substring(v FROM writer()) FROM t
    SELECT overlay(v PLACING 'x' FROM writer()) FROM t
    SELECT position('x' IN writer()::text) FROM t
    SELECT trim(writer()::text FROM v) FROM t
    SELECT extract(epoch FROM make_interval(secs => writer())) FROM t
    SELECT now() AT TIME ZONE writer()::text FROM t
    SELECT floor(writer()) FROM t
    SELECT -writer() FROM t
    SELECT writer()::text COLLATE \"C\" FROM t
    SELECT '{}'::jsonb -> writer() FROM t
    SELECT jsonb_build_object('a', writer()) FROM t
    SELECT xmlelement(name a, writer()) FROM t
    SELECT id FROM t WHERE id IN (SELECT writer())
    SELECT t.id FROM t JOIN u ON writer() = u.id
    SELECT t.id FROM t JOIN LATERAL (SELECT writer()) x ON true
    SELECT * FROM writer()
    SELECT * FROM t, writer() AS x(a)
    SELECT * FROM writer() WITH ORDINALITY
    SELECT * FROM ROWS FROM (writer(), writer())
    SELECT * FROM generate_series(1, writer())
    SELECT * FROM unnest(ARRAY[writer()])
    SELECT * FROM t TABLESAMPLE bernoulli(writer())
    SELECT * FROM calling
    TABLE calling
    VALUES (1), (writer())
    WITH x AS (SELECT writer()) SELECT id FROM t
    WITH RECURSIVE x AS (SELECT 1 UNION ALL SELECT writer() FROM x) SELECT * FROM x
    SELECT id FROM t UNION SELECT writer()
    (SELECT id FROM t) EXCEPT (SELECT writer())
    SELECT public.writer()
    SELECT \"writer\"()
    SELECT WRITER ()
    SELECT id FROM t WHERE id = writer() FOR UPDATE
    INSERT INTO t VALUES (writer(), 'x')
    INSERT INTO t SELECT writer(), 'x'
    INSERT INTO t TABLE calling
    INSERT INTO t VALUES (1, 'x') RETURNING writer()
    INSERT INTO t VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET id = writer()
    INSERT INTO t VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET v = 'x' WHERE writer() = 1
    UPDATE t SET id = writer()
    UPDATE t SET (id, v) = (SELECT writer(), 'x')
    UPDATE t SET (id, v) = ROW(writer(), 'x')
    UPDATE t SET v = 'x' FROM writer() AS w
    UPDATE t SET v = 'x' WHERE id = writer()
    UPDATE t SET v = 'x' RETURNING writer()
    DELETE FROM t WHERE id = writer()
    DELETE FROM t USING writer() AS w
    DELETE FROM t RETURNING writer()
    MERGE INTO t USING u ON t.id = writer() WHEN MATCHED THEN DELETE
    MERGE INTO t USING (SELECT writer() AS id) u ON t.id = u.id WHEN MATCHED THEN DELETE
    MERGE INTO t USING u ON t.id = u.id WHEN MATCHED AND writer() = 1 THEN DELETE
    MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET id = writer()
    MERGE INTO t USING u ON t.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (writer(), 'x')
    CALL nothing(writer())
    CALL nothing(x => writer())
    EXPLAIN ANALYZE SELECT writer()
    EXPLAIN (ANALYZE) SELECT writer()
    EXPLAIN (COSTS OFF, ANALYZE true) SELECT writer()
    COPY (SELECT writer()) TO STDOUT
    COPY t FROM STDIN WHERE id = writer()
    DECLARE c CURSOR FOR SELECT writer()
    CREATE TABLE x AS SELECT writer()
    CREATE TEMP TABLE x AS SELECT writer()
    SELECT writer() INTO x
    SELECT writer() INTO TEMP x
    DO $$ BEGIN PERFORM writer(); END $$
    DO $$ DECLARE x INT := writer(); BEGIN END $$
    DO $$ DECLARE x INT DEFAULT writer(); BEGIN END $$
    DO $$ BEGIN RAISE NOTICE '%', writer(); END $$
    DO $$ BEGIN ASSERT writer() = 9; END $$
    DO $$ BEGIN IF writer() = 9 THEN NULL; END IF; END $$
    DO $$ BEGIN FOR i IN 1..writer() LOOP EXIT WHEN writer() = 9; END LOOP; END $$
    DO $$ BEGIN WHILE writer() < 9 LOOP NULL; END LOOP; END $$
    DO $$ BEGIN FOREACH x IN ARRAY ARRAY[writer()] LOOP NULL; END LOOP; END $$
    DO LANGUAGE plpgsql 'BEGIN PERFORM writer(); END'
    DO E'BEGIN PERFORM writer(); END'
    SELECT set_config('x.y', writer()::text, false)
";
