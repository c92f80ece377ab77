//! What only the database can tell, asked of it: the rows that it names are forgotten, and no others.

use crate::write_paths::case::But::{Asks, Inexact};
use crate::write_paths::case::End::{Commit, Rollback};
use crate::write_paths::case::Step::{Fails, Fetch, Raw, Run, Transaction};
use crate::write_paths::case::{CHILDREN, JOURNAL, PARENT, READ_CHILD, READ_JOURNAL, READ_T, READ_U, T, U, cases};

const DYNAMIC: &str = "
    CREATE FUNCTION note_by_name() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('INSERT INTO %I VALUES ($1, $2)', 'journal') USING NEW.id, NEW.v;
        RETURN NULL;
    END $$;";
const NOTED: &str = "CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note_by_name();";
const RUN: &str = "
    CREATE FUNCTION run(what text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; RETURN 1; END $$;
    CREATE PROCEDURE running(what text) LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; END $$;";
const PARTS: &str = "
    CREATE TABLE whole (id INT, v VARCHAR(40)) PARTITION BY RANGE (id);
    CREATE TABLE low PARTITION OF whole FOR VALUES FROM (0) TO (10);
    CREATE TABLE high PARTITION OF whole FOR VALUES FROM (10) TO (20);
    INSERT INTO whole VALUES (1, 'one'), (11, 'eleven');";
const SEEN: &str = "CREATE VIEW seen AS SELECT id, v FROM t;";
const READ_SEEN: &str = "SELECT id, v FROM seen ORDER BY id";

cases! {
    a_block {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("DO $$ BEGIN EXECUTE 'UPDATE t SET v = ''changed'''; END $$")],
        but: [Asks],
    }
    a_trigger {
        setup: [T, U, JOURNAL, DYNAMIC, NOTED],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t VALUES (7, 'seven')")],
        but: [Asks],
    }
    a_trigger_and_rows_returned {
        setup: [T, U, JOURNAL, DYNAMIC, NOTED],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Fetch("INSERT INTO t VALUES (7, 'seven'), (8, 'eight') RETURNING id")],
        but: [Asks],
    }
    a_deferred_trigger {
        setup: [T, U, JOURNAL, DYNAMIC, "
            CREATE CONSTRAINT TRIGGER noted AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_by_name();"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t VALUES (7, 'seven')")],
        but: [Asks],
    }
    in_a_transaction {
        setup: [T, U, JOURNAL, DYNAMIC, NOTED, "CREATE TABLE third (id INT); INSERT INTO third VALUES (1);"],
        reads: [READ_T, READ_JOURNAL, "SELECT id FROM third"],
        bystanders: [READ_U],
        steps: [Transaction(&[Run("INSERT INTO t VALUES (7, 'seven')"), Run("UPDATE third SET id = 2")], Commit)],
        but: [Asks],
    }
    a_savepoint_rolled_back {
        setup: [T, U, JOURNAL, DYNAMIC, NOTED],
        reads: [READ_U],
        bystanders: [READ_JOURNAL],
        steps: [Transaction(
            &[Transaction(&[Run("INSERT INTO t VALUES (7, 'seven')")], Rollback), Run("UPDATE u SET v = 'changed'")],
            Commit,
        )],
        but: [Asks],
    }
    a_function {
        setup: [T, U, RUN],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Fetch("SELECT run('DELETE FROM t WHERE id = 1')")],
        but: [Asks],
    }
    a_procedure {
        setup: [T, U, RUN],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("CALL running('TRUNCATE t')")],
        but: [Asks],
    }
    a_cascade {
        setup: [PARENT, "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent ON DELETE CASCADE);", CHILDREN, U, RUN],
        reads: [READ_CHILD],
        bystanders: [READ_U],
        steps: [Fetch("SELECT run('DELETE FROM parent WHERE id = 1')")],
        but: [Asks],
    }
    a_part_is_of_the_whole {
        setup: [PARTS, U, RUN],
        reads: ["SELECT id, v FROM whole ORDER BY id", "SELECT id, v FROM low"],
        bystanders: [READ_U, "SELECT id, v FROM high"],
        steps: [Fetch("SELECT run('UPDATE low SET v = ''changed''')")],
        but: [Asks],
    }
    a_schema_change {
        setup: [T, U, RUN, SEEN],
        reads: [READ_SEEN],
        steps: [Fetch("SELECT run('CREATE OR REPLACE VIEW seen AS SELECT id, v FROM u')")],
        but: [Asks, Inexact],
    }
    a_schema_change_that_is_not_asked_for {
        setup: [T, U, RUN, SEEN],
        reads: [READ_SEEN],
        steps: [Fetch("SELECT run('CREATE OR REPLACE VIEW seen AS SELECT id, v FROM u')")],
        but: [Inexact],
    }
    a_trigger_made_by_hidden_code {
        setup: [T, U, JOURNAL, DYNAMIC, RUN],
        reads: [READ_JOURNAL],
        steps: [
            Fetch("SELECT run('CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note_by_name()')"),
            Run("INSERT INTO t VALUES (7, 'seven')"),
        ],
        but: [Inexact],
    }
    what_fails_forgets_nothing {
        setup: [T, U, RUN],
        reads: [READ_U],
        bystanders: [READ_T],
        steps: [Fails("SELECT run('UPDATE t SET v = 1; SELECT 1/0')"), Raw("UPDATE u SET v = 'changed'")],
        but: [Asks],
    }
}
