//! Schema changes and partitions, as MariaDB has them.

use crate::write_paths::case::But::Inexact;
use crate::write_paths::case::Step::{Fill, Run};
use crate::write_paths::case::{READ_T, READ_U, T, U, cases};

const PARTED: &str = "
    CREATE TABLE parted (id INT PRIMARY KEY, v VARCHAR(40))
    PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (100), PARTITION high VALUES LESS THAN (200));
    INSERT INTO parted VALUES (1, 'one'), (101, 'more');";
const READ_PARTED: &str = "SELECT id, v FROM parted ORDER BY id";
const READ_LOW: &str = "SELECT id, v FROM parted PARTITION (low) ORDER BY id";

cases! {
    names_swapped_at_once {
        setup: [T, U],
        reads: [READ_T, READ_U],
        steps: [Run("RENAME TABLE t TO swapping, u TO t, swapping TO u")],
        but: [Inexact],
    }
    replaced_by_an_empty_table {
        setup: [T],
        reads: [READ_T],
        steps: [Run("CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, v VARCHAR(40))")],
        but: [Inexact],
    }
    another_engine {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [Run("ALTER TABLE t ENGINE = Aria"), Fill, Run("DELETE FROM t WHERE id = 1")],
    }
    a_generated_column_that_is_virtual {
        setup: ["
            CREATE TABLE priced (id INT PRIMARY KEY, n INT, twice INT GENERATED ALWAYS AS (n * 2) VIRTUAL);
            INSERT INTO priced (id, n) VALUES (1, 10), (2, 20);"],
        reads: ["SELECT id, twice FROM priced ORDER BY id"],
        steps: [Run("UPDATE priced SET n = 11 WHERE id = 1")],
    }
    a_partitioned_table_written {
        setup: [PARTED, U],
        reads: [READ_PARTED],
        also: [READ_LOW],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO parted VALUES (2, 'two')")],
    }
    a_partition_deleted_from {
        setup: [PARTED, U],
        reads: [READ_PARTED],
        also: [READ_LOW],
        steps: [Run("DELETE FROM parted PARTITION (low)")],
    }
    a_partition_truncated {
        setup: [PARTED],
        reads: [READ_PARTED],
        also: [READ_LOW],
        steps: [Run("ALTER TABLE parted TRUNCATE PARTITION low")],
        but: [Inexact],
    }
    a_partition_exchanged {
        setup: [PARTED, T],
        reads: [READ_PARTED, READ_T],
        also: [READ_LOW],
        steps: [Run("ALTER TABLE parted EXCHANGE PARTITION low WITH TABLE t")],
        but: [Inexact],
    }
    a_partition_dropped {
        setup: [PARTED],
        reads: [READ_PARTED],
        steps: [Run("ALTER TABLE parted DROP PARTITION high")],
        but: [Inexact],
    }
    a_versioned_table_written {
        setup: ["CREATE TABLE dated (id INT PRIMARY KEY, v VARCHAR(40)) WITH SYSTEM VERSIONING; INSERT INTO dated VALUES (1, 'one');", U],
        reads: ["SELECT id, v FROM dated"],
        also: ["SELECT COUNT(*) FROM dated FOR SYSTEM_TIME ALL"],
        bystanders: [READ_U],
        steps: [Run("UPDATE dated SET v = 'ONE'")],
    }
}
