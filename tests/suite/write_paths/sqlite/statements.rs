//! Statements that SQLite alone has, or has in its own way.

use crate::write_paths::case::But::{EndsCaching, Inexact, NeedsClosure};
use crate::write_paths::case::End::Commit;
use crate::write_paths::case::Step::{Fails, Fetch, Raw, Run, Transaction};
use crate::write_paths::case::{JOURNAL, READ_JOURNAL, READ_T, READ_U, T, U, cases};

cases! {
    upsert {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t VALUES (1, 'ONE'), (3, 'three') ON CONFLICT (id) DO UPDATE SET v = excluded.v")],
    }
    upsert_that_fires_an_update_trigger {
        setup: [T, JOURNAL, U, super::NOTE_UPDATES],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t VALUES (1, 'ONE') ON CONFLICT (id) DO UPDATE SET v = excluded.v")],
        but: [NeedsClosure],
    }
    insert_or_replace {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("INSERT OR REPLACE INTO t VALUES (1, 'ONE')")],
    }
    insert_or_ignore {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("INSERT OR IGNORE INTO t VALUES (1, 'ONE'), (3, 'three')")],
    }
    replace {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("REPLACE INTO t VALUES (1, 'ONE')")],
    }
    update_or_replace {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("UPDATE OR REPLACE t SET id = 1 WHERE id = 2")],
    }
    update_from {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("UPDATE t SET v = u.v FROM u WHERE u.id = t.id")],
    }
    update_returning {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Fetch("UPDATE t SET v = 'TWO' WHERE id = 2 RETURNING id, v")],
    }
    a_cte_before_the_write {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("WITH fresh AS (SELECT id, v FROM u WHERE id = 3) INSERT INTO t SELECT id, v FROM fresh")],
    }
    with_the_schema {
        setup: [T, U],
        reads: [READ_T, "SELECT id, v FROM main.t ORDER BY id"],
        bystanders: [READ_U, "SELECT id FROM main.u ORDER BY id"],
        steps: [Run("DELETE FROM main.t WHERE id = 2")],
    }
    names_in_every_kind_of_quotes {
        setup: ["CREATE TABLE \"Mixed Case\" (id INT PRIMARY KEY, v TEXT); INSERT INTO \"Mixed Case\" VALUES (1, 'one');", T],
        reads: ["SELECT id, v FROM \"mixed case\"", "SELECT id, v FROM [Mixed Case]", "SELECT id, v FROM `MIXED CASE`"],
        bystanders: [READ_T],
        steps: [Run("UPDATE [mixed CASE] SET v = 'ONE'")],
    }
    a_name_as_a_string {
        setup: [T, U],
        reads: [READ_T],
        steps: [Run("DELETE FROM 't' WHERE id = 2")],
        but: [Inexact],
    }
    a_transaction_as_text {
        setup: [T],
        reads: [READ_T],
        steps: [Raw("BEGIN IMMEDIATE; UPDATE t SET v = 'TWO' WHERE id = 2; COMMIT")],
        but: [Inexact, EndsCaching],
    }
    statements_of_which_the_last_fails {
        setup: [T],
        reads: [READ_T],
        steps: [Fails("INSERT INTO t VALUES (3, 'three'); INSERT INTO t VALUES (3, 'again')")],
    }
    rows_of_which_one_fails_and_the_others_stay {
        setup: [T],
        reads: [READ_T],
        steps: [Fails("INSERT OR FAIL INTO t VALUES (3, 'three'), (3, 'again')")],
    }
    without_rowid {
        setup: ["CREATE TABLE plain (id INT PRIMARY KEY, v TEXT) WITHOUT ROWID; INSERT INTO plain VALUES (1, 'one');", U],
        reads: ["SELECT id, v FROM plain ORDER BY id"],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO plain VALUES (2, 'two')")],
    }
    strict {
        setup: ["CREATE TABLE plain (id INT PRIMARY KEY, v TEXT) STRICT, WITHOUT ROWID; INSERT INTO plain VALUES (1, 'one');", U],
        reads: ["SELECT id, v FROM plain ORDER BY id"],
        bystanders: [READ_U],
        steps: [Run("UPDATE plain SET v = 'ONE'")],
    }
    autoincrement {
        setup: ["CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT); INSERT INTO counted (v) VALUES ('one');"],
        reads: ["SELECT id, v FROM counted ORDER BY id"],
        also: ["SELECT name, seq FROM sqlite_sequence"],
        steps: [Run("INSERT INTO counted (v) VALUES ('two')")],
    }
    vacuum_that_numbers_rows_anew {
        setup: ["CREATE TABLE loose (v TEXT); INSERT INTO loose VALUES ('one'), ('two'); DELETE FROM loose WHERE v = 'one';"],
        also: ["SELECT rowid, v FROM loose"],
        steps: [Run("VACUUM")],
        but: [Inexact],
    }
    a_full_text_index_fed_by_triggers {
        setup: [T, "
            CREATE VIRTUAL TABLE words USING fts5 (v, content = 't', content_rowid = 'id');
            INSERT INTO words (rowid, v) SELECT id, v FROM t;
            CREATE TRIGGER fed AFTER INSERT ON t BEGIN INSERT INTO words (rowid, v) VALUES (NEW.id, NEW.v); END;"],
        reads: [READ_T],
        also: ["SELECT v FROM words WHERE words MATCH 'three OR one' ORDER BY v", "SELECT COUNT(*) FROM words_docsize"],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
        but: [Inexact],
    }
    a_full_text_index_written {
        setup: ["CREATE VIRTUAL TABLE words USING fts5 (v); INSERT INTO words VALUES ('one');", T],
        also: ["SELECT v FROM words WHERE words MATCH 'three OR one' ORDER BY v", "SELECT COUNT(*) FROM words_content"],
        bystanders: [READ_T],
        steps: [Run("INSERT INTO words VALUES ('three')")],
        but: [Inexact],
    }
    a_savepoint_as_text {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Transaction(&[Raw("SAVEPOINT one"), Run("DELETE FROM t WHERE id = 2"), Raw("RELEASE SAVEPOINT one")], Commit)],
        but: [Inexact, EndsCaching],
    }
}
