//! Foreign keys, as only PostgreSQL follows them.

use crate::write_paths::case::But::{Inexact, NeedsClosure};
use crate::write_paths::case::Step::{Fill, Run, Transaction};
use crate::write_paths::case::{CHILDREN, End, JOURNAL, PARENT, READ_CHILD, READ_JOURNAL, READ_PARENT, cases};

const CASCADE: &str = "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent (id) ON DELETE CASCADE);";
const NOTED_CHILDREN: &str = "
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (OLD.id, TG_OP); RETURN NULL; END $$;
    CREATE TRIGGER noted AFTER DELETE OR UPDATE ON child FOR EACH ROW EXECUTE FUNCTION note();";

cases! {
    on_delete_set_default {
        setup: [PARENT, "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT DEFAULT 2 REFERENCES parent (id) ON DELETE SET DEFAULT);", CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_trigger_of_the_child {
        setup: [PARENT, CASCADE, CHILDREN, JOURNAL, NOTED_CHILDREN],
        reads: [READ_PARENT, READ_CHILD, READ_JOURNAL],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_deferred_key {
        setup: [PARENT, "
            CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);", CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Transaction(&[Run("DELETE FROM parent WHERE id = 1")], End::Commit)],
        but: [NeedsClosure],
    }
    added_through_the_executor {
        setup: [PARENT, "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT);", CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [
            Run("ALTER TABLE child ADD CONSTRAINT follows FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE"),
            Fill,
            Run("DELETE FROM parent WHERE id = 1"),
        ],
        but: [NeedsClosure],
    }
    dropped_through_the_executor {
        setup: [PARENT, CASCADE, CHILDREN],
        reads: [READ_PARENT],
        bystanders: [READ_CHILD],
        steps: [Run("ALTER TABLE child DROP CONSTRAINT child_parent_id_fkey"), Fill, Run("DELETE FROM parent WHERE id = 1")],
    }
    to_a_table_in_another_schema {
        setup: [PARENT, "
            CREATE SCHEMA far;
            CREATE TABLE far.child (id INT PRIMARY KEY, parent_id INT REFERENCES parent (id) ON DELETE CASCADE);
            INSERT INTO far.child VALUES (11, 1);"],
        reads: ["SELECT id FROM far.child"],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    to_a_partitioned_parent {
        setup: ["
            CREATE TABLE parent (id INT PRIMARY KEY, v VARCHAR(40)) PARTITION BY RANGE (id);
            CREATE TABLE low PARTITION OF parent FOR VALUES FROM (0) TO (100);
            INSERT INTO parent VALUES (1, 'one'), (2, 'two');", CASCADE, CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("DELETE FROM low WHERE id = 1")],
        but: [NeedsClosure],
    }
    in_a_partitioned_child {
        setup: [PARENT, "
            CREATE TABLE child (id INT, parent_id INT REFERENCES parent (id) ON DELETE CASCADE) PARTITION BY RANGE (id);
            CREATE TABLE low PARTITION OF child FOR VALUES FROM (0) TO (100);", CHILDREN],
        reads: [READ_CHILD, "SELECT id FROM low ORDER BY id"],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    truncate_cascade_two_levels_down {
        setup: [PARENT, "
            CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent (id));
            CREATE TABLE grandchild (id INT PRIMARY KEY, child_id INT REFERENCES child (id));", CHILDREN, "INSERT INTO grandchild VALUES (111, 11);"],
        reads: [READ_CHILD, "SELECT id FROM grandchild"],
        steps: [Run("TRUNCATE TABLE parent RESTART IDENTITY CASCADE")],
    }
    dropped_with_its_children_keys {
        setup: [PARENT, CASCADE, CHILDREN],
        reads: [READ_PARENT],
        steps: [Run("DROP TABLE parent CASCADE")],
        but: [Inexact],
    }
}
