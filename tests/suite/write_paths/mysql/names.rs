//! Names: in quotes, with a database, in capitals.

use crate::write_paths::case::But::Inexact;
use crate::write_paths::case::Step::Run;
use crate::write_paths::case::{READ_T, READ_U, T, U, cases};

const MIXED: &str = "
    CREATE TABLE `Mixed Case` (id INT PRIMARY KEY, `Value` VARCHAR(40)); INSERT INTO `Mixed Case` VALUES (1, 'one');
    CREATE TABLE `mixed case` (id INT PRIMARY KEY, `Value` VARCHAR(40)); INSERT INTO `mixed case` VALUES (1, 'one');";

cases! {
    in_quotes {
        setup: [MIXED],
        reads: ["SELECT id, `Value` FROM `Mixed Case`"],
        bystanders: ["SELECT id, `Value` FROM `mixed case`"],
        steps: [Run("UPDATE `Mixed Case` SET `Value` = 'ONE'")],
    }
    case_tells_tables_apart {
        setup: [T, "CREATE TABLE T (id INT PRIMARY KEY); INSERT INTO T VALUES (1);"],
        reads: [READ_T, "SELECT ID, V FROM `t` ORDER BY ID"],
        bystanders: ["SELECT id FROM T"],
        steps: [Run("DELETE FROM t WHERE ID = 2")],
    }
    with_dots_and_quotes {
        setup: ["
            CREATE TABLE `a.t` (id INT); INSERT INTO `a.t` VALUES (1);
            CREATE TABLE `say ``hi``` (id INT); INSERT INTO `say ``hi``` VALUES (1);", T],
        reads: ["SELECT id FROM `a.t`", "SELECT id FROM `say ``hi```"],
        bystanders: [READ_T],
        steps: [Run("DELETE FROM `a.t`"), Run("DELETE FROM `say ``hi```")],
    }
    with_the_database {
        setup: [T, U],
        reads: [READ_T, "SELECT id, v FROM {db}.t ORDER BY id", "SELECT `{db}`.`t`.id FROM `{db}` . `t` ORDER BY 1"],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM {db}.t WHERE id = 2")],
    }
    read_with_the_database {
        setup: [T, U],
        reads: ["SELECT id, v FROM {db}.t ORDER BY id"],
        bystanders: [READ_U, "SELECT id, v FROM {db}.u ORDER BY id"],
        steps: [Run("DELETE FROM t WHERE id = 2")],
    }
    deleted_with_the_database_from_a_join {
        setup: [T, U],
        reads: [READ_T],
        steps: [Run("DELETE {db}.t FROM {db}.t JOIN {db}.u ON u.id = t.id")],
    }
    a_table_of_another_database {
        setup: [T, "CREATE DATABASE {db}_far; CREATE TABLE {db}_far.t (id INT); INSERT INTO {db}_far.t VALUES (1);"],
        also: ["SELECT id FROM {db}_far.t"],
        bystanders: [READ_T],
        steps: [Run("DELETE FROM {db}_far.t")],
        but: [Inexact],
    }
    a_key_of_another_database {
        setup: [T, "
            CREATE DATABASE {db}_far;
            CREATE TABLE {db}_far.child (id INT PRIMARY KEY, t_id INT, FOREIGN KEY (t_id) REFERENCES {db}.t (id) ON DELETE CASCADE);
            INSERT INTO {db}_far.child VALUES (1, 1);"],
        reads: [READ_T],
        also: ["SELECT id FROM {db}_far.child"],
        steps: [Run("DELETE FROM t WHERE id = 1")],
        but: [Inexact],
    }
    a_view_of_another_database {
        setup: [T, "CREATE DATABASE {db}_far; CREATE VIEW {db}_far.seen AS SELECT id, v FROM {db}.t; CREATE VIEW seen AS SELECT id FROM {db}_far.seen;"],
        reads: [READ_T],
        also: ["SELECT id FROM {db}_far.seen ORDER BY id", "SELECT id FROM seen ORDER BY id"],
        steps: [Run("DELETE FROM t WHERE id = 1")],
    }
    a_trigger_of_another_database {
        setup: [T, U, "
            CREATE DATABASE {db}_far;
            CREATE TABLE {db}_far.t (id INT);
            CREATE TRIGGER {db}_far.back AFTER INSERT ON {db}_far.t FOR EACH ROW DELETE FROM {db}.u;"],
        reads: [READ_U],
        steps: [Run("INSERT INTO {db}_far.t VALUES (1)")],
        but: [Inexact],
    }
}
