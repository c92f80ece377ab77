//! Statements that PostgreSQL alone has, or has in its own way.

use super::{FUNCTIONS, NOTE_INSERTS, NOTE_UPDATES};
use crate::write_paths::case::But::{EndsCaching, Inexact, NeedsClosure, OneConnection, PreparesAnew, Undone};
use crate::write_paths::case::End::{Commit, Rollback};
use crate::write_paths::case::Step::{Fails, Fetch, Fill, Raw, Run, Transaction};
use crate::write_paths::case::{CHILDREN, JOURNAL, PARENT, READ_CHILD, READ_JOURNAL, READ_PARENT, READ_T, READ_U, T, U, cases};

const REFERS: &str = "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent (id));";

cases! {
    upsert {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t VALUES (1, 'ONE'), (3, 'three') ON CONFLICT (id) DO UPDATE SET v = excluded.v")],
    }
    upsert_that_fires_an_update_trigger {
        setup: [T, JOURNAL, U, FUNCTIONS, NOTE_UPDATES],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t VALUES (1, 'ONE') ON CONFLICT (id) DO UPDATE SET v = excluded.v")],
        but: [NeedsClosure],
    }
    truncate {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("TRUNCATE t")],
    }
    truncate_several {
        setup: [T, U, JOURNAL],
        reads: [READ_T, READ_U],
        bystanders: [READ_JOURNAL],
        steps: [Run("TRUNCATE TABLE t, ONLY u RESTART IDENTITY")],
    }
    truncate_cascade {
        setup: [PARENT, REFERS, CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("TRUNCATE parent CASCADE")],
    }
    truncate_rolled_back {
        setup: [T],
        reads: [READ_T],
        steps: [Transaction(&[Run("TRUNCATE t")], Rollback)],
        but: [Undone],
    }
    merge {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET v = u.v WHEN NOT MATCHED THEN INSERT VALUES (u.id, u.v)")],
    }
    merge_that_deletes {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("MERGE INTO t USING (SELECT id FROM u) AS s ON t.id = s.id WHEN MATCHED THEN DELETE")],
    }
    merge_that_fires_a_trigger {
        setup: [T, JOURNAL, U, FUNCTIONS, NOTE_INSERTS],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("MERGE INTO t USING u ON t.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (u.id, u.v)")],
        but: [NeedsClosure],
    }
    writing_ctes {
        setup: [T, U, JOURNAL],
        reads: [READ_T, READ_U],
        bystanders: [READ_JOURNAL],
        steps: [Run("WITH moved AS (DELETE FROM t WHERE id = 1 RETURNING id, v) INSERT INTO u SELECT id, v FROM moved")],
    }
    a_writing_cte_under_a_select_of_others {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Fetch("WITH gone AS (DELETE FROM t WHERE id = 2 RETURNING id) SELECT u.id, u.v FROM u")],
    }
    a_writing_cte_two_deep {
        setup: [T, U, JOURNAL],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Fetch("
            WITH gone AS (DELETE FROM t WHERE id = 2 RETURNING id, v), noted AS (INSERT INTO journal SELECT id, v FROM gone RETURNING id)
            SELECT u.v FROM u WHERE u.id IN (SELECT id FROM noted)")],
    }
    a_writing_cte_named_like_a_table {
        setup: [T, U],
        reads: [READ_T],
        steps: [Fetch("WITH u AS (UPDATE t SET v = 'TWO' WHERE id = 2 RETURNING id) SELECT id FROM u")],
    }
    update_from {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("UPDATE t AS target SET v = u.v FROM u WHERE u.id = target.id")],
    }
    delete_using {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM t USING u WHERE u.id = t.id")],
    }
    update_where_a_cursor_stands {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Transaction(&[
            Run("DECLARE here CURSOR FOR SELECT id FROM t ORDER BY id FOR UPDATE"),
            Fetch("FETCH NEXT FROM here"),
            Run("UPDATE t SET v = 'here' WHERE CURRENT OF here"),
        ], Commit)],
        but: [Inexact],
    }
    explain_analyze {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Fetch("EXPLAIN ANALYZE UPDATE t SET v = 'TWO' WHERE id = 2")],
    }
    explain_with_options {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Fetch("EXPLAIN (COSTS off, ANALYZE, FORMAT json) DELETE FROM t WHERE id = 2")],
    }
    select_into {
        setup: [T],
        also: ["SELECT id, v FROM made ORDER BY id"],
        steps: [Run("SELECT id, v INTO made FROM t")],
        but: [Inexact],
    }
    copy_from_a_program {
        setup: [T],
        reads: [READ_T],
        steps: [Run("COPY t (id) FROM PROGRAM 'echo 3'")],
        but: [Inexact],
    }
    prepared_in_sql {
        setup: [T],
        reads: [READ_T],
        steps: [Run("PREPARE change (int) AS UPDATE t SET v = 'changed' WHERE id = $1"), Run("EXECUTE change (2)")],
        but: [Inexact, OneConnection],
    }
    prepared_in_sql_in_a_transaction {
        setup: [T],
        reads: [READ_T],
        steps: [Transaction(&[Run("PREPARE change AS DELETE FROM t"), Run("EXECUTE change")], Commit)],
        but: [Inexact],
    }
    prepared_and_executed_at_once {
        setup: [T],
        reads: [READ_T],
        steps: [Raw("PREPARE change AS DELETE FROM t; EXECUTE change; DEALLOCATE change")],
        but: [Inexact, EndsCaching],
    }
    a_transaction_as_text {
        setup: [T],
        reads: [READ_T],
        steps: [Raw("BEGIN; UPDATE t SET v = 'TWO' WHERE id = 2; COMMIT")],
        but: [Inexact, EndsCaching],
    }
    statements_of_which_the_last_fails {
        setup: [T],
        reads: [READ_T],
        steps: [Fails("INSERT INTO t VALUES (3, 'three'); INSERT INTO t VALUES (3, 'again')")],
        but: [Undone, Inexact],
    }
    a_failure_after_a_commit_as_text {
        setup: [T],
        reads: [READ_T],
        steps: [Fails("INSERT INTO t VALUES (3, 'three'); COMMIT; INSERT INTO t VALUES (3, 'again')")],
        but: [Inexact, EndsCaching],
    }
    a_schema_change_in_a_transaction {
        setup: [T, U],
        reads: ["SELECT v FROM t ORDER BY id"],
        steps: [Transaction(&[Run("ALTER TABLE t ALTER COLUMN v TYPE VARCHAR(80) USING v || '!'")], Commit), Fill, Run("DELETE FROM t")],
        but: [PreparesAnew],
    }
    a_schema_change_rolled_back {
        setup: [T],
        reads: [READ_T],
        steps: [Transaction(&[Run("DROP TABLE t")], Rollback)],
        but: [Undone, Inexact],
    }
    a_column_of_another_type {
        setup: [T],
        reads: [READ_T],
        steps: [Run("ALTER TABLE t ALTER COLUMN id TYPE BIGINT")],
        but: [Inexact, PreparesAnew],
    }
    a_default_that_writes {
        setup: [T, JOURNAL, "
            CREATE FUNCTION noting() RETURNS varchar LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (9, 'default'); RETURN 'made'; END $$;
            ALTER TABLE t ALTER COLUMN v SET DEFAULT noting();"],
        reads: [READ_T, READ_JOURNAL],
        steps: [Run("INSERT INTO t (id) VALUES (3)")],
        but: [Inexact],
    }
    a_savepoint_as_text {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Transaction(&[Raw("SAVEPOINT one"), Run("DELETE FROM t WHERE id = 2"), Raw("RELEASE SAVEPOINT one")], Commit)],
    }
    an_enum_whose_value_is_renamed {
        setup: ["CREATE TYPE mood AS ENUM ('sad', 'fine'); CREATE TABLE felt (id INT, mood mood); INSERT INTO felt VALUES (1, 'sad');"],
        reads: ["SELECT id, mood FROM felt"],
        steps: [Run("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'")],
        but: [Inexact],
    }
    a_serial_key {
        setup: ["CREATE TABLE counted (id SERIAL PRIMARY KEY, v VARCHAR(40)); INSERT INTO counted (v) VALUES ('one');", T],
        reads: ["SELECT id, v FROM counted ORDER BY id"],
        also: ["SELECT last_value FROM counted_id_seq"],
        bystanders: [READ_T],
        steps: [Run("INSERT INTO counted (v) VALUES ('two')")],
    }
    an_identity_key {
        setup: ["CREATE TABLE counted (id INT GENERATED ALWAYS AS IDENTITY, v VARCHAR(40));", T],
        reads: ["SELECT id, v FROM counted ORDER BY id"],
        bystanders: [READ_T],
        steps: [Run("INSERT INTO counted (v) VALUES ('two')")],
    }
    a_schema_dropped {
        setup: ["CREATE SCHEMA far; CREATE TABLE far.t (id INT); INSERT INTO far.t VALUES (1);"],
        reads: ["SELECT id FROM far.t"],
        steps: [Run("DROP SCHEMA far CASCADE")],
        but: [Inexact],
    }
}
