//! Inheritance without partitions, and ONLY.

use crate::write_paths::case::But::{Inexact, NeedsClosure};
use crate::write_paths::case::Step::{Fill, Run};
use crate::write_paths::case::{READ_U, U, cases};

const KIN: &str = "
    CREATE TABLE base (id INT, v VARCHAR(40));
    CREATE TABLE heir (w INT DEFAULT 7) INHERITS (base);
    CREATE TABLE other_heir () INHERITS (base);
    INSERT INTO base VALUES (1, 'one');
    INSERT INTO heir VALUES (2, 'two');
    INSERT INTO other_heir VALUES (3, 'three');";
const READ_BASE: &str = "SELECT id, v FROM base ORDER BY id";
const READ_ONLY_BASE: &str = "SELECT id, v FROM ONLY base ORDER BY id";
const READ_HEIR: &str = "SELECT id, v, w FROM heir ORDER BY id";
const READ_OTHER: &str = "SELECT id, v FROM other_heir ORDER BY id";

cases! {
    an_heir_written {
        setup: [KIN, U],
        reads: [READ_BASE, READ_HEIR],
        bystanders: [READ_OTHER, READ_U],
        steps: [Run("INSERT INTO heir VALUES (4, 'four')")],
        but: [NeedsClosure],
    }
    the_base_updated {
        setup: [KIN, U],
        reads: [READ_BASE, READ_HEIR, READ_OTHER],
        also: [READ_ONLY_BASE],
        bystanders: [READ_U],
        steps: [Run("UPDATE base SET v = 'changed'")],
        but: [NeedsClosure],
    }
    the_base_deleted_from {
        setup: [KIN, U],
        reads: [READ_BASE, READ_HEIR],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM base * WHERE id = 2")],
        but: [Inexact],
    }
    the_base_truncated {
        setup: [KIN, U],
        reads: [READ_BASE, READ_HEIR, READ_OTHER],
        bystanders: [READ_U],
        steps: [Run("TRUNCATE base")],
        but: [NeedsClosure],
    }
    the_base_inserted_into {
        setup: [KIN, U],
        reads: [READ_BASE],
        also: [READ_ONLY_BASE],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO base VALUES (4, 'four')")],
    }
    only_the_base_updated {
        setup: [KIN, U],
        reads: [READ_BASE],
        also: [READ_ONLY_BASE],
        steps: [Run("UPDATE ONLY base SET v = 'changed'")],
        but: [Inexact],
    }
    only_the_base_deleted_from {
        setup: [KIN, U],
        reads: [READ_BASE],
        also: [READ_ONLY_BASE],
        steps: [Run("DELETE FROM ONLY base")],
        but: [Inexact],
    }
    two_levels {
        setup: [KIN, U, "CREATE TABLE grandheir () INHERITS (heir); INSERT INTO grandheir VALUES (5, 'five');"],
        reads: [READ_BASE, READ_HEIR],
        bystanders: [READ_OTHER, READ_U],
        steps: [Run("DELETE FROM grandheir")],
        but: [NeedsClosure],
    }
    two_bases {
        setup: [KIN, U, "
            CREATE TABLE second (id INT); INSERT INTO second VALUES (9);
            CREATE TABLE both_heir () INHERITS (base, second); INSERT INTO both_heir VALUES (6, 'six');"],
        reads: [READ_BASE, "SELECT id FROM second ORDER BY id"],
        bystanders: [READ_HEIR, READ_U],
        steps: [Run("UPDATE both_heir SET id = 7")],
        but: [NeedsClosure],
    }
    disinherited_and_written {
        setup: [KIN, U],
        reads: [READ_HEIR],
        bystanders: [READ_BASE, READ_U],
        steps: [Run("ALTER TABLE heir NO INHERIT base"), Fill, Run("DELETE FROM heir")],
    }
    adopted_and_written {
        setup: [KIN, U, "CREATE TABLE adopted (id INT, v VARCHAR(40)); INSERT INTO adopted VALUES (8, 'eight');"],
        reads: [READ_BASE],
        bystanders: [READ_HEIR, READ_U],
        steps: [Run("ALTER TABLE adopted INHERIT base"), Fill, Run("DELETE FROM adopted")],
        but: [NeedsClosure],
    }
}
