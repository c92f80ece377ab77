//! Partitions: a parent's rows are its partitions', and the other way round.

use crate::write_paths::case::But::{Inexact, NeedsClosure};
use crate::write_paths::case::Step::{Fill, Run, Transaction};
use crate::write_paths::case::{End, JOURNAL, READ_JOURNAL, READ_U, U, cases};

const PARTED: &str = "
    CREATE TABLE parted (id INT PRIMARY KEY, v VARCHAR(40)) PARTITION BY RANGE (id);
    CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (100);
    CREATE TABLE high PARTITION OF parted FOR VALUES FROM (100) TO (200);
    INSERT INTO parted VALUES (1, 'one'), (101, 'more');";
const READ_PARTED: &str = "SELECT id, v FROM parted ORDER BY id";
const READ_LOW: &str = "SELECT id, v FROM low ORDER BY id";
const READ_HIGH: &str = "SELECT id, v FROM high ORDER BY id";
const DEEP: &str = "
    CREATE TABLE middle PARTITION OF parted FOR VALUES FROM (200) TO (300) PARTITION BY RANGE (id);
    CREATE TABLE leaf PARTITION OF middle FOR VALUES FROM (200) TO (250);
    INSERT INTO parted VALUES (201, 'deep');";
const READ_MIDDLE: &str = "SELECT id, v FROM middle ORDER BY id";
const READ_LEAF: &str = "SELECT id, v FROM leaf ORDER BY id";
const NOTE_HIGH: &str = "
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (NEW.id, NEW.v); RETURN NULL; END $$;
    CREATE TRIGGER noted AFTER INSERT ON high FOR EACH ROW EXECUTE FUNCTION note();";

cases! {
    the_parent_written {
        setup: [PARTED, U],
        reads: [READ_PARTED, READ_LOW],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO parted VALUES (2, 'two')")],
        but: [NeedsClosure],
    }
    the_parent_written_everywhere {
        setup: [PARTED, U],
        reads: [READ_PARTED, READ_LOW, READ_HIGH],
        bystanders: [READ_U],
        steps: [Run("UPDATE parted SET v = 'changed'")],
        but: [NeedsClosure],
    }
    the_parent_truncated {
        setup: [PARTED, U],
        reads: [READ_PARTED, READ_LOW, READ_HIGH],
        bystanders: [READ_U],
        steps: [Run("TRUNCATE parted")],
        but: [NeedsClosure],
    }
    a_partition_written {
        setup: [PARTED, U],
        reads: [READ_PARTED, READ_LOW],
        bystanders: [READ_HIGH, READ_U],
        steps: [Run("INSERT INTO low VALUES (2, 'two')")],
        but: [NeedsClosure],
    }
    a_partition_written_in_a_transaction {
        setup: [PARTED, U],
        reads: [READ_PARTED, READ_LOW],
        bystanders: [READ_HIGH, READ_U],
        steps: [Transaction(&[Run("DELETE FROM low")], End::Commit)],
        but: [NeedsClosure],
    }
    a_partition_truncated {
        setup: [PARTED, U],
        reads: [READ_PARTED, READ_LOW],
        bystanders: [READ_HIGH, READ_U],
        steps: [Run("TRUNCATE low")],
        but: [NeedsClosure],
    }
    the_parent_written_two_levels_down {
        setup: [PARTED, DEEP, U],
        reads: [READ_PARTED, READ_MIDDLE, READ_LEAF],
        bystanders: [READ_U],
        steps: [Run("UPDATE parted SET v = 'deeper' WHERE id = 201")],
        but: [NeedsClosure],
    }
    the_middle_written {
        setup: [PARTED, DEEP, U],
        reads: [READ_PARTED, READ_MIDDLE, READ_LEAF],
        bystanders: [READ_LOW, READ_U],
        steps: [Run("INSERT INTO middle VALUES (202, 'two')")],
        but: [NeedsClosure],
    }
    a_leaf_written {
        setup: [PARTED, DEEP, U],
        reads: [READ_PARTED, READ_MIDDLE, READ_LEAF],
        bystanders: [READ_LOW, READ_U],
        steps: [Run("DELETE FROM leaf")],
        but: [NeedsClosure],
    }
    a_row_moved_to_a_partition_with_a_trigger {
        setup: [PARTED, U, JOURNAL, NOTE_HIGH],
        reads: [READ_PARTED, READ_LOW, READ_HIGH, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("UPDATE parted SET id = 150 WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_trigger_of_a_partition {
        setup: [PARTED, U, JOURNAL, NOTE_HIGH],
        reads: [READ_PARTED, READ_HIGH, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO parted VALUES (102, 'two')")],
        but: [NeedsClosure],
    }
    a_trigger_of_the_parent {
        setup: [PARTED, U, JOURNAL, "
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (NEW.id, NEW.v); RETURN NULL; END $$;
            CREATE TRIGGER noted AFTER INSERT ON parted FOR EACH ROW EXECUTE FUNCTION note();"],
        reads: [READ_PARTED, READ_LOW, READ_JOURNAL],
        bystanders: [READ_HIGH, READ_U],
        steps: [Run("INSERT INTO low VALUES (2, 'two')")],
        but: [NeedsClosure],
    }
    the_default_partition {
        setup: [PARTED, U, "CREATE TABLE rest PARTITION OF parted DEFAULT;"],
        reads: [READ_PARTED, "SELECT id, v FROM rest ORDER BY id"],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO parted VALUES (1000, 'thousand')")],
        but: [NeedsClosure],
    }
    seen_by_a_view {
        setup: [PARTED, U, "CREATE VIEW seen AS SELECT id FROM parted;"],
        reads: ["SELECT id FROM seen ORDER BY id"],
        bystanders: [READ_HIGH, READ_U],
        steps: [Run("INSERT INTO low VALUES (2, 'two')")],
        but: [NeedsClosure],
    }
    attached {
        setup: [PARTED, "CREATE TABLE more (id INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO more VALUES (301, 'more');"],
        reads: [READ_PARTED],
        steps: [Run("ALTER TABLE parted ATTACH PARTITION more FOR VALUES FROM (300) TO (400)")],
        but: [Inexact],
    }
    attached_and_written {
        setup: [PARTED, U, "CREATE TABLE more (id INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO more VALUES (301, 'more');"],
        reads: [READ_PARTED],
        bystanders: [READ_LOW, READ_U],
        steps: [Run("ALTER TABLE parted ATTACH PARTITION more FOR VALUES FROM (300) TO (400)"), Fill, Run("DELETE FROM more")],
        but: [NeedsClosure],
    }
    created_and_written {
        setup: [PARTED, U],
        reads: [READ_PARTED],
        bystanders: [READ_LOW, READ_U],
        steps: [Run("CREATE TABLE more PARTITION OF parted FOR VALUES FROM (300) TO (400)"), Fill, Run("INSERT INTO more VALUES (301, 'more')")],
        but: [NeedsClosure],
    }
    detached {
        setup: [PARTED],
        reads: [READ_PARTED],
        steps: [Run("ALTER TABLE parted DETACH PARTITION low")],
        but: [Inexact],
    }
    detached_and_written {
        setup: [PARTED, U],
        reads: [READ_LOW],
        bystanders: [READ_PARTED, READ_U],
        steps: [Run("ALTER TABLE parted DETACH PARTITION low"), Fill, Run("DELETE FROM low")],
    }
    dropped {
        setup: [PARTED],
        reads: [READ_PARTED, READ_LOW],
        steps: [Run("DROP TABLE low")],
        but: [Inexact],
    }
}
