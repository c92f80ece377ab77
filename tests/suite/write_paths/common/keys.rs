//! Foreign keys that follow a change.

use super::CYCLE;
use crate::write_paths::case::But::NeedsClosure;
use crate::write_paths::case::Step::{Run, Transaction};
use crate::write_paths::case::{CHILDREN, End, PARENT, READ_CHILD, READ_PARENT, cases};

const CASCADE: &str =
    "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT, FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE);";
const SET_NULL: &str =
    "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT, FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE SET NULL);";
const UPDATED: &str =
    "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT, FOREIGN KEY (parent_id) REFERENCES parent (id) ON UPDATE CASCADE);";
const UPDATED_TO_NULL: &str =
    "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT, FOREIGN KEY (parent_id) REFERENCES parent (id) ON UPDATE SET NULL);";
const RESTRICT: &str = "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT, FOREIGN KEY (parent_id) REFERENCES parent (id));";
const GRANDCHILDREN: &str = "
    CREATE TABLE grandchild (id INT PRIMARY KEY, child_id INT, FOREIGN KEY (child_id) REFERENCES child (id) ON DELETE CASCADE);
    INSERT INTO grandchild VALUES (111, 11), (112, 12);";
const READ_GRANDCHILD: &str = "SELECT id, child_id FROM grandchild ORDER BY id";

cases! {
    on_delete_cascade {
        setup: [PARENT, CASCADE, CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    on_delete_set_null {
        setup: [PARENT, SET_NULL, CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    on_update_cascade {
        setup: [PARENT, UPDATED, CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("UPDATE parent SET id = 5 WHERE id = 1")],
        but: [NeedsClosure],
    }
    on_update_set_null {
        setup: [PARENT, UPDATED_TO_NULL, CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("UPDATE parent SET id = 5 WHERE id = 1")],
        but: [NeedsClosure],
    }
    in_a_transaction {
        setup: [PARENT, CASCADE, CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Transaction(&[Run("DELETE FROM parent WHERE id = 1")], End::Commit)],
        but: [NeedsClosure],
    }
    two_levels {
        setup: [PARENT, CASCADE, CHILDREN, GRANDCHILDREN],
        reads: [READ_PARENT, READ_CHILD, READ_GRANDCHILD],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    from_the_middle {
        setup: [PARENT, CASCADE, CHILDREN, GRANDCHILDREN],
        reads: [READ_CHILD, READ_GRANDCHILD],
        bystanders: [READ_PARENT],
        steps: [Run("DELETE FROM child WHERE id = 11")],
        but: [NeedsClosure],
    }
    no_further_than_a_key_that_is_set_null {
        setup: [PARENT, SET_NULL, CHILDREN, GRANDCHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        bystanders: [READ_GRANDCHILD],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_table_that_refers_to_itself {
        setup: ["
            CREATE TABLE tree (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES tree (id) ON DELETE CASCADE);
            INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, NULL);"],
        reads: ["SELECT id FROM tree WHERE id = 3", "SELECT COUNT(*) FROM tree"],
        steps: [Run("DELETE FROM tree WHERE id = 1")],
    }
    a_cycle_of_two_tables {
        setup: [CYCLE, "INSERT INTO hen VALUES (1, NULL), (2, NULL); INSERT INTO egg VALUES (1, 1), (2, 2); UPDATE hen SET egg_id = id;"],
        reads: ["SELECT id, egg_id FROM hen ORDER BY id", "SELECT id, hen_id FROM egg ORDER BY id"],
        steps: [Run("DELETE FROM hen WHERE id = 1")],
        but: [NeedsClosure],
    }
    two_children_of_one_parent {
        setup: [PARENT, CASCADE, CHILDREN, "
            CREATE TABLE ward (id INT PRIMARY KEY, parent_id INT, FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE SET NULL);
            INSERT INTO ward VALUES (21, 1), (22, 2);"],
        reads: [READ_CHILD, "SELECT id, parent_id FROM ward ORDER BY id"],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    seen_by_a_join {
        setup: [PARENT, CASCADE, CHILDREN],
        reads: ["SELECT c.id, u.v FROM child c JOIN unrelated u ON u.id < c.id ORDER BY c.id"],
        steps: [Run("DELETE FROM parent WHERE id = 1")],
        but: [NeedsClosure],
    }
    insert_into_a_parent {
        setup: [PARENT, CASCADE, CHILDREN],
        reads: [READ_PARENT],
        bystanders: [READ_CHILD],
        steps: [Run("INSERT INTO parent VALUES (3, 'three')")],
    }
    update_of_a_parent_whose_key_follows_deletes_alone {
        setup: [PARENT, CASCADE, CHILDREN],
        reads: [READ_PARENT],
        bystanders: [READ_CHILD],
        steps: [Run("UPDATE parent SET v = 'TWO' WHERE id = 2")],
    }
    delete_of_a_parent_whose_key_follows_updates_alone {
        setup: [PARENT, UPDATED, CHILDREN, "INSERT INTO parent VALUES (3, 'three');"],
        reads: [READ_PARENT],
        bystanders: [READ_CHILD],
        steps: [Run("DELETE FROM parent WHERE id = 3")],
    }
    delete_of_a_child {
        setup: [PARENT, CASCADE, CHILDREN],
        reads: [READ_CHILD],
        bystanders: [READ_PARENT],
        steps: [Run("DELETE FROM child WHERE id = 11")],
    }
    a_key_that_follows_nothing {
        setup: [PARENT, RESTRICT, CHILDREN, "INSERT INTO parent VALUES (3, 'three');"],
        reads: [READ_PARENT],
        bystanders: [READ_CHILD],
        steps: [Run("DELETE FROM parent WHERE id = 3")],
    }
}
