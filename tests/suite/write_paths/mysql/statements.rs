//! Statements that MariaDB alone has, or has in its own way.

use crate::write_paths::case::But::{EndsCaching, Inexact, NeedsClosure, OneConnection, Undone};
use crate::write_paths::case::Step::{Fails, Fetch, Raw, Run};
use crate::write_paths::case::{CHILDREN, JOURNAL, PARENT, READ_CHILD, READ_JOURNAL, READ_PARENT, READ_T, READ_U, T, U, cases};

const CASCADE: &str =
    "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT, FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE);";

cases! {
    upsert {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t VALUES (1, 'ONE'), (3, 'three') ON DUPLICATE KEY UPDATE v = VALUES(v)")],
    }
    replace {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("REPLACE INTO t VALUES (1, 'ONE')")],
    }
    replace_with_set {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("REPLACE t SET id = 1, v = 'ONE'")],
    }
    replace_that_cascades {
        setup: [PARENT, CASCADE, CHILDREN],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Run("REPLACE INTO parent VALUES (1, 'ONE')")],
        but: [NeedsClosure],
    }
    insert_with_set {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO t SET id = 3, v = 'three'")],
    }
    insert_ignore {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("INSERT IGNORE INTO t VALUES (1, 'ONE'), (3, 'three')")],
    }
    truncate {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("TRUNCATE TABLE t")],
    }
    truncate_without_the_word_table {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("TRUNCATE t")],
    }
    update_of_two_tables {
        setup: [T, U, JOURNAL],
        reads: [READ_T, READ_U],
        bystanders: [READ_JOURNAL],
        steps: [Run("UPDATE t, u SET t.v = 'both', u.v = 'beide' WHERE t.id = u.id")],
        but: [Inexact],
    }
    update_of_a_join {
        setup: [T, U, JOURNAL],
        reads: [READ_U],
        bystanders: [READ_JOURNAL],
        steps: [Run("UPDATE t JOIN u ON u.id = t.id SET u.v = t.v")],
    }
    update_with_order_and_limit {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("UPDATE t SET v = 'last' ORDER BY id DESC LIMIT 1")],
    }
    delete_from_one_table_of_a_join {
        setup: [T, U, JOURNAL],
        reads: [READ_U],
        bystanders: [READ_JOURNAL],
        steps: [Run("DELETE u FROM t JOIN u ON u.id = t.id")],
    }
    delete_from_both_tables_of_a_join {
        setup: [T, U, JOURNAL],
        reads: [READ_T, READ_U],
        bystanders: [READ_JOURNAL],
        steps: [Run("DELETE t, u FROM t INNER JOIN u ON u.id = t.id")],
    }
    delete_using {
        setup: [T, U, JOURNAL],
        reads: [READ_U],
        bystanders: [READ_JOURNAL],
        steps: [Run("DELETE FROM u USING t JOIN u ON u.id = t.id")],
    }
    delete_by_alias {
        setup: [T, U, JOURNAL],
        reads: [READ_T],
        bystanders: [READ_JOURNAL],
        steps: [Run("DELETE u FROM t AS u JOIN u AS t ON u.id = t.id")],
    }
    delete_with_limit {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("DELETE QUICK FROM t ORDER BY id LIMIT 1")],
    }
    in_an_executable_comment {
        setup: [T],
        reads: [READ_T],
        steps: [Run("/*! UPDATE t SET v = 'TWO' WHERE id = 2 */")],
        but: [Inexact, EndsCaching],
    }
    in_an_executable_comment_of_mariadb {
        setup: [T],
        reads: [READ_T],
        steps: [Run("/*M!100000 DELETE FROM t */")],
        but: [Inexact, EndsCaching],
    }
    a_table_in_an_executable_comment {
        setup: [T, U],
        reads: [READ_T, READ_U],
        steps: [Run("UPDATE t /*!, u */ SET t.v = 'both' /*!, u.v = 'beide' */ WHERE t.id = 2")],
        but: [Inexact, EndsCaching],
    }
    analyze_an_update {
        setup: [T],
        reads: [READ_T],
        steps: [Fetch("ANALYZE UPDATE t SET v = 'TWO' WHERE id = 2")],
        but: [Inexact, EndsCaching],
    }
    analyze_a_delete_as_json {
        setup: [T],
        reads: [READ_T],
        steps: [Fetch("ANALYZE FORMAT=JSON DELETE FROM t WHERE id = 2")],
        but: [Inexact, EndsCaching],
    }
    /* The first writes the file, into the server's own directory. */
    load_data {
        setup: [T, "SELECT 5, 'five' INTO OUTFILE 'rows'"],
        reads: [READ_T],
        steps: [Raw("LOAD DATA INFILE 'rows' INTO TABLE t")],
        but: [Inexact],
    }
    load_data_that_replaces_and_cascades {
        setup: [PARENT, CASCADE, CHILDREN, "SELECT 1, 'ONE' INTO OUTFILE 'parents'"],
        reads: [READ_PARENT, READ_CHILD],
        steps: [Raw("LOAD DATA INFILE 'parents' REPLACE INTO TABLE parent")],
        but: [Inexact],
    }
    prepared_in_sql {
        setup: [T],
        reads: [READ_T],
        steps: [Raw("PREPARE altering FROM 'UPDATE t SET v = ''TWO'' WHERE id = ?'"), Raw("EXECUTE altering USING 2")],
        but: [Inexact, EndsCaching, OneConnection],
    }
    prepared_and_executed_at_once {
        setup: [T],
        reads: [READ_T],
        steps: [Raw("PREPARE altering FROM 'DELETE FROM t'; EXECUTE altering; DEALLOCATE PREPARE altering")],
        but: [Inexact, EndsCaching],
    }
    executed_immediately {
        setup: [T],
        reads: [READ_T],
        steps: [Raw("EXECUTE IMMEDIATE CONCAT('DELETE FROM ', 't')")],
        but: [Inexact, EndsCaching],
    }
    statements_of_which_the_last_fails {
        setup: [T],
        reads: [READ_T],
        steps: [Fails("INSERT INTO t VALUES (3, 'three'); INSERT INTO t VALUES (3, 'again')")],
    }
    several_rows_of_which_one_fails_without_transactions {
        setup: ["CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40)) ENGINE = MyISAM; INSERT INTO t VALUES (1, 'one');"],
        reads: [READ_T],
        steps: [Fails("INSERT INTO t VALUES (2, 'two'), (1, 'again')")],
    }
    a_view_updated {
        setup: [T, U, "CREATE VIEW seen AS SELECT id, v FROM t WHERE id > 1;"],
        reads: [READ_T, "SELECT id, v FROM seen"],
        bystanders: [READ_U],
        steps: [Run("UPDATE seen SET v = 'TWO'")],
        but: [NeedsClosure],
    }
    a_view_of_a_join_updated {
        setup: [T, U, "CREATE VIEW joined AS SELECT t.id, t.v AS one, u.v AS other FROM t JOIN u ON u.id = t.id;"],
        reads: [READ_U, "SELECT id, other FROM joined"],
        steps: [Run("UPDATE joined SET other = 'changed'")],
        but: [NeedsClosure],
    }
    insert_into_a_view_of_a_view {
        setup: [T, U, "CREATE VIEW seen AS SELECT id, v FROM t; CREATE VIEW seen_twice AS SELECT id, v FROM seen;"],
        reads: [READ_T, "SELECT id FROM seen ORDER BY id", "SELECT id FROM seen_twice ORDER BY id"],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO seen_twice VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    a_trigger_of_the_base_of_a_view {
        setup: [T, U, JOURNAL, super::NOTE_INSERTS, "CREATE VIEW seen AS SELECT id, v FROM t;"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO seen VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    update_with_words_of_its_own {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("UPDATE LOW_PRIORITY IGNORE t SET v = 'last' ORDER BY id DESC LIMIT 1")],
        but: [Inexact],
    }
    /* The driver does not say that it could send files, and so the server refuses. */
    load_data_local_is_refused {
        setup: [T],
        reads: [READ_T],
        steps: [Fails("LOAD DATA LOCAL INFILE 'rows' INTO TABLE t")],
        but: [Undone, Inexact],
    }
    an_automatic_key {
        setup: ["CREATE TABLE counted (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40)); INSERT INTO counted (v) VALUES ('one');", T],
        reads: ["SELECT id, v FROM counted ORDER BY id"],
        bystanders: [READ_T],
        steps: [Run("INSERT INTO counted (v) VALUES ('two')")],
    }
    a_sequence_as_default {
        setup: ["CREATE SEQUENCE numbers; CREATE TABLE counted (id INT PRIMARY KEY DEFAULT NEXTVAL(numbers), v VARCHAR(40));", T],
        reads: ["SELECT id, v FROM counted ORDER BY id"],
        also: ["SELECT next_not_cached_value FROM numbers"],
        bystanders: [READ_T],
        steps: [Run("INSERT INTO counted (v) VALUES ('two')")],
    }
}
